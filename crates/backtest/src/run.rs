//! One policy over one file.
//!
//! Every event goes through the edge slice and then the cloud slice, as a route without a device zone would have it.
//! The edge's verdict, where it has one, says that the cloud would not have been asked; the cloud slice is run all
//! the same, because it knows every rule, and because the two must agree. An event is known to windows from the
//! moment it is decided: reports of edges take no time here.

use crate::choose::{Chooser, Wish};
use crate::error::BacktestError;
use crate::mapping::Mapping;
use crate::policy::Policy;
use crate::report::{Part, Report};
use crate::rows::{Event, Events};
use crate::skipped::Skipped;
use crate::tally::Tally;
use glacis_cloud::CloudLimits;
use glacis_cloud::replay::{Replay, Replayed};
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{Answer, Cause, SignalName, Timestamp, Value, Verdict};
use std::path::{Path, PathBuf};

/// What to do with the events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Events before it fill windows and are not counted.
    pub from: Option<Timestamp>,
    /// Events from it on are not read.
    pub to: Option<Timestamp>,
    /// Share of the counted events, by time, that is the first part. Range: above 0 and below 1.
    pub split: Option<f64>,
    /// Choose a threshold on the first part.
    pub choose: Option<Wish>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the file read in this pass.
    pub bytes: u64,
    /// Bytes of the file.
    pub bytes_all: u64,
    /// Rows read in this pass.
    pub rows: u64,
    /// Whether this pass only counts, because a split needs to know how many events there are.
    pub counting: bool,
}

/// A policy, a mapping and a file.
#[derive(Debug)]
pub struct Backtest {
    policy: Policy,
    mapping: Mapping,
    file: PathBuf,
    options: Options,
}

/// Events that are read before the first of them is decided, so that what they need is fetched together.
const BLOCK: usize = 32;
/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 4_096;

impl Backtest {
    /// Checks the options.
    pub fn new(
        policy: Policy,
        mapping: Mapping,
        file: &Path,
        options: Options,
    ) -> Result<Self, BacktestError> {
        let option = |why: &str| Err(BacktestError::Option(why.to_owned()));
        if options.split.is_some_and(|split| !(split > 0.0 && split < 1.0)) {
            return option("a split lies between 0 and 1, as in 0.6");
        }
        if options.choose.is_some() && options.split.is_none() {
            return option("a threshold is chosen on a first part and reported on the rest: give a split");
        }
        if options.from.zip(options.to).is_some_and(|(from, to)| from >= to) {
            return option("the time to begin at must lie before the time to end at");
        }
        Ok(Self { policy, mapping, file: file.to_owned(), options })
    }

    /// Reads, decides and counts.
    pub fn run(&self, mut progress: impl FnMut(Progress)) -> Result<Report, BacktestError> {
        let compiled = self.policy.compiled();
        let mut replay = Replay::new(compiled, &CloudLimits::default())?;
        for (list, items) in &self.mapping.lists {
            items.iter().for_each(|item| replay.list(list, item, Timestamp::ZERO));
        }
        let first = match self.options.split {
            Some(split) => Some(share_of(self.count(&replay, &mut progress)?, split)),
            None => None,
        };
        let chooser = self.options.choose.as_ref().map(|wish| Chooser::new(wish, compiled)).transpose()?;
        let mut counts = Counts::new(&replay, self.policy.compiled().checked().methods(), first, chooser);
        let mut events = self.open(&replay)?;
        let (mut block, mut ended) = (Vec::with_capacity(BLOCK), false);
        while !ended {
            while !ended && block.len() < BLOCK {
                let event = self.next(&mut events, false, &mut progress)?;
                ended = event.is_none();
                block.extend(event);
            }
            replay.warm(block.iter().map(|event| &event.facts));
            for event in block.drain(..) {
                if self.is_counted(&event.facts) {
                    counts.take(&replay.decide(&event.facts)?, &event)?;
                } else {
                    counts.warm_up += 1;
                }
                replay.take(&event.facts);
                counts.entries_max = counts.entries_max.max(replay.entries());
                events.done(event);
            }
        }
        self.report(&replay, counts, &events)
    }

    fn open(&self, replay: &Replay) -> Result<Events, BacktestError> {
        let event = self.policy.compiled().event();
        Events::open(&self.file, self.mapping.clone(), event, replay.policy(), replay.window_max())
    }

