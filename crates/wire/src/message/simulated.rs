//! Evidence of family `simulated`: a manufacturer that exists only in realm `demo`.
//!
//! It has the shape of real hardware evidence (a root certifies an attestation key, that key states facts about
//! one device key under a challenge) and none of its worth: roots are made per run. Maker and verifier share
//! these bytes and nothing else.

use super::{Bytes, PublicKey, Signed, Text, code, message};
use crate::id::{Digest, Thumbprint};
use crate::time::Timestamp;

/// Name of the family in [`Evidence`](super::enrol::Evidence).
pub const FAMILY: &str = "simulated";

code! {
    /// Where the device key is said to live.
    SecurityLevel {
        /// In a TEE.
        Tee = 1 "tee",
        /// In a secure element.
        Strongbox = 2 "strongbox",
    }
}

code! {
    /// State of verified boot, as Android names them.
    BootState {
        /// The whole chain is signed by the manufacturer.
        Verified = 0 "verified",
        /// Signed by a key that the owner set.
        SelfSigned = 1 "self-signed",
        /// The boot loader is unlocked.
        Unverified = 2 "unverified",
        /// Verification failed.
        Failed = 3 "failed",
    }
}

message! {
    /// What a manufacturer's root signs (purpose `AttestationKey`).
    AttestationKeyCertificate {
        /// The attestation key of one device.
        key: PublicKey,
        /// Model of the device.
        model: Text<64>,
        /// The best level that this device can give.
        level: SecurityLevel,
        /// Refused afterwards.
        not_after: Timestamp,
    }
}

message! {
    /// What an attestation key signs (purpose `Attestation`).
    AttestationStatement {
        /// The challenge that it answers.
        challenge: Bytes<64>,
        /// The device key that it speaks of.
        device_key: Thumbprint,
        /// SHA-256 of the running app.
        app: Digest,
        /// State of verified boot.
        boot: BootState,
        /// Where the device key lives.
        level: SecurityLevel,
    }
}

message! {
    /// The body of the evidence.
    SimulatedEvidence {
        /// A signed [`AttestationKeyCertificate`].
        certificate: Signed,
        /// A signed [`AttestationStatement`].
        statement: Signed,
    }
}
