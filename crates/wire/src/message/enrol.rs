//! Enrolment (DESIGN §5.3 step 1): challenge → evidence → certificate and attestation result.
//!
//! The device signs challenge, keys and evidence together, so none can be exchanged. What comes back is signed
//! by the cloud and shown at every session opening; the edge needs nobody else to believe it.

use super::{Bytes, PublicKey, Signature, Signed, Tail, Text, message};
use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::id::{Digest, Thumbprint};
use crate::limits::{EVIDENCE_BYTES_MAX, PARTNER_BYTES_MAX};
use crate::time::Timestamp;
use crate::trust::{Tier, Trust};
use alloc::vec::Vec;

message! {
    /// Issued by the cloud; single use by a row in the enrolment transaction.
    EnrolChallenge {
        /// Random.
        nonce: [u8; 32],
        /// Refused afterwards.
        not_after: Timestamp,
        /// Only the cloud can make it.
        mac: [u8; 32],
    }
}

message! {
    /// Native evidence of one family.
    Evidence {
        /// Verifier family, such as `simulated`.
        family: Text<16>,
        /// In the family's own format.
        body: Bytes<EVIDENCE_BYTES_MAX>,
    }
}

message! {
    /// Whom an enrolment is about: what the device key signs, with the extras, when it enrols.
    EnrolBody {
        /// The challenge as issued.
        challenge: EnrolChallenge,
        /// The device key.
        device_key: PublicKey,
        /// Key of the method `passkey`, if the device has one.
        passkey: Option<PublicKey>,
        /// Evidence over challenge and device key; none means a software-only device.
        evidence: Option<Evidence>,
    }
}

message! {
    /// The key that an enrolment comes in the place of, vouching for the new one.
    Predecessor {
        /// The old device key.
        thumbprint: Thumbprint,
        /// By the old device key, over the encoded body (purpose `Succession`).
        signature: Signature,
    }
}

message! {
    /// Which partner a device comes from.
    Voucher {
        /// Its name.
        partner: Text<PARTNER_BYTES_MAX>,
        /// Under the partner's key, over nonce of the challenge ‖ device key (purpose `Partner`).
        mac: [u8; 32],
    }
}

/// What an enrolment may say beside its body. An enrolment that says none of it is encoded as it was before there were any:
/// without a byte.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EnrolExtras {
    /// The key that it replaces.
    pub replaces: Option<Predecessor>,
    /// The partner that it comes from.
    pub voucher: Option<Voucher>,
}

impl EnrolExtras {
    const fn is_empty(&self) -> bool {
        self.replaces.is_none() && self.voucher.is_none()
    }
}

impl Encode for EnrolExtras {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if self.is_empty() {
            return Ok(());
        }
        self.replaces.encode(out)?;
        self.voucher.encode(out)
    }
}

impl Decode for EnrolExtras {
    /// Only as the last field: what is behind it would be taken for it.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.remaining() == 0 {
            return Ok(Self::default());
        }
        let at = input.invalid("enrolment extras");
        let extras = Self { replaces: Decode::decode(input)?, voucher: Decode::decode(input)? };
        // Saying nothing has one form: no byte.
        if extras.is_empty() { Err(at) } else { Ok(extras) }
    }
}

message! {
    /// Enrolment as sent.
    EnrolRequest {
        /// What is signed.
        body: EnrolBody,
        /// By the device key, over the encoded body and, where there are any, the encoded extras behind it.
        signature: Signature,
        /// What it says besides.
        extras: EnrolExtras,
    }
}

impl EnrolRequest {
    /// What the device key signs (purpose `Enrol`). A body says where it ends, so the two cannot be read otherwise.
    ///
    /// # Errors
    /// If body or extras are over a limit.
    pub fn signed_bytes(body: &EnrolBody, extras: &EnrolExtras) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = body.to_bytes()?;
        bytes.extend(extras.to_bytes()?);
        Ok(bytes)
    }
}

message! {
    /// What the cloud vouches for about a key (purpose `Certificate`).
    DeviceCertificate {
        /// SHA-256 of the device key.
        thumbprint: Thumbprint,
        /// The device key.
        device_key: PublicKey,
        /// Key of the method `passkey`, if there is one.
        passkey: Option<PublicKey>,
        /// When it was issued.
        issued: Timestamp,
        /// Refused afterwards.
        not_after: Timestamp,
    }
}

/// AR4SI trust vector: one claim per category, in the order of draft-ietf-rats-ar4si §2.3.
///
/// Range of each claim: −128..=127; 0 no claim, 2..=31 affirming, 32..=95 warning, 96..=127 contraindicated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrustVector {
    /// Is the attester a known instance?
    pub instance_identity: i8,
    /// Is its configuration approved?
    pub configuration: i8,
    /// Are its executables the expected ones (app identity)?
    pub executables: i8,
    /// Is its file system the expected one?
    pub file_system: i8,
    /// Is its hardware genuine (verified boot included)?
    pub hardware: i8,
    /// Is memory protected from the outside?
    pub runtime_opaque: i8,
    /// Is storage protected at rest?
    pub storage_opaque: i8,
    /// Is data from elsewhere trustworthy?
    pub sourced_data: i8,
}

impl TrustVector {
    fn claims(&self) -> [i8; 8] {
        [
            self.instance_identity,
            self.configuration,
            self.executables,
            self.file_system,
            self.hardware,
            self.runtime_opaque,
            self.storage_opaque,
            self.sourced_data,
        ]
    }
}

impl Encode for TrustVector {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        self.claims().iter().for_each(|claim| out.raw(&claim.to_be_bytes()));
        Ok(())
    }
}

impl Decode for TrustVector {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [a, b, c, d, e, f, g, h] = input.array::<8>()?.map(|byte| i8::from_be_bytes([byte]));
        Ok(Self {
            instance_identity: a,
            configuration: b,
            executables: c,
            file_system: d,
            hardware: e,
            runtime_opaque: f,
            storage_opaque: g,
            sourced_data: h,
        })
    }
}

message! {
    /// What an appraisal found, as the cloud signs it (purpose `Result`).
    AttestationResult {
        /// The device that it speaks of.
        thumbprint: Thumbprint,
        /// Tier derived from the appraisal.
        tier: Tier,
        /// Trust of values that this device's process produces while the result is fresh.
        trust: Trust,
        /// Verifier family, or `none` for a software-only device.
        family: Text<16>,
        /// The AR4SI vector behind tier and trust.
        vector: TrustVector,
        /// When the evidence was verified.
        verified_at: Timestamp,
        /// No session may outlive it.
        not_after: Timestamp,
        /// SHA-256 of the signed [`DeviceCertificate`] that was issued with it: who verified the result need not verify
        /// that certificate. None in results of earlier versions.
        certificate: Tail<Digest, 1>,
    }
}

message! {
    /// Answer to an enrolment.
    EnrolResponse {
        /// A signed [`DeviceCertificate`].
        certificate: Signed,
        /// A signed [`AttestationResult`].
        result: Signed,
    }
}
