//! Benches beside a peer: the gateway beside nginx, durable decisions beside bare appends.
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
pub(crate) const ABOUT: &str = "run a bench beside its peer: `bench edge-smoke` or `bench group-commit`\n\
    edge-smoke    CPU time a request of our gateway with trust checks, beside plain nginx in the same run\n\
    group-commit  durable decisions of 64 clients, beside bare append + fdatasync in the same run";

/// A bench and the peers that it starts.
struct Bench {
    name: &'static str,
    peers: &'static [&'static str],
}

const BENCHES: [Bench; 2] =
    [Bench { name: "edge-smoke", peers: &["nginx", "taskset"] }, Bench { name: "group-commit", peers: &[] }];

/// Runs a bench.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let names = BENCHES.map(|bench| bench.name).join("`, `");
    let Some(wanted) = options.word() else {
        return Err(Failure::new(format!("which bench? there are `{names}`")));
    };
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == wanted) else {
        return Err(Failure::new(format!("no bench `{wanted}`; there are `{names}`")));
    };
    options.finish()?;
    let peers: Vec<_> = PROGRAMS.iter().filter(|program| bench.peers.contains(&program.name)).collect();
    let missing = install::ensure(&peers)?;
    if !missing.is_empty() {
        return Err(Failure::new(format!("{missing:?} is not installed")));
    }
    let clock = Stopwatch::start();
    let args = ["run", "--release", "--locked", "--manifest-path", "bench/Cargo.toml", "--bin", bench.name];
    let done = Job::cargo().args(args).dir(&files::root()?).limit(LIMIT).show(Show::All).run()?;
    println!("bench: {} ({:.1} s)", done.how, clock.elapsed().as_secs_f64());
    Ok(done.success)
}

/// Longest bench, build included.
const LIMIT: Duration = Duration::from_secs(1800);
