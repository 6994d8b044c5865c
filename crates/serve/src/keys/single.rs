//! One signing key in a file of its own, outside any ring: the key of collateral.
//!
//! It is made where collateral is made, which is best not where it is used: a control plane that is broken into then cannot
//! make collateral of its own. The form is that of a ring's signing keys, with tenant and realm in it.

use super::error::{KeysError, KeysErrorKind};
use super::file::{self, Hidden, SigningFile, broken};
use super::folder::is_private;
use glacis_host::Host;
use glacis_seal::text::base64url;
use glacis_seal::{Context, SigningKey};
use std::path::Path;
use zeroize::Zeroizing;

/// Longest file of a key. Unit: bytes.
const FILE_BYTES_MAX: u64 = 16 << 10;

/// A new key with the bytes of its file.
///
/// # Errors
/// If the host gives no randomness.
pub fn make_signing(
    context: &Context,
    host: &dyn Host,
) -> Result<(SigningKey, Zeroizing<Vec<u8>>), KeysError> {
    let key = SigningKey::generate(|out| host.fill(out))?;
    let body = SigningFile {
        generation: 1,
        created_ms: host.now().as_ms(),
        public: base64url(&key.public().0),
        secret: Hidden::of(key.scalar()),
    };
    Ok((key, file::write(body, context)?))
}

/// The key in a file that only its owner can read, with its tenant and realm.
///
/// # Errors
/// [`KeysErrorKind::Missing`] where there is none, [`KeysErrorKind::NotPrivate`] where others may read it,
/// [`KeysErrorKind::Broken`] where it is no signing key.
pub fn read_signing(path: &Path) -> Result<(Context, SigningKey), KeysError> {
    let name = path.display().to_string();
    let failed = |error: std::io::Error| KeysError::new(KeysErrorKind::Missing, format!("`{name}`: {error}"));
    let about = path.metadata().map_err(failed)?;
    if !is_private(path) {
        let what = format!("{name}: others may read this file; chmod 600 it");
        return Err(KeysError::new(KeysErrorKind::NotPrivate, what));
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(broken(&name, "too long for a key".to_owned()));
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(failed)?);
    let context = file::owner(&name, &bytes)?;
    let found = file::parse::<SigningFile>(&name, &bytes)?.open(&name, &context)?;
    let key = SigningKey::from_scalar(found.secret.secret(&name)?.expose())?;
    if base64url(&key.public().0) != found.public {
        return Err(broken(&name, "`public` is not the public half of its key".to_owned()));
    }
    Ok((context, key))
}
