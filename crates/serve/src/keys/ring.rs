//! All keys of one tenant in one realm, read and checked.
//!
//! Reading is all or nothing: a file of another realm or tenant, a public half that is not its key's, or a key
//! set that is not signed by a policy key of the one before it refuses the whole folder.

use super::error::{KeysError, KeysErrorKind};
use super::file::{
    self, CLUSTER_NAME, ClusterFile, EpochFile, KeySetFile, NodeFile, SharedFile, SigningFile, broken,
};
use glacis_host::Files;
use glacis_seal::{Context, Purpose, Secret, SigningKey, open_envelope};
use glacis_wire::message::policy::{KeySet, KeyUse};
use glacis_wire::message::{PublicKey, Signed};
use glacis_wire::{KeyId, NodeName, Timestamp};
use std::collections::BTreeMap;

/// Keys of one tenant in one realm.
#[derive(Debug)]
pub struct Ring {
    pub(super) context: Context,
    pub(super) signing: Vec<SigningEntry>,
    pub(super) sets: Vec<(Signed, KeySet)>,
    pub(super) cluster: Option<Cluster>,
    pub(super) nodes: BTreeMap<NodeName, NodeKey>,
    pub(super) shared: BTreeMap<Shared, Epoch>,
}

/// A signing key with its generation.
#[derive(Debug)]
pub struct SigningEntry {
    /// What it signs.
    pub usage: KeyUse,
    /// Counts up with each rotation.
    pub generation: u32,
    /// When it was made.
    pub created: Timestamp,
    /// The key.
    pub key: SigningKey,
}

/// The ticket keys of the edge. A node seals with `current` and opens with all three.
#[derive(Debug)]
pub struct Cluster {
    /// The epoch before, until its tickets have expired.
    pub previous: Option<Epoch>,
    /// The epoch in force.
    pub current: Epoch,
    /// The epoch to come, delivered ahead so that no node meets a ticket that it cannot open.
    pub next: Epoch,
}

/// A secret of the installation that is neither a node's nor a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shared {
    /// Challenge nonces; every node and the cloud.
    Nonce,
    /// What the cloud alone makes and checks: enrolment challenges, one-time passwords, tokens.
    Own,
    /// Decisions for the services behind the edge; every node and those services.
    Upstream,
}

impl Shared {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Nonce, Self::Own, Self::Upstream];

    /// Its name on disk and in arguments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nonce => "nonce",
            Self::Own => "own",
            Self::Upstream => "upstream",
        }
    }
}

/// The key that one node shares with the cloud. The cloud accepts both until the node has the new one.
#[derive(Debug)]
pub struct NodeKey {
    /// The one before.
    pub previous: Option<Epoch>,
    /// The one in force.
    pub current: Epoch,
}

/// One symmetric key with its number.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Counts up with each rotation.
    pub epoch: u32,
    /// When it was made.
    pub created: Timestamp,
    /// The key.
    pub secret: Secret,
}

impl Ring {
    /// Reads and checks every key file of the folder.
    ///
    /// # Errors
    /// [`KeysErrorKind::Realm`] where a file belongs to another tenant or realm than `context`, and
    /// [`KeysErrorKind::Broken`] where it is not what its name says.
    pub fn load(files: &dyn Files, context: &Context) -> Result<Self, KeysError> {
        let mut ring = Self::empty(context.clone());
        for name in files.list()? {
            let Some(stem) = name.strip_suffix(".json") else { continue };
            let bytes = files.read(&name)?.map(zeroize::Zeroizing::new);
            let Some(bytes) = bytes else { continue };
            if stem.starts_with("key-set-") {
                ring.add_set(&name, &bytes)?;
            } else if stem.starts_with("node-") {
                ring.add_node(&name, &bytes)?;
            } else if name == CLUSTER_NAME {
                ring.add_cluster(&name, &bytes)?;
            } else if let Some(shared) = shared_use(stem) {
                ring.add_shared(&name, shared, &bytes)?;
            } else if let Some(usage) = signing_use(stem) {
                ring.add_signing(&name, usage, &bytes)?;
            }
        }
        ring.signing.sort_by_key(|entry| (entry.usage, entry.generation));
        ring.check_sets()?;
        Ok(ring)
    }

