//! Enrols the device: challenge, evidence, certificate. The typestate of the middleware does the steps.
//!
//! A challenge works once, so a lost answer begins again with a new one. What comes back is believed only under a
//! result key of the key set in force, about the keys of this device.

use crate::client::Client;
use crate::flow::{Flow, Patience, Step, own_answer, read};
use crate::outcome::{FlowError, FlowErrorKind};
use glacis_dtx::EnrolError;
use glacis_dtx::Enrolment;
use glacis_dtx::enrol::{Draft, Evidenced};
use glacis_wire::http::{MEDIA_TYPE, PATH_ENROL, PATH_ENROL_CHALLENGE, Request, Response};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::{Encode, Thumbprint, Tier, Trust};

/// Supplies evidence of the platform; the app's bridge to what the hardware can prove.
pub trait Attester {
    /// Evidence over the challenge and the device key; none on a platform that has none.
    fn evidence(&mut self, challenge: &[u8; 32], device_key: &PublicKey) -> Option<Evidence>;
}

/// A platform that proves nothing: the device enrols as software.
#[derive(Clone, Copy, Debug)]
pub struct NoEvidence;

impl Attester for NoEvidence {
    fn evidence(&mut self, _challenge: &[u8; 32], _device_key: &PublicKey) -> Option<Evidence> {
        None
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

/// One enrolment. See [`Client::enrol`].
pub struct Enrol<'c> {
    client: &'c mut Client,
    attester: &'c mut dyn Attester,
    patience: Patience,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Drafting,
    AwaitingChallenge(Enrolment<Draft>),
    Evidenced(Enrolment<Evidenced>),
    AwaitingAnswer(Enrolment<Evidenced>),
    Ended(Option<Result<Appraised, FlowError>>),
}

impl<'c> Enrol<'c> {
    pub(crate) const fn begin(client: &'c mut Client, attester: &'c mut dyn Attester) -> Self {
        Self { client, attester, patience: Patience::new(), stage: Stage::Drafting }
    }

    fn send(&mut self, stage: Stage) -> Result<Request, FlowError> {
        let (stage, path, body) = match stage {
            Stage::Evidenced(evidenced) => {
                let body = evidenced.request().map_err(failed)?.to_bytes();
                let body = body.map_err(|error| FlowError::because(FlowErrorKind::TooLarge, error))?;
                (Stage::AwaitingAnswer(evidenced), PATH_ENROL, body)
            }
            _ => {
                let draft = self.client.line.draft().map_err(failed)?;
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

    fn answered(&mut self, stage: Stage, response: &Response) -> Result<Stage, FlowError> {
        let now = self.client.line.now();
        match stage {
            Stage::AwaitingChallenge(draft) => {
                let challenge = own_answer(response).and_then(read)?;
                let challenged = draft.challenged(challenge, now).map_err(failed)?;
                let evidence = self.attester.evidence(challenged.challenge(), challenged.device_key());
                Ok(Stage::Evidenced(challenged.evidenced(evidence)))
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

impl Flow for Enrol<'_> {
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
        if matches!(self.stage, Stage::AwaitingChallenge(_) | Stage::AwaitingAnswer(_)) {
            self.stage = match self.patience.lose() {
                Ok(()) => Stage::Drafting,
                Err(error) => Stage::Ended(Some(Err(error))),
            };
        }
    }
}

impl std::fmt::Debug for Enrol<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enrol").field("stage", &self.stage).finish_non_exhaustive()
    }
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
