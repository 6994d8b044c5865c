//! A bounded reader of CBOR (RFC 8949), as far as attestation objects use it.
//!
//! Definite lengths and shortest forms only, text keys or integer keys, no tags, no floats, no duplicates: what CTAP2
//! calls canonical, except for the order of keys, which real authenticators get wrong and which says nothing. It
//! borrows, and refuses whatever is deeper, longer or other than that.

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CborError;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// Major types 0 and 1.
    Integer(i128),
    Bytes(&'a [u8]),
    Text(&'a str),
    List(Vec<Value<'a>>),
    Map(Vec<(Value<'a>, Value<'a>)>),
    Bool(bool),
    Null,
}

/// Reads one value and says what follows it.
pub(crate) fn read_prefix(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), CborError> {
    let mut budget = ITEMS_MAX;
    value(bytes, 0, &mut budget)
}

/// Reads exactly one value.
pub(crate) fn read(bytes: &[u8]) -> Result<Value<'_>, CborError> {
    match read_prefix(bytes)? {
        (value, []) => Ok(value),
        _ => Err(CborError),
    }
}

impl<'a> Value<'a> {
    #[cfg(any(test, feature = "app-attest"))]
    /// A member of a map by its text key.
    pub(crate) fn member(&self, name: &str) -> Option<&Value<'a>> {
        self.entry(|key| matches!(key, Value::Text(text) if *text == name))
    }

    /// A member of a map by its integer key.
    pub(crate) fn numbered(&self, number: i128) -> Option<&Value<'a>> {
        self.entry(|key| matches!(key, Value::Integer(found) if *found == number))
    }

    fn entry(&self, wanted: impl Fn(&Value<'a>) -> bool) -> Option<&Value<'a>> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| wanted(key)).map(|(_, value)| value)
    }

    #[cfg(any(test, feature = "app-attest"))]
    pub(crate) const fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    #[cfg(any(test, feature = "app-attest"))]
    pub(crate) const fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) const fn integer(&self) -> Option<i128> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    #[cfg(any(test, feature = "app-attest"))]
    pub(crate) fn list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    #[cfg(any(test, feature = "app-attest"))]
    /// How many members a map has.
    pub(crate) fn members(&self) -> Option<usize> {
        if let Self::Map(entries) = self { Some(entries.len()) } else { None }
    }
}

fn value<'a>(bytes: &'a [u8], depth: usize, budget: &mut usize) -> Result<(Value<'a>, &'a [u8]), CborError> {
    *budget = budget.checked_sub(1).ok_or(CborError)?;
    if depth > DEPTH_MAX {
        return Err(CborError);
    }
    let (first, rest) = bytes.split_first().ok_or(CborError)?;
    let (major, minor) = (first >> 5, first & 0x1f);
    if major == 7 {
        let simple = match minor {
            20 => Value::Bool(false),
            21 => Value::Bool(true),
            22 => Value::Null,
            _ => return Err(CborError),
        };
        return Ok((simple, rest));
    }
    let (argument, rest) = argument(minor, rest)?;
    let length = || usize::try_from(argument).map_err(|_| CborError);
    match major {
        0 => Ok((Value::Integer(i128::from(argument)), rest)),
        1 => Ok((Value::Integer(-1 - i128::from(argument)), rest)),
        2 => rest.split_at_checked(length()?).map(|(body, rest)| (Value::Bytes(body), rest)).ok_or(CborError),
        3 => {
            let (body, rest) = rest.split_at_checked(length()?).ok_or(CborError)?;
            Ok((Value::Text(std::str::from_utf8(body).map_err(|_| CborError)?), rest))
        }
        4 => list(rest, length()?, depth, budget),
        5 => map(rest, length()?, depth, budget),
        _ => Err(CborError),
    }
}

fn argument(minor: u8, bytes: &[u8]) -> Result<(u64, &[u8]), CborError> {
    let (size, least) = match minor {
        0..=23 => return Ok((u64::from(minor), bytes)),
        24 => (1, 24),
        25 => (2, 0x100),
        26 => (4, 0x1_0000),
        27 => (8, 0x1_0000_0000),
        _ => return Err(CborError),
    };
    let (digits, rest) = bytes.split_at_checked(size).ok_or(CborError)?;
    let number = digits.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    if number < least { Err(CborError) } else { Ok((number, rest)) }
}

fn list<'a>(
    mut rest: &'a [u8],
    count: usize,
    depth: usize,
    budget: &mut usize,
) -> Result<(Value<'a>, &'a [u8]), CborError> {
    let mut items = Vec::new();
    for _ in 0..count {
        let (item, after) = value(rest, depth + 1, budget)?;
        items.push(item);
        rest = after;
    }
    Ok((Value::List(items), rest))
}

fn map<'a>(
    mut rest: &'a [u8],
    count: usize,
    depth: usize,
    budget: &mut usize,
) -> Result<(Value<'a>, &'a [u8]), CborError> {
    let mut entries: Vec<(Value<'a>, Value<'a>)> = Vec::new();
    for _ in 0..count {
        let (key, after) = value(rest, depth + 1, budget)?;
        let (item, after) = value(after, depth + 1, budget)?;
        let known = matches!(key, Value::Text(_) | Value::Integer(_));
        if !known || entries.iter().any(|(other, _)| *other == key) {
            return Err(CborError);
        }
        entries.push((key, item));
        rest = after;
    }
    Ok((Value::Map(entries), rest))
}

/// Deepest nesting; an attestation object has four levels.
const DEPTH_MAX: usize = 8;
/// Most values in one input; an attestation object has about thirty.
const ITEMS_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_bounded_input_is_read() {
        for (bytes, want) in [
            (&[0x17][..], Some(Value::Integer(23))),
            (&[0x18, 0x18], Some(Value::Integer(24))),
            (&[0x18, 0x17], None),
            (&[0x39, 0xff, 0xfe], Some(Value::Integer(-65_535))),
            (
                &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
                Some(Value::Integer(-1 - i128::from(u64::MAX))),
            ),
            (&[0x42, 1, 2], Some(Value::Bytes(&[1, 2]))),
            (&[0x42, 1], None),
            (&[0x61, 0x61], Some(Value::Text("a"))),
            (&[0x61, 0xff], None),
            (&[0x5f, 0x41, 1, 0xff], None),
            (&[0xa2, 1, 1, 1, 2], None),
            (&[0xa1, 0x41, 1, 1], None),
            (&[0xc1, 1], None),
            (&[0xf9, 0, 0], None),
            (&[0xf6], Some(Value::Null)),
            (&[0x17, 0], None),
            (&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255], None),
            (&[0xbb, 255, 255, 255, 255, 255, 255, 255, 255], None),
            (&[], None),
        ] {
            assert_eq!(read(bytes).ok(), want, "{bytes:02x?}");
        }
    }

    #[test]
    fn bombs_end_at_the_limits() {
        let nested = |depth: usize| [[0x81].repeat(depth), vec![0]].concat();
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert!(read(&nested(DEPTH_MAX + 1)).is_err());
        assert!(read(&nested(100_000)).is_err());
        let wide = |count: u8| [vec![0x98, count], vec![0; usize::from(count)]].concat();
        assert!(read(&wide(255)).is_ok());
        let two = [vec![0x82], wide(200), wide(200)].concat();
        assert!(read(&two).is_err());
    }
}
