//! The steps of CI, one function each.
//!
//! A step returns how it ended and which tests it ran. An `Err` is a step that could not do its work at all and
//! counts as a failure too.

use super::outcome::TestRun;
use super::skips::Skips;
use super::{BUILD_LIMIT, Context, Done, TEST_LIMIT};
use crate::error::Failure;
use crate::install::{self, PROGRAMS};
use crate::metadata::Metadata;
use crate::options::Options;
use crate::process::{Job, Show, strict};
use crate::report::{Counts, Ended};
use crate::{
    bindings as foreign, console as pages, deny as denied, fuzz as fuzzing, layers as layering,
    python as environment, tidy as tidying,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Programs that the tests start.
pub(super) fn install(context: &mut Context) -> Result<Done, Failure> {
    let wanted: Vec<_> = PROGRAMS.iter().filter(|program| program.in_ci).collect();
    let missing = install::ensure(&wanted)?;
    context.hidden.refresh()?;
    let why = format!("missing {missing:?}");
    Ok(Done::new(if missing.is_empty() { Ended::Passed } else { Ended::Skipped(why) }))
}

/// The Python that tests use.
pub(super) fn python(context: &mut Context) -> Result<Done, Failure> {
    Ok(Done::new(match environment::ensure(&context.root) {
        Ok(interpreter) => {
            context.python = Some(interpreter);
            Ended::Passed
        }
        Err(why) => Ended::Skipped(why.to_string()),
    }))
}

/// Formatting, of the other workspaces too.
pub(super) fn fmt(context: &mut Context) -> Result<Done, Failure> {
    let mut failed = Vec::new();
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml", "bench/Cargo.toml"] {
        let args = ["fmt", "--all", "--check", "--manifest-path", manifest];
        if context.root.join(manifest).is_file() && !context.cargo(&args, BUILD_LIMIT).run()?.success {
            failed.push(manifest);
        }
    }
    Ok(Done::check(failed.is_empty(), format!("`cargo fmt --all` changes files of {failed:?}")))
}

/// Lints as errors.
pub(super) fn clippy(context: &mut Context) -> Result<Done, Failure> {
    context.run_cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--keep-going",
        "--",
        "-D",
        "warnings",
    ])
}

/// `cargo xtask layers`.
pub(super) fn layers(_: &mut Context) -> Result<Done, Failure> {
    Ok(Done::check(layering::run(Options::parse(&[])?)?, "violations"))
}

/// `cargo xtask tidy`.
pub(super) fn tidy(_: &mut Context) -> Result<Done, Failure> {
    Ok(Done::check(tidying::run(Options::parse(&[])?)?, "violations"))
}

/// `cargo xtask deny`.
pub(super) fn deny(_: &mut Context) -> Result<Done, Failure> {
    Ok(Done::check(denied::run(Options::parse(&[])?)?, "violations"))
}

/// Documentation, warnings as errors.
pub(super) fn doc(context: &mut Context) -> Result<Done, Failure> {
    let args = ["doc", "--workspace", "--no-deps", "--locked", "--keep-going"];
    let job = context.cargo(&args, BUILD_LIMIT).env("RUSTDOCFLAGS", "-Dwarnings");
    Ok(Done::from(&job.run()?))
}

/// The one build and run of all tests.
pub(super) fn test(context: &mut Context) -> Result<Done, Failure> {
    let args = [TEST_BUILD, &["--no-fail-fast", "--", "--show-output"]].concat();
    let mut job = context.cargo(&args, TEST_LIMIT).env("GLACIS_CASES", PROPERTY_CASES).show(Show::Tests);
    if let Some(python) = &context.python {
        job = job.env("GLACIS_PYTHON", python);
    }
    // Hidden from the build; one test lets it host the sensors.
    if let Some(node) = install::find("node") {
        job = job.env("GLACIS_NODE", node);
    }
    let done = job.run()?;
    let run = TestRun::parse(&done.stdout);
    let skips = Skips::load(&context.root)?;
    let objections: Vec<_> = run.skipped.iter().filter_map(|skip| skips.objection(skip, strict())).collect();
    run.skipped.iter().for_each(|skip| println!("skipped: {}: {}", skip.what, skip.why));
    objections.iter().for_each(|objection| println!("not permitted: {objection}"));
    let mut counts = run.counts;
    let refused = u64::try_from(objections.len()).unwrap_or(u64::MAX);
    counts.failed += refused;
    counts.skipped = counts.skipped.saturating_sub(refused);
    let good = done.success && objections.is_empty() && run.binaries > 0;
    let why =
        if refused > 0 { format!("{refused} skips that are not permitted; {}", done.how) } else { done.how };
    context.passed_tests = Some(run.passed);
    Ok(Done { counts, ..Done::check(good, why) })
}

