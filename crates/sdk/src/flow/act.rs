//! A guarded action: signals → disclosure → signed request → verified verdict, with challenges on the way.
//!
//! The signals are read once for each action; retries and challenge answers send the same disclosure under the
//! same event id, so the edge sees one action. A response becomes an [`Outcome`] only through a verdict whose MAC,
//! event, request, content and end were checked; anything else is an error, whatever its status says.

use crate::client::Client;
use crate::drive::Reply;
use crate::flow::{Flow, Patience, Prompt, Step, bytes, own_answer, read, refused};
use crate::line::{Upkeep, is_curable, nothing};
use crate::outcome::{Answered, FlowError, FlowErrorKind, Outcome};
use crate::slice::{Judged, Local};
use glacis_dtx::{Expected, SignedRequest, UserVerification};
use glacis_seal::httpsig::profile::AUTHORIZATION;
use glacis_seal::{passkey_challenge, sha256};
use glacis_wire::http::{
    PATH_CHALLENGE, PATH_OTP_START, PATH_OTP_VERIFY, PATH_PASSKEY_VERIFY, Request, Response,
};
use glacis_wire::limits::{ASSERTION_BYTES_MAX, DECISIONS_PER_EVENT_MAX};
use glacis_wire::message::challenge::{
    ChallengeNonce, ChallengeRequest, OtpAnswer, OtpOutcome, OtpStart, OtpVerify, PasskeyAnswer,
    PasskeyOutcome, PasskeyVerify, Proof,
};
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Answer, Digest, Disclosed, Encode, EventId, EventName, Method, SignalName, Verdict};
use std::collections::BTreeMap;

/// What the app wants to do, under guard.
#[derive(Clone, Debug)]
pub struct Action {
    /// The event of the route, as the policy names it.
    pub event: EventName,
    /// The app's own request, unsigned. The authority is the client's; header fields that signing sets are refused.
    pub request: Request,
    /// What the request says, as the edge will extract it: the device's own copies of request values, by signal. Only a
    /// release node that compares the device with them (`vs_request`) reads one; it fails where its copy is not here, or
    /// is unknown. A copy is not sent, and what it says of the request is never believed: the edge has its own view.
    pub said: BTreeMap<SignalName, Answer>,
}

/// One guarded action. See [`Client::act`].
#[derive(Debug)]
pub struct Act<'c> {
    client: &'c mut Client,
    action: Action,
    event_id: EventId,
    content: Digest,
    disclosed: Disclosed,
    /// What to answer: from a verdict, or fetched for a challenge that the device starts.
    nonce: Option<ChallengeNonce>,
    proof: Option<Proof>,
    /// The verdict that stands if the user does not answer.
    challenged: Option<Outcome>,
    challenges: u8,
    tries: u8,
    patience: Patience,
    stage: Stage,
    #[cfg(feature = "observe")]
    signals: Option<crate::signal::SignalSet>,
}

#[derive(Debug)]
enum Stage {
    /// To be sent as soon as the session is up.
    Wanting(Want),
    Awaiting(Sent),
    Prompting(Method),
    Ended(Option<Result<Outcome, FlowError>>),
}

#[derive(Debug)]
enum Want {
    Nonce(Method),
    Action,
    OtpStart,
    OtpVerify(String),
    PasskeyVerify(Vec<u8>),
}

#[derive(Debug)]
enum Sent {
    Upkeep(Upkeep, Want),
    Nonce(Method),
    Action(Expected),
    OtpStart,
    OtpVerify(String),
    PasskeyVerify(Vec<u8>),
}

impl<'c> Act<'c> {
    /// Judges the signals of `action` and begins.
    pub(crate) fn begin(client: &'c mut Client, action: Action) -> Result<Self, FlowError> {
        let judged = client.judge(&action.event, &action.said);
        Self::judged(client, action, judged)
    }

    /// Begins with a disclosure that no slice made.
    pub(crate) fn disclosing(
        client: &'c mut Client,
        action: Action,
        disclosed: Option<Disclosed>,
    ) -> Result<Self, FlowError> {
        let event_id = client.line.event_id()?;
        Ok(Self::new(client, action, event_id, disclosed))
    }

