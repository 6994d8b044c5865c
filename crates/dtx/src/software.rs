//! Keys in memory, sealed at rest: the back end that every platform has, and that protects the least.
//!
//! It says so: tier `software`, exportable, the app's word for user verification, resting on nothing. Everything else
//! about it is as careful as of any other back end, since it passes the same contract. The private scalar is the handle,
//! in the ring's sealed record and nowhere else; in memory it is wiped when the store is dropped.

use crate::custody::{Custody, Generated, Habits, KeyTag, Stored};
use crate::keys::{KeyError, UserVerification};
use crate::protection::Protection;
use crate::ring::KeyRing;
use crate::role::KeyOptions;
use crate::vault::Vault;
use glacis_host::Host;
use glacis_seal::{SealError, SigningKey};
use glacis_wire::Digest;
use glacis_wire::message::Signature;
use glacis_wire::message::enrol::Evidence;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Signing keys in one record of a [`Vault`].
pub type SoftwareKeyStore = KeyRing<SoftwareCustody>;

impl SoftwareKeyStore {
    /// Loads the keys that the vault holds.
    pub fn open(vault: Arc<Vault>) -> Result<Self, KeyError> {
        let host = Arc::clone(vault.host());
        Self::over(vault, SoftwareCustody { host })
    }
}

/// The back end `software`.
pub struct SoftwareCustody {
    host: Arc<dyn Host>,
}

impl Custody for SoftwareCustody {
    type Key = SigningKey;

    fn name(&self) -> &'static str {
        "software"
    }

    fn protection(&self) -> Protection {
        Protection::SOFTWARE
    }

    fn habits(&self) -> Habits {
        Habits { outside: false, checked: false }
    }

    fn generate(&self, _: &KeyTag, _: &KeyOptions) -> Result<Generated, KeyError> {
        let key = SigningKey::generate(|out| self.host.fill(out))?;
        Ok(Generated { public: key.public(), handle: Zeroizing::new(key.scalar().expose().to_vec()) })
    }

    fn load(&self, stored: &Stored<'_>) -> Result<SigningKey, KeyError> {
        let scalar = <&[u8; 32]>::try_from(stored.handle).map_err(|_| SealError::Key)?;
        Ok(SigningKey::from_scalar(scalar)?)
    }

    fn sign(
        &self,
        key: &SigningKey,
        digest: &Digest,
        _: Option<&UserVerification>,
    ) -> Result<Signature, KeyError> {
        Ok(key.sign_digest(digest)?)
    }

    fn destroy(&self, _: &KeyTag, _: &[u8]) -> Result<(), KeyError> {
        // The record is the only place, and the ring has let go of it.
        Ok(())
    }

    fn attest(&self, _: &SigningKey, _: &[u8]) -> Result<Option<Evidence>, KeyError> {
        Ok(None)
    }
}

impl fmt::Debug for SoftwareCustody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SoftwareCustody")
    }
}
