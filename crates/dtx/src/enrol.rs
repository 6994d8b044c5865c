//! Enrolment (DESIGN §5.3 step 1) as a typestate: no step can be skipped, none used twice.
//!
//! `Enrolment<Draft>` → challenge → `Enrolment<Challenged>` → evidence → `Enrolment<Evidenced>` → answer →
//! [`Enrolled`]. The device believes an answer only under a `result` key of the key set that it has pinned.

use crate::keys::{KeyError, KeyStore};
use crate::role::Role;
use crate::vault::{Vault, VaultError};
use glacis_seal::published::{self, PublishedError};
use glacis_seal::{Context, Purpose, thumbprint};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolBody, EnrolChallenge, EnrolExtras, EnrolRequest,
    EnrolResponse, Evidence, Predecessor, Voucher,
};
use glacis_wire::message::policy::{KeySet, KeyUse};
use glacis_wire::{Decode, Encode, EncodeError, Thumbprint, Timestamp};
use std::fmt;
use std::sync::Arc;

/// An enrolment in step `S`.
pub struct Enrolment<S> {
    keys: Arc<dyn KeyStore>,
    context: Context,
    device_key: PublicKey,
    passkey: Option<PublicKey>,
    /// The device key is the successor of the present one.
    succeeds: bool,
    step: S,
}

/// Keys are there, nothing was said yet.
#[derive(Debug)]
pub struct Draft;

/// The cloud issued a challenge.
#[derive(Debug)]
pub struct Challenged {
    challenge: EnrolChallenge,
}

/// Evidence over challenge and device key is there, or there is none to be had.
#[derive(Debug)]
pub struct Evidenced {
    challenge: EnrolChallenge,
    evidence: Option<Evidence>,
    extras: EnrolExtras,
}

impl Enrolment<Draft> {
    /// Makes the device key if there is none, and the passkey too if the device is to have one.
    pub fn begin(keys: Arc<dyn KeyStore>, context: Context, passkey: bool) -> Result<Self, EnrolError> {
        let device_key = keys.create(Role::Device)?;
        let passkey = if passkey { Some(keys.create(Role::PASSKEY)?) } else { None };
        Ok(Self { keys, context, device_key, passkey, succeeds: false, step: Draft })
    }

    /// Makes a successor of the device key, if there is none yet, which the present key vouches for and which takes its
    /// place when the answer has come. The passkey stays.
    pub fn begin_successor(keys: Arc<dyn KeyStore>, context: Context) -> Result<Self, EnrolError> {
        let device_key = keys.prepare(Role::Device)?;
        let passkey = keys.public(Role::PASSKEY)?;
        Ok(Self { keys, context, device_key, passkey, succeeds: true, step: Draft })
    }

    /// Takes the challenge that the cloud issued.
    pub fn challenged(
        self,
        challenge: EnrolChallenge,
        now: Timestamp,
    ) -> Result<Enrolment<Challenged>, EnrolError> {
        if challenge.not_after < now {
            return Err(EnrolError::Expired);
        }
        Ok(self.step(|_| Challenged { challenge }))
    }
}

impl Enrolment<Challenged> {
    /// What evidence must be made over.
    pub const fn challenge(&self) -> &EnrolChallenge {
        &self.step.challenge
    }

    /// Takes the evidence; `None` enrols a software-only device. A successor is vouched for here.
    ///
    /// # Errors
    /// If the present device key does not sign.
    pub fn evidenced(self, evidence: Option<Evidence>) -> Result<Enrolment<Evidenced>, EnrolError> {
        let (succeeds, keys) = (self.succeeds, Arc::clone(&self.keys));
        let extras = EnrolExtras::default();
        let evidenced = self.step(|Challenged { challenge }| Evidenced { challenge, evidence, extras });
        if succeeds { evidenced.replacing(&*keys) } else { Ok(evidenced) }
    }
}

impl Enrolment<Evidenced> {
    /// Has the device key of `old` vouch for the new one, which takes its place: the old one is worth tier `software` from
    /// then on and ends with its attestation result.
    ///
    /// `old` may be another back end, as when a device moves into its TPM. Its key must be there until the answer is.
    pub fn replacing(self, old: &dyn KeyStore) -> Result<Self, EnrolError> {
        let key = old.public(Role::Device)?.ok_or(KeyError::Missing(Role::Device))?;
        if key == self.device_key {
            return Err(EnrolError::SameKey);
        }
        let bytes = self.body().to_bytes()?;
        let signature = old.sign(Role::Device, &self.context, Purpose::Succession, &bytes)?;
        let replaces = Some(Predecessor { thumbprint: thumbprint(&key), signature });
        Ok(self.step(|step| Evidenced { extras: EnrolExtras { replaces, ..step.extras }, ..step }))
    }

    /// Says which partner the device comes from, with what the partner made for this challenge and key.
    pub fn vouched(self, voucher: Voucher) -> Self {
        let voucher = Some(voucher);
        self.step(|step| Evidenced { extras: EnrolExtras { voucher, ..step.extras }, ..step })
    }

