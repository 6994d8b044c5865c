//! Custody of the device's signing keys: private bytes never cross this trait.
//!
//! Device key → app key → scene key ([`Role`]). A scene key can demand a [`UserVerification`] for exactly the bytes that
//! the user was shown ("no authorisation, no signature"), have a limit of uses and an end. What ended — revoked, expired,
//! used up — refuses for ever, after every restart, until somebody renews it on purpose: nothing here makes a new key in
//! silence, and nothing uses a weaker store than the one that made the keys.

use crate::custody::CustodyError;
use crate::protection::Protection;
use crate::role::{KeyOptions, Role};
use crate::vault::VaultError;
use glacis_seal::{Context, Purpose, SealError, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{PublicKey, Signature, Signed};
use glacis_wire::{Digest, EncodeError, Timestamp};
use std::fmt;

/// Custody of the keys of one device. Implementations pass `contract::key_store`.
///
/// [`KeyRing`](crate::KeyRing) implements it over any [`Custody`](crate::Custody), which is the seam of back ends.
pub trait KeyStore: Send + Sync {
    /// The key of this role. Made if there is none, and durable before it is returned, as are the keys above it. One that
    /// is there must have the same options.
    fn create_with(&self, role: Role, options: &KeyOptions) -> Result<PublicKey, KeyError>;

    /// [`create_with`](Self::create_with) the usual options; one that is there may have others.
    fn create(&self, role: Role) -> Result<PublicKey, KeyError>;

    /// A new key in place of the old one, which is destroyed; also in place of one that ended. Uses are counted from zero.
    fn renew_with(&self, role: Role, options: &KeyOptions) -> Result<PublicKey, KeyError>;

    /// [`renew_with`](Self::renew_with) the options of the old key.
    fn renew(&self, role: Role) -> Result<PublicKey, KeyError>;

    /// [`renew`](Self::renew) over a challenge, for [evidence](Self::attest) of platforms that attest a key when they make
    /// it. On others it is a renewal.
    fn renew_over(&self, role: Role, challenge: &[u8]) -> Result<PublicKey, KeyError>;

    /// A successor of the device or app key beside it, made if there is none: it signs only as a successor until it is
    /// [promoted](Self::promote), so that each can vouch for the other.
    fn prepare(&self, role: Role) -> Result<PublicKey, KeyError>;

    /// Signs with the successor of this role.
    fn sign_as_successor(
        &self,
        role: Role,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError>;

    /// Puts the successor in place of the old key, which is destroyed.
    fn promote(&self, role: Role) -> Result<PublicKey, KeyError>;

    /// Ends this key and those below it; they are destroyed and refuse from now on.
    fn revoke(&self, role: Role) -> Result<(), KeyError>;

    /// Destroys every key. A wipe that did not end (crash, token away) leaves keys that refuse, and is ended by the next.
    fn wipe(&self) -> Result<(), KeyError>;

    /// The public key, if there is a key; an error if it ended.
    fn public(&self, role: Role) -> Result<Option<PublicKey>, KeyError>;

    /// Every key, also those that ended, in order of role.
    fn list(&self) -> Result<Vec<KeyInfo>, KeyError>;

    /// What the keys above say about this one, from the app key down; empty for the device key. See
    /// [`open_chain`](glacis_seal::chain::open_chain).
    fn chain(&self, role: Role, context: &Context) -> Result<Vec<Signed>, KeyError>;

    /// Signs purpose, context and message. Refused for a key that demands user verification.
    fn sign(
        &self,
        role: Role,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError>;

    /// Signs exactly `message`, for formats whose signed bytes a standard fixes. Refused likewise.
    fn sign_raw(&self, role: Role, message: &[u8]) -> Result<Signature, KeyError>;

    /// Signs what the user approved; the approval is used up.
    fn sign_verified(
        &self,
        role: Role,
        verification: UserVerification,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError>;

    /// Native evidence about this key over `challenge`; `None` where the store can prove nothing.
    fn attest(&self, role: Role, challenge: &[u8]) -> Result<Option<Evidence>, KeyError>;

    /// What this store can be believed to protect.
    fn protection(&self) -> Protection;
}

/// One key, as [`KeyStore::list`] shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyInfo {
    /// What it is for.
    pub role: Role,
    /// The public key.
    pub public: PublicKey,
    /// A successor that waits to be promoted.
    pub successor: Option<PublicKey>,
    /// What it may do.
    pub options: KeyOptions,
    /// Uses so far, of a key with a limit; others are not counted.
    pub uses: Option<u64>,
    /// When it was made; unknown of keys that an older version made.
    pub made: Option<Timestamp>,
    /// Why it signs no more, if that is so.
    pub ended: Option<End>,
    /// Whether the store behind still holds the private key of one that ended: it was not reachable, and will be asked
    /// again.
    pub lingers: bool,
}

/// Why a key signs no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// Somebody revoked it, or a key above it.
    Revoked,
    /// It is past its end.
    Expired,
    /// All its uses are used up.
    UsedUp,
    /// It was wiped, and the store behind could not be asked yet.
    Wiped,
}

impl End {
    /// The name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::UsedUp => "used-up",
            Self::Wiped => "wiped",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Revoked => "was revoked",
            Self::Expired => "is past its end",
            Self::UsedUp => "has no use left",
            Self::Wiped => "was wiped",
        })
    }
}

/// The user agreed to one signature over one message. Not `Clone`: an approval works once.
#[derive(Debug)]
pub struct UserVerification {
    message: Digest,
}

impl UserVerification {
    /// The *app* says that its user approved `message`; a software store has no better witness, one that
    /// [verifies the user](Protection::verifies_user) asks again itself.
    pub fn claimed_by_app(message: &[u8]) -> Self {
        Self { message: sha256(message) }
    }

    /// Whether this approval is for `message`.
    pub fn covers(&self, message: &[u8]) -> bool {
        self.message == sha256(message)
    }
}

/// Why a key operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no key of this role yet.
    #[error("there is no {0} key")]
    Missing(Role),
    /// The key refuses for ever.
    #[error("the {role} key {how}")]
    Ended {
        /// Which.
        role: Role,
        /// Why.
        how: End,
    },
    /// The key that is there has other options than those asked for.
    #[error("the {0} key is there with other options")]
    OtherOptions(Role),
    /// Only scene keys have options.
    #[error("the {0} key takes no options")]
    NoOptions(Role),
    /// There is no successor to sign with or to promote.
    #[error("the {0} key has no successor")]
    NoSuccessor(Role),
    /// Scene keys are renewed, they have no successors.
    #[error("the {0} key is renewed without a successor")]
    NoSuccession(Role),
    /// The role signs only what the user approved.
    #[error("the {0} key signs only with user verification")]
    VerificationMissing(Role),
    /// The user approved something else.
    #[error("the user approved another message")]
    VerificationMismatch,
    /// The keys of this device were made by another kind of store, which alone can use them.
    #[error("the keys of this device are in the store `{made}`, not in `{opened}`")]
    OtherCustody {
        /// The store that made them.
        made: String,
        /// The store that was to use them.
        opened: &'static str,
    },
    /// Another key store works on this vault.
    #[error("the keys are in use by another key store of this process")]
    InUse,
    /// The store behind failed, or lied.
    #[error(transparent)]
    Custody(#[from] CustodyError),
    /// The key cannot be made or used.
    #[error("key operation failed: {0}")]
    Seal(#[from] SealError),
    /// The sealed storage behind the store failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Too many scenes.
    #[error(transparent)]
    Limit(#[from] EncodeError),
}
