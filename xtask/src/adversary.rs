//! Every attack of the corpus on the app zone's sensors, with the real tools, some times each; by hand.
//!
//! CI carries out each attack once and holds the table in docs/NUMBERS.md to what it claims; this measures it anew.
//! The app is built optimised, as apps are. Tools and the interpreter with Frida come from the one install list.

use crate::error::Failure;
use crate::files;
use crate::install::{self, PROGRAMS};
use crate::options::Options;
use crate::process::{Job, Show, Stopwatch};
use crate::python;
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "attack the app zone's sensors with Frida, debuggers, tracers, emulators and the rest\n\
    Prints which sensors saw each attack, after how many milliseconds, and which missed it.\n\
    --rounds N  carry each attack out N times (default 3); a sensor counts that saw it every time\n\
    --write     write the table into docs/NUMBERS.md, which the tests hold";

/// Attacks and tells.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let write = options.flag("--write");
    let rounds = options.number("--rounds")?.unwrap_or(ROUNDS).to_string();
    options.finish()?;
    let programs: Vec<_> = PROGRAMS.iter().filter(|program| program.in_ci).collect();
    let missing = install::ensure(&programs)?;
    if !missing.is_empty() {
        println!("adversary: {missing:?} is not installed");
    }
    let root = files::root()?;
    let python = python::ensure(&root)?;
    let clock = Stopwatch::start();
    let args =
        ["run", "--release", "--locked", "-p", "glacis-corpus", "--", "adversary", "--rounds", &rounds];
    let job = Job::cargo().args(args).args(write.then_some("--write")).env("GLACIS_PYTHON", python);
    let done = job.dir(&root).limit(LIMIT).show(Show::All).run()?;
    println!("adversary: {} ({:.1} s)", done.how, clock.elapsed().as_secs_f64());
    Ok(done.success)
}

/// Times that each attack is carried out.
const ROUNDS: u64 = 3;
/// Longest run, build included.
const LIMIT: Duration = Duration::from_secs(3600);
