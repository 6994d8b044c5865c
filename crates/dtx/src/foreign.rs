//! Keys in a store that the platform serves through callbacks: Android Keystore and StrongBox, the Secure Enclave.
//!
//! An app's language implements [`ForeignKeys`]; everything else is here. A callback is not trusted to return (each has
//! a deadline, on a thread of its own), to return at all (a panic is an error), or to tell the truth (the ring checks
//! points, refuses a key that it has already, and checks each signature). A callback that does not return keeps its
//! thread; after [`STUCK_MAX`] of them nothing is asked any more.
//!
//! What the store is worth is the [`ForeignClaim`] that comes with it. It counts as attested only if the platform gives
//! native evidence, and then a verifier decides; else it is the app's word and rests on nothing.

mod call;
mod form;

use crate::custody::{Custody, CustodyError, CustodyErrorKind, Generated, Habits, KeyTag, Stored};
use crate::keys::{KeyError, UserVerification};
use crate::protection::{Basis, Protection, Uniqueness};
use crate::ring::KeyRing;
use crate::role::KeyOptions;
use crate::vault::Vault;
use call::Caller;
pub use call::{Deadlines, STUCK_MAX};
use glacis_wire::limits::EVIDENCE_BYTES_MAX;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Signature, Text};
use glacis_wire::{Digest, Tier};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zeroize::Zeroizing;

/// What a platform implements. Every key is named by an alias, a text of 39 plain characters that was never used before.
///
/// Calls come from threads of their own, also at the same time. A call that takes longer than its deadline is given up:
/// its result is thrown away, and what it made is deleted later.
pub trait ForeignKeys: Send + Sync {
    /// Makes a P-256 key that cannot be exported, and returns its public key: the uncompressed point (65 bytes), or the
    /// `SubjectPublicKeyInfo` around it. Where `user_verification` is set, every use must ask the user.
    ///
    /// `challenge` is what native evidence about this key is to be over, on platforms that attest a key when they make
    /// it; others ignore it.
    fn generate(
        &self,
        alias: &str,
        user_verification: bool,
        challenge: Option<&[u8]>,
    ) -> Result<Vec<u8>, ForeignError>;

    /// Signs a SHA-256 digest, without hashing it again (`NONEwithECDSA`, `ecdsaSignatureDigestX962SHA256`): r ‖ s, or
    /// as DER. `user_verification` tells that the user is to be asked.
    fn sign(&self, alias: &str, digest: &[u8; 32], user_verification: bool) -> Result<Vec<u8>, ForeignError>;

    /// Deletes a key. None of this name is [`ForeignError::Missing`].
    fn delete(&self, alias: &str) -> Result<(), ForeignError>;

    /// Native evidence about a key, with the name of its family; `None` where the platform has none. A platform that
    /// attested the key when it made it returns that, if it was over the same challenge.
    fn attest(&self, alias: &str, challenge: &[u8]) -> Result<Option<(String, Vec<u8>)>, ForeignError>;
}

/// What whoever brings the store says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForeignClaim {
    /// The best tier that its keys can support.
    pub tier: Tier,
    /// Whether it asks the user itself.
    pub verifies_user: bool,
    /// What one key says about one device.
    pub uniqueness: Uniqueness,
    /// Whether it gives native evidence.
    pub attests: bool,
}

/// What an exception of the platform means.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignError {
    /// There is no key of this name, or the platform made it unusable (a new fingerprint, a new screen lock).
    #[error("no such key")]
    Missing,
    /// The user declined, or was not recognised.
    #[error("the user refused")]
    Refused,
    /// The platform asks no user any more: too many were not recognised.
    #[error("locked")]
    Locked,
    /// The platform has no such store.
    #[error("unavailable")]
    Unavailable,
    /// The platform cannot do this.
    #[error("unsupported")]
    Unsupported,
    /// Anything else, in the platform's words. No secret.
    #[error("{0}")]
    Failed(String),
}

/// Signing keys of a platform, with their roles and limits in one record of a [`Vault`].
pub type ForeignKeyStore = KeyRing<ForeignCustody>;

impl ForeignKeyStore {
    /// Takes up the keys that the vault knows of.
    pub fn open(
        vault: Arc<Vault>,
        keys: Arc<dyn ForeignKeys>,
        claim: ForeignClaim,
        deadlines: Deadlines,
    ) -> Result<Self, KeyError> {
        Self::over(
            vault,
            ForeignCustody { caller: Caller::new(keys, deadlines), claim, coming: Arc::default() },
        )
    }
}

/// The back end `foreign`.
pub struct ForeignCustody {
    caller: Caller,
    claim: ForeignClaim,
    /// Aliases under which a key may still appear.
    coming: Arc<Mutex<BTreeSet<KeyTag>>>,
}

