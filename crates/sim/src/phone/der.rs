//! A writer of DER (X.690 §10), as far as certificates and statements of simulated phones need it.
//!
//! What it writes is read by `attest`, with which it shares no code; it writes one encoding of each value and reads
//! nothing. Lengths have the shortest form, numbers no byte too many.

/// One element: identifier octets and what they wrap.
pub(super) fn element(tag: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = tag.to_vec();
    let length = body.len().to_be_bytes();
    match body.len() {
        // Below 128 the last of the eight bytes is the whole length.
        0..=127 => out.extend(length.last()),
        _ => {
            let digits: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
            // At most eight digits, so this never carries into the flag.
            out.push(digits.iter().fold(0x80, |count, _| count + 1));
            out.extend(digits);
        }
    }
    out.extend(body);
    out
}

/// SEQUENCE of these, one behind the other.
pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    element(&[0x30], &parts.concat())
}

/// SET of these. Whoever gives several gives them in order.
pub(super) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    element(&[0x31], &parts.concat())
}

/// INTEGER that is not negative.
pub(super) fn integer(number: u64) -> Vec<u8> {
    unsigned(&number.to_be_bytes())
}

/// INTEGER of big-endian bytes, not negative.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
    if digits.first().is_none_or(|first| first & 0x80 != 0) {
        digits.insert(0, 0);
    }
    element(&[2], &digits)
}

/// ENUMERATED of a small number.
pub(super) fn enumerated(number: u8) -> Vec<u8> {
    element(&[10], &[number])
}

/// BOOLEAN.
pub(super) fn boolean(value: bool) -> Vec<u8> {
    element(&[1], &[if value { 0xff } else { 0 }])
}

/// NULL.
pub(super) fn null() -> Vec<u8> {
    element(&[5], &[])
}

/// OCTET STRING.
pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    element(&[4], bytes)
}

/// BIT STRING of whole bytes, the last `unused` bits of which are none.
pub(super) fn bits(unused: u8, bytes: &[u8]) -> Vec<u8> {
    element(&[3], &[&[unused], bytes].concat())
}

/// `UTF8String`.
pub(super) fn text(text: &str) -> Vec<u8> {
    element(&[12], text.as_bytes())
}

/// OBJECT IDENTIFIER of its numbers, of which the first is below 3 and the second below 40.
pub(super) fn oid(numbers: &[u32]) -> Vec<u8> {
    let (first, rest) = numbers.split_at(numbers.len().min(2));
    let joined = first.iter().fold(0, |joined, number| joined * 40 + number);
    let body = [joined].iter().chain(rest).flat_map(|number| base128(*number)).collect::<Vec<u8>>();
    element(&[6], &body)
}

/// `[number] EXPLICIT`.
pub(super) fn tagged(number: u32, body: &[u8]) -> Vec<u8> {
    // CONTEXT | CONSTRUCTED; 31 announces that the number follows.
    const TAG: u8 = 0xa0;
    match u8::try_from(number) {
        Ok(small @ 0..=30) => element(&[TAG | small], body),
        _ => element(&[&[TAG | 31][..], &base128(number)].concat(), body),
    }
}

/// Seven bits a byte, highest first, all but the last with their top bit set.
fn base128(number: u32) -> Vec<u8> {
    let groups = (0..5).rev().map(|place| u8::try_from(number >> (7 * place) & 0x7f).unwrap_or_default());
    let mut groups: Vec<u8> = groups.skip_while(|group| *group == 0).collect();
    let last = groups.pop().unwrap_or(0);
    groups.iter_mut().for_each(|group| *group |= 0x80);
    groups.push(last);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_encoding_of_the_standard() {
        for (got, want) in [
            (integer(0), &[2, 1, 0][..]),
            (integer(127), &[2, 1, 127]),
            (integer(128), &[2, 2, 0, 128]),
            (integer(0x1_0000), &[2, 3, 1, 0, 0]),
            (unsigned(&[0, 0, 0x80]), &[2, 2, 0, 0x80]),
            (boolean(true), &[1, 1, 0xff]),
            (oid(&[2, 5, 29, 19]), &[6, 3, 0x55, 29, 19]),
            // 1.2.840.113549, the example of X.690 §8.19.
            (oid(&[1, 2, 840, 113_549]), &[6, 6, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]),
            (tagged(1, &[]), &[0xa1, 0]),
            (tagged(30, &[]), &[0xbe, 0]),
            (tagged(31, &[]), &[0xbf, 31, 0]),
            (tagged(704, &[]), &[0xbf, 0x85, 0x40, 0]),
        ] {
            assert_eq!(got, want);
        }
    }

    #[test]
    fn lengths_have_the_shortest_form() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (255, &[4, 0x81, 255]),
            (256, &[4, 0x82, 1, 0]),
            (70_000, &[4, 0x83, 1, 0x11, 0x70]),
        ] {
            let made = octets(&vec![7; length]);
            assert_eq!((&made[..head.len()], made.len()), (head, head.len() + length));
        }
    }
}
