//! Where the programs of the corpus are, and why an attack or a host could not run.
//!
//! The app is this crate's own binary, and the library that hosts load lies beside it as cargo built it. Programs of
//! the machine are found by name in PATH; the test step of CI names the interpreter with Frida and the Node that it
//! hides from builds by variables. Nothing is searched elsewhere and nothing is downloaded.

use glacis_host::{Clock, SystemHost};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What attacks and hosts are made of.
#[derive(Debug)]
pub struct Kit {
    app: PathBuf,
    library: PathBuf,
    folder: tempfile::TempDir,
    clock: SystemHost,
}

impl Kit {
    /// A kit around the binary of this crate at `app`.
    ///
    /// # Errors
    /// If the library is not beside it, or no folder can be made for what is compiled.
    pub fn new(app: &Path) -> Result<Self, Trouble> {
        let beside = app.parent().ok_or_else(|| Trouble::failed("the app has no folder"))?;
        let library = [beside.join("deps").join(LIBRARY), beside.join(LIBRARY)];
        let library = library.into_iter().find(|path| path.is_file());
        Ok(Self {
            app: app.to_owned(),
            library: library.ok_or_else(|| Trouble::failed(format!("no {LIBRARY} beside the app")))?,
            folder: tempfile::tempdir()?,
            clock: SystemHost::new(),
        })
    }

    /// The program that is attacked.
    pub fn app(&self) -> &Path {
        &self.app
    }

    /// Its sensors as a shared library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// A folder for what is compiled; gone with the kit.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file of the repository, below its root.
    pub fn source(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    /// Time since an unknown start; differences only.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The app, started by `starter` with its arguments, or by nobody.
    pub fn app_under(&self, starter: &[&str]) -> Command {
        let mut command = match starter.split_first() {
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(&self.app);
                command
            }
            None => Command::new(&self.app),
        };
        command.arg("watched");
        command
    }

    /// The interpreter with Frida in it.
    ///
    /// # Errors
    /// [`Trouble::Lacking`] where the environment names none.
    pub fn python_with_frida() -> Result<PathBuf, Trouble> {
        let named = variable("GLACIS_PYTHON").map(PathBuf::from);
        named.ok_or_else(|| {
            Trouble::lacking("python", "GLACIS_PYTHON names no interpreter; `cargo xtask python` makes one")
        })
    }

    /// Node, by the variable that CI sets or from PATH.
    pub fn node() -> OsString {
        variable("GLACIS_NODE").unwrap_or_else(|| "node".into())
    }

    /// Compiles a C source of `hosts/` into this kit's folder.
    ///
    /// # Errors
    /// If there is no compiler or it refuses the source.
    pub fn compile(&self, source: &str, flags: &[&str]) -> Result<PathBuf, Trouble> {
        let out = self.folder().join(source.replace('.', "-"));
        let source = Self::source("tests/corpus/hosts").join(source);
        let done = Command::new("cc")
            .args(["-O1", "-g", "-Wall", "-Wextra", "-Werror"])
            .args(flags)
            .arg("-o")
            .arg(&out)
            .arg(source)
            .stdin(Stdio::null())
            .output();
        let done = done.map_err(|error| not_started("cc", &error))?;
        if done.status.success() {
            Ok(out)
        } else {
            Err(Trouble::failed(String::from_utf8_lossy(&done.stderr)))
        }
    }
}

/// Why something of the corpus did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The machine lacks a program or an ability; a test says so after `skipped:`.
    Lacking {
        /// What, by its name in `xtask/skips.toml` where it is an ability.
        what: String,
        /// What was tried.
        why: String,
    },
    /// It should have run.
    Failed(String),
}

impl Trouble {
    /// Lacks a program or an ability.
    pub fn lacking(what: &str, why: impl fmt::Display) -> Self {
        Self::Lacking { what: what.to_owned(), why: one_line(&why.to_string()) }
    }

    /// Should have run.
    pub fn failed(why: impl fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacking { what, why } => write!(f, "skipped: {what}: {why}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Trouble {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}

/// A program that cannot be started is lacking, if it is not there at all.
pub fn not_started(program: impl AsRef<OsStr>, error: &io::Error) -> Trouble {
    let program = program.as_ref().to_string_lossy().into_owned();
    if error.kind() == io::ErrorKind::NotFound {
        Trouble::lacking(&program, "not installed")
    } else {
        Trouble::failed(format!("`{program}` cannot be started: {error}"))
    }
}

/// The first number with a dot that a program says of itself.
pub fn version(program: &str, args: &[&str]) -> Result<String, Trouble> {
    let done = Command::new(program).args(args).stdin(Stdio::null()).output();
    let done = done.map_err(|error| not_started(program, &error))?;
    let said = [done.stdout, done.stderr].concat();
    Ok(version_in(&String::from_utf8_lossy(&said)))
}

/// The first word of `text` that is a version.
pub fn version_in(text: &str) -> String {
    let numbered = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let words = words.map(|word| word.trim_start_matches('v').trim_end_matches('.'));
    words.into_iter().find(numbered).unwrap_or("?").to_owned()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test tool is told by the environment where its programs are"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

const LIBRARY: &str = "libglacis_corpus.so";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (text, want) in [
            ("strace -- version 6.1\nCopyright", "6.1"),
            ("GNU gdb (Debian 13.1-3) 13.1", "13.1"),
            ("bpftrace v0.17.0", "0.17.0"),
            ("valgrind-3.19.0", "3.19.0"),
            ("qemu-x86_64 version 7.2.22 (Debian 1:7.2)", "7.2.22"),
            ("no number.", "?"),
        ] {
            assert_eq!(version_in(text), want, "{text}");
        }
    }
}
