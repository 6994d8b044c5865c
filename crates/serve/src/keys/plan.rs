//! Changes to a ring, planned in memory and then applied file by file.
//!
//! INVARIANT: a key is on disk before a key set names it, and a key set is on disk before an old key is removed.
//! A crash between two files leaves a key that no set names; the next rotation of its use takes it up.

use super::error::{KeysError, KeysErrorKind};
use super::file::{
    self, CLUSTER_NAME, ClusterFile, EpochFile, Hidden, KeySetFile, NodeFile, SharedFile, SigningFile,
};
use super::ring::{Cluster, Epoch, NodeKey, Ring, Shared, SigningEntry};
use glacis_host::{Files, Host};
use glacis_seal::{Context, Purpose, Secret, SigningKey, key_id, sign_envelope};
use glacis_wire::message::List;
use glacis_wire::message::policy::{KeySet, KeyUse, PublishedKey};
use glacis_wire::{NodeName, Timestamp};
use zeroize::Zeroizing;

/// What is written and removed, in this order.
#[derive(Default)]
pub struct Plan {
    writes: Vec<(String, Zeroizing<Vec<u8>>)>,
    removes: Vec<String>,
}

/// What to rotate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotate {
    /// A signing key; the next key set is signed by the policy key in force.
    Signing(KeyUse),
    /// The ticket keys: next becomes current, current becomes previous.
    Cluster,
    /// The key of one node.
    Node(NodeName),
    /// A secret of the installation; what the old one made is refused from then on.
    Shared(Shared),
}

impl Plan {
    /// All keys of a new ring, or the keys of new nodes in an existing one.
    ///
    /// # Errors
    /// [`KeysErrorKind::Exists`] where there is nothing left to make; keys are never overwritten.
    pub fn make(ring: &Ring, nodes: &[NodeName], host: &dyn Host) -> Result<Self, KeysError> {
        if let Some(node) = nodes.iter().find(|node| ring.nodes.contains_key(node)) {
            let what = format!("node `{node}` has a key already; `rotate node --node {node}` replaces it");
            return Err(KeysError::new(KeysErrorKind::Exists, what));
        }
        let mut plan = Self::default();
        let absent: Vec<Shared> =
            Shared::ALL.into_iter().filter(|shared| !ring.shared.contains_key(shared)).collect();
        if ring.signing.is_empty() && ring.sets.is_empty() && ring.cluster.is_none() {
            plan.make_central(ring.context(), host)?;
        } else if nodes.is_empty() && absent.is_empty() {
            let what = "the folder holds keys already; `rotate` replaces one, `make --node` adds a node";
            return Err(KeysError::new(KeysErrorKind::Exists, what));
        }
        for shared in absent {
            plan.write_shared(ring.context(), shared, &new_epoch(1, host)?)?;
        }
        for node in nodes {
            let key = NodeKey { previous: None, current: new_epoch(1, host)? };
            plan.write_node(ring.context(), node, &key)?;
        }
        Ok(plan)
    }

    /// One key replaced by a new one.
    ///
    /// With `drop_previous`, signing keys before the new one leave the key set and the folder: what they signed is
    /// refused from then on.
    ///
    /// # Errors
    /// [`KeysErrorKind::Missing`] where there is no such key yet.
    pub fn rotate(
        ring: &Ring,
        what: &Rotate,
        drop_previous: bool,
        host: &dyn Host,
    ) -> Result<Self, KeysError> {
        let mut plan = Self::default();
        match what {
            Rotate::Signing(usage) => plan.rotate_signing(ring, *usage, drop_previous, host)?,
            Rotate::Cluster => {
                let old = ring.cluster().ok_or_else(|| missing("cluster"))?;
                let previous = (!drop_previous).then(|| old.current.clone());
                let next = new_epoch(following(old.next.epoch)?, host)?;
                plan.write_cluster(ring.context(), &Cluster { previous, current: old.next.clone(), next })?;
            }
            Rotate::Node(node) => {
                let old = ring.nodes().get(node).ok_or_else(|| missing(&format!("node `{node}`")))?;
                let previous = (!drop_previous).then(|| old.current.clone());
                let current = new_epoch(following(old.current.epoch)?, host)?;
                plan.write_node(ring.context(), node, &NodeKey { previous, current })?;
            }
            Rotate::Shared(shared) => {
                let old = ring.shared().get(shared).ok_or_else(|| missing(shared.name()))?;
                plan.write_shared(ring.context(), *shared, &new_epoch(following(old.epoch)?, host)?)?;
            }
        }
        Ok(plan)
    }

    /// Writes and removes; each file whole or not at all.
    ///
    /// # Errors
    /// Stops at the first file that cannot be written; what was written before stays and is harmless.
    pub fn apply(&self, files: &dyn Files) -> Result<(), KeysError> {
        for (name, bytes) in &self.writes {
            files.replace(name, bytes)?;
        }
        for name in &self.removes {
            files.remove(name)?;
        }
        Ok(())
    }

