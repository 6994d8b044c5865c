//! Opens a session ahead of need, so that the first guarded action pays no extra round trip.
//!
//! Every flow that signs keeps the line up by itself; this one does nothing else. It is done at once where the
//! session is up already, and needs an enrolment as any other.

use crate::client::Client;
use crate::flow::{Flow, Patience, Step};
use crate::line::Upkeep;
use crate::outcome::FlowError;
use glacis_wire::http::Response;

/// Opens a session, or a leg where only that is missing. See [`Client::open`].
#[derive(Debug)]
pub struct Open<'c> {
    client: &'c mut Client,
    patience: Patience,
    awaiting: Option<Upkeep>,
    ended: Option<Result<(), FlowError>>,
}

impl<'c> Open<'c> {
    pub(crate) const fn begin(client: &'c mut Client) -> Self {
        Self { client, patience: Patience::new(), awaiting: None, ended: None }
    }
}

impl Flow for Open<'_> {
    type Output = ();

    fn next(&mut self) -> Step<()> {
        self.lost();
        if let Some(ended) = self.ended.take() {
            return Step::Done(ended);
        }
        match self.client.line.upkeep() {
            Ok(Some((request, upkeep))) => {
                self.awaiting = Some(upkeep);
                Step::Send(request)
            }
            Ok(None) => Step::Done(Ok(())),
            Err(error) => Step::Done(Err(error)),
        }
    }

    fn receive(&mut self, response: Response) {
        let Some(upkeep) = self.awaiting.take() else { return };
        let line = &mut self.client.line;
        let kept = line.upkept(upkeep, &response).or_else(|error| line.recover(&mut self.patience, error));
        if let Err(error) = kept {
            self.ended = Some(Err(error));
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