    fn judged(client: &'c mut Client, action: Action, judged: Judged) -> Result<Self, FlowError> {
        let event_id = client.line.event_id()?;
        let local = judged.local();
        #[cfg(feature = "observe")]
        let (disclosed, signals) = judged.into_observed();
        #[cfg(not(feature = "observe"))]
        let disclosed = judged.into_disclosed();
        let mut act = Self::new(client, action, event_id, disclosed);
        #[cfg(feature = "observe")]
        {
            act.signals = Some(signals);
        }
        match local {
            Local::Forward => {}
            Local::Start(method) => act.stage = Stage::Wanting(Want::Nonce(method)),
            Local::Block => {
                act.client.remember(&act.action.event, event_id, &act.disclosed, Verdict::Block);
                let outcome = act.decided_here(Verdict::Block);
                act.end(Ok(outcome));
            }
        }
        Ok(act)
    }

    fn new(client: &'c mut Client, action: Action, event_id: EventId, disclosed: Option<Disclosed>) -> Self {
        Self {
            client,
            content: sha256(&action.request.body),
            action,
            event_id,
            disclosed: disclosed.unwrap_or_else(nothing),
            nonce: None,
            proof: None,
            challenged: None,
            challenges: 0,
            tries: TRIES_MAX,
            patience: Patience::new(),
            stage: Stage::Wanting(Want::Action),
            #[cfg(feature = "observe")]
            signals: None,
        }
    }

    /// Names the user action.
    pub const fn event_id(&self) -> EventId {
        self.event_id
    }

    /// What leaves the device with it.
    pub const fn disclosed(&self) -> &Disclosed {
        &self.disclosed
    }

    const fn decided_here(&self, verdict: Verdict) -> Outcome {
        Outcome { zone: Answered::Device, verdict, event_id: self.event_id, reference: None, response: None }
    }

    fn end(&mut self, result: Result<Outcome, FlowError>) {
        #[cfg(feature = "observe")]
        if let (Ok(outcome), Some(signals)) = (&result, self.signals.take()) {
            self.client.observed(&self.action.event, outcome, &self.disclosed, &signals);
        }
        self.stage = Stage::Ended(Some(result));
    }

    fn send(&mut self, want: Want) -> Result<Request, FlowError> {
        if let Some((request, upkeep)) = self.client.line.upkeep()? {
            self.stage = Stage::Awaiting(Sent::Upkeep(upkeep, want));
            return Ok(request);
        }
        let (signed, sent) = match want {
            Want::Action => {
                let request = self.action.request.clone();
                let signed =
                    self.client.line.sign(request, self.event_id, &self.disclosed, self.proof.as_ref())?;
                let expected = signed.expected;
                (signed, Sent::Action(expected))
            }
            Want::Nonce(method) => {
                let body = ChallengeRequest { event: self.event_id, content: self.content, method };
                (self.own(PATH_CHALLENGE, &body)?, Sent::Nonce(method))
            }
            Want::OtpStart => (self.own(PATH_OTP_START, &OtpStart { nonce: self.asked()? })?, Sent::OtpStart),
            Want::OtpVerify(code) => {
                let body = OtpVerify { nonce: self.asked()?, code: Text(code.clone()) };
                (self.own(PATH_OTP_VERIFY, &body)?, Sent::OtpVerify(code))
            }
            Want::PasskeyVerify(assertion) => {
                let body = PasskeyVerify { nonce: self.asked()?, assertion: Bytes(assertion.clone()) };
                (self.own(PATH_PASSKEY_VERIFY, &body)?, Sent::PasskeyVerify(assertion))
            }
        };
        self.stage = Stage::Awaiting(sent);
        Ok(signed.request)
    }

    fn own(&mut self, path: &str, body: &impl Encode) -> Result<SignedRequest, FlowError> {
        let principal = self.action.request.header(AUTHORIZATION);
        self.client.line.sign_own(path, principal, body)
    }

    fn prompt(&self, method: Method) -> Result<Prompt, FlowError> {
        let message = bytes(&self.asked()?)?;
        let challenge = || passkey_challenge(self.client.line.context(), &message);
        let webauthn = (method == Method::Passkey).then(challenge);
        Ok(Prompt { method, message, webauthn })
    }

    fn asked(&self) -> Result<ChallengeNonce, FlowError> {
        self.nonce.clone().ok_or(FlowError::new(FlowErrorKind::Misuse))
    }

