//! `engine`: one decision of ours beside the policy engines of others, over the same rules and the same events.
//!
//! Time is CPU time of the thread for one decision, from the raw typed values of an event to the rules that matched;
//! building a context and looking strings up are in it. The hits of every engine must be ours, event by event, or
//! the bench fails.
//!
//! Peers (`peers`): `zen-expression`, `zen-engine` (a decision table), `cel`, `cel-interpreter`, `regorus`, `cedar-policy` and
//! `rhai`, each used as its own benchmarks use it: compiled ahead, context built once an event. `evalexpr` is left out: it
//! is AGPL.
//!
//! The workload has two variants (`workload`). In variant B a third of the signals is unknown, and no peer keeps that apart:
//! a variable that is not there is null to `zen-expression`, an error to `cel`, `cel-interpreter` and `rhai`, an error
//! that drops the whole policy to `cedar-policy` (its partial evaluation is an experiment behind a feature), and to
//! `regorus` undefined, whose negation is true. So ours runs it beside the tree walk alone.
//!
//! Beside them stand lines that we wrote by hand (`lines`): what the workload costs without an engine around it.
//!
//! Everybody is built by cargo's default release profile (`profile.engine` of the manifest), ours with the overflow
//! checks that it ships with.
//!
//! Exit 1 if a floor is missed (`bars`), 2 if hits differ or an engine fails. `--json` ends with one line of JSON;
//! `--quick` compares the hits of fewer events and takes a sixth of the time, too little to judge times by.

mod bars;
mod engine;
mod lines;
mod measure;
mod meter;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod text;
mod workload;

use bars::{Bar, Sense};
use engine::Engine;
use measure::{Cell, Table, median};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use workload::Variant;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Sizes of a policy.
const RULES: [usize; 3] = [20, 200, 2_000];
/// CPU time for each engine over one set of rules.
const TIME: Duration = Duration::from_millis(2_500);
const TIME_QUICK: Duration = Duration::from_millis(400);

/// Largest slice of 200 rules.
const SLICE_KB_MAX: f64 = 100.0;
/// Longest load of a slice of 200 rules.
const LOAD_MS_MAX: f64 = 1.0;
/// Longest compilation of 2,000 rules.
const COMPILE_MS_MAX: f64 = 300.0;

fn main() -> ExitCode {
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("engine: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare() -> Outcome<bool> {
    let (mut wants_json, mut time) = (false, TIME);
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--json" => wants_json = true,
            "--quick" => time = TIME_QUICK,
            other => return Err(format!("unexpected argument `{other}`").into()),
        }
    }
    println!("seed {}, {} events, {} signals", workload::SEED, workload::EVENTS, workload::SIGNALS);
    let slices = RULES.map(SliceCost::of).into_iter().collect::<Outcome<Vec<_>>>()?;
    let tables = |variant, field: &measure::Field| {
        RULES
            .map(|rules| Table::measure(variant, rules, field, time))
            .into_iter()
            .collect::<Outcome<Vec<_>>>()
    };
    let a = tables(Variant::A, &field())?;
    let b = tables(Variant::B, &[("glacis-policy", build_ours), ("glacis-bench", lines::Walk::build)])?;
    let mut bars = bars::of_times(&a, &b);
    bars.extend(slices.iter().flat_map(SliceCost::bars));

    print_tables("A: conjunctions, everything known", &a);
    print_tables("B: `||`, `!`, `?:`, a third unknown, 10 % not indexed", &b);
    slices.iter().for_each(|slice| println!("{slice}"));
    println!();
    bars.iter().for_each(|bar| println!("{bar}"));
    let holds = bars.iter().all(Bar::passes);
    if wants_json {
        let rows = |tables: &[Table]| tables.iter().map(table_json).collect::<Vec<_>>();
        let slices: Vec<_> = slices.iter().map(SliceCost::json).collect();
        let bars: Vec<_> = bars.iter().map(Bar::json).collect();
        println!(
            "{}",
            json!({"bench": "engine", "seed": workload::SEED, "a": rows(&a), "b": rows(&b), "slices": slices, "bars": bars, "holds": holds})
        );
    }
    Ok(holds)
}

