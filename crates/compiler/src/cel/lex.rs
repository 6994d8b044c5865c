//! CEL tokens with spans, following the lexical grammar of the CEL language definition.
//!
//! Total over any text: each byte belongs to a token, to white space, to a comment or to a located error.
//! Literals that CEL has and zones do not (`1u`, `b"x"`, back-quoted names) are recognised and refused by name.

use super::ast::BinaryOp;
use crate::diagnostic::Span;
use crate::source::Finding;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Int(u64),
    Double(f64),
    Text(String),
    Name(String),
    /// `true`, `false`
    Bool(bool),
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
        if let Some(raw) = self.string_prefix() {
            return self.string(start, raw);
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
            '`' => unsupported(span, "a quoted field name"),
            _ => Finding::new(span, "G2001", format!("unexpected character `{}`", letter.escape_default())),
        }
    }

    fn word(&mut self) -> Result<Token, Finding> {
        let start = self.at;
        let word = self.take_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        let span = Span::new(start, self.at);
        match word {
            "true" => Ok(Token::Bool(true)),
            "false" => Ok(Token::Bool(false)),
            "in" => Ok(Token::Binary(BinaryOp::In)),
            "null" => {
                Err(unsupported(span, "`null`").help("to ask whether a signal is there, write `has(signal)`"))
            }
            _ if RESERVED.contains(&word) => {
                Err(Finding::new(span, "G2002", format!("`{word}` is a reserved word")))
            }
            _ => Ok(Token::Name(word.to_owned())),
        }
    }

    fn number(&mut self) -> Result<Token, Finding> {
        let start = self.at;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
            self.number_end(start)?;
            return self.int(start, u64::from_str_radix(digits, 16).ok());
        }
        self.take_while(|byte| byte.is_ascii_digit());
        let fraction = self.peek(0) == Some(b'.') && self.peek(1).is_some_and(|byte| byte.is_ascii_digit());
        if fraction {
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit());
        }
        let exponent = self.exponent();
        self.number_end(start)?;
        let text = self.text.get(start..self.at).unwrap_or("");
        if !fraction && !exponent {
            return self.int(start, text.parse().ok());
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

    /// A number must not run into a word: `1u` is unsigned, `1x` is nothing.
    fn number_end(&mut self, start: usize) -> Result<(), Finding> {
        let suffix = self.take_while(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
        let span = Span::new(start, self.at);
        match suffix {
            "" => Ok(()),
            "u" | "U" => Err(unsupported(span, "an unsigned number").help("leave out the `u`")),
            _ => Err(Finding::new(span, "G2003", "a letter follows a number")),
        }
    }

    fn int(&self, start: usize, value: Option<u64>) -> Result<Token, Finding> {
        let span = Span::new(start, self.at);
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
        let kind = match prefix {
            "" => Prefix::Plain,
            "r" | "R" => Prefix::Raw,
            "b" | "B" | "br" | "bR" | "Br" | "BR" | "rb" | "rB" | "Rb" | "RB" => Prefix::Bytes,
            _ => return None,
        };
        self.at += letters;
        Some(kind)
    }

    fn string(&mut self, start: usize, prefix: Prefix) -> Result<Token, Finding> {
        let rest = self.rest();
        let quote =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| rest.starts_with(quote)).unwrap_or("'");
        self.at += quote.len();
        if prefix == Prefix::Bytes {
            return Err(unsupported(Span::new(start, self.at), "a bytes literal"));
        }
        let mut text = String::new();
        loop {
            let rest = self.rest();
            if rest.starts_with(quote) {
                self.at += quote.len();
                return Ok(Token::Text(text));
            }
            let Some(letter) = rest.chars().next().filter(|l| quote.len() == 3 || !matches!(l, '\n' | '\r'))
            else {
                let span = Span::new(start, self.at);
                return Err(Finding::new(span, "G2004", format!("this string has no closing `{quote}`")));
            };
            if letter == '\\' {
                self.backslash(&mut text, prefix, quote)?;
            } else {
                self.at += letter.len_utf8();
                text.push(letter);
            }
        }
    }

    /// Reads an escape; in a raw string a backslash is just itself.
    fn backslash(&mut self, text: &mut String, prefix: Prefix, quote: &str) -> Result<(), Finding> {
        if prefix == Prefix::Raw {
            self.at += 1;
            text.push('\\');
            return Ok(());
        }
        let rest = self.rest();
        let kind = rest.chars().nth(1);
        let number = |from: usize, digits: usize, radix: u32| {
            let code =
                rest.get(from..from + digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()))?;
            Some((char::from_u32(u32::from_str_radix(code, radix).ok()?)?, from + digits))
        };
        let escaped = match kind {
            Some('a') => Some(('\u{7}', 2)),
            Some('b') => Some(('\u{8}', 2)),
            Some('f') => Some(('\u{c}', 2)),
            Some('n') => Some(('\n', 2)),
            Some('r') => Some(('\r', 2)),
            Some('t') => Some(('\t', 2)),
            Some('v') => Some(('\u{b}', 2)),
            Some(same @ ('\\' | '?' | '"' | '\'' | '`')) => Some((same, 2)),
            Some('x' | 'X') => number(2, 2, 16),
            Some('u') => number(2, 4, 16),
            Some('U') => number(2, 8, 16),
            Some('0'..='3') => number(1, 3, 8),
            _ => None,
        };
        let Some((letter, used)) = escaped else {
            let len = 1 + kind.map_or(0, char::len_utf8);
            let span = Span::new(self.at, self.at + len);
            let finding =
                Finding::new(span, "G2004", format!("not an escape in a string closed by `{quote}`"));
            return Err(finding.help("for a backslash itself write `\\\\`, or use a raw string: r\"…\""));
        };
        self.at += used;
        text.push(letter);
        Ok(())
    }
}

/// What stands before a string's quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Plain,
    Raw,
    Bytes,
}

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
