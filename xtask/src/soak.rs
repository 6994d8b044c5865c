//! Long runs by hand: the equality of run and whole over many random policies and events, the speed of backtests,
//! the expression language beside another implementation, and replays.
//!
//! The work is done by an example of a crate, in release; this only bounds it, passes the seed and prints the
//! command, so that a failure can be repeated.

use crate::error::Failure;
use crate::files;
use crate::install::{self, PROGRAMS};
use crate::options::Options;
use crate::process::{Job, Show, Stopwatch};
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "run for long: `soak equality`, `soak pairs`, `soak cuts`, `soak steps`, `soak backtest`, `soak cel`, `soak benign`, `soak replay`\n\
    --seed S    seed of the run (default: from the process id, printed)\n\
    equality    run equals whole over random policies; each of the seeded engine bugs must be found\n\
    --cases N   cases to run (default 1,000,000)\n\
    pairs       devices that agree on all that is released must look the same\n\
    --pairs N   pairs (default 1,000,000)\n\
    cuts        every legal cut and pair of versions of random policies\n\
    --policies N  policies (default 10,000)\n\
    steps       abstract steps of evaluations against the bound that each slice declares\n\
    --cases N   evaluations (default 1,000,000)\n\
    backtest    events a second of one core and resident memory, over generated rows\n\
    --rows N    rows to decide (default 5,000,000)\n\
    cel         the profile `full` beside the crate `cel` on generated expressions; every deviation has a reason\n\
    --cases N   expressions (default 1,000,000)\n\
    benign      the sensors of the app zone in harmless hosts that look odd; any detection fails\n\
    --minutes N minutes (default 30)\n\
    replay      duplicates of signed requests over two nodes with take-overs; none may be decided again\n\
    --duplicates N  duplicates (default 1,000,000)";

/// Runs a soak.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let soak = match options.word().as_deref() {
        Some("equality") => EQUALITY,
        Some("pairs") => PAIRS,
        Some("cuts") => CUTS,
        Some("steps") => STEPS,
        Some("backtest") => BACKTEST,
        Some("cel") => CEL,
        Some("benign") => BENIGN,
        Some("replay") => REPLAY,
        Some(other) => return Err(Failure::new(format!("no soak `{other}`; there are {NAMES}"))),
        None => return Err(Failure::new(format!("which soak? there are {NAMES}"))),
    };
    let count = options.number(soak.option)?.unwrap_or(soak.count);
    let seed = options.number("--seed")?.unwrap_or_else(|| u64::from(std::process::id()));
    options.finish()?;
    let (count, seed) = (count.to_string(), seed.to_string());
    println!("soak: {} --seed {seed} {} {count}", soak.name, soak.option);
    let programs: Vec<_> = PROGRAMS.iter().filter(|program| soak.starts.contains(&program.name)).collect();
    let missing = install::ensure(&programs)?;
    if !missing.is_empty() {
        println!("soak: {missing:?} is not installed");
    }
    let clock = Stopwatch::start();
    let job = Job::cargo().args(["run", "--release", "--locked"]).args(soak.example.iter().copied());
    let job = job.args(["--"]).args(soak.role).args([soak.option, &count, "--seed", &seed]);
    let done = job.dir(&files::root()?).limit(LIMIT).show(Show::All).run()?;
    println!("soak: {} ({:.1} s)", done.how, clock.elapsed().as_secs_f64());
    Ok(done.success)
}

/// One kind of soak.
struct Soak {
    name: &'static str,
    /// How the example calls the amount of work.
    option: &'static str,
    /// What the acceptance of the project asks for.
    count: u64,
    example: &'static [&'static str],
    /// What the program is told before its options.
    role: Option<&'static str>,
    /// Programs that it starts.
    starts: &'static [&'static str],
}

const fn soak(
    name: &'static str,
    option: &'static str,
    count: u64,
    example: &'static [&'static str],
) -> Soak {
    Soak { name, option, count, example, role: None, starts: &[] }
}

const EQUALITY: Soak = soak(
    "equality",
    "--cases",
    1_000_000,
    &["-p", "glacis-sim", "--example", "soak_equality", "--features", "mutants"],
);
const PAIRS: Soak = soak("pairs", "--pairs", 1_000_000, &["-p", "glacis-sim", "--example", "soak_cuts"]);
const CUTS: Soak = Soak { name: "cuts", option: "--policies", count: 10_000, ..PAIRS };
const STEPS: Soak = soak(
    "steps",
    "--cases",
    1_000_000,
    &["-p", "glacis-policy", "--example", "soak_steps", "--features", "mutants"],
);
const BACKTEST: Soak =
    soak("backtest", "--rows", 5_000_000, &["-p", "glacis-backtest", "--example", "soak_backtest"]);
const CEL: Soak = soak("cel", "--cases", 1_000_000, &["--manifest-path", "oracle/cel/Cargo.toml"]);
const BENIGN: Soak = Soak {
    role: Some("benign"),
    starts: &["cc", "java", "node", "perf", "python3", "unshare"],
    ..soak("benign", "--minutes", 30, &["-p", "glacis-corpus"])
};
const REPLAY: Soak =
    soak("replay", "--duplicates", 1_000_000, &["-p", "glacis-edge", "--example", "soak_replay"]);
const NAMES: &str = "`equality`, `pairs`, `cuts`, `steps`, `backtest`, `cel`, `benign` and `replay`";
/// Longest soak, build included.
const LIMIT: Duration = Duration::from_secs(4 * 3600);
