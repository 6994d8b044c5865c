//! Enrols the device: challenge, evidence, certificate. The typestate of the middleware does the steps.
//!
//! A platform whose evidence needs an answer of the cloud first (a TPM that is to open a secret) asks between the two. A
//! platform that fails ends the flow: nothing is enrolled as software because hardware did not answer.
//!
//! A challenge works once, so a lost answer begins again with a new one. What comes back is believed only under a
//! result key of the key set in force, about the keys of this device.

use crate::client::Client;
use crate::flow::{Flow, Patience, Step, bytes, own_answer, read};
use crate::outcome::{FlowError, FlowErrorKind};
use glacis_dtx::EnrolError;
use glacis_dtx::Enrolment;
use glacis_dtx::enrol::{Challenged, Draft, Evidenced};
use glacis_wire::http::{
    MEDIA_TYPE, PATH_ENROL, PATH_ENROL_ACTIVATION, PATH_ENROL_CHALLENGE, Request, Response,
};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::{EnrolChallenge, Evidence};
use glacis_wire::message::tpm::{Activation, ActivationRequest};
use glacis_wire::{Thumbprint, Tier, Timestamp, Trust};
use std::error::Error;

/// Supplies evidence of the platform; the app's bridge to what the hardware can prove.
pub trait Attester {
    /// What the cloud must answer before there can be evidence; none where it need not.
    ///
    /// # Errors
    /// What the platform says; the flow ends with it.
    fn activation(&mut self, asked: &Asked<'_>) -> Result<Option<ActivationRequest>, AttestFailure> {
        let _ = asked;
        Ok(None)
    }

    /// Evidence over the challenge and the device key; none on a platform that has none. `activation` is the answer to
    /// what [`Self::activation`] asked.
    ///
    /// # Errors
    /// What the platform says; the flow ends with it.
    fn evidence(
        &mut self,
        asked: &Asked<'_>,
        activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure>;

    /// Whether the platform proves as often as it is asked what it proved about a key, as a TPM does. Android and Apple
    /// state something about a key when it is made, for one challenge; a device that is attested anew then has a new key.
    fn attests_again(&self) -> bool {
        false
    }
}

/// What evidence is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The challenge, as the cloud issued it.
    pub challenge: &'a EnrolChallenge,
    /// The key that enrols.
    pub device_key: &'a PublicKey,
    /// The client's time.
    pub now: Timestamp,
}

/// Why a platform that has evidence gives none.
#[derive(Debug, thiserror::Error)]
#[error("the platform gives no evidence: {0}")]
pub struct AttestFailure(#[source] Box<dyn Error + Send + Sync>);

impl AttestFailure {
    /// A failure with its cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// A platform that proves nothing: the device enrols as software, with the same key as often as it does.
#[derive(Clone, Copy, Debug)]
pub struct NoEvidence;

impl Attester for NoEvidence {
    fn evidence(
        &mut self,
        _asked: &Asked<'_>,
        _activation: Option<&Activation>,
    ) -> Result<Option<Evidence>, AttestFailure> {
        Ok(None)
    }

    fn attests_again(&self) -> bool {
        true
    }
}

/// What the cloud found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appraised {
    /// Names the device.
    pub thumbprint: Thumbprint,
    /// What its attestation is worth.
    pub tier: Tier,
    /// What values of its process are worth.
    pub trust: Trust,
}

/// One enrolment. See [`Client::enrol`]. It can go to another thread if its attester can.
pub struct Enrol<'c, A: Attester + ?Sized> {
    client: &'c mut Client,
    attester: &'c mut A,
    patience: Patience,
    stage: Stage,
    /// A new key takes the place of the present one.
    succeeds: bool,
}

#[derive(Debug)]
enum Stage {
    Drafting,
    AwaitingChallenge(Enrolment<Draft>),
    Activating(Enrolment<Challenged>, Box<ActivationRequest>),
    AwaitingActivation(Enrolment<Challenged>),
    Evidenced(Enrolment<Evidenced>),
    AwaitingAnswer(Enrolment<Evidenced>),
    Ended(Option<Result<Appraised, FlowError>>),
}

impl<'c, A: Attester + ?Sized> Enrol<'c, A> {
    pub(crate) const fn begin(client: &'c mut Client, attester: &'c mut A, succeeds: bool) -> Self {
        Self { client, attester, patience: Patience::new(), stage: Stage::Drafting, succeeds }
    }

