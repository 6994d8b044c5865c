//! Flows: what a client does, as state machines that neither send nor wait.
//!
//! Each flow borrows its [`Client`](crate::Client) for as long as it runs, so a client runs one flow at a time.
//! The owner asks for the [`Flow::next`] step, carries it out, and hands back what came of it. Every flow ends
//! after a bounded number of steps whatever the other side answers: losses and refusals are counted.

pub mod act;
pub mod check;
pub mod enrol;
pub mod open;
pub mod pull;
pub mod report;

use crate::drive::Reply;
use crate::outcome::{FlowError, FlowErrorKind};
use crate::problem;
use glacis_wire::http::{Request, Response};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Decode, Digest, Encode, Method};

/// What the owner of a flow has to do.
#[derive(Debug)]
pub enum Step<T> {
    /// Send this and hand the answer to [`Flow::receive`], or call [`Flow::lost`].
    Send(Request),
    /// Ask the user, and hand the reply to [`Flow::reply`].
    Prompt(Prompt),
    /// The flow has ended.
    Done(Result<T, FlowError>),
}

/// What the user is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The method to pass.
    pub method: Method,
    /// What a passkey approves: the encoded challenge nonce. A user verification is good for these bytes only.
    pub message: Vec<u8>,
    /// For a passkey: the challenge to ask the platform's WebAuthn with, in place of a user verification by this
    /// device's own key. User verification is required; the passkeys are discoverable, so none needs to be named.
    pub webauthn: Option<Digest>,
}

/// A state machine that a transport and a user drive.
pub trait Flow {
    /// What the flow yields.
    type Output;

    /// What to do now. Asking again without an answer counts as [`lost`](Self::lost) after a `Send`, asks the
    /// same after a `Prompt`, and is misuse after `Done`.
    fn next(&mut self) -> Step<Self::Output>;

    /// The answer to the last `Send`. Ignored where none was awaited.
    fn receive(&mut self, response: Response);

    /// No complete answer came to the last `Send`; it may have been carried out.
    fn lost(&mut self);

    /// What the user replied to the last `Prompt`. Flows that never prompt ignore it.
    fn reply(&mut self, _reply: Reply) {}
}

/// A message of ours in its encoding.
pub(crate) fn bytes(message: &impl Encode) -> Result<Vec<u8>, FlowError> {
    message.to_bytes().map_err(|error| FlowError::because(FlowErrorKind::TooLarge, error))
}

/// A message of ours, all of it.
pub(crate) fn read<T: Decode>(body: &[u8]) -> Result<T, FlowError> {
    T::from_bytes(body).map_err(|error| FlowError::because(FlowErrorKind::Unreadable, error))
}

/// How often a flow may still try again. Every way back in a flow goes through here, which is what bounds it.
#[derive(Debug)]
pub(crate) struct Patience {
    losses: u8,
    recoveries: u8,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { losses: LOSSES_MAX, recoveries: RECOVERIES_MAX }
    }

    /// One more loss.
    pub(crate) fn lose(&mut self) -> Result<(), FlowError> {
        self.losses = self.losses.checked_sub(1).ok_or(FlowError::new(FlowErrorKind::Unreachable))?;
        Ok(())
    }

    /// One more way back; fails with `error` when there were enough.
    pub(crate) fn recover(&mut self, error: FlowError) -> Result<(), FlowError> {
        match self.recoveries.checked_sub(1) {
            Some(left) => {
                self.recoveries = left;
                Ok(())
            }
            None => Err(FlowError::because(FlowErrorKind::Exhausted, error)),
        }
    }
}

/// The answer of one of our own endpoints: its body, or the refusal that it states.
pub(crate) fn own_answer(response: &Response) -> Result<&[u8], FlowError> {
    if (200..300).contains(&response.status) {
        return Ok(&response.body);
    }
    Err(refused(response).unwrap_or_else(|| FlowError::new(FlowErrorKind::Unreadable)))
}

/// The refusal that a response states, as an error.
pub(crate) fn refused(response: &Response) -> Option<FlowError> {
    let refusal = problem::refusal(response)?;
    Some(FlowError::new(FlowErrorKind::Refused(refusal)).quoting(problem::reference(response)))
}

/// The refusal inside an error.
pub(crate) const fn refusal_of(error: &FlowError) -> Option<Refusal> {
    match error.kind() {
        FlowErrorKind::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// Answers that may fail to arrive in one flow.
const LOSSES_MAX: u8 = 3;
/// Refusals in one flow that a new leg or session may cure.
const RECOVERIES_MAX: u8 = 3;