    /// A ring without keys.
    pub const fn empty(context: Context) -> Self {
        Self {
            context,
            signing: Vec::new(),
            sets: Vec::new(),
            cluster: None,
            nodes: BTreeMap::new(),
            shared: BTreeMap::new(),
        }
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        let central = self.signing.is_empty() && self.sets.is_empty() && self.cluster.is_none();
        central && self.nodes.is_empty() && self.shared.is_empty()
    }

    /// Whose keys they are.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The newest key set.
    pub fn key_set(&self) -> Option<&KeySet> {
        self.sets.last().map(|(_, set)| set)
    }

    /// Every signed key set, oldest first: what a receiver that is behind is served.
    pub fn signed_key_sets(&self) -> impl Iterator<Item = &Signed> {
        self.sets.iter().map(|(signed, _)| signed)
    }

    /// The signing key in force: the youngest that the newest key set names.
    pub fn signing(&self, usage: KeyUse) -> Option<&SigningEntry> {
        self.signing.iter().rev().find(|entry| entry.usage == usage && self.is_published(&entry.key.key_id()))
    }

    /// Every signing key, by use and generation.
    pub fn signing_keys(&self) -> &[SigningEntry] {
        &self.signing
    }

    /// The ticket keys of the edge.
    pub const fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// Keys shared with nodes.
    pub const fn nodes(&self) -> &BTreeMap<NodeName, NodeKey> {
        &self.nodes
    }

    /// Secrets of the installation.
    pub const fn shared(&self) -> &BTreeMap<Shared, Epoch> {
        &self.shared
    }

    /// Every key set, oldest first.
    pub fn key_sets(&self) -> impl DoubleEndedIterator<Item = &KeySet> {
        self.sets.iter().map(|(_, set)| set)
    }

    /// Whether the newest key set names this key.
    pub fn is_published(&self, id: &KeyId) -> bool {
        self.key_set().is_some_and(|set| set.keys.iter().any(|key| key.id == *id))
    }

    fn add_signing(&mut self, name: &str, usage: KeyUse, bytes: &[u8]) -> Result<(), KeysError> {
        let file = file::parse::<SigningFile>(name, bytes)?.open(name, &self.context)?;
        if name != file::signing_name(usage, file.generation) {
            return Err(broken(name, format!("holds generation {}", file.generation)));
        }
        let key = SigningKey::from_scalar(file.secret.secret(name)?.expose())?;
        if glacis_seal::text::base64url(&key.public().0) != file.public {
            return Err(broken(name, "`public` is not the public half of its key".to_owned()));
        }
        let created = Timestamp::from_ms(file.created_ms);
        self.signing.push(SigningEntry { usage, generation: file.generation, created, key });
        Ok(())
    }

    fn add_cluster(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
        let file = file::parse::<ClusterFile>(name, bytes)?.open(name, &self.context)?;
        let previous = file.previous.as_ref().map(|epoch| Epoch::read(name, epoch)).transpose()?;
        let (current, next) = (Epoch::read(name, &file.current)?, Epoch::read(name, &file.next)?);
        let in_order = current.epoch.checked_add(1) == Some(next.epoch)
            && previous.as_ref().is_none_or(|previous| previous.epoch.checked_add(1) == Some(current.epoch));
        if !in_order {
            return Err(broken(name, "the epochs do not follow each other".to_owned()));
        }
        self.cluster = Some(Cluster { previous, current, next });
        Ok(())
    }

    fn add_node(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
        let file = file::parse::<NodeFile>(name, bytes)?.open(name, &self.context)?;
        let node = NodeName::parse(&file.node).map_err(|error| broken(name, error.to_string()))?;
        if name != file::node_name(&node) {
            return Err(broken(name, format!("holds the key of node `{node}`")));
        }
        let previous = file.previous.as_ref().map(|epoch| Epoch::read(name, epoch)).transpose()?;
        let current = Epoch::read(name, &file.current)?;
        self.nodes.insert(node, NodeKey { previous, current });
        Ok(())
    }

