//! What can be wrong with keys on disk. Never holds a byte of a key.
//!
//! The kind decides the exit code of the command; the sentence is for the operator and names the file. What the
//! operating system said is kept as the source.

use glacis_host::{FileError, FileErrorKind};
use glacis_seal::SealError;
use std::error::Error;

/// Keys could not be made, read or rotated.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct KeysError {
    kind: KeysErrorKind,
    what: String,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// Why; branch on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeysErrorKind {
    /// The keys belong to another realm or tenant.
    Realm,
    /// The folder or a file cannot be read or written by this user.
    Permission,
    /// Others may read the folder or a file.
    NotPrivate,
    /// There is no such folder.
    NoFolder,
    /// There is no such key.
    Missing,
    /// There is such a key already.
    Exists,
    /// Another process owns the folder.
    InUse,
    /// The request makes no sense.
    Usage,
    /// A file is not what it should be.
    Broken,
    /// The disk, the entropy or the cryptography failed.
    Failed,
}

impl KeysError {
    /// An error with its sentence.
    pub fn new(kind: KeysErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None }
    }

    /// Why; branch on it.
    pub const fn kind(&self) -> KeysErrorKind {
        self.kind
    }
}

impl From<FileError> for KeysError {
    fn from(error: FileError) -> Self {
        let denied = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
        let kind = match (error.kind(), denied.map(std::io::Error::kind)) {
            (FileErrorKind::InUse, _) => KeysErrorKind::InUse,
            (_, Some(std::io::ErrorKind::PermissionDenied)) => KeysErrorKind::Permission,
            _ => KeysErrorKind::Failed,
        };
        let what = match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        Self { kind, what, cause: Some(Box::new(error)) }
    }
}

impl From<SealError> for KeysError {
    fn from(error: SealError) -> Self {
        Self { kind: KeysErrorKind::Failed, what: error.to_string(), cause: Some(Box::new(error)) }
    }
}