    /// What is sent to the cloud, signed by the device key. Made again, it is the same enrolment: where the answer was lost
    /// it may be sent again, and the same answer comes.
    pub fn request(&self) -> Result<EnrolRequest, EnrolError> {
        let (body, extras) = (self.body(), self.step.extras.clone());
        let signed = EnrolRequest::signed_bytes(&body, &extras)?;
        let (role, purpose) = (Role::Device, Purpose::Enrol);
        let signature = match self.succeeds {
            true => self.keys.sign_as_successor(role, &self.context, purpose, &signed)?,
            false => self.keys.sign(role, &self.context, purpose, &signed)?,
        };
        Ok(EnrolRequest { body, signature, extras })
    }

    fn body(&self) -> EnrolBody {
        EnrolBody {
            challenge: self.step.challenge.clone(),
            device_key: self.device_key,
            passkey: self.passkey,
            evidence: self.step.evidence.clone(),
        }
    }

    /// Takes the answer: certificate and result must be signed by the cloud, about these keys, and valid now. A successor
    /// is the device key from here on, and the old key is destroyed.
    pub fn finish(
        self,
        response: EnrolResponse,
        trusted: &KeySet,
        now: Timestamp,
    ) -> Result<Enrolled, EnrolError> {
        let enrolled = Enrolled::check(response, trusted, &self.context, now)?;
        let ours = enrolled.certificate.device_key == self.device_key
            && enrolled.certificate.passkey == self.passkey;
        if !ours {
            return Err(EnrolError::OtherDevice);
        }
        if self.succeeds {
            self.keys.promote(Role::Device)?;
        }
        Ok(enrolled)
    }
}

impl<S> Enrolment<S> {
    /// The key that is being enrolled.
    pub const fn device_key(&self) -> &PublicKey {
        &self.device_key
    }

    fn step<T>(self, next: impl FnOnce(S) -> T) -> Enrolment<T> {
        let Self { keys, context, device_key, passkey, succeeds, step } = self;
        Enrolment { keys, context, device_key, passkey, succeeds, step: next(step) }
    }
}

impl<S> fmt::Debug for Enrolment<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Enrolment({})", thumbprint(&self.device_key))
    }
}

/// What an enrolled device shows when it opens a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrolled {
    response: EnrolResponse,
    certificate: DeviceCertificate,
    result: AttestationResult,
}

impl Enrolled {
    /// Loads what [`save`](Self::save) stored; `None` if the device never enrolled.
    ///
    /// The record is sealed, so its content was checked before it was stored; whether it is still valid shows
    /// in [`not_after`](Self::not_after).
    pub fn load(vault: &Vault) -> Result<Option<Self>, EnrolError> {
        let Some(content) = vault.get(RECORD)? else { return Ok(None) };
        let broken = |_| EnrolError::Vault(VaultError::Sealed(RECORD.into()));
        let response = EnrolResponse::from_bytes(&content).map_err(broken)?;
        let certificate = DeviceCertificate::from_bytes(&response.certificate.body).map_err(broken)?;
        let result = AttestationResult::from_bytes(&response.result.body).map_err(broken)?;
        Ok(Some(Self { response, certificate, result }))
    }

    /// Stores it in the vault.
    pub fn save(&self, vault: &Vault) -> Result<(), EnrolError> {
        Ok(vault.put(RECORD, &self.response.to_bytes()?)?)
    }

    /// As the cloud signed it.
    pub const fn response(&self) -> &EnrolResponse {
        &self.response
    }

    /// What the cloud vouches for about the keys.
    pub const fn certificate(&self) -> &DeviceCertificate {
        &self.certificate
    }

    /// What the appraisal found.
    pub const fn result(&self) -> &AttestationResult {
        &self.result
    }

    /// Names the device.
    pub const fn thumbprint(&self) -> Thumbprint {
        self.certificate.thumbprint
    }

    /// When it must enrol again.
    pub fn not_after(&self) -> Timestamp {
        self.certificate.not_after.min(self.result.not_after)
    }

    fn check(
        response: EnrolResponse,
        trusted: &KeySet,
        context: &Context,
        now: Timestamp,
    ) -> Result<Self, EnrolError> {
        let (usage, signed) = (KeyUse::Result, &response.certificate);
        let certificate: DeviceCertificate =
            published::open_signed(trusted, usage, context, Purpose::Certificate, signed)?;
        let result: AttestationResult =
            published::open_signed(trusted, usage, context, Purpose::Result, &response.result)?;
        let named = thumbprint(&certificate.device_key);
        if certificate.thumbprint != named || result.thumbprint != named {
            return Err(EnrolError::OtherDevice);
        }
        if certificate.not_after < now || result.not_after < now {
            return Err(EnrolError::Expired);
        }
        Ok(Self { response, certificate, result })
    }
}

/// Why an enrolment failed on the device's side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The challenge, certificate or result is no longer valid.
    #[error("enrolment expired")]
    Expired,
    /// The answer speaks of other keys.
    #[error("the answer is about another device")]
    OtherDevice,
    /// A key would take its own place.
    #[error("the new key is the old one; a key that stays enrols again without replacing any")]
    SameKey,
    /// The answer is not signed by a key that may.
    #[error("the answer is not authentic: {0}")]
    Untrusted(#[from] PublishedError),
    /// The key store failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Evidence or message is over a limit.
    #[error(transparent)]
    Limit(#[from] EncodeError),
}

const RECORD: &str = "enrolled";
