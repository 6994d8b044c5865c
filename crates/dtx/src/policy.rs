//! Custody of the signed policy bundle: what was accepted once can only be replaced by something newer.
//!
//! The decision is [`glacis_seal::published::accept`], the same that the edge takes. This store adds durability:
//! what was accepted is sealed on disk before it is handed out, and is checked again when it is loaded.
//! Invariant 4; on software storage only against an attacker who cannot restore all its files.

use crate::vault::{Vault, VaultError};
use glacis_seal::Purpose;
use glacis_seal::published::{self, BundleMark, Held, PublishedError};
use glacis_seal::sha256;
use glacis_wire::message::Signed;
use glacis_wire::message::policy::{Bundle, KeySet, KeyUse, Published};
use glacis_wire::verdict::Zone;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use std::sync::Arc;

/// The newest key set and bundle of one zone.
#[derive(Debug)]
pub struct PolicyStore {
    vault: Arc<Vault>,
    zone: Zone,
    held: Held,
    bundle: Option<Arc<Bundle>>,
}

impl PolicyStore {
    /// Loads what was accepted before; `pinned` is the key set that the app was built with.
    ///
    /// A pinned set newer than the stored one wins: an update of the app is the other road for keys. A stored
    /// bundle that the newest set no longer vouches for is not handed out, but still bars older ones.
    pub fn open(vault: Arc<Vault>, zone: Zone, pinned: KeySet) -> Result<Self, PolicyError> {
        published::check_key_set(&pinned, vault.context())?;
        let mut store = Self { vault, zone, held: Held { key_set: pinned, bundle: None }, bundle: None };
        let Some(content) = store.vault.get(RECORD)? else { return Ok(store) };
        let stored = Stored::from_bytes(&content).map_err(|_| VaultError::Sealed(RECORD.into()))?;
        if stored.key_set.version >= store.held.key_set.version {
            store.held.key_set = stored.key_set;
        }
        store.held.bundle = Some(BundleMark { version: stored.version, digest: sha256(&stored.bundle.body) });
        let context = store.vault.context();
        let opened: Result<Bundle, PublishedError> = published::open_signed(
            &store.held.key_set,
            KeyUse::Policy,
            context,
            Purpose::Bundle,
            &stored.bundle,
        );
        store.bundle = opened.ok().filter(|bundle| bundle.zone == zone).map(Arc::new);
        Ok(store)
    }

    /// Accepts a publication or keeps what it has; durable before it is visible.
    pub fn accept(&mut self, published: &Published) -> Result<Arc<Bundle>, PolicyError> {
        let accepted = published::accept(&self.held, self.vault.context(), self.zone, published)?;
        match (&self.bundle, accepted.news) {
            (Some(bundle), false) => Ok(Arc::clone(bundle)),
            _ => {
                let stored = Stored {
                    key_set: accepted.held.key_set.clone(),
                    version: accepted.bundle.version,
                    bundle: published.bundle.clone(),
                };
                self.vault.put(RECORD, &stored.to_bytes()?)?;
                self.held = accepted.held;
                let bundle = Arc::new(accepted.bundle);
                self.bundle = Some(Arc::clone(&bundle));
                Ok(bundle)
            }
        }
    }

    /// [`accept`](Self::accept) for bytes as received.
    pub fn accept_bytes(&mut self, bytes: &[u8]) -> Result<Arc<Bundle>, PolicyError> {
        if bytes.len() > published::PUBLISHED_BYTES_MAX {
            return Err(PublishedError::TooLarge.into());
        }
        let published = Published::from_bytes(bytes).map_err(glacis_seal::SealError::Decode);
        self.accept(&published.map_err(PublishedError::Seal)?)
    }

    /// The bundle in force, if any was ever accepted.
    pub fn bundle(&self) -> Option<Arc<Bundle>> {
        self.bundle.clone()
    }

    /// The key set in force.
    pub const fn key_set(&self) -> &KeySet {
        &self.held.key_set
    }

    /// What is held, for a pull's `?keys=N` and for status output.
    pub const fn held(&self) -> &Held {
        &self.held
    }
}

struct Stored {
    key_set: KeySet,
    version: u64,
    bundle: Signed,
}

impl Encode for Stored {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.key_set.encode(out)?;
        self.version.encode(out)?;
        self.bundle.encode(out)
    }
}

impl Decode for Stored {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            key_set: Decode::decode(input)?,
            version: Decode::decode(input)?,
            bundle: Decode::decode(input)?,
        })
    }
}

/// Why a publication was not taken. What was held before stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is not acceptable.
    #[error("publication refused: {0}")]
    Refused(#[from] PublishedError),
    /// It could not be stored.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It could not be stored: over a limit.
    #[error(transparent)]
    Limit(#[from] EncodeError),
}

const RECORD: &str = "policy";
