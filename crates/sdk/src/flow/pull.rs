//! Pulls newer key sets and the newest device bundle by ETag, and puts them in force all or nothing.
//!
//! The policy store checks signatures, tenant, realm, zone and that nothing goes backwards (invariant 4); this flow
//! adds that every slice loads. Whatever fails, the bundle in force stays.

use crate::client::Client;
use crate::flow::{Flow, Patience, Step, own_answer, read};
use crate::outcome::FlowError;
use glacis_wire::http::Response;
use glacis_wire::message::policy::Published;

/// What a pull did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// The bundle in force is the newest that the edge holds.
    Unchanged,
    /// A newer bundle of this version is in force.
    Newer(u64),
}

/// Pulls once. See [`Client::pull`].
#[derive(Debug)]
pub struct Pull<'c> {
    client: &'c mut Client,
    patience: Patience,
    awaiting: bool,
    ended: Option<Result<Pulled, FlowError>>,
}

impl<'c> Pull<'c> {
    pub(crate) const fn begin(client: &'c mut Client) -> Self {
        Self { client, patience: Patience::new(), awaiting: false, ended: None }
    }

    fn pulled(&mut self, response: &Response) -> Result<Pulled, FlowError> {
        if response.status == 304 {
            return Ok(Pulled::Unchanged);
        }
        let published: Published = own_answer(response).and_then(read)?;
        self.client.accept(&published, response.header("etag"))
    }
}

impl Flow for Pull<'_> {
    type Output = Pulled;

    fn next(&mut self) -> Step<Pulled> {
        self.lost();
        if let Some(ended) = self.ended.take() {
            return Step::Done(ended);
        }
        self.awaiting = true;
        Step::Send(self.client.pull_request())
    }

    fn receive(&mut self, response: Response) {
        if std::mem::take(&mut self.awaiting) {
            self.ended = Some(self.pulled(&response));
        }
    }

    fn lost(&mut self) {
        if std::mem::take(&mut self.awaiting)
            && let Err(error) = self.patience.lose()
        {
            self.ended = Some(Err(error));
        }
    }
}
