//! Devices and load: real sessions, requests signed ahead of each round, and clients that write them over kept
//! connections and check every answer.
//! Signing happens outside the measured time; only what carries the requests is compared.

use crate::Outcome;
use crate::world::{PolicySize, context, key, result_key, slice};
use glacis_host::{Clock, SystemHost};
use glacis_seal::httpsig::{self, Cover, Params, content_digest, profile, sfv};
use glacis_seal::text::base64url;
use glacis_seal::{MacKey, Purpose, Share, SigningKey, session, sha256, sign_envelope};
use glacis_wire::http::{self, Request};
use glacis_wire::message::enrol::{AttestationResult, DeviceCertificate, TrustVector};
use glacis_wire::message::session::{SessionOpen, SessionOpened};
use glacis_wire::message::{Tail, Text};
use glacis_wire::{Decode, Digest, Disclosed, Encode, NodeOutcome, Tier, Timestamp, Trust};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const AUTHORITY: &str = "shop.bench";

/// What requests ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A route with an event: every check.
    Event,
    /// A plain route of the gateway: the same bytes, and none.
    Plain,
}

/// One session a connection, so that each counts its own requests in order.
pub struct Fleet {
    /// The devices, one a connection.
    pub devices: Vec<Device>,
    disclosed: String,
    host: SystemHost,
}

/// A device with an open session.
pub struct Device {
    request_key: MacKey,
    ticket: String,
    leg: String,
    seq: u64,
    number: u32,
}

/// Requests of one connection, back to back.
pub struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// How requests were carried.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// How many, all answered with 200 and 1 KiB.
    pub requests: usize,
    /// How long all of them took.
    pub took: Duration,
}

/// Who a device is, before it has a session: key, and what the cloud vouches for.
pub struct Enrolled {
    key: SigningKey,
    number: u32,
    certificate: glacis_wire::message::Signed,
    result: glacis_wire::message::Signed,
    openings: u64,
}

impl Enrolled {
    /// The device of this number.
    pub fn new(number: u32, now: Timestamp) -> Outcome<Self> {
        let context = context();
        let (key, result_key) = (key(100 + number), result_key());
        let not_after = now.after(Duration::from_secs(7_200));
        let thumbprint = key.thumbprint();
        let certificate =
            DeviceCertificate { thumbprint, device_key: key.public(), passkey: None, issued: now, not_after };
        let certificate = sign_envelope(&result_key, &context, Purpose::Certificate, &certificate)?;
        let result = AttestationResult {
            thumbprint,
            tier: Tier::Hardware,
            trust: Trust::Attested,
            family: Text("none".into()),
            vector: TrustVector::default(),
            verified_at: now,
            not_after,
            certificate: Tail(vec![sha256(&certificate.to_bytes()?)]),
        };
        let result = sign_envelope(&result_key, &context, Purpose::Result, &result)?;
        Ok(Self { key, number, certificate, result, openings: 0 })
    }

    /// Opens a session; `exchange` brings the request to the edge and gives the body of its 200.
    pub fn open(
        &mut self,
        now: Timestamp,
        exchange: impl FnOnce(&Request) -> Outcome<Vec<u8>>,
    ) -> Outcome<Device> {
        let context = context();
        self.openings += 1;
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&self.number.to_be_bytes());
        seed[4..12].copy_from_slice(&self.openings.to_be_bytes());
        let share = Share::generate(|out: &mut [u8]| {
            out.copy_from_slice(&seed[..out.len()]);
            Ok::<_, ()>(())
        })?;
        let body = SessionOpen {
            certificate: self.certificate.clone(),
            result: self.result.clone(),
            share: share.public(),
            epoch_ctr: self.openings,
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
        let keyid = base64url(self.key.thumbprint().as_bytes());
        let params = params(now, self.openings, &keyid, "ecdsa-p256-sha256", profile::TAG_SESSION);
        let (mut base, mut input, mut field) = (String::new(), String::new(), String::new());
        let cover = Cover { label: profile::LABEL, components: profile::SESSION, params };
        httpsig::write_base(&mut base, &mut input, &request, &cover)?;
        httpsig::write_signature(&mut field, profile::LABEL, &self.key.sign_raw(base.as_bytes())?);
        request.headers.push(("signature-input".into(), input));
        request.headers.push(("signature".into(), field));
        let opened = SessionOpened::from_bytes(&exchange(&request)?)?;
        let transcript = session::transcript(&base);
        let secret = session::secret(&share.agree(&opened.share)?, &transcript, &context);
        session::check_confirm(secret.expose(), &opened, &transcript, &context)?;
        Ok(Device {
            request_key: session::request_key(secret.expose(), &opened.leg, &context),
            ticket: sfv::bytes(&opened.ticket),
            leg: base64url(opened.leg.as_bytes()),
            seq: 0,
            number: self.number,
        })
    }
}

