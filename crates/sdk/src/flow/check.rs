//! Finds out whether the edge still takes signatures of this session, before one that cannot be repeated leaves.
//!
//! It asks for a challenge nonce of an event that never happens: signed like any request, answered by the edge
//! alone, without a trace. A lost leg, an ended ticket, and numbers that an old copy of the files brought back
//! show here and are cured, as in every flow.

use crate::client::Client;
use crate::flow::{Flow, Patience, Step, own_answer, read};
use crate::line::Upkeep;
use crate::outcome::FlowError;
use glacis_wire::http::{PATH_CHALLENGE, Request, Response};
use glacis_wire::message::challenge::{ChallengeNonce, ChallengeRequest};
use glacis_wire::{Digest, Method};

/// Asks once. See [`Client::check`].
#[derive(Debug)]
pub struct Check<'c> {
    client: &'c mut Client,
    patience: Patience,
    awaiting: Option<Sent>,
    ended: Option<Result<(), FlowError>>,
}

#[derive(Debug)]
enum Sent {
    Upkeep(Upkeep),
    Question,
}

impl<'c> Check<'c> {
    pub(crate) const fn begin(client: &'c mut Client) -> Self {
        Self { client, patience: Patience::new(), awaiting: None, ended: None }
    }

    fn send(&mut self) -> Result<Request, FlowError> {
        let line = &mut self.client.line;
        if let Some((request, upkeep)) = line.upkeep()? {
            self.awaiting = Some(Sent::Upkeep(upkeep));
            return Ok(request);
        }
        let content = Digest::new([0; Digest::LEN]);
        let question = ChallengeRequest { event: line.event_id()?, content, method: Method::Passkey };
        let signed = line.sign_own(PATH_CHALLENGE, None, &question)?;
        self.awaiting = Some(Sent::Question);
        Ok(signed.request)
    }
}

impl Flow for Check<'_> {
    type Output = ();

    fn next(&mut self) -> Step<()> {
        self.lost();
        match self.ended.take() {
            Some(ended) => Step::Done(ended),
            None => self.send().map_or_else(|error| Step::Done(Err(error)), Step::Send),
        }
    }

    fn receive(&mut self, response: Response) {
        let line = &mut self.client.line;
        let answered = match self.awaiting.take() {
            Some(Sent::Upkeep(upkeep)) => line.upkept(upkeep, &response).map(|()| false),
            Some(Sent::Question) => {
                own_answer(&response).and_then(read::<ChallengeNonce>).map(|_answered| true)
            }
            None => return,
        };
        match answered {
            Ok(true) => self.ended = Some(Ok(())),
            Ok(false) => {}
            Err(error) => {
                self.ended = line.recover(&mut self.patience, error).err().map(Err);
            }
        }
    }

    fn lost(&mut self) {
        if self.awaiting.take().is_some()
            && let Err(error) = self.patience.lose()
        {
            self.ended = Some(Err(error));
        }
    }
}
