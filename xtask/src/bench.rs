//! Benches beside a peer: the gateway beside other proxies, durable decisions beside bare appends, the policy engine beside
//! those of others; appraisals of evidence beside other verifiers; what the sensors cost an app; and the size of the engine
//! in a library.
//!
//! `bench/` is a workspace of its own, so that peers and load generators never enter the product's lock file.
//! This installs the peer, runs the bench optimised and passes its exit code on.

mod size;

use crate::error::Failure;
use crate::files;
use crate::install::{self, PROGRAMS};
use crate::options::Options;
use crate::process::{Job, Show, Stopwatch};
use crate::python;
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "run a bench, most beside a peer: `bench edge`, `edge-smoke`, `group-commit`, `engine`, `attest`, `device` or `size`\n\
    edge          CPU time a request of our gateway with full trust and 200 rules, beside nginx, haproxy, Envoy, both with a\n\
    \x20             service that they ask, and bare hyper; latency, the pipeline alone and its stages, live sessions\n\
    edge-smoke    CPU time a request of our gateway with trust checks, beside plain nginx in the same run\n\
    group-commit  durable decisions of 64 clients, beside bare append + fdatasync in the same run\n\
    engine        one decision over 20, 200 and 2,000 rules, beside the policy engines of others; hits compared\n\
    attest        appraisals of real evidence, beside the signatures in it alone and beside verifiers of others\n\
    device        time, CPU and memory that the sensors of the app zone cost an app; keys in software and in a TPM,\n\
    \x20             beside tpm2-tools on the same emulator\n\
    size          a stripped library that loads and runs a slice, beside an empty one\n\
    --json        (edge, engine, attest, device, size) end with one line of JSON\n\
    --quick       (edge) fewer requests and sessions; (engine) compare hits of fewer events; (device) a short quiet time: times only roughly;\n\
    \x20             (attest) fewer appraisals for memory";

/// A bench and the peers that it starts.
struct Bench {
    name: &'static str,
    peers: &'static [&'static str],
    /// How it is built.
    build: &'static [&'static str],
    /// What it takes, passed on.
    flags: &'static [&'static str],
    /// Lock file of the peers in Python, and the folder of their environment.
    python: Option<(&'static str, &'static str)>,
}

const RELEASE: &[&str] = &["--release"];
const EDGE: &[&str] = &["--release", "--package", "glacis-bench-edge"];

const BENCHES: [Bench; 6] = [
    Bench {
        name: "edge",
        peers: &["nginx", "haproxy", "taskset", "env"],
        build: EDGE,
        flags: &["--json", "--quick"],
        python: Some(("bench/edge/python/requirements.txt", "target/python-bench-edge")),
    },
    Bench { name: "edge-smoke", peers: &["nginx", "taskset"], build: EDGE, flags: &[], python: None },
    Bench { name: "group-commit", peers: &[], build: RELEASE, flags: &[], python: None },
    Bench {
        name: "engine",
        peers: &[],
        build: &["--profile", "engine", "--features", "peers"],
        flags: &["--json", "--quick"],
        python: None,
    },
    Bench {
        name: "attest",
        peers: &[],
        build: &["--profile", "engine", "--package", "glacis-bench-attest"],
        flags: &["--json", "--quick"],
        python: Some(("bench/attest/python/requirements.txt", "target/python-bench")),
    },
    Bench {
        name: "device",
        peers: &["swtpm", "tpm2"],
        build: &["--release", "--package", "glacis-bench-device"],
        flags: &["--json", "--quick"],
        python: None,
    },
];

/// Runs a bench.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let names = BENCHES.map(|bench| bench.name).join("`, `");
    let Some(wanted) = options.word() else {
        return Err(Failure::new(format!("which bench? there are `{names}`, `{}`", size::NAME)));
    };
    if wanted == size::NAME {
        return size::run(options);
    }
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == wanted) else {
        return Err(Failure::new(format!("no bench `{wanted}`; there are `{names}`, `{}`", size::NAME)));
    };
    let flags: Vec<_> = bench.flags.iter().filter(|flag| options.flag(flag)).copied().collect();
    options.finish()?;
    let peers: Vec<_> = PROGRAMS.iter().filter(|program| bench.peers.contains(&program.name)).collect();
    let missing = install::ensure(&peers)?;
    if !missing.is_empty() {
        return Err(Failure::new(format!("{missing:?} is not installed")));
    }
    let clock = Stopwatch::start();
    let args = ["run", "--locked", "--manifest-path", "bench/Cargo.toml", "--bin", bench.name];
    let args = [&args, bench.build, &["--"], flags.as_slice()].concat();
    let root = files::root()?;
    let mut job = Job::cargo().args(args).dir(&root).limit(LIMIT).show(Show::All);
    if let Some((lock, folder)) = bench.python {
        job = job.env("GLACIS_PYTHON", python::environment(&root, lock, folder)?);
    }
    let done = job.run()?;
    let seconds = clock.elapsed().as_secs_f64();
    if flags.contains(&"--json") {
        // The line of JSON stays the last.
        eprintln!("bench: {} ({seconds:.1} s)", done.how);
    } else {
        println!("bench: {} ({seconds:.1} s)", done.how);
    }
    Ok(done.success)
}

/// Longest bench, build included: the peers of `engine` took 20 minutes of a machine that was busy with other builds.
const LIMIT: Duration = Duration::from_secs(3600);
