//! CEL tokens with spans, following the lexical grammar of the CEL language definition.
//!
//! Total over any text: each byte belongs to a token, to white space, to a comment or to a located error.
//! All of CEL's tokens are known here; what conditions of policies may not use is refused later, by name.

use super::ast::BinaryOp;
use crate::diagnostic::Span;
use crate::source::Finding;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Name(String),
    /// A word that CEL keeps for host languages: a field may be called so, a variable may not.
    Reserved(&'static str),
    /// A name in back quotes.
    Quoted(String),
    /// `true`, `false`
    Bool(bool),
    Null,
    Binary(BinaryOp),
    Not,
    Question,
    Colon,
    Comma,
    Dot,
    Open(char),
    Close(char),
    End,
}

/// A token and its place in the condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// Splits a condition; the last lexeme is [`Token::End`].
pub(crate) fn lex(text: &str) -> Result<Vec<Lexeme>, Finding> {
    let mut lexer = Lexer { text, at: 0 };
    let mut lexemes = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        lexemes.push(Lexeme { token, span: Span::new(start, lexer.at) });
        if end {
            return Ok(lexemes);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    /// Consumes bytes while `accept` holds and returns them.
    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.bytes().take_while(|byte| accept(*byte)).count();
        self.at += len;
        rest.get(..len).unwrap_or("")
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0C));
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|byte| byte != b'\n');
        }
    }

    fn token(&mut self) -> Result<Token, Finding> {
        let start = self.at;
        let Some(first) = self.peek(0) else { return Ok(Token::End) };
        if first.is_ascii_digit() || (first == b'.' && self.peek(1).is_some_and(|b| b.is_ascii_digit())) {
            return self.number();
        }
        if let Some(prefix) = self.string_prefix() {
            return self.string(start, prefix);
        }
        if first == b'`' {
            return self.quoted(start);
        }
        if first == b'_' || first.is_ascii_alphabetic() {
            return self.word();
        }
        for (symbol, token) in SYMBOLS {
            if self.rest().starts_with(symbol) {
                self.at += symbol.len();
                return Ok(token.clone());
            }
        }
        Err(self.stranger(start))
    }

    /// What to say about a character that starts no token.
    fn stranger(&self, start: usize) -> Finding {
        let letter = self.rest().chars().next().unwrap_or(' ');
        let span = Span::new(start, start + letter.len_utf8());
        match letter {
            '=' => Finding::new(span, "G2001", "`=` is not an operator").help("did you mean `==`?"),
            '&' => Finding::new(span, "G2001", "`&` is not an operator").help("did you mean `&&`?"),
            '|' => Finding::new(span, "G2001", "`|` is not an operator").help("did you mean `||`?"),
            _ => Finding::new(span, "G2001", format!("unexpected character `{}`", letter.escape_default())),
        }
    }

    fn word(&mut self) -> Result<Token, Finding> {
        let word = self.take_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        Ok(match word {
            "true" => Token::Bool(true),
            "false" => Token::Bool(false),
            "in" => Token::Binary(BinaryOp::In),
            "null" => Token::Null,
            _ => match RESERVED.iter().find(|reserved| **reserved == word) {
                Some(reserved) => Token::Reserved(reserved),
                None => Token::Name(word.to_owned()),
            },
        })
    }

    /// A field name in back quotes: letters, digits and `_ . - / space`, at least one.
    fn quoted(&mut self, start: usize) -> Result<Token, Finding> {
        self.at += 1;
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-/ ".contains(&byte);
        let name = self.take_while(legal);
        if name.is_empty() || self.peek(0) != Some(b'`') {
            let end = self.at + self.rest().chars().next().map_or(0, char::len_utf8);
            let finding = Finding::new(Span::new(start, end), "G2004", "not a name in back quotes");
            return Err(finding.help("such a name holds letters, digits, `_`, `.`, `-`, `/` and blanks"));
        }
        self.at += 1;
        Ok(Token::Quoted(name.to_owned()))
    }

    fn number(&mut self) -> Result<Token, Finding> {
        let start = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
            let unsigned = self.number_end(start)?;
            return self.int(start, u64::from_str_radix(digits, 16).ok(), unsigned);
        }
        self.take_while(|byte| byte.is_ascii_digit());
        let fraction = self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit());
        if fraction {
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit());
        }
        let exponent = self.exponent();
        let text = self.text.get(start..self.at).unwrap_or("");
        let unsigned = self.number_end(start)?;
        if !fraction && !exponent {
            return self.int(start, text.parse().ok(), unsigned);
        }
        if unsigned {
            return Err(Finding::new(Span::new(start, self.at), "G2003", "a letter follows a number"));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Token::Double(value)),
            _ => Err(Finding::new(Span::new(start, self.at), "G2003", "number out of the range of double")),
        }
    }

    /// Consumes `e`, a sign and digits, if they are there.
    fn exponent(&mut self) -> bool {
        let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
        let marked = matches!(self.peek(0), Some(b'e' | b'E'));
        let digit = self.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit());
        if marked && digit {
            self.at += 1 + sign;
            self.take_while(|byte| byte.is_ascii_digit());
        }
        marked && digit
    }

    /// Whether the number is unsigned (`1u`); it must not run into any other word.
    fn number_end(&mut self, start: usize) -> Result<bool, Finding> {
        let suffix = self.take_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        match suffix {
            "" => Ok(false),
            "u" | "U" => Ok(true),
            _ => Err(Finding::new(Span::new(start, self.at), "G2003", "a letter follows a number")),
        }
    }

    fn int(&self, start: usize, value: Option<u64>, unsigned: bool) -> Result<Token, Finding> {
        let span = Span::new(start, self.at);
        if unsigned {
            let out = || Finding::new(span, "G2003", "number out of the range of uint");
            return value.map(Token::Uint).ok_or_else(out);
        }
        // One more than the largest: the absolute value of the smallest, legal only behind a minus sign.
        let legal = value.filter(|value| *value <= i64::MAX.unsigned_abs() + 1);
        legal.map(Token::Int).ok_or_else(|| Finding::new(span, "G2003", "number out of the range of int"))
    }

    /// Consumes what stands before a quote; `None` where no string starts.
    fn string_prefix(&mut self) -> Option<Prefix> {
        let letters = self.rest().bytes().take(3).take_while(u8::is_ascii_alphabetic).count();
        let quote = matches!(self.peek(letters), Some(b'"' | b'\''));
        let prefix = self.rest().get(..letters)?;
        if !quote {
            return None;
        }
        let (bytes, raw) = match prefix.to_ascii_lowercase().as_str() {
            "" => (false, false),
            "r" => (false, true),
            "b" => (true, false),
            "br" | "rb" => (true, true),
            _ => return None,
        };
        self.at += letters;
        Some(Prefix { bytes, raw })
    }

    fn string(&mut self, start: usize, prefix: Prefix) -> Result<Token, Finding> {
        let rest = self.rest();
        let quote =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).unwrap_or("'");
        self.at += quote.len();
        let mut built = Built::default();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return built.finish(prefix, Span::new(start, self.at));
            }
            let Some(letter) = rest.chars().next().filter(|l| quote.len() == 3 || !matches!(l, '\n' | '\r'))
            else {
                let span = Span::new(start, self.at);
                return Err(Finding::new(span, "G2004", format!("this string has no closing `{quote}`")));
            };
            if letter == '\\' && !prefix.raw {
                self.escape(&mut built, prefix, quote)?;
            } else {
                self.at += letter.len_utf8();
                built.letter(letter);
            }
        }
    }

    /// Reads one escape.
    fn escape(&mut self, built: &mut Built, prefix: Prefix, quote: &str) -> Result<(), Finding> {
        let kind = self.rest().chars().nth(1);
        let simple = SIMPLE_ESCAPES.iter().find(|(written, _)| Some(*written) == kind);
        let escaped = match (simple, kind) {
            (Some((_, letter)), _) => Some((u32::from(*letter), 2)),
            (None, Some('x' | 'X')) => self.code(2, 2, 16),
            (None, Some('u')) if !prefix.bytes => self.code(2, 4, 16),
            (None, Some('U')) if !prefix.bytes => self.code(2, 8, 16),
            (None, Some('0'..='3')) => self.code(1, 3, 8),
            _ => None,
        };
        if let Some((code, used)) = escaped
            && built.code(code, prefix)
        {
            self.at += used;
            return Ok(());
        }
        let span = Span::new(self.at, self.at + 1 + kind.map_or(0, char::len_utf8));
        let finding = Finding::new(span, "G2004", format!("not an escape in a string closed by `{quote}`"));
        Err(finding.help("for a backslash itself write `\\\\`, or use a raw string: r\"…\""))
    }

    /// The number of `digits` digits that starts `from` bytes ahead, and the length of its escape.
    fn code(&self, from: usize, digits: usize, radix: u32) -> Option<(u32, usize)> {
        let code = self.rest().get(from..from + digits)?;
        let legal = code.chars().all(|digit| digit.is_digit(radix));
        Some((u32::from_str_radix(code, radix).ok().filter(|_| legal)?, from + digits))
    }
}

