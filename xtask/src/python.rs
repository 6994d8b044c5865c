//! The Python that tests and a bench use: virtual environments below `target`, pinned by hash.
//!
//! Made once for a content of the lock file and used again; a half-made one is made anew. Tests find the
//! interpreter in `GLACIS_PYTHON`, which the test step of CI sets.

use crate::error::Failure;
use crate::files;
use crate::install;
use crate::options::Options;
use crate::process::{Job, Show};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Help text.
pub(crate) const ABOUT: &str = "make the Python environment that tests use, in target/python\n\
    Installs exactly what tests/python/requirements.txt names, by hash. Prints the interpreter: export it as\n\
    GLACIS_PYTHON to run such tests outside `cargo xtask ci`.";

/// Makes the environment and prints its interpreter.
pub(crate) fn run(options: Options) -> Result<bool, Failure> {
    options.finish()?;
    let interpreter = ensure(&files::root()?)?;
    println!("{}", interpreter.display());
    Ok(true)
}

/// The interpreter of the environment, made where it is missing or of another lock file.
pub(crate) fn ensure(root: &Path) -> Result<PathBuf, Failure> {
    environment(root, LOCK, "target/python")
}

/// The interpreter of the environment in `folder`, of the lock file `lock`; both below `root`.
pub(crate) fn environment(root: &Path, lock: &str, folder: &str) -> Result<PathBuf, Failure> {
    let (lock_file, folder) = (root.join(lock), root.join(folder));
    let lock = fs::read_to_string(&lock_file).map_err(Failure::doing(lock))?;
    let (interpreter, stamp) = (folder.join("bin/python"), folder.join("made-from.txt"));
    if interpreter.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == lock) {
        return Ok(interpreter);
    }
    if !can_make()? {
        install::packages(&["python3-venv"])?;
        if !can_make()? {
            return Err(Failure::new("python3 cannot make virtual environments; install python3-venv"));
        }
    }
    must(Job::new("python3").args(["-m", "venv", "--clear"]).args([&folder]))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"];
    must(
        Job::new(&interpreter)
            .args(pip)
            .args(["--require-hashes", "--only-binary", ":all:", "--requirement"])
            .args([&lock_file]),
    )?;
    fs::write(&stamp, lock).map_err(Failure::doing("cannot write the stamp"))?;
    Ok(interpreter)
}

/// Whether the system's Python has what a virtual environment is made of.
fn can_make() -> Result<bool, Failure> {
    Ok(install::find("python3").is_some()
        && Job::new("python3").args(["-c", "import ensurepip, venv"]).run()?.success)
}

fn must(job: Job) -> Result<(), Failure> {
    let done = job.limit(LIMIT).show(Show::All).run()?;
    if done.success { Ok(()) } else { Err(Failure::new(format!("Python environment: {}", done.how))) }
}

/// The lock file.
const LOCK: &str = "tests/python/requirements.txt";
/// Longest installation.
const LIMIT: Duration = Duration::from_secs(600);
