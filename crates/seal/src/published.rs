//! What a receiver accepts from the cloud: pure, one function for device and edge (invariant 4).
//!
//! Trust starts from a pinned [`KeySet`]. Each further set is signed by a policy key of the one before and counts
//! up by one; a bundle or feed is signed by a key of the newest set that may sign it. Nothing goes backwards:
//! an older version is refused, and so is the same version with another content. An absent signature has no
//! representation; a wrong one is refused.

use crate::context::{Context, Purpose};
use crate::envelope::open_envelope;
use crate::error::SealError;
use crate::hash::sha256;
use crate::key::{check_public, key_id};
use glacis_wire::limits::BUNDLE_BYTES_MAX;
use glacis_wire::message::Signed;
use glacis_wire::message::policy::{Bundle, Feed, KeySet, KeyUse, Published, PublishedKey};
use glacis_wire::verdict::Zone;
use glacis_wire::{Decode, Digest, Encode, KeyId, Realm, TenantId};

/// What a receiver holds now.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The newest key set; at first the pinned one.
    pub key_set: KeySet,
    /// The newest bundle; none at first.
    pub bundle: Option<BundleMark>,
}

/// Enough of a bundle to refuse an older or another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BundleMark {
    /// Its version.
    pub version: u64,
    /// SHA-256 of its encoded body.
    pub digest: Digest,
}

/// What a receiver may put in place of what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// What to hold from now on; to be stored durably before the bundle is used.
    pub held: Held,
    /// The bundle.
    pub bundle: Bundle,
    /// Whether anything differs from before.
    pub news: bool,
}

/// Why a publication was refused. Whatever it is, the receiver keeps what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishedError {
    /// Signed by no key in force for this use.
    #[error("signed by no key in force for this use")]
    UnknownKey,
    /// The signature is wrong, or the signed bytes are not the message they should be.
    #[error("{0}")]
    Seal(#[from] SealError),
    /// For another tenant.
    #[error("made for another tenant")]
    Tenant,
    /// For the other realm.
    #[error("made for another realm")]
    Realm,
    /// For another zone.
    #[error("made for another zone")]
    Zone,
    /// Older than what is held.
    #[error("version {offered} is older than version {held}")]
    Older {
        /// What was offered.
        offered: u64,
        /// What is held.
        held: u64,
    },
    /// A key set is missing between what is held and what was offered.
    #[error("key set {offered} does not follow key set {held}")]
    Gap {
        /// What was offered.
        offered: u64,
        /// What is held.
        held: u64,
    },
    /// The held version with another content: somebody signed twice.
    #[error("version {0} again, with another content")]
    Conflict(u64),
    /// A key set that names no policy key, names a key wrongly or twice, or holds something that is no key.
    #[error("key set is not well formed")]
    KeySet,
    /// Longer than a publication may be.
    #[error("over the size limit")]
    TooLarge,
}

/// Decides about a publication for `zone`; changes nothing.
pub fn accept(
    held: &Held,
    context: &Context,
    zone: Zone,
    published: &Published,
) -> Result<Accepted, PublishedError> {
    let mut key_set = held.key_set.clone();
    for signed in published.key_sets.iter() {
        key_set = next_key_set(&key_set, context, signed)?;
    }
    let signed = &published.bundle;
    let bundle: Bundle = open_signed(&key_set, KeyUse::Policy, context, Purpose::Bundle, signed)?;
    check_scope(context, &bundle.tenant, bundle.realm)?;
    if bundle.zone != zone {
        return Err(PublishedError::Zone);
    }
    let mark = BundleMark { version: bundle.version, digest: sha256(&signed.body) };
    match held.bundle {
        Some(old) if mark.version < old.version => {
            return Err(PublishedError::Older { offered: mark.version, held: old.version });
        }
        Some(old) if mark.version == old.version && mark.digest != old.digest => {
            return Err(PublishedError::Conflict(mark.version));
        }
        _ => {}
    }
    let held_now = Held { key_set, bundle: Some(mark) };
    Ok(Accepted { news: held_now != *held, held: held_now, bundle })
}

