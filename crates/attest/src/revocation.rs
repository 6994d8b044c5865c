//! Google's list of attestation certificates that are worth nothing any more.
//!
//! The list names serials, some in decimal and some in hexadecimal, so a serial is looked up in both forms. An unknown
//! status revokes: whoever wrote it did not mean "fine". The list has an age; what is too old is no list.

use crate::appraisal::AttestError;
use crate::code::Code;
use glacis_wire::Timestamp;
use glacis_wire::limits::SERIAL_TEXT_BYTES_MAX;
use std::collections::BTreeMap;

/// A revocation list with its age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocations {
    as_of: Timestamp,
    /// Serials without leading zeros, in lower case, as they were written.
    entries: BTreeMap<String, Status>,
}

/// What the list says of a serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// For good.
    Revoked,
    /// Until further notice.
    Suspended,
}

impl Revocations {
    /// A list that names nobody: for families that have none, and for tests.
    pub const fn empty(as_of: Timestamp) -> Self {
        Self { as_of, entries: BTreeMap::new() }
    }

    /// Reads the list as Google publishes it (`https://android.googleapis.com/attestation/status`).
    ///
    /// # Errors
    /// `Malformed` if it is not such a list, `TooLarge` if it is over a limit.
    pub fn parse_google(bytes: &[u8], as_of: Timestamp) -> Result<Self, AttestError> {
        let broken = |what: &'static str| AttestError::new(Code::Malformed, what);
        if bytes.len() > LIST_BYTES_MAX {
            return Err(AttestError::new(Code::TooLarge, "revocation list"));
        }
        let list: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|_| broken("the revocation list is not JSON"))?;
        let listed = list.get("entries").and_then(serde_json::Value::as_object);
        let listed = listed.ok_or_else(|| broken("the revocation list has no entries"))?;
        let mut entries = BTreeMap::new();
        for (serial, entry) in listed {
            let serial = serial.trim_start_matches('0').to_ascii_lowercase();
            if !is_serial(&serial) {
                return Err(broken("the revocation list names what is no serial"));
            }
            let status = match entry.get("status").and_then(serde_json::Value::as_str) {
                Some("SUSPENDED") => Status::Suspended,
                Some(_) => Status::Revoked,
                None => return Err(broken("an entry of the revocation list has no status")),
            };
            entries.insert(serial, status);
        }
        Ok(Self { as_of, entries })
    }

    /// A list of these serials, each in lower case and without leading zeros; none where one is not.
    pub(crate) fn of_entries(as_of: Timestamp, entries: BTreeMap<String, Status>) -> Option<Self> {
        entries.keys().all(|serial| is_serial(serial)).then_some(Self { as_of, entries })
    }

    /// Every serial as it was written, ascending, with its status.
    pub fn entries(&self) -> impl Iterator<Item = (&str, Status)> {
        self.entries.iter().map(|(serial, status)| (serial.as_str(), *status))
    }

    /// Every number that a serial of the list may be, big-endian without leading zeros: one that is written in decimal
    /// digits alone reads as hexadecimal too.
    pub(crate) fn serials(&self) -> impl Iterator<Item = Vec<u8>> {
        self.entries.keys().flat_map(|text| [of_hexadecimal(text), of_decimal(text)]).flatten()
    }

    /// When it was made.
    pub const fn as_of(&self) -> Timestamp {
        self.as_of
    }

    /// How many serials it names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it names nobody.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it says of a serial, given as the big-endian bytes of the certificate.
    pub fn status(&self, serial: &[u8]) -> Option<Status> {
        let found = [hexadecimal(serial), decimal(serial)].map(|text| self.entries.get(&text).copied());
        // The worse one, should a number be listed in one form and another number in the other.
        match found {
            [Some(Status::Revoked), _] | [_, Some(Status::Revoked)] => Some(Status::Revoked),
            [one, other] => one.or(other),
        }
    }
}

/// Whether a text is a serial in lower case and without leading zeros.
fn is_serial(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let fits = (1..=SERIAL_TEXT_BYTES_MAX).contains(&text.len());
    fits && !text.starts_with('0') && text.bytes().all(digit)
}

