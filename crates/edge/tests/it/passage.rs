//! Bodies on their way through a gateway that observes: what each side sees of the other's pace and end.

use crate::golden::Shield;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A service of one connection at a time, in the test's hands.
pub(crate) struct Upstream {
    pub(crate) shield: Shield,
    connections: Receiver<TcpStream>,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With further `keys` of the upstream.
    pub(crate) fn with(keys: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (send, connections) = channel();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                if send.send(socket).is_err() {
                    return;
                }
            }
        });
        let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
        Self { shield: Shield::over(address, keys, nobody, "account.view"), connections }
    }

    pub(crate) fn client(&self) -> TcpStream {
        let socket = TcpStream::connect(self.shield.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// The next connection that the gateway makes.
    pub(crate) fn accept(&self) -> TcpStream {
        self.connections.recv_timeout(Duration::from_secs(10)).unwrap()
    }
}

/// Reads until `end` is there; all that was read.
pub(crate) fn until(socket: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end.as_bytes()) {
        let mut byte = [0];
        assert_eq!(socket.read(&mut byte).unwrap(), 1, "ended after {}", String::from_utf8_lossy(&bytes));
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads to the end, which may be an abrupt one.
pub(crate) fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

#[test]
fn pieces_pass_as_they_come_in_both_directions() {
    let town = Upstream::new();
    let mut client = town.client();
    client
        .write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        .unwrap();
    let mut behind = town.accept();
    // The service sees the first piece while the second is not sent, and answers before the body ends.
    until(&mut behind, "one\r\n");
    behind.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nUNO!\r\n").unwrap();
    until(&mut client, "UNO!\r\n");
    client.write_all(b"3\r\ntwo\r\n").unwrap();
    until(&mut behind, "two\r\n");
    behind.write_all(b"4\r\nDUO!\r\n").unwrap();
    until(&mut client, "DUO!\r\n");
    client.write_all(b"0\r\n\r\n").unwrap();
    until(&mut behind, "0\r\n\r\n");
    behind.write_all(b"0\r\n\r\n").unwrap();
    until(&mut client, "0\r\n\r\n");
}

#[test]
fn a_body_is_asked_for_when_the_service_asks_for_it() {
    let town = Upstream::new();
    let ask = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let mut client = town.client();
    client.write_all(ask).unwrap();
    let mut behind = town.accept();
    assert!(until(&mut behind, "\r\n\r\n").to_ascii_lowercase().contains("expect: 100-continue"));
    behind.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 100 "));
    client.write_all(b"hello").unwrap();
    until(&mut behind, "hello");
    behind.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    assert!(until(&mut client, "\r\n\r\nok").starts_with("HTTP/1.1 200 "));

    // Refused at once: the client is never asked.
    let mut client = town.client();
    client.write_all(ask).unwrap();
    until(&mut behind, "\r\n\r\n");
    behind.write_all(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n").unwrap();
    let head = until(&mut client, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 417 ") && !head.contains(" 100 "), "{head}");
}

#[test]
fn a_client_that_breaks_off_is_seen_by_the_service_and_its_connection_is_not_used_again() {
    let town = Upstream::new();
    let mut client = town.client();
    client.write_all(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\nhalf").unwrap();
    let mut behind = town.accept();
    until(&mut behind, "half");
    drop(client);
    assert_eq!(rest(&mut behind), b"", "ends in the middle of the upload");

    let mut client = town.client();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut behind = town.accept();
    until(&mut behind, "\r\n\r\n");
    behind.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\nhalf").unwrap();
    until(&mut client, "half");
    drop(client);
    let piece = [7; 65_536];
    let broke = (0..200).any(|_| behind.write_all(&piece).is_err());
    assert!(broke, "the service is told in the middle of the download");

    let mut client = town.client();
    client.write_all(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(until(&mut town.accept(), "\r\n\r\n").starts_with("GET /b "), "over a fresh connection");
}

#[test]
fn a_service_that_breaks_off_is_seen_by_the_client() {
    let town = Upstream::new();
    for framing in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let mut client = town.client();
        client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut behind = town.accept();
        until(&mut behind, "\r\n\r\n");
        behind.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n4\r\nhalf\r\n").as_bytes()).unwrap();
        until(&mut client, "half\r\n");
        drop(behind);
        let left = rest(&mut client);
        assert!(!String::from_utf8_lossy(&left).contains("0\r\n\r\n"), "no end is made up: {left:?}");
    }
    let mut client = town.client();
    client.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    drop(town.accept());
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 502 "));
    // A service that ends by closing has said all that it had to say.
    let mut client = town.client();
    client.write_all(b"GET /a HTTP/1.0\r\n\r\n").unwrap();
    let mut behind = town.accept();
    let head = until(&mut behind, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.contains("\r\nhost: 127.0.0.1:"), "{head}");
    behind.write_all(b"HTTP/1.0 200 OK\r\n\r\nall of it").unwrap();
    drop(behind);
    assert!(rest(&mut client).ends_with(b"\r\n\r\nall of it"));
}

/// Resident memory of this process. Unit: bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[test]
fn large_bodies_stream_in_little_memory() {
    const PIECE: usize = 65_536;
    const PIECES: usize = 1_536; // 96 MiB
    let town = Upstream::new();
    let before = memory();
    let mut client = town.client();
    let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES);
    client.write_all(head.as_bytes()).unwrap();
    let mut sender = client.try_clone().unwrap();
    let up = std::thread::spawn(move || (0..PIECES).for_each(|_| sender.write_all(&[b'x'; PIECE]).unwrap()));
    let mut behind = town.accept();
    until(&mut behind, "\r\n\r\n");
    let mut piece = vec![0; PIECE];
    (0..PIECES).for_each(|_| behind.read_exact(&mut piece).unwrap());
    up.join().unwrap();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PIECE * PIECES);
    let down = std::thread::spawn(move || {
        behind.write_all(head.as_bytes()).unwrap();
        (0..PIECES).for_each(|_| behind.write_all(&[b'y'; PIECE]).unwrap());
    });
    until(&mut client, "\r\n\r\n");
    for _ in 0..PIECES {
        client.read_exact(&mut piece).unwrap();
        assert!(piece.iter().all(|byte| *byte == b'y'));
    }
    down.join().unwrap();
    let grown = memory() - before;
    // Other tests of this process grow beside it; a whole body would be three times as much.
    assert!(grown < 64 << 20, "{grown} bytes more for {} each way", PIECE * PIECES);
}

#[test]
fn a_websocket_that_the_service_grants_is_a_tunnel_and_nothing_else_is() {
    let town = Upstream::new();
    let ask = |protocol: &str| {
        let mut client = town.client();
        let fields = "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let head = format!("GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: {protocol}\r\n{fields}\r\n");
        client.write_all(head.as_bytes()).unwrap();
        client
    };
    let mut client = ask("websocket");
    let mut behind = town.accept();
    let head = until(&mut behind, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    let grant = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nfirst";
    behind.write_all(grant.as_bytes()).unwrap();
    let head = until(&mut client, "\r\n\r\n").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("sec-websocket-accept: s3pplm"), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    until(&mut client, "first");
    // Bytes that are no HTTP, both ways, at any time.
    client.write_all(b"\x81\x03\n\n\0 up").unwrap();
    until(&mut behind, " up");
    behind.write_all(b"\x81\x05 down").unwrap();
    until(&mut client, " down");
    drop(behind);
    assert_eq!(rest(&mut client), b"");
    // The client keeps its side open and silent; that holds no place.
    for _ in 0..200 {
        if town.shield.core().metrics().snapshot().open_connections == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(town.shield.core().metrics().snapshot().open_connections, 0);
    drop(client);

    // HTTP/2 in a tunnel would pass unseen, so it is not asked for.
    let mut client = ask("h2c");
    let mut behind = town.accept();
    assert!(!until(&mut behind, "\r\n\r\n").to_ascii_lowercase().contains("upgrade"));
    behind
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
        .unwrap();
    assert!(until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 502 "));
}
