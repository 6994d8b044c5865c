//! Benches that need a peer program: the gateway beside nginx.
//!
//! `bench/` is a workspace of its own, so that peers and load generators never enter the product's lock file.
//! This installs the peer, runs the bench in release and passes its exit code on.

use crate::error::Failure;
use crate::files;
use crate::install::{self, PROGRAMS};
use crate::options::Options;
use crate::process::{Job, Show, Stopwatch};
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "run a bench beside its peer: `bench edge-smoke`\n\
    edge-smoke  CPU time a request of our gateway with trust checks, beside plain nginx in the same run";

/// Runs a bench.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    match options.word().as_deref() {
        Some("edge-smoke") => {}
        Some(other) => return Err(Failure::new(format!("no bench `{other}`; there is `edge-smoke`"))),
        None => return Err(Failure::new("which bench? there is `edge-smoke`")),
    }
    options.finish()?;
    let peers: Vec<_> = PROGRAMS.iter().filter(|program| program.name == "nginx").collect();
    let missing = install::ensure(&peers)?;
    if !missing.is_empty() {
        return Err(Failure::new(format!("{missing:?} is not installed")));
    }
    let clock = Stopwatch::start();
    let args = ["run", "--release", "--locked", "--manifest-path", "bench/Cargo.toml", "--bin", "edge-smoke"];
    let done = Job::cargo().args(args).dir(&files::root()?).limit(LIMIT).show(Show::All).run()?;
    println!("bench: {} ({:.1} s)", done.how, clock.elapsed().as_secs_f64());
    Ok(done.success)
}

/// Longest bench, build included.
const LIMIT: Duration = Duration::from_secs(1800);
