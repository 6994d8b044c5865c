//! Certificates that makers left in the chip's non-volatile memory.
//!
//! Whoever may read the index reads it, in pieces. What is there may be longer than the certificate, which ends where its
//! DER says. Whether it is one is not looked at.

use super::client::{OWNER, Tpm};
use super::command::{Call, Entity};
use super::endorsement::EndorsementKind;
use super::error::{TpmError, TpmFault};
use super::fields::Fields;
use super::public::Name;
use glacis_wire::Writer;
use glacis_wire::limits::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX};

/// An index in the non-volatile memory, as the chip describes it.
pub(super) struct NvIndex {
    pub(super) attributes: u32,
    pub(super) size: usize,
    pub(super) entity: Entity,
}

impl Tpm {
    /// The certificate of the platform, in DER, if its maker left one: an attribute or a public-key certificate.
    pub fn platform_certificates(&mut self) -> Result<Vec<Vec<u8>>, TpmError> {
        self.operate(|tpm| Ok(tpm.read_certificate(PLATFORM_CERTIFICATE)?.into_iter().collect()))
    }

    /// Whether there is a certificate of this endorsement key; it is not read.
    pub fn has_certificate(&mut self, kind: EndorsementKind) -> Result<bool, TpmError> {
        self.operate(|tpm| match tpm.nv_public(kind.certificate_index()) {
            Ok(index) => Ok(index.attributes & WRITTEN != 0),
            Err(error) if error.fault() == TpmFault::NvMissing => Ok(false),
            Err(error) => Err(error),
        })
    }

    /// Certificates above that of the endorsement key, which some makers leave: DER, one after the other, over as many
    /// indexes as they need. What does not fit into evidence stays away.
    pub fn endorsement_chain(&mut self) -> Result<Vec<Vec<u8>>, TpmError> {
        self.operate(|tpm| {
            let mut bytes = Vec::new();
            for index in ENDORSEMENT_CHAIN {
                match tpm.read_index(index)? {
                    Some(piece) => bytes.extend(piece),
                    None => break,
                }
            }
            let mut chain = Vec::new();
            while let Some(length) = der_length(&bytes) {
                let rest = bytes.split_off(length);
                chain.push(core::mem::replace(&mut bytes, rest));
            }
            chain.retain(|der| der.len() <= CERTIFICATE_BYTES_MAX);
            chain.truncate(CERTIFICATES_MAX - 1);
            Ok(chain)
        })
    }

    /// The certificate at this index, if there is one.
    pub(super) fn read_certificate(&mut self, index: u32) -> Result<Option<Vec<u8>>, TpmError> {
        let Some(mut bytes) = self.read_index(index)? else { return Ok(None) };
        // Padding is cut; what is no DER at all is no certificate.
        Ok(der_length(&bytes).map(|length| {
            bytes.truncate(length);
            bytes
        }))
    }

    /// Everything at this index, if it is there and was written.
    fn read_index(&mut self, index: u32) -> Result<Option<Vec<u8>>, TpmError> {
        let index = match self.nv_public(index) {
            Ok(index) => index,
            Err(error) if error.fault() == TpmFault::NvMissing => return Ok(None),
            Err(error) => return Err(error),
        };
        if index.attributes & WRITTEN == 0 {
            return Ok(None);
        }
        if index.size > CERTIFICATE_BYTES_MAX {
            return Err(TpmError::new(NAME, TpmFault::Limit("a certificate")));
        }
        let owner = index.attributes & AUTH_READ == 0;
        let mut bytes = Vec::with_capacity(index.size);
        while bytes.len() < index.size {
            let count = index.size.saturating_sub(bytes.len()).min(PIECE_BYTES);
            bytes.extend(self.nv_read(&index, owner, &[], (bytes.len(), count))?);
        }
        Ok(Some(bytes))
    }

    pub(super) fn nv_public(&mut self, index: u32) -> Result<NvIndex, TpmError> {
        let handles = vec![Entity::permanent(index)];
        let command = Call::new(NAME, NV_READ_PUBLIC, handles, Writer::new());
        let answer = self.wire.call(command, &mut []).map_err(missing)?;
        let mut fields = answer.fields();
        let (public, _name) = (fields.sized()?, fields.sized()?);
        fields.end()?;
        let mut said = Fields::new(NAME, public);
        let (theirs, _hash, attributes) = (said.u32()?, said.u16()?, said.u32()?);
        let (_policy, size) = (said.sized()?, usize::from(said.u16()?));
        said.end()?;
        if theirs != index {
            return Err(said.unexpected("an index"));
        }
        let entity = Entity::named(index, Name::of(public).as_bytes());
        Ok(NvIndex { attributes, size, entity })
    }