/// Takes an alias off the list when the call under it has ended, however it did.
struct Coming {
    tag: KeyTag,
    list: Arc<Mutex<BTreeSet<KeyTag>>>,
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.tag);
    }
}

/// The name of one key on the platform.
#[derive(Debug)]
pub struct ForeignKey {
    alias: String,
    user_verification: bool,
}

impl ForeignCustody {
    fn coming(&self) -> MutexGuard<'_, BTreeSet<KeyTag>> {
        // Each change is one call on the set.
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(
        &self,
        tag: &KeyTag,
        options: &KeyOptions,
        challenge: Option<&[u8]>,
    ) -> Result<Generated, KeyError> {
        let (alias, asks) = (alias(tag), options.user_verification);
        let challenge = challenge.map(<[u8]>::to_vec);
        self.coming().insert(*tag);
        let coming = Coming { tag: *tag, list: Arc::clone(&self.coming) };
        let late = alias.clone();
        // The user may have to unlock the device first.
        let made = self.caller.call_or(
            asks,
            move |keys| keys.generate(&alias, asks, challenge.as_deref()),
            move |keys| {
                // What cannot be deleted here is deleted by the next store: the ring has it on its list.
                let _now_or_later = keys.delete(&late);
                drop(coming);
            },
        );
        if made.as_ref().err().is_none_or(|error| error.kind() != CustodyErrorKind::Late) {
            self.coming().remove(tag);
        }
        let public = form::point(&made?).ok_or_else(|| lied("no public key of the curve P-256"))?;
        Ok(Generated { public, handle: Zeroizing::new(Vec::new()) })
    }
}

impl Custody for ForeignCustody {
    type Key = ForeignKey;

    fn name(&self) -> &'static str {
        NAME
    }

    fn protection(&self) -> Protection {
        let ForeignClaim { tier, verifies_user, uniqueness, attests } = self.claim;
        let basis = if attests { Basis::Attested } else { Basis::Nothing };
        Protection { tier, exportable: tier < Tier::Hardware, verifies_user, uniqueness, basis }
    }

    fn habits(&self) -> Habits {
        Habits { outside: true, checked: true }
    }

    fn generate(&self, tag: &KeyTag, options: &KeyOptions) -> Result<Generated, KeyError> {
        self.made(tag, options, None)
    }

    fn generate_over(
        &self,
        tag: &KeyTag,
        options: &KeyOptions,
        challenge: &[u8],
    ) -> Result<Generated, KeyError> {
        self.made(tag, options, Some(challenge))
    }

    fn load(&self, stored: &Stored<'_>) -> Result<ForeignKey, KeyError> {
        Ok(ForeignKey { alias: alias(stored.tag), user_verification: stored.options.user_verification })
    }

    fn sign(
        &self,
        key: &ForeignKey,
        digest: &Digest,
        _: Option<&UserVerification>,
    ) -> Result<Signature, KeyError> {
        let (alias, asks, digest) = (key.alias.clone(), key.user_verification, *digest.as_bytes());
        let signature = self.caller.call(asks, move |keys| keys.sign(&alias, &digest, asks))?;
        form::signature(&signature).ok_or_else(|| lied("no ECDSA signature").into())
    }

    fn destroy(&self, tag: &KeyTag, _: &[u8]) -> Result<(), KeyError> {
        if self.coming().contains(tag) {
            return Err(CustodyError::new(NAME, CustodyErrorKind::Busy)
                .said("the key is still being made")
                .into());
        }
        let alias = alias(tag);
        let deleted = self.caller.call(false, move |keys| match keys.delete(&alias) {
            Err(ForeignError::Missing) => Ok(()),
            done => done,
        });
        Ok(deleted?)
    }

    fn attest(&self, key: &ForeignKey, challenge: &[u8]) -> Result<Option<Evidence>, KeyError> {
        let (alias, challenge) = (key.alias.clone(), challenge.to_vec());
        let Some((family, body)) = self.caller.call(false, move |keys| keys.attest(&alias, &challenge))?
        else {
            return Ok(None);
        };
        if family.is_empty() || family.len() > FAMILY_BYTES_MAX || body.len() > EVIDENCE_BYTES_MAX {
            return Err(lied("evidence without a family, or longer than any").into());
        }
        Ok(Some(Evidence { family: Text(family), body: Bytes(body) }))
    }
}

impl fmt::Debug for ForeignCustody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ForeignCustody({:?})", self.claim)
    }
}

fn alias(tag: &KeyTag) -> String {
    format!("glacis.{tag}")
}

fn lied(what: &str) -> CustodyError {
    CustodyError::new(NAME, CustodyErrorKind::Lied).said(what)
}

const NAME: &str = "foreign";
/// As the name of a family in [`Evidence`].
const FAMILY_BYTES_MAX: usize = 16;
