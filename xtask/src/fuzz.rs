//! Fuzz targets on stable Rust: libFuzzer with LLVM's coverage pass, without a nightly or another tool.
//!
//! `fuzz/` is a workspace of its own. Each target first replays its stored seeds, then runs for some seconds.
//! What a run finds lies in `fuzz/artifacts`; what it learns in `fuzz/corpus-run`, both ignored by git.

use crate::error::Failure;
use crate::files;
use crate::options::Options;
use crate::process::{Job, Show, Stopwatch};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use toml_edit::{DocumentMut, Item};

/// Help text.
pub(crate) const ABOUT: &str = "replay the stored seeds and fuzz each target for some seconds\n\
    --seconds N    seconds for each target after the replay (default 5)\n\
    --target NAME  only this target\n\
    --seeds        make the stored seeds anew and stop";

/// Builds and runs the targets.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let seconds = options.number("--seconds")?.unwrap_or(SECONDS);
    let only = options.value("--target")?;
    let seeds = options.flag("--seeds");
    options.finish()?;
    let root = files::root()?;
    if seeds {
        return make_seeds(&root);
    }
    let runs = run_targets(&root, seconds, only.as_deref())?;
    let failed = runs.iter().filter(|run| run.failure.is_some()).count();
    println!("fuzz: {} targets, {failed} failed", runs.len());
    Ok(failed == 0)
}

/// What became of one target.
#[derive(Debug)]
pub(crate) struct TargetRun {
    /// Why it failed, if it did.
    pub(crate) failure: Option<String>,
}

/// Builds all targets, then replays and fuzzes each, several at once.
pub(crate) fn run_targets(root: &Path, seconds: u64, only: Option<&str>) -> Result<Vec<TargetRun>, Failure> {
    let folder = root.join("fuzz");
    let names: Vec<String> =
        targets(&folder)?.into_iter().filter(|name| only.is_none_or(|only| only == name)).collect();
    if names.is_empty() {
        return Err(Failure::new("no such fuzz target"));
    }
    build(&folder)?;
    // A target is one thread: as many at once as there are cores to run them.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let waiting = Mutex::new(names.iter());
    let next = || waiting.lock().ok().and_then(|mut names| names.next());
    let work = || std::iter::from_fn(next).map(|name| run_target(&folder, name, seconds)).collect();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut runs = Vec::new();
        for worker in workers {
            let done: Result<Vec<TargetRun>, Failure> =
                worker.join().map_err(|_| Failure::new("a thread that ran fuzz targets panicked"))?;
            runs.extend(done?);
        }
        Ok(runs)
    })
}

fn run_target(folder: &Path, name: &str, seconds: u64) -> Result<TargetRun, Failure> {
    let clock = Stopwatch::start();
    let binary = output(folder).join(name);
    let (seeds, learnt, artifacts) =
        (folder.join("seeds").join(name), folder.join("corpus-run").join(name), folder.join("artifacts"));
    let mut files: Vec<PathBuf> = std::fs::read_dir(&seeds)
        .map_err(Failure::doing(format!("no stored seeds of `{name}`")))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    std::fs::create_dir_all(&learnt).map_err(Failure::doing("cannot make the corpus folder"))?;
    std::fs::create_dir_all(&artifacts).map_err(Failure::doing("cannot make the artifacts folder"))?;
    let prefix = format!("-artifact_prefix={}/{name}-", artifacts.display());
    let common = ["-timeout=10", "-rss_limit_mb=2048", prefix.as_str()];
    let replay = Job::new(&binary).args(common).args(&files).limit(Duration::from_secs(120)).run()?;
    let mut failure = (!replay.success).then(|| format!("replay: {}\n{}", replay.how, tail(&replay.stderr)));
    if failure.is_none() && seconds > 0 {
        let time = format!("-max_total_time={seconds}");
        let job = Job::new(&binary).args(common).args(["-max_len=65536", "-print_final_stats=1", &time]);
        let done = job.args([&learnt, &seeds]).limit(Duration::from_secs(seconds + 60)).run()?;
        failure = (!done.success).then(|| format!("{}\n{}", done.how, tail(&done.stderr)));
        let stat = done.stderr.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        println!(
            "fuzz: {name}: {} seeds, {} runs, {:.1} s",
            files.len(),
            stat.unwrap_or("?").trim(),
            clock.elapsed().as_secs_f64()
        );
    }
    if let Some(why) = &failure {
        println!("fuzz: {name}: FAILED: {why}");
    }
    Ok(TargetRun { failure })
}

fn build(folder: &Path) -> Result<(), Failure> {
    let flags = COVERAGE.join(" ");
    let triple = triple();
    let args = ["build", "--release", "--locked", "--bins", "--target", &triple];
    let job = Job::cargo().args(args).dir(folder).env("RUSTFLAGS", flags);
    let done = job.limit(Duration::from_secs(1200)).show(Show::Errors).run()?;
    if done.success {
        Ok(())
    } else {
        Err(Failure::new(format!("the fuzz targets do not build: {}", done.how)))
    }
}

fn make_seeds(root: &Path) -> Result<bool, Failure> {
    let args =
        ["run", "--locked", "--quiet", "--manifest-path", "fuzz/Cargo.toml", "--example", "make_seeds"];
    let done = Job::cargo().args(args).dir(root).limit(Duration::from_secs(1200)).show(Show::All).run()?;
    Ok(done.success)
}

/// Names of the binaries that the manifest of `fuzz/` declares.
fn targets(folder: &Path) -> Result<Vec<String>, Failure> {
    let text = std::fs::read_to_string(folder.join("Cargo.toml"))
        .map_err(Failure::doing("cannot read fuzz/Cargo.toml"))?;
    let manifest: DocumentMut = text.parse().map_err(Failure::doing("fuzz/Cargo.toml"))?;
    let bins = manifest.get("bin").and_then(Item::as_array_of_tables);
    let names = bins
        .into_iter()
        .flat_map(|bins| bins.iter())
        .filter_map(|bin| bin.get("name").and_then(Item::as_str));
    Ok(names.map(str::to_owned).collect())
}

fn output(folder: &Path) -> PathBuf {
    folder.join("target").join(triple()).join("release")
}

/// A target is named so that build scripts and macros are built without the coverage pass.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or(&[]).join("\n")
}

/// Seconds for each target after the replay, as in CI.
pub(crate) const SECONDS: u64 = 5;
/// What cargo-fuzz passes to rustc, as far as stable Rust takes it.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions=yes",
    "-Coverflow-checks=yes",
    "--cfg",
    "fuzzing",
];
