//! Certificates of a run's own authorities (RFC 5280): names, keys, dates, extensions, one signature each.
//!
//! Keys are on P-256 and sign with SHA-256. Nothing here checks what it signs: that an authority should not vouch for
//! something is what verifiers are for, and tests make chains that are wrong on purpose.

use super::der::{bits, boolean, element, integer, octets, oid, sequence, set, tagged, text, unsigned};
use glacis_host::Host;
use glacis_seal::{PublicKey, SealError, SigningKey, sha256};
use glacis_wire::Timestamp;
use std::time::Duration;

/// Somebody who signs certificates: a key, and the name that its own certificate has.
#[derive(Debug)]
pub(super) struct Authority {
    key: SigningKey,
    name: Vec<u8>,
}

/// A certificate before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Big-endian bytes.
    pub(super) serial: Vec<u8>,
    /// DER `Name`.
    pub(super) subject: Vec<u8>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    pub(super) extensions: Vec<Extension>,
}

/// One extension.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    oid: Vec<u8>,
    critical: bool,
    value: Vec<u8>,
}

impl Authority {
    /// A new key under this name.
    pub(super) fn found(name: Vec<u8>, host: &dyn Host) -> Result<Self, SealError> {
        Ok(Self { key: SigningKey::generate(|out| host.fill(out))?, name })
    }

    /// The same key under another name.
    pub(super) fn named(self, name: Vec<u8>) -> Self {
        Self { name, ..self }
    }

    pub(super) const fn public(&self) -> PublicKey {
        self.key.public()
    }

    /// The name as DER.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// Its key as DER `SubjectPublicKeyInfo`, which a verifier may anchor.
    pub(super) fn anchor(&self) -> Vec<u8> {
        key_info(&self.key.public())
    }

    /// ECDSA with SHA-256 over `message`, as X.509 and CMS have it.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SealError> {
        let signature = self.key.sign_raw(message)?;
        let (r, s) = signature.split_at(signature.len() / 2);
        Ok(sequence(&[unsigned(r), unsigned(s)]))
    }

    /// Its own certificate, signed by itself.
    pub(super) fn root(&self, dates: (Timestamp, Timestamp)) -> Result<Vec<u8>, SealError> {
        self.certify(&Draft::authority(self, dates), &self.key.public())
    }

    /// A certificate for `subject`, DER.
    pub(super) fn certify(&self, draft: &Draft, subject: &PublicKey) -> Result<Vec<u8>, SealError> {
        let extensions = draft.extensions.iter().map(|one| {
            let critical = if one.critical { boolean(true) } else { Vec::new() };
            sequence(&[one.oid.clone(), critical, octets(&one.value)])
        });
        let extensions: Vec<Vec<u8>> = extensions.collect();
        let body = sequence(&[
            tagged(0, &integer(VERSION_3)),
            unsigned(&draft.serial),
            ecdsa_sha256(),
            self.name.clone(),
            sequence(&[time(draft.from), time(draft.until)]),
            draft.subject.clone(),
            key_info(subject),
            tagged(3, &sequence(&extensions)),
        ]);
        let signature = self.sign(&body)?;
        Ok(sequence(&[body, ecdsa_sha256(), bits(0, &signature)]))
    }
}

impl Draft {
    /// What certifies another authority.
    pub(super) fn authority(authority: &Authority, (from, until): (Timestamp, Timestamp)) -> Self {
        let is_ca = sequence(&[boolean(true)]);
        Self {
            serial: serial(&authority.public(), 0),
            subject: authority.name.clone(),
            from,
            until,
            extensions: vec![
                Extension::critical(&[2, 5, 29, 19], is_ca),
                // keyCertSign is bit 5: two bits of the byte are unused.
                Extension::critical(&[2, 5, 29, 15], bits(2, &[0x04])),
            ],
        }
    }

    #[must_use]
    pub(super) fn with(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }
}

impl Extension {
    pub(super) fn new(numbers: &[u32], value: Vec<u8>) -> Self {
        Self { oid: oid(numbers), critical: false, value }
    }

    pub(super) fn critical(numbers: &[u32], value: Vec<u8>) -> Self {
        Self { critical: true, ..Self::new(numbers, value) }
    }

    /// `keyUsage` of a key that signs, and no certificates.
    pub(super) fn signs() -> Self {
        // digitalSignature is bit 0: seven bits of the byte are unused.
        Self::critical(&[2, 5, 29, 15], bits(7, &[0x80]))
    }
}

/// A serial that no other certificate of a run has: of the key that it is about, and which certificate of it this is.
pub(super) fn serial(subject: &PublicKey, number: u64) -> Vec<u8> {
    let digest = sha256(&[&subject.0[..], &number.to_be_bytes()].concat());
    // RFC 5280 §4.1.2.2 allows 20 bytes, and none of them is missing by chance: the first one is never zero.
    [0x40].iter().chain(digest.as_bytes()).take(SERIAL_BYTES).copied().collect()
}

/// DER `Name` of these attributes, each of one value.
pub(super) fn name(attributes: &[(&[u32], &str)]) -> Vec<u8> {
    let one = |(attribute, value): &(&[u32], &str)| set(&[sequence(&[oid(attribute), text(value)])]);
    sequence(&attributes.iter().map(one).collect::<Vec<_>>())
}

/// DER `SubjectPublicKeyInfo` of a key on P-256.
pub(super) fn key_info(key: &PublicKey) -> Vec<u8> {
    let algorithm = sequence(&[oid(&[1, 2, 840, 10_045, 2, 1]), oid(&[1, 2, 840, 10_045, 3, 1, 7])]);
    sequence(&[algorithm, bits(0, &key.0)])
}

/// The one algorithm that signs here.
pub(super) fn ecdsa_sha256() -> Vec<u8> {
    sequence(&[oid(&[1, 2, 840, 10_045, 4, 3, 2])])
}

/// A time as RFC 5280 §4.1.2.5 has it: two digits of the year before 2050, four after.
fn time(at: Timestamp) -> Vec<u8> {
    let digits: String = at.rfc3339().chars().filter(char::is_ascii_digit).collect();
    let (century, rest) = digits.split_at_checked(2).unwrap_or(("", &digits));
    if at < YEAR_2050 {
        element(&[0x17], format!("{rest}Z").as_bytes())
    } else {
        element(&[0x18], format!("{century}{rest}Z").as_bytes())
    }
}

/// So much before now begins what is made now: clocks differ.
pub(super) fn yesterday(now: Timestamp) -> Timestamp {
    now.before(DAY)
}

/// `commonName`.
pub(super) const COMMON_NAME: &[u32] = &[2, 5, 4, 3];
/// `organizationName`.
pub(super) const ORGANIZATION: &[u32] = &[2, 5, 4, 10];
/// `title`.
pub(super) const TITLE: &[u32] = &[2, 5, 4, 12];
/// `serialNumber`, of a name.
pub(super) const SERIAL_NUMBER: &[u32] = &[2, 5, 4, 5];
const DAY: Duration = Duration::from_secs(86_400);
const VERSION_3: u64 = 2;
const SERIAL_BYTES: usize = 16;
/// 2050-01-01T00:00:00Z.
const YEAR_2050: Timestamp = Timestamp::from_secs(2_524_608_000);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_form_of_their_century() {
        assert_eq!(time(Timestamp::from_secs(1_767_225_600)), element(&[0x17], b"260101000000Z"));
        assert_eq!(time(Timestamp::from_ms(2_524_607_999_999)), element(&[0x17], b"491231235959Z"));
        assert_eq!(time(YEAR_2050), element(&[0x18], b"20500101000000Z"));
    }
}
