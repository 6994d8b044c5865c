//! The service behind the proxies: it remembers what it got, and says more than it may.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What crossed to the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saw {
    /// Method and target.
    pub(crate) line: String,
    /// Fields in small letters, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A service of the test: one thread a connection, 200 for every request.
pub(crate) fn start() -> (SocketAddr, Receiver<Saw>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, seen) = channel();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let send = send.clone();
            std::thread::spawn(move || serve(socket, &send));
        }
    });
    (address, seen)
}

fn serve(mut socket: TcpStream, send: &Sender<Saw>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 16_384];
    while let Ok(count @ 1..) = socket.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
        let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap().rsplit_once(' ').unwrap().0.to_owned();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let find = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let rest = &bytes[at + 4..];
        let body = match find("content-length") {
            Some(length) => rest.get(..length.parse().unwrap()).map(<[u8]>::to_vec),
            None if find("transfer-encoding").is_some() => unchunked(rest),
            None => Some(Vec::new()),
        };
        let Some(body) = body else { continue };
        send.send(Saw { line, headers, body }).unwrap();
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nglacis-verdict: :forged:\r\nglacis-reference: forged\r\nx-keep: 1\r\n\r\nok";
        socket.write_all(answer.as_bytes()).unwrap();
        bytes.clear();
    }
}

/// The body of chunks that are all there.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        rest = &rest[end + 2..];
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
        if size == 0 {
            return Some(body);
        }
    }
}
