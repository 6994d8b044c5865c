//! The one error of the tasks: a sentence for the person at the terminal.
//!
//! Tasks are programs, not a library: nobody branches on what went wrong, so there are no kinds here. A
//! finding of a checker is not an error but data (a list of violations).

use std::fmt;

/// Why a task could not run.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// From a sentence.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// A closure for `map_err` that says what was being done.
    pub(crate) fn doing<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
