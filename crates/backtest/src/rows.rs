//! Events of a file, in order of time and each once: records, read by a mapping, sorted, told apart by id.
//!
//! [`Events`] is the only way from a file to facts. What it hands out has the facts of an edge that saw the request:
//! no device (its zone is absent), tier none, received at the time of the row. The label stands beside the facts and
//! never in them.

use crate::error::BacktestError;
use crate::input::{Next, Records};
use crate::mapping::{From, LabelFrom, Mapping, Role, SignalFrom, TimeFrom};
use crate::order::{Order, Placed};
use crate::seen::Seen;
use crate::skipped::Skipped;
use glacis_seal::sha256;
use glacis_wire::message::decide::{DEVICE_ZONE, EventFacts, SignalAnswer};
use glacis_wire::message::{List, Text};
use glacis_wire::{
    Answer, Cause, Digest, EventId, EventName, NodeName, PolicyDigest, SignalName, Tier, Timestamp, Trust,
    Value,
};
use std::path::Path;
use std::time::Duration;

/// What a row says that it was in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// What the policy looks for.
    Positive,
    /// What it should let go on.
    Negative,
    /// The cell is empty or none of the declared ones.
    None,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Line that its row begins on.
    pub line: u64,
    /// What is known when it is decided.
    pub facts: EventFacts,
    /// What it was; only for counting.
    pub label: Label,
}

/// The stream of events of one file.
#[derive(Debug)]
pub struct Events {
    records: Records,
    mapping: Mapping,
    order: Order,
    seen: Seen,
    skipped: Skipped,
    blank: Event,
    #[expect(clippy::vec_box, reason = "a box goes from hand to hand, what is in it stays where it is")]
    spare: Vec<Box<Event>>,
    rows: u64,
    ended: bool,
}

impl Events {
    /// Opens a file; events are of `event` and name `policy`; an id is remembered for `window_max` at least.
    pub fn open(
        path: &Path,
        mapping: Mapping,
        event: &EventName,
        policy: PolicyDigest,
        window_max: Duration,
    ) -> Result<Self, BacktestError> {
        let records = Records::open(path, &mapping.columns)?;
        let keep = window_max.saturating_add(mapping.late).max(KEEP_MIN);
        let (order, seen) = (Order::new(mapping.late), Seen::new(keep));
        let blank = blank(&mapping, event, policy)?;
        let (skipped, spare) = (Skipped::default(), Vec::new());
        Ok(Self { records, mapping, order, seen, skipped, blank, spare, rows: 0, ended: false })
    }

    /// The next event; give it back with [`Events::done`].
    pub fn next_event(&mut self) -> Result<Option<Box<Event>>, BacktestError> {
        loop {
            while let Some(event) = self.order.next(self.ended) {
                // A file without ids has none that comes twice.
                if self.mapping.id.is_none() || self.seen.insert(event.facts.event_id, event.facts.received) {
                    return Ok(Some(event));
                }
                self.skipped.count("id seen before", event.line);
                self.spare.push(event);
            }
            if self.ended {
                return Ok(None);
            }
            self.read()?;
        }
    }

    /// Takes an event back, so that its memory serves the next.
    pub fn done(&mut self, event: Box<Event>) {
        self.spare.push(event);
    }

    /// Rows read so far, and those of them that were no events.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows that were no events.
    pub const fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// Bytes of the file read so far, and all of them.
    pub fn position(&self) -> (u64, u64) {
        self.records.position()
    }

