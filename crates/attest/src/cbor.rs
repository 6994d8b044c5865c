//! A bounded reader of CBOR (RFC 8949), and the writer beside it: what attestation objects, results and reference values use.
//!
//! Definite lengths and shortest forms only, no duplicates: what CTAP2 calls canonical, except for the order of keys,
//! which real authenticators get wrong and which says nothing. [`Rules`] say what else a format has: tags, floats, how
//! deep, how many. It borrows, and refuses whatever is deeper, longer or other than that; so whatever was read is written
//! as the same bytes.

use std::collections::BTreeSet;

/// What a format may use, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Tags, and the simple values and floats of major type 7 beside `false`, `true` and `null`.
    extended: bool,
    /// Deepest nesting.
    depth: usize,
    /// Most values in one input.
    items: usize,
}

impl Rules {
    /// Attestation objects, COSE keys: text keys or integer keys, no tags, no floats. Such an object has four levels and
    /// about thirty values.
    pub(crate) const CTAP2: Self = Self { extended: false, depth: 8, items: 256 };
    /// Results and reference values, which nest deeper and use tags.
    pub(crate) const RATS: Self = Self { extended: true, depth: 24, items: 8_192 };
}

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
    /// A tag and what it stands before.
    Tagged(u64, Box<Value<'a>>),
    /// Any other item of major type 7, a float for one, as it stands: nothing here looks into it.
    Simple(&'a [u8]),
}

/// Reads one value and says what follows it.
#[cfg(any(feature = "app-attest", feature = "webauthn"))]
pub(crate) fn read_prefix(bytes: &[u8]) -> Result<(Value<'_>, &[u8]), CborError> {
    read_first(bytes, Rules::CTAP2)
}

/// Reads exactly one value.
pub(crate) fn read(bytes: &[u8]) -> Result<Value<'_>, CborError> {
    read_by(bytes, Rules::CTAP2)
}

/// Reads exactly one value by these rules.
pub(crate) fn read_by(bytes: &[u8], rules: Rules) -> Result<Value<'_>, CborError> {
    match read_first(bytes, rules)? {
        (value, []) => Ok(value),
        _ => Err(CborError),
    }
}

fn read_first(bytes: &[u8], rules: Rules) -> Result<(Value<'_>, &[u8]), CborError> {
    let mut input = Input { bytes, rules, budget: rules.items };
    let value = input.value(0)?;
    Ok((value, input.bytes))
}

/// Appends a value in its shortest form; maps keep the order of their entries.
pub(crate) fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Integer(number) if *number < 0 => write_head(out, 1, magnitude(-1 - *number)),
        Value::Integer(number) => write_head(out, 0, magnitude(*number)),
        Value::Bytes(bytes) => write_text(out, 2, bytes),
        Value::Text(text) => write_text(out, 3, text.as_bytes()),
        Value::List(items) => {
            write_head(out, 4, items.len() as u64);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Map(entries) => {
            write_head(out, 5, entries.len() as u64);
            for (key, item) in entries {
                write(key, out);
                write(item, out);
            }
        }
        Value::Tagged(tag, inner) => {
            write_head(out, 6, *tag);
            write(inner, out);
        }
        Value::Bool(value) => out.push(0xf4 + u8::from(*value)),
        Value::Null => out.push(0xf6),
        Value::Simple(bytes) => out.extend_from_slice(bytes),
    }
}

/// A value as bytes.
pub(crate) fn to_bytes(value: &Value<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut out);
    out
}

/// INVARIANT: integers that were read, or are made here, have 64 bits and a sign; nothing saturates.
fn magnitude(number: i128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn write_text(out: &mut Vec<u8>, major: u8, bytes: &[u8]) {
    write_head(out, major, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let digits = argument.to_be_bytes();
    let [.., fourth, third, second, first] = digits;
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | first),
        24..=0xff => out.extend_from_slice(&[major | 24, first]),
        0x100..=0xffff => out.extend_from_slice(&[major | 25, second, first]),
        0x1_0000..=0xffff_ffff => out.extend_from_slice(&[major | 26, fourth, third, second, first]),
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&digits);
        }
    }
}

impl<'a> Value<'a> {
    /// A member of a map by its text key.
    #[cfg(any(test, feature = "app-attest"))]
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

    pub(crate) const fn bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) const fn text(&self) -> Option<&'a str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) const fn integer(&self) -> Option<i128> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Value<'a>]> {
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The entries of a map.
    pub(crate) fn entries(&self) -> Option<&[(Value<'a>, Value<'a>)]> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// How many members a map has.
    #[cfg(any(test, feature = "app-attest"))]
    pub(crate) fn members(&self) -> Option<usize> {
        if let Self::Map(entries) = self { Some(entries.len()) } else { None }
    }
}

/// What is left to read.
struct Input<'a> {
    bytes: &'a [u8],
    rules: Rules,
    budget: usize,
}