/// What stands before a string's quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Prefix {
    bytes: bool,
    raw: bool,
}

/// The content of a string literal as far as it was read. In bytes an escape is one byte, in text a code point.
#[derive(Debug, Default)]
struct Built(Vec<u8>);

impl Built {
    fn letter(&mut self, letter: char) {
        self.0.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Whether an escape means something here.
    fn code(&mut self, code: u32, prefix: Prefix) -> bool {
        let byte = u8::try_from(code).ok().filter(|_| prefix.bytes);
        match (byte, char::from_u32(code)) {
            (Some(byte), _) => self.0.push(byte),
            (None, Some(letter)) => self.letter(letter),
            (None, None) => return false,
        }
        true
    }

    fn finish(self, prefix: Prefix, span: Span) -> Result<Token, Finding> {
        if prefix.bytes {
            return Ok(Token::Bytes(self.0));
        }
        // INVARIANT: only whole characters were added to text.
        String::from_utf8(self.0).map(Token::Text).map_err(|_| Finding::new(span, "G2004", "not UTF-8"))
    }
}

/// Escapes of one character and what they mean.
const SIMPLE_ESCAPES: &[(char, char)] = &[
    ('a', '\u{7}'),
    ('b', '\u{8}'),
    ('f', '\u{c}'),
    ('n', '\n'),
    ('r', '\r'),
    ('t', '\t'),
    ('v', '\u{b}'),
    ('\\', '\\'),
    ('?', '?'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
];

/// A construct of CEL that conditions cannot use.
pub(crate) fn unsupported(span: Span, what: &str) -> Finding {
    Finding::new(span, "G2010", format!("{what} is CEL but not supported in conditions"))
}

/// Longest first where one is the start of another.
const SYMBOLS: &[(&str, Token)] = &[
    ("||", Token::Binary(BinaryOp::Or)),
    ("&&", Token::Binary(BinaryOp::And)),
    ("==", Token::Binary(BinaryOp::Eq)),
    ("!=", Token::Binary(BinaryOp::Ne)),
    ("<=", Token::Binary(BinaryOp::Le)),
    (">=", Token::Binary(BinaryOp::Ge)),
    ("<", Token::Binary(BinaryOp::Lt)),
    (">", Token::Binary(BinaryOp::Gt)),
    ("+", Token::Binary(BinaryOp::Add)),
    ("-", Token::Binary(BinaryOp::Sub)),
    ("*", Token::Binary(BinaryOp::Mul)),
    ("/", Token::Binary(BinaryOp::Div)),
    ("%", Token::Binary(BinaryOp::Rem)),
    ("!", Token::Not),
    ("?", Token::Question),
    (":", Token::Colon),
    (",", Token::Comma),
    (".", Token::Dot),
    ("(", Token::Open('(')),
    ("[", Token::Open('[')),
    ("{", Token::Open('{')),
    (")", Token::Close(')')),
    ("]", Token::Close(']')),
    ("}", Token::Close('}')),
];

/// Words that CEL keeps for itself or for host languages.
pub(crate) const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];
