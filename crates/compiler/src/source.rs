//! Files as the compiler sees them: text, lines, and the way from a byte of a condition to a byte of its file.
//!
//! A condition stands inside a TOML string, which may have escapes; [`TextMap`] walks the raw string once so that
//! a finding inside a condition points at the character that the author typed.

use crate::diagnostic::{Diagnostic, Diagnostics, Span};

/// One input of [`compile`](crate::compile).
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// How diagnostics call it.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl Source<'_> {
    /// Line and column (in characters), both from 1.
    pub(crate) fn place(&self, offset: usize) -> (usize, usize) {
        let mut line = 1;
        let mut column = 1;
        for (at, letter) in self.text.char_indices() {
            if at >= offset {
                break;
            }
            if letter == '\n' {
                line += 1;
                column = 1;
            } else {
                column += 1;
            }
        }
        (line, column)
    }
}

/// Where findings are gathered; one a compile.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// A finding before it knows its file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) span: Span,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Finding {
    pub(crate) fn new(span: Span, code: &'static str, message: impl Into<String>) -> Self {
        Self { span, code, message: message.into(), help: None }
    }

    #[must_use]
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    #[must_use]
    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        Self { help, ..self }
    }

    fn locate(self, source: &Source<'_>, path: &str) -> Diagnostic {
        let (line, column) = source.place(self.span.start);
        let (end_line, end_column) = source.place(self.span.end.max(self.span.start));
        Diagnostic {
            file: source.name.to_owned(),
            line,
            column,
            end_line,
            end_column,
            span: self.span,
            code: self.code,
            message: self.message,
            help: self.help,
            path: path.to_owned(),
        }
    }
}

impl Findings {
    pub(crate) fn error(&mut self, source: &Source<'_>, path: &str, finding: Finding) {
        // LIMIT: a broken file yields at most this many findings.
        if self.errors.len() < FINDINGS_MAX {
            self.errors.push(finding.locate(source, path));
        }
    }

    pub(crate) fn warning(&mut self, source: &Source<'_>, path: &str, finding: Finding) {
        if self.warnings.len() < FINDINGS_MAX {
            self.warnings.push(finding.locate(source, path));
        }
    }

    pub(crate) fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Errors so far.
    pub(crate) fn count(&self) -> usize {
        self.errors.len()
    }

    /// The files that errors are in.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(|error| error.file.as_str())
    }

    /// The warnings, if nothing failed.
    pub(crate) fn finish(mut self) -> Result<Vec<Diagnostic>, Diagnostics> {
        if self.errors.is_empty() {
            return Ok(self.warnings);
        }
        // Stable sort: files stay in the order in which they were read.
        let mut files: Vec<String> = Vec::new();
        for error in &self.errors {
            if !files.contains(&error.file) {
                files.push(error.file.clone());
            }
        }
        self.errors.sort_by_key(|error| (files.iter().position(|name| *name == error.file), error.span));
        self.errors.dedup();
        Err(Diagnostics(self.errors))
    }
}

/// From offsets in the decoded text of a TOML string to offsets in its file.
#[derive(Clone, Debug)]
pub(crate) struct TextMap {
    /// `starts[i]` = file offset of decoded byte `i`; one more entry for the end.
    starts: Vec<usize>,
}

impl TextMap {
    /// Maps `decoded`, whose raw form with quotes is `raw` and starts at file offset `base`.
    pub(crate) fn new(raw: &str, base: usize, decoded: &str) -> Self {
        match Self::walk(raw, base) {
            Some((text, starts)) if text == decoded => Self { starts },
            // A form that the walk does not know: point at the string as a whole.
            _ => Self { starts: vec![base; decoded.len() + 1] },
        }
    }

    /// The file span of a span of the decoded text.
    pub(crate) fn span(&self, span: Span) -> Span {
        let at = |offset: usize| self.starts.get(offset).or(self.starts.last()).copied().unwrap_or(0);
        Span::new(at(span.start), at(span.end).max(at(span.start)))
    }

    /// Decodes a TOML string and notes where each byte came from.
    fn walk(raw: &str, base: usize) -> Option<(String, Vec<usize>)> {
        let (quote, escapes) = match raw.as_bytes() {
            [b'"', b'"', b'"', ..] => ("\"\"\"", true),
            [b'\'', b'\'', b'\'', ..] => ("'''", false),
            [b'"', ..] => ("\"", true),
            [b'\'', ..] => ("'", false),
            _ => return None,
        };
        let inner = raw.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut offset = base + quote.len();
        let trimmed = match quote.len() {
            3 => inner.strip_prefix("\r\n").or_else(|| inner.strip_prefix('\n')).unwrap_or(inner),
            _ => inner,
        };
        offset += inner.len() - trimmed.len();
        let mut text = String::new();
        let mut starts = Vec::new();
        let mut rest = trimmed;
        while let Some(letter) = rest.chars().next() {
            let (decoded, used) =
                if letter == '\\' && escapes { unescape(rest)? } else { (Some(letter), letter.len_utf8()) };
            if let Some(decoded) = decoded {
                text.push(decoded);
                starts.extend(std::iter::repeat_n(offset, decoded.len_utf8()));
            }
            offset += used;
            rest = rest.get(used..)?;
        }
        starts.push(offset);
        Some((text, starts))
    }
}

/// Decodes one TOML escape at the start of `rest`: the character (none for a line continuation) and its length.
fn unescape(rest: &str) -> Option<(Option<char>, usize)> {
    let kind = rest.chars().nth(1)?;
    let hex = |digits: usize| {
        let text = rest.get(2..2 + digits)?;
        Some((Some(char::from_u32(u32::from_str_radix(text, 16).ok()?)?), 2 + digits))
    };
    let plain = |letter: char| Some((Some(letter), 2));
    match kind {
        'b' => plain('\u{8}'),
        't' => plain('\t'),
        'n' => plain('\n'),
        'f' => plain('\u{c}'),
        'r' => plain('\r'),
        'e' => plain('\u{1b}'),
        '"' => plain('"'),
        '\\' => plain('\\'),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        _ => {
            let tail = rest.get(1..)?;
            let after = tail.trim_start_matches([' ', '\t', '\r', '\n']);
            let skipped = tail.get(..tail.len() - after.len())?;
            skipped.contains('\n').then_some((None, 1 + skipped.len()))
        }
    }
}

/// LIMIT: findings kept of one compile.
const FINDINGS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_offset_maps_to_the_typed_character() {
        for (raw, decoded, at, want) in [
            ("\"a && b\"", "a && b", 5, 16),
            ("'a && b'", "a && b", 5, 16),
            ("\"x == \\\"q\\\" && b\"", "x == \"q\" && b", 12, 25),
            ("\"\"\"\na\n&& b\"\"\"", "a\n&& b", 2, 16),
            ("'''a'''", "a", 0, 13),
            ("\"\\u0041\\U00000042c\"", "ABc", 2, 27),
            ("\"\"\"a \\\n   b\"\"\"", "a b", 2, 20),
        ] {
            let map = TextMap::new(raw, 10, decoded);
            assert_eq!(map.span(Span::new(at, at + 1)).start, want, "{raw}");
        }
    }

    #[test]
    fn an_unreadable_form_points_at_the_whole_string() {
        let map = TextMap::new("bare", 7, "text");
        assert_eq!(map.span(Span::new(2, 3)), Span::new(7, 7));
    }

    #[test]
    fn places_count_characters_not_bytes() {
        let source = Source { name: "f", text: "ä = 1\nöx = 2" };
        assert_eq!(source.place("ä = 1\nö".len()), (2, 2));
    }
}
