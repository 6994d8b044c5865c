//! What a ring keeps: its keys in one sealed record, the uses of limited keys in another.
//!
//! Uses are apart because each use writes them: the record with the keys, which in software holds the private ones, is
//! written only when a key is made or ends. Version 1 of the keys' record (before there were scenes) is read, too; its
//! first byte is a role, and so is no version of this one.

use crate::custody::{HANDLE_BYTES_MAX, KeyTag, Stored};
use crate::keys::End;
use crate::role::{KeyOptions, Role};
use crate::vault::{Vault, VaultError};
use glacis_seal::{SigningKey, sha256};
use glacis_wire::message::PublicKey;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Timestamp, Writer};
use std::collections::BTreeMap;
use zeroize::{Zeroize, Zeroizing};

/// One key.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) role: Role,
    pub(super) place: Place,
    pub(super) tag: KeyTag,
    /// [`UNMADE`] while the key is being made.
    pub(super) public: PublicKey,
    pub(super) handle: Zeroizing<Vec<u8>>,
    pub(super) options: KeyOptions,
    pub(super) made: Option<Timestamp>,
    pub(super) ended: Option<End>,
    /// Whether the private key is still somewhere.
    pub(super) held: bool,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the key of its role.
    Current,
    /// It is to be the key of its role.
    Next,
    /// It has no role any more, or none yet; it is here to be destroyed if nothing else comes.
    Doomed,
}

impl Entry {
    /// As the back end sees it.
    pub(super) fn stored(&self) -> Stored<'_> {
        Stored { tag: &self.tag, public: &self.public, handle: &self.handle, options: &self.options }
    }

    /// Whether its private key is to be destroyed.
    pub(super) const fn is_doomed(&self) -> bool {
        self.held && (self.ended.is_some() || matches!(self.place, Place::Doomed))
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.role.encode(out)?;
        out.u8(match self.place {
            Place::Current => 1,
            Place::Next => 2,
            Place::Doomed => 3,
        });
        out.raw(&self.tag.0);
        self.public.encode(out)?;
        out.bytes("key handle", &self.handle, HANDLE_BYTES_MAX)?;
        self.options.encode(out)?;
        self.made.encode(out)?;
        out.u8(match self.ended {
            None => 0,
            Some(End::Revoked) => 1,
            Some(End::Expired) => 2,
            Some(End::UsedUp) => 3,
            Some(End::Wiped) => 4,
        });
        self.held.encode(out)
    }
}

impl Decode for Entry {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let role = Role::decode(input)?;
        let at = input.invalid("place of a key");
        let place = match input.u8()? {
            1 => Place::Current,
            2 => Place::Next,
            3 => Place::Doomed,
            _ => return Err(at),
        };
        let (tag, public) = (KeyTag(input.array()?), Decode::decode(input)?);
        let handle = Zeroizing::new(input.bytes("key handle", HANDLE_BYTES_MAX)?.to_vec());
        let (options, made) = (Decode::decode(input)?, Decode::decode(input)?);
        let at = input.invalid("end of a key");
        let ended = match input.u8()? {
            0 => None,
            1 => Some(End::Revoked),
            2 => Some(End::Expired),
            3 => Some(End::UsedUp),
            4 => Some(End::Wiped),
            _ => return Err(at),
        };
        Ok(Self { role, place, tag, public, handle, options, made, ended, held: Decode::decode(input)? })
    }
}

/// Stands for the public key of one that is being made: no point of the curve, but of the form of one.
pub(super) const UNMADE: PublicKey = {
    let mut bytes = [0; PublicKey::LEN];
    let [first, ..] = &mut bytes;
    *first = 4;
    PublicKey(bytes)
};

/// The keys' record.
pub(super) struct Kept {
    /// The kind of store that made the keys.
    pub(super) custody: String,
    pub(super) entries: Vec<Entry>,
}

impl Kept {
    /// What is there; `None` where no key was ever made.
    pub(super) fn load(vault: &Vault) -> Result<Option<Self>, VaultError> {
        let Some(content) = vault.get(KEYS)?.map(Zeroizing::new) else { return Ok(None) };
        let parsed = match content.first() {
            Some(&VERSION) => Self::parse(&content).ok(),
            _ => first_version(&content),
        };
        parsed.map(Some).ok_or_else(|| VaultError::Sealed(KEYS.into()))
    }

