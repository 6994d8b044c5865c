//! Guarded state: values of the app that nobody else may change unnoticed.
//!
//! A writer to memory (`process_vm_writev`, a debugger's `set var`, a cheat tool that searches for a number) leaves
//! no trace in code. What the app keeps here lies in one block under a MAC with a key of this process; whoever
//! changes a byte of it without the key is found at the next look and at the next [`GuardedState::load`], which
//! then returns nothing. The block also holds random bytes that nobody has a reason to touch.
//!
//! It raises the price and proves nothing: the key is in the same memory, and a value that was loaded is a copy.

use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::Entropy;
use glacis_seal::{MacKey, sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Values under guard. Clones share them.
#[derive(Clone)]
pub struct GuardedState(Arc<Mutex<Block>>);

/// Why a value was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// There is no room for it.
    #[error("guarded state is full")]
    Full,
    /// The state was changed by somebody else, or could not be set up. It takes and gives nothing any more.
    #[error("guarded state is not intact")]
    NotIntact,
}

struct Block {
    /// None if no randomness could be had.
    key: Option<MacKey>,
    bytes: Vec<u8>,
    /// Where each value lies: start and length.
    places: BTreeMap<&'static str, (usize, usize)>,
    used: usize,
    tag: [u8; 32],
}

impl GuardedState {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        let (mut secret, mut bytes) = ([0; 32], vec![0; BLOCK_BYTES]);
        let filled = entropy.fill(&mut secret).and_then(|()| entropy.fill(&mut bytes)).is_ok();
        let key = filled.then(|| MacKey::new(secret));
        let mut block = Block { key, bytes, places: BTreeMap::new(), used: 0, tag: [0; 32] };
        block.seal();
        Self(Arc::new(Mutex::new(block)))
    }

    /// Keeps a value under a name; the last one counts.
    ///
    /// # Errors
    /// If there is no room (4,000 bytes in all; a longer value than before takes new room), or if the state is not
    /// intact.
    pub fn store(&self, name: &'static str, value: &[u8]) -> Result<(), StateError> {
        let mut block = self.block();
        if !block.is_intact() {
            return Err(StateError::NotIntact);
        }
        let from = match block.places.get(name) {
            Some((from, room)) if value.len() <= *room => *from,
            _ => block.used,
        };
        let to = from.checked_add(value.len()).filter(|to| *to <= ROOM_BYTES).ok_or(StateError::Full)?;
        let room = block.bytes.get_mut(from..to).ok_or(StateError::Full)?;
        room.copy_from_slice(value);
        block.places.insert(name, (from, value.len()));
        block.used = block.used.max(to);
        block.seal();
        Ok(())
    }

    /// A value as it was stored; nothing if there is none, or if anything of the state was changed.
    pub fn load(&self, name: &str) -> Option<Vec<u8>> {
        let block = self.block();
        let (from, len) = *block.places.get(name).filter(|_| block.is_intact())?;
        block.bytes.get(from..from.checked_add(len)?).map(<[u8]>::to_vec)
    }

    fn block(&self) -> MutexGuard<'_, Block> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for GuardedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.block().places.keys()).finish()
    }
}

impl Block {
    /// What the MAC covers: the bytes and where values lie in them.
    fn message(&self) -> Vec<u8> {
        let mut message = self.bytes.clone();
        for (name, (from, len)) in &self.places {
            message.extend_from_slice(name.as_bytes());
            message.extend_from_slice(&[0]);
            message.extend_from_slice(&from.to_le_bytes());
            message.extend_from_slice(&len.to_le_bytes());
        }
        message
    }

    fn seal(&mut self) {
        if let Some(key) = &self.key {
            self.tag = key.mac_raw(&self.message());
        }
    }

    fn is_intact(&self) -> bool {
        self.key.as_ref().is_some_and(|key| key.verify_raw(&self.message(), &self.tag).is_ok())
    }
}

/// Looks whether the state is as the app left it.
pub(super) struct Canary(GuardedState);

impl Canary {
    /// Watches this state.
    pub(super) const fn new(state: GuardedState) -> Self {
        Self(state)
    }
}

impl Symptom for Canary {
    fn look(&mut self, _scene: &mut Scene) -> Sight {
        let block = self.0.block();
        match &block.key {
            None => Sight::Unknown(Reason::NoBaseline),
            Some(_) if block.is_intact() => Sight::Clear,
            Some(_) => Sight::Detected(Confidence::High, sha256(b"canary\0changed")),
        }
    }
}

/// One page of most systems.
const BLOCK_BYTES: usize = 4_096;
/// Of which values may take so much; the rest stays random.
const ROOM_BYTES: usize = 4_000;

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_host::{EntropyError, SystemHost};
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;

    fn look(state: &GuardedState) -> Sight {
        Canary::new(state.clone()).look(&mut Scene::new())
    }

    #[test]
    fn values_come_back_as_long_as_nobody_else_writes() {
        let state = GuardedState::new(&SystemHost::new());
        assert_eq!(state.load("limit"), None);
        for value in [&b"100"[..], b"7", b"a longer one than before", b""] {
            assert_eq!(state.store("limit", value), Ok(()));
            assert_eq!(state.store("other", b"stays"), Ok(()));
            assert_eq!(state.load("limit").as_deref(), Some(value));
            assert_eq!(state.load("other").as_deref(), Some(&b"stays"[..]));
            assert_eq!(look(&state), Sight::Clear);
        }
        assert_eq!(format!("{state:?}"), r#"{"limit", "other"}"#);
    }

    #[test]
    fn the_room_is_bounded_and_a_refused_value_changes_nothing() {
        let state = GuardedState::new(&SystemHost::new());
        assert_eq!(state.store("much", &[7; ROOM_BYTES]), Ok(()));
        assert_eq!(state.store("more", &[7]), Err(StateError::Full));
        assert_eq!(state.load("more"), None);
        assert_eq!(state.store("much", &[8; ROOM_BYTES]), Ok(()));
        assert_eq!(look(&state), Sight::Clear);
    }

    #[test]
    fn a_byte_written_through_proc_mem_is_detected_and_nothing_is_given_out_any_more() {
        let state = GuardedState::new(&SystemHost::new());
        state.store("limit", b"100").unwrap();
        let at = state.block().bytes.as_ptr().addr() as u64;
        let memory = OpenOptions::new().write(true).open("/proc/self/mem").unwrap();
        memory.write_all_at(b"9", at).unwrap();
        assert_eq!(state.load("limit"), None);
        assert_eq!(state.store("limit", b"100"), Err(StateError::NotIntact));
        assert!(matches!(look(&state), Sight::Detected(Confidence::High, _)));
        // One of the random bytes at the end is as good.
        let state = GuardedState::new(&SystemHost::new());
        let at = state.block().bytes.as_ptr().addr() as u64 + 4_095;
        let last = *state.block().bytes.last().unwrap();
        memory.write_all_at(&[!last], at).unwrap();
        assert!(matches!(look(&state), Sight::Detected(Confidence::High, _)));
    }

    struct Dry;

    impl Entropy for Dry {
        fn fill(&self, _out: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }

    #[test]
    fn without_randomness_there_is_no_state_and_that_is_unknown() {
        let state = GuardedState::new(&Dry);
        assert_eq!(state.store("limit", b"1"), Err(StateError::NotIntact));
        assert_eq!(look(&state), Sight::Unknown(Reason::NoBaseline));
    }
}