    fn send(&mut self, stage: Stage) -> Result<Request, FlowError> {
        let (stage, path, body) = match stage {
            Stage::Activating(challenged, request) => {
                (Stage::AwaitingActivation(challenged), PATH_ENROL_ACTIVATION, bytes(&*request)?)
            }
            Stage::Evidenced(evidenced) => {
                let body = bytes(&evidenced.request().map_err(failed)?)?;
                (Stage::AwaitingAnswer(evidenced), PATH_ENROL, body)
            }
            _ => {
                let line = &self.client.line;
                let draft = if self.succeeds { line.draft_successor() } else { line.draft() };
                let draft = draft.map_err(failed)?;
                (Stage::AwaitingChallenge(draft), PATH_ENROL_CHALLENGE, Vec::new())
            }
        };
        self.stage = stage;
        Ok(Request {
            method: String::from("POST"),
            authority: self.client.line.authority().to_owned(),
            path: path.to_owned(),
            query: String::new(),
            headers: vec![(String::from("content-type"), MEDIA_TYPE.to_owned())],
            body,
        })
    }

    fn asked<'a>(&self, challenged: &'a Enrolment<Challenged>) -> Asked<'a> {
        let now = self.client.line.now();
        Asked { challenge: challenged.challenge(), device_key: challenged.device_key(), now }
    }

    fn evidenced(
        &mut self,
        challenged: Enrolment<Challenged>,
        activation: Option<&Activation>,
    ) -> Result<Stage, FlowError> {
        let asked = self.asked(&challenged);
        let evidence = self.attester.evidence(&asked, activation).map_err(unattested)?;
        challenged.evidenced(evidence).map(Stage::Evidenced).map_err(failed)
    }

    fn answered(&mut self, stage: Stage, response: &Response) -> Result<Stage, FlowError> {
        let now = self.client.line.now();
        match stage {
            Stage::AwaitingChallenge(draft) => {
                let challenge = own_answer(response).and_then(read)?;
                let challenged = draft.challenged(challenge, now).map_err(failed)?;
                let asked = self.asked(&challenged);
                match self.attester.activation(&asked).map_err(unattested)? {
                    Some(request) => Ok(Stage::Activating(challenged, Box::new(request))),
                    None => self.evidenced(challenged, None),
                }
            }
            Stage::AwaitingActivation(challenged) => {
                let activation = own_answer(response).and_then(read)?;
                self.evidenced(challenged, Some(&activation))
            }
            Stage::AwaitingAnswer(evidenced) => {
                let answer = own_answer(response).and_then(read)?;
                let trusted = self.client.key_set();
                let enrolled = evidenced.finish(answer, trusted, now).map_err(failed)?;
                let appraised = Appraised {
                    thumbprint: enrolled.thumbprint(),
                    tier: enrolled.result().tier,
                    trust: enrolled.result().trust,
                };
                self.client.line.enrolled(enrolled)?;
                Ok(Stage::Ended(Some(Ok(appraised))))
            }
            stage => Ok(stage),
        }
    }
}

impl<A: Attester + ?Sized> Flow for Enrol<'_, A> {
    type Output = Appraised;

    fn next(&mut self) -> Step<Appraised> {
        self.lost();
        match std::mem::replace(&mut self.stage, Stage::Ended(None)) {
            Stage::Ended(ended) => {
                Step::Done(ended.unwrap_or_else(|| Err(FlowError::new(FlowErrorKind::Misuse))))
            }
            stage => self.send(stage).map_or_else(|error| Step::Done(Err(error)), Step::Send),
        }
    }

    fn receive(&mut self, response: Response) {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended(None));
        self.stage = self.answered(stage, &response).unwrap_or_else(|error| Stage::Ended(Some(Err(error))));
    }

    fn lost(&mut self) {
        // Also what was activated: its challenge may have ended meanwhile, and a new one costs a round trip.
        if matches!(
            self.stage,
            Stage::AwaitingChallenge(_) | Stage::AwaitingActivation(_) | Stage::AwaitingAnswer(_)
        ) {
            self.stage = match self.patience.lose() {
                Ok(()) => Stage::Drafting,
                Err(error) => Stage::Ended(Some(Err(error))),
            };
        }
    }
}

impl<A: Attester + ?Sized> std::fmt::Debug for Enrol<'_, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrol").field("stage", &self.stage).finish_non_exhaustive()
    }
}

fn unattested(error: AttestFailure) -> FlowError {
    FlowError::because(FlowErrorKind::Unattested, error)
}

fn failed(error: EnrolError) -> FlowError {
    let kind = match error {
        EnrolError::Expired | EnrolError::OtherDevice | EnrolError::Untrusted(_) => {
            FlowErrorKind::Unverifiable
        }
        EnrolError::Limit(_) => FlowErrorKind::TooLarge,
        _ => FlowErrorKind::Custody,
    };
    FlowError::because(kind, error)
}