    /// Stores it; durable on return.
    pub(super) fn store(&self, vault: &Vault) -> Result<(), StoreError> {
        if self.entries.len() > KEYS_MAX {
            return Err(EncodeError { what: "keys of a device", limit: KEYS_MAX }.into());
        }
        // With room for all of it, so that growing leaves no copy of a key behind.
        let room: usize = self.entries.iter().map(|entry| ENTRY_BYTES + entry.handle.len()).sum();
        let mut out = Writer::with_capacity(room + ENTRY_BYTES);
        out.u8(VERSION);
        let encoded = out
            .str("custody", &self.custody, CUSTODY_BYTES_MAX)
            .and_then(|()| out.list("keys of a device", &self.entries, KEYS_MAX));
        let mut content = out.into_bytes();
        let stored = encoded.map_err(StoreError::from).and_then(|()| Ok(vault.put(KEYS, &content)?));
        content.zeroize();
        stored
    }

    fn parse(content: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(content);
        input.u8()?;
        let custody = input.string("custody", CUSTODY_BYTES_MAX)?;
        let entries = input.list("keys of a device", KEYS_MAX)?;
        input.finish()?;
        Ok(Self { custody, entries })
    }
}

/// Roles and scalars, one behind the other: what was written before keys had options.
fn first_version(content: &[u8]) -> Option<Kept> {
    let mut entries = Vec::new();
    let mut input = Reader::new(content);
    while input.remaining() > 0 {
        let role = match input.u8().ok()? {
            1 => Role::Device,
            2 => Role::PASSKEY,
            _ => return None,
        };
        let scalar = glacis_seal::Secret::new(input.array().ok()?);
        let public = SigningKey::from_scalar(scalar.expose()).ok()?.public();
        let digest = sha256(&public.0);
        entries.push(Entry {
            role,
            place: Place::Current,
            tag: KeyTag(*digest.as_bytes().first_chunk()?),
            public,
            handle: Zeroizing::new(scalar.expose().to_vec()),
            options: role.usual_options(),
            made: None,
            ended: None,
            held: true,
        });
    }
    Some(Kept { custody: "software".to_owned(), entries })
}

/// Uses of keys with a limit.
#[derive(Clone, Default)]
pub(super) struct Uses(pub(super) BTreeMap<KeyTag, u64>);

impl Uses {
    /// What is there.
    pub(super) fn load(vault: &Vault) -> Result<Self, VaultError> {
        let Some(content) = vault.get(USES)? else { return Ok(Self::default()) };
        let parsed = || -> Result<Self, DecodeError> {
            let mut input = Reader::new(&content);
            let counts = input.list::<Count>("uses of keys", KEYS_MAX)?;
            input.finish()?;
            Ok(Self(counts.into_iter().map(|Count(tag, count)| (tag, count)).collect()))
        };
        parsed().map_err(|_| VaultError::Sealed(USES.into()))
    }

    /// Stores it; durable on return.
    pub(super) fn store(&self, vault: &Vault) -> Result<(), StoreError> {
        let counts: Vec<_> = self.0.iter().map(|(tag, count)| Count(*tag, *count)).collect();
        let mut out = Writer::new();
        out.list("uses of keys", &counts, KEYS_MAX)?;
        Ok(vault.put(USES, out.as_bytes())?)
    }
}

struct Count(KeyTag, u64);

impl Encode for Count {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.raw(&self.0.0);
        self.1.encode(out)
    }
}

impl Decode for Count {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(KeyTag(input.array()?), Decode::decode(input)?))
    }
}

/// Why a record was not stored.
pub(super) type StoreError = crate::keys::KeyError;

const KEYS: &str = "keys";
const USES: &str = "key-uses";
/// First byte of the keys' record.
const VERSION: u8 = 0x10;
/// Most keys of one device, successors and those that wait to be destroyed among them.
pub(super) const KEYS_MAX: usize = 128;
const CUSTODY_BYTES_MAX: usize = 16;
/// Room for an entry without its handle.
const ENTRY_BYTES: usize = 192;
