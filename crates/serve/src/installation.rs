//! The data folder of one installation: where everything is, and that nobody else may read it.
//!
//! `keys/` (the ring), `cloud.db` (the store), `edge/` (what the gateway keeps), `control.sock` (made at start).
//! The folder is 0700, every file 0600. Keys are read once at start and the folder is let go, so that they can be
//! listed and rotated beside a running process; a rotation takes effect at the next start.

use crate::error::{ServeError, ServeErrorKind};
use crate::keys::{self, Plan, Ring, Shared};
use glacis_cloud::CloudKeys;
use glacis_cloud::server::node::NodeKey;
use glacis_edge::EdgeKeys;
use glacis_host::{DirFiles, Host};
use glacis_seal::{ClusterKey, ClusterKeys, Context, MacKey, SigningKey};
use glacis_wire::NodeName;
use glacis_wire::message::Signed;
use glacis_wire::message::policy::{KeySet, KeyUse};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// One data folder.
#[derive(Clone, Debug)]
pub struct Installation {
    dir: PathBuf,
}

impl Installation {
    /// Opens the folder, or makes it where `make` says so.
    ///
    /// # Errors
    /// If there is none, or if others may read it.
    pub fn open(dir: &Path, make: bool) -> Result<Self, ServeError> {
        let fail =
            |kind, what: String| ServeError::new(kind, format!("data folder {}: {what}", dir.display()));
        if make && !dir.exists() {
            let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|error| fail(ServeErrorKind::Failed, format!("cannot be made: {error}")))?;
        }
        if !dir.is_dir() {
            let what = "is not there; `glacis keys make --dir DIR/keys …` makes its keys".to_owned();
            return Err(fail(ServeErrorKind::Missing, what));
        }
        if !keys::is_private(dir) {
            return Err(fail(ServeErrorKind::Permission, "others may read it; chmod 700 it".to_owned()));
        }
        Ok(Self { dir: dir.to_owned() })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of the key ring.
    pub fn keys_dir(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// The store of the control plane.
    pub fn store(&self) -> PathBuf {
        self.dir.join("cloud.db")
    }

    /// Where a process of this installation listens for its operator.
    pub fn control(&self) -> PathBuf {
        self.dir.join(CONTROL)
    }

    /// What the gateway keeps across restarts; held until dropped.
    ///
    /// # Errors
    /// If it cannot be made or another process has it.
    pub fn edge_files(&self) -> Result<DirFiles, ServeError> {
        DirFiles::open(self.dir.join("edge")).map_err(|error| {
            let kind = match error.kind() {
                glacis_host::FileErrorKind::InUse => ServeErrorKind::Exists,
                _ => ServeErrorKind::Failed,
            };
            ServeError::new(kind, format!("{}: {error}", self.dir.join("edge").display()))
        })
    }

    /// The key ring, which must be of `context`.
    ///
    /// # Errors
    /// If a key is missing, damaged, of another tenant or realm, or readable by others.
    pub fn ring(&self, context: &Context) -> Result<Ring, ServeError> {
        let ring = Ring::load(&keys::open_private(&self.keys_dir(), false)?, context)?;
        if ring.is_empty() {
            let (dir, Context { tenant, realm }) = (self.keys_dir(), context);
            let what = format!(
                "no keys in {}; `glacis keys make --dir {} --tenant {tenant} --realm {} --node NAME` makes them",
                dir.display(),
                dir.display(),
                realm.name()
            );
            return Err(ServeError::new(ServeErrorKind::Missing, what));
        }
        Ok(ring)
    }

    /// The key ring; made with the key of `node` where there is none.
    ///
    /// # Errors
    /// Like [`ring`](Self::ring).
    pub fn ring_or_new(
        &self,
        context: &Context,
        node: &NodeName,
        host: &dyn Host,
    ) -> Result<Ring, ServeError> {
        {
            let files = keys::open_private(&self.keys_dir(), true)?;
            let ring = Ring::load(&files, context)?;
            if ring.nodes().contains_key(node) {
                return Ok(ring);
            }
            Plan::make(&ring, std::slice::from_ref(node), host)?.apply(&files)?;
        }
        self.ring(context)
    }
}

/// Every node of the ring, under its key in force and the one before it.
///
/// # Errors
/// If there is none.
pub(crate) fn node_keys(ring: &Ring) -> Result<Vec<NodeKey>, ServeError> {
    let keys: Vec<NodeKey> = ring
        .nodes()
        .iter()
        .flat_map(|(name, key)| {
            let epochs = [Some(&key.current), key.previous.as_ref()].into_iter().flatten();
            epochs.map(|epoch| NodeKey { name: name.clone(), key: MacKey::new(epoch.secret.clone()) })
        })
        .collect();
    if keys.is_empty() { Err(missing("node", "`glacis keys make --node NAME` makes one")) } else { Ok(keys) }
}

/// What the gateway `node` holds.
///
/// # Errors
/// If the ring lacks a key.
pub(crate) fn edge_keys(ring: &Ring, node: &NodeName) -> Result<EdgeKeys, ServeError> {
    let cluster = ring.cluster().ok_or_else(|| missing("cluster", MAKE))?;
    let epoch = |epoch: &keys::Epoch| ClusterKey { epoch: epoch.epoch, secret: epoch.secret.clone() };
    let own = ring.nodes().get(node);
    let own =
        own.ok_or_else(|| missing(&format!("node `{node}`"), "`glacis keys make --node NAME` makes it"))?;
    Ok(EdgeKeys {
        tickets: ClusterKeys {
            current: epoch(&cluster.current),
            previous: cluster.previous.as_ref().map(epoch),
            next: Some(epoch(&cluster.next)),
        },
        nonce: shared(ring, Shared::Nonce)?,
        upstream: shared(ring, Shared::Upstream)?,
        node: own.current.secret.clone(),
        key_set: ring.key_set().ok_or_else(|| missing("key set", MAKE))?.clone(),
    })
}

/// The key set that a store is born with.
///
/// # Errors
/// If the ring has none.
pub(crate) fn first_key_set(ring: &Ring) -> Result<Signed, ServeError> {
    ring.signed_key_sets().next().cloned().ok_or_else(|| missing("key set", MAKE))
}

/// What the control plane holds: for each key set, newest first, the keys of the ring that it names. The store
/// takes those of the key set in force, which a rotated ring may be ahead of.
///
/// # Errors
/// If the ring lacks a secret, or the signing keys of every key set.
pub(crate) fn cloud_keys(ring: &Ring) -> Result<Vec<CloudKeys>, ServeError> {
    let mut candidates = Vec::new();
    for set in ring.key_sets().rev() {
        if let (Some(result), Some(feed)) = (named(ring, set, KeyUse::Result), named(ring, set, KeyUse::Feed))
        {
            candidates.push(CloudKeys {
                result: copy(result)?,
                feed: copy(feed)?,
                nonce: MacKey::new(shared(ring, Shared::Nonce)?),
                own: MacKey::new(shared(ring, Shared::Own)?),
            });
        }
    }
    if candidates.is_empty() { Err(missing("result or feed", MAKE)) } else { Ok(candidates) }
}

/// The youngest key of this use that `set` names.
fn named<'a>(ring: &'a Ring, set: &KeySet, usage: KeyUse) -> Option<&'a SigningKey> {
    let named = |key: &&keys::SigningEntry| {
        key.usage == usage && set.keys.iter().any(|known| known.id == key.key.key_id())
    };
    ring.signing_keys().iter().rev().find(named).map(|entry| &entry.key)
}

fn copy(key: &SigningKey) -> Result<SigningKey, ServeError> {
    SigningKey::from_scalar(key.scalar().expose()).map_err(|error| ServeError::failed("keys", error))
}

fn shared(ring: &Ring, which: Shared) -> Result<glacis_seal::Secret, ServeError> {
    let epoch = ring.shared().get(&which).ok_or_else(|| missing(which.name(), MAKE))?;
    Ok(epoch.secret.clone())
}

fn missing(what: &str, remedy: &str) -> ServeError {
    ServeError::new(ServeErrorKind::Missing, format!("keys: no {what} key in the ring; {remedy}"))
}

/// How missing central keys are made.
const MAKE: &str = "`glacis keys make` makes what is missing";
/// Name of the control socket in the data folder.
pub const CONTROL: &str = "control.sock";
