//! A publish: policies compiled here, cut into slices, signed by the ring's policy key.
//!
//! The control plane compiles the same sources again and takes the publish only if it comes to the same slices
//! ([`glacis_cloud::policy`]). Nothing is sent here; the result is one message.

use crate::error::{ServeError, ServeErrorKind};
use crate::keys::Ring;
use glacis_cloud::policy::{PolicySource, Publish, SourceFile, sign_bundles};
use glacis_compiler::{Compiled, Source, compile, inline};
use glacis_wire::Timestamp;
use glacis_wire::message::policy::KeyUse;
use glacis_wire::message::{List, Text};
use std::path::Path;

/// The files of one policy, with their names in diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFiles {
    /// `signals.toml`
    pub catalogue: (String, String),
    /// `policy.toml`
    pub policy: (String, String),
    /// `cases.toml`
    pub cases: Option<(String, String)>,
}

impl PolicyFiles {
    /// Reads `policy.toml`, `cases.toml` where there is one, and `signals.toml` from the folder or the one above.
    ///
    /// # Errors
    /// If a file is missing or is no text.
    pub fn read(dir: &Path) -> Result<Self, ServeError> {
        let read = |path: &Path| {
            std::fs::read_to_string(path).map(|text| (path.display().to_string(), text)).map_err(|error| {
                ServeError::new(ServeErrorKind::Missing, format!("policy: {}: {error}", path.display()))
            })
        };
        let own = dir.join("signals.toml");
        let above = dir.parent().unwrap_or(dir).join("signals.toml");
        let cases = dir.join("cases.toml");
        let model = |file: &str| {
            let path = dir.join(file);
            let missing = |error| format!("policy: {}: {error}", path.display());
            std::fs::read(&path).map_err(|error| ServeError::new(ServeErrorKind::Missing, missing(error)))
        };
        let (name, text) = read(&dir.join("policy.toml"))?;
        Ok(Self {
            catalogue: read(if own.exists() { &own } else { &above })?,
            policy: (name, inline(&text, model)?),
            cases: if cases.exists() { Some(read(&cases)?) } else { None },
        })
    }

    /// Compiles them.
    ///
    /// # Errors
    /// The diagnostics, each with its place.
    pub fn compile(&self) -> Result<Compiled, ServeError> {
        let compiled =
            compile(source(&self.catalogue), source(&self.policy), self.cases.as_ref().map(source));
        compiled.map_err(|error| ServeError::new(ServeErrorKind::Usage, format!("policy:\n{error}")))
    }

    fn source(&self) -> PolicySource {
        let file = |(name, text): &(String, String)| SourceFile {
            name: Text(name.clone()),
            text: Text(text.clone()),
        };
        PolicySource {
            catalogue: file(&self.catalogue),
            policy: file(&self.policy),
            cases: self.cases.as_ref().map(file),
        }
    }
}

fn source((name, text): &(String, String)) -> Source<'_> {
    Source { name, text }
}

/// Compiles, cuts and signs `policies` as `version`, with every key set after `key_set`, which is in force.
///
/// # Errors
/// If one does not compile, or the ring holds no policy key.
pub fn publish(
    ring: &Ring,
    policies: &[PolicyFiles],
    version: u64,
    key_set: u64,
    issued: Timestamp,
) -> Result<Publish, ServeError> {
    let compiled = policies.iter().map(PolicyFiles::compile).collect::<Result<Vec<_>, _>>()?;
    let signer = ring.signing(KeyUse::Policy).ok_or_else(|| {
        ServeError::new(
            ServeErrorKind::Missing,
            "keys: no policy key in the ring; `glacis keys make` makes it",
        )
    })?;
    let bundles = sign_bundles(&signer.key, ring.context(), version, issued, &compiled);
    let bundles = bundles.map_err(|error| ServeError::failed("policy", error))?;
    let newer = ring.key_sets().zip(ring.signed_key_sets()).filter(|(set, _)| set.version > key_set);
    let key_sets = newer.map(|(_, signed)| signed.clone()).collect();
    let sources = policies.iter().map(PolicyFiles::source).collect();
    Ok(Publish { key_sets: List(key_sets), sources: List(sources), bundles })
}
