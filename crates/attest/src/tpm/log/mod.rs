//! The log of measured boot: what was hashed into which register, in the words of whoever wrote it.
//!
//! Two forms: that of TPM 1.2, with one SHA-1 digest an event, and the crypto-agile one, whose first event says which
//! digests follow. Nobody signs a log. Only digests that replay to a quoted register are known to have been measured,
//! and of an event's text only what hashes to its digest; its type is never covered, so [`boot`] believes none.
//!
//! Source: TCG PC Client Platform Firmware Profile 1.06, §9 (events), §9.4.5.1 (first event), §9.4.5.3 (start-up
//! locality).

mod boot;

pub use boot::Boot;

use crate::appraisal::AttestError;
use crate::code::Code;
use crate::structures::TpmHash;

/// A log, borrowed.
#[derive(Debug)]
pub struct EventLog<'a> {
    /// The digests of each event: `TPM_ALG_ID` and size.
    banks: Vec<(u16, usize)>,
    agile: bool,
    /// Where the first register starts.
    locality: u8,
    pub(super) events: Vec<Event<'a>>,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event<'a> {
    pub(super) index: u32,
    pub(super) kind: u32,
    /// Ids and digests one behind the other; one digest alone in the old form.
    digests: &'a [u8],
    pub(super) data: &'a [u8],
}

impl<'a> EventLog<'a> {
    /// Reads all of it.
    ///
    /// # Errors
    /// `TooLarge` if it is over a limit, `Malformed` if a byte of it belongs to no event.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, AttestError> {
        let broken = |what: &'static str| AttestError::new(Code::Malformed, what);
        // LIMIT: far above the wire's, for files that did not come over it.
        if bytes.len() > LOG_BYTES_MAX {
            return Err(AttestError::new(Code::TooLarge, "a log of measured boot"));
        }
        let mut fields = Little(bytes);
        let first = old_event(&mut fields).ok_or_else(|| broken("the log has no first event"))?;
        let old = vec![(TpmHash::Sha1.id(), 20)];
        let mut log = Self { banks: old, agile: false, locality: 0, events: Vec::new() };
        match spec_id(&first) {
            SpecId::Agile(banks) => (log.banks, log.agile) = (banks, true),
            SpecId::Old => log.take(first),
            SpecId::Broken => return Err(broken("the first event of the log cannot be read")),
        }
        while !fields.0.is_empty() {
            let event = if log.agile { log.new_event(&mut fields) } else { old_event(&mut fields) };
            log.take(event.ok_or_else(|| broken("the log ends inside an event"))?);
        }
        Ok(log)
    }

    /// How many events it has.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing was measured.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The hashes whose registers it replays, by `TPM_ALG_ID`.
    pub fn banks(&self) -> Vec<u16> {
        self.banks.iter().map(|(bank, _)| *bank).filter(|bank| TpmHash::from_id(*bank).is_some()).collect()
    }

    /// What the registers of a bank must be after the events of this log, by their numbers; none where nothing was
    /// measured, or where the log's writer does not know how the register started.
    pub fn replay(&self, bank: u16) -> Vec<Option<Vec<u8>>> {
        let mut registers: Vec<Option<Vec<u8>>> = vec![None; REGISTERS];
        let Some(hash) = TpmHash::from_id(bank) else { return registers };
        for event in &self.events {
            let index = usize::try_from(event.index).unwrap_or(REGISTERS);
            let (Some(register), Some(digest)) = (registers.get_mut(index), self.digest(event, bank)) else {
                continue;
            };
            let mut value = register.take().unwrap_or_else(|| vec![0; digest.len()]);
            if event.kind == EV_NO_ACTION {
                // §9.4.5.3: the first register starts with the locality from which the processor measured.
                if let Some(last) = value.last_mut() {
                    *last = self.locality;
                }
            } else {
                value.extend_from_slice(digest);
                value = hash.digest(&value);
            }
            *register = Some(value);
        }
        registers
    }

    /// The digest of an event in a bank.
    pub(super) fn digest(&self, event: &Event<'a>, bank: u16) -> Option<&'a [u8]> {
        if !self.agile {
            return (bank == TpmHash::Sha1.id()).then_some(event.digests);
        }
        let mut rest = Little(event.digests);
        loop {
            let id = rest.u16()?;
            let digest = rest.take(self.size(id)?)?;
            if id == bank {
                return Some(digest);
            }
        }
    }

    fn size(&self, bank: u16) -> Option<usize> {
        self.banks.iter().find(|(id, _)| *id == bank).map(|(_, size)| *size)
    }

    /// Keeps an event that extends a register, and the one that says how the first register starts.
    fn take(&mut self, event: Event<'a>) {
        if event.kind != EV_NO_ACTION {
            self.events.push(event);
            return;
        }
        let locality = event.data.strip_prefix(STARTUP_LOCALITY);
        let first = self.events.iter().all(|before| before.index != 0);
        if let (Some([locality]), 0, true) = (locality, event.index, first) {
            self.locality = *locality;
            self.events.push(event);
        }
    }

    /// `TCG_PCR_EVENT2`.
    fn new_event(&self, fields: &mut Little<'a>) -> Option<Event<'a>> {
        let (index, kind, count) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let start = fields.0;
        // LIMIT: no event has more digests than the first event announced.
        if usize::try_from(count).ok()? > self.banks.len() {
            return None;
        }
        for _ in 0..count {
            let id = fields.u16()?;
            fields.take(self.size(id)?)?;
        }
        let digests = start.get(..start.len().checked_sub(fields.0.len())?)?;
        let length = usize::try_from(fields.u32()?).ok()?;
        Some(Event { index, kind, digests, data: fields.take(length)? })
    }
}

/// `TCG_PCClientPCREvent`.
fn old_event<'a>(fields: &mut Little<'a>) -> Option<Event<'a>> {
    let (index, kind) = (fields.u32()?, fields.u32()?);
    let digests = fields.take(20)?;
    let length = usize::try_from(fields.u32()?).ok()?;
    Some(Event { index, kind, digests, data: fields.take(length)? })
}

