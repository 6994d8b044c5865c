//! Standard output: data, line by line, and never a control sequence that somebody else chose.
//!
//! What a device, a user or a server sent may be printed to a terminal. [`plain`] takes the teeth out of it; JSON
//! is for programs and stays as it is, but for the one control character that JSON lets through.

use crate::error::CliError;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write;

/// Writes one line.
pub(crate) fn print(out: &mut dyn Write, text: &str) -> Result<(), CliError> {
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(CliError::output)
}

/// Writes one JSON document as one line.
pub(crate) fn print_json(out: &mut dyn Write, value: &Value) -> Result<(), CliError> {
    print(out, &value.to_string())
}

/// Text without control and direction-changing characters; they are shown as escapes. Line ends stay.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns =
            matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if turns || (letter.is_control() && letter != '\n') {
            let _ = write!(shown, "{}", letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// What somebody else wrote, as a part of one line: as [`plain`], and a line end is shown as an escape too.
pub(crate) fn one_line(text: &str) -> String {
    plain(text).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_shown_as_escapes() {
        for (text, want) in [
            ("a\nb", "a\nb"),
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("ünïcode", "ünïcode"),
        ] {
            assert_eq!(plain(text), want);
        }
        assert_eq!(one_line("a\nverified\u{7}"), "a\\nverified\\u{7}");
    }
}
