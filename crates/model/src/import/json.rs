//! A reader of JSON for large arrays of numbers: flat, without recursion, every value with its place in the file.
//!
//! Numbers stay text until somebody asks, so that `f32` and `f64` are each rounded once, from what the file says.
//! NaN and Infinity, which Python writes, are read as numbers; those who read a value refuse them with its place.

use super::{ImportError, Reason};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

/// A parsed file: its values in the order in which they begin.
#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    kind: Kind,
    start: usize,
    end: usize,
    /// Index of the value behind this one and all that it holds.
    next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

/// Deepest nesting: that of a tree at the depth limit of a model, with room for the error about deeper ones.
const NESTING_MAX: usize = 256;
/// Most values of a file: 100 times those of a large model.
const VALUES_MAX: usize = 8 << 20;

impl<'a> Document<'a> {
    /// Reads one JSON value that fills the file.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, ImportError> {
        let text = core::str::from_utf8(bytes)
            .map_err(|error| ImportError::new(error.valid_up_to(), Reason::Json("not UTF-8")))?;
        let mut parser = Parser { bytes, at: 0, items: Vec::new(), open: Vec::new() };
        parser.run()?;
        Ok(Self { text, items: parser.items })
    }

    /// The outermost value.
    pub(super) const fn root(&self) -> Value<'_> {
        Value { document: self, index: 0 }
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    at: usize,
    items: Vec<Item>,
    /// Arrays and objects that are not closed yet.
    open: Vec<usize>,
}

impl Parser<'_> {
    fn run(&mut self) -> Result<(), ImportError> {
        loop {
            // A value is due here.
            self.blanks();
            let opened = self.value()?;
            if opened && !self.closes_at_once()? {
                self.key()?;
                continue;
            }
            // A value is complete: close what closes, and go on behind a comma.
            loop {
                self.blanks();
                let Some(&container) = self.open.last() else {
                    return if self.at == self.bytes.len() {
                        Ok(())
                    } else {
                        Err(self.wrong("more than one value"))
                    };
                };
                match (self.peek(), self.kind_of(container)) {
                    (Some(b','), _) => {
                        self.at += 1;
                        self.key()?;
                        break;
                    }
                    (Some(b']'), Kind::Array) | (Some(b'}'), Kind::Object) => self.close(container),
                    _ => return Err(self.wrong("a comma or an end is missing")),
                }
            }
        }
    }

    /// Closes an empty container.
    fn closes_at_once(&mut self) -> Result<bool, ImportError> {
        self.blanks();
        let Some(&container) = self.open.last() else { return Err(self.wrong("nothing is open")) };
        let end = if self.kind_of(container) == Kind::Array { b']' } else { b'}' };
        let closes = self.peek() == Some(end);
        if closes {
            self.close(container);
        }
        Ok(closes)
    }

    fn close(&mut self, container: usize) {
        self.at += 1;
        self.open.pop();
        let (end, next) = (self.at, self.items.len());
        if let Some(item) = self.items.get_mut(container) {
            (item.end, item.next) = (end, next);
        }
    }

    /// Reads the key and the colon, where an object is open.
    fn key(&mut self) -> Result<(), ImportError> {
        let object = self.open.last().is_some_and(|container| self.kind_of(*container) == Kind::Object);
        if !object {
            return Ok(());
        }
        self.blanks();
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a name in quotes is missing"));
        }
        self.string()?;
        self.blanks();
        if self.peek() != Some(b':') {
            return Err(self.wrong("a colon is missing"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a scalar, or opens a container and says so.
    fn value(&mut self) -> Result<bool, ImportError> {
        let kind = match self.peek() {
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(b'"') => return self.string().map(|()| false),
            Some(b'-' | b'0'..=b'9' | b'N' | b'I') => return self.number().map(|()| false),
            Some(b'n') => return self.word(b"null", Kind::Null).map(|()| false),
            Some(b't') => return self.word(b"true", Kind::Bool).map(|()| false),
            Some(b'f') => return self.word(b"false", Kind::Bool).map(|()| false),
            _ => return Err(self.wrong("a value is missing")),
        };
        if self.open.len() >= NESTING_MAX {
            return Err(self.wrong("nested too deep"));
        }
        self.open.push(self.items.len());
        let start = self.at;
        self.at += 1;
        self.push(kind, start).map(|()| true)
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<(), ImportError> {
        let start = self.at;
        if !self.bytes.get(start..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(self.wrong("a value is missing"));
        }
        self.at += word.len();
        self.push(kind, start)
    }

    fn number(&mut self) -> Result<(), ImportError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
            self.at += 1;
        }
        let text = self.bytes.get(start..self.at).unwrap_or(&[]);
        if !is_number(text) {
            self.at = start;
            return Err(self.wrong("not a number"));
        }
        self.push(Kind::Number, start)
    }

    fn string(&mut self) -> Result<(), ImportError> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') if self.at + 1 < self.bytes.len() => self.at += 2,
                Some(0..=0x1f | b'\\') | None => return Err(self.wrong("a string does not end")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        self.push(Kind::String, start)
    }

    fn push(&mut self, kind: Kind, start: usize) -> Result<(), ImportError> {
        if self.items.len() >= VALUES_MAX {
            return Err(ImportError::new(self.at, Reason::TooLarge));
        }
        let next = self.items.len() + 1;
        self.items.push(Item { kind, start, end: self.at, next });
        Ok(())
    }

    fn kind_of(&self, index: usize) -> Kind {
        self.items.get(index).map_or(Kind::Null, |item| item.kind)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    const fn wrong(&self, what: &'static str) -> ImportError {
        ImportError::new(self.at, Reason::Json(what))
    }
}

/// JSON's grammar of numbers, and the three words that Python adds.
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at_checked(digits(text)).unwrap_or((text, &[]));
    if whole.is_empty() {
        return matches!(rest, b"NaN" | b"Infinity");
    }
    if whole.len() > 1 && whole.starts_with(b"0") {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) if digits(fraction) == 0 => return false,
        Some(fraction) => fraction.get(digits(fraction)..).unwrap_or(&[]),
        None => rest,
    };
    let exponent = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E"));
    let exponent =
        exponent.map(|text| text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text));
    exponent.map_or(rest.is_empty(), |text| !text.is_empty() && digits(text) == text.len())
}

