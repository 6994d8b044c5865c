//! What the simulator alone knows: the full snapshot of every event, private signals in the clear.
//!
//! Snapshots live in this process's memory (a victim process hands its own over on a pipe) and have no encoder.
//! They are kept whether the check will run or not, so that its presence can change no timing on a socket.

use glacis_wire::{Answer, EventId, EventName, SignalName, Thumbprint, Value};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One event as its device saw it.
#[derive(Clone)]
pub struct Snapshot {
    /// Which event.
    pub event: EventName,
    /// What the device's process knew, or, of a lying device, what it claimed.
    pub device: BTreeMap<SignalName, Answer>,
    /// What the request says.
    pub request: BTreeMap<SignalName, Answer>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.device.keys().map(SignalName::as_str).collect();
        f.debug_struct("Snapshot").field("event", &self.event).field("device", &names).finish_non_exhaustive()
    }
}

/// All snapshots of a run, by who acted and which action it was.
#[derive(Debug, Default)]
pub struct Snapshots(Mutex<BTreeMap<(Thumbprint, EventId), Snapshot>>);

impl Snapshots {
    /// Keeps the snapshot of one action; its retries and challenge answers share it.
    pub fn keep(&self, thumbprint: Thumbprint, event: EventId, snapshot: Snapshot) {
        self.lock().insert((thumbprint, event), snapshot);
    }

    /// The snapshot of one action.
    pub fn of(&self, thumbprint: Thumbprint, event: EventId) -> Option<Snapshot> {
        self.lock().get(&(thumbprint, event)).cloned()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Thumbprint, EventId), Snapshot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text as an answer.
pub(crate) fn text(value: &str) -> Answer {
    Answer::Value(Value::String(value.to_owned()))
}
