//! Regular expressions of CEL: RE2's syntax, run in time linear in the text.
//!
//! The engine is the `regex` crate, which cannot backtrack. Its syntax is RE2's but for a few points that would
//! change what a pattern matches, so a pattern is rewritten first: `\d`, `\w`, `\s` and `\b` mean ASCII, a `[` inside
//! of a class is a letter and opens no nested class, `&&` and `~~` and `--` there are no operators, `\Q…\E` quotes,
//! and octal escapes exist. What only the `regex` crate knows (the flag `x`, `\<`, `\u{…}`) is refused.

use super::fault::{ErrorKind, Outcome};
use regex::bytes::{Regex, RegexBuilder};

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) regex: Regex,
    /// What a byte of text costs at most, in steps: it grows with the states that the engine may have to follow at
    /// once, which counted repetitions make out of a few bytes of pattern.
    pub(crate) weight: usize,
}

/// A pattern in the syntax of the `regex` crate, meaning there what it means in RE2.
pub(crate) fn rewritten(pattern: &str) -> Outcome<String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(ErrorKind::Pattern);
    }
    Rewriter { rest: pattern, out: String::with_capacity(pattern.len() + 8) }.run()
}

/// Compiles a pattern.
pub(crate) fn compile(pattern: &str) -> Outcome<Pattern> {
    let rewritten = rewritten(pattern)?;
    // The engine does not say how large a program is, but keeps a limit that it is given.
    let sized = |weight: usize| {
        let mut builder = RegexBuilder::new(&rewritten);
        builder.size_limit(weight * PROGRAM_BYTES).dfa_size_limit(CACHE_BYTES_MAX).nest_limit(NEST_MAX);
        builder.build().ok().map(|regex| Pattern { regex, weight })
    };
    WEIGHTS.iter().find_map(|weight| sized(*weight)).ok_or(ErrorKind::Pattern)
}

struct Rewriter<'a> {
    rest: &'a str,
    out: String,
}

