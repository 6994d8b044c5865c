//! The key store that a platform implements: Android Keystore and StrongBox, the Secure Enclave, or anything else.
//!
//! An implementation is four functions. Deadlines, checks of every point and signature, roles, limits and renewal are done
//! here, the same for all platforms. The feature `contract` of this crate runs the contract of key stores over one.

use std::sync::Arc;

/// What a platform implements. Every key is named by an alias that was never used before. Calls come from other threads,
/// also at the same time; one that takes longer than its deadline is given up and its result thrown away.
#[uniffi::export(with_foreign)]
pub trait PlatformKeys: Send + Sync {
    /// Makes a P-256 key that cannot be exported, and returns its public key: the uncompressed point (65 bytes) or the
    /// `SubjectPublicKeyInfo` around it. With `user_verification`, every use of it must ask the user. `challenge` is what
    /// evidence about this key is to be over, on platforms that attest a key when they make it.
    fn generate(
        &self,
        alias: String,
        user_verification: bool,
        challenge: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, KeysError>;

    /// Signs a SHA-256 digest without hashing it again: r ‖ s (64 bytes) or DER.
    fn sign(&self, alias: String, digest: Vec<u8>, user_verification: bool) -> Result<Vec<u8>, KeysError>;

    /// Deletes a key. None of this name is `Missing`.
    fn delete(&self, alias: String) -> Result<(), KeysError>;

    /// Native evidence about a key over a challenge; none where the platform has none.
    fn attest(&self, alias: String, challenge: Vec<u8>) -> Result<Option<NativeEvidence>, KeysError>;
}

/// Evidence in the platform's own form.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct NativeEvidence {
    /// The name of its family, as verifiers know it.
    pub family: String,
    /// It.
    pub body: Vec<u8>,
}

/// What an exception of the platform means. Every other exception counts as `Failed`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, uniffi::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// There is no key of this name, or the platform made it unusable.
    #[error("no such key")]
    Missing,
    /// The user declined, or was not recognised.
    #[error("the user refused")]
    Refused,
    /// The platform asks no user any more.
    #[error("locked")]
    Locked,
    /// The platform has no such store.
    #[error("unavailable")]
    Unavailable,
    /// The platform cannot do this.
    #[error("unsupported")]
    Unsupported,
    /// Anything else, in the platform's words. No secret.
    #[error("{what}")]
    Failed {
        /// What it said.
        what: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for KeysError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { what: error.reason }
    }
}

/// The best that keys of a platform can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum KeyTier {
    /// A key in software.
    Software,
    /// A key in a trusted execution environment.
    Hardware,
    /// A key in a secure element.
    Strong,
}

/// What one key says about one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum KeyUniqueness {
    /// Nothing.
    Nothing,
    /// An estimate by the platform.
    Estimate,
    /// Hardware guarantees it.
    Hardware,
}

/// What the app says about the platform's store. It rests on nothing unless the platform gives evidence, and then a
/// verifier decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct KeyClaim {
    /// The best that its keys can be.
    pub tier: KeyTier,
    /// Whether it asks the user itself.
    pub verifies_user: bool,
    /// What one key says about one device.
    pub uniqueness: KeyUniqueness,
    /// Whether it gives evidence. Then an enrolment without evidence is an error.
    pub attests: bool,
}

/// How long one call of the platform may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct KeyDeadlines {
    /// One that asks nobody.
    pub alone_ms: u32,
    /// One that asks the user.
    pub with_user_ms: u32,
}

/// A platform's store with what the app says about it.
#[derive(Clone, uniffi::Record)]
pub struct PlatformStore {
    /// The implementation.
    pub keys: Arc<dyn PlatformKeys>,
    /// What the app says about it.
    pub claim: KeyClaim,
    /// How long its calls may take; ten seconds, and two minutes for the user, unless told otherwise.
    #[uniffi(default)]
    pub deadlines: Option<KeyDeadlines>,
}

impl std::fmt::Debug for PlatformStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformStore").field("claim", &self.claim).finish_non_exhaustive()
    }
}
