//! A complete client over nothing but `std`: enrols, opens a session, signs, sends, verifies the verdict, renews.
//!
//! `glacis keys export --raw --dir KEYS > key-set.bin`, then
//! `cargo run -p glacis-sdk --example client -- 127.0.0.1:8080 key-set.bin DIR http.request GET /`

use glacis_dtx::{SoftwareKeyStore, UserVerification, Vault};
use glacis_host::{DirFiles, SystemHost};
use glacis_sdk::drive::{Lost, Reply, Transport, Unattended, User, drive};
use glacis_sdk::flow::enrol::NoEvidence;
use glacis_sdk::sensor::{Sensor, Tracer};
use glacis_sdk::{Action, Client, ClientParts, DEVICE_FINAL_TTL, Outcome, Prompt, Sensors};
use glacis_seal::Context;
use glacis_wire::http::{Request, Response};
use glacis_wire::message::policy::KeySet;
use glacis_wire::{Decode, EventName, Method, SignalName};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

type Failure = Box<dyn Error>;

/// One device that talks to one edge.
#[derive(Debug)]
pub struct Device {
    client: Client,
    edge: Edge,
}

impl Device {
    /// Opens the device in `dir`, and enrols it if it is new. `pinned` is the key set that the app was built with.
    pub fn open(edge: &str, pinned: KeySet, dir: &Path) -> Result<Self, Failure> {
        let host = Arc::new(SystemHost::new());
        let context = Context::new(pinned.tenant.clone(), pinned.realm);
        let vault = Arc::new(Vault::open(Arc::new(DirFiles::open(dir)?), host.clone(), context)?);
        let keys = Arc::new(SoftwareKeyStore::open(Arc::clone(&vault))?);
        let tracer: Arc<dyn Sensor> = Arc::new(Tracer::start(host)?);
        let mut client = Client::new(ClientParts {
            vault,
            keys,
            pinned,
            authority: edge.to_owned(),
            app: None,
            // What has no sensor is withheld, never guessed.
            source: Box::new(Sensors::new().sensor(SignalName::parse("app.debugger")?, tracer)),
            device_final_ttl: DEVICE_FINAL_TTL,
        })?;
        let mut edge = Edge(edge.to_owned());
        drive(&mut client.pull(), &mut edge, &mut Unattended)?;
        if client.line().enrolment().is_none() {
            drive(&mut client.enrol(&mut NoEvidence), &mut edge, &mut Unattended)?;
        }
        Ok(Self { client, edge })
    }

    /// One guarded request. A session is opened, and a lost one or its leg renewed, on the way. An `Ok` is a
    /// decision that was proven to be about this very request; go on only if it is an allow.
    pub fn call(&mut self, event: &str, method: &str, path: &str, body: Vec<u8>) -> Result<Outcome, Failure> {
        let (path, query) = path.split_at(path.find('?').unwrap_or(path.len()));
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: vec![(String::from("content-type"), String::from("application/json"))],
            body,
            ..Request::default()
        };
        // No policy of this app compares its device with what a request says, so the device needs no copies.
        let said = BTreeMap::new();
        let mut act = self.client.act(Action { event: EventName::parse(event)?, request, said })?;
        let outcome = drive(&mut act, &mut self.edge, &mut Person)?;
        if self.client.is_behind() {
            drive(&mut self.client.pull(), &mut self.edge, &mut Unattended)?;
        }
        Ok(outcome)
    }
}

/// Whom the app asks. A real one shows the platform's prompt, and takes a code that was sent.
struct Person;

impl User for Person {
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        match prompt.method {
            Method::Passkey => Reply::Verified(UserVerification::claimed_by_app(&prompt.message)),
            Method::Otp => Reply::Declined,
        }
    }
}

/// Host and port of the edge: one connection a request. The app owns TLS, proxies and time-outs.
#[derive(Debug)]
struct Edge(String);

impl Transport for Edge {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        self.send(request).map_err(|_| Lost)
    }
}

impl Edge {
    fn send(&self, request: &Request) -> Result<Response, Failure> {
        let mut socket = TcpStream::connect(&self.0)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let (method, path, query) = (&request.method, &request.path, &request.query);
        let mut head =
            format!("{method} {path}{query} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.0);
        head += &format!("content-length: {}\r\n", request.body.len());
        head.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        socket.write_all(&[head.as_bytes(), b"\r\n", &request.body].concat())?;
        let mut answer = Vec::new();
        socket.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
        read(&answer).ok_or_else(|| "not a whole answer".into())
    }
}

/// An answer whose body has a length, or ends with the connection. Anything else is none.
fn read(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(answer.get(..end)?).ok()?, answer.get(end + 4..)?);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let field =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
    let response =
        Response { status, headers: lines.map(field).collect::<Option<_>>()?, body: body.to_vec() };
    let whole = response.header("content-length").is_none_or(|length| length.parse() == Ok(body.len()));
    (whole && response.header("transfer-encoding").is_none()).then_some(response)
}

fn main() -> Result<ExitCode, Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [edge, key_set, dir, event, method, path, body @ ..] = args.as_slice() else {
        return Err("EDGE KEY-SET DIR EVENT METHOD PATH [BODY]".into());
    };
    let pinned = KeySet::from_bytes(&std::fs::read(key_set)?)?;
    let mut device = Device::open(edge, pinned, Path::new(dir))?;
    let outcome = device.call(event, method, path, body.concat().into_bytes())?;
    eprintln!("{:?}", outcome.verdict);
    if let Some(response) = &outcome.response {
        io::stdout().write_all(&response.body)?;
    }
    Ok(if outcome.allowed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
