//! What the app says, one JSON object a line on standard output, and what it is told, one word a line.
//!
//! Other programs write to the same pipe (a tool that starts the app, a virtual machine that hosts it); whoever reads
//! takes the lines that are objects with a `say` and lets the others pass.

use serde::{Deserialize, Serialize};

/// One line of the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// Every sensor has its baseline.
    Ready {
        /// Number of the process, as it knows it itself; another one outside of its namespace.
        pid: u32,
        /// Where the guarded function is.
        address: u64,
        /// Where a function is that nobody guards and nobody calls.
        unguarded: u64,
    },
    /// A reading changed.
    Reading {
        /// Name of the sensor.
        sensor: String,
        /// `clear`, `detected`, or `unknown:` with the reason.
        state: String,
        /// Since the start of the watch, by the monotonic clock. Unit: milliseconds.
        at_ms: u64,
    },
    /// The guarded function returned something else than before.
    Returned {
        /// What.
        value: u32,
    },
    /// All readings were asked for and said.
    Asked,
    /// It could not go on.
    Failed {
        /// Why.
        why: String,
    },
}

impl Line {
    /// State of a reading that is a detection.
    pub const DETECTED: &'static str = "detected";
    /// State of a reading that found nothing.
    pub const CLEAR: &'static str = "clear";
    /// Order: say every reading, by looking now.
    pub const READ: &'static str = "read";
    /// Order: end.
    pub const QUIT: &'static str = "quit";

    /// The line in a text that may be of someone else.
    pub fn parse(text: &str) -> Option<Self> {
        // A tool may have begun the line.
        let from = text.find(r#"{"say":"#)?;
        serde_json::from_str(text.get(from..)?).ok()
    }

    /// As text, without the line feed.
    pub fn text(&self) -> String {
        // A tree of strings and numbers has a text; were it not so, the reader would miss the line and say so.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_an_inverse_and_others_are_let_pass() {
        for line in [
            Line::Ready { pid: 7, address: u64::MAX, unguarded: 0 },
            Line::Reading { sensor: "tracer".into(), state: "unknown:stale".into(), at_ms: 0 },
            Line::Returned { value: 1337 },
            Line::Asked,
            Line::Failed { why: "a \"quoted\" reason".into() },
        ] {
            assert_eq!(Line::parse(&line.text()), Some(line.clone()));
            assert_eq!(Line::parse(&format!("==7== tool says {}", line.text())), Some(line));
        }
        for other in ["", "==7== Memcheck", "{\"say\":\"more\"}", "{\"say\":"] {
            assert_eq!(Line::parse(other), None, "{other}");
        }
    }
}
