//! Sends queued records of local decisions, so that a block in the pocket is not lost to the analyst.
//!
//! Batches leave at most once a minute and carry minutes, not times. A record stays queued until a batch with it
//! was answered; the cloud counts it once by event id.

use crate::client::Client;
use crate::flow::{Flow, Patience, Step, own_answer};
use crate::line::Upkeep;
use crate::outcome::FlowError;
use glacis_wire::http::{PATH_RECORDS, Request, Response};
use glacis_wire::message::decide::DeviceBatch;

/// Sends one batch. See [`Client::report`].
#[derive(Debug)]
pub struct Report<'c> {
    client: &'c mut Client,
    batch: DeviceBatch,
    patience: Patience,
    awaiting: Option<Sent>,
    ended: Option<Result<usize, FlowError>>,
}

#[derive(Debug)]
enum Sent {
    Upkeep(Upkeep),
    Batch,
}

impl<'c> Report<'c> {
    pub(crate) fn begin(client: &'c mut Client) -> Self {
        Self { batch: client.batch(), client, patience: Patience::new(), awaiting: None, ended: None }
    }

    fn send(&mut self) -> Result<Request, FlowError> {
        if let Some((request, upkeep)) = self.client.line.upkeep()? {
            self.awaiting = Some(Sent::Upkeep(upkeep));
            return Ok(request);
        }
        let signed = self.client.line.sign_own(PATH_RECORDS, None, &self.batch)?;
        self.awaiting = Some(Sent::Batch);
        Ok(signed.request)
    }
}

impl Flow for Report<'_> {
    /// Records that arrived.
    type Output = usize;

    fn next(&mut self) -> Step<usize> {
        self.lost();
        match self.ended.take() {
            Some(ended) => Step::Done(ended),
            None => self.send().map_or_else(|error| Step::Done(Err(error)), Step::Send),
        }
    }

    fn receive(&mut self, response: Response) {
        let answered = match self.awaiting.take() {
            Some(Sent::Upkeep(upkeep)) => self.client.line.upkept(upkeep, &response).map(|()| None),
            Some(Sent::Batch) => own_answer(&response).map(|_| Some(self.batch.records.len())),
            None => return,
        };
        match answered {
            Ok(None) => {}
            Ok(Some(sent)) => {
                self.client.reported(sent);
                self.ended = Some(Ok(sent));
            }
            Err(error) => {
                if let Err(error) = self.client.line.recover(&mut self.patience, error) {
                    self.ended = Some(Err(error));
                }
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
