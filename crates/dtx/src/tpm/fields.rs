//! Structures of a TPM as bytes: big-endian integers, and byte strings behind their length in two bytes.
//!
//! [`Fields`] reads what the chip sent: it is total, and its errors name the command whose answer was malformed. Writing
//! goes through [`Writer`]; [`put_sized`] refuses what has no length in two bytes.

use super::error::{TpmError, TpmFault};
use glacis_wire::{DecodeError, Reader, Writer};

/// Reads the answer to one command.
pub(super) struct Fields<'a> {
    reader: Reader<'a>,
    command: &'static str,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(command: &'static str, bytes: &'a [u8]) -> Self {
        Self { reader: Reader::new(bytes), command }
    }

    pub(super) fn u8(&mut self) -> Result<u8, TpmError> {
        let value = self.reader.u8();
        self.or(value)
    }

    pub(super) fn u16(&mut self) -> Result<u16, TpmError> {
        let value = self.reader.u16();
        self.or(value)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TpmError> {
        let value = self.reader.u32();
        self.or(value)
    }

    pub(super) fn u64(&mut self) -> Result<u64, TpmError> {
        let value = self.reader.u64();
        self.or(value)
    }

    /// Bytes whose number is known.
    pub(super) fn raw(&mut self, count: usize) -> Result<&'a [u8], TpmError> {
        let value = self.reader.raw(count);
        self.or(value)
    }

    /// `TPM2B`: bytes behind their length.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], TpmError> {
        let count = self.u16()?;
        self.raw(usize::from(count))
    }

    /// A count, refused above `limit`.
    pub(super) fn count(&mut self, limit: u32) -> Result<u32, TpmError> {
        let count = self.u32()?;
        if count > limit { Err(self.garbage("a count")) } else { Ok(count) }
    }

    /// Everything that is left.
    pub(super) fn rest(&mut self) -> Result<&'a [u8], TpmError> {
        self.raw(self.reader.remaining())
    }

    /// Requires that nothing is left.
    pub(super) fn end(&self) -> Result<(), TpmError> {
        let end = self.reader.finish();
        self.or(end)
    }

    pub(super) const fn garbage(&self, what: &'static str) -> TpmError {
        TpmError::new(self.command, TpmFault::Garbage(what))
    }

    pub(super) const fn unexpected(&self, what: &'static str) -> TpmError {
        TpmError::new(self.command, TpmFault::Unexpected(what))
    }

    fn or<T>(&self, value: Result<T, DecodeError>) -> Result<T, TpmError> {
        value.map_err(|_| self.garbage("its length"))
    }
}

/// `TPM2B`: bytes behind their length.
pub(super) fn put_sized(out: &mut Writer, bytes: &[u8]) -> Result<(), TpmError> {
    let length =
        u16::try_from(bytes.len()).map_err(|_| TpmError::new("encode", TpmFault::Limit("a value")))?;
    out.u16(length);
    out.raw(bytes);
    Ok(())
}