/// What the first event says.
enum SpecId {
    Agile(Vec<(u16, usize)>),
    Old,
    Broken,
}

/// `TCG_EfiSpecIDEvent`, if it is one.
fn spec_id(event: &Event<'_>) -> SpecId {
    let is_agile = event.kind == EV_NO_ACTION && event.data.starts_with(SPEC_ID);
    if !is_agile {
        return SpecId::Old;
    }
    announced(event.data).map_or(SpecId::Broken, SpecId::Agile)
}

fn announced(data: &[u8]) -> Option<Vec<(u16, usize)>> {
    let mut fields = Little(data.strip_prefix(SPEC_ID)?);
    // Platform class, three bytes of version, size of a native integer.
    let _head = fields.take(8)?;
    let count = fields.u32()?;
    // LIMIT: a TPM has at most 16 banks (`HASH_COUNT`).
    if count == 0 || count > BANKS_MAX {
        return None;
    }
    let mut banks: Vec<(u16, usize)> = Vec::new();
    for _ in 0..count {
        let (id, size) = (fields.u16()?, usize::from(fields.u16()?));
        let known = TpmHash::from_id(id).is_none_or(|hash| hash.bytes() == size);
        let twice = banks.iter().any(|(other, _)| *other == id);
        if !known || twice || size > DIGEST_BYTES_MAX {
            return None;
        }
        banks.push((id, size));
    }
    let vendor = usize::from(*fields.take(1)?.first()?);
    fields.take(vendor)?;
    fields.0.is_empty().then_some(banks)
}

/// Reads little-endian fields one after the other.
pub(super) struct Little<'a>(pub(super) &'a [u8]);

impl<'a> Little<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

const EV_NO_ACTION: u32 = 3;
const SPEC_ID: &[u8] = b"Spec ID Event03\0";
const STARTUP_LOCALITY: &[u8] = b"StartupLocality\0";
/// Registers of a PC client's TPM.
pub(super) const REGISTERS: usize = 24;
const BANKS_MAX: u32 = 16;
const DIGEST_BYTES_MAX: usize = 64;
/// Longest log that is read at all.
const LOG_BYTES_MAX: usize = 1 << 20;
