//! Why an installation does not start, or ended.
//!
//! The kind decides the exit code of the command; the sentence says what, why, and what to do. No sentence
//! holds a key, a token or the value of a signal.

use crate::keys::{KeysError, KeysErrorKind};
use glacis_cloud::{CloudError, CloudErrorKind};
use std::fmt::Display;

/// An installation did not start, or ended by a fault.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct ServeError {
    kind: ServeErrorKind,
    what: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Why; branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServeErrorKind {
    /// Configuration or arguments make no sense.
    Usage,
    /// Tenant, realm or file permissions are others than asked for.
    Permission,
    /// Keys or files are missing.
    Missing,
    /// Something is there already, or in use by another process.
    Exists,
    /// Somebody who is needed does not answer.
    Unreachable,
    /// The store ended this process: a write to disk was refused.
    Stopped,
    /// Anything else.
    Failed,
}

impl ServeError {
    /// An error with its sentence.
    pub fn new(kind: ServeErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None }
    }

    /// A failure of `part`.
    pub(crate) fn failed(part: &str, error: impl Display) -> Self {
        Self::new(ServeErrorKind::Failed, format!("{part}: {error}"))
    }

    /// Why; branch on it.
    pub const fn kind(&self) -> ServeErrorKind {
        self.kind
    }
}

impl From<KeysError> for ServeError {
    fn from(error: KeysError) -> Self {
        let kind = match error.kind() {
            KeysErrorKind::Realm | KeysErrorKind::Permission | KeysErrorKind::NotPrivate => {
                ServeErrorKind::Permission
            }
            KeysErrorKind::Missing | KeysErrorKind::NoFolder => ServeErrorKind::Missing,
            KeysErrorKind::Exists | KeysErrorKind::InUse => ServeErrorKind::Exists,
            KeysErrorKind::Usage => ServeErrorKind::Usage,
            KeysErrorKind::Broken | KeysErrorKind::Failed => ServeErrorKind::Failed,
        };
        Self { kind, what: format!("keys: {error}"), cause: Some(Box::new(error)) }
    }
}

impl From<CloudError> for ServeError {
    fn from(error: CloudError) -> Self {
        let kind = match error.kind() {
            CloudErrorKind::WrongTenant | CloudErrorKind::WrongRealm => ServeErrorKind::Permission,
            CloudErrorKind::NotFound => ServeErrorKind::Missing,
            CloudErrorKind::PolicyInvalid | CloudErrorKind::Invalid => ServeErrorKind::Usage,
            CloudErrorKind::Stopped => ServeErrorKind::Stopped,
            _ => ServeErrorKind::Failed,
        };
        let reason = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
        Self { kind, what: format!("store: {error}{reason}"), cause: Some(Box::new(error)) }
    }
}
