//! Windowed features recomputed from the event log, the slow and obvious way: one scan of the log per value.
//!
//! Written from the definition (DESIGN §8 and GLOSSARY "feature"), sharing no code with the cloud's store: it is
//! what the cloud's answers are compared with. An entry of the log counts for a decision at time *t* with cut *c*
//! iff its sequence number is below *c*, it was received in (t − window, t], and it reached the log no later than
//! `lateness` after it was received. An event counts once, by (thumbprint, event id), in order of the log, and
//! never as its own past; `include_self` adds the deciding event itself.

use glacis_wire::{Answer, Cause, EventId, EventName, SignalName, Thumbprint, Timestamp, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is computed over the entries that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How many there are.
    Count,
    /// The sum of their `of`.
    Sum,
    /// How many different `of` they have.
    Distinct,
}

/// One feature, as a catalogue declares it.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The signal that it answers.
    pub signal: SignalName,
    /// What is computed.
    pub kind: Kind,
    /// Over which events.
    pub event: EventName,
    /// Entries count whose values of these signals are the deciding event's.
    pub key: Vec<SignalName>,
    /// What is summed or told apart; entries without a value of it add nothing.
    pub of: Option<SignalName>,
    /// Whether `of` is a double: an empty sum of doubles is 0.0.
    pub double: bool,
    /// How far back.
    pub window: Duration,
    /// How late an entry may reach the log.
    pub lateness: Duration,
    /// Whether the deciding event counts.
    pub include_self: bool,
}

/// One event as the log holds it, or as it is being decided.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which event.
    pub event: EventName,
    /// The device; none where the request was not signed.
    pub thumbprint: Option<Thumbprint>,
    /// Names the user action.
    pub event_id: EventId,
    /// When the edge received it.
    pub received: Timestamp,
    /// Request and edge signals, by name.
    pub signals: BTreeMap<SignalName, Answer>,
}

/// An [`Entry`] with its place in the log.
#[derive(Clone, Debug)]
pub struct Logged {
    /// Its place.
    pub seq: u64,
    /// When it reached the log.
    pub ingested: Timestamp,
    /// What it is.
    pub entry: Entry,
}

/// The value of `definition` for `deciding` at `cut`, from the whole `log` in order of `seq`.
///
/// `principals` are the signals of the catalogue that name a principal: without one there is nothing to count by.
pub fn value(
    definition: &Definition,
    deciding: &Entry,
    cut: u64,
    log: &[Logged],
    principals: &BTreeSet<SignalName>,
) -> Answer {
    let mut key = Vec::with_capacity(definition.key.len());
    for signal in &definition.key {
        match deciding.signals.get(signal) {
            Some(Answer::Value(value)) => key.push(value),
            _ if principals.contains(signal) => return Answer::unknown(Cause::Withheld),
            _ => return Answer::Error,
        }
    }
    let mut seen = BTreeSet::from([identity(deciding)]);
    let mut counting: Vec<&Entry> = Vec::new();
    for logged in log.iter().filter(|logged| logged.seq < cut) {
        let entry = &logged.entry;
        let first = seen.insert(identity(entry));
        if first && counts(definition, deciding, logged) && has_key(definition, entry, &key) {
            counting.push(entry);
        }
    }
    if definition.include_self && definition.event == deciding.event {
        counting.push(deciding);
    }
    aggregate(definition, &counting)
}

type Identity = (Option<Thumbprint>, EventId);

fn identity(entry: &Entry) -> Identity {
    (entry.thumbprint, entry.event_id)
}

fn counts(definition: &Definition, deciding: &Entry, logged: &Logged) -> bool {
    let (received, now) = (logged.entry.received.as_ms(), deciding.received.as_ms());
    let window = u64::try_from(definition.window.as_millis()).unwrap_or(u64::MAX);
    let lateness = u64::try_from(definition.lateness.as_millis()).unwrap_or(u64::MAX);
    let inside = received <= now && now - received < window;
    let in_time = logged.ingested.as_ms().saturating_sub(received) <= lateness;
    logged.entry.event == definition.event && inside && in_time
}

fn has_key(definition: &Definition, entry: &Entry, key: &[&Value]) -> bool {
    definition.key.iter().zip(key).all(|(signal, want)| match entry.signals.get(signal) {
        Some(Answer::Value(value)) => same(value, want),
        _ => false,
    })
}

/// Equality of keys: by value, doubles by their bits.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        _ => a == b,
    }
}

fn aggregate(definition: &Definition, counting: &[&Entry]) -> Answer {
    let of = |entry: &&Entry| {
        let answer = definition.of.as_ref().and_then(|signal| entry.signals.get(signal));
        match answer {
            Some(Answer::Value(value)) => Some(value.clone()),
            _ => None,
        }
    };
    let int = |count: usize| Answer::Value(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)));
    match definition.kind {
        Kind::Count if definition.of.is_some() => int(counting.iter().filter_map(of).count()),
        Kind::Count => int(counting.len()),
        Kind::Distinct => {
            let mut different: Vec<Value> = Vec::new();
            for value in counting.iter().filter_map(of) {
                if !different.iter().any(|known| same(known, &value)) {
                    different.push(value);
                }
            }
            int(different.len())
        }
        Kind::Sum => sum(counting.iter().filter_map(of), definition.double),
    }
}

