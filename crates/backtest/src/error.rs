//! Why a backtest could not be run to its end.
//!
//! A row that cannot be used is not an error ([`crate::Skipped`]); a policy, mapping or file that cannot be used is.
//! No value of a cell is ever in a text here: files of past events hold people's data.

use std::path::PathBuf;

/// An error of a backtest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BacktestError {
    /// A file could not be read.
    #[error("{path}: {cause}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The policy does not compile; the text is the compiler's findings.
    #[error("the policy does not compile:\n{0}")]
    Policy(String),
    /// The engine refused the compiled policy.
    #[error("the policy cannot be run: {0}")]
    Engine(#[from] glacis_cloud::CloudError),
    /// `events.toml` says something that cannot be.
    #[error("{file}: {why}")]
    Mapping {
        /// The mapping file.
        file: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// The file of events is not what it should be, from this line on.
    #[error("{file}, line {line}: {why}")]
    Events {
        /// The file of events.
        file: String,
        /// Line that the record begins on; zero where the file as a whole is meant.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// An option contradicts policy or data.
    #[error("{0}")]
    Option(String),
}

impl BacktestError {
    pub(crate) fn mapping(file: &str, why: impl Into<String>) -> Self {
        Self::Mapping { file: file.to_owned(), why: why.into() }
    }
}
