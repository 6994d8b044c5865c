//! Messages between device, edge and cloud, each a plain struct with one canonical encoding.
//!
//! A message says what was said, not whether it is true: signatures and MACs are checked in `seal`, meaning in
//! the zones. Struct fields are encoded in order of declaration. Bounded containers ([`Bytes`], [`Text`],
//! [`List`]) carry their limit in the type, so encoder and decoder cannot disagree about it.

pub mod challenge;
pub mod collateral;
pub mod custody;
pub mod decide;
pub mod enrol;
pub mod policy;
pub mod refusal;
pub mod session;
pub mod simulated;
pub mod tpm;

use crate::codec::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Deref;

/// At most `MAX` bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes<const MAX: usize>(pub Vec<u8>);

/// At most `MAX` bytes of UTF-8.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(pub String);

/// At most `MAX` items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<const MAX: usize> Deref for Bytes<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<const MAX: usize> Encode for Bytes<MAX> {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.bytes("bytes", &self.0, MAX)
    }
}

impl<const MAX: usize> Decode for Bytes<MAX> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.bytes("bytes", MAX).map(|bytes| Self(bytes.to_vec()))
    }
}

impl<const MAX: usize> Encode for Text<MAX> {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.str("text", &self.0, MAX)
    }
}

impl<const MAX: usize> Decode for Text<MAX> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.string("text", MAX).map(Self)
    }
}

impl<T: Encode, const MAX: usize> Encode for List<T, MAX> {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.list("list", &self.0, MAX)
    }
}

impl<T: Decode, const MAX: usize> Decode for List<T, MAX> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.list("list", MAX).map(Self)
    }
}

/// At most `MAX` items at the end of a message; none is no byte. So a message can get such a field later, and whoever has
/// none of it writes and reads what was always written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for Tail<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for Tail<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Encode, const MAX: usize> Encode for Tail<T, MAX> {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        if self.0.is_empty() { Ok(()) } else { out.list("tail", &self.0, MAX) }
    }
}

impl<T: Decode, const MAX: usize> Decode for Tail<T, MAX> {
    /// Only as the last field: what is behind it would be taken for it.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if input.remaining() == 0 {
            return Ok(Self::default());
        }
        let at = input.invalid("tail");
        let items = input.list("tail", MAX)?;
        // No item has one form: no byte.
        if items.is_empty() { Err(at) } else { Ok(Self(items)) }
    }
}

impl<const N: usize> Encode for [u8; N] {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.raw(self);
        Ok(())
    }
}

impl<const N: usize> Decode for [u8; N] {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.array()
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.option(self.as_ref())
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.option()
    }
}

macro_rules! integers {
    ($($int:ident),*) => {$(
        impl Encode for $int {
            fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
                out.$int(*self);
                Ok(())
            }
        }
        impl Decode for $int {
            fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
                input.$int()
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i64, bool);

/// Declares a struct whose encoding is its fields in order.
macro_rules! message {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $ty,)*
        }

        impl crate::codec::Encode for $name {
            fn encode(&self, out: &mut crate::codec::Writer) -> Result<(), crate::codec::EncodeError> {
                $(crate::codec::Encode::encode(&self.$field, out)?;)*
                Ok(())
            }
        }

        impl crate::codec::Decode for $name {
            fn decode(input: &mut crate::codec::Reader<'_>) -> Result<Self, crate::codec::DecodeError> {
                Ok(Self { $($field: crate::codec::Decode::decode(input)?,)* })
            }
        }
    };
}
pub(crate) use message;

/// Declares an enum without data whose encoding is one byte.
macro_rules! code {
    ($(#[$doc:meta])* $name:ident { $($(#[$var_doc:meta])* $var:ident = $code:literal $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$var_doc])* $var,)*
        }

        impl $name {
            /// Every variant, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$var),*];

            /// The name in records, metrics and output.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$var => $text,)* }
            }
        }

        impl crate::codec::Encode for $name {
            fn encode(&self, out: &mut crate::codec::Writer) -> Result<(), crate::codec::EncodeError> {
                out.u8(match self { $(Self::$var => $code,)* });
                Ok(())
            }
        }

        impl crate::codec::Decode for $name {
            fn decode(input: &mut crate::codec::Reader<'_>) -> Result<Self, crate::codec::DecodeError> {
                let at = input.invalid(stringify!($name));
                match input.u8()? {
                    $($code => Ok(Self::$var),)*
                    _ => Err(at),
                }
            }
        }
    };
}
pub(crate) use code;

/// A P-256 public key: SEC 1 uncompressed point, first byte 4.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; Self::LEN]);

impl PublicKey {
    /// Length in bytes.
    pub const LEN: usize = 65;
}

impl core::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PublicKey(")?;
        self.0.iter().take(9).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

impl Encode for PublicKey {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.raw(&self.0);
        Ok(())
    }
}

impl Decode for PublicKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("public key");
        let point: [u8; Self::LEN] = input.array()?;
        if point.first() == Some(&4) { Ok(Self(point)) } else { Err(at) }
    }
}

/// An ECDSA P-256 signature in fixed form, `r ‖ s` (RFC 9421 §3.3.4).
pub type Signature = [u8; 64];

message! {
    /// A canonical body under a signature. What it signs is `purpose ‖ tenant ‖ realm ‖ body`, built in `seal`.
    Signed {
        /// Names the signing key.
        key: crate::id::KeyId,
        /// Canonical bytes of the body.
        body: Bytes<{ crate::limits::BUNDLE_BYTES_MAX }>,
        /// The signature.
        signature: Signature,
    }
}

message! {
    /// A canonical body under a MAC of a key both ends hold.
    Maced {
        /// Canonical bytes of the body.
        body: Bytes<{ crate::limits::MESSAGE_BYTES_MAX }>,
        /// HMAC-SHA256 over `purpose ‖ tenant ‖ realm ‖ body`.
        mac: [u8; 32],
    }
}
