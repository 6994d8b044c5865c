//! What the control plane believes of devices, from the files that `[cloud.enrolment]` names.
//!
//! With signed collateral, only its key is read here; the file itself is taken up whenever it changes
//! ([`crate::collateral`]). Without, files are read once, when the control plane starts; a revocation list is as old as its file, and one that is too old
//! refuses (`stale-revocation-list`) until a newer one is in its place and the process was started anew.

use crate::config::Enrolment;
use crate::error::{ServeError, ServeErrorKind};
use glacis_attest::play_integrity::PlayKeys;
use glacis_attest::{Anchors, AndroidApp, References, Revocations};
use glacis_cloud::Enrolling;
use glacis_seal::Context;
use glacis_wire::{Digest, Timestamp};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Longest file of anchors. Unit: bytes; all makers of TPMs together are below a tenth of it.
const ANCHORS_BYTES_MAX: u64 = 1 << 20;
/// Longest file of an app's two keys. Unit: bytes; they have about 170.
const PLAY_BYTES_MAX: u64 = 4_096;
/// Longest revocation list. Unit: bytes; the published one has about 200 KB.
const LIST_BYTES_MAX: u64 = 16 << 20;

/// Anchors and expectations of a configuration.
///
/// # Errors
/// If a file is not there, or not what it has to be; the message names it.
pub fn load(section: &Enrolment, context: &Context) -> Result<(Anchors, Enrolling), ServeError> {
    let mut anchors = Anchors::new(context.clone());
    anchors.roots.tpm = keys_of(&section.tpm_anchors)?;
    anchors.roots.soter = keys_of(&section.soter_anchors)?;
    let mut references = References { apple_apps: section.apple_apps.clone(), ..References::default() };
    let mut revocations = None;
    if let Some(android) = &section.android {
        anchors.roots.android.extend(keys_of(&android.anchors)?);
        references.android_apps = android.apps.iter().map(app).collect();
        references.boot_keys.clone_from(&android.boot_keys);
        references.patch_level_min = android.patch_level_min;
        revocations = Some(list(&android.revocations)?);
    }
    if let Some(play) = &section.play {
        anchors.play_integrity = play.keys.iter().map(|file| play_keys(file)).collect::<Result<_, _>>()?;
        references.android_apps.extend(play.apps.iter().map(app));
    }
    let collateral_key =
        section.collateral.as_ref().map(|file| crate::collateral::key(&file.key)).transpose()?;
    Ok((anchors, Enrolling { families: section.families.clone(), references, revocations, collateral_key }))
}

fn app((package, signers): &(String, Vec<Digest>)) -> AndroidApp {
    AndroidApp { package: package.clone(), signers: signers.clone() }
}

/// The two keys of an app, as the Play Console shows them: a line each.
fn play_keys(file: &Path) -> Result<PlayKeys, ServeError> {
    let (bytes, _) = read(file, PLAY_BYTES_MAX)?;
    let keys = std::str::from_utf8(&bytes).ok().and_then(PlayKeys::parse_lines);
    keys.ok_or_else(|| unusable(file, "must hold a decryption key and a verification key, a line each"))
}

fn keys_of(files: &[PathBuf]) -> Result<Vec<Vec<u8>>, ServeError> {
    let mut found = Vec::new();
    for file in files {
        let (bytes, _) = read(file, ANCHORS_BYTES_MAX)?;
        let keys = glacis_attest::anchors(&bytes).filter(|keys| !keys.is_empty());
        found.extend(keys.ok_or_else(|| {
            unusable(file, "must hold certificates or public keys, as PEM or as DER of one, and nothing else")
        })?);
    }
    Ok(found)
}

fn list(file: &Path) -> Result<Revocations, ServeError> {
    let (bytes, as_of) = read(file, LIST_BYTES_MAX)?;
    Revocations::parse_google(&bytes, as_of).map_err(|error| unusable(file, error.detail()))
}

/// A file with the time that it was made.
fn read(file: &Path, most: u64) -> Result<(Vec<u8>, Timestamp), ServeError> {
    let failed = |error: std::io::Error| {
        let what = format!("enrolment: cannot read `{}`: {error}", file.display());
        ServeError::new(ServeErrorKind::Missing, what)
    };
    let about = std::fs::metadata(file).map_err(failed)?;
    if about.len() > most {
        return Err(unusable(file, &format!("has more than {most} bytes")));
    }
    let made = about.modified().map_err(failed)?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let made = Timestamp::from_ms(u64::try_from(made.as_millis()).unwrap_or(u64::MAX));
    Ok((std::fs::read(file).map_err(failed)?, made))
}

fn unusable(file: &Path, what: &str) -> ServeError {
    ServeError::new(ServeErrorKind::Usage, format!("enrolment: `{}` {what}", file.display()))
}
