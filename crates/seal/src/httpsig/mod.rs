//! HTTP Message Signatures (RFC 9421) and content digests (RFC 9530), as far as Glacis signs and checks them.
//!
//! This module makes and reads the *text*: the signature base, `Signature-Input`, `Signature`. Keys stay with
//! [`MacKey`](crate::MacKey) (`hmac-sha256`) and [`SigningKey`](crate::SigningKey) (`ecdsa-p256-sha256`), whose
//! `_raw` calls take the base. Which components must be covered is the caller's word ([`profile`] lists ours).
//!
//! The parser is strict and total: what RFC 8941/9651 allows it reads, everything else is an error with a kind,
//! and what it reads twice (a label, a parameter, a component) it refuses. A fast path elsewhere may compare
//! bytes; this parser is the meaning.

mod base;
mod digest;
mod input;
pub mod profile;
pub mod sfv;

pub use base::{Cover, Derived, Message, write_base};
pub use digest::{content_digest, parse_content_digest, write_content_digest};
pub use input::{Component, Input, Params, RawSignature, parse_input, parse_signature, write_signature};

use core::fmt;

/// Signature algorithms (RFC 9421 §3.3) that this build makes and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `ecdsa-p256-sha256`
    EcdsaP256Sha256,
}

impl Algorithm {
    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
        }
    }
}

/// Why signature fields or a signature base were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
pub struct HttpSigError {
    /// Offset in the field that was read; zero where no field was.
    pub offset: usize,
    /// What was wrong there.
    pub kind: HttpSigErrorKind,
}

/// The ways in which a signature can fail before any key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpSigErrorKind {
    /// Not a structured field of the expected type.
    Syntax,
    /// A label, parameter or component appears twice.
    Duplicate,
    /// The field is longer than [`FIELD_BYTES_MAX`], or holds more than [`COMPONENTS_MAX`] components.
    TooLarge,
    /// A parameter has a value of the wrong type or an unusable one.
    Parameter,
    /// A component or one of its parameters is not supported.
    Unsupported,
    /// A covered component is not in the message.
    MissingComponent,
    /// A covered value holds a byte that a signature base cannot.
    Value,
}

impl fmt::Display for HttpSigErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "malformed structured field",
            Self::Duplicate => "duplicate member",
            Self::TooLarge => "field over its limit",
            Self::Parameter => "unusable parameter",
            Self::Unsupported => "unsupported component",
            Self::MissingComponent => "covered component is missing",
            Self::Value => "value cannot be signed",
        })
    }
}

impl HttpSigErrorKind {
    const fn at(self, offset: usize) -> HttpSigError {
        HttpSigError { offset, kind: self }
    }
}

/// Longest signature field that is read. Unit: bytes. Ours are under 400.
pub const FIELD_BYTES_MAX: usize = 4_096;
/// Most components that one signature may cover. Ours cover at most ten.
pub const COMPONENTS_MAX: usize = 32;

#[cfg(test)]
mod tests;