    /// Reads a piece (offset, length), as the owner or by the index's own value.
    pub(super) fn nv_read(
        &mut self,
        index: &NvIndex,
        as_owner: bool,
        auth: &[u8],
        (offset, count): (usize, usize),
    ) -> Result<Vec<u8>, TpmError> {
        let over = || TpmError::new(NAME, TpmFault::Limit("an offset"));
        let mut parameters = Writer::new();
        for field in [count, offset] {
            parameters.u16(u16::try_from(field).map_err(|_| over())?);
        }
        let who = if as_owner { Entity::permanent(OWNER) } else { index.entity.clone() };
        let command = Call::new(NAME, NV_READ, vec![who, index.entity.clone()], parameters);
        let owner_auth = self.hierarchy_auth(OWNER);
        let answer = self.in_session(if as_owner { &owner_auth } else { auth }, command).map_err(missing)?;
        let mut fields = answer.fields();
        let bytes = fields.sized()?.to_vec();
        fields.end()?;
        if bytes.len() == count { Ok(bytes) } else { Err(fields.unexpected("a piece")) }
    }
}

/// Whether this is an attribute certificate, by its form: its content begins with version 2, where a public-key
/// certificate has a tag of its own around its version. Both are called platform certificates; evidence has a place for
/// the first (RFC 5755 §4.1, TCG Platform Certificate Profile 1.1, §3.2).
pub(super) fn is_attribute_certificate(der: &[u8]) -> bool {
    inside(der).and_then(inside).is_some_and(|content| content.starts_with(&[2, 1, 1]))
}

/// What is inside of the SEQUENCE at the start.
fn inside(der: &[u8]) -> Option<&[u8]> {
    let (_, length) = der_header(der)?;
    der.get(length..)
}

/// A handle of the non-volatile memory that is not there is no reset of the chip.
pub(super) fn missing(error: TpmError) -> TpmError {
    if error.fault() == TpmFault::HandleGone { TpmError::new(NAME, TpmFault::NvMissing) } else { error }
}

/// Length of the DER value at the start.
fn der_length(bytes: &[u8]) -> Option<usize> {
    let (content, header) = der_header(bytes)?;
    let length: usize = header + content;
    (length <= bytes.len()).then_some(length)
}

/// Lengths of content and header of a SEQUENCE, whose length is in one, two or three bytes.
const fn der_header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes {
        [0x30, short @ 0..=0x7f, ..] => Some((*short as usize, 2)),
        [0x30, 0x81, a, ..] => Some((*a as usize, 3)),
        [0x30, 0x82, a, b, ..] => Some((u16::from_be_bytes([*a, *b]) as usize, 4)),
        _ => None,
    }
}

const NAME: &str = "non-volatile memory";
/// Source: TCG PC Client Platform TPM Profile 1.05, §4.5.1 (platform certificate).
const PLATFORM_CERTIFICATE: u32 = 0x01c0_8000;
/// Source: TCG EK Credential Profile 2.6, §2.2.1.5.2 (chain of endorsement certificates): at most eight are read.
const ENDORSEMENT_CHAIN: core::ops::Range<u32> = 0x01c0_0100..0x01c0_0108;
/// Source: the smallest `TPM_PT_NV_BUFFER_MAX` that the PC Client profile allows.
const PIECE_BYTES: usize = 512;

/// `TPMA_NV`: Part 2, §13.4.
pub(super) const AUTH_READ: u32 = 1 << 18;
pub(super) const WRITTEN: u32 = 1 << 29;

const NV_READ: u32 = 0x14e;
const NV_READ_PUBLIC: u32 = 0x169;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_ends_where_it_says() {
        for (bytes, want) in [
            (&[0x30, 2, 1, 2, 0xff][..], Some(4)),
            (&[0x30, 0x81, 1, 9], Some(4)),
            (&[0x30, 0x82, 0, 1, 9, 0xff, 0xff], Some(5)),
            (&[0x30, 3, 1], None),
            (&[0x31, 0], None),
            (&[], None),
            (&[0xff; 64], None),
        ] {
            assert_eq!(der_length(bytes), want, "{bytes:?}");
        }
    }

    #[test]
    fn an_attribute_certificate_is_told_by_its_form() {
        assert!(is_attribute_certificate(&[0x30, 9, 0x30, 7, 2, 1, 1, 0x30, 2, 5, 0]));
        assert!(is_attribute_certificate(&[0x30, 0x81, 9, 0x30, 7, 2, 1, 1, 0x30, 2, 5, 0]));
        let public_key = [0x30, 9, 0x30, 7, 0xa0, 3, 2, 1, 2, 2, 1];
        for other in [&public_key[..], &[0x30, 2, 0x30, 0], &[0x30], &[]] {
            assert!(!is_attribute_certificate(other), "{other:?}");
        }
    }
}
