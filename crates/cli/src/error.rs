//! Why a role could not do its work: a code, a sentence, what to do; for people and for scripts.
//!
//! On standard error it reads `glacis: CODE: SENTENCE` with a `help:` line; with `--json` it is one line of JSON
//! there. The code alone decides the exit code ([`Code::exit`]). No error holds a secret.

use crate::codes::Code;
use glacis_serve::keys::{KeysError, KeysErrorKind};
use glacis_serve::{ServeError, ServeErrorKind};
use std::error::Error;
use std::io;
use std::process::ExitCode;

/// An error of the command.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct CliError {
    code: Code,
    what: String,
    help: Option<String>,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// An error with one sentence: what failed, and why.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), help: None, cause: None }
    }

    /// What to do about it, where this place knows better than the table of codes.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Keeps what caused it; its text must already be in the sentence.
    #[must_use]
    pub(crate) fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// Says how many of several changes were made before this one was refused.
    #[must_use]
    pub(crate) fn after(mut self, done: usize, of: usize) -> Self {
        if of > 1 {
            self.what = format!("{} ({done} of {of} were changed before)", self.what);
        }
        self
    }

    /// Standard output cannot be written.
    pub(crate) fn output(error: io::Error) -> Self {
        Self::new(Code::Output, format!("cannot write to standard output: {error}")).caused_by(error)
    }

    /// Whether the reader of standard output went away, which is nobody's error.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        let cause = self.cause.as_ref().and_then(|cause| cause.downcast_ref::<io::Error>());
        self.code == Code::Output && cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
    }

    /// What kind of error; branch on it.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code.exit())
    }

    /// For people: the sentence and what to do.
    pub fn text(&self) -> String {
        let help = self.help.as_deref().unwrap_or(self.code.remedy());
        format!("glacis: {}: {}\n  help: {help}", self.code.code(), crate::output::plain(&self.what))
    }

    /// For scripts: the same as one line of JSON.
    pub fn json(&self) -> String {
        let error = serde_json::json!({
            "code": self.code.code(),
            "title": self.code.title(),
            "what": self.what,
            "help": self.help.as_deref().unwrap_or(self.code.remedy()),
            "exit": self.code.exit(),
        });
        serde_json::json!({ "error": error }).to_string()
    }
}

impl From<glacis_sim::demo::DemoError> for CliError {
    fn from(error: glacis_sim::demo::DemoError) -> Self {
        Self::new(Code::Demo, format!("demo: {error}")).caused_by(error)
    }
}

impl From<ServeError> for CliError {
    fn from(error: ServeError) -> Self {
        let code = match error.kind() {
            ServeErrorKind::Usage => Code::Config,
            ServeErrorKind::Permission => Code::StoreForeign,
            ServeErrorKind::Missing => Code::InstallationLacks,
            ServeErrorKind::Exists => Code::InUse,
            ServeErrorKind::Unreachable => Code::Unreachable,
            ServeErrorKind::Stopped => Code::StoreStopped,
            ServeErrorKind::Failed => Code::ServeFailed,
        };
        Self::new(code, error.to_string()).caused_by(error)
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Code::Internal, format!("the output has no JSON form: {error}")).caused_by(error)
    }
}

impl From<KeysError> for CliError {
    fn from(error: KeysError) -> Self {
        let code = match error.kind() {
            KeysErrorKind::Realm => Code::KeysRealm,
            KeysErrorKind::Permission => Code::KeysPermission,
            KeysErrorKind::NotPrivate => Code::NotPrivate,
            KeysErrorKind::NoFolder => Code::NoFolder,
            KeysErrorKind::Missing => Code::KeysMissing,
            KeysErrorKind::Exists => Code::KeysExist,
            KeysErrorKind::InUse => Code::InUse,
            KeysErrorKind::Usage => Code::Argument,
            KeysErrorKind::Broken => Code::KeysBroken,
            KeysErrorKind::Failed => Code::KeysFailed,
        };
        let what = match code {
            Code::NoFolder | Code::NotPrivate => error.to_string(),
            _ => format!("keys: {error}"),
        };
        Self::new(code, what).caused_by(error)
    }
}
