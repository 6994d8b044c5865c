//! A bounded reader of ASN.1 for what is inside certificates: extensions, signed receipts, TPM names.
//!
//! Certificates themselves are read by `x509-cert`; makers of devices are less careful with what they put into them.
//! So the rules are a choice: [`Rules::Der`] takes one form only, [`Rules::Lenient`] what real devices get wrong,
//! [`Rules::Ber`] also indefinite lengths, as Apple's receipts have them. It borrows, never copies, and nests at most
//! [`DEPTH_MAX`] deep.

#[cfg(any(test, feature = "app-attest"))]
use std::borrow::Cow;

/// How strictly bytes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// X.690 §10–11: one encoding of each value.
    Der,
    /// Also longer lengths and integers than needed, and any non-zero byte as true.
    Lenient,
    /// Lenient, and indefinite lengths and strings in pieces (X.690 §8).
    Ber,
}

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asn1Error;

/// Class of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Universal,
    Application,
    Context,
    Private,
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element<'a> {
    pub(crate) class: Class,
    pub(crate) constructed: bool,
    pub(crate) tag: u32,
    /// What it holds.
    pub(crate) body: &'a [u8],
    /// All of it, header included.
    pub(crate) raw: &'a [u8],
    rules: Rules,
}

/// Reads one element after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    rules: Rules,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8], rules: Rules) -> Self {
        Self { rest: bytes, rules }
    }

    /// Exactly one element and nothing behind it.
    pub(crate) fn only(bytes: &'a [u8], rules: Rules) -> Result<Element<'a>, Asn1Error> {
        let mut reader = Self::new(bytes, rules);
        let element = reader.next()?;
        reader.finish()?;
        Ok(element)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may be left.
    pub(crate) const fn finish(self) -> Result<(), Asn1Error> {
        if self.rest.is_empty() { Ok(()) } else { Err(Asn1Error) }
    }

    pub(crate) fn next(&mut self) -> Result<Element<'a>, Asn1Error> {
        let (element, rest) = read(self.rest, self.rules, 0)?;
        self.rest = rest;
        Ok(element)
    }

    /// The next element, if it has this universal tag.
    pub(crate) fn universal(&mut self, tag: u32) -> Result<Element<'a>, Asn1Error> {
        self.next()?.universal(tag)
    }

    #[cfg(any(test, feature = "app-attest"))]
    /// The next element if it is context tag `tag`; nothing is read otherwise.
    pub(crate) fn optional_context(&mut self, tag: u32) -> Result<Option<Element<'a>>, Asn1Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (element, rest) = read(self.rest, self.rules, 0)?;
        if element.class != Class::Context || element.tag != tag {
            return Ok(None);
        }
        self.rest = rest;
        Ok(Some(element))
    }
}

impl<'a> Element<'a> {
    /// Itself, if it has this universal tag.
    pub(crate) fn universal(self, tag: u32) -> Result<Self, Asn1Error> {
        if self.class == Class::Universal && self.tag == tag { Ok(self) } else { Err(Asn1Error) }
    }