impl<'a> Input<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, CborError> {
        self.budget = self.budget.checked_sub(1).ok_or(CborError)?;
        if depth > self.rules.depth {
            return Err(CborError);
        }
        let whole = self.bytes;
        let (first, rest) = self.bytes.split_first().ok_or(CborError)?;
        self.bytes = rest;
        let (major, minor) = (first >> 5, first & 0x1f);
        if major == 7 {
            return self.simple(minor, whole);
        }
        let argument = self.argument(minor)?;
        let length = || usize::try_from(argument).map_err(|_| CborError);
        match major {
            0 => Ok(Value::Integer(i128::from(argument))),
            1 => Ok(Value::Integer(-1 - i128::from(argument))),
            2 => self.take(length()?).map(Value::Bytes),
            3 => std::str::from_utf8(self.take(length()?)?).map(Value::Text).map_err(|_| CborError),
            4 => self.list(length()?, depth),
            5 => self.map(length()?, depth),
            _ if self.rules.extended => Ok(Value::Tagged(argument, Box::new(self.value(depth + 1)?))),
            _ => Err(CborError),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], CborError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(CborError)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn argument(&mut self, minor: u8) -> Result<u64, CborError> {
        let (size, least) = match minor {
            0..=23 => return Ok(u64::from(minor)),
            24 => (1, 24),
            25 => (2, 0x100),
            26 => (4, 0x1_0000),
            27 => (8, 0x1_0000_0000),
            _ => return Err(CborError),
        };
        let number = self.take(size)?.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        if number < least { Err(CborError) } else { Ok(number) }
    }

    fn simple(&mut self, minor: u8, whole: &'a [u8]) -> Result<Value<'a>, CborError> {
        let behind = match minor {
            20 => return Ok(Value::Bool(false)),
            21 => return Ok(Value::Bool(true)),
            22 => return Ok(Value::Null),
            _ if !self.rules.extended => return Err(CborError),
            0..=23 => 0,
            // RFC 8949 §3.3: what fits the short form has no long one.
            24 if self.bytes.first().is_some_and(|value| *value >= 32) => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(CborError),
        };
        self.take(behind)?;
        whole.get(..=behind).map(Value::Simple).ok_or(CborError)
    }

    fn list(&mut self, count: usize, depth: usize) -> Result<Value<'a>, CborError> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    fn map(&mut self, count: usize, depth: usize) -> Result<Value<'a>, CborError> {
        let mut entries: Vec<(Value<'a>, Value<'a>)> = Vec::new();
        let mut keys: BTreeSet<Key<'a>> = BTreeSet::new();
        for _ in 0..count {
            let key = self.value(depth + 1)?;
            let item = self.value(depth + 1)?;
            let unique = match key {
                Value::Text(text) => keys.insert(Key::Text(text)),
                Value::Integer(number) => keys.insert(Key::Integer(number)),
                _ => false,
            };
            if !unique {
                return Err(CborError);
            }
            entries.push((key, item));
        }
        Ok(Value::Map(entries))
    }
}

/// Keys that were seen: a map of thousands of entries must not cost the square of that.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Integer(i128),
    Text(&'a str),
}

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
        for rules in [Rules::CTAP2, Rules::RATS] {
            assert!(read_by(&nested(rules.depth), rules).is_ok());
            assert!(read_by(&nested(rules.depth + 1), rules).is_err());
            assert!(read_by(&nested(100_000), rules).is_err());
        }
        assert!(read_by(&[[0xc1].repeat(100_000), vec![0]].concat(), Rules::RATS).is_err());
        let wide = |count: u8| [vec![0x98, count], vec![0; usize::from(count)]].concat();
        assert!(read(&wide(255)).is_ok());
        let two = [vec![0x82], wide(200), wide(200)].concat();
        assert!(read(&two).is_err());
    }

    #[test]
    fn what_is_read_is_written_as_the_same_bytes() {
        for bytes in [
            &[0x17][..],
            &[0x18, 0x18],
            &[0x19, 1, 0],
            &[0x1a, 0, 1, 0, 0],
            &[0x1b, 0, 0, 0, 1, 0, 0, 0, 0],
            &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
            &[0x42, 1, 2],
            &[0x61, 0x61],
            &[0x82, 0xf4, 0xf5],
            &[0xa2, 0x61, 0x61, 0xf6, 0x20, 0x80],
            &[0xd9, 1, 0xf5, 0xc1, 0x00],
            &[0xf7],
            &[0xf8, 0x20],
            &[0xf9, 0x3c, 0],
            &[0xfb, 1, 2, 3, 4, 5, 6, 7, 8],
        ] {
            let value = read_by(bytes, Rules::RATS).unwrap();
            assert_eq!(to_bytes(&value), bytes, "{value:?}");
        }
        for bad in [
            &[0xf8, 0x1f][..],
            &[0xf8],
            &[0xf9, 0],
            &[0xd8, 1, 0],
            &[0xfc],
            &[0xff],
            &[0xc1],
            &[0xa1, 0xc1, 1, 1],
        ] {
            assert_eq!(read_by(bad, Rules::RATS), Err(CborError), "{bad:02x?}");
        }
    }
}