    /// Names of the files that are written.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.writes.iter().map(|(name, _)| name.as_str())
    }

    /// Names of the files that are removed.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.removes.iter().map(String::as_str)
    }

    fn make_central(&mut self, context: &Context, host: &dyn Host) -> Result<(), KeysError> {
        let mut keys = Vec::new();
        for usage in KeyUse::ALL {
            let entry = new_signing(*usage, 1, host)?;
            self.write_signing(context, &entry)?;
            keys.push(entry);
        }
        let cluster = Cluster { previous: None, current: new_epoch(1, host)?, next: new_epoch(2, host)? };
        self.write_cluster(context, &cluster)?;
        let signer = keys.first().ok_or_else(|| missing("policy"))?;
        let published = keys.iter().map(publish).collect();
        self.write_set(context, &signer.key, 1, host.now(), published)
    }

    fn rotate_signing(
        &mut self,
        ring: &Ring,
        usage: KeyUse,
        drop: bool,
        host: &dyn Host,
    ) -> Result<(), KeysError> {
        let (set, signer) = match (ring.key_set(), ring.signing(KeyUse::Policy)) {
            (Some(set), Some(signer)) => (set, signer),
            _ => return Err(missing("policy")),
        };
        let old = || ring.signing_keys().iter().filter(|entry| entry.usage == usage);
        let youngest = old().next_back().ok_or_else(|| missing(usage.name()))?;
        let in_use = ring.is_published(&youngest.key.key_id());
        let fresh =
            if in_use { Some(new_signing(usage, following(youngest.generation)?, host)?) } else { None };
        let entry = fresh.as_ref().unwrap_or(youngest);
        if fresh.is_some() {
            self.write_signing(ring.context(), entry)?;
        }
        let kept = set.keys.iter().filter(|key| key.usage != usage || !drop).cloned();
        let keys: Vec<PublishedKey> = kept.chain([publish(entry)]).collect();
        self.write_set(ring.context(), &signer.key, set.version + 1, host.now(), keys)?;
        if drop {
            let gone = old().filter(|other| other.generation != entry.generation);
            self.removes.extend(gone.map(|other| file::signing_name(usage, other.generation)));
        }
        Ok(())
    }

    fn write_signing(&mut self, context: &Context, entry: &SigningEntry) -> Result<(), KeysError> {
        let body = SigningFile {
            generation: entry.generation,
            created_ms: entry.created.as_ms(),
            public: glacis_seal::text::base64url(&entry.key.public().0),
            secret: Hidden::of(entry.key.scalar()),
        };
        self.writes.push((file::signing_name(entry.usage, entry.generation), file::write(body, context)?));
        Ok(())
    }

    fn write_cluster(&mut self, context: &Context, cluster: &Cluster) -> Result<(), KeysError> {
        let previous = cluster.previous.as_ref().map(epoch_file);
        let body =
            ClusterFile { previous, current: epoch_file(&cluster.current), next: epoch_file(&cluster.next) };
        self.writes.push((CLUSTER_NAME.to_owned(), file::write(body, context)?));
        Ok(())
    }

    fn write_node(&mut self, context: &Context, node: &NodeName, key: &NodeKey) -> Result<(), KeysError> {
        let previous = key.previous.as_ref().map(epoch_file);
        let body = NodeFile { node: node.as_str().to_owned(), previous, current: epoch_file(&key.current) };
        self.writes.push((file::node_name(node), file::write(body, context)?));
        Ok(())
    }

    fn write_shared(&mut self, context: &Context, shared: Shared, epoch: &Epoch) -> Result<(), KeysError> {
        let body = SharedFile { current: epoch_file(epoch) };
        self.writes.push((file::shared_name(shared), file::write(body, context)?));
        Ok(())
    }

    fn write_set(
        &mut self,
        context: &Context,
        signer: &SigningKey,
        version: u64,
        issued: Timestamp,
        keys: Vec<PublishedKey>,
    ) -> Result<(), KeysError> {
        if keys.len() > KEYS_MAX {
            let what = format!(
                "the key set would hold {} keys, at most {KEYS_MAX}; use --drop-previous",
                keys.len()
            );
            return Err(KeysError::new(KeysErrorKind::Usage, what));
        }
        let (tenant, realm) = (context.tenant.clone(), context.realm);
        let set = KeySet { tenant, realm, version, issued, keys: List(keys) };
        let signed = sign_envelope(signer, context, Purpose::KeySet, &set)?;
        let body = KeySetFile { version, signed: file::signed_text(&signed)? };
        self.writes.push((file::key_set_name(version), file::write(body, context)?));
        Ok(())
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.written().chain(self.removed())).finish()
    }
}

fn new_signing(usage: KeyUse, generation: u32, host: &dyn Host) -> Result<SigningEntry, KeysError> {
    let key = SigningKey::generate(|out| host.fill(out))?;
    Ok(SigningEntry { usage, generation, created: host.now(), key })
}

fn new_epoch(epoch: u32, host: &dyn Host) -> Result<Epoch, KeysError> {
    Ok(Epoch { epoch, created: host.now(), secret: Secret::generate(|out| host.fill(out))? })
}

fn epoch_file(epoch: &Epoch) -> EpochFile {
    EpochFile::new(epoch.epoch, epoch.created, &epoch.secret)
}

fn publish(entry: &SigningEntry) -> PublishedKey {
    let key = entry.key.public();
    PublishedKey { id: key_id(&key), usage: entry.usage, key }
}

fn following(number: u32) -> Result<u32, KeysError> {
    number.checked_add(1).ok_or_else(|| KeysError::new(KeysErrorKind::Failed, "no further generation"))
}

fn missing(what: &str) -> KeysError {
    KeysError::new(KeysErrorKind::Missing, format!("no {what} key here; `keys make` makes one"))
}

/// LIMIT: keys of one key set; the bound of [`KeySet`] on the wire.
const KEYS_MAX: usize = 32;
