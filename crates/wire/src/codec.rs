//! Canonical bytes: big-endian integers, length-prefixed sequences, no padding, no alternatives.
//!
//! [`Writer`] and [`Reader`] check the same limits, so what one side can write the other can read.
//! [`Reader::finish`] refuses trailing bytes, hence a decoded message re-encodes to the very same bytes.
//! Decoding never allocates more than the input is long (times a small constant).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A type with one canonical byte form.
pub trait Encode {
    /// Appends the canonical form.
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError>;

    /// The canonical form as an owned buffer.
    fn to_bytes(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Writer::new();
        self.encode(&mut out)?;
        Ok(out.into_bytes())
    }
}

/// The inverse of [`Encode`]: total over any bytes.
pub trait Decode: Sized {
    /// Reads one value and leaves the reader behind it.
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads one value that must fill `bytes` exactly.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut input = Reader::new(bytes);
        let value = Self::decode(&mut input)?;
        input.finish()?;
        Ok(value)
    }
}

/// A value exceeds its declared limit, so it has no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodeError {
    /// What was too large.
    pub what: &'static str,
    /// The limit that it exceeds.
    pub limit: usize,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} exceeds its limit of {}", self.what, self.limit)
    }
}

impl core::error::Error for EncodeError {}

/// Why bytes are not a message, and where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset of the first byte that could not be read.
    pub offset: usize,
    /// What was wrong there.
    pub kind: DecodeErrorKind,
}

/// The ways in which bytes can fail to be a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends inside a value.
    Truncated,
    /// Bytes follow the value.
    Trailing,
    /// A length or count is above the named limit.
    TooLarge(&'static str),
    /// A tag or number has no meaning for the named field.
    Invalid(&'static str),
    /// A format version that this build does not read.
    Version(u16),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DecodeErrorKind::Truncated => write!(f, "input ends early at byte {}", self.offset),
            DecodeErrorKind::Trailing => write!(f, "unexpected bytes from byte {}", self.offset),
            DecodeErrorKind::TooLarge(what) => write!(f, "{what} is over its limit at byte {}", self.offset),
            DecodeErrorKind::Invalid(what) => write!(f, "invalid {what} at byte {}", self.offset),
            DecodeErrorKind::Version(v) => write!(f, "unknown format version {v} at byte {}", self.offset),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Appends canonical bytes.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// An empty writer with room for `bytes`, for those who know how much they will write.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Ends writing.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// Eight bytes, big-endian two's complement.
    pub fn i64(&mut self, value: i64) {
        self.bytes.extend_from_slice(&value.to_be_bytes());
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// Bytes whose length the reader knows.
    pub fn raw(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
    }

    /// A count as `u32`, refused above `limit`.
    pub fn count(&mut self, what: &'static str, count: usize, limit: usize) -> Result<(), EncodeError> {
        match u32::try_from(count) {
            Ok(count32) if count <= limit => {
                self.u32(count32);
                Ok(())
            }
            _ => Err(EncodeError { what, limit }),
        }
    }

    /// Length-prefixed bytes, refused above `limit`.
    pub fn bytes(&mut self, what: &'static str, value: &[u8], limit: usize) -> Result<(), EncodeError> {
        self.count(what, value.len(), limit)?;
        self.raw(value);
        Ok(())
    }

    /// Length-prefixed UTF-8, refused above `limit` bytes.
    pub fn str(&mut self, what: &'static str, value: &str, limit: usize) -> Result<(), EncodeError> {
        self.bytes(what, value.as_bytes(), limit)
    }

    /// A presence byte, then the value if there is one.
    pub fn option<T: Encode>(&mut self, value: Option<&T>) -> Result<(), EncodeError> {
        self.bool(value.is_some());
        value.map_or(Ok(()), |v| v.encode(self))
    }

    /// A count, then each item.
    pub fn list<T: Encode>(
        &mut self,
        what: &'static str,
        items: &[T],
        limit: usize,
    ) -> Result<(), EncodeError> {
        self.count(what, items.len(), limit)?;
        items.iter().try_for_each(|item| item.encode(self))
    }
}

/// Reads canonical bytes; every error names the offset.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// Offset of the next byte.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// An error at the current offset.
    pub const fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset: self.offset, kind }
    }

    /// An [`DecodeErrorKind::Invalid`] at the current offset.
    pub const fn invalid(&self, what: &'static str) -> DecodeError {
        self.error(DecodeErrorKind::Invalid(what))
    }

    /// Requires that everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error(DecodeErrorKind::Trailing)) }
    }

    /// The next `len` bytes.
    pub fn raw(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(len) {
            Some((head, tail)) => {
                self.rest = tail;
                self.offset += len;
                Ok(head)
            }
            None => Err(self.error(DecodeErrorKind::Truncated)),
        }
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let at = self.error(DecodeErrorKind::Truncated);
        <[u8; N]>::try_from(self.raw(N)?).map_err(|_| at)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Eight bytes, big-endian two's complement.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// One byte that is 0 or 1.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        let at = self.invalid("boolean");
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(at),
        }
    }

    /// A count of at most `limit`, and never more than there are bytes left (each item takes at least one).
    pub fn count(&mut self, what: &'static str, limit: usize) -> Result<usize, DecodeError> {
        let at = self.error(DecodeErrorKind::TooLarge(what));
        let count = usize::try_from(self.u32()?).map_err(|_| at)?;
        if count > limit {
            return Err(at);
        }
        if count > self.rest.len() {
            return Err(self.error(DecodeErrorKind::Truncated));
        }
        Ok(count)
    }

    /// Length-prefixed bytes of at most `limit`.
    pub fn bytes(&mut self, what: &'static str, limit: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.count(what, limit)?;
        self.raw(len)
    }

    /// Length-prefixed UTF-8 of at most `limit` bytes.
    pub fn str(&mut self, what: &'static str, limit: usize) -> Result<&'a str, DecodeError> {
        let at = self.invalid(what);
        core::str::from_utf8(self.bytes(what, limit)?).map_err(|_| at)
    }

    /// Length-prefixed UTF-8, owned.
    pub fn string(&mut self, what: &'static str, limit: usize) -> Result<String, DecodeError> {
        self.str(what, limit).map(String::from)
    }

    /// A presence byte, then the value if there is one.
    pub fn option<T: Decode>(&mut self) -> Result<Option<T>, DecodeError> {
        if self.bool()? { T::decode(self).map(Some) } else { Ok(None) }
    }

    /// A count, then each item.
    pub fn list<T: Decode>(&mut self, what: &'static str, limit: usize) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what, limit)?;
        (0..count).map(|_| T::decode(self)).collect()
    }
}
