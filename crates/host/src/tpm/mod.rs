//! A way to a TPM 2.0 as a trait: one command in, one answer out, and never longer than the caller waits.
//!
//! What the bytes mean is not looked at, except for the size in an answer's header. [`TpmDevice`] is the kernel's
//! device file, [`TpmSocket`] the TCP socket of an emulator; tests and fuzzers bring links of their own. A link that
//! failed in the middle of a call starts anew at the next one, so that a late answer never meets another question.

#[cfg(target_os = "linux")]
mod device;
mod socket;

#[cfg(target_os = "linux")]
pub use device::TpmDevice;
pub use socket::TpmSocket;

use core::time::Duration;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Longest answer of a TPM. Source: the kernel's driver and the reference implementation both use 4,096.
pub const TPM_ANSWER_BYTES_MAX: usize = 4_096;

/// A way to one TPM. One caller at a time.
pub trait TpmLink: Send {
    /// Sends `command` and returns the answer, which is at least a header and as long as that says.
    fn exchange(&mut self, command: &[u8], wait: Duration) -> Result<Vec<u8>, TpmLinkError>;

    /// Waits before a command is tried again that the TPM asked to try again.
    fn pause(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The TPM was not reached, or its answer did not come.
#[derive(Debug, thiserror::Error)]
#[error("{kind} ({place})")]
pub struct TpmLinkError {
    kind: TpmLinkErrorKind,
    place: String,
    #[source]
    cause: Option<io::Error>,
}

/// Why a TPM was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TpmLinkErrorKind {
    /// There is no such device, or nobody listens.
    Missing,
    /// This user may not open it.
    Denied,
    /// Another process has it, and it serves one at a time.
    Busy,
    /// It was there, and went away before it answered.
    Gone,
    /// It did not answer in time.
    Late,
    /// What it sent is no answer.
    Garbage,
}

impl std::fmt::Display for TpmLinkErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "there is no TPM",
            Self::Denied => "the TPM may not be used by this user",
            Self::Busy => "the TPM is in use by another process",
            Self::Gone => "the TPM went away",
            Self::Late => "the TPM did not answer in time",
            Self::Garbage => "what the TPM sent is no answer",
        })
    }
}

impl TpmLinkError {
    /// An error of this kind at `place`; for implementations of [`TpmLink`].
    pub fn new(kind: TpmLinkErrorKind, place: &str) -> Self {
        Self { kind, place: place.to_owned(), cause: None }
    }

    /// What the operating system said.
    pub fn io(place: &str, cause: io::Error) -> Self {
        use io::ErrorKind as Io;
        let kind = match cause.kind() {
            Io::NotFound | Io::ConnectionRefused | Io::HostUnreachable | Io::NetworkUnreachable => {
                TpmLinkErrorKind::Missing
            }
            Io::PermissionDenied => TpmLinkErrorKind::Denied,
            Io::ResourceBusy => TpmLinkErrorKind::Busy,
            Io::TimedOut | Io::WouldBlock => TpmLinkErrorKind::Late,
            _ => TpmLinkErrorKind::Gone,
        };
        Self { kind, place: place.to_owned(), cause: Some(cause) }
    }

    /// Why; branch on it.
    pub const fn kind(&self) -> TpmLinkErrorKind {
        self.kind
    }
}

/// The log of what the firmware measured, as the kernel keeps it: at most `limit` bytes; `None` where there is none.
///
/// # Errors
/// If it cannot be read, or is longer: half a log replays to nothing.
pub fn event_log(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, TpmLinkError> {
    let place = path.display().to_string();
    let io = |cause| TpmLinkError::io(&place, cause);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut log = Vec::new();
    file.take(most).read_to_end(&mut log).map_err(io)?;
    if log.len() > limit { Err(io(io::ErrorKind::FileTooLarge.into())) } else { Ok(Some(log)) }
}

/// Where Linux keeps the log of the first TPM.
pub const EVENT_LOG: &str = "/sys/kernel/security/tpm0/binary_bios_measurements";

/// Size that an answer's header states (tag, size, code), if it can be one.
fn stated_size(header: &[u8; HEADER_BYTES]) -> Option<usize> {
    let [_, _, a, b, c, d, ..] = *header;
    let size = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    (HEADER_BYTES..=TPM_ANSWER_BYTES_MAX).contains(&size).then_some(size)
}

/// Tag, size, code.
const HEADER_BYTES: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(event_log(&path, 4).unwrap(), None);
        std::fs::write(&path, b"four").unwrap();
        assert_eq!(event_log(&path, 4).unwrap().unwrap(), b"four");
        assert!(event_log(&path, 3).is_err());
    }
}
