//! The TCP socket of a TPM emulator (`swtpm socket --server type=tcp,port=…`): the TPM's bytes and nothing around them.
//!
//! For tests, demonstrations and virtual machines. The emulator serves one connection at a time; whoever is second
//! waits, and is late. Nothing is encrypted or authenticated here: what the caller must hide, its sessions hide.

use super::{HEADER_BYTES, TpmLink, TpmLinkError, TpmLinkErrorKind, stated_size};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// A TPM behind a TCP socket. It connects when it is first used.
#[derive(Debug)]
pub struct TpmSocket {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

impl TpmSocket {
    /// The emulator at this address.
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, stream: None }
    }

    fn place(&self) -> String {
        format!("tcp:{}", self.address)
    }

    fn attempt(&mut self, command: &[u8], clock: Deadline) -> Result<Vec<u8>, TpmLinkError> {
        let place = self.place();
        let io = |cause| TpmLinkError::io(&place, cause);
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect_timeout(&self.address, clock.left().map_err(io)?).map_err(io)?,
        };
        stream.set_nodelay(true).map_err(io)?;
        stream.set_write_timeout(Some(clock.left().map_err(io)?)).map_err(io)?;
        stream.write_all(command).map_err(io)?;
        let mut header = [0; HEADER_BYTES];
        fill(&mut stream, &mut header, clock).map_err(io)?;
        let size =
            stated_size(&header).ok_or_else(|| TpmLinkError::new(TpmLinkErrorKind::Garbage, &place))?;
        let mut answer = vec![0; size];
        let (head, body) = answer.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header);
        fill(&mut stream, body, clock).map_err(io)?;
        // Only a connection whose answer was read whole is used again.
        self.stream = Some(stream);
        Ok(answer)
    }
}

impl TpmLink for TpmSocket {
    fn exchange(&mut self, command: &[u8], wait: Duration) -> Result<Vec<u8>, TpmLinkError> {
        self.attempt(command, Deadline::after(wait))
    }
}

/// Reads until `out` is full, each read within what is left of the time.
fn fill(stream: &mut TcpStream, mut out: &mut [u8], clock: Deadline) -> io::Result<()> {
    while !out.is_empty() {
        stream.set_read_timeout(Some(clock.left()?))?;
        match stream.read(out) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => out = out.get_mut(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// When a call has to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    start: Instant,
    wait: Duration,
}

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "time limits of the operating system's calls")]
    pub(super) fn after(wait: Duration) -> Self {
        Self { start: Instant::now(), wait }
    }

    /// What is left; an error once that is nothing.
    pub(super) fn left(self) -> io::Result<Duration> {
        let left = self.wait.saturating_sub(self.start.elapsed());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    const SECOND: Duration = Duration::from_secs(1);

    /// A server that answers its n-th connection with the n-th of these, then closes it.
    fn server(answers: Vec<Vec<u8>>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut command = [0; 3];
                stream.read_exact(&mut command).unwrap();
                stream.write_all(&answer).unwrap();
            }
        });
        address
    }

    fn kind(result: Result<Vec<u8>, TpmLinkError>) -> TpmLinkErrorKind {
        result.unwrap_err().kind()
    }

    #[test]
    fn an_answer_is_as_long_as_it_says_and_the_connection_is_made_anew_after_a_failure() {
        let whole = [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 8].to_vec();
        let mut link = TpmSocket::new(server(vec![whole[..11].to_vec(), whole.clone(), vec![1]]));
        assert_eq!(kind(link.exchange(b"abc", SECOND)), TpmLinkErrorKind::Gone, "cut short");
        assert_eq!(link.exchange(b"abc", SECOND).unwrap(), whole);
        assert_eq!(kind(link.exchange(b"abc", SECOND)), TpmLinkErrorKind::Gone, "closed meanwhile");
        assert_eq!(kind(link.exchange(b"abc", SECOND)), TpmLinkErrorKind::Gone, "one byte");
    }

    #[test]
    fn a_size_that_cannot_be_is_garbage_and_allocates_nothing() {
        for size in [0_u32, 9, 4_097, u32::MAX] {
            let answer = [&[0x80, 1][..], &size.to_be_bytes(), &[0; 4]].concat();
            let mut link = TpmSocket::new(server(vec![answer]));
            assert_eq!(kind(link.exchange(b"abc", SECOND)), TpmLinkErrorKind::Garbage, "{size}");
        }
    }

    #[test]
    fn silence_is_late_and_nobody_is_missing() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = TpmSocket::new(silent.local_addr().unwrap());
        assert_eq!(kind(link.exchange(b"abc", Duration::from_millis(50))), TpmLinkErrorKind::Late);
        drop(silent);
        assert_eq!(kind(link.exchange(b"abc", SECOND)), TpmLinkErrorKind::Missing);
    }
}
