//! The back end `tpm2`: keys of roles live in the chip, and the ring keeps them in the chip's wrapping.
//!
//! What it claims: the private key was made in the chip and cannot leave it (tier at least `hardware`). Where the chip
//! carries its maker's certificate a verifier can check that, and beside it how the machine booted: such keys can support
//! `strong`, and one chip stands for one device. Without a certificate the same is true but nobody can check it, and the
//! claim rests on nothing. The chip knows no user: approvals are the app's word.

use super::device::DeviceTpm;
use super::error::{TpmError, TpmFault};
use super::evidence::Measured;
use super::key::{KeyUse, TpmKey};
use crate::custody::{Custody, CustodyError, CustodyErrorKind, Generated, Habits, KeyTag, Stored};
use crate::keys::{KeyError, UserVerification};
use crate::protection::{Basis, Protection, Uniqueness};
use crate::ring::KeyRing;
use crate::role::KeyOptions;
use glacis_host::TpmLinkErrorKind;
use glacis_wire::message::Signature;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::{Digest, Tier};
use std::fmt;
use std::sync::Arc;

/// Keys of one device in its TPM; [`DeviceTpm::key_store`] opens it.
pub type Tpm2KeyStore = KeyRing<TpmCustody>;

/// The back end `tpm2`.
pub struct TpmCustody {
    device: Arc<DeviceTpm>,
}

impl TpmCustody {
    pub(super) const fn new(device: Arc<DeviceTpm>) -> Self {
        Self { device }
    }
}

impl Custody for TpmCustody {
    type Key = Arc<TpmKey>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn protection(&self) -> Protection {
        let (tier, uniqueness, basis) = if self.device.is_certified() {
            (Tier::Strong, Uniqueness::Hardware, Basis::Attested)
        } else {
            (Tier::Hardware, Uniqueness::None, Basis::Nothing)
        };
        Protection { tier, exportable: false, verifies_user: false, uniqueness, basis }
    }

    fn habits(&self) -> Habits {
        Habits { outside: false, checked: true }
    }

    fn generate(&self, _: &KeyTag, _: &KeyOptions) -> Result<Generated, KeyError> {
        let key = Arc::new(self.device.chip().create_key(KeyUse::Signing).map_err(|error| said(&error))?);
        let handle = key.to_bytes().map_err(|error| said(&error))?;
        Ok(Generated { public: key.point(), handle })
    }

    fn load(&self, stored: &Stored<'_>) -> Result<Arc<TpmKey>, KeyError> {
        let lost = || CustodyError::new(NAME, CustodyErrorKind::KeyLost);
        let key = TpmKey::from_bytes(stored.handle).map_err(|error| lost().said(error.to_string()))?;
        if key.point() != *stored.public || key.usage() != KeyUse::Signing {
            return Err(lost().said("the wrapped key is another one").into());
        }
        let key = Arc::new(key);
        self.device.learn(&key);
        Ok(key)
    }

    fn sign(
        &self,
        key: &Arc<TpmKey>,
        digest: &Digest,
        _: Option<&UserVerification>,
    ) -> Result<Signature, KeyError> {
        Ok(self.device.chip().sign(key, digest).map_err(|error| said(&error))?)
    }

    fn destroy(&self, _: &KeyTag, _: &[u8]) -> Result<(), KeyError> {
        // The chip keeps no key; without the ring's wrapped one there is none.
        Ok(())
    }

    fn attest(&self, key: &Arc<TpmKey>, challenge: &[u8]) -> Result<Option<Evidence>, KeyError> {
        let Ok(nonce) = challenge.try_into() else { return Ok(None) };
        let made = self.device.certify(&key.point(), nonce, None, &Measured::default());
        match made {
            Ok(evidence) => Ok(Some(evidence)),
            Err(super::DeviceTpmError::Tpm(error)) => Err(said(&error).into()),
            Err(super::DeviceTpmError::Vault(error)) => Err(error.into()),
            Err(super::DeviceTpmError::Limit(error)) => Err(error.into()),
            Err(error) => {
                Err(CustodyError::new(NAME, CustodyErrorKind::Failed).said(error.to_string()).into())
            }
        }
    }
}

impl fmt::Debug for TpmCustody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TpmCustody({:?})", self.device)
    }
}

/// The chip's error as one of a key store, with what the chip said.
fn said(error: &TpmError) -> CustodyError {
    use CustodyErrorKind as Kind;
    let kind = match error.fault() {
        TpmFault::Link(TpmLinkErrorKind::Gone) | TpmFault::HandleGone | TpmFault::SessionGone => Kind::Gone,
        TpmFault::Link(TpmLinkErrorKind::Late) => Kind::Late,
        TpmFault::Link(TpmLinkErrorKind::Busy)
        | TpmFault::Busy
        | TpmFault::ObjectsFull
        | TpmFault::SessionsFull => Kind::Busy,
        TpmFault::Link(TpmLinkErrorKind::Garbage)
        | TpmFault::Garbage(_)
        | TpmFault::Forged
        | TpmFault::Unexpected(_) => Kind::Lied,
        TpmFault::Link(_) | TpmFault::NotStarted => Kind::Unavailable,
        TpmFault::Lockout => Kind::Locked,
        TpmFault::OtherTpm | TpmFault::NotOfThisTpm => Kind::KeyLost,
        TpmFault::AuthCounted | TpmFault::AuthWrong => Kind::PinWrong,
        TpmFault::NvFull => Kind::Full,
        TpmFault::Unsupported => Kind::Unsupported,
        _ => Kind::Failed,
    };
    CustodyError::new(NAME, kind).said(format!("{error}; {}", error.remedy()))
}

const NAME: &str = "tpm2";
