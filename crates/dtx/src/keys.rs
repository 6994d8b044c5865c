//! Custody of the device's signing keys: private bytes never cross this trait.
//!
//! Two roles today: the *device* key, which names the device, and the *passkey*, a scene key that signs only
//! with a [`UserVerification`] for exactly the bytes that the user was shown ("no authorisation, no signature").

use crate::vault::VaultError;
use glacis_seal::{Context, Purpose, SealError, sha256};
use glacis_wire::message::{PublicKey, Signature};
use glacis_wire::{Digest, Tier};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Names the device; signs enrolments and session openings.
    Device,
    /// Answers challenges of the method `passkey`; every signature needs a user verification.
    Passkey,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Device, Self::Passkey];

    /// The name in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Passkey => "passkey",
        }
    }
}

/// Custody of the keys of one device. Implementations pass `contract::key_store`.
pub trait KeyStore: Send + Sync {
    /// The key of this role, made durable before it is returned if there was none.
    fn create(&self, role: Role) -> Result<PublicKey, KeyError>;

    /// A new key in place of the old one, which is destroyed.
    fn renew(&self, role: Role) -> Result<PublicKey, KeyError>;

    /// The public key, if there is a key.
    fn public(&self, role: Role) -> Result<Option<PublicKey>, KeyError>;

    /// Signs purpose, context and message. Refused for a role that demands user verification.
    fn sign(
        &self,
        role: Role,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError>;

    /// Signs exactly `message`, for formats whose signed bytes a standard fixes. Refused likewise.
    fn sign_raw(&self, role: Role, message: &[u8]) -> Result<Signature, KeyError>;

    /// Signs with the passkey what the user approved; the approval is used up.
    fn sign_verified(
        &self,
        verification: UserVerification,
        context: &Context,
        purpose: Purpose,
        message: &[u8],
    ) -> Result<Signature, KeyError>;

    /// What this store can be believed to protect.
    fn protection(&self) -> Protection;
}

/// What a key store claims of itself; believed only as far as evidence supports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The best tier that keys of this store can support.
    pub tier: Tier,
    /// Whether the private key can leave the store for someone who controls the process or its files.
    pub exportable: bool,
    /// Whether the store itself verifies the user; otherwise the app's word is taken.
    pub verifies_user: bool,
    /// What one key says about one device.
    pub uniqueness: Uniqueness,
}

/// What a back end knows about "one device, one key".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// Hardware guarantees it.
    Hardware,
    /// An estimate by the platform.
    Estimate,
    /// Nothing.
    None,
}

/// The user agreed to one signature over one message. Not `Clone`: an approval works once.
#[derive(Debug)]
pub struct UserVerification {
    message: Digest,
}

impl UserVerification {
    /// The *app* says that its user approved `message`; a software store has no better witness.
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
    #[error("there is no {} key", .0.name())]
    Missing(Role),
    /// The role signs only what the user approved.
    #[error("the {} key signs only with user verification", .0.name())]
    VerificationMissing(Role),
    /// The user approved something else.
    #[error("the user approved another message")]
    VerificationMismatch,
    /// The key cannot be made or used.
    #[error("key operation failed: {0}")]
    Seal(#[from] SealError),
    /// The sealed storage behind the store failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
