//! One table: every engine over the same rules and events, hits compared, rounds interleaved.
//!
//! First each engine runs over the events once, as far as its share of time goes: its hits must be those of ours, and
//! its allocations are counted. Then it is timed in rounds, each engine once a round, so that a busy minute of the
//! machine hits all of them; the median round counts.

use crate::Outcome;
use crate::engine::{Build, Engine};
use crate::meter;
use crate::workload::{self, Condition, Event, Variant};
use std::hint::black_box;
use std::time::Duration;

/// Rounds of every cell.
const ROUNDS: u32 = 5;
/// Decisions between two looks at the clock when hits are compared.
const BATCH: usize = 16;

/// Who takes part, in the order of the table. Ours is the first, and the one that hits are compared with.
pub(crate) type Field = [(&'static str, Build)];

/// An engine over one set of rules.
pub(crate) struct Cell {
    pub(crate) engine: &'static str,
    /// Package whose version is told.
    pub(crate) package: &'static str,
    /// Nanoseconds a decision, one for each round.
    pub(crate) rounds_ns: Vec<f64>,
    pub(crate) allocations: f64,
    /// Events whose hits were compared.
    pub(crate) compared: usize,
    pub(crate) compile_ms: f64,
}

impl Cell {
    pub(crate) fn ns(&self) -> f64 {
        median(&self.rounds_ns)
    }
}

/// All engines over one set of rules.
pub(crate) struct Table {
    pub(crate) rules: usize,
    pub(crate) hits_an_event: f64,
    pub(crate) cells: Vec<Cell>,
}

impl Table {
    /// Measures `field` over `count` rules, `time` of CPU for each engine.
    pub(crate) fn measure(variant: Variant, count: usize, field: &Field, time: Duration) -> Outcome<Self> {
        let (rules, events) = (workload::rules(variant, count), workload::events(variant));
        let wanted = hits_of_ours(field, &rules, &events)?;
        let mut runs = Vec::new();
        for (package, build) in field {
            let run = Run::start(package, *build, &rules)?;
            eprintln!("  {count} rules: {} built in {:.1} ms", run.cell.engine, run.cell.compile_ms);
            runs.push(run);
        }
        for run in &mut runs {
            run.compare(&events, &wanted, time / 3)?;
        }
        for _ in 0..ROUNDS {
            for run in &mut runs {
                run.round(&events, time * 2 / 3 / ROUNDS)?;
            }
        }
        let hits: usize = wanted.iter().map(Vec::len).sum();
        Ok(Self {
            rules: count,
            hits_an_event: hits as f64 / events.len() as f64,
            cells: runs.into_iter().map(|run| run.cell).collect(),
        })
    }

    pub(crate) fn ours(&self) -> &Cell {
        &self.cells[0]
    }

    /// The cell of this engine.
    pub(crate) fn cell(&self, engine: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.engine == engine)
    }
}

fn hits_of_ours(field: &Field, rules: &[Condition], events: &[Event]) -> Outcome<Vec<Vec<u32>>> {
    let (_, build) = field.first().ok_or("nobody takes part")?;
    let mut ours = build(rules)?;
    events.iter().map(|event| sorted_hits(ours.as_mut(), event)).collect()
}

fn sorted_hits(engine: &mut dyn Engine, event: &Event) -> Outcome<Vec<u32>> {
    let mut hits = Vec::new();
    engine.decide(event, &mut hits)?;
    hits.sort_unstable();
    Ok(hits)
}

/// An engine that is being measured.
struct Run {
    engine: Box<dyn Engine>,
    hits: Vec<u32>,
    /// Nanoseconds a decision while hits were compared: how many fit into a round.
    guess_ns: f64,
    cell: Cell,
}

impl Run {
    fn start(package: &'static str, build: Build, rules: &[Condition]) -> Outcome<Self> {
        let before = meter::cpu();
        let engine = build(rules)?;
        let compile_ms = (meter::cpu() - before).as_secs_f64() * 1e3;
        let cell = Cell {
            engine: engine.name(),
            package,
            rounds_ns: Vec::new(),
            allocations: 0.0,
            compared: 0,
            compile_ms,
        };
        Ok(Self { engine, hits: Vec::with_capacity(rules.len()), guess_ns: 0.0, cell })
    }

    fn decide(&mut self, event: &Event) -> Outcome<()> {
        self.hits.clear();
        self.engine.decide(black_box(event), &mut self.hits)?;
        black_box(&self.hits);
        Ok(())
    }

    /// Compares the hits of as many events as `time` allows; counts allocations of all but the first.
    fn compare(&mut self, events: &[Event], wanted: &[Vec<u32>], time: Duration) -> Outcome<()> {
        // Whatever is made on first use is made.
        self.decide(&events[0])?;
        let (start, mut used, mut allocations) = (meter::cpu(), Duration::ZERO, 0);
        for (events, wanted) in events.chunks(BATCH).zip(wanted.chunks(BATCH)) {
            if meter::cpu() - start > time {
                break;
            }
            for (event, wanted) in events.iter().zip(wanted) {
                let before = (meter::allocations(), meter::cpu());
                self.decide(event)?;
                used += meter::cpu() - before.1;
                allocations += meter::allocations() - before.0;
                self.hits.sort_unstable();
                if self.hits != *wanted {
                    let name = self.cell.engine;
                    let (event, hits) = (self.cell.compared, &self.hits);
                    return Err(format!("{name}, event {event}: {hits:?} and not {wanted:?}").into());
                }
                self.cell.compared += 1;
            }
        }
        self.cell.allocations = allocations as f64 / self.cell.compared as f64;
        self.guess_ns = used.as_nanos() as f64 / self.cell.compared as f64;
        Ok(())
    }

    /// One timed round over the first events, again and again while `time` lasts.
    fn round(&mut self, events: &[Event], time: Duration) -> Outcome<()> {
        let decisions = (time.as_nanos() as f64 / self.guess_ns) as usize + 1;
        let start = meter::cpu();
        for event in events.iter().cycle().take(decisions) {
            self.decide(event)?;
        }
        let used = meter::cpu() - start;
        self.cell.rounds_ns.push(used.as_nanos() as f64 / decisions as f64);
        Ok(())
    }
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
