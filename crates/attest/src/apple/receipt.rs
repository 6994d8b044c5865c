//! Receipts: what Apple signs about a key, first with the attestation and then, with a fraud metric, on request.
//!
//! Source: <https://developer.apple.com/documentation/devicecheck/assessing-fraud-risk>. A receipt is a set of numbered
//! fields inside signed data. The metric counts keys that a device made for the app in the last month; it is Apple's
//! estimate, and only receipts of kind `RECEIPT` have it.

use super::Environment;
use super::cms::SignedData;
use crate::appraisal::AttestError;
use crate::asn1::{Asn1Error, Reader, Rules};
use crate::code::Code;
use crate::path::{self, Rule};
use crate::x509::Cert;
use glacis_wire::Timestamp;
use glacis_wire::civil::days_from_civil;
use glacis_wire::message::PublicKey;
use serde::Serialize;

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// What it is.
    pub kind: ReceiptKind,
    /// `TEAMID.bundle.identifier`.
    pub app: String,
    /// The attested key.
    #[serde(serialize_with = "crate::appraisal::hex_public_key")]
    pub key: PublicKey,
    /// The client data's hash of the attestation, in the form that Apple returns it.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub client_hash: Vec<u8>,
    /// Apple's name for it.
    pub token: String,
    /// Which of Apple's environments, if it says so.
    pub environment: Option<Environment>,
    /// When Apple made it, in milliseconds.
    #[serde(skip)]
    pub created: Timestamp,
    /// Before when no new one can be asked for.
    #[serde(skip)]
    pub not_before: Option<Timestamp>,
    /// After when it cannot be exchanged any more.
    #[serde(skip)]
    pub expires: Timestamp,
    /// How many keys the device made for the app in the last 30 days, about.
    pub risk_metric: Option<u32>,
}

/// What a receipt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptKind {
    /// Of the attestation; it has no metric.
    Attest,
    /// Of a later request.
    Receipt,
}

/// Checks a receipt: Apple's signature as of `now`, app and key.
///
/// `roots` are DER `SubjectPublicKeyInfo` (see [`crate::Roots::apple`]).
///
/// # Errors
/// The code says which check failed; `Expired` if the receipt itself has ended.
pub fn check_receipt(
    receipt: &[u8],
    roots: &[Vec<u8>],
    app: &str,
    key: &PublicKey,
    now: Timestamp,
) -> Result<Receipt, AttestError> {
    // LIMIT: real receipts have four kilobytes.
    if receipt.len() > RECEIPT_BYTES_MAX {
        return Err(Code::TooLarge.into());
    }
    let signed = SignedData::parse(receipt)?;
    let certs: Vec<Cert<'_>> =
        signed.certificates.iter().map(|cert| Cert::parse(cert)).collect::<Result<_, _>>()?;
    let signer = certs.first().ok_or_else(|| AttestError::new(Code::Malformed, "no certificate"))?;
    if signer.serial() != signed.signer_serial {
        return Err(AttestError::new(Code::NameChain, "the signer is not the first certificate"));
    }
    let rule = Rule { anchors: roots, now, danger_expired: false, danger_unanchored: false, known: &[] };
    path::check(&certs, &rule)?;
    signer.key.verify_named(crate::x509::oid::ECDSA_SHA256, &signed.content, signed.signature)?;
    let broken = |Asn1Error| AttestError::new(Code::Malformed, "the receipt cannot be read");
    let found = fields(&signed.content).map_err(broken)?;
    if found.app != app {
        return Err(Code::App.into());
    }
    if found.key != *key {
        return Err(Code::DeviceKey.into());
    }
    if found.expires < now {
        return Err(AttestError::new(Code::Expired, "the receipt"));
    }
    Ok(found)
}

/// The numbered fields of the content.
fn fields(content: &[u8]) -> Result<Receipt, Asn1Error> {
    let mut raw: [Option<&[u8]>; FIELDS] = [None; FIELDS];
    let mut set = Reader::only(content, Rules::Lenient)?.set()?;
    while !set.is_empty() {
        let mut field = set.next()?.sequence()?;
        let number = usize::try_from(field.next()?.integer()?).map_err(|_| Asn1Error)?;
        let _version = field.next()?.integer()?;
        let value = field.next()?.octets()?;
        field.finish()?;
        // Fields that nobody here knows are Apple's to add.
        if let Some(place) = raw.get_mut(number)
            && place.replace(value).is_some()
        {
            return Err(Asn1Error);
        }
    }
    let of = |number: usize| raw.get(number).copied().flatten();
    let text = |number| of(number).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let time = |number| text(number).map(|written| parse_time(written).ok_or(Asn1Error)).transpose();
    let cert = Cert::parse(of(3).ok_or(Asn1Error)?).map_err(|_| Asn1Error)?;
    let key = <[u8; PublicKey::LEN]>::try_from(cert.key.bits.as_slice()).map_err(|_| Asn1Error)?;
    Ok(Receipt {
        kind: match text(6) {
            Some("ATTEST") => ReceiptKind::Attest,
            Some("RECEIPT") => ReceiptKind::Receipt,
            _ => return Err(Asn1Error),
        },
        app: text(2).ok_or(Asn1Error)?.to_owned(),
        key: PublicKey(key),
        client_hash: of(4).ok_or(Asn1Error)?.to_vec(),
        token: text(5).ok_or(Asn1Error)?.to_owned(),
        environment: match text(7) {
            Some("sandbox") => Some(Environment::Development),
            Some("production") => Some(Environment::Production),
            Some(_) => return Err(Asn1Error),
            None => None,
        },
        created: time(12)?.ok_or(Asn1Error)?,
        not_before: time(19)?,
        expires: time(21)?.ok_or(Asn1Error)?,
        risk_metric: text(17).map(|digits| digits.parse().map_err(|_| Asn1Error)).transpose()?,
    })
}

/// `2021-01-23T12:13:35.801Z`; Apple leaves zeros at the end of the fraction out.
fn parse_time(text: &str) -> Option<Timestamp> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = day.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.splitn(3, ':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let in_range = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 60 || !(1..=3).contains(&fraction.len()) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    let scale = [100, 10, 1].get(fraction.len() - 1)?;
    u64::try_from(seconds * 1_000 + number(fraction)? * scale).ok().map(Timestamp::from_ms)
}

fn number(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// Highest field number, and one.
const FIELDS: usize = 32;
/// Longest receipt.
const RECEIPT_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_strictly() {
        assert_eq!(parse_time("1970-01-02T00:00:01.500Z"), Some(Timestamp::from_ms(86_401_500)));
        assert_eq!(parse_time("1970-01-02T00:00:01.05Z"), Some(Timestamp::from_ms(86_401_050)));
        assert_eq!(parse_time("2021-01-23T12:13:35Z"), Some(Timestamp::from_secs(1_611_404_015)));
        for bad in [
            "",
            "2021-01-23T12:13:35.801",
            "2021-01-23 12:13:35Z",
            "2021-13-23T12:13:35Z",
            "2021-01-23T24:13:35Z",
            "2021-01-23T12:13Z",
            "2021-01-23T12:13:35.Z",
            "2021-01-23T12:13:35.8011Z",
            "2021-01-+3T12:13:35Z",
            "99999-01-23T12:13:35Z",
        ] {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }
}
