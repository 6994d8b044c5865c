//! A flat directory of small files as a trait: atomic replacement, append handles, nothing else.
//!
//! What a component keeps across restarts goes through [`Files`], so that tests can use memory and break it at
//! any point. Names are plain (`[a-z0-9._-]`, no leading dot), never paths. [`DirFiles`] is the one
//! implementation that touches a disk: directory 0700, files 0600, one owner at a time.

mod dir;
mod memory;

pub use dir::DirFiles;
pub use memory::MemoryFiles;

use std::io;
use std::sync::Arc;

/// Largest file that [`Files::read`] returns. Unit: bytes. It admits one signed policy bundle with room to spare.
pub const FILE_BYTES_MAX: usize = 64 << 20;
/// Longest file name. Unit: bytes.
pub const FILE_NAME_BYTES_MAX: usize = 64;

/// A flat, private directory.
pub trait Files: Send + Sync {
    /// The whole file; `None` if there is none.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError>;

    /// Puts `bytes` in place of the file, whole or not at all; durable on return.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError>;

    /// Removes the file if there is one; durable on return.
    fn remove(&self, name: &str) -> Result<(), FileError>;

    /// Names of all files, sorted.
    fn list(&self) -> Result<Vec<String>, FileError>;

    /// A handle that appends to the file, made if there is none (the making is durable on return).
    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError>;
}

/// An open file that only grows, except that its owner may cut its tail.
pub trait Append: Send + Sync {
    /// Adds `bytes` with one write. On an error the file may have grown by a part of them: [`truncate`](Self::truncate).
    fn append(&self, bytes: &[u8]) -> Result<(), FileError>;

    /// Makes everything appended so far durable. After an error nothing may be assumed of what was appended
    /// since the last success, and trying again proves nothing.
    fn sync(&self) -> Result<(), FileError>;

    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> Result<(), FileError>;

    /// Length in bytes.
    fn size(&self) -> Result<u64, FileError>;

    /// Fills `out` from `offset`; fails if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), FileError>;
}

/// A file operation failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{name}`: {kind}")]
pub struct FileError {
    action: &'static str,
    name: String,
    kind: FileErrorKind,
    #[source]
    cause: Option<io::Error>,
}

/// Why a file operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileErrorKind {
    /// The name is not one that [`Files`] accepts.
    Name,
    /// The file is larger than [`FILE_BYTES_MAX`].
    TooLarge,
    /// No space is left, or a quota is reached.
    Full,
    /// Another process (or another handle) owns the directory.
    InUse,
    /// Any other answer of the operating system; it is the error's source.
    Io,
}

impl std::fmt::Display for FileErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Name => "not a valid name",
            Self::TooLarge => "larger than the limit",
            Self::Full => "no space left",
            Self::InUse => "in use by another process",
            Self::Io => "input/output error",
        })
    }
}

impl FileError {
    /// An error of this kind; for implementations of [`Files`].
    pub fn new(action: &'static str, name: &str, kind: FileErrorKind) -> Self {
        Self { action, name: name.to_owned(), kind, cause: None }
    }

    /// What the operating system said.
    pub fn io(action: &'static str, name: &str, cause: io::Error) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                FileErrorKind::Full
            }
            _ => FileErrorKind::Io,
        };
        Self { action, name: name.to_owned(), kind, cause: Some(cause) }
    }

    /// Why; branch on it.
    pub const fn kind(&self) -> FileErrorKind {
        self.kind
    }
}

/// Accepts plain names only, so that a name can never leave the directory or meet a temporary file.
fn check_name(action: &'static str, name: &str) -> Result<(), FileError> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let fits = !name.is_empty() && name.len() <= FILE_NAME_BYTES_MAX;
    if fits && !name.starts_with('.') && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(FileError::new(action, name, FileErrorKind::Name))
    }
}

impl<T: Files + ?Sized> Files for Arc<T> {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        (**self).read(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        (**self).replace(name, bytes)
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        (**self).remove(name)
    }

    fn list(&self) -> Result<Vec<String>, FileError> {
        (**self).list()
    }

    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        (**self).append(name)
    }
}