/// "All clear", which an attested device may say, as the header's value.
pub fn all_clear(size: PolicySize) -> Outcome<String> {
    let disclosed =
        Disclosed { policy: slice(size)?.policy, nodes: vec![NodeOutcome::False], values: vec![] };
    Ok(sfv::bytes(&disclosed.to_bytes()?))
}

impl Fleet {
    /// Opens `count` sessions of as many devices, over one connection each.
    pub fn open(gateway: SocketAddr, count: usize, size: PolicySize) -> Outcome<Self> {
        let host = SystemHost::new();
        let mut devices = Vec::new();
        for number in 0..count {
            let mut enrolled = Enrolled::new(u32::try_from(number)?, host.now())?;
            devices.push(enrolled.open(host.now(), |request| once(gateway, request))?);
        }
        Ok(Self { devices, disclosed: all_clear(size)?, host })
    }

    /// The next `each` requests of every device.
    pub fn signed(&mut self, each: usize) -> Vec<Batch> {
        self.asking(Target::Event, each)
    }

    /// The same for another target.
    pub fn asking(&mut self, target: Target, each: usize) -> Vec<Batch> {
        let now = self.host.now();
        self.devices.iter_mut().map(|device| device.batch(target, each, &self.disclosed, now)).collect()
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
    fn batch(&mut self, target: Target, count: usize, disclosed: &str, now: Timestamp) -> Batch {
        let mut batch = Batch { bytes: Vec::with_capacity(count * 1_600), ends: Vec::with_capacity(count) };
        for _ in 0..count {
            let request = self.request(target, disclosed, now);
            write(&mut batch.bytes, &request);
            batch.ends.push(batch.bytes.len());
        }
        batch
    }

    /// The next request, signed: its number, event and path are its own.
    pub fn request(&mut self, target: Target, disclosed: &str, now: Timestamp) -> Request {
        let event = self.seq + 1;
        self.request_of(target, event, disclosed, now)
    }

    /// The next request, of the event of this number.
    pub fn request_of(&mut self, target: Target, event: u64, disclosed: &str, now: Timestamp) -> Request {
        self.seq += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&event.to_be_bytes());
        id[8..12].copy_from_slice(&self.number.to_be_bytes());
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let account = 100_000 + event % 900_000;
        let mut request = Request {
            method: "GET".into(),
            authority: AUTHORITY.into(),
            path: match target {
                Target::Event => format!("/accounts/{account}"),
                Target::Plain => format!("/plain/{account}"),
            },
            query: "?page=1".into(),
            headers: vec![
                header("user-agent", "bench/1"),
                header("accept", "*/*"),
                header("accept-language", "en"),
                header("content-digest", &content_digest(&sha256(b""))),
                header(http::TICKET, &self.ticket),
                header(http::EVENT, &sfv::bytes(&id)),
                header(http::DISCLOSURE, disclosed),
                header(http::PROOF, "::"),
            ],
            ..Request::default()
        };
        let params = params(now, self.seq, &self.leg, "hmac-sha256", profile::TAG_REQUEST);
        let cover = Cover { label: profile::LABEL, components: profile::REQUEST, params };
        let (mut base, mut input, mut field) = (String::new(), String::new(), String::new());
        httpsig::write_base(&mut base, &mut input, &request, &cover)
            .expect("a request of ours can be signed");
        httpsig::write_signature(&mut field, profile::LABEL, &self.request_key.mac_raw(base.as_bytes()));
        request.headers.push(("signature-input".into(), input));
        request.headers.push(("signature".into(), field));
        request
    }
}

fn write(out: &mut Vec<u8>, request: &Request) {
    let Request { method, path, query, authority, .. } = request;
    out.extend_from_slice(format!("{method} {path}{query} HTTP/1.1\r\nhost: {authority}\r\n").as_bytes());
    for (name, value) in &request.headers {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !request.body.is_empty() {
        out.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&request.body);
}

/// One request over a connection of its own; the body of its 200.
fn once(address: SocketAddr, request: &Request) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    write(&mut out, request);
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(&out)?;
    let mut answer = Answer::default();
    answer.read_blocking(&mut socket)?;
    if answer.status != 200 {
        return Err(format!("not granted: {}", String::from_utf8_lossy(&answer.buffer)).into());
    }
    Ok(answer.body().to_vec())
}

