//! `glacis policy check --watch`: the answer again, whenever a file of the folders changes.
//!
//! For who writes a policy, and for editors with `--json`: one document a line, the first at once. Looks at sizes and times
//! of files, never at their content, so waiting costs nothing. A file that is gone for a moment, as an editor saves it, is an
//! answer like any other and ends nothing; an interrupt ends it with success, as does a reader that goes away.

use super::check::{CheckArgs, Checked};
use super::source::Folders;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use glacis_host::Host;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Pause between two looks: below what a person notices, above what a laptop's battery does.
const POLL: Duration = Duration::from_millis(100);

/// Checks until interrupted.
pub(super) fn run(args: &CheckArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let failed = |error: std::io::Error| CliError::new(Code::Internal, format!("cannot wait: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let ended: Result<(), CliError> = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let mut before = None;
        loop {
            // Looked at before it is read: what changes while it is read is seen at the next look.
            let now = Stamps::of(&args.folders);
            if before.as_ref() != Some(&now) {
                answer(args, host, out)?;
                before = Some(now);
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                _ = interrupt.recv() => return Ok(()),
            }
        }
    });
    match ended {
        // Whoever reads has seen enough.
        Err(error) if !error.is_closed_pipe() => Err(error),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// One answer, with the time that it took.
fn answer(args: &CheckArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    let began = host.monotonic();
    let checked = Checked::read(&args.folders);
    let took = host.monotonic().saturating_sub(began);
    if args.json {
        return print_json(out, &json_of(&checked, took));
    }
    match &checked {
        Ok(checked) => checked.texts().iter().try_for_each(|text| print(out, text))?,
        Err(error) => print(out, &error.text())?,
    }
    print(out, &format!("--- checked in {:.1} ms; waiting for a change\n", took.as_secs_f64() * 1_000.0))
}

fn json_of(checked: &Result<Checked, CliError>, took: Duration) -> Value {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    match checked {
        Ok(checked) => json!({ "ok": checked.ok(), "took_us": took_us, "policies": checked.json() }),
        Err(error) => json!({
            "ok": false,
            "took_us": took_us,
            "policies": [],
            "error": { "code": error.code().code(), "what": error.to_string() },
        }),
    }
}

/// What tells one state of the files from another.
#[derive(Debug, PartialEq, Eq)]
struct Stamps(BTreeMap<PathBuf, (i64, i64, u64, u64)>);

impl Stamps {
    /// Every file in the folders, and the catalogues that may stand outside of them.
    fn of(folders: &Folders) -> Self {
        let mut stamps = BTreeMap::new();
        let mut look = |path: &Path| {
            if let Ok(data) = std::fs::metadata(path)
                && data.is_file()
            {
                let stamp = (data.mtime(), data.mtime_nsec(), data.ino(), data.len());
                stamps.insert(path.to_owned(), stamp);
            }
        };
        for dir in folders.dirs() {
            let inside = std::fs::read_dir(dir).into_iter().flatten().flatten();
            inside.for_each(|entry| look(&entry.path()));
            look(&dir.join("..").join("signals.toml"));
        }
        folders.catalogue().into_iter().for_each(look);
        Self(stamps)
    }
}