    /// What an answer leads to; an error ends the flow.
    fn answered(&mut self, sent: Sent, response: Response) -> Result<(), FlowError> {
        match sent {
            Sent::Upkeep(upkeep, want) => match self.client.line.upkept(upkeep, &response) {
                Ok(()) => self.stage = Stage::Wanting(want),
                Err(error) => self.recover(error, want)?,
            },
            Sent::Action(expected) => self.decided(&expected, response)?,
            Sent::Nonce(method) => match self.fetched(method, &response) {
                Ok(nonce) => self.challenge(method, nonce),
                // Starting early is a courtesy; without a nonce the action takes the ordinary way.
                Err(error) if !is_curable(&error) => {
                    self.stage = Stage::Wanting(Want::Action);
                }
                Err(error) => self.recover(error, Want::Nonce(method))?,
            },
            Sent::OtpStart => match own_answer(&response) {
                Ok(_) => self.stage = Stage::Prompting(Method::Otp),
                Err(error) => self.recover(error, Want::OtpStart)?,
            },
            Sent::OtpVerify(code) => match own_answer(&response).and_then(read::<OtpAnswer>) {
                Ok(answer) => self.otp(answer)?,
                Err(error) => self.recover(error, Want::OtpVerify(code))?,
            },
            Sent::PasskeyVerify(assertion) => match own_answer(&response).and_then(read::<PasskeyAnswer>) {
                Ok(answer) => self.asserted(answer)?,
                Err(error) => self.recover(error, Want::PasskeyVerify(assertion))?,
            },
        }
        Ok(())
    }

    /// The answer to the action itself.
    fn decided(&mut self, expected: &Expected, response: Response) -> Result<(), FlowError> {
        let Some(verdict) = self.client.line.verdict(&response, expected)? else {
            let error = refused(&response).unwrap_or_else(|| FlowError::new(FlowErrorKind::Unverifiable));
            return self.recover(error, Want::Action);
        };
        self.client.confirm(&self.action.event, &verdict);
        self.client.named(&response);
        let outcome = Outcome {
            zone: Answered::Remote,
            verdict: verdict.verdict,
            event_id: self.event_id,
            reference: Some(verdict.reference),
            response: Some(response),
        };
        match (verdict.verdict, verdict.nonce) {
            (Verdict::Challenge(method), Some(nonce)) if self.challenges < DECISIONS_PER_EVENT_MAX => {
                self.check_nonce(method, &nonce)?;
                self.challenges += 1;
                self.challenged = Some(outcome);
                self.challenge(method, nonce);
            }
            _ => self.end(Ok(outcome)),
        }
        Ok(())
    }

    fn check_nonce(&self, method: Method, nonce: &ChallengeNonce) -> Result<(), FlowError> {
        if (nonce.body.event, nonce.body.content, nonce.body.method) != (self.event_id, self.content, method)
        {
            return Err(FlowError::new(FlowErrorKind::Mismatched));
        }
        Ok(())
    }

    fn fetched(&self, method: Method, response: &Response) -> Result<ChallengeNonce, FlowError> {
        let nonce: ChallengeNonce = own_answer(response).and_then(read)?;
        self.check_nonce(method, &nonce)?;
        Ok(nonce)
    }

    fn challenge(&mut self, method: Method, nonce: ChallengeNonce) {
        self.nonce = Some(nonce);
        self.proof = None;
        self.stage = match method {
            Method::Otp => Stage::Wanting(Want::OtpStart),
            Method::Passkey => Stage::Prompting(method),
        };
    }

    fn otp(&mut self, answer: OtpAnswer) -> Result<(), FlowError> {
        match (answer.outcome, answer.grant) {
            (OtpOutcome::Granted, Some(grant)) => {
                self.proof = Some(Proof::Otp { nonce: self.asked()?, grant });
                self.stage = Stage::Wanting(Want::Action);
            }
            (OtpOutcome::Granted, None) => return Err(FlowError::new(FlowErrorKind::Unreadable)),
            (OtpOutcome::Wrong, _) if self.tries > 0 => self.stage = Stage::Prompting(Method::Otp),
            (OtpOutcome::Wrong | OtpOutcome::Spent, _) => self.unanswered(),
        }
        Ok(())
    }

    fn asserted(&mut self, answer: PasskeyAnswer) -> Result<(), FlowError> {
        match (answer.outcome, answer.grant) {
            (PasskeyOutcome::Granted, Some(grant)) => {
                self.proof = Some(Proof::PasskeyGrant { nonce: self.asked()?, grant });
                self.stage = Stage::Wanting(Want::Action);
            }
            (PasskeyOutcome::Granted, None) => return Err(FlowError::new(FlowErrorKind::Unreadable)),
            (PasskeyOutcome::Wrong, _) if self.tries > 0 => self.stage = Stage::Prompting(Method::Passkey),
            (PasskeyOutcome::Wrong | PasskeyOutcome::Spent, _) => self.unanswered(),
        }
        Ok(())
    }

