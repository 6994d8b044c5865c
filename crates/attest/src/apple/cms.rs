//! Signed data of CMS (RFC 5652 §5), as far as Apple's receipts need it: one signer, content inside, no attributes.
//!
//! The encoding is BER with indefinite lengths. What is covered by the signature is the content's bytes, pieces put
//! together, and nothing of the wrapping; so nothing of the wrapping is believed but the certificates, by their chain.

use crate::appraisal::AttestError;
use crate::asn1::{Asn1Error, Element, Reader, Rules};
use crate::code::Code;
use crate::x509::CHAIN_MAX;
use std::borrow::Cow;

/// Signed data, taken apart.
#[derive(Debug)]
pub(crate) struct SignedData<'a> {
    pub(crate) content: Cow<'a, [u8]>,
    /// As they stand there.
    pub(crate) certificates: Vec<&'a [u8]>,
    /// Serial of the signer's certificate, as the bytes of the INTEGER.
    pub(crate) signer_serial: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// Reads signed data.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, AttestError> {
        read(bytes).map_err(|Asn1Error| AttestError::new(Code::Malformed, "the signed data cannot be read"))
    }
}

fn read(bytes: &[u8]) -> Result<SignedData<'_>, Asn1Error> {
    let mut outer = Reader::only(bytes, Rules::Ber)?.sequence()?;
    if outer.next()?.oid()? != SIGNED_DATA {
        return Err(Asn1Error);
    }
    let mut fields = outer.next()?.explicit()?.sequence()?;
    outer.finish()?;
    if fields.next()?.integer()? != 1 {
        return Err(Asn1Error);
    }
    sha256_alone(fields.next()?)?;
    let content = content(fields.next()?)?;
    let mut listed = fields.optional_context(0)?.ok_or(Asn1Error)?.inside()?;
    let mut certificates = Vec::new();
    while !listed.is_empty() {
        if certificates.len() == CHAIN_MAX {
            return Err(Asn1Error);
        }
        certificates.push(listed.next()?.raw);
    }
    let mut signers = fields.next()?.set()?;
    fields.finish()?;
    let (signer_serial, signature) = signer(signers.next()?)?;
    signers.finish()?;
    Ok(SignedData { content, certificates, signer_serial, signature })
}

/// The digest algorithms: SHA-256 and no other.
fn sha256_alone(element: Element<'_>) -> Result<(), Asn1Error> {
    let mut algorithms = element.set()?;
    let sha256 = is_algorithm(algorithms.next()?, SHA256)?;
    algorithms.finish()?;
    if sha256 { Ok(()) } else { Err(Asn1Error) }
}

fn is_algorithm(element: Element<'_>, oid: &[u8]) -> Result<bool, Asn1Error> {
    Ok(element.sequence()?.next()?.oid()? == oid)
}

fn content(element: Element<'_>) -> Result<Cow<'_, [u8]>, Asn1Error> {
    let mut fields = element.sequence()?;
    if fields.next()?.oid()? != DATA {
        return Err(Asn1Error);
    }
    let content = fields.next()?.explicit()?.pieces()?;
    fields.finish()?;
    Ok(content)
}

/// Serial of the signer's certificate, and the signature.
fn signer(element: Element<'_>) -> Result<(&[u8], &[u8]), Asn1Error> {
    let mut fields = element.sequence()?;
    if fields.next()?.integer()? != 1 {
        return Err(Asn1Error);
    }
    let mut name_and_serial = fields.next()?.sequence()?;
    let _issuer = name_and_serial.next()?.sequence()?;
    let serial = name_and_serial.universal(crate::asn1::tag::INTEGER)?.body;
    name_and_serial.finish()?;
    let digest = is_algorithm(fields.next()?, SHA256)?;
    // Signed attributes would stand here, and the signature would cover them instead of the content.
    let algorithm = is_algorithm(fields.next()?, ECDSA_SHA256)?;
    let signature = fields.next()?.octets()?;
    fields.finish()?;
    if digest && algorithm { Ok((serial, signature)) } else { Err(Asn1Error) }
}

/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// 2.16.840.1.101.3.4.2.1
const SHA256: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
/// 1.2.840.10045.4.3.2
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
