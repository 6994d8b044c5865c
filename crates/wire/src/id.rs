//! Names and identifiers: fixed-size or bounded newtypes with one way in and no arithmetic.
//!
//! [`TenantId`] and [`Realm`] come first in every key, context, id and record of the system (DESIGN §5.3).
//! An id is compared and shown, nothing else; what it was computed from is the business of `seal`.

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use crate::limits::{APP_BYTES_MAX, NAME_BYTES_MAX, TENANT_BYTES_MAX};
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

/// A name or id is not well formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameError {
    /// Which kind of name.
    pub what: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {}", self.what, self.rule)
    }
}

impl core::error::Error for NameError {}

macro_rules! fixed_id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; Self::LEN]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// From exactly [`Self::LEN`] bytes.
            pub const fn new(bytes: [u8; Self::LEN]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
                let mut digits = nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16));
                digits.try_for_each(|digit| fmt::Write::write_char(f, digit))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = NameError;
            fn try_from(raw: &[u8]) -> Result<Self, NameError> {
                <[u8; Self::LEN]>::try_from(raw)
                    .map(Self)
                    .map_err(|_| NameError { what: stringify!($name), rule: concat!("exactly ", stringify!($len), " bytes") })
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
                out.raw(&self.0);
                Ok(())
            }
        }

        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                input.array().map(Self)
            }
        }
    };
}

fixed_id!(
    /// A SHA-256 digest.
    Digest,
    32
);
fixed_id!(
    /// Names one compiled policy: SHA-256 over its canonical typed form.
    PolicyDigest,
    32
);
fixed_id!(
    /// Names one enrolled device: SHA-256 of its device public key.
    Thumbprint,
    32
);
fixed_id!(
    /// Names one user action; stable over its retries and challenges.
    EventId,
    16
);
fixed_id!(
    /// Names one session between a device and the edge.
    SessionId,
    16
);
fixed_id!(
    /// Names one replay window: node, boot and a random part.
    LegId,
    16
);
fixed_id!(
    /// Names one signing or sealing key: the first 16 bytes of SHA-256 of its public form or of a key check value.
    KeyId,
    16
);
fixed_id!(
    /// What a client may see and quote of a decision. Random; 60 bits, shown as 12 characters.
    Reference,
    8
);

impl Reference {
    /// Crockford base 32: no letter that looks like a digit.
    const ALPHABET: &'static [u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /// The 12 characters that a person reads out; the top 60 bits.
    pub fn text(&self) -> String {
        let bits = u64::from_be_bytes(self.0);
        (0..12_u32)
            .map(|at| {
                let index = (bits >> (59 - 5 * at)) & 31;
                Self::ALPHABET.get(usize::try_from(index).unwrap_or(0)).map_or('0', |byte| char::from(*byte))
            })
            .collect()
    }

    /// Parses [`text`](Self::text); case does not matter.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 12 {
            return None;
        }
        let bits = text.bytes().try_fold(0_u64, |bits, byte| {
            let digit = Self::ALPHABET.iter().position(|letter| *letter == byte.to_ascii_uppercase())?;
            Some(bits << 5 | u64::try_from(digit).ok()?)
        })?;
        Some(Self((bits << 4).to_be_bytes()))
    }

    /// From random bytes; the low four bits, which the text does not show, become zero.
    pub const fn from_random(bytes: [u8; 8]) -> Self {
        Self((u64::from_be_bytes(bytes) & !0xF).to_be_bytes())
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:expr, $allowed:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the characters and the length.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(NameError { what: stringify!($name), rule: $rule });
                }
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
                out.str(stringify!($name), &self.0, $max)
            }
        }

        impl Decode for $name {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let at = input.invalid(stringify!($name));
                Self::parse(input.str(stringify!($name), $max)?).map_err(|_| at)
            }
        }
    };
}

name!(
    /// One customer of an installation.
    TenantId,
    TENANT_BYTES_MAX,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-',
    "1 to 32 characters of a-z, 0-9 and -"
);
name!(
    /// A signal as the catalogue names it, such as `app.hooked`; a list test is `list.mules(payee)`.
    SignalName,
    2 * NAME_BYTES_MAX,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'(' | b')'),
    "1 to 128 characters of a-z, 0-9, dot and underscore"
);
name!(
    /// An event, such as `payment.transfer`.
    EventName,
    NAME_BYTES_MAX,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-'),
    "1 to 64 characters of a-z, 0-9, dot, underscore and dash"
);
name!(
    /// One app of a tenant, as its platform names it, such as `com.example.bank`.
    AppName,
    APP_BYTES_MAX,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'),
    "1 to 128 characters of A-Z, a-z, 0-9, dot, underscore and dash"
);
name!(
    /// A node of the edge or the cloud.
    NodeName,
    NAME_BYTES_MAX,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-'),
    "1 to 64 characters of a-z, 0-9, dot and dash"
);

/// Fixed at a store's birth; keys, tickets and records of one realm mean nothing in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Realm {
    /// Real devices and users.
    Production,
    /// The demo: simulated roots are accepted, nothing else may use it.
    Demo,
}

impl Realm {
    /// The name in contexts, stores and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Demo => "demo",
        }
    }
}

impl Encode for Realm {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.u8(*self as u8);
        Ok(())
    }
}

impl Decode for Realm {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("realm");
        match input.u8()? {
            0 => Ok(Self::Production),
            1 => Ok(Self::Demo),
            _ => Err(at),
        }
    }
}
