//! Structured field values (RFC 8941, RFC 9651): a strict cursor over one field, and the few writers we need.
//!
//! Every method either consumes a whole element or returns an error with its offset. Bare items of all types
//! are recognised, since a foreign member of a dictionary must be skipped correctly; values are borrowed.

use super::{FIELD_BYTES_MAX, HttpSigError, HttpSigErrorKind};
use crate::text::{parse_base64, parse_base64_into, write_base64};
use HttpSigErrorKind::{Syntax, TooLarge};
use std::borrow::Cow;

/// One bare item.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// An integer of at most 15 digits.
    Integer(i64),
    /// A decimal, as written.
    Decimal(&'a str),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// A token.
    Token(&'a str),
    /// A byte sequence: its base64 text, whose alphabet and padding are checked.
    Bytes(&'a str),
    /// A Boolean.
    Boolean(bool),
    /// A date (RFC 9651 §3.3.7): seconds since the epoch.
    Date(i64),
    /// A display string (RFC 9651 §3.3.8), still escaped.
    Display(&'a str),
}

impl Item<'_> {
    /// Appends the canonical form (RFC 9651 §4.1).
    pub fn write(&self, out: &mut String) {
        use std::fmt::Write as _;
        match self {
            // Writing to a `String` cannot fail.
            Self::Integer(int) => drop(write!(out, "{int}")),
            Self::Decimal(text) => write_decimal(out, text),
            Self::Token(text) => out.push_str(text),
            Self::String(text) => write_string(out, text),
            Self::Bytes(text) => out.extend([":", text, ":"]),
            Self::Boolean(value) => out.push_str(if *value { "?1" } else { "?0" }),
            Self::Date(seconds) => drop(write!(out, "@{seconds}")),
            Self::Display(text) => out.extend(["%\"", text, "\""]),
        }
    }
}

/// Appends a string in quotes, escaped. The caller passes printable ASCII.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        if matches!(char, '"' | '\\') {
            out.push('\\');
        }
        out.push(char);
    }
    out.push('"');
}

/// Appends a byte sequence: `:base64:`.
pub fn write_bytes(out: &mut String, bytes: &[u8]) {
    out.push(':');
    write_base64(out, bytes);
    out.push(':');
}

/// A field whose whole value is one byte sequence: `:base64:`.
pub fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3).saturating_mul(4).saturating_add(2));
    write_bytes(&mut out, bytes);
    out
}

/// Reads a field that must be exactly one byte sequence without parameters, of at most `max` bytes.
pub fn parse_bytes(field: &str, max: usize) -> Result<Vec<u8>, HttpSigError> {
    let text = byte_text(field)?;
    if text.len() / 4 > max.div_ceil(3) {
        return Err(TooLarge.at(0));
    }
    let bytes = parse_base64(text).ok_or(Syntax.at(1))?;
    if bytes.len() > max { Err(TooLarge.at(0)) } else { Ok(bytes) }
}

/// Reads a field that must be exactly one byte sequence of `N` bytes; allocates nothing.
pub fn parse_bytes_array<const N: usize>(field: &str) -> Result<[u8; N], HttpSigError> {
    let mut out = [0; N];
    match parse_base64_into(byte_text(field)?, &mut out) {
        Some(len) if len == N => Ok(out),
        _ => Err(Syntax.at(1)),
    }
}

fn byte_text(field: &str) -> Result<&str, HttpSigError> {
    let text = field.trim_matches(' ');
    text.strip_prefix(':').and_then(|rest| rest.strip_suffix(':')).ok_or(Syntax.at(0))
}

/// RFC 9651 §4.1.5: no leading zero, no trailing zero in the fraction but one.
fn write_decimal(out: &mut String, text: &str) {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    out.push_str(sign);
    out.push_str(if whole.is_empty() { "0" } else { whole });
    out.push('.');
    out.push_str(if fraction.is_empty() { "0" } else { fraction });
}