    fn read(&mut self) -> Result<(), BacktestError> {
        match self.records.next()? {
            Next::End => self.ended = true,
            Next::Odd(why) => {
                self.rows += 1;
                self.skipped.count(why, self.records.line());
            }
            Next::Record => {
                self.rows += 1;
                let mut event = self.spare.pop().unwrap_or_else(|| Box::new(self.blank.clone()));
                event.line = self.records.line();
                if let Err(why) = fill(&self.records, &self.mapping, self.rows, &mut event) {
                    self.skipped.count(why, event.line);
                    self.spare.push(event);
                    return Ok(());
                }
                match self.order.give(event) {
                    Placed::Taken => {}
                    Placed::TooLate(event) => {
                        self.skipped.count("time before an earlier row", event.line);
                        self.spare.push(event);
                    }
                    Placed::Full => {
                        return Err(self.records.wrong(
                            "too many rows lie within `late` of each other; sort the file or declare less",
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Facts with every signal in its place and no value.
fn blank(mapping: &Mapping, event: &EventName, policy: PolicyDigest) -> Result<Event, BacktestError> {
    let bad = |_| BacktestError::Option("an own name is not well formed".to_owned());
    let (node, zone) = (NodeName::parse(NODE).map_err(bad)?, SignalName::parse(DEVICE_ZONE).map_err(bad)?);
    let answers = |role: Role| {
        let of_role = mapping.signals.iter().filter(move |from| from.role == role);
        of_role.map(|from| SignalAnswer {
            signal: from.signal.clone(),
            answer: match &from.from {
                From::Constant(answer) => answer.clone(),
                From::Column(_) => Answer::Missing,
            },
        })
    };
    let absent = SignalAnswer { signal: zone, answer: Answer::unknown(Cause::Absent) };
    let facts = EventFacts {
        event: event.clone(),
        policy,
        thumbprint: None,
        tier: Tier::None,
        trust: Trust::Claimed,
        event_id: EventId::new([0; 16]),
        content: Digest::new([0; 32]),
        principal: None,
        received: Timestamp::ZERO,
        disclosed: None,
        fields: List(answers(Role::Field).collect()),
        observed: List(answers(Role::Observed).chain([absent]).collect()),
        passed: None,
        node,
    };
    Ok(Event { line: 0, facts, label: Label::None })
}

/// Reads a record into an event; otherwise says why the row is none.
fn fill<'m>(records: &Records, mapping: &'m Mapping, row: u64, event: &mut Event) -> Result<(), &'m str> {
    let facts = &mut event.facts;
    facts.received = match &mapping.time {
        TimeFrom::Each(step) => {
            Timestamp::from_ms(u64::try_from(step.as_millis()).unwrap_or(u64::MAX).saturating_mul(row))
        }
        TimeFrom::Column { at, format } => {
            records.cell(*at).and_then(|cell| format.parse(cell)).ok_or("time")?
        }
    };
    facts.event_id = match mapping.id {
        None => EventId::new(u128::from(row).to_be_bytes()),
        Some(at) => event_id(records.cell(at).ok_or("no id")?),
    };
    let mut fields = facts.fields.0.iter_mut();
    let mut observed = facts.observed.0.iter_mut();
    for from in &mapping.signals {
        match from.role {
            Role::Principal => facts.principal = principal(records, from, facts.principal.take())?,
            Role::Field => fill_signal(records, from, fields.next())?,
            Role::Observed => fill_signal(records, from, observed.next())?,
        }
    }
    event.label = label(records.cell(mapping.label.at), &mapping.label);
    Ok(())
}

fn fill_signal<'m>(
    records: &Records,
    from: &'m SignalFrom,
    stated: Option<&mut SignalAnswer>,
) -> Result<(), &'m str> {
    let (From::Column(at), Some(stated)) = (&from.from, stated) else { return Ok(()) };
    match records.cell(*at) {
        None => stated.answer = Answer::Missing,
        Some(cell) if from.spelling.read(cell, &mut stated.answer) => {}
        Some(_) => return Err(&from.bad),
    }
    Ok(())
}

/// Reads the principal into the memory of the one before it.
fn principal<'m>(
    records: &Records,
    from: &'m SignalFrom,
    before: Option<Text<PRINCIPAL>>,
) -> Result<Option<Text<PRINCIPAL>>, &'m str> {
    let mut answer = before.map_or(Answer::Missing, |user| Answer::Value(Value::String(user.0)));
    match &from.from {
        From::Constant(constant) => answer = constant.clone(),
        From::Column(at) => match records.cell(*at) {
            Some(cell) if !from.spelling.read(cell, &mut answer) => return Err(&from.bad),
            Some(_) => {}
            None => answer = Answer::Missing,
        },
    }
    Ok(match answer {
        Answer::Value(Value::String(user)) => Some(Text(user)),
        _ => None,
    })
}

const PRINCIPAL: usize = glacis_wire::limits::PRINCIPAL_BYTES_MAX;

/// Two ids give two event ids: short ones are kept as they are behind their length, others by their digest.
fn event_id(id: &[u8]) -> EventId {
    let mut bytes = [0; EventId::LEN];
    let (first, rest) = bytes.split_at_mut(1);
    match (u8::try_from(id.len()), rest.get_mut(..id.len())) {
        (Ok(length), Some(place)) => {
            first.fill(length);
            place.copy_from_slice(id);
        }
        _ => {
            first.fill(u8::MAX);
            rest.iter_mut().zip(sha256(id).as_bytes()).for_each(|(to, from)| *to = *from);
        }
    }
    EventId::new(bytes)
}

fn label(cell: Option<&[u8]>, from: &LabelFrom) -> Label {
    let Some(cell) = cell else { return Label::None };
    let is = |known: &String| known.as_bytes() == cell;
    if from.positive.iter().any(is) {
        Label::Positive
    } else if from.negative.as_ref().is_none_or(|negative| negative.iter().any(is)) {
        Label::Negative
    } else {
        Label::None
    }
}

/// Name of the edge that the rows came through.
const NODE: &str = "backtest";
/// An id is known for a day at least.
const KEEP_MIN: Duration = Duration::from_secs(86_400);
