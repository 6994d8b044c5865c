//! Devices and load: real sessions opened through the gateway, requests signed ahead of each round, and a client
//! that writes them over kept connections and checks every answer.
//! Signing happens outside the measured time; only the proxies' CPU is compared.

use crate::Outcome;
use crate::world::{PATH, context, key, result_key, slice};
use glacis_host::{Clock, SystemHost};
use glacis_seal::httpsig::{self, Cover, Params, content_digest, profile, sfv};
use glacis_seal::text::base64url;
use glacis_seal::{MacKey, Purpose, Share, SigningKey, session, sha256, sign_envelope};
use glacis_wire::http::{self, Request};
use glacis_wire::message::enrol::{AttestationResult, DeviceCertificate, TrustVector};
use glacis_wire::message::session::{SessionOpen, SessionOpened};
use glacis_wire::message::{Tail, Text};
use glacis_wire::{Decode, Digest, Disclosed, Encode, NodeOutcome, Tier, Timestamp, Trust};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One session a connection, so that each counts its own requests in order.
pub(crate) struct Fleet {
    devices: Vec<Device>,
    disclosed: String,
    host: SystemHost,
}

struct Device {
    request_key: MacKey,
    ticket: String,
    leg: String,
    seq: u64,
    number: u8,
}

/// Requests of one connection, back to back.
pub(crate) struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

const AUTHORITY: &str = "shop.bench";

impl Fleet {
    pub(crate) async fn open(gateway: SocketAddr, count: usize) -> Outcome<Self> {
        let host = SystemHost::new();
        let mut devices = Vec::new();
        for number in 0..count {
            devices.push(Device::open(gateway, u8::try_from(number)?, host.now()).await?);
        }
        // "All clear", which an attested device may say.
        let disclosed =
            Disclosed { policy: slice()?.policy, nodes: vec![NodeOutcome::False], values: vec![] };
        Ok(Self { devices, disclosed: sfv::bytes(&disclosed.to_bytes()?), host })
    }

    /// The next `each` requests of every device.
    pub(crate) fn signed(&mut self, each: usize) -> Vec<Batch> {
        let now = self.host.now();
        self.devices.iter_mut().map(|device| device.sign(each, &self.disclosed, now)).collect()
    }
}

fn params(now: Timestamp, nonce: u64, keyid: &str, alg: &'static str, tag: &'static str) -> Params<'static> {
    Params {
        created: Some(now.as_secs()),
        expires: Some(now.as_secs() + 60),
        nonce: Some(nonce.to_string().into()),
        keyid: Some(keyid.to_owned().into()),
        alg: Some(alg.into()),
        tag: Some(tag.into()),
    }
}

impl Device {
    async fn open(gateway: SocketAddr, number: u8, now: Timestamp) -> Outcome<Self> {
        let context = context();
        let (key, result_key): (SigningKey, SigningKey) = (key(100 + number), result_key());
        let not_after = now.after(Duration::from_secs(3_600));
        let thumbprint = key.thumbprint();
        let certificate =
            DeviceCertificate { thumbprint, device_key: key.public(), passkey: None, issued: now, not_after };
        let result = AttestationResult {
            thumbprint,
            tier: Tier::Hardware,
            trust: Trust::Attested,
            family: Text("none".into()),
            vector: TrustVector::default(),
            verified_at: now,
            not_after,
            certificate: Tail::default(),
        };
        let share = Share::generate(|out: &mut [u8]| {
            out.fill(number + 1);
            Ok::<_, ()>(())
        })?;
        let body = SessionOpen {
            certificate: sign_envelope(&result_key, &context, Purpose::Certificate, &certificate)?,
            result: sign_envelope(&result_key, &context, Purpose::Result, &result)?,
            share: share.public(),
            epoch_ctr: 1,
            parent: Digest::new([0; 32]),
        };
        let mut request = Request {
            method: "POST".into(),
            authority: AUTHORITY.into(),
            path: http::PATH_SESSION.into(),
            body: body.to_bytes()?,
            ..Request::default()
        };
        request.headers.push(("content-digest".into(), content_digest(&sha256(&request.body))));
        let keyid = base64url(thumbprint.as_bytes());
        let params = params(now, 1, &keyid, "ecdsa-p256-sha256", profile::TAG_SESSION);
        let (mut base, mut input, mut field) = (String::new(), String::new(), String::new());
        let cover = Cover { label: profile::LABEL, components: profile::SESSION, params };
        httpsig::write_base(&mut base, &mut input, &request, &cover)?;
        httpsig::write_signature(&mut field, profile::LABEL, &key.sign_raw(base.as_bytes())?);
        request.headers.push(("signature-input".into(), input));
        request.headers.push(("signature".into(), field));

        let mut out = Vec::new();
        write(&mut out, &request);
        let mut socket = TcpStream::connect(gateway).await?;
        socket.write_all(&out).await?;
        let mut answer = Answer::default();
        answer.read(&mut socket).await?;
        if answer.status != 200 {
            return Err(format!("session not opened: {}", String::from_utf8_lossy(&answer.buffer)).into());
        }
        let opened = SessionOpened::from_bytes(answer.body())?;
        let transcript = session::transcript(&base);
        let secret = session::secret(&share.agree(&opened.share)?, &transcript, &context);
        session::check_confirm(secret.expose(), &opened, &transcript, &context)?;
        Ok(Self {
            request_key: session::request_key(secret.expose(), &opened.leg, &context),
            ticket: sfv::bytes(&opened.ticket),
            leg: base64url(opened.leg.as_bytes()),
            seq: 0,
            number,
        })
    }