/// Reads one field from left to right.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    rest: &'a str,
    offset: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `field`, leading spaces skipped.
    pub fn new(field: &'a str) -> Result<Self, HttpSigError> {
        if field.len() > FIELD_BYTES_MAX {
            return Err(TooLarge.at(0));
        }
        if let Some(at) = field.bytes().position(|byte| !matches!(byte, b'\t' | b' '..=b'~')) {
            return Err(Syntax.at(at));
        }
        let mut cursor = Self { rest: field, offset: 0 };
        cursor.skip_spaces();
        Ok(cursor)
    }

    /// An error of this kind here.
    pub const fn error(&self, kind: HttpSigErrorKind) -> HttpSigError {
        kind.at(self.offset)
    }

    /// The text from here to where `end`, a later state of this cursor, stands.
    pub fn until(&self, end: &Self) -> &'a str {
        self.rest.get(..end.offset.saturating_sub(self.offset)).unwrap_or("")
    }

    /// Whether only spaces are left.
    pub fn at_end(&self) -> bool {
        self.rest.trim_matches(' ').is_empty()
    }

    /// Skips SP.
    pub fn skip_spaces(&mut self) {
        self.take_while(|byte| byte == b' ');
    }

    /// Skips SP and HTAB.
    fn skip_ows(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Consumes `byte` if it comes next.
    pub fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.as_bytes().first() == Some(&byte);
        if found {
            self.advance(1);
        }
        found
    }

    /// Requires `byte`.
    pub fn expect(&mut self, byte: u8) -> Result<(), HttpSigError> {
        let at = self.error(Syntax);
        if self.eat(byte) { Ok(()) } else { Err(at) }
    }

    /// Moves past the separator to the next dictionary member; false at the end of the field.
    pub fn next_member(&mut self) -> Result<bool, HttpSigError> {
        self.skip_ows();
        if self.rest.is_empty() {
            return Ok(false);
        }
        self.expect(b',')?;
        self.skip_ows();
        // A trailing comma is an error (RFC 9651 §4.2.2).
        if self.rest.is_empty() { Err(self.error(Syntax)) } else { Ok(true) }
    }

    /// A key of a dictionary or parameter.
    pub fn key(&mut self) -> Result<&'a str, HttpSigError> {
        let at = self.error(Syntax);
        let first = self.rest.as_bytes().first();
        if !first.is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*') {
            return Err(at);
        }
        Ok(self.take_while(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.' | b'*')
        }))
    }

    /// The next parameter, `;key` or `;key=value`; `None` if there is no further one.
    pub fn parameter(&mut self) -> Result<Option<(&'a str, Item<'a>)>, HttpSigError> {
        if !self.eat(b';') {
            return Ok(None);
        }
        self.skip_spaces();
        let key = self.key()?;
        let value = if self.eat(b'=') { self.item()? } else { Item::Boolean(true) };
        Ok(Some((key, value)))
    }

    /// Skips parameters, checking them.
    pub fn skip_parameters(&mut self) -> Result<(), HttpSigError> {
        while self.parameter()?.is_some() {}
        Ok(())
    }

    /// Skips one dictionary member value (item or inner list) with its parameters, checking it.
    pub fn skip_member(&mut self) -> Result<(), HttpSigError> {
        if self.eat(b'(') {
            while self.inner_more()? {
                self.item()?;
                self.skip_parameters()?;
                self.inner_separator()?;
            }
        } else {
            self.item()?;
        }
        self.skip_parameters()
    }

    /// Inside an inner list: whether a further item comes; consumes the closing parenthesis if not.
    pub fn inner_more(&mut self) -> Result<bool, HttpSigError> {
        self.skip_spaces();
        if self.rest.is_empty() { Err(self.error(Syntax)) } else { Ok(!self.eat(b')')) }
    }

    /// After an item of an inner list: a space or the closing parenthesis must come.
    pub fn inner_separator(&self) -> Result<(), HttpSigError> {
        let next = self.rest.as_bytes().first();
        if matches!(next, Some(b' ' | b')')) { Ok(()) } else { Err(self.error(Syntax)) }
    }

    /// One bare item.
    pub fn item(&mut self) -> Result<Item<'a>, HttpSigError> {
        let at = self.error(Syntax);
        match self.rest.as_bytes().first().ok_or(at)? {
            b'"' => self.string(),
            b':' => self.byte_sequence(),
            b'?' => self.boolean(),
            b'@' => {
                self.advance(1);
                match self.number()? {
                    Item::Integer(seconds) => Ok(Item::Date(seconds)),
                    _ => Err(at),
                }
            }
            b'%' => self.display(),
            b'-' | b'0'..=b'9' => self.number(),
            b'*' | b'a'..=b'z' | b'A'..=b'Z' => Ok(Item::Token(self.take_while(is_token))),
            _ => Err(at),
        }
    }

    fn string(&mut self) -> Result<Item<'a>, HttpSigError> {
        self.expect(b'"')?;
        let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\t'));
        if self.eat(b'"') {
            return Ok(Item::String(Cow::Borrowed(plain)));
        }
        let mut text = String::from(plain);
        loop {
            if self.eat(b'"') {
                return Ok(Item::String(Cow::Owned(text)));
            }
            self.expect(b'\\')?;
            if self.eat(b'"') {
                text.push('"');
            } else {
                self.expect(b'\\')?;
                text.push('\\');
            }
            text.push_str(self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\t')));
        }
    }

    fn byte_sequence(&mut self) -> Result<Item<'a>, HttpSigError> {
        let at = self.error(Syntax);
        self.expect(b':')?;
        let text = self.take_while(|byte| byte != b':');
        self.expect(b':')?;
        if parse_base64(text).is_some() { Ok(Item::Bytes(text)) } else { Err(at) }
    }

    fn boolean(&mut self) -> Result<Item<'a>, HttpSigError> {
        self.expect(b'?')?;
        if self.eat(b'1') {
            return Ok(Item::Boolean(true));
        }
        self.expect(b'0').map(|()| Item::Boolean(false))
    }

    fn display(&mut self) -> Result<Item<'a>, HttpSigError> {
        let at = self.error(Syntax);
        self.expect(b'%')?;
        self.expect(b'"')?;
        let text = self.take_while(|byte| !matches!(byte, b'"' | b'\t'));
        self.expect(b'"')?;
        let mut bytes = Vec::with_capacity(text.len());
        let mut raw = text.bytes();
        while let Some(byte) = raw.next() {
            if byte == b'%' {
                let (high, low) = (raw.next().and_then(lower_hex), raw.next().and_then(lower_hex));
                bytes.push(high.zip(low).map(|(high, low)| high << 4 | low).ok_or(at)?);
            } else {
                bytes.push(byte);
            }
        }
        std::str::from_utf8(&bytes).map(|_| Item::Display(text)).map_err(|_| at)
    }

    fn number(&mut self) -> Result<Item<'a>, HttpSigError> {
        let at = self.error(Syntax);
        let whole_text = self.rest;
        let negative = self.eat(b'-');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 {
            return Err(at);
        }
        if self.eat(b'.') {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            if digits.len() > 12 || fraction.is_empty() || fraction.len() > 3 {
                return Err(at);
            }
            let len = usize::from(negative) + digits.len() + 1 + fraction.len();
            return whole_text.get(..len).map(Item::Decimal).ok_or(at);
        }
        let value: i64 = digits.parse().map_err(|_| at)?;
        Ok(Item::Integer(if negative { -value } else { value }))
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let len = self.rest.bytes().position(|byte| !keep(byte)).unwrap_or(self.rest.len());
        let (head, tail) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = tail;
        self.offset += len;
        head
    }

    fn advance(&mut self, len: usize) {
        // INVARIANT: the field is ASCII, so every offset is a character boundary.
        self.rest = self.rest.get(len..).unwrap_or("");
        self.offset += len;
    }
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^' | b'_' | b'`' | b'|' | b'~' | b':' | b'/')
}

const fn lower_hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
