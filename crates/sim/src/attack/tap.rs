//! A line under somebody else's control: keeps what passes, and may change it on the way.
//!
//! Only guarded requests are kept or changed: whoever sits on the way would leave enrolment and sessions alone,
//! since breaking those gives nothing to repeat.

use crate::world::Line;
use glacis_sdk::drive::{Lost, Transport};
use glacis_wire::http::{EVENT, Request, Response};
use std::sync::{Arc, Mutex, PoisonError};

/// What to do with a guarded request on its way.
type Change = Box<dyn FnMut(&mut Request) + Send>;

/// Guarded requests that passed a tap.
#[derive(Clone, Debug, Default)]
pub(super) struct Tapped(Arc<Mutex<Vec<Request>>>);

impl Tapped {
    /// Those that carry an event to `path`.
    pub(super) fn to(&self, path: &str) -> Vec<Request> {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}

/// A tapped line.
pub(super) struct Tap {
    inner: Line,
    tapped: Tapped,
    change: Option<Change>,
}

impl Tap {
    /// Puts a tap on `inner`; what passes shows in the second part.
    pub(super) fn on(inner: Line, change: Option<Change>) -> (Self, Tapped) {
        let tapped = Tapped::default();
        (Self { inner, tapped: tapped.clone(), change }, tapped)
    }
}

impl Transport for Tap {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        let guarded = request.header(EVENT).is_some() && !request.path.starts_with("/.glacis/");
        if !guarded {
            return self.inner.exchange(request);
        }
        let mut request = request.clone();
        if let Some(change) = &mut self.change {
            change(&mut request);
        }
        self.tapped.0.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        self.inner.exchange(&request)
    }
}