    fn add_shared(&mut self, name: &str, shared: Shared, bytes: &[u8]) -> Result<(), KeysError> {
        let file = file::parse::<SharedFile>(name, bytes)?.open(name, &self.context)?;
        self.shared.insert(shared, Epoch::read(name, &file.current)?);
        Ok(())
    }

    fn add_set(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeysError> {
        let file = file::parse::<KeySetFile>(name, bytes)?.open(name, &self.context)?;
        let signed = file::parse_signed(name, &file.signed)?;
        let set: KeySet =
            glacis_wire::Decode::from_bytes(&signed.body).map_err(|e| broken(name, e.to_string()))?;
        if set.version != file.version || name != file::key_set_name(set.version) {
            return Err(broken(name, format!("holds version {}", set.version)));
        }
        self.sets.push((signed, set));
        Ok(())
    }

    /// INVARIANT: versions count up by one from 1, and a policy key of each set signed the next (the first is
    /// signed by one of its own, and pinned).
    fn check_sets(&mut self) -> Result<(), KeysError> {
        self.sets.sort_by_key(|(_, set)| set.version);
        let mut before: Option<&KeySet> = None;
        for (at, (signed, set)) in self.sets.iter().enumerate() {
            let name = file::key_set_name(set.version);
            if usize::try_from(set.version).ok() != Some(at + 1) {
                return Err(broken(&name, format!("version {} is missing", at + 1)));
            }
            let signers = policy_keys(before.unwrap_or(set));
            let opened = signers
                .iter()
                .find_map(|key| open_envelope::<KeySet>(signed, &self.context, Purpose::KeySet, key).ok());
            if opened.is_none() {
                return Err(broken(&name, "not signed by a policy key of the key set before it".to_owned()));
            }
            if set.tenant != self.context.tenant || set.realm != self.context.realm {
                let what = format!("`{name}` is a key set of another tenant or realm");
                return Err(KeysError::new(KeysErrorKind::Realm, what));
            }
            before = Some(set);
        }
        Ok(())
    }
}

impl Epoch {
    fn read(name: &str, file: &EpochFile) -> Result<Self, KeysError> {
        let created = Timestamp::from_ms(file.created_ms);
        Ok(Self { epoch: file.epoch, created, secret: file.secret.secret(name)? })
    }

    /// Tells keys apart without telling anything of them: the first eight bytes of a digest.
    pub fn fingerprint(&self, context: &Context) -> String {
        let digest = glacis_seal::hash::context_digest(context, Purpose::Pseudonym, &[self.secret.expose()]);
        glacis_seal::text::hex(digest.as_bytes().split_at(8).0)
    }
}

/// Whose keys a folder holds, by the first key file in it; `None` for a folder without keys.
///
/// # Errors
/// If the folder cannot be read, or that file is none.
pub fn owner(files: &dyn Files) -> Result<Option<Context>, KeysError> {
    for name in files.list()? {
        let stem = name.strip_suffix(".json").unwrap_or("");
        let ours = stem == "cluster" || stem.starts_with("key-set-") || stem.starts_with("node-");
        if !ours && shared_use(stem).is_none() && signing_use(stem).is_none() {
            continue;
        }
        if let Some(bytes) = files.read(&name)?.map(zeroize::Zeroizing::new) {
            return file::owner(&name, &bytes).map(Some);
        }
    }
    Ok(None)
}

fn policy_keys(set: &KeySet) -> Vec<PublicKey> {
    set.keys.iter().filter(|key| key.usage == KeyUse::Policy).map(|key| key.key).collect()
}

fn shared_use(stem: &str) -> Option<Shared> {
    Shared::ALL.into_iter().find(|shared| shared.name() == stem)
}

fn signing_use(stem: &str) -> Option<KeyUse> {
    let (name, generation) = stem.rsplit_once('-')?;
    generation.parse::<u32>().ok()?;
    KeyUse::ALL.iter().copied().find(|usage| usage.name() == name)
}
