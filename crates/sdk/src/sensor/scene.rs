//! What one pass over the sensors has read, so that sensors that look at the same file read it once.
//!
//! A scene belongs to the suite's thread. [`Scene::begin`] forgets what the last pass read; open files are kept,
//! since opening costs more than reading. Nothing here judges anything.

use super::Reason;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// One pass's view of this process.
#[derive(Debug)]
pub(super) struct Scene {
    memory: Option<File>,
}

impl Scene {
    /// Opens what is kept open.
    pub(super) fn new() -> Self {
        Self { memory: File::open("/proc/self/mem").ok() }
    }

    /// A scene that can read no memory.
    #[cfg(test)]
    pub(super) const fn blind() -> Self {
        Self { memory: None }
    }

    /// Forgets what the last pass has read.
    pub(super) const fn begin(&mut self) {}

    /// Fills `out` from this process's memory at `address`.
    pub(super) fn memory(&self, address: u64, out: &mut [u8]) -> Result<(), Reason> {
        let memory = self.memory.as_ref().ok_or(Reason::Unreadable)?;
        memory.read_exact_at(out, address).map_err(|_| Reason::Unreadable)
    }
}