/// Integers sum exactly, an overflow is an error; doubles sum in order of the log, from 0.0.
fn sum(values: impl Iterator<Item = Value>, double: bool) -> Answer {
    let (mut ints, mut doubles) = (0_i128, 0.0);
    for value in values {
        match value {
            Value::Int(value) if !double => ints += i128::from(value),
            Value::Double(value) if double => doubles += value,
            _ => return Answer::Error,
        }
    }
    if double {
        return Answer::Value(Value::Double(doubles));
    }
    i64::try_from(ints).map_or(Answer::Error, |total| Answer::Value(Value::Int(total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(name: &str) -> SignalName {
        SignalName::parse(name).unwrap()
    }

    fn entry(id: u8, device: u8, at_ms: u64, user: &str, amount: i64) -> Entry {
        Entry {
            event: EventName::parse("payment.transfer").unwrap(),
            thumbprint: Some(Thumbprint::new([device; 32])),
            event_id: EventId::new([id; 16]),
            received: Timestamp::from_ms(at_ms),
            signals: BTreeMap::from([
                (signal("user"), Answer::Value(Value::String(user.to_owned()))),
                (signal("amount"), Answer::Value(Value::Int(amount))),
                (signal("device.id"), Answer::Value(Value::String(format!("{device:02x}")))),
            ]),
        }
    }

    fn logged(seq: u64, late_ms: u64, entry: Entry) -> Logged {
        Logged { seq, ingested: Timestamp::from_ms(entry.received.as_ms() + late_ms), entry }
    }

    fn definition(kind: Kind, of: Option<&str>, include_self: bool) -> Definition {
        Definition {
            signal: signal("user.f"),
            kind,
            event: EventName::parse("payment.transfer").unwrap(),
            key: vec![signal("user")],
            of: of.map(signal),
            double: false,
            window: Duration::from_millis(100),
            lateness: Duration::from_millis(10),
            include_self,
        }
    }

    fn int(value: i64) -> Answer {
        Answer::Value(Value::Int(value))
    }

    #[test]
    fn window_is_open_at_its_start_and_closed_at_its_end_lateness_and_cut_hold() {
        let log = [
            logged(1, 0, entry(1, 1, 900, "ann", 5)), // exactly `window` ago: out
            logged(2, 0, entry(2, 1, 901, "ann", 7)), // in
            logged(3, 0, entry(3, 2, 1_000, "ann", 9)), // received at the very moment: in
            logged(4, 11, entry(4, 3, 950, "ann", 11)), // too late
            logged(5, 10, entry(5, 4, 950, "ann", 13)), // as late as allowed: in
            logged(6, 0, entry(6, 5, 950, "bob", 17)), // another key
            logged(7, 0, entry(2, 1, 960, "ann", 19)), // the same event again
            logged(8, 0, entry(8, 6, 960, "ann", 23)), // at the cut: not seen
        ];
        let deciding = entry(9, 9, 1_000, "ann", 100);
        let value =
            |kind, of, own| super::value(&definition(kind, of, own), &deciding, 8, &log, &BTreeSet::new());
        assert_eq!(value(Kind::Count, None, false), int(3));
        assert_eq!(value(Kind::Count, None, true), int(4));
        assert_eq!(value(Kind::Sum, Some("amount"), false), int(7 + 9 + 13));
        assert_eq!(value(Kind::Sum, Some("amount"), true), int(129));
        assert_eq!(value(Kind::Distinct, Some("device.id"), false), int(3));
    }

    #[test]
    fn an_event_is_never_its_own_past() {
        let deciding = entry(1, 1, 1_000, "ann", 5);
        let log = [logged(1, 0, deciding.clone())];
        for (own, want) in [(false, 0), (true, 1)] {
            let got = value(&definition(Kind::Count, None, own), &deciding, 9, &log, &BTreeSet::new());
            assert_eq!(got, int(want));
        }
    }

    #[test]
    fn without_a_key_there_is_no_number() {
        let mut deciding = entry(1, 1, 1_000, "ann", 5);
        deciding.signals.insert(signal("user"), Answer::Missing);
        let count = definition(Kind::Count, None, false);
        let principals = BTreeSet::from([signal("user")]);
        assert_eq!(value(&count, &deciding, 1, &[], &principals), Answer::unknown(Cause::Withheld));
        assert_eq!(value(&count, &deciding, 1, &[], &BTreeSet::new()), Answer::Error);
    }

    #[test]
    fn integer_overflow_is_an_error() {
        let log = [logged(1, 0, entry(1, 1, 1_000, "ann", i64::MAX))];
        let sum = definition(Kind::Sum, Some("amount"), true);
        let deciding = entry(2, 1, 1_000, "ann", 1);
        assert_eq!(value(&sum, &deciding, 2, &log, &BTreeSet::new()), Answer::Error);
    }
}