    /// What a SEQUENCE holds.
    pub(crate) fn sequence(self) -> Result<Reader<'a>, Asn1Error> {
        self.universal(tag::SEQUENCE)?.inside()
    }

    /// What a SET holds.
    pub(crate) fn set(self) -> Result<Reader<'a>, Asn1Error> {
        self.universal(tag::SET)?.inside()
    }

    /// What a constructed element holds, whatever its tag.
    pub(crate) const fn inside(self) -> Result<Reader<'a>, Asn1Error> {
        if self.constructed { Ok(Reader::new(self.body, self.rules)) } else { Err(Asn1Error) }
    }

    /// The one element that an explicit tag wraps.
    pub(crate) fn explicit(self) -> Result<Self, Asn1Error> {
        if !self.constructed {
            return Err(Asn1Error);
        }
        Reader::only(self.body, self.rules)
    }

    /// An OCTET STRING in one piece.
    pub(crate) fn octets(self) -> Result<&'a [u8], Asn1Error> {
        let element = self.universal(tag::OCTET_STRING)?;
        if element.constructed { Err(Asn1Error) } else { Ok(element.body) }
    }

    #[cfg(any(test, feature = "app-attest"))]
    /// An OCTET STRING, in pieces where the rules allow it.
    pub(crate) fn pieces(self) -> Result<Cow<'a, [u8]>, Asn1Error> {
        let element = self.universal(tag::OCTET_STRING)?;
        if !element.constructed {
            return Ok(Cow::Borrowed(element.body));
        }
        if self.rules != Rules::Ber {
            return Err(Asn1Error);
        }
        let (mut reader, mut whole) = (element.inside()?, Vec::new());
        while !reader.is_empty() {
            whole.extend_from_slice(reader.next()?.octets()?);
        }
        Ok(Cow::Owned(whole))
    }

    /// An INTEGER or ENUMERATED that is not negative and fits.
    pub(crate) fn unsigned(self, tag: u32) -> Result<u64, Asn1Error> {
        let element = self.universal(tag)?;
        let (first, rest) = element.body.split_first().ok_or(Asn1Error)?;
        let padded = *first == 0 && rest.first().is_some_and(|next| next & 0x80 == 0);
        if element.constructed || first & 0x80 != 0 || (padded && self.rules == Rules::Der) {
            return Err(Asn1Error);
        }
        let digits = element.body.iter().skip_while(|byte| **byte == 0);
        digits.enumerate().try_fold(0_u64, |sum, (place, byte)| {
            if place < 8 { Ok(sum << 8 | u64::from(*byte)) } else { Err(Asn1Error) }
        })
    }

    /// An INTEGER that is not negative and fits.
    pub(crate) fn integer(self) -> Result<u64, Asn1Error> {
        self.unsigned(tag::INTEGER)
    }

    #[cfg(any(test, feature = "android-key", feature = "tpm"))]
    /// A BOOLEAN.
    pub(crate) fn boolean(self) -> Result<bool, Asn1Error> {
        match (self.universal(tag::BOOLEAN)?.body, self.rules) {
            ([0], _) => Ok(false),
            ([0xff], _) | ([_], Rules::Lenient | Rules::Ber) => Ok(true),
            _ => Err(Asn1Error),
        }
    }

    #[cfg(any(test, feature = "android-key"))]
    /// A NULL.
    pub(crate) fn null(self) -> Result<(), Asn1Error> {
        if self.universal(tag::NULL)?.body.is_empty() { Ok(()) } else { Err(Asn1Error) }
    }

    #[cfg(any(test, feature = "app-attest", feature = "tpm"))]
    /// The bytes of an OBJECT IDENTIFIER.
    pub(crate) fn oid(self) -> Result<&'a [u8], Asn1Error> {
        Ok(self.universal(tag::OBJECT_IDENTIFIER)?.body)
    }
}

/// One element and what follows it.
fn read(bytes: &[u8], rules: Rules, depth: usize) -> Result<(Element<'_>, &[u8]), Asn1Error> {
    if depth > DEPTH_MAX {
        return Err(Asn1Error);
    }
    let (class, constructed, tag, after_tag) = read_tag(bytes, rules)?;
    let (length, after_length) = read_length(after_tag, rules)?;
    let (body, rest) = match length {
        Some(length) => after_length.split_at_checked(length).ok_or(Asn1Error)?,
        None if constructed && rules == Rules::Ber => until_end(after_length, depth)?,
        None => return Err(Asn1Error),
    };
    let raw = bytes.get(..bytes.len().saturating_sub(rest.len())).ok_or(Asn1Error)?;
    Ok((Element { class, constructed, tag, body, raw, rules }, rest))
}