/// Each crate without features, and with each single one, compiles.
pub(super) fn features(context: &mut Context) -> Result<Done, Failure> {
    let metadata = Metadata::load(&context.root)?;
    let mut failed = Vec::new();
    for package in metadata.members() {
        let single = package.features.iter().filter(|feature| *feature != "default");
        for feature in std::iter::once("").chain(single.map(String::as_str)) {
            let args = [
                "check",
                "--quiet",
                "--locked",
                "--no-default-features",
                "-p",
                &package.name,
                "--features",
                feature,
            ];
            let done = context.cargo(&args, BUILD_LIMIT).run()?;
            if !done.success {
                failed.push(format!("{}[{feature}]", package.name));
            }
        }
    }
    Ok(Done::check(failed.is_empty(), format!("do not compile: {failed:?}")))
}

/// Every shipped policy has golden cases, and the test that runs them passed and changed no file.
pub(super) fn policies(context: &mut Context) -> Result<Done, Failure> {
    let folder = context.root.join("policies");
    let below = |folder: &Path| -> Result<Vec<PathBuf>, Failure> {
        let entries = folder.read_dir().map_err(Failure::doing("no policies"))?.flatten();
        Ok(entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
    };
    let mut folders = Vec::new();
    for path in below(&folder)? {
        // A folder without a policy holds policies of one catalogue.
        let inside = below(&path)?;
        folders.extend(if inside.is_empty() { vec![path] } else { inside });
    }
    let bare = folders.iter().find(|path| {
        let cases = std::fs::read_to_string(path.join("cases.toml")).unwrap_or_default();
        !path.join("policy.toml").is_file() || !cases.contains("[[case]]")
    });
    if folders.is_empty() || bare.is_some() {
        return Ok(Done::check(false, format!("a policy without cases: {bare:?}")));
    }
    let passed = context.passed_tests.as_deref().unwrap_or(&[]);
    if !passed.iter().any(|name| name.rsplit("::").next() == Some(GOLDEN_TEST)) {
        return Ok(Done::check(false, format!("the test `{GOLDEN_TEST}` did not pass")));
    }
    let args = ["status", "--porcelain", "--untracked-files=no", "--", "policies"];
    let status = Job::new("git").args(args).dir(&context.root).run()?;
    let clean = status.stdout.trim().is_empty() || !strict();
    Ok(Done::check(clean, format!("tests changed tracked files:\n{}", status.stdout)))
}

/// Stored seeds, then some seconds of each fuzz target.
pub(super) fn fuzz(context: &mut Context) -> Result<Done, Failure> {
    let runs = fuzzing::run_targets(&context.root, fuzzing::SECONDS, None)?;
    let all = u64::try_from(runs.len()).unwrap_or(0);
    let failed = u64::try_from(runs.iter().filter(|run| run.failure.is_some()).count()).unwrap_or(all);
    let counts = Counts { passed: all - failed, failed, skipped: 0 };
    Ok(Done { counts, ..Done::check(failed == 0, format!("{failed} targets")) })
}

/// The expression language beside another implementation: one seed that stays, and one never drawn before.
pub(super) fn oracle(context: &mut Context) -> Result<Done, Failure> {
    for seed in [20_261_130, u64::from(std::process::id())] {
        let seed = seed.to_string();
        let args = ["run", "--locked", "--manifest-path", "oracle/cel/Cargo.toml", "--", "--cases", "15000"];
        let args = [&args[..], &["--seed", &seed]].concat();
        let done = Done::from(&context.cargo(&args, BUILD_LIMIT).run()?);
        if done.ended != Ended::Passed {
            return Ok(done);
        }
    }
    Ok(Done::new(Ended::Passed))
}

/// The client library from Python, and its bindings for other languages: library, generator and server are those of
/// the test build.
pub(super) fn bindings(context: &mut Context) -> Result<Done, Failure> {
    let build = [TEST_BUILD, &["--no-run"]].concat();
    let place = foreign::beside_tests(&context.root);
    let package = foreign::write(&context.root, context.cargo(&build, TEST_LIMIT), &place)?;
    let Some(python) = &context.python else {
        return Ok(Done::new(Ended::Skipped(
            "no Python of tests/python; the step `python` makes one".into(),
        )));
    };
    let counts = foreign::test(&context.root, &package, python)?;
    let skipped = strict() && counts.skipped > 0;
    let good = counts.failed == 0 && counts.passed > 0 && !skipped;
    Ok(Done { counts, ..Done::check(good, format!("{} failed, {} skipped", counts.failed, counts.skipped)) })
}

/// The demo, once, with the binary of the test build.
pub(super) fn demo(context: &mut Context) -> Result<Done, Failure> {
    let job = Job::new(glacis(context)).args(["demo", "--headless", "--once", "--json"]).dir(&context.root);
    let done = job.limit(Duration::from_secs(300)).show(Show::All).run()?;
    let json: Option<Value> = done.stdout.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    let diverged = json.as_ref().and_then(|json| json.pointer("/equality/diverged")).and_then(Value::as_u64);
    let blocked = json.as_ref().and_then(|json| json.pointer("/benign/blocked")).and_then(Value::as_u64);
    let good = done.success && diverged == Some(0) && blocked == Some(0);
    Ok(Done::check(good, format!("{}; diverged {diverged:?}, benign blocked {blocked:?}", done.how)))
}

/// The console's pages: checked, built anew and compared, tested in a browser, with the binary of the test build.
pub(super) fn console(context: &mut Context) -> Result<Done, Failure> {
    let outcome = pages::run(&context.root, &glacis(context))?;
    let skipped = strict() && outcome.counts.skipped > 0;
    let good = outcome.failed.is_empty() && !skipped;
    let why = if skipped { "tests were skipped".to_owned() } else { outcome.failed.join("; ") };
    Ok(Done { counts: outcome.counts, ..Done::check(good, why) })
}

/// Every role tells what it does.
pub(super) fn help(context: &mut Context) -> Result<Done, Failure> {
    let mut counts = Counts::default();
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(role) = open.pop() {
        let done = Job::new(glacis(context)).args(&role).args(["--help"]).dir(&context.root).run()?;
        let name = format!("glacis {}", role.join(" "));
        if done.success && done.stdout.contains("Usage:") {
            counts.passed += 1;
            println!("{name}: ok");
        } else {
            counts.failed += 1;
            println!("{name}: {}", done.how);
        }
        for command in commands(&done.stdout) {
            let deeper: Vec<String> = role.iter().cloned().chain([command]).collect();
            if deeper.len() <= ROLE_DEPTH_MAX {
                open.push(deeper);
            }
        }
    }
    Ok(Done {
        counts,
        ..Done::check(counts.failed == 0 && counts.passed > 1, format!("{} roles", counts.failed))
    })
}

/// Names below `Commands:` in the help of a role.
fn commands(help: &str) -> Vec<String> {
    let rows = help.lines().skip_while(|line| line.trim() != "Commands:").skip(1);
    let rows = rows.take_while(|line| line.starts_with("  "));
    let names =
        rows.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn glacis(context: &Context) -> PathBuf {
    context.root.join("target/debug/glacis")
}

/// What is built once: with the seeded engine bugs, which only tests can reach, the generator of bindings, and the
/// contract suite for key stores in another language.
const TEST_BUILD: &[&str] = &[
    "test",
    "--workspace",
    "--features",
    "glacis-sim/mutants,glacis-ffi/bindgen,glacis-ffi/contract",
    "--locked",
];
/// Cases of each equality property in CI. The soak runs a hundred times as many.
const PROPERTY_CASES: &str = "10000";
/// The compiler's test that runs the cases of every shipped policy.
const GOLDEN_TEST: &str = "golden_cases_hold";
/// LIMIT: `glacis keys make` has two.
const ROLE_DEPTH_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_from_the_help_text() {
        let help = "Usage: glacis <COMMAND>\n\nCommands:\n  demo  Runs it\n        and more\n  keys  Keys\n  help  Print\n\nOptions:\n  -h\n";
        assert_eq!(commands(help), ["demo", "keys"]);
        assert!(commands("Usage: glacis demo\n").is_empty());
    }
}
