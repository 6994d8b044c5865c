//! The whole continuous integration run, the same at a desk and on the server.
//!
//! Steps run in order and all of them run, also after a failure, unless a later one could only repeat it. Each
//! step counts as one test beside the tests it ran; the last line printed is `N passed, N failed`.

mod outcome;
mod path;
mod probes;
mod skips;
mod steps;

use crate::error::Failure;
use crate::files;
use crate::options::Options;
use crate::process::{Finished, Job, Show, Stopwatch, strict};
use crate::report::{Counts, Ended, Report, Step};
use std::path::PathBuf;
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "run everything: programs, format, lints, layers, tidy, deny, docs, tests, features, policies, fuzz, oracle, bindings, demo, console, help\n\
    --only STEP[,STEP]  only these steps\n\
    --list              print the steps\n\
    Programs that the default build must not need are hidden from PATH. With CI=true nothing may be skipped\n\
    but what xtask/skips.toml lists and its probe confirms.";

/// Runs the steps.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let list = options.flag("--list");
    let only = options.value("--only")?;
    options.finish()?;
    if list {
        STEPS.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(true);
    }
    let wanted: Option<Vec<&str>> = only.as_deref().map(|only| only.split(',').collect());
    if let Some(odd) = wanted.iter().flatten().find(|name| STEPS.iter().all(|(step, _)| step != *name)) {
        return Err(Failure::new(format!("no step `{odd}`; `cargo xtask ci --list` prints them")));
    }
    let hidden = path::Hidden::build()?;
    let mut context =
        Context { root: files::root()?, path: hidden.value()?, hidden, python: None, passed_tests: None };
    let mut report = Report::default();
    for (name, step) in STEPS {
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(name)) {
            continue;
        }
        println!("\n=== {name}");
        let clock = Stopwatch::start();
        let (counts, ended) = match step(&mut context) {
            Ok(done) => (done.counts, done.ended),
            Err(failure) => (Counts::default(), Ended::Failed(failure.to_string())),
        };
        let ended = judge(ended);
        if let Ended::Failed(why) = &ended {
            println!("=== {name} FAILED: {why}");
        }
        report.push(Step { name: (*name).to_owned(), ended, counts, took: clock.elapsed() });
    }
    println!("{report}");
    Ok(report.success())
}

/// What the steps share.
#[derive(Debug)]
struct Context {
    root: PathBuf,
    /// PATH without the programs that the build must not need.
    path: std::ffi::OsString,
    /// The folder behind it.
    hidden: path::Hidden,
    /// The interpreter for tests, once it is made.
    python: Option<PathBuf>,
    /// Names of the tests that passed, once the test step ran.
    passed_tests: Option<Vec<String>>,
}

impl Context {
    /// Cargo with the hidden PATH, bounded.
    fn cargo(&self, args: &[&str], limit: Duration) -> Job {
        let job =
            Job::cargo().args(args).dir(&self.root).env("PATH", &self.path).env("CARGO_TERM_COLOR", "never");
        job.limit(limit).show(Show::All)
    }

    /// A step that is one run of cargo.
    fn run_cargo(&self, args: &[&str]) -> Result<Done, Failure> {
        Ok(Done::from(&self.cargo(args, BUILD_LIMIT).run()?))
    }
}

/// What a step reports.
#[derive(Debug)]
struct Done {
    counts: Counts,
    ended: Ended,
}

impl Done {
    fn new(ended: Ended) -> Self {
        Self { counts: Counts::default(), ended }
    }

    fn check(good: bool, why: impl Into<String>) -> Self {
        Self::new(if good { Ended::Passed } else { Ended::Failed(why.into()) })
    }
}

impl From<&Finished> for Done {
    fn from(done: &Finished) -> Self {
        Self::check(done.success, done.how.clone())
    }
}

/// A step that did not run is a failure where nothing may be skipped.
fn judge(ended: Ended) -> Ended {
    match ended {
        Ended::Skipped(why) if strict() => Ended::Failed(format!("skipped under CI=true: {why}")),
        other => other,
    }
}

type StepFn = fn(&mut Context) -> Result<Done, Failure>;

const STEPS: &[(&str, StepFn)] = &[
    ("install", steps::install),
    ("python", steps::python),
    ("fmt", steps::fmt),
    ("clippy", steps::clippy),
    ("layers", steps::layers),
    ("tidy", steps::tidy),
    ("deny", steps::deny),
    ("doc", steps::doc),
    ("test", steps::test),
    ("features", steps::features),
    ("policies", steps::policies),
    ("fuzz", steps::fuzz),
    ("oracle", steps::oracle),
    ("bindings", steps::bindings),
    ("demo", steps::demo),
    ("console", steps::console),
    ("help", steps::help),
];

/// Longest single run of cargo that only builds.
const BUILD_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Longest build and run of all tests: a cold build takes ten minutes on two cores, and so do the tests; beside other work both
/// take twice as long. The whole of CI has 90 minutes.
const TEST_LIMIT: Duration = Duration::from_secs(50 * 60);
