//! Long runs by hand: the equality of run and whole over many random policies and events.
//!
//! The work is done by an example of `sim`, in release; this only bounds it, passes the seed and prints the
//! command, so that a failure can be repeated.

use crate::error::Failure;
use crate::files;
use crate::options::Options;
use crate::process::{Job, Show, Stopwatch};
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "run the equality check for long: `soak equality`\n\
    --cases N   cases to run (default 1,000,000)\n\
    --seed S    seed of the run (default: from the process id, printed)\n\
    Also catches the seeded engine bugs, each of which must be found.";

/// Runs a soak.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    match options.word().as_deref() {
        Some("equality") => {}
        Some(other) => return Err(Failure::new(format!("no soak `{other}`; there is `equality`"))),
        None => return Err(Failure::new("which soak? there is `equality`")),
    }
    let cases = options.number("--cases")?.unwrap_or(CASES);
    let seed = options.number("--seed")?.unwrap_or_else(|| u64::from(std::process::id()));
    options.finish()?;
    let example = [
        "run",
        "--release",
        "--locked",
        "-p",
        "glacis-sim",
        "--example",
        "soak_equality",
        "--features",
        "mutants",
    ];
    let (cases, seed) = (cases.to_string(), seed.to_string());
    println!("soak: equality --seed {seed} --cases {cases}");
    let clock = Stopwatch::start();
    let job = Job::cargo().args(example).args(["--", "--cases", &cases, "--seed", &seed]);
    let done = job.dir(&files::root()?).limit(LIMIT).show(Show::All).run()?;
    println!("soak: {} ({:.1} s)", done.how, clock.elapsed().as_secs_f64());
    Ok(done.success)
}

/// What the acceptance of the project asks for.
const CASES: u64 = 1_000_000;
/// Longest soak, build included.
const LIMIT: Duration = Duration::from_secs(4 * 3600);
