//! Why a role could not do its work, as a sentence and an exit code.
//!
//! Each variant wraps the error of the library that failed. The mapping to exit codes is here and nowhere else;
//! it is documented in the help of every role.

use crate::keys::{KeysError, KeysErrorKind};
use std::io;
use std::process::ExitCode;

/// An error of the command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The demo could not run to its end.
    #[error("demo: {0}")]
    Demo(#[from] glacis_sim::demo::DemoError),
    /// The report has no JSON form.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// Keys could not be made, read or rotated.
    #[error("keys: {0}")]
    Keys(#[from] KeysError),
    /// A folder or file is not private, or not there.
    #[error("{path}: {why}")]
    Path {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: &'static str,
        /// As the documentation of exit codes has it.
        code: u8,
    },
    /// Standard output went away.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// A filter of log lines does not parse.
    #[error("--log: {0}")]
    Log(String),
}

impl CliError {
    /// The documented exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Demo(_) | Self::Json(_) | Self::Output(_) => FAILED,
            Self::Log(_) => USAGE,
            Self::Path { code, .. } => *code,
            Self::Keys(error) => match error.kind() {
                KeysErrorKind::Realm | KeysErrorKind::Permission => NOT_PERMITTED,
                KeysErrorKind::Missing | KeysErrorKind::Exists | KeysErrorKind::InUse => NOT_FOUND,
                KeysErrorKind::Usage => USAGE,
                KeysErrorKind::Broken | KeysErrorKind::Failed => FAILED,
            },
        })
    }
}

/// The answer is no, or the work failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage.
pub(crate) const USAGE: u8 = 2;
/// Not permitted.
pub(crate) const NOT_PERMITTED: u8 = 3;
/// Not found, or it exists already.
pub(crate) const NOT_FOUND: u8 = 4;
