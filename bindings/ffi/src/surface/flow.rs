//! One thing that a client does, as the app drives it: `next`, carry it out, `receive` (or `lost`, or `reply`), until done.
//!
//! Every flow ends after a bounded number of steps whatever the other side answers. Calls may come from any thread; one that
//! comes from a key store's callback waits for the flow that waits for it, until the callback's deadline.

use super::error::GlacisError;
use super::types::{HttpResponse, Reply, Step};
use crate::coroutine::Coroutine;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A flow. While it runs, its client begins no other one; cancelling it or dropping it gives the client back.
#[derive(Debug, uniffi::Object)]
pub struct Flow(Mutex<Coroutine>);

impl Flow {
    pub(crate) const fn new(coroutine: Coroutine) -> Self {
        Self(Mutex::new(coroutine))
    }

    fn lock(&self) -> MutexGuard<'_, Coroutine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl Flow {
    /// What to do now. Asking again without an answer counts as lost after a `Send`, asks the same after an `Ask`, and is
    /// an error after the end.
    pub fn next(&self) -> Result<Step, GlacisError> {
        self.lock().next()
    }

    /// The answer to the last `Send`. Ignored where none is awaited.
    pub fn receive(&self, response: HttpResponse) {
        self.lock().receive(response);
    }

    /// No complete answer came to the last `Send`; it may have been carried out all the same.
    pub fn lost(&self) {
        self.lock().lost();
    }

    /// What the user answered to the last `Ask`. Ignored where none is awaited.
    pub fn reply(&self, reply: Reply) {
        self.lock().reply(reply);
    }

    /// Ends the flow where it is, and gives the client back.
    pub fn cancel(&self) {
        self.lock().cancel();
    }
}
