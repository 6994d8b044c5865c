//! Frames of a segment: kind (1 byte) ‖ length (u32) ‖ number (u64) ‖ check (8 bytes) ‖ content.
//!
//! The check is the beginning of SHA-256 over the segment's salt and everything else. The salt is random and
//! never leaves the machine, so content that somebody else chose cannot look like a frame.

use glacis_seal::Sha256;
use glacis_wire::Reader;
use glacis_wire::limits::RECORD_BYTES_MAX;

/// Random bytes in a segment's header.
pub(super) type Salt = [u8; SALT_BYTES];

/// One frame as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) number: u64,
    pub(super) content: &'a [u8],
}

/// Bytes that a record of this length takes.
pub(super) fn record_bytes(len: usize) -> u64 {
    u64::try_from(len.saturating_add(HEAD_BYTES)).unwrap_or(u64::MAX)
}

/// A whole frame, ready for one write.
pub(super) fn write(salt: &Salt, kind: u8, number: u64, content: &[u8]) -> Vec<u8> {
    // INVARIANT: the caller checked the length against RECORD_BYTES_MAX.
    let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEAD_BYTES.saturating_add(content.len()));
    bytes.push(kind);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&check(salt, kind, number, content));
    bytes.extend_from_slice(content);
    bytes
}

/// The frame at the start of `bytes`, and what follows it; `None` if there is no whole, intact frame.
pub(super) fn parse<'a>(salt: &Salt, bytes: &'a [u8]) -> Option<(Frame<'a>, &'a [u8])> {
    let mut reader = Reader::new(bytes);
    let kind = reader.u8().ok()?;
    let len = usize::try_from(reader.u32().ok()?).ok()?;
    let number = reader.u64().ok()?;
    let want: [u8; CHECK_BYTES] = reader.array().ok()?;
    if !matches!(kind, RECORD | MARK | FIRST) || len > RECORD_BYTES_MAX {
        return None;
    }
    let content = reader.raw(len).ok()?;
    let rest = reader.raw(reader.remaining()).ok()?;
    (check(salt, kind, number, content) == want).then_some((Frame { kind, number, content }, rest))
}

/// The number that a frame at the start of `bytes` would have, if it could be one at all.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(bytes);
    let known = matches!(reader.u8().ok()?, RECORD | MARK);
    let len = usize::try_from(reader.u32().ok()?).ok()?;
    let fits = len <= RECORD_BYTES_MAX && len.saturating_add(HEAD_BYTES) <= bytes.len();
    let number = reader.u64().ok()?;
    (known && fits).then_some(number)
}

fn check(salt: &Salt, kind: u8, number: u64, content: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hash = Sha256::new();
    hash.update(salt);
    hash.update(&[kind]);
    hash.update(&number.to_be_bytes());
    hash.update(content);
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(hash.finish().as_bytes()).for_each(|(to, from)| *to = *from);
    check
}

/// Content is a record; the number is its position.
pub(super) const RECORD: u8 = 1;
/// No content; everything up to the number was acknowledged.
pub(super) const MARK: u8 = 2;
/// No content; the first frame of a segment, whose number is that of the record before it.
pub(super) const FIRST: u8 = 3;

pub(super) const SALT_BYTES: usize = 16;
pub(super) const HEAD_BYTES: usize = 1 + 4 + 8 + CHECK_BYTES;
const CHECK_BYTES: usize = 8;
