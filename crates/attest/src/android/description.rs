//! The statement of the secure hardware about one key: `KeyDescription`.
//!
//! Schema: <https://source.android.com/docs/security/features/keystore/attestation#schema>. Eight fields, and nothing
//! behind them; a statement that cannot be read whole says nothing.

use super::authorization::AuthorizationList;
use crate::appraisal::AttestError;
use crate::asn1::{Asn1Error, Reader, Rules, tag};
use crate::code::Code;
use serde::Serialize;

/// What the hardware states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyDescription {
    /// Version of this schema: 1–4 Keymaster, 100–500 `KeyMint`.
    pub attestation_version: u64,
    /// Where the statement was made.
    pub attestation_security_level: SecurityLevel,
    /// Version of the implementation.
    pub key_mint_version: u64,
    /// Where the key lives.
    pub key_mint_security_level: SecurityLevel,
    /// What the caller asked the hardware to sign.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub attestation_challenge: Vec<u8>,
    /// An id that privileged apps may ask for; empty otherwise.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub unique_id: Vec<u8>,
    /// What the system enforces, and only that: as good as verified boot.
    pub software_enforced: AuthorizationList,
    /// What the hardware enforces.
    pub hardware_enforced: AuthorizationList,
}

/// Where a key lives, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecurityLevel {
    /// In the system.
    Software,
    /// In a trusted execution environment.
    TrustedEnvironment,
    /// In a chip of its own.
    StrongBox,
}

impl KeyDescription {
    /// Reads what the extension holds.
    pub(crate) fn parse(bytes: &[u8], rules: Rules) -> Result<Self, AttestError> {
        // LIMIT: the longest real statement has about 500 bytes.
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(AttestError::new(Code::TooLarge, "statement"));
        }
        read(bytes, rules)
            .map_err(|Asn1Error| AttestError::new(Code::Malformed, "the statement cannot be read"))
    }

    /// The same without what names one device: serials, IMEIs, MEID, and the id for privileged apps.
    pub(crate) fn without_hardware_ids(&self) -> Self {
        Self {
            unique_id: Vec::new(),
            software_enforced: self.software_enforced.without_hardware_ids(),
            hardware_enforced: self.hardware_enforced.without_hardware_ids(),
            ..self.clone()
        }
    }
}

fn read(bytes: &[u8], rules: Rules) -> Result<KeyDescription, Asn1Error> {
    let mut fields = Reader::only(bytes, rules)?.sequence()?;
    let description = KeyDescription {
        attestation_version: fields.next()?.integer()?,
        attestation_security_level: level(fields.next()?.unsigned(tag::ENUMERATED)?)?,
        key_mint_version: fields.next()?.integer()?,
        key_mint_security_level: level(fields.next()?.unsigned(tag::ENUMERATED)?)?,
        attestation_challenge: fields.next()?.octets()?.to_vec(),
        unique_id: fields.next()?.octets()?.to_vec(),
        software_enforced: AuthorizationList::read(fields.next()?, rules)?,
        hardware_enforced: AuthorizationList::read(fields.next()?, rules)?,
    };
    fields.finish()?;
    Ok(description)
}

const fn level(number: u64) -> Result<SecurityLevel, Asn1Error> {
    match number {
        0 => Ok(SecurityLevel::Software),
        1 => Ok(SecurityLevel::TrustedEnvironment),
        2 => Ok(SecurityLevel::StrongBox),
        _ => Err(Asn1Error),
    }
}

/// Longest statement.
const STATEMENT_BYTES_MAX: usize = 16 << 10;
