//! What a key of a device says about a key below it: device key → app key → scene key.
//!
//! A statement is signed by the key above, under the purpose `KeyStatement`; the device key itself is vouched for by the
//! cloud's certificate. So who knows the device key can check, offline, what a scene key is for and how it may be used.
//! Only the store that keeps a key can hold it to its limits: a statement is worth what the device key is worth.

use super::{PublicKey, Text, code, message};
use crate::id::Thumbprint;
use crate::time::Timestamp;

/// Longest name of a scene. Unit: bytes.
pub const SCENE_BYTES_MAX: usize = 32;

code! {
    /// A level of the hierarchy below the device key.
    KeyLevel {
        /// The key of the app: signed by the device key, signs for scenes.
        App = 1 "app",
        /// The key of one purpose: signed by the app key.
        Scene = 2 "scene",
    }
}

message! {
    /// One key, in the words of the key above it.
    KeyStatement {
        /// SHA-256 of the key that signs this.
        parent: Thumbprint,
        /// The key.
        key: PublicKey,
        /// Where it stands.
        level: KeyLevel,
        /// What it is for; empty for the app key.
        scene: Text<SCENE_BYTES_MAX>,
        /// Whether every signature needs a user verification.
        user_verification: bool,
        /// Most signatures; none means no limit.
        uses_max: Option<u64>,
        /// It signs nothing afterwards; none means no end.
        not_after: Option<Timestamp>,
        /// When this was signed.
        issued: Timestamp,
    }
}
