//! The bindings of the client library: built, written for each language, put together as a Python package, tested.
//!
//! Nothing generated is committed: bindings are of exactly one library and are made from it into `target/bindings`.
//! Kotlin and Swift are written, which shows that the interface can be; there is no compiler of theirs here.

use crate::error::Failure;
use crate::files;
use crate::options::Options;
use crate::process::{Job, Show, variable};
use crate::python;
use crate::report::Counts;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "build the client library and write its bindings into target/bindings\n\
    target/bindings/python is a package, complete with the library: put it on PYTHONPATH/src or install it with pip.\n\
    --test  also run the Python tests, against the `glacis` of target/debug (cargo build -p glacis-cli)";

/// Writes the bindings and, where it is asked for, tests them.
pub(crate) fn run(mut options: Options) -> Result<bool, Failure> {
    let test_too = options.flag("--test");
    options.finish()?;
    let root = files::root()?;
    let build = Job::cargo().args(BUILD).dir(&root).limit(BUILD_LIMIT);
    let package = write(&root, build, &built(&root))?;
    println!("{}", package.display());
    if !test_too {
        return Ok(true);
    }
    let tested = test(&root, &package, &python::ensure(&root)?)?;
    println!("{} passed, {} failed, {} skipped", tested.passed, tested.failed, tested.skipped);
    Ok(tested.failed == 0 && tested.passed > 0)
}

/// Builds library and generator by `build`, which leaves the library in `place`, and writes all bindings; the folder of the
/// Python package.
pub(crate) fn write(root: &Path, build: Job, place: &Path) -> Result<PathBuf, Failure> {
    must("the build", build.show(Show::All))?;
    let (built, out) = (built(root), root.join("target/bindings"));
    let library = place.join(LIBRARY);
    for language in ["kotlin", "swift"] {
        generate(&built, language, &library, &fresh(&out.join(language))?)?;
    }
    let package = fresh(&out.join("python"))?;
    copy(&root.join("bindings/python"), &package)?;
    let module = package.join("src/glacis");
    generate(&built, "python", &library, &module)?;
    fs::copy(&library, module.join(LIBRARY)).map_err(Failure::doing("cannot copy the library"))?;
    Ok(package)
}

/// Runs the tests of the Python package.
pub(crate) fn test(root: &Path, package: &Path, interpreter: &Path) -> Result<Counts, Failure> {
    let tests = package.join("tests");
    let guides = ["docs/guide/bindings.md", "bindings/python/README.md"].map(|guide| root.join(guide));
    let guides = std::env::join_paths(guides).map_err(Failure::doing("the path of a guide"))?;
    let job = Job::new(interpreter)
        .args(["-X", "dev", "-W", "error::ResourceWarning", "-m", "unittest", "discover", "--verbose"])
        .args(["--start-directory".as_ref(), tests.as_os_str()])
        .env("PYTHONPATH", package.join("src"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GLACIS_BIN", built(root).join("glacis"))
        .env("GLACIS_GUIDES", guides)
        // A broken promise of a key store panics, as it should; its text is enough.
        .env("RUST_BACKTRACE", "0");
    let done = job.dir(root).limit(TEST_LIMIT).show(Show::All).run()?;
    let mut counts = counted(&done.stderr)
        .ok_or_else(|| Failure::new(format!("the Python tests told no result: {}", done.how)))?;
    // A process that ends badly after its tests have passed has failed all the same.
    if !done.success && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}

/// Where a build of tests leaves a library, which is a part of theirs.
pub(crate) fn beside_tests(root: &Path) -> PathBuf {
    built(root).join("deps")
}

/// Where cargo puts programs, and the libraries that were asked for.
fn built(root: &Path) -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from).join("debug")
}

fn generate(built: &Path, language: &str, library: &Path, out: &Path) -> Result<(), Failure> {
    let job = Job::new(built.join("glacis-bindgen")).args([language]).args([library, out]);
    must(&format!("the bindings for {language}"), job.show(Show::Errors))
}

fn must(what: &str, job: Job) -> Result<(), Failure> {
    let done = job.run()?;
    if done.success { Ok(()) } else { Err(Failure::new(format!("{what}: {}", done.how))) }
}

/// An empty folder of ours.
fn fresh(folder: &Path) -> Result<PathBuf, Failure> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Failure::doing("cannot empty a folder"))?;
    }
    fs::create_dir_all(folder).map_err(Failure::doing("cannot make a folder"))?;
    Ok(folder.to_owned())
}

/// Copies a folder, without what Python wrote into it.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(Failure::doing("cannot make a folder"))?;
    for entry in from.read_dir().map_err(Failure::doing("cannot read bindings/python"))? {
        let entry = entry.map_err(Failure::doing("cannot read bindings/python"))?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            if entry.file_name() != "__pycache__" {
                copy(&entry.path(), &target)?;
            }
        } else {
            fs::copy(entry.path(), target).map_err(Failure::doing("cannot copy a file"))?;
        }
    }
    Ok(())
}

/// What `unittest` says at its end: `Ran 12 tests in 3.1s`, and then `OK (skipped=1)` or `FAILED (failures=1, errors=2)`.
fn counted(text: &str) -> Option<Counts> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("Ran "));
    let ran: u64 = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let end = lines.find(|line| line.starts_with("OK") || line.starts_with("FAILED"))?;
    let of = |name: &str| {
        let told =
            end.split(['(', ')', ',']).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        told.map_or(Some(0), |number| number.parse::<u64>().ok())
    };
    let unexpected = of("unexpected successes")?;
    let (failed, skipped) = (of("failures")? + of("errors")? + unexpected, of("skipped")?);
    let failed = if end.starts_with("FAILED") { failed.max(1) } else { failed };
    Some(Counts { passed: ran.saturating_sub(failed + skipped), failed, skipped })
}

/// Library and generator alone. CI takes them from its build of all tests.
const BUILD: [&str; 6] = ["build", "--locked", "-p", "glacis-ffi", "--features", "bindgen,contract"];
const LIBRARY: &str = "libglacis_ffi.so";
/// The library and the generator, from nothing.
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);
/// All Python tests; they take a minute.
const TEST_LIMIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_is_read() {
        let counts = |passed, failed, skipped| Some(Counts { passed, failed, skipped });
        assert_eq!(counted("x ... ok\n\nRan 12 tests in 3.1s\n\nOK\n"), counts(12, 0, 0));
        assert_eq!(counted("Ran 3 tests in 0.1s\n\nOK (skipped=1)\n"), counts(2, 0, 1));
        assert_eq!(
            counted("Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1)\n"),
            counts(5, 3, 1)
        );
        assert_eq!(counted("Ran 1 test in 0.1s\n\nFAILED (unexpected successes=1)\n"), counts(0, 1, 0));
        assert_eq!(counted("Ran 0 tests in 0.0s\n\nFAILED\n"), counts(0, 1, 0));
        assert_eq!(counted("Segmentation fault\n"), None);
        assert_eq!(counted("Ran 2 tests in 0.1s\n"), None);
    }
}
