//! Who has the client: its place, or one flow, which gives it back however it ends.
//!
//! The SDK lends a client to one flow at a time by a borrow; between objects that an app holds, this says the same at run
//! time. A second flow is refused, not queued: what would it wait for, if the app has forgotten the first one?

use crate::convert;
use crate::remedy;
use crate::surface::error::GlacisError;
use crate::surface::types::Status;
use glacis_dtx::KeyStore;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A client with what its flows need besides.
pub(crate) struct Held {
    pub(crate) client: glacis_sdk::Client,
    pub(crate) keys: Arc<dyn KeyStore>,
    /// Whether enrolling without evidence is an error.
    pub(crate) attests: bool,
}

/// The place of a client.
pub(crate) struct Slot(Mutex<Place>);

enum Place {
    Here(Box<Held>),
    Lent,
    /// Lent, and not to come back.
    LentLast,
    Shut,
}

/// A client on loan.
pub(crate) struct Lease {
    held: Option<Box<Held>>,
    slot: Arc<Slot>,
}

impl Slot {
    pub(crate) fn new(held: Held) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Place::Here(Box::new(held)))))
    }

    /// Lends the client to a flow.
    pub(crate) fn lend(self: &Arc<Self>) -> Result<Lease, GlacisError> {
        let mut place = self.lock();
        match std::mem::replace(&mut *place, Place::Lent) {
            Place::Here(held) => Ok(Lease { held: Some(held), slot: Arc::clone(self) }),
            other => {
                let error = if matches!(other, Place::Lent) { remedy::busy() } else { remedy::shut() };
                *place = other;
                Err(error)
            }
        }
    }

    /// How the client stands.
    pub(crate) fn status(&self) -> Result<Status, GlacisError> {
        match &mut *self.lock() {
            Place::Here(held) => Ok(convert::status(&mut held.client)),
            Place::Lent => Err(remedy::busy()),
            Place::LentLast | Place::Shut => Err(remedy::shut()),
        }
    }

    /// Ends the client, now or when it comes back.
    pub(crate) fn shut(&self) {
        let mut place = self.lock();
        let before = std::mem::replace(&mut *place, Place::Shut);
        if matches!(before, Place::Lent | Place::LentLast) {
            *place = Place::LentLast;
        }
        drop(place);
        drop(before);
    }

    fn take_back(&self, held: Box<Held>) {
        let mut place = self.lock();
        let last = matches!(*place, Place::LentLast);
        let ended = if last {
            *place = Place::Shut;
            Some(held)
        } else {
            *place = Place::Here(held);
            None
        };
        drop(place);
        drop(ended);
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The client. It is there as long as the loan lasts.
    pub(crate) fn held(&mut self) -> Result<&mut Held, GlacisError> {
        self.held.as_deref_mut().ok_or_else(remedy::shut)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.slot.take_back(held);
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &*self.lock() {
            Place::Here(_) => "Here",
            Place::Lent => "Lent",
            Place::LentLast => "LentLast",
            Place::Shut => "Shut",
        })
    }
}