    /// The challenge stands.
    fn unanswered(&mut self) {
        let method = self.nonce.as_ref().map(|nonce| nonce.body.method);
        let outcome = match (self.challenged.take(), method) {
            (Some(outcome), _) => Ok(outcome),
            (None, Some(method)) => {
                let verdict = Verdict::Challenge(method);
                self.client.remember(&self.action.event, self.event_id, &self.disclosed, verdict);
                Ok(self.decided_here(verdict))
            }
            (None, None) => Err(FlowError::new(FlowErrorKind::Misuse)),
        };
        self.end(outcome);
    }

    fn verified(&mut self, verification: UserVerification) -> Result<(), FlowError> {
        let nonce = self.asked()?;
        let signature = self.client.line.sign_challenge(&nonce, verification)?;
        self.proof = Some(Proof::Passkey { nonce, signature });
        self.stage = Stage::Wanting(Want::Action);
        Ok(())
    }

    /// Goes back to `want` where a new leg or session cures the error.
    fn recover(&mut self, error: FlowError, want: Want) -> Result<(), FlowError> {
        self.client.line.recover(&mut self.patience, error)?;
        self.stage = Stage::Wanting(want);
        Ok(())
    }
}

impl Flow for Act<'_> {
    type Output = Outcome;

    fn next(&mut self) -> Step<Outcome> {
        if matches!(self.stage, Stage::Awaiting(_)) {
            self.lost();
        }
        match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::Wanting(want) => match self.send(want) {
                Ok(request) => return Step::Send(request),
                Err(error) => self.end(Err(error)),
            },
            Stage::Prompting(method) => match self.prompt(method) {
                Ok(prompt) => {
                    self.stage = Stage::Prompting(method);
                    return Step::Prompt(prompt);
                }
                Err(error) => self.end(Err(error)),
            },
            stage => self.stage = stage,
        }
        match &mut self.stage {
            Stage::Ended(result) => {
                Step::Done(result.take().unwrap_or_else(|| Err(FlowError::new(FlowErrorKind::Misuse))))
            }
            _ => Step::Done(Err(FlowError::new(FlowErrorKind::Misuse))),
        }
    }

    fn receive(&mut self, response: Response) {
        match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::Awaiting(sent) => {
                if let Err(error) = self.answered(sent, response) {
                    self.end(Err(error));
                }
            }
            stage => self.stage = stage,
        }
    }

    fn lost(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::Awaiting(sent) => match self.patience.lose() {
                Ok(()) => self.stage = Stage::Wanting(sent.again()),
                Err(error) => self.end(Err(error)),
            },
            stage => self.stage = stage,
        }
    }

    fn reply(&mut self, reply: Reply) {
        let Stage::Prompting(method) = self.stage else { return };
        match (method, reply) {
            (Method::Passkey, Reply::Verified(verification)) => {
                if let Err(error) = self.verified(verification) {
                    self.end(Err(error));
                }
            }
            (Method::Passkey, Reply::Assertion(assertion)) if assertion.len() <= ASSERTION_BYTES_MAX => {
                self.tries = self.tries.saturating_sub(1);
                self.stage = Stage::Wanting(Want::PasskeyVerify(assertion));
            }
            (Method::Otp, Reply::Code(code)) if code.len() <= OTP_BYTES_MAX => {
                self.tries = self.tries.saturating_sub(1);
                self.stage = Stage::Wanting(Want::OtpVerify(code));
            }
            _ => self.unanswered(),
        }
    }
}

impl Sent {
    fn again(self) -> Want {
        match self {
            Self::Upkeep(_, want) => want,
            Self::Nonce(method) => Want::Nonce(method),
            Self::Action(_) => Want::Action,
            Self::OtpStart => Want::OtpStart,
            Self::OtpVerify(code) => Want::OtpVerify(code),
            Self::PasskeyVerify(assertion) => Want::PasskeyVerify(assertion),
        }
    }
}

/// Codes and assertions that the user may give for one action; the cloud has its own limit.
const TRIES_MAX: u8 = 3;
/// Longest code, as in [`OtpVerify`].
const OTP_BYTES_MAX: usize = 12;