/// The number of hexadecimal digits.
fn of_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let even = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    glacis_seal::text::parse_hex(&even)
}

/// The number of decimal digits; none of other text.
fn of_decimal(text: &str) -> Option<Vec<u8>> {
    // Lowest byte first.
    let mut bytes: Vec<u8> = Vec::new();
    for digit in text.chars() {
        let mut carry = digit.to_digit(10)?;
        for byte in &mut bytes {
            let sum = u32::from(*byte) * 10 + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        if carry > 0 {
            bytes.push(carry.to_le_bytes()[0]);
        }
    }
    bytes.reverse();
    Some(bytes)
}

/// Hexadecimal without leading zeros.
fn hexadecimal(serial: &[u8]) -> String {
    glacis_seal::text::hex(serial).trim_start_matches('0').to_owned()
}

/// Decimal without leading zeros: base 256 to base 10⁹, digit groups lowest first.
fn decimal(serial: &[u8]) -> String {
    let mut groups: Vec<u64> = vec![0];
    // LIMIT: RFC 5280 §4.1.2.2 allows 20 bytes; `x509-cert` holds to it.
    for byte in serial {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let sum = *group * 256 + carry;
            *group = sum % GROUP;
            carry = sum / GROUP;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let text: String = groups.iter().rev().map(|group| format!("{group:09}")).collect();
    text.trim_start_matches('0').to_owned()
}

const GROUP: u64 = 1_000_000_000;
/// Longest list; the published one has about 200 KB.
const LIST_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_found_in_both_forms() {
        let list = br#"{"entries": {
            "6681152659205225093": {"status": "REVOKED", "reason": "KEY_COMPROMISE"},
            "CC66e9a93713b6e643b26c15879786f7": {"status": "SUSPENDED"},
            "0018446744073709551616": {"status": "REVOKED"},
            "abcdef": {"status": "SOMETHING_NEW"}
        }}"#;
        let list = Revocations::parse_google(list, Timestamp::ZERO).unwrap();
        let of = |hex: &str| {
            let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
            let pairs = hex.as_bytes().chunks(2);
            let bytes: Vec<u8> = pairs.map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
            list.status(&bytes)
        };
        assert_eq!(of("5cb8394ad2b9c685"), None);
        assert_eq!(of(&format!("{:016x}", 6_681_152_659_205_225_093_u64)), Some(Status::Revoked));
        assert_eq!(of("00cc66e9a93713b6e643b26c15879786f7"), Some(Status::Suspended));
        assert_eq!(of("010000000000000000"), Some(Status::Revoked), "2^64 in decimal");
        assert_eq!(of("abcdef"), Some(Status::Revoked), "a status that nobody knows revokes");
        assert_eq!(of("01"), None);
        assert_eq!((list.len(), list.is_empty()), (4, false));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"entries": []}"#,
            r#"{"entries": {"xyz": {"status": "REVOKED"}}}"#,
            r#"{"entries": {"": {"status": "REVOKED"}}}"#,
            r#"{"entries": {"1": {}}}"#,
            r#"{"entries": {"1": {"status": 1}}}"#,
        ] {
            let refused = Revocations::parse_google(bad.as_bytes(), Timestamp::ZERO).unwrap_err();
            assert_eq!(refused.code(), Code::Malformed, "{bad}");
        }
    }

    #[test]
    fn decimal_is_exact() {
        assert_eq!(decimal(&[0]), "");
        assert_eq!(decimal(&[1]), "1");
        assert_eq!(decimal(&[0, 1, 0]), "256");
        assert_eq!(decimal(&[0x3b, 0x9a, 0xca, 0x00]), "1000000000");
        assert_eq!(decimal(&[255; 20]), "1461501637330902918203684832716283019655932542975");
        for bytes in [vec![1], vec![1, 0], vec![0x3b, 0x9a, 0xca, 0x00], vec![255; 20]] {
            assert_eq!(of_decimal(&decimal(&bytes)), Some(bytes.clone()));
            assert_eq!(of_hexadecimal(&hexadecimal(&bytes)), Some(bytes));
        }
        assert_eq!(of_decimal("12a"), None);
    }
}
