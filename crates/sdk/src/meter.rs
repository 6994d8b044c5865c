//! Counts the bits that disclosures tell over sessions and days, and says when there have been enough (DESIGN §4.3).
//!
//! What one disclosure tells at most, and what all of a session or a day may tell, is the policy's and comes with the
//! signed bundle. Counts are by event and outlive versions of the policy, restarts and sessions of the process. What is
//! counted is stored before it is told, some disclosures ahead, so a crash costs bits and never gives any back; where it
//! cannot be stored, or what was stored was put back to an older state, nothing is told. A day is one of the device's clock:
//! one that is set back stays in the day that it had, one that is set forward ends it, which only its owner can want.
//!
//! Over budget is not an error: the disclosure goes out with everything in it withheld, and the policy says what then.

use glacis_dtx::Vault;
use glacis_wire::limits::BUNDLE_SLICES_MAX;
use glacis_wire::message::List;
use glacis_wire::message::policy::Metering;
use glacis_wire::{
    Decode, DecodeError, Encode, EncodeError, EventName, Reader, SessionId, Timestamp, Writer,
};
use std::collections::BTreeMap;

/// What was told, by event, and what may be.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    metering: BTreeMap<EventName, Metering>,
    told: BTreeMap<EventName, Told>,
    /// Whether what was stored has been read.
    is_read: bool,
    /// The day until whose end nothing is told, since it is not known what was.
    barred: Option<u64>,
}

/// What was told for one event.
#[derive(Clone, Debug, Default)]
struct Told {
    day: u64,
    of_day: Count,
    session: Option<SessionId>,
    of_session: Count,
}

/// Bits that were told, and how many of them the vault knows of already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    told: u64,
    stored: u64,
}

/// Where and when somebody wants to disclose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// The open session; none before one is opened, and then it is the next.
    pub(crate) session: Option<SessionId>,
}

impl Meter {
    /// What is in force from now on. Counts stay.
    pub(crate) fn follow(&mut self, metering: &[Metering]) {
        self.metering = metering.iter().map(|entry| (entry.event.clone(), entry.clone())).collect();
    }

    /// Whether a disclosure for `event` may tell something; if so, it is counted.
    pub(crate) fn take(&mut self, vault: &Vault, event: &EventName, moment: Moment) -> bool {
        let Some(metering) = self.metering.get(event).cloned().filter(|metering| metering.bits > 0) else {
            return true;
        };
        let today = moment.now.as_ms() / DAY_MS;
        self.read(vault, today);
        if self.barred.is_some_and(|day| today <= day) {
            return false;
        }
        self.barred = None;
        let known = self.told.entry(event.clone()).or_default();
        known.roll(today, moment.session);
        let mut told = known.clone();
        let Some(ahead) = told.count(&metering) else { return false };
        if ahead && self.store(vault, event, &mut told, &metering).is_none() {
            return false;
        }
        self.told.insert(event.clone(), told);
        true
    }

    /// Reads what was stored, once. What cannot be read bars the day: it may say that there is nothing left.
    fn read(&mut self, vault: &Vault, today: u64) {
        if self.is_read {
            return;
        }
        self.is_read = true;
        match vault.get(RECORD).map(|stored| stored.map(|bytes| Stored::from_bytes(&bytes))) {
            Ok(None) => {}
            Ok(Some(Ok(stored))) => {
                self.told = stored.0.0.into_iter().map(|entry| (entry.event.clone(), entry.into())).collect();
            }
            Ok(Some(Err(_))) | Err(_) => self.barred = Some(today),
        }
    }

    /// Stores what is told some disclosures ahead, with what was stored of other events.
    fn store(&self, vault: &Vault, event: &EventName, told: &mut Told, metering: &Metering) -> Option<()> {
        told.of_day.reserve(metering.bits, metering.per_day);
        told.of_session.reserve(metering.bits, metering.per_session);
        let others = self.told.iter().filter(|(other, _)| *other != event);
        let all = others.map(|(event, told)| Entry::of(event, told)).chain([Entry::of(event, told)]);
        let bytes = Stored(List(all.collect())).to_bytes().ok()?;
        vault.put(RECORD, &bytes).ok()
    }
}

impl Told {
    /// Goes over to a new day or session. A day never goes back.
    fn roll(&mut self, today: u64, session: Option<SessionId>) {
        if today > self.day {
            (self.day, self.of_day) = (today, Count::default());
        }
        match (self.session, session) {
            (None, _) => self.session = session,
            (before, now) if before == now => {}
            (Some(_), _) => (self.session, self.of_session) = (session, Count::default()),
        }
    }

    /// Counts one disclosure; `None` if it is over a budget, else whether the vault does not know of it yet.
    fn count(&mut self, metering: &Metering) -> Option<bool> {
        let of_day = self.of_day.with(metering.bits, metering.per_day)?;
        let of_session = self.of_session.with(metering.bits, metering.per_session)?;
        (self.of_day, self.of_session) = (of_day, of_session);
        Some(of_day.is_ahead() || of_session.is_ahead())
    }
}

impl Count {
    /// With so many bits more; `None` if that is over the limit.
    fn with(self, bits: u64, limit: Option<u64>) -> Option<Self> {
        let told = self.told.checked_add(bits).filter(|told| limit.is_none_or(|limit| *told <= limit))?;
        Some(Self { told, ..self })
    }

    const fn is_ahead(self) -> bool {
        self.told > self.stored
    }

    /// Takes a block of disclosures as told already, up to the limit.
    fn reserve(&mut self, bits: u64, limit: Option<u64>) {
        let block = self.told.saturating_add(bits.saturating_mul(BLOCK - 1));
        self.stored = self.stored.max(block.min(limit.unwrap_or(u64::MAX)).max(self.told));
    }
}

/// What is stored of one event: more than was told, never less.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    event: EventName,
    day: u64,
    of_day: u64,
    session: Option<SessionId>,
    of_session: u64,
}

impl Entry {
    fn of(event: &EventName, told: &Told) -> Self {
        Self {
            event: event.clone(),
            day: told.day,
            of_day: told.of_day.stored,
            session: told.session,
            of_session: told.of_session.stored,
        }
    }
}

impl From<Entry> for Told {
    fn from(entry: Entry) -> Self {
        let all = |bits| Count { told: bits, stored: bits };
        Self {
            day: entry.day,
            of_day: all(entry.of_day),
            session: entry.session,
            of_session: all(entry.of_session),
        }
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.event.encode(out)?;
        self.day.encode(out)?;
        self.of_day.encode(out)?;
        self.session.encode(out)?;
        self.of_session.encode(out)
    }
}

impl Decode for Entry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            event: Decode::decode(input)?,
            day: Decode::decode(input)?,
            of_day: Decode::decode(input)?,
            session: Decode::decode(input)?,
            of_session: Decode::decode(input)?,
        })
    }
}

/// The record, in form 1.
#[derive(Debug)]
struct Stored(List<Entry, BUNDLE_SLICES_MAX>);

impl Encode for Stored {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(FORM);
        self.0.encode(out)
    }
}

impl Decode for Stored {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("form of the meter");
        if input.u8()? == FORM { Decode::decode(input).map(Self) } else { Err(at) }
    }
}

const FORM: u8 = 1;
/// Vault record.
const RECORD: &str = "meter";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Disclosures that one write takes as told, so that not each of them waits for the disk.
const BLOCK: u64 = 16;

#[cfg(test)]
mod tests;
