//! Evidence of family `tpm`, and the round trip that comes before it: what a TPM 2.0 says, as the TPM says it.
//!
//! Structures of the TPM stay in its own encoding (TPM 2.0 Library, Part 2: big-endian, no outer size), so that
//! prover and verifier share these names and no parser. A TPM proves in two steps that two keys live in one chip:
//! [`ActivationRequest`] → [`Activation`], a secret that only the TPM of this endorsement key gives to this
//! attestation key (`TPM2_ActivateCredential`); then [`TpmEvidence`], in which the attestation key certifies the
//! device key and quotes the registers.
//!
//! Both attestations carry the same 32 bytes as qualifying data: SHA-256 of
//! `glacis/tpm-evidence/v1 ‖ tenant ‖ realm ‖ nonce of the challenge ‖ device key` (`context_digest` in `seal`).

use super::enrol::EnrolChallenge;
use super::{Bytes, List, PublicKey, message};
use crate::limits::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX, EVENT_LOG_BYTES_MAX, PCRS_MAX, TPM_BYTES_MAX};

/// Name of the family in [`Evidence`](super::enrol::Evidence).
pub const FAMILY: &str = "tpm";

message! {
    /// The two keys that stand for one TPM. Who reads this knows the chip: it is given to the verifier and never kept.
    TpmIdentity {
        /// The endorsement key: `TPMT_PUBLIC`.
        ek: Bytes<TPM_BYTES_MAX>,
        /// DER certificates of the endorsement key, leaf first, without the root; none where the chip has none.
        ek_certificates: List<Bytes<CERTIFICATE_BYTES_MAX>, CERTIFICATES_MAX>,
        /// The attestation key, a restricted signing key: `TPMT_PUBLIC`.
        ak: Bytes<TPM_BYTES_MAX>,
    }
}

message! {
    /// Asks for a secret that only this TPM can open.
    ActivationRequest {
        /// The challenge as issued; the enrolment that follows spends it.
        challenge: EnrolChallenge,
        /// The device key that will be enrolled.
        device_key: PublicKey,
        /// The keys.
        identity: TpmIdentity,
    }
}

message! {
    /// What `TPM2_ActivateCredential` takes.
    Activation {
        /// `TPM2B_ID_OBJECT`, with its size.
        credential: Bytes<TPM_BYTES_MAX>,
        /// `TPM2B_ENCRYPTED_SECRET`, with its size.
        secret: Bytes<TPM_BYTES_MAX>,
    }
}

message! {
    /// A statement that a TPM signed.
    Attested {
        /// `TPMS_ATTEST`.
        attest: Bytes<TPM_BYTES_MAX>,
        /// `TPMT_SIGNATURE`.
        signature: Bytes<TPM_BYTES_MAX>,
    }
}

message! {
    /// One platform configuration register.
    Pcr {
        /// Its bank: `TPM_ALG_ID` of a hash.
        bank: u16,
        /// Its number: 0..=31.
        index: u8,
        /// Its value.
        value: Bytes<64>,
    }
}

message! {
    /// The body of the evidence.
    TpmEvidence {
        /// As in the [`ActivationRequest`].
        identity: TpmIdentity,
        /// What the TPM released; none proves nothing about the endorsement key.
        activation: Option<[u8; 32]>,
        /// The device key as the TPM holds it: `TPMT_PUBLIC`.
        device_key: Bytes<TPM_BYTES_MAX>,
        /// `TPM2_Certify` of the device key by the attestation key.
        certified: Attested,
        /// `TPM2_Quote` by the attestation key over exactly `pcrs`.
        quoted: Attested,
        /// What was quoted, in order of bank and number.
        pcrs: List<Pcr, PCRS_MAX>,
        /// What was measured: the firmware's log in the TCG format; empty where there is none.
        event_log: Bytes<EVENT_LOG_BYTES_MAX>,
        /// Platform attribute certificates in DER; none where the maker gave none.
        platform_certificates: List<Bytes<CERTIFICATE_BYTES_MAX>, CERTIFICATES_MAX>,
    }
}
