//! Which versions held a policy: read once from each published bundle, and compiled policies that were looked at of late.
//!
//! A bundle names its policies by digest. The store has no index of them, and reading hundreds of bundles for one look
//! would hold up decisions; so each is read once, one call each, and what it said is kept.

use super::Console;
use crate::error::{CloudError, CloudErrorKind};
use crate::policy::{PolicySource, digest_of, signed_of};
use glacis_compiler::{Checked, Compiled};
use glacis_wire::message::policy::Bundle;
use glacis_wire::{Decode as _, PolicyDigest};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Versions that are known, newest first. LIMIT: bounds what is read after a start.
const VERSIONS_MAX: u32 = 256;
/// Compiled policies that are kept.
const COMPILED_MAX: usize = 8;

/// Versions by the policies that they hold.
#[derive(Clone, Debug, Default)]
pub(super) struct ByDigest {
    versions: HashMap<PolicyDigest, Vec<u64>>,
    known: BTreeSet<u64>,
}

impl ByDigest {
    /// The newest version that held a policy.
    pub(super) fn newest(&self, policy: &PolicyDigest) -> Option<u64> {
        self.versions.get(policy)?.first().copied()
    }

    /// All of them, newest first.
    pub(super) fn all(&self, policy: &PolicyDigest) -> Vec<u64> {
        self.versions.get(policy).cloned().unwrap_or_default()
    }

    fn add(&mut self, version: u64, policies: impl Iterator<Item = PolicyDigest>) {
        self.known.insert(version);
        for policy in policies {
            let versions = self.versions.entry(policy).or_default();
            versions.push(version);
            versions.sort_unstable_by(|a, b| b.cmp(a));
            versions.dedup();
        }
    }
}

/// A compiled policy with its text.
#[derive(Debug)]
pub(super) struct Kept {
    /// As published.
    pub(super) text: String,
    /// Compiled from it.
    pub(super) compiled: Compiled,
    /// In terms of what leaves the device.
    pub(super) beyond: Checked,
}

/// What is known of versions, and what was compiled.
#[derive(Default)]
pub(super) struct Versions {
    known: Mutex<Arc<ByDigest>>,
    compiled: Mutex<VecDeque<(PolicyDigest, Arc<Kept>)>>,
    /// One reader at a time.
    reading: tokio::sync::Mutex<()>,
}

impl Versions {
    fn known(&self) -> Arc<ByDigest> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn compiled(&self, policy: &PolicyDigest) -> Option<Arc<Kept>> {
        let kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(digest, _)| digest == policy).map(|(_, kept)| Arc::clone(kept))
    }

    fn keep(&self, policy: PolicyDigest, compiled: &Arc<Kept>) {
        let mut kept = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= COMPILED_MAX {
            kept.pop_back();
        }
        kept.push_front((policy, Arc::clone(compiled)));
    }
}

impl Console {
    /// Versions by policy, those of the newest publish among them.
    pub(super) async fn versions(&self) -> Result<Arc<ByDigest>, CloudError> {
        let (handle, versions) = (&self.0.shared.handle, &self.0.versions);
        let published = handle.call(|core| core.policy_versions(VERSIONS_MAX)).await?;
        let newer = |known: &ByDigest| -> Vec<u64> {
            let numbers = published.iter().map(|version| version.version);
            numbers.filter(|version| !known.known.contains(version)).collect()
        };
        let known = versions.known();
        if newer(&known).is_empty() {
            return Ok(known);
        }
        let _reading = versions.reading.lock().await;
        let mut known = ByDigest::clone(&versions.known());
        for version in newer(&known) {
            let bytes = handle.call(move |core| core.edge_bundle_bytes(version)).await?;
            let bundle = match bytes {
                None => None,
                Some(bytes) => {
                    let signed = signed_of(&bytes)?;
                    let bundle = Bundle::from_bytes(&signed.body);
                    Some(bundle.map_err(|error| CloudError::corrupt(format!("bundle: {error}")))?)
                }
            };
            let policies = bundle.iter().flat_map(|bundle| bundle.slices.iter());
            known.add(version, policies.map(|slice| slice.policy));
        }
        let known = Arc::new(known);
        *versions.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&known);
        Ok(known)
    }

    /// The policy of this digest as `version` published it, compiled; none where the version holds no such policy.
    pub(super) async fn policy(
        &self,
        version: u64,
        digest: PolicyDigest,
    ) -> Result<Option<Arc<Kept>>, CloudError> {
        if let Some(kept) = self.0.versions.compiled(&digest) {
            return Ok(Some(kept));
        }
        let sources = self.sources(version).await?;
        let found = self.slowly(move || compile(&sources, |compiled| digest_of(compiled) == digest)).await?;
        Ok(found.map(|kept| {
            let kept = Arc::new(kept);
            self.0.versions.keep(digest, &kept);
            kept
        }))
    }

    /// The policy that `version` published for an event, compiled.
    pub(super) async fn policy_for(
        &self,
        version: u64,
        event: String,
    ) -> Result<Option<Arc<Kept>>, CloudError> {
        let sources = self.sources(version).await?;
        if sources.is_empty() {
            return Err(CloudError::not_found(format!("policy version {version}")));
        }
        let found =
            self.slowly(move || compile(&sources, |compiled| compiled.event().as_str() == event)).await?;
        Ok(found.map(Arc::new))
    }

    async fn sources(&self, version: u64) -> Result<Vec<PolicySource>, CloudError> {
        self.0.shared.handle.call(move |core| core.sources(version)).await
    }
}

/// The first policy of a version that is wanted.
fn compile(sources: &[PolicySource], wanted: impl Fn(&Compiled) -> bool) -> Result<Option<Kept>, CloudError> {
    for source in sources {
        let compiled = source
            .compile()
            .map_err(|found| CloudError::new(CloudErrorKind::PolicyInvalid, found.to_string()))?;
        if wanted(&compiled) {
            let beyond = compiled.beyond_device();
            return Ok(Some(Kept { text: source.policy.text.0.clone(), compiled, beyond }));
        }
    }
    Ok(None)
}