/// An indefinite body: elements up to two zero bytes.
fn until_end(bytes: &[u8], depth: usize) -> Result<(&[u8], &[u8]), Asn1Error> {
    let mut rest = bytes;
    loop {
        if let Some(after) = rest.strip_prefix(&[0, 0]) {
            let body = bytes.get(..bytes.len().saturating_sub(rest.len())).ok_or(Asn1Error)?;
            return Ok((body, after));
        }
        rest = read(rest, Rules::Ber, depth + 1)?.1;
    }
}

fn read_tag(bytes: &[u8], rules: Rules) -> Result<(Class, bool, u32, &[u8]), Asn1Error> {
    let (first, mut rest) = bytes.split_first().ok_or(Asn1Error)?;
    let class = match first >> 6 {
        0 => Class::Universal,
        1 => Class::Application,
        2 => Class::Context,
        _ => Class::Private,
    };
    let constructed = first & 0x20 != 0;
    let low = u32::from(first & 0x1f);
    if low != 0x1f {
        return Ok((class, constructed, low, rest));
    }
    let mut tag = 0_u32;
    // LIMIT: three bytes hold every tag that is in use (the highest is 724).
    for place in 0..3 {
        let (byte, after) = rest.split_first().ok_or(Asn1Error)?;
        if place == 0 && *byte == 0x80 {
            return Err(Asn1Error);
        }
        tag = tag << 7 | u32::from(byte & 0x7f);
        rest = after;
        if byte & 0x80 == 0 {
            return if tag < 0x1f && rules == Rules::Der {
                Err(Asn1Error)
            } else {
                Ok((class, constructed, tag, rest))
            };
        }
    }
    Err(Asn1Error)
}

/// The length, or none if it is indefinite.
fn read_length(bytes: &[u8], rules: Rules) -> Result<(Option<usize>, &[u8]), Asn1Error> {
    let (first, rest) = bytes.split_first().ok_or(Asn1Error)?;
    match first {
        0..=0x7f => Ok((Some(usize::from(*first)), rest)),
        0x80 => Ok((None, rest)),
        // LIMIT: four bytes of length are more than any input here can have.
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(Asn1Error)?;
            let length = digits.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
            let padded = digits.first() == Some(&0) || length < 0x80;
            if padded && rules == Rules::Der { Err(Asn1Error) } else { Ok((Some(length), rest)) }
        }
        _ => Err(Asn1Error),
    }
}

/// DER INTEGER of big-endian bytes; none of zero.
#[cfg(any(feature = "app-attest", feature = "tpm"))]
pub(crate) fn unsigned(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.iter().position(|byte| *byte != 0)?;
    let digits = bytes.get(start..)?;
    let padded = if digits.first()? & 0x80 == 0 { digits.to_vec() } else { [&[0], digits].concat() };
    element(2, &padded)
}

/// DER of one element with a one-byte tag.
#[cfg(any(feature = "app-attest", feature = "tpm"))]
pub(crate) fn element(tag: u8, body: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(body.len()).ok()?.to_be_bytes();
    let header = match (length, body.len()) {
        ([_, low], 0..=0x7f) => vec![tag, low],
        ([_, low], 0x80..=0xff) => vec![tag, 0x81, low],
        ([high, low], _) => vec![tag, 0x82, high, low],
    };
    Some([&header, body].concat())
}

/// Universal tags.
pub(crate) mod tag {
    #[cfg(any(test, feature = "android-key", feature = "tpm"))]
    pub(crate) const BOOLEAN: u32 = 1;
    pub(crate) const INTEGER: u32 = 2;
    #[cfg(feature = "tpm")]
    pub(crate) const BIT_STRING: u32 = 3;
    pub(crate) const OCTET_STRING: u32 = 4;
    #[cfg(any(test, feature = "android-key"))]
    pub(crate) const NULL: u32 = 5;
    #[cfg(any(test, feature = "app-attest", feature = "tpm"))]
    pub(crate) const OBJECT_IDENTIFIER: u32 = 6;
    #[cfg(any(test, feature = "android-key"))]
    pub(crate) const ENUMERATED: u32 = 10;
    #[cfg(any(feature = "tpm", feature = "webauthn"))]
    pub(crate) const UTF8_STRING: u32 = 12;
    pub(crate) const SEQUENCE: u32 = 16;
    pub(crate) const SET: u32 = 17;
    #[cfg(any(feature = "tpm", feature = "webauthn"))]
    pub(crate) const PRINTABLE_STRING: u32 = 19;
}