/// One value of a document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'d> {
    document: &'d Document<'d>,
    index: usize,
}

impl<'d> Value<'d> {
    fn item(self) -> Item {
        let none = Item { kind: Kind::Null, start: 0, end: 0, next: usize::MAX };
        self.document.items.get(self.index).copied().unwrap_or(none)
    }

    /// Where it begins in the file.
    pub(super) fn offset(self) -> usize {
        self.item().start
    }

    fn text(self) -> &'d str {
        let Item { start, end, .. } = self.item();
        self.document.text.get(start..end).unwrap_or("")
    }

    /// The values right inside, names of an object among them.
    fn inside(self) -> impl Iterator<Item = Value<'d>> {
        let (document, end) = (self.document, self.item().next);
        let mut index = self.index + 1;
        core::iter::from_fn(move || {
            let value = Value { document, index };
            let more = index < end;
            index = value.item().next;
            more.then_some(value)
        })
    }

    /// The items of an array.
    pub(super) fn array(self, what: &str) -> Result<impl Iterator<Item = Value<'d>>, ImportError> {
        if self.item().kind == Kind::Array { Ok(self.inside()) } else { Err(self.form(what, "an array")) }
    }

    /// The member of an object, if it has it; two of one name are refused, since readers differ on which counts.
    pub(super) fn find(self, name: &str) -> Result<Option<Value<'d>>, ImportError> {
        let mut found = None;
        let mut inside = if self.item().kind == Kind::Object { Some(self.inside()) } else { None };
        while let Some(key) = inside.as_mut().and_then(Iterator::next) {
            let value = inside.as_mut().and_then(Iterator::next);
            let quoted = key.text();
            if quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')) == Some(name) {
                if found.is_some() {
                    return Err(key.form(name, "there once"));
                }
                found = value;
            }
        }
        Ok(found)
    }

    /// The member of an object.
    pub(super) fn member(self, name: &str) -> Result<Value<'d>, ImportError> {
        let lacks = || ImportError::new(self.offset(), Reason::Lacks(name.to_owned()));
        self.find(name)?.ok_or_else(lacks)
    }

    /// A number, rounded once to the type that is asked for.
    pub(super) fn number<T: FromStr>(self, what: &str) -> Result<T, ImportError> {
        let number = if self.item().kind == Kind::Number { self.text().parse().ok() } else { None };
        number.ok_or_else(|| self.form(what, "a number of its range"))
    }

    /// A number that XGBoost writes as a string.
    pub(super) fn number_in_string<T: FromStr>(self, what: &str) -> Result<T, ImportError> {
        let text = self.string(what)?;
        text.parse().map_err(|_| self.form(what, "a number in a string"))
    }

    /// `true` or `false`, or the numbers 1 and 0 that XGBoost writes for them.
    pub(super) fn flag(self, what: &str) -> Result<bool, ImportError> {
        match (self.item().kind, self.text()) {
            (Kind::Bool, "true") | (Kind::Number, "1") => Ok(true),
            (Kind::Bool, "false") | (Kind::Number, "0") => Ok(false),
            _ => Err(self.form(what, "true or false")),
        }
    }

    /// A string, its escapes resolved.
    pub(super) fn string(self, what: &str) -> Result<String, ImportError> {
        let inner = self.text().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let inner = inner.filter(|_| self.item().kind == Kind::String);
        let inner = inner.ok_or_else(|| self.form(what, "a string"))?;
        unescape(inner).ok_or_else(|| self.form(what, "a string with valid escapes"))
    }

    /// An error about the form of this value.
    pub(super) fn form(self, what: &str, wanted: &str) -> ImportError {
        ImportError::new(self.offset(), Reason::Form(format!("`{what}` is not {wanted}")))
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            out.push(letter);
            continue;
        }
        out.push(match letters.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => match unit(&mut letters)? {
                high @ 0xd800..=0xdbff => {
                    let low =
                        (letters.next()? == '\\' && letters.next()? == 'u').then(|| unit(&mut letters))??;
                    let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + low)?
                }
                other => char::from_u32(other)?,
            },
            same @ ('"' | '\\' | '/') => same,
            _ => return None,
        });
    }
    Some(out)
}

