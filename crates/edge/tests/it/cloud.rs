//! A cloud that decides `allow` for everything, over real sockets and under the real node key.

use glacis_seal::httpsig::sfv::parse_bytes;
use glacis_seal::{Context, MacKey, Purpose, Secret, sha256};
use glacis_wire::message::decide::{DecideAnswer, Decided};
use glacis_wire::{Encode, Realm, Reference, TenantId, Verdict};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Cloud {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                std::thread::spawn(move || serve(socket, &count));
            }
        });
        Self { address, asked }
    }

    /// How many decisions it was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Answers requests until the connection ends.
fn serve(socket: TcpStream, asked: &AtomicUsize) -> Option<()> {
    let mut input = BufReader::new(socket);
    loop {
        let (mut first, mut length, mut signature) = (String::new(), 0, Vec::new());
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            let lower = line.to_ascii_lowercase();
            if first.is_empty() {
                first = line;
            } else if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            } else if lower.starts_with("signature:") {
                signature = parse_bytes(line.split_once('=')?.1.trim(), 64).ok()?;
            }
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body).ok()?;
        let (status, body): (u16, Vec<u8>) = if first.starts_with("POST /v1/decide ") {
            let n = asked.fetch_add(1, Ordering::Relaxed) as u64;
            let (verdict, reference) = (Verdict::Allow, Reference::from_random(n.to_be_bytes()));
            let decided = Decided { verdict, reference, cut: n, repeated: false, nonce: None };
            (200, DecideAnswer::Decided(decided).to_bytes().unwrap())
        } else {
            (404, Vec::new())
        };
        let context = Context::new(TenantId::parse("acme").unwrap(), Realm::Demo);
        let digest = sha256(&body);
        let said: [&[u8]; 3] = [&signature, &status.to_be_bytes(), digest.as_bytes()];
        let key = MacKey::new(Secret::new([13; 32]));
        let mac = key.mac_parts(&context, Purpose::NodeResponse, &said);
        let mac = glacis_seal::httpsig::sfv::bytes(&mac);
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nglacis-node-mac: {mac}\r\n\r\n",
            body.len()
        );
        input.get_mut().write_all(&[head.into_bytes(), body].concat()).ok()?;
    }
}