/// [`accept`] for bytes as received.
pub fn accept_bytes(
    held: &Held,
    context: &Context,
    zone: Zone,
    bytes: &[u8],
) -> Result<Accepted, PublishedError> {
    if bytes.len() > PUBLISHED_BYTES_MAX {
        return Err(PublishedError::TooLarge);
    }
    let published = Published::from_bytes(bytes).map_err(SealError::Decode)?;
    accept(held, context, zone, &published)
}

/// Decides about a feed. The held version again is accepted if it is the newest; its freshness (`issued`) is the
/// caller's to judge.
pub fn accept_feed(
    key_set: &KeySet,
    context: &Context,
    held_version: Option<u64>,
    signed: &Signed,
) -> Result<Feed, PublishedError> {
    let feed: Feed = open_signed(key_set, KeyUse::Feed, context, Purpose::Feed, signed)?;
    check_scope(context, &feed.tenant, feed.realm)?;
    match held_version {
        Some(held) if feed.version < held => Err(PublishedError::Older { offered: feed.version, held }),
        _ => Ok(feed),
    }
}

/// Opens what a published key of the right use signed: certificates, results, grants, bundles, feeds.
pub fn open_signed<T: Decode>(
    key_set: &KeySet,
    usage: KeyUse,
    context: &Context,
    purpose: Purpose,
    signed: &Signed,
) -> Result<T, PublishedError> {
    let key = find_key(key_set, signed.key, usage).ok_or(PublishedError::UnknownKey)?;
    Ok(open_envelope(signed, context, purpose, &key.key)?)
}

/// The key of this id, if it may be used so.
pub fn find_key(key_set: &KeySet, id: KeyId, usage: KeyUse) -> Option<&PublishedKey> {
    key_set.keys.iter().find(|key| key.id == id && key.usage == usage)
}

/// Checks a key set that is to be pinned, or was just received.
pub fn check_key_set(key_set: &KeySet, context: &Context) -> Result<(), PublishedError> {
    check_scope(context, &key_set.tenant, key_set.realm)?;
    let named = key_set.keys.iter().all(|key| key.id == key_id(&key.key) && check_public(&key.key).is_ok());
    let once = key_set
        .keys
        .iter()
        .enumerate()
        .all(|(at, key)| key_set.keys.iter().skip(at + 1).all(|o| o.id != key.id));
    let governed = key_set.keys.iter().any(|key| key.usage == KeyUse::Policy);
    if named && once && governed { Ok(()) } else { Err(PublishedError::KeySet) }
}

/// What people compare: SHA-256 of the encoded key set.
pub fn fingerprint(key_set: &KeySet) -> Result<Digest, SealError> {
    Ok(sha256(&key_set.to_bytes()?))
}

fn next_key_set(held: &KeySet, context: &Context, signed: &Signed) -> Result<KeySet, PublishedError> {
    // A peer that does not know what we hold sends the newest again; that changes nothing and needs no signature.
    if KeySet::from_bytes(&signed.body).is_ok_and(|offered| offered == *held) {
        return Ok(held.clone());
    }
    let offered: KeySet = open_signed(held, KeyUse::Policy, context, Purpose::KeySet, signed)?;
    check_key_set(&offered, context)?;
    let versions = (offered.version, held.version);
    match versions {
        (offered, held) if offered < held => Err(PublishedError::Older { offered, held }),
        (offered, held) if offered == held => Err(PublishedError::Conflict(held)),
        (new, old) if old.checked_add(1) == Some(new) => Ok(offered),
        (offered, held) => Err(PublishedError::Gap { offered, held }),
    }
}

fn check_scope(context: &Context, tenant: &TenantId, realm: Realm) -> Result<(), PublishedError> {
    if *tenant != context.tenant {
        return Err(PublishedError::Tenant);
    }
    if realm != context.realm { Err(PublishedError::Realm) } else { Ok(()) }
}

/// Longest publication that is read. Unit: bytes: one bundle and 32 key sets, with envelopes.
pub const PUBLISHED_BYTES_MAX: usize = BUNDLE_BYTES_MAX + (256 << 10);
