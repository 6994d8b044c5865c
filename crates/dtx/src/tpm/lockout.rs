//! The chip's defence against guessing: how near it is, how long it lasts, and its owner's reset.
//!
//! Keys and counters of ours do not count wrong values (theirs have 256 random bits) and work on in lockout; seals with an
//! authorisation value count, and do not. A power cut while such a seal was in use counts as a failure: the chip cannot
//! know that nobody cut it to hide a guess.

use super::client::Tpm;
use super::command::{Call, Entity};
use super::error::{TpmError, TpmFault};
use core::time::Duration;
use glacis_wire::Writer;

/// State of the defence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Whether nothing that counts is answered now.
    pub is_locked: bool,
    /// Wrong values that count now.
    pub failures: u32,
    /// So many lock it.
    pub failures_max: u32,
    /// After so long one failure is forgotten.
    pub forgets_after: Duration,
}

impl Tpm {
    /// How near the chip is to lockout.
    pub fn lockout(&mut self) -> Result<Lockout, TpmError> {
        self.operate(|tpm| {
            let mut values = tpm.properties(PT_PERMANENT, 1)?;
            values.extend(tpm.properties(PT_LOCKOUT_COUNTER, 3)?);
            let missing = || TpmError::new("lockout", TpmFault::Garbage("a property"));
            let value = |wanted: u32| {
                values
                    .iter()
                    .find(|(property, _)| *property == wanted)
                    .map(|(_, value)| *value)
                    .ok_or_else(missing)
            };
            Ok(Lockout {
                is_locked: value(PT_PERMANENT)? & IN_LOCKOUT != 0,
                failures: value(PT_LOCKOUT_COUNTER)?,
                failures_max: value(PT_LOCKOUT_COUNTER + 1)?,
                forgets_after: Duration::from_secs(u64::from(value(PT_LOCKOUT_COUNTER + 2)?)),
            })
        })
    }

    /// Forgets all failures, by the authorisation value of the lockout hierarchy. A wrong one is never tried twice: the
    /// chip then refuses for as long as its owner said.
    pub fn reset_lockout(&mut self, auth: &[u8]) -> Result<(), TpmError> {
        self.operate(|tpm| {
            let handles = vec![Entity::permanent(LOCKOUT)];
            let command = Call::new("reset lockout", DICTIONARY_ATTACK_LOCK_RESET, handles, Writer::new());
            tpm.in_session(auth, command).map(drop)
        })
    }
}

/// `TPM_RH_LOCKOUT`: Part 2, §7.4.
const LOCKOUT: u32 = 0x4000_000a;
const DICTIONARY_ATTACK_LOCK_RESET: u32 = 0x139;
/// `TPM_PT`, Part 2, §6.13; after the counter come its maximum and the interval.
const PT_PERMANENT: u32 = 0x200;
const PT_LOCKOUT_COUNTER: u32 = 0x20e;
/// `TPMA_PERMANENT`, Part 2, §8.6.
const IN_LOCKOUT: u32 = 1 << 9;
