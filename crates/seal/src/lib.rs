//! Every use of cryptography, and the only crate that names a crypto library.
//!
//! Every signature, MAC and key derivation of our own formats starts with one [`Purpose`] and one [`Context`]
//! (tenant and realm), so that bytes made for one use mean nothing in another (DESIGN §5.3). Keys come from
//! entropy that the caller passes in; nothing here asks a clock or makes randomness of its own, except that
//! ECDSA blinds each signature, and OAEP each seed, inside the library.
//!
//! Secrets are wiped when dropped and print nothing. Comparisons of MACs take constant time.

pub mod aead;
pub mod chain;
pub mod context;
pub mod credential;
pub mod envelope;
pub mod foreign;
pub mod hash;
pub mod httpsig;
pub mod jwe;
pub mod jws;
pub mod kdf;
pub mod key;
pub mod mac;
pub mod published;
pub mod secret;
pub mod session;
pub mod share;
pub mod text;
pub mod ticket;
pub mod tpm;
pub mod webhook;

mod error;

pub use aead::SealKey;
pub use context::{Context, Purpose};
pub use envelope::{mac_envelope, open_envelope, open_maced, sign_envelope};
pub use error::SealError;
pub use glacis_wire::message::{PublicKey, Signature};
pub use hash::{Sha256, passkey_challenge, sha256, sha256_parts};
pub use kdf::hkdf;
pub use key::{SigningKey, key_id, thumbprint, verify, verify_raw};
pub use mac::MacKey;
pub use secret::Secret;
pub use share::Share;
pub use ticket::{ClusterKey, ClusterKeys, open_ticket, seal_ticket};