impl Rewriter<'_> {
    fn run(mut self) -> Outcome<String> {
        while let Some(letter) = self.next() {
            match letter {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = self.rest.get(letter.len_utf8()..).unwrap_or("");
        Some(letter)
    }

    fn accept(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Flags of a group; names need no change.
    fn group(&mut self) -> Outcome<()> {
        self.out.push('(');
        if !self.rest.starts_with('?') || self.rest.starts_with("?P<") || self.rest.starts_with("?<") {
            return Ok(());
        }
        let end = self.rest.find([':', ')']).ok_or(ErrorKind::Pattern)?;
        let flags = self.rest.get(1..end).unwrap_or("");
        let legal = flags.bytes().all(|flag| b"imsU-".contains(&flag));
        if legal { Ok(()) } else { Err(ErrorKind::Pattern) }
    }

    /// A class in brackets, its `[` consumed.
    fn class(&mut self) -> Outcome<()> {
        self.out.push('[');
        if self.accept("^") {
            self.out.push('^');
        }
        if self.accept("]") {
            self.out.push_str("\\]");
        } else if self.accept("-") {
            self.out.push_str("\\-");
        }
        loop {
            match self.next().ok_or(ErrorKind::Pattern)? {
                ']' => break,
                '\\' => self.escape(true)?,
                '[' if self.rest.starts_with(':') && self.rest.contains(":]") => self.named_class(),
                '-' if self.rest.starts_with(']') => self.out.push_str("\\-"),
                '-' if self.accept("-") => self.out.push_str("-\\-"),
                '[' => self.out.push_str("\\["),
                '&' => self.out.push_str("\\&"),
                '~' => self.out.push_str("\\~"),
                other => self.out.push(other),
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]`, its first bracket consumed.
    fn named_class(&mut self) {
        let end = self.rest.find(":]").map_or(self.rest.len(), |at| at + 2);
        self.out.push('[');
        self.out.push_str(self.rest.get(..end).unwrap_or(""));
        self.rest = self.rest.get(end..).unwrap_or("");
    }

    /// An escape, its backslash consumed.
    fn escape(&mut self, in_class: bool) -> Outcome<()> {
        let letter = self.next().ok_or(ErrorKind::Pattern)?;
        let ascii = ASCII.iter().find(|(written, ..)| *written == letter);
        match (ascii, letter) {
            (Some((_, inside, _)), _) if in_class => self.out.push_str(inside),
            (Some((.., outside)), _) => self.out.push_str(outside),
            (None, 'b' | 'B') if !in_class => {
                self.out.push_str(if letter == 'b' { "(?-u:\\b)" } else { "(?-u:\\B)" });
            }
            (None, 'Q') if !in_class => {
                let quoted = self.rest.find("\\E").unwrap_or(self.rest.len());
                self.out.push_str(&regex::escape(self.rest.get(..quoted).unwrap_or("")));
                self.rest = self.rest.get(quoted..).unwrap_or("");
                self.accept("\\E");
            }
            (None, '0'..='7') => self.octal(letter)?,
            (None, 'x' | 'p' | 'P') => {
                self.out.push('\\');
                self.out.push(letter);
            }
            (None, 'a' | 'f' | 't' | 'n' | 'r' | 'v') => {
                self.out.push('\\');
                self.out.push(letter);
            }
            (None, 'A' | 'z') if !in_class => {
                self.out.push('\\');
                self.out.push(letter);
            }
            (None, other) if other.is_ascii() && !other.is_ascii_alphanumeric() => {
                self.out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4])));
            }
            _ => return Err(ErrorKind::Pattern),
        }
        Ok(())
    }

    /// `\0`, `\07`, `\123`; a single digit from 1 to 7 would refer to a group, which RE2 does not have.
    fn octal(&mut self, first: char) -> Outcome<()> {
        let mut code = first.to_digit(8).unwrap_or(0);
        let mut digits = 1;
        while digits < 3 {
            let Some(digit) = self.rest.chars().next().and_then(|letter| letter.to_digit(8)) else { break };
            self.next();
            code = code * 8 + digit;
            digits += 1;
        }
        if first != '0' && digits == 1 {
            return Err(ErrorKind::Pattern);
        }
        self.out.push_str(&format!("\\x{{{code:X}}}"));
        Ok(())
    }
}

/// Classes that mean ASCII in RE2: letter, form in a class, form outside of one.
const ASCII: &[(char, &str, &str)] = &[
    ('d', "0-9", "[0-9]"),
    ('D', "[^0-9]", "[^0-9]"),
    ('w', "0-9A-Za-z_", "[0-9A-Za-z_]"),
    ('W', "[^0-9A-Za-z_]", "[^0-9A-Za-z_]"),
    ('s', "\\t\\n\\f\\r ", "[\\t\\n\\f\\r ]"),
    ('S', "[^\\t\\n\\f\\r ]", "[^\\t\\n\\f\\r ]"),
];
/// LIMIT: bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 4 << 10;
/// Bytes of a compiled pattern of weight 1.
const PROGRAM_BYTES: usize = 8 << 10;
/// LIMIT: weights of patterns; the last bounds a program to 256 KiB.
const WEIGHTS: &[usize] = &[1, 4, 32];
/// LIMIT: bytes of states that the engine keeps for one search.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// LIMIT: nesting of groups in a pattern.
const NEST_MAX: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// Pattern, text, whether it matches a part; `None` = refused.
    #[test]
    fn patterns_mean_what_re2_says() {
        for (pattern, text, want) in [
            ("^a.c$", "abc", Some(true)),
            (r"^\d+$", "123", Some(true)),
            (r"^\d$", "٣", Some(false)),
            (r"^\w$", "é", Some(false)),
            (r"^\W$", "é", Some(true)),
            (r"^[\d_]+$", "1_2", Some(true)),
            (r"^[\D]$", "é", Some(true)),
            (r"\bé", "é", Some(false)),
            (r"\Bé", "é", Some(true)),
            ("^[[a]$", "[", Some(true)),
            ("^[a&&b]+$", "a&b", Some(true)),
            ("^[a-]$", "-", Some(true)),
            ("^[+--]+$", "+,-", Some(true)),
            ("^[--a]+$", "-a", Some(true)),
            ("^[]a]+$", "]a", Some(true)),
            ("^[^]a]$", "b", Some(true)),
            ("^[[:alpha:]]+$", "abc", Some(true)),
            (r"^\Qa.b\E.$", "a.bc", Some(true)),
            (r"^\101$", "A", Some(true)),
            (r"^\0$", "\0", Some(true)),
            (r"^\x{41}\x42$", "AB", Some(true)),
            (r"^\pL$", "é", Some(true)),
            ("(?i)É", "é", Some(true)),
            (".", "é", Some(true)),
            ("^.$", "é", Some(true)),
            ("a$", "a\n", Some(false)),
            (r"(?P<x>a)", "a", Some(true)),
            (r"(a)\1", "aa", None),
            ("(?x) a", "a", None),
            ("(?=a)", "a", None),
            ("(?<=a)b", "ab", None),
            (r"\u0041", "A", None),
            (r"\C", "A", None),
            ("(", "", None),
            ("[a", "", None),
            ("a{1001}{1001}", "", None),
            ("\\", "", None),
        ] {
            let got = compile(pattern).ok().map(|pattern| pattern.regex.is_match(text.as_bytes()));
            assert_eq!(got, want, "{pattern} on {text:?}");
        }
        assert!(compile(&"a".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(compile(&"(".repeat(1_000)).is_err());
        assert_eq!(compile("^a.*b$").map(|pattern| pattern.weight), Ok(1));
        assert_eq!(compile(r"(?i)^[a-z0-9._%+-]+@[a-z0-9.-]+$").map(|pattern| pattern.weight), Ok(1));
        assert!(compile("[ab]*a[ab]{900}").is_ok_and(|pattern| pattern.weight > 1));
    }
}