    /// The next event before the end, with progress told on the way.
    fn next(
        &self,
        events: &mut Events,
        counting: bool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Option<Box<Event>>, BacktestError> {
        let rows = events.rows();
        let next = events.next_event()?;
        if next.is_none() || events.rows() / PROGRESS_ROWS != rows / PROGRESS_ROWS {
            let (bytes, bytes_all) = events.position();
            progress(Progress { bytes, bytes_all, rows: events.rows(), counting });
        }
        Ok(next.filter(|event| self.options.to.is_none_or(|to| event.facts.received < to)))
    }

    fn is_counted(&self, facts: &EventFacts) -> bool {
        self.options.from.is_none_or(|from| facts.received >= from)
    }

    /// How many events will be counted.
    fn count(&self, replay: &Replay, progress: &mut impl FnMut(Progress)) -> Result<u64, BacktestError> {
        let mut events = self.open(replay)?;
        let mut counted = 0;
        while let Some(event) = self.next(&mut events, true, progress)? {
            counted += u64::from(self.is_counted(&event.facts));
            events.done(event);
        }
        Ok(counted)
    }

    fn report(&self, replay: &Replay, counts: Counts, events: &Events) -> Result<Report, BacktestError> {
        let rules: Vec<String> = replay.rules().map(str::to_owned).collect();
        let parts = if self.options.split.is_some() { ["first", "rest"].as_slice() } else { &["all"] };
        let parts =
            parts.iter().zip(&counts.parts).map(|(part, tally)| Part::new(part, tally, &rules)).collect();
        let compiled = self.policy.compiled();
        let skipped: Skipped = events.skipped().clone();
        Ok(Report {
            policy: compiled.name().to_owned(),
            digest: replay.policy().to_string(),
            event: compiled.event().to_string(),
            label: self.mapping.label().to_owned(),
            rows: events.rows(),
            skipped,
            warm_up: counts.warm_up,
            parts,
            chosen: counts.chooser.map(Chooser::finish).transpose()?,
            unsupplied: self.mapping.unsupplied.iter().map(SignalName::to_string).collect(),
            unavailable: counts.unavailable,
            entries_max: counts.entries_max,
        })
    }
}

/// What is counted along the way.
#[derive(Debug)]
struct Counts {
    parts: [Tally; 2],
    /// Events still to come in the first part; all, where there is no split.
    first_left: u64,
    chooser: Option<Chooser>,
    warm_up: u64,
    unavailable: u64,
    entries_max: usize,
}

impl Counts {
    fn new(
        replay: &Replay,
        methods: &[glacis_wire::Method],
        first: Option<u64>,
        chooser: Option<Chooser>,
    ) -> Self {
        let challenges = methods.iter().copied().map(Verdict::Challenge);
        let verdicts: Vec<Verdict> =
            [Verdict::Allow].into_iter().chain(challenges).chain([Verdict::Block]).collect();
        let tally = Tally::new(&verdicts, replay.rules().count());
        Self {
            parts: [tally.clone(), tally],
            first_left: first.unwrap_or(u64::MAX),
            chooser,
            warm_up: 0,
            unavailable: 0,
            entries_max: 0,
        }
    }

    fn take(&mut self, replayed: &Replayed<'_>, event: &Event) -> Result<(), BacktestError> {
        let is_first = self.first_left > 0;
        self.first_left = self.first_left.saturating_sub(1);
        let [first, rest] = &mut self.parts;
        let part = if is_first { first } else { rest };
        part.count(replayed, event.label);
        let out_of_memory = Answer::unknown(Cause::Unavailable);
        self.unavailable += u64::from(replayed.answers().any(|(_, answer)| *answer == out_of_memory));
        if let Some(chooser) = &mut self.chooser {
            let value = value_of(&chooser.signal, replayed, &event.facts);
            chooser.take(value, event.label, is_first)?;
        }
        Ok(())
    }
}

/// The integer that a signal had, from the cloud's answers or from the facts.
fn value_of(signal: &SignalName, replayed: &Replayed<'_>, facts: &EventFacts) -> Option<i64> {
    let stated = facts.fields.iter().chain(facts.observed.iter());
    let stated = stated.map(|stated| (&stated.signal, &stated.answer));
    let found = replayed.answers().chain(stated).find(|(name, _)| *name == signal);
    match found?.1 {
        Answer::Value(Value::Int(value)) => Some(*value),
        _ => None,
    }
}

/// `split` of `events`, rounded down.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share in 0..1 of a count of rows is a count, exact to 2^53 rows"
)]
fn share_of(events: u64, split: f64) -> u64 {
    (events as f64 * split) as u64
}
