//! The kernel's device file: `/dev/tpmrm0`, where each open file has handles and sessions of its own, or `/dev/tpm0`.
//!
//! A command is one write, its answer one read; the file is opened without blocking, and `poll` bounds the wait. Who
//! is late closes the file, with which the kernel forgets the answer. `/dev/tpm0` can be open once only, and what is
//! left in it stays in the chip: prefer the first.

use super::socket::Deadline;
use super::{HEADER_BYTES, TPM_ANSWER_BYTES_MAX, TpmLink, TpmLinkError, TpmLinkErrorKind, stated_size};
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A TPM behind a device file. It is opened when it is first used.
#[derive(Debug)]
pub struct TpmDevice {
    path: PathBuf,
    file: Option<File>,
}

impl TpmDevice {
    /// The kernel's TPM with its resource manager.
    pub const DEFAULT: &'static str = "/dev/tpmrm0";

    /// The device file at this path.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None }
    }

    fn open(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        Ok(File::from(open(&self.path, flags, Mode::empty())?))
    }

    fn attempt(&mut self, command: &[u8], clock: Deadline) -> io::Result<Vec<u8>> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        if file.write(command)? != command.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        ready(&file, clock)?;
        let mut answer = vec![0; TPM_ANSWER_BYTES_MAX];
        let count = file.read(&mut answer)?;
        answer.truncate(count);
        self.file = Some(file);
        Ok(answer)
    }
}

impl TpmLink for TpmDevice {
    fn exchange(&mut self, command: &[u8], wait: Duration) -> Result<Vec<u8>, TpmLinkError> {
        let place = self.path.display().to_string();
        let answer =
            self.attempt(command, Deadline::after(wait)).map_err(|cause| TpmLinkError::io(&place, cause))?;
        let whole = answer.first_chunk::<HEADER_BYTES>().and_then(stated_size) == Some(answer.len());
        if !whole {
            self.file = None;
            let kind = if answer.is_empty() { TpmLinkErrorKind::Gone } else { TpmLinkErrorKind::Garbage };
            return Err(TpmLinkError::new(kind, &place));
        }
        Ok(answer)
    }
}

/// Waits until there is something to read.
fn ready(file: &File, clock: Deadline) -> io::Result<()> {
    loop {
        let left = clock.left()?;
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        let wait = Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() };
        let mut files = [PollFd::new(file, PollFlags::IN)];
        match poll(&mut files, Some(&wait)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    const SECOND: Duration = Duration::from_secs(1);

    /// A device whose other end is a socket: reads, writes and waits as a device file does.
    fn device() -> (TpmDevice, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let file = File::from(OwnedFd::from(ours));
        (TpmDevice { path: PathBuf::from("/nowhere/tpm"), file: Some(file) }, theirs)
    }

    fn kind(result: Result<Vec<u8>, TpmLinkError>) -> TpmLinkErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn an_answer_is_one_read_as_long_as_it_says() {
        let (mut device, mut tpm) = device();
        let answer = [0x80, 1, 0, 0, 0, 11, 0, 0, 0, 0, 7];
        tpm.write_all(&answer).unwrap();
        assert_eq!(device.exchange(b"abc", SECOND).unwrap(), answer);
        let mut command = [0; 3];
        tpm.read_exact(&mut command).unwrap();
        assert_eq!(&command, b"abc");
        tpm.write_all(&answer[..10]).unwrap();
        assert_eq!(kind(device.exchange(b"abc", SECOND)), TpmLinkErrorKind::Garbage, "cut short");
        assert_eq!(kind(device.exchange(b"abc", SECOND)), TpmLinkErrorKind::Missing, "opened anew");
    }

    #[test]
    fn silence_is_late_and_a_closed_device_is_gone() {
        let (mut late, _tpm) = device();
        assert_eq!(kind(late.exchange(b"abc", Duration::from_millis(50))), TpmLinkErrorKind::Late);
        assert!(late.file.is_none(), "a late answer must not meet another question");
        let (mut gone, tpm) = device();
        drop(tpm);
        assert_eq!(kind(gone.exchange(b"abc", SECOND)), TpmLinkErrorKind::Gone);
    }

    #[test]
    fn a_device_that_is_not_there_is_missing() {
        let mut device = TpmDevice::new(Path::new("/nowhere/tpm"));
        assert_eq!(kind(device.exchange(b"abc", SECOND)), TpmLinkErrorKind::Missing);
    }
}
