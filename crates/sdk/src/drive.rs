//! A blocking loop around a flow, for apps and simulators that have a blocking transport.
//!
//! It does what any owner of sockets does: send what the flow wants sent, hand the answer back, ask the user when
//! the flow prompts. Time-outs are the transport's; how often to try again is the flow's.

use crate::flow::{Flow, Prompt, Step};
use crate::outcome::FlowError;
use glacis_dtx::UserVerification;
use glacis_wire::http::{Request, Response};

/// Sends one request and waits for its answer. The app owns TLS, pinning, proxies and time-outs.
pub trait Transport {
    /// The answer, or [`Lost`] if none came.
    ///
    /// # Errors
    /// If no complete answer came; the request may have been carried out all the same.
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost>;
}

/// No complete answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

/// What a user answers to a prompt.
#[derive(Debug)]
pub enum Reply {
    /// The platform verified the user, who agreed to this very action.
    Verified(UserVerification),
    /// What the platform's WebAuthn answered to [`Prompt::webauthn`]: an `AuthenticationResponseJSON`, for a passkey that
    /// the operator registered for this user.
    Assertion(Vec<u8>),
    /// What the user typed.
    Code(String),
    /// The user declined, or did not answer.
    Declined,
}

/// Asks the user.
pub trait User {
    /// Asks the user and waits for the reply.
    fn prompt(&mut self, prompt: &Prompt) -> Reply;
}

/// Nobody to ask: every prompt is declined.
#[derive(Clone, Copy, Debug)]
pub struct Unattended;

impl User for Unattended {
    fn prompt(&mut self, _prompt: &Prompt) -> Reply {
        Reply::Declined
    }
}

/// Runs a flow to its end.
///
/// # Errors
/// As the flow says.
pub fn drive<F: Flow>(
    flow: &mut F,
    transport: &mut dyn Transport,
    user: &mut dyn User,
) -> Result<F::Output, FlowError> {
    loop {
        match flow.next() {
            Step::Send(request) => match transport.exchange(&request) {
                Ok(response) => flow.receive(response),
                Err(Lost) => flow.lost(),
            },
            Step::Prompt(prompt) => flow.reply(user.prompt(&prompt)),
            Step::Done(result) => return result,
        }
    }
}