/// Four hexadecimal digits.
fn unit(letters: &mut core::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + letters.next()?.to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    fn error(text: &str) -> String {
        Document::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn values_are_found_with_their_places() {
        let text = r#" {"a": [1, -2.5e3, {"b": null}], "c\n": "\u00e9\ud83d\ude00\"", "d": {}, "e": [] } "#;
        let document = Document::parse(text.as_bytes()).unwrap();
        let root = document.root();
        let a: Vec<_> = root.member("a").unwrap().array("a").unwrap().collect();
        assert_eq!(a.len(), 3);
        assert_eq!(a[0].number::<i32>("x"), Ok(1));
        assert_eq!(a[1].number::<f64>("x"), Ok(-2500.0));
        assert!(a[2].find("b").unwrap().is_some() && a[2].find("a").unwrap().is_none());
        assert_eq!(a[2].offset(), text.find("{\"b").unwrap());
        assert_eq!(root.member("c\\n").unwrap().string("c").unwrap(), "é😀\"");
        assert_eq!(root.member("e").unwrap().array("e").unwrap().count(), 0);
        assert_eq!(root.member("z").unwrap_err().to_string(), "there is no `z` (byte 1)");
        assert_eq!(root.member("a").unwrap().number::<u8>("a").unwrap_err().offset(), Some(7));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("{\"a\" 1}", 5),
            ("{\"a\":1,}", 7),
            ("{1:2}", 1),
            ("[}", 1),
            ("[1}", 2),
            ("1 2", 2),
            ("\"a", 2),
            ("\"a\\", 2),
            ("\"a\\\"", 4),
            ("\"a\nb\"", 2),
            ("01", 0),
            ("1.", 0),
            ("1e", 0),
            ("-", 0),
            ("+1", 0),
            ("0x1", 0),
            ("tru", 0),
            ("[nan]", 1),
        ] {
            let error = Document::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.offset(), Some(at), "{text:?}: {error}");
        }
        assert_eq!(Document::parse(b"[\"\xff\"]").unwrap_err().offset(), Some(2));
    }

    #[test]
    fn nesting_is_bounded_and_does_not_recurse() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(Document::parse(deep(NESTING_MAX).as_bytes()).is_ok());
        assert!(error(&deep(NESTING_MAX + 1)).contains("nested too deep"));
        assert!(error(&"[".repeat(1 << 20)).contains("nested too deep"));
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_when_it_is_read() {
        let document = Document::parse(br#"{"a": 1, "b": 2, "a": 3}"#).unwrap();
        assert!(document.root().find("b").unwrap().is_some());
        assert_eq!(document.root().find("a").unwrap_err().offset(), Some(17));
    }

    #[test]
    fn numbers_are_rounded_once_and_pythons_words_are_numbers() {
        // Half way between two f32, but for the last digit: through f64 it would be rounded to the wrong side.
        let text = b"1.000000059604644775390626";
        let document = Document::parse(text).unwrap();
        assert_eq!(document.root().number::<f32>("x"), Ok(1.000_000_1));
        for (word, finite) in [("NaN", false), ("-Infinity", false), ("1E38", true), ("1e999", false)] {
            let document = Document::parse(word.as_bytes()).unwrap();
            assert_eq!(document.root().number::<f32>("x").unwrap().is_finite(), finite, "{word}");
        }
    }

    #[test]
    fn broken_escapes_are_refused() {
        for broken in [r"\x", r"\u12", r"\ud800", r"\ud800\u0041", r"\udc00", "\\"] {
            assert_eq!(unescape(broken), None, "{broken}");
        }
        assert_eq!(unescape(r"\/\b\f\r\t\\").unwrap(), "/\u{8}\u{c}\r\t\\");
        assert_eq!(vec![unescape("é").unwrap()], ["é"]);
    }
}