/// Sends every batch over a connection of its own, each request as soon as the one before it is answered.
pub async fn drive(address: SocketAddr, batches: Vec<Batch>, wants_verdict: bool) -> Outcome<Sent> {
    let began = Instant::now();
    let tasks: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            tokio::spawn(async move { send(address, &batch, wants_verdict).await.map_err(|e| e.to_string()) })
        })
        .collect();
    let mut requests = 0;
    for task in tasks {
        requests += task.await??;
    }
    Ok(Sent { requests, took: began.elapsed() })
}

async fn send(address: SocketAddr, batch: &Batch, wants_verdict: bool) -> std::io::Result<usize> {
    let mut socket = tokio::net::TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut answer = Answer::default();
    for request in batch.requests() {
        socket.write_all(request).await?;
        answer.read(&mut socket).await?;
        answer.check(wants_verdict)?;
    }
    Ok(batch.ends.len())
}

/// Sends every batch over a connection of its own at a fixed rate of all together, whether answered or not: a request
/// has a time at which it is due, and its latency counts from there, so nobody is spared by being slow. Latencies in
/// ascending order. Unit: microseconds. Without a rate, every request is due at once: how fast this way of asking is.
///
/// A thread a connection, which sleeps until a request is due: the runtime's timers are too coarse.
pub fn pace(
    address: SocketAddr,
    batches: Vec<Batch>,
    per_second: Option<f64>,
    wants_verdict: bool,
) -> Outcome<Vec<f64>> {
    let connections = batches.len();
    let began = Instant::now() + Duration::from_millis(50);
    let threads: Vec<_> = batches
        .into_iter()
        .enumerate()
        .map(|(at, batch)| {
            std::thread::spawn(move || -> std::io::Result<Vec<f64>> {
                let mut socket = TcpStream::connect(address)?;
                socket.set_nodelay(true)?;
                let (mut answer, mut took) = (Answer::default(), Vec::with_capacity(batch.ends.len()));
                for (number, request) in batch.requests().enumerate() {
                    let place = (number * connections + at) as f64;
                    let wait = per_second.map_or(0.0, |per_second| place / per_second);
                    let due = began + Duration::from_secs_f64(wait);
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    socket.write_all(request)?;
                    answer.read_blocking(&mut socket)?;
                    took.push(due.elapsed().as_secs_f64() * 1e6);
                    answer.check(wants_verdict)?;
                }
                Ok(took)
            })
        })
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        all.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}

impl Batch {
    fn requests(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }
}

/// One answer with a `content-length`.
#[derive(Default)]
struct Answer {
    buffer: Vec<u8>,
    head_len: usize,
    wanted: Option<usize>,
    status: u16,
}

impl Answer {
    fn head(&self) -> &str {
        std::str::from_utf8(&self.buffer[..self.head_len]).unwrap_or("")
    }

    fn body(&self) -> &[u8] {
        &self.buffer[self.head_len..]
    }

    fn clear(&mut self) {
        self.buffer.clear();
        self.wanted = None;
    }

    fn check(&self, wants_verdict: bool) -> std::io::Result<()> {
        let verdict = !wants_verdict || self.head().contains("\r\nglacis-verdict: :");
        if self.status == 200 && self.body().len() == 1_024 && verdict {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.buffer);
        Err(std::io::Error::other(format!("unexpected answer: {text}")))
    }

    /// Whether the answer is whole, after more bytes came.
    fn is_whole(&mut self) -> bool {
        if self.wanted.is_none()
            && let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            self.head_len = at + 4;
            let lower = self.head().to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            self.wanted = Some(self.head_len + length.and_then(|text| text.parse().ok()).unwrap_or(0));
            self.status = self.head().get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
        }
        self.wanted.is_some_and(|wanted| self.buffer.len() >= wanted)
    }

    async fn read(&mut self, socket: &mut tokio::net::TcpStream) -> std::io::Result<()> {
        self.clear();
        while !self.is_whole() {
            if socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    fn read_blocking(&mut self, socket: &mut TcpStream) -> std::io::Result<()> {
        self.clear();
        let mut piece = [0; 4_096];
        while !self.is_whole() {
            let count = socket.read(&mut piece)?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&piece[..count]);
        }
        Ok(())
    }
}