/// Everybody who can do variant A.
fn field() -> Vec<(&'static str, engine::Build)> {
    let ours: [(&'static str, engine::Build); 5] = [
        ("glacis-policy", build_ours),
        ("glacis-bench", lines::BitVector::build),
        ("glacis-bench", lines::Bytecode::build),
        ("glacis-bench", lines::Closures::build),
        ("glacis-bench", lines::Walk::build),
    ];
    #[cfg(feature = "peers")]
    let peers = peers::ALL;
    #[cfg(not(feature = "peers"))]
    let peers = [];
    ours.into_iter().chain(peers).collect()
}

fn build_ours(rules: &[workload::Condition]) -> Outcome<Box<dyn Engine>> {
    let bytes = ours::Texts::of(rules).compile()?;
    Ok(Box::new(ours::Ours::load(&bytes)?))
}

/// What a slice costs before it decides anything.
struct SliceCost {
    rules: usize,
    bytes: usize,
    load_ms: f64,
    compile_ms: f64,
}

impl SliceCost {
    fn of(rules: usize) -> Outcome<Self> {
        let texts = ours::Texts::of(&workload::rules(Variant::A, rules));
        let bytes = texts.compile()?;
        let timed = |step: &dyn Fn() -> Outcome<()>| {
            let mut times = Vec::new();
            for _ in 0..5 {
                let start = meter::cpu();
                step()?;
                times.push((meter::cpu() - start).as_secs_f64() * 1e3);
            }
            Outcome::Ok(median(&times))
        };
        let compile_ms = timed(&|| texts.compile().map(drop))?;
        let load_ms = timed(&|| ours::Ours::load(&bytes).map(drop))?;
        Ok(Self { rules, bytes: bytes.len(), load_ms, compile_ms })
    }

    fn bars(&self) -> Vec<Bar> {
        let rules = self.rules;
        match rules {
            200 => vec![
                Bar::floor("kB of a slice, 200 rules", self.bytes as f64 / 1e3, Sense::AtMost, SLICE_KB_MAX),
                Bar::floor("ms to load it", self.load_ms, Sense::AtMost, LOAD_MS_MAX),
            ],
            2_000 => {
                vec![Bar::floor("ms to compile 2,000 rules", self.compile_ms, Sense::AtMost, COMPILE_MS_MAX)]
            }
            _ => Vec::new(),
        }
    }

    fn json(&self) -> Value {
        json!({"rules": self.rules, "bytes": self.bytes, "load_ms": self.load_ms, "compile_ms": self.compile_ms})
    }
}

impl std::fmt::Display for SliceCost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rules, bytes, load_ms, compile_ms } = self;
        write!(
            f,
            "slice of {rules} rules: {bytes} bytes, loads in {load_ms:.2} ms, compiles in {compile_ms:.1} ms"
        )
    }
}

fn print_tables(title: &str, tables: &[Table]) {
    println!("\nvariant {title}; ns a decision, allocations, times ours, ms to build");
    let hits: Vec<_> = tables.iter().map(|table| format!("{:.2}", table.hits_an_event)).collect();
    println!("mean hits an event: {}", hits.join(" / "));
    let head = tables.iter().map(|table| {
        format!(" |{:>10} {:>9} {:>7} {:>8}", format!("{} rules", table.rules), "alloc", "ratio", "build")
    });
    println!("{:<22} {:<8}{}", "engine", "version", head.collect::<String>());
    let Some(first) = tables.first() else { return };
    for (at, cell) in first.cells.iter().enumerate() {
        let cells = tables.iter().map(|table| {
            let (cell, ours) = (&table.cells[at], table.ours());
            let ratio = cell.ns() / ours.ns();
            format!(" |{:>10.0} {:>9.1} {ratio:>7.1} {:>8.1}", cell.ns(), cell.allocations, cell.compile_ms)
        });
        println!("{:<22} {:<8}{}", cell.engine, version(cell.package), cells.collect::<String>());
    }
    let others = tables.iter().flat_map(|table| &table.cells[1..]);
    let compared = others.min_by_key(|cell| cell.compared);
    if let Some(cell) = compared {
        println!("hits equal ours in all events compared, at least {} ({})", cell.compared, cell.engine);
    }
    println!();
}

fn table_json(table: &Table) -> Value {
    let cells: Vec<_> = table.cells.iter().map(|cell| cell_json(cell, table.ours())).collect();
    json!({"rules": table.rules, "hits_an_event": table.hits_an_event, "engines": cells})
}

fn cell_json(cell: &Cell, ours: &Cell) -> Value {
    json!({
        "engine": cell.engine,
        "version": version(cell.package),
        "ns": cell.ns(),
        "rounds_ns": cell.rounds_ns,
        "allocations": cell.allocations,
        "ratio": cell.ns() / ours.ns(),
        "compile_ms": cell.compile_ms,
        "events_compared": cell.compared,
    })
}

/// The version of a package, as the lock file of the bench has it.
fn version(package: &str) -> &'static str {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    let name = format!("name = \"{package}\"\nversion = \"");
    let found = LOCK.split_once(&name).and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("?", |(version, _)| version)
}
