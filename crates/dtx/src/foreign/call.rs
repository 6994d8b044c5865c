//! One callback, held to a deadline: on a thread of its own, its panic and its silence turned into errors.
//!
//! A thread cannot be ended from outside. One that does not return is left alone with what it holds, and counted, so that
//! a platform that hangs costs a bounded number of threads.

use super::{ForeignError, ForeignKeys, NAME};
use crate::custody::{CustodyError, CustodyErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How long callbacks may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// One that asks nobody.
    pub alone: Duration,
    /// One that asks the user.
    pub with_user: Duration,
}

impl Default for Deadlines {
    /// Ten seconds (secure elements are slow when they are busy), and two minutes for the user.
    fn default() -> Self {
        Self { alone: Duration::from_secs(10), with_user: Duration::from_secs(120) }
    }
}

/// Most callbacks that did not return; then none is begun.
pub const STUCK_MAX: usize = 4;

/// Calls a platform.
pub(super) struct Caller {
    keys: Arc<dyn ForeignKeys>,
    deadlines: Deadlines,
    running: Arc<AtomicUsize>,
}

impl Caller {
    pub(super) fn new(keys: Arc<dyn ForeignKeys>, deadlines: Deadlines) -> Self {
        Self { keys, deadlines, running: Arc::default() }
    }

    /// The callback's result, if it comes in time.
    pub(super) fn call<T: Send + 'static>(
        &self,
        asks_user: bool,
        act: impl FnOnce(&dyn ForeignKeys) -> Result<T, ForeignError> + Send + 'static,
    ) -> Result<T, CustodyError> {
        self.call_or(asks_user, act, |_| ())
    }

    /// The callback's result, if it comes in time; if it comes too late, `undo` on its thread.
    pub(super) fn call_or<T: Send + 'static>(
        &self,
        asks_user: bool,
        act: impl FnOnce(&dyn ForeignKeys) -> Result<T, ForeignError> + Send + 'static,
        undo: impl FnOnce(&dyn ForeignKeys) + Send + 'static,
    ) -> Result<T, CustodyError> {
        let running = Running::begin(&self.running).ok_or_else(|| {
            error(CustodyErrorKind::Busy).said(format!("{STUCK_MAX} of its calls did not return"))
        })?;
        let (keys, count) = (Arc::clone(&self.keys), Arc::clone(&self.running));
        // No room: an answer is either taken or known not to be.
        let (answer, answered) = mpsc::sync_channel(0);
        let spawned = std::thread::Builder::new().name("glacis-foreign".to_owned()).spawn(move || {
            let result = act(keys.as_ref());
            // Before the answer, so that who has it can call again.
            drop(running);
            if answer.send(result).is_err() {
                let _running = Running::begin(&count);
                undo(keys.as_ref());
            }
        });
        spawned.map_err(|cause| error(CustodyErrorKind::Failed).said(format!("no thread: {cause}")))?;
        let deadline = if asks_user { self.deadlines.with_user } else { self.deadlines.alone };
        match answered.recv_timeout(deadline) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(foreign)) => Err(told(&foreign)),
            Err(RecvTimeoutError::Timeout) => {
                Err(error(CustodyErrorKind::Late).said(format!("after {} ms", deadline.as_millis())))
            }
            // The thread ended without an answer.
            Err(RecvTimeoutError::Disconnected) => Err(error(CustodyErrorKind::Panicked)),
        }
    }
}

/// Counts a thread as long as it runs.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(running: &Arc<AtomicUsize>) -> Option<Self> {
        let more = |count: usize| (count < STUCK_MAX).then_some(count + 1);
        running.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self(Arc::clone(running)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn told(foreign: &ForeignError) -> CustodyError {
    let kind = match foreign {
        ForeignError::Missing => CustodyErrorKind::KeyLost,
        ForeignError::Refused => CustodyErrorKind::Refused,
        ForeignError::Locked => CustodyErrorKind::Locked,
        ForeignError::Unavailable => CustodyErrorKind::Unavailable,
        ForeignError::Unsupported => CustodyErrorKind::Unsupported,
        ForeignError::Failed(what) => {
            let what: String = what.chars().take(SAID_MAX).collect();
            return error(CustodyErrorKind::Failed).said(what);
        }
    };
    error(kind)
}

const fn error(kind: CustodyErrorKind) -> CustodyError {
    CustodyError::new(NAME, kind)
}

/// Most letters of a platform's words that are kept.
const SAID_MAX: usize = 200;