/// Deepest nesting of indefinite lengths; Apple's receipts have four.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn only(bytes: &[u8], rules: Rules) -> Option<Element<'_>> {
        Reader::only(bytes, rules).ok()
    }

    #[test]
    fn der_has_one_form_and_the_others_are_named() {
        for (bytes, der, lenient, ber) in [
            (&[2, 1, 5][..], true, true, true),
            (&[2, 0x81, 1, 5], false, true, true),
            (&[2, 0x82, 0, 1, 5], false, true, true),
            (&[0x24, 0x80, 4, 1, 7, 0, 0], false, false, true),
            (&[4, 0x80, 0, 0], false, false, false),
            (&[2, 2, 5], false, false, false),
            (&[2, 1, 5, 0], false, false, false),
            (&[0xbf, 0x85, 0x3d, 0], true, true, true),
            (&[0xbf, 0x80, 0x3d, 0], false, false, false),
            (&[0xbf, 0x05, 0], false, true, true),
            (&[0xbf, 0xff, 0xff, 0xff, 0x01, 0], false, false, false),
            (&[2, 0x85, 0, 0, 0, 0, 1, 5], false, false, false),
            (&[], false, false, false),
        ] {
            let read = [Rules::Der, Rules::Lenient, Rules::Ber].map(|rules| only(bytes, rules).is_some());
            assert_eq!(read, [der, lenient, ber], "{bytes:02x?}");
        }
    }

    #[test]
    fn values_are_read_by_the_rules() {
        let integer = |bytes: &[u8], rules| only(bytes, rules).unwrap().integer().ok();
        assert_eq!(integer(&[2, 2, 0, 0x80], Rules::Der), Some(128));
        assert_eq!(integer(&[2, 2, 0, 5], Rules::Der), None);
        assert_eq!(integer(&[2, 2, 0, 5], Rules::Lenient), Some(5));
        assert_eq!(integer(&[2, 1, 0x80], Rules::Lenient), None, "negative");
        assert_eq!(integer(&[2, 0], Rules::Lenient), None);
        assert_eq!(integer(&[2, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255], Rules::Der), Some(u64::MAX));
        assert_eq!(integer(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0], Rules::Der), None);
        let boolean = |byte, rules| only(&[1, 1, byte], rules).unwrap().boolean().ok();
        assert_eq!([0, 255, 1].map(|byte| boolean(byte, Rules::Der)), [Some(false), Some(true), None]);
        assert_eq!(boolean(1, Rules::Lenient), Some(true));
        let pieces = [0x24, 0x80, 4, 1, 7, 4, 2, 8, 9, 0, 0];
        assert_eq!(only(&pieces, Rules::Ber).unwrap().pieces().unwrap(), [7, 8, 9].as_slice());
        assert!(only(&[0x24, 3, 4, 1, 7], Rules::Der).unwrap().pieces().is_err());
    }

    #[test]
    fn nesting_ends_where_the_limit_is() {
        let nest = |depth: usize| {
            let mut bytes = [0x30, 0x80].repeat(depth);
            bytes.extend([0, 0].repeat(depth));
            only(&bytes, Rules::Ber).is_some()
        };
        assert!(nest(DEPTH_MAX));
        assert!(!nest(DEPTH_MAX + 2));
        assert!(!nest(10_000));
    }
}