    fn sign(&mut self, count: usize, disclosed: &str, now: Timestamp) -> Batch {
        let mut batch = Batch { bytes: Vec::with_capacity(count * 1_500), ends: Vec::with_capacity(count) };
        let (mut base, mut input) = (String::new(), String::new());
        let nothing = content_digest(&sha256(b""));
        for _ in 0..count {
            self.seq += 1;
            let mut event = [self.number; 16];
            event[..8].copy_from_slice(&self.seq.to_be_bytes());
            let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let mut request = Request {
                method: "GET".into(),
                authority: AUTHORITY.into(),
                path: PATH.into(),
                headers: vec![
                    header("user-agent", "bench/1"),
                    header("accept", "*/*"),
                    header("content-digest", &nothing),
                    header(http::TICKET, &self.ticket),
                    header(http::EVENT, &sfv::bytes(&event)),
                    header(http::DISCLOSURE, disclosed),
                    header(http::PROOF, "::"),
                ],
                ..Request::default()
            };
            let params = params(now, self.seq, &self.leg, "hmac-sha256", profile::TAG_REQUEST);
            let cover = Cover { label: profile::LABEL, components: profile::REQUEST, params };
            httpsig::write_base(&mut base, &mut input, &request, &cover)
                .expect("a request of ours can be signed");
            let mut field = String::new();
            httpsig::write_signature(&mut field, profile::LABEL, &self.request_key.mac_raw(base.as_bytes()));
            request.headers.push(("signature-input".into(), input.clone()));
            request.headers.push(("signature".into(), field));
            write(&mut batch.bytes, &request);
            batch.ends.push(batch.bytes.len());
        }
        batch
    }
}

fn write(out: &mut Vec<u8>, request: &Request) {
    out.extend_from_slice(
        format!("{} {} HTTP/1.1\r\nhost: {}\r\n", request.method, request.path, request.authority).as_bytes(),
    );
    for (name, value) in &request.headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !request.body.is_empty() {
        out.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&request.body);
}

/// Sends every batch over a connection of its own; how many requests were answered with 200 and 1 KiB.
pub(crate) async fn drive(address: SocketAddr, batches: Vec<Batch>, wants_verdict: bool) -> Outcome<usize> {
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            tokio::spawn(async move { send(address, &batch, wants_verdict).await.map_err(|e| e.to_string()) })
        })
        .collect();
    let mut sent = 0;
    for task in tasks {
        sent += task.await??;
    }
    Ok(sent)
}

async fn send(address: SocketAddr, batch: &Batch, wants_verdict: bool) -> std::io::Result<usize> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut answer = Answer::default();
    let mut start = 0;
    for end in &batch.ends {
        socket.write_all(&batch.bytes[start..*end]).await?;
        start = *end;
        answer.read(&mut socket).await?;
        let verdict = !wants_verdict || answer.head().contains("\r\nglacis-verdict: :");
        if answer.status != 200 || answer.body().len() != 1_024 || !verdict {
            return Err(std::io::Error::other(format!(
                "unexpected answer: {}",
                String::from_utf8_lossy(&answer.buffer)
            )));
        }
    }
    Ok(batch.ends.len())
}

/// One answer with a `content-length`.
#[derive(Default)]
struct Answer {
    buffer: Vec<u8>,
    head_len: usize,
    status: u16,
}

impl Answer {
    fn head(&self) -> &str {
        std::str::from_utf8(&self.buffer[..self.head_len]).unwrap_or("")
    }

    fn body(&self) -> &[u8] {
        &self.buffer[self.head_len..]
    }

    async fn read(&mut self, socket: &mut TcpStream) -> std::io::Result<()> {
        self.buffer.clear();
        let mut wanted = usize::MAX;
        while self.buffer.len() < wanted {
            if socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if wanted == usize::MAX
                && let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")
            {
                self.head_len = at + 4;
                let lower = self.head().to_ascii_lowercase();
                let length =
                    lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                wanted = self.head_len + length.and_then(|text| text.parse().ok()).unwrap_or(0);
                self.status = self.head().get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
            }
        }
        Ok(())
    }
}
