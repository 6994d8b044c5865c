//! Keys in a PKCS#11 token: made inside, never extractable, found again by a random id.
//!
//! The module is a library that is loaded by its path when a key is first needed, and not before: a program with this back
//! end starts without any module. What the module is worth only the operator knows, so the tier is what the configuration
//! [declares](Pkcs11Config::tier), and the claim rests on that; a token's own flags (`hardware`, `sensitive`) are checked
//! but raise nothing. Tokens know no user verification that could be believed: with a PIN from a file, the PIN opens the
//! token and says nothing of a user.
//!
//! A module runs inside this process: it can read its memory, block it and end it. Only a process of its own would keep it
//! out (`p11-kit server` is one).

mod pin;
mod token;
mod uri;

use crate::custody::{Custody, Generated, Habits, KeyTag, Stored};
use crate::keys::{KeyError, UserVerification};
use crate::protection::{Basis, Protection, Uniqueness};
use crate::ring::KeyRing;
use crate::role::KeyOptions;
use crate::vault::Vault;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{PublicKey, Signature};
use glacis_wire::{Digest, Tier};
pub use pin::PinSource;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use token::Token;
pub use uri::UriError;
use zeroize::Zeroizing;

/// Where the token is, how it is opened, and what its operator says it is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Config {
    /// The module.
    pub module: PathBuf,
    /// The token in it.
    pub token: TokenName,
    /// Where the PIN comes from; none means that the token asks for it itself, or needs none.
    pub pin: Option<PinSource>,
    /// What the operator declares.
    pub tier: Tier,
}

/// How a token is found. More than one that fits is an error, never a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenName {
    /// By the label that it was given.
    Label(String),
    /// By the serial number that its maker gave it.
    Serial(String),
    /// By the number of its slot, which may change when tokens come and go.
    Slot(u64),
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label(label) => write!(f, "token `{label}`"),
            Self::Serial(serial) => write!(f, "token with serial number `{serial}`"),
            Self::Slot(slot) => write!(f, "slot {slot}"),
        }
    }
}

/// Signing keys in a token, with their roles and limits in one record of a [`Vault`].
pub type Pkcs11KeyStore = KeyRing<Pkcs11Custody>;

impl Pkcs11KeyStore {
    /// Takes up the keys that the vault knows of. The token is asked when a key is first used.
    pub fn open(vault: Arc<Vault>, config: Pkcs11Config) -> Result<Self, KeyError> {
        let token = Token::new(Arc::clone(&vault), config);
        Self::over(vault, Pkcs11Custody { token })
    }
}

/// The back end `pkcs11`.
pub struct Pkcs11Custody {
    token: Token,
}

impl Pkcs11Custody {
    /// Opens the token now: whether module, token and PIN are right.
    ///
    /// # Errors
    /// If they are not; each has a kind of its own.
    pub fn check(&self) -> Result<(), KeyError> {
        self.token.check()
    }
}

/// One key of a token.
#[derive(Debug)]
pub struct Pkcs11Key {
    tag: KeyTag,
}

impl Custody for Pkcs11Custody {
    type Key = Pkcs11Key;

    fn name(&self) -> &'static str {
        NAME
    }

    fn protection(&self) -> Protection {
        let tier = self.token.config().tier;
        Protection {
            tier,
            // What a token in software holds is in files that somebody can take.
            exportable: tier < Tier::Hardware,
            verifies_user: false,
            uniqueness: Uniqueness::None,
            basis: Basis::Declared,
        }
    }

    fn habits(&self) -> Habits {
        Habits { outside: true, checked: true }
    }

    fn generate(&self, tag: &KeyTag, _: &KeyOptions) -> Result<Generated, KeyError> {
        let point = self.token.generate(tag)?;
        Ok(Generated { public: PublicKey(point), handle: Zeroizing::new(Vec::new()) })
    }

    fn load(&self, stored: &Stored<'_>) -> Result<Pkcs11Key, KeyError> {
        Ok(Pkcs11Key { tag: *stored.tag })
    }

    fn sign(
        &self,
        key: &Pkcs11Key,
        digest: &Digest,
        _: Option<&UserVerification>,
    ) -> Result<Signature, KeyError> {
        self.token.sign(&key.tag, digest)
    }

    fn destroy(&self, tag: &KeyTag, _: &[u8]) -> Result<(), KeyError> {
        self.token.destroy(tag)
    }

    fn attest(&self, _: &Pkcs11Key, _: &[u8]) -> Result<Option<Evidence>, KeyError> {
        Ok(None)
    }
}

impl fmt::Debug for Pkcs11Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Custody({:?})", self.token.config())
    }
}

const NAME: &str = "pkcs11";
