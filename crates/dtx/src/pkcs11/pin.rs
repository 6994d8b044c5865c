//! Where the PIN of a token comes from: a private file, the environment, an open descriptor. Never an argument.
//!
//! Arguments of a process can be read by every user of the machine, so there is no way to give one. The PIN prints
//! nothing, is wiped after the log-in, and is read again for the next; only a descriptor, which can be read once, makes
//! the process keep it.

use crate::custody::{CustodyError, CustodyErrorKind};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A place for a PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinSource {
    /// A file that nobody else may read; one line end at its end is not the PIN's.
    File(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A descriptor that the process was started with.
    Descriptor(u32),
}

impl PinSource {
    /// Reads the PIN.
    pub(super) fn read(&self) -> Result<Pin, CustodyError> {
        let missing = |what: String| CustodyError::new(super::NAME, CustodyErrorKind::PinMissing).said(what);
        let bytes = match self {
            Self::File(path) => {
                let shown = path.display();
                let file = File::open(path).map_err(|error| missing(format!("{shown}: {error}")))?;
                if is_open_to_others(&file) {
                    return Err(missing(format!("others may read {shown}")));
                }
                read_all(file).map_err(|error| missing(format!("{shown}: {error}")))?
            }
            Self::Variable(name) => {
                let value = glacis_host::variable(name)
                    .ok_or_else(|| missing(format!("the environment has no {name}")))?;
                Zeroizing::new(value.into_encoded_bytes())
            }
            Self::Descriptor(number) => {
                let file = File::open(format!("/dev/fd/{number}"));
                let file = file.and_then(read_all);
                file.map_err(|error| missing(format!("descriptor {number}: {error}")))?
            }
        };
        let end = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let end = end.strip_suffix(b"\r").unwrap_or(end).len();
        if end == 0 || end > PIN_BYTES_MAX {
            return Err(missing(format!("{self}: empty, or longer than {PIN_BYTES_MAX} bytes")));
        }
        let mut pin = bytes;
        pin.truncate(end);
        Ok(Pin(pin))
    }

    /// Whether it can be read only once.
    pub(super) const fn is_spent(&self) -> bool {
        matches!(self, Self::Descriptor(_))
    }
}

impl fmt::Display for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Variable(name) => write!(f, "env:{name}"),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
        }
    }
}

/// A PIN in memory.
#[derive(Clone)]
pub(super) struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    pub(super) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(…)")
    }
}

fn read_all(file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    // With room for all that is taken, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PIN_BYTES_MAX + 4));
    let limit = u64::try_from(PIN_BYTES_MAX + 3).unwrap_or(u64::MAX);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().map_or(true, |meta| meta.is_file() && meta.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> bool {
    false
}

/// Longest PIN. Unit: bytes.
const PIN_BYTES_MAX: usize = 256;
