//! The file of collateral that a configuration names: read at the start, and again whenever it changes.
//!
//! A file is looked at every few seconds; what is in it goes to the control plane, which takes it only if it is signed, of
//! this time and newer. What is refused is logged and counted there once, and what is in force stays: a file that is read
//! while somebody writes it is refused as any damaged one and read again when it changes again. What could not be done, and
//! what time may mend, is tried again every quarter of a minute.

use super::file::read_bounded;
use crate::config::CollateralFile;
use crate::error::{ServeError, ServeErrorKind};
use glacis_attest::CollateralError;
use glacis_attest::collateral::{Age, COLLATERAL_BYTES_MAX, public_key};
use glacis_cloud::server::writer::CloudHandle;
use glacis_cloud::{CloudCore, CloudError, CloudErrorKind};
use glacis_wire::message::PublicKey;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch::Receiver;

/// Pause between two looks: the feed is pulled as often, so a revoked serial acts within about ten seconds.
const EVERY: Duration = Duration::from_secs(5);
/// Looks that pass by a file which could not be taken and may be later.
const PASSED_BY: u32 = 2;
/// Longest file with a key. Unit: bytes.
const KEY_BYTES_MAX: usize = 16 << 10;
/// Who takes it, in records.
const BY: &str = "file";

/// The key that signs collateral, of its file.
///
/// # Errors
/// If the file is not there or holds no such key.
pub(crate) fn key(path: &Path) -> Result<PublicKey, ServeError> {
    let (bytes, _) = read_bounded(path, KEY_BYTES_MAX)?;
    public_key(&bytes).ok_or_else(|| {
        let what = format!("enrolment: `{}` must hold one P-256 public key, as PEM", path.display());
        ServeError::new(ServeErrorKind::Usage, what)
    })
}

/// Takes the file into force, before anybody is served.
///
/// # Errors
/// If the file cannot be taken and nothing is in force: no evidence could enrol.
pub(crate) fn load(core: &mut CloudCore, section: &CollateralFile) -> Result<(), ServeError> {
    let taken = read_bounded(&section.file, COLLATERAL_BYTES_MAX)
        .and_then(|(bytes, _)| Ok(core.take_collateral(&bytes, BY)?));
    match taken {
        Ok(_) => Ok(()),
        Err(error) if core.collateral()?.is_some() => {
            tracing::warn!(%error, "the collateral that was taken last stays in force");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Takes the file into force whenever it changes, until `stopped` closes.
pub(crate) async fn watch(handle: CloudHandle, section: CollateralFile, mut stopped: Receiver<()>) {
    // The first look reads it again: what changed since `load` is news.
    let mut seen = None;
    let (mut failed, mut pass_by) = (None, 0);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let now = mark(&section.file);
        if now == seen {
            continue;
        }
        if now == failed && pass_by > 0 {
            pass_by -= 1;
        } else if take(&handle, &section.file).await {
            // As it was before it was read: what changed meanwhile is read again.
            seen = now;
        } else {
            (failed, pass_by) = (now, PASSED_BY);
        }
    }
}

/// Takes the file once; whether it was looked at, and need not be again before it changes.
async fn take(handle: &CloudHandle, file: &Path) -> bool {
    let bytes = match read_bounded(file, COLLATERAL_BYTES_MAX) {
        Ok((bytes, _)) => bytes,
        Err(error) => {
            tracing::warn!(%error, "the file of collateral cannot be read");
            return false;
        }
    };
    match handle.call(move |core| core.take_collateral(&bytes, BY)).await {
        Ok(taken) => {
            // Who falls, falls in steps, between which decisions get their turn.
            let mut more = taken.news;
            while more {
                more = handle.call(CloudCore::reappraise).await.is_ok_and(|step| step.more);
            }
            true
        }
        Err(error) => {
            // What was refused was logged and counted by the core.
            let later = may_be_taken_later(&error);
            if later {
                tracing::warn!(%error, "the file of collateral could not be taken yet");
            }
            !later
        }
    }
}

/// Whether the same bytes may be taken later: nothing was wrong with them, or the clock that signed them is ahead.
fn may_be_taken_later(error: &CloudError) -> bool {
    use CloudErrorKind::{Entropy, Overloaded, Storage, StorageFull};
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<CollateralError>());
    matches!(error.kind(), Entropy | Overloaded | Storage | StorageFull)
        || matches!(cause, Some(CollateralError::Age(Age::Future)))
}

/// What tells one state of a file from another: which file, how long, and changed when.
fn mark(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let meta = std::fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}
