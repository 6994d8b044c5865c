//! The one file of a ring that others are given: a key set, without anything secret.
//!
//! Devices and nodes pin it. Whoever hands it over vouches for it: alone it proves nothing, not even with its
//! signature, which only a key of the set before could check.

use super::error::{KeysError, KeysErrorKind};
use super::file::{self, KeySetFile, broken};
use super::ring::Ring;
use glacis_host::Files;
use glacis_seal::{Context, published};
use glacis_wire::Decode;
use glacis_wire::message::policy::KeySet;

/// The key set in a file of this name and content, with its tenant and realm.
///
/// # Errors
/// [`KeysErrorKind::Broken`] where it is no key set.
pub fn read_key_set(name: &str, bytes: &[u8]) -> Result<(Context, KeySet), KeysError> {
    let context = file::owner(name, bytes)?;
    let file = file::parse::<KeySetFile>(name, bytes)?.open(name, &context)?;
    let signed = file::parse_signed(name, &file.signed)?;
    let set = KeySet::from_bytes(&signed.body).map_err(|error| broken(name, error.to_string()))?;
    if set.version != file.version {
        return Err(broken(name, format!("holds version {}", set.version)));
    }
    published::check_key_set(&set, &context).map_err(|error| broken(name, error.to_string()))?;
    Ok((context, set))
}

/// The newest key set of a ring, as a file for others.
///
/// # Errors
/// [`KeysErrorKind::Missing`] where the ring has none.
pub fn export_key_set(files: &dyn Files, ring: &Ring) -> Result<Vec<u8>, KeysError> {
    let missing = || KeysError::new(KeysErrorKind::Missing, "there is no key set");
    let set = ring.key_set().ok_or_else(missing)?;
    files.read(&file::key_set_name(set.version))?.ok_or_else(missing)
}
