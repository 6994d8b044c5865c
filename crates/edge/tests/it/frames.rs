//! HTTP/2 as raw frames, so that a test can say what no library would.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// What a connection or a stream came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Status(u16),
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// `GOAWAY` with this code.
    Away(u32),
    Closed,
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Fields as literals without indexing (RFC 7541 §6.2.2).
pub(crate) fn block(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let text = |bytes: &[u8]| {
        let mut text = Vec::new();
        match bytes.len() {
            short @ ..127 => text.push(short as u8),
            long => {
                text.push(127);
                let mut rest = long - 127;
                while rest >= 128 {
                    text.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                text.push(rest as u8);
            }
        }
        text.extend(bytes);
        text
    };
    for (name, value) in fields {
        out.push(0);
        out.extend(text(name.as_bytes()));
        out.extend(text(value));
    }
    out
}

pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &[u8])]) -> Vec<u8> {
    frame(1, END_HEADERS | flags, stream, &block(fields))
}

pub(crate) fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(0, flags, stream, bytes)
}

/// A connection on which preface and settings were sent.
pub(crate) fn open(mut socket: TcpStream) -> TcpStream {
    socket.write_all(PREFACE).unwrap();
    socket.write_all(&frame(4, 0, 0, &[])).unwrap();
    socket
}

/// What comes of `stream`; settings and pings on the way are passed over.
pub(crate) fn outcome(socket: &mut TcpStream, stream: u32) -> Outcome {
    loop {
        let mut head = [0; 9];
        if let Err(error) = socket.read_exact(&mut head) {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "neither an answer nor an end");
            return Outcome::Closed;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        if socket.read_exact(&mut payload).is_err() {
            return Outcome::Closed;
        }
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match head[3] {
            1 if of == stream => return Outcome::Status(status(&payload)),
            3 if of == stream => return Outcome::Reset(code(0)),
            7 => return Outcome::Away(code(4)),
            _ => {}
        }
    }
}

/// The status that a block of a fresh connection begins with, as the static table or three digits have it.
fn status(block: &[u8]) -> u16 {
    match block {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        // A literal with the name `:status`, in Huffman's code: digits take five or six bits.
        [0x48 | 0x08, 0x80..=0x83, rest @ ..] => digits(rest),
        [0x48 | 0x08, 3, a, b, c, ..] => [a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(**d - b'0')),
        _ => panic!("no status in {block:02x?}"),
    }
}

fn digits(code: &[u8]) -> u16 {
    let mut bits = code.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1)));
    let mut take = |count: u32| (0..count).fold(0, |value, _| value << 1 | bits.next().unwrap());
    (0..3).fold(0, |number, _| {
        // RFC 7541 appendix B: `0` to `2` are 00000 to 00010, `3` to `9` are 011001 to 011111.
        let five = take(5);
        let digit = if five < 3 { five } else { (five << 1 | take(1)) - 0b011001 + 3 };
        number * 10 + digit
    })
}
