//! Everything that CI runs, and everything that is run by hand around a build: `cargo xtask <task>`.
//!
//! Each task is one module. Tasks start programs directly (no shell), with standard input closed and a bound
//! on their time, and print seconds per step and a table at the end. The tasks depend on no crate of the
//! product, so that a broken product never hides behind a broken checker.

mod adversary;
mod bench;
mod bindings;
mod ci;
mod console;
mod deny;
mod error;
mod files;
mod fuzz;
mod install;
mod layers;
mod metadata;
mod options;
mod process;
mod python;
mod report;
mod scan;
mod soak;
mod tidy;

use error::Failure;
use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Runs one task; `Ok(false)` is a task that ran and found something wrong.
fn run(args: &[String]) -> Result<bool, Failure> {
    let Some((name, rest)) = args.split_first() else {
        print!("{}", help());
        return Ok(false);
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        print!("{}", help());
        return Ok(true);
    }
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        return Err(Failure::new(format!("no task `{name}`; `cargo xtask help` lists them")));
    };
    if rest.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("cargo xtask {} {}\n\n{}", task.name, task.usage, task.about);
        return Ok(true);
    }
    (task.run)(Options::parse(rest)?)
}

fn help() -> String {
    let rows: String = TASKS
        .iter()
        .map(|task| format!("  {:<9} {}\n", task.name, task.about.lines().next().unwrap_or("")))
        .collect();
    format!("cargo xtask <task>\n\n{rows}\n`cargo xtask <task> --help` tells more.\n")
}

struct Task {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(Options) -> Result<bool, Failure>,
}

const TASKS: &[Task] = &[
    Task { name: "ci", usage: "[--only STEP[,STEP]] [--list]", about: ci::ABOUT, run: ci::run },
    Task { name: "layers", usage: "", about: layers::ABOUT, run: layers::run },
    Task { name: "tidy", usage: "", about: tidy::ABOUT, run: tidy::run },
    Task { name: "deny", usage: "", about: deny::ABOUT, run: deny::run },
    Task { name: "install", usage: "[--check]", about: install::ABOUT, run: install::run },
    Task { name: "python", usage: "", about: python::ABOUT, run: python::run },
    Task { name: "bindings", usage: "[--test]", about: bindings::ABOUT, run: bindings::run },
    Task {
        name: "fuzz",
        usage: "[--seconds N] [--target NAME] [--seeds]",
        about: fuzz::ABOUT,
        run: fuzz::run,
    },
    Task {
        name: "soak",
        usage: "equality|pairs|cuts|steps|backtest|cel|benign [--seed S] [--cases N] [--rows N] [--minutes N]",
        about: soak::ABOUT,
        run: soak::run,
    },
    Task { name: "adversary", usage: "[--rounds N] [--write]", about: adversary::ABOUT, run: adversary::run },
    Task {
        name: "bench",
        usage: "edge|edge-smoke|group-commit|engine|attest|device|size [--json] [--quick]",
        about: bench::ABOUT,
        run: bench::run,
    },
];
