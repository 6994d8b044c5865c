//! Golden diffs: the same bytes sent to a service directly and through a gateway that observes are answered alike.
//!
//! Compared are status, every end-to-end field with the order of those of one name, and the body. What may differ
//! is `Date`, `Connection`, `Keep-Alive`, `Via`, the framing of a hop, and our own. Each script runs with a cloud
//! that answers and with none.

use crate::service::{Service, noise};
use crate::world::Authority;
use glacis_edge::gateway::{Gateway, Running};
use glacis_edge::{EdgeConfig, EdgeCore};
use glacis_host::{Clock, Host, MemoryFiles, SystemHost};
use glacis_wire::{Realm, Zone};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Fields of one hop, and ours.
const MAY_DIFFER: [&str; 7] =
    ["date", "connection", "keep-alive", "via", "transfer-encoding", "proxy-connection", "trailer"];

/// A gateway as `glacis protect` starts one: all requests are one event, nothing acts.
pub(crate) struct Shield {
    running: Option<Running>,
    pub(crate) address: SocketAddr,
}

impl Shield {
    /// In front of `behind`; `event` decides whether the edge must ask the cloud at `cloud`.
    pub(crate) fn before(behind: SocketAddr, cloud: SocketAddr, event: &str) -> Self {
        Self::over(behind, "", cloud, event)
    }

    /// Its settings.
    pub(crate) fn text(behind: SocketAddr, keys: &str, cloud: SocketAddr, event: &str) -> String {
        format!(
            "tenant = \"acme\"\nrealm = \"demo\"\nnode = \"edge-1\"\nlisten = \"127.0.0.1:0\"\n\
             cloud = \"{cloud}\"\n[upstream.app]\naddress = \"{behind}\"\n{keys}[[route]]\npath = \"/{{*}}\"\n\
             upstream = \"app\"\nevent = \"{event}\"\ndevice = \"optional\"\nmode = \"observe\"\n"
        )
    }

    /// With further `keys` of the upstream.
    pub(crate) fn over(behind: SocketAddr, keys: &str, cloud: SocketAddr, event: &str) -> Self {
        let authority = Authority::new("acme", Realm::Demo);
        let text = Self::text(behind, keys, cloud, event);
        let host = Arc::new(SystemHost::new());
        let config = EdgeConfig::parse("edge.toml", &text).unwrap();
        let core = EdgeCore::new(
            config,
            authority.edge_keys(),
            Arc::clone(&host) as Arc<dyn Host>,
            Arc::new(MemoryFiles::new()),
        );
        let core = Arc::new(core.unwrap());
        let slices = ["view", "transfer"].map(|name| crate::world::slice(name, Zone::Edge));
        core.accept_bundle(&authority.bundle(Zone::Edge, 1, slices.to_vec())).unwrap();
        core.accept_feed(&authority.feed_at(host.now(), 1, &[]), host.now()).unwrap();
        let running = Gateway::bind(core).unwrap().start().unwrap();
        let address = running.local_addr();
        Self { running: Some(running), address }
    }

    pub(crate) fn core(&self) -> &EdgeCore {
        self.running.as_ref().unwrap().core()
    }
}

impl Drop for Shield {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
    }
}

/// An answer as a client understands it.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    fields: BTreeMap<String, Vec<String>>,
    /// `None` where it broke off.
    body: Option<Vec<u8>>,
}

/// A client that reads answers strictly.
struct Client {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, bytes: Vec::new() }
    }

    fn more(&mut self) -> bool {
        let mut piece = [0; 65_536];
        match self.socket.read(&mut piece) {
            Ok(count @ 1..) => {
                self.bytes.extend_from_slice(&piece[..count]);
                true
            }
            _ => false,
        }
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.bytes.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.bytes[..at]).into_owned();
                self.bytes.drain(..at + 2);
                return Some(line);
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn exactly(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < len {
            if !self.more() {
                return None;
            }
        }
        Some(self.bytes.drain(..len).collect())
    }

    fn chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(self.line()?.split(';').next()?.trim(), 16).ok()?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Some(body);
            }
            body.extend(self.exactly(size)?);
            self.line()?;
        }
    }

    /// The next final answer to a request of `method`; `None` where there is none.
    fn answer(&mut self, method: &str) -> Option<Answer> {
        let status: u16 = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            fields.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
        }
        if (100..200).contains(&status) {
            return self.answer(method);
        }
        let length = fields.get("content-length").and_then(|values| values[0].parse().ok());
        let body = if method == "HEAD" || matches!(status, 204 | 304) {
            Some(Vec::new())
        } else if fields.contains_key("transfer-encoding") {
            self.chunks()
        } else if let Some(length) = length {
            self.exactly(length)
        } else {
            while self.more() {}
            Some(std::mem::take(&mut self.bytes))
        };
        let body = body.map(|body| without_boundary(&mut fields, body));
        fields.retain(|name, _| !MAY_DIFFER.contains(&name.as_str()) && !name.starts_with("glacis-"));
        Some(Answer { status, fields, body })
    }
}

/// The boundary between several ranges is drawn anew for each answer.
fn without_boundary(fields: &mut BTreeMap<String, Vec<String>>, body: Vec<u8>) -> Vec<u8> {
    let media = fields.get_mut("content-type").and_then(|values| values.first_mut());
    let Some((kind, boundary)) = media.as_ref().and_then(|media| media.split_once("; boundary=")) else {
        return body;
    };
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    let text = text.replace(boundary, "boundary");
    let kind = kind.to_owned();
    *media.unwrap() = kind;
    text.chars().map(|byte| byte as u8).collect()
}

/// What is sent, in pieces, and which methods are answered.
struct Script {
    what: String,
    pieces: Vec<Vec<u8>>,
    methods: Vec<String>,
}

impl Script {
    fn new(what: &str, methods: &[&str], pieces: Vec<Vec<u8>>) -> Self {
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        Self { what: what.to_owned(), pieces, methods }
    }

    /// A request without body.
    fn get(method: &str, target: &str, fields: &str) -> Self {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\n{fields}\r\n");
        Self::new(&format!("{method} {target} {fields:?}"), &[method], vec![request.into()])
    }

    /// A request with a body of declared length.
    fn send(method: &str, target: &str, fields: &str, body: &[u8]) -> Self {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: a.example\r\n{fields}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let what = format!("{method} {target} {fields:?} of {}", body.len());
        Self::new(&what, &[method], vec![[head.as_bytes(), body].concat()])
    }

    /// A request with a chunked body, one piece a chunk.
    fn chunked(method: &str, target: &str, chunks: &[&[u8]]) -> Self {
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = |chunk: &&[u8]| {
            let size = format!("{:x}\r\n", chunk.len()).into_bytes();
            [size.as_slice(), *chunk, b"\r\n".as_slice()].concat()
        };
        let pieces = std::iter::once(head.into_bytes()).chain(chunks.iter().map(chunk));
        let pieces = pieces.chain([b"0\r\n\r\n".to_vec()]).collect();
        Self::new(&format!("{method} {target} in {} chunks", chunks.len()), &[method], pieces)
    }

    fn run(&self, address: SocketAddr) -> Vec<Option<Answer>> {
        let mut client = Client::connect(address);
        for (at, piece) in self.pieces.iter().enumerate() {
            if at > 0 {
                std::thread::sleep(Duration::from_millis(15));
            }
            if client.socket.write_all(piece).is_err() {
                break;
            }
        }
        self.methods.iter().map(|method| client.answer(method)).collect()
    }
}

/// Runs every script directly and through gateways whose cloud answers, is not needed, or is down.
fn compare(service: &Service, scripts: &[Script]) {
    let cloud = crate::cloud::Cloud::start();
    let dead = "127.0.0.1:9".parse().unwrap();
    let shields = [
        ("cloud not asked", Shield::before(service.address, cloud.address, "account.view")),
        ("cloud asked", Shield::before(service.address, cloud.address, "payment.transfer")),
        ("cloud down", Shield::before(service.address, dead, "payment.transfer")),
    ];
    for script in scripts {
        let direct = script.run(service.address);
        assert!(direct.iter().all(Option::is_some), "{}: no answer even directly", script.what);
        for (how, shield) in &shields {
            let through = script.run(shield.address);
            assert_eq!(through, direct, "{} ({how})", script.what);
        }
    }
    assert!(cloud.asked() > 0, "the cloud was never asked");
    for (how, shield) in &shields {
        assert_eq!(shield.core().metrics().snapshot().refused, [], "{how}");
    }
}

/// What any file server answers.
fn files() -> Vec<Script> {
    let range = |range: &str| Script::get("GET", "/noise.bin", &format!("Range: bytes={range}\r\n"));
    vec![
        Script::get("GET", "/", ""),
        Script::get("GET", "/index.html?x=1&x=2", ""),
        Script::get("HEAD", "/index.html", ""),
        Script::get("HEAD", "/noise.bin", ""),
        Script::get("GET", "/noise.bin", ""),
        Script::get("GET", "/empty.txt", ""),
        Script::get("GET", "/a%20b.txt", ""),
        Script::get("GET", "/sub", ""),
        Script::get("GET", "/sub/", ""),
        Script::get("GET", "/absent", ""),
        Script::get("GET", "//sub/page.txt", ""),
        Script::get("GET", "/sub/../index.html", ""),
        Script::get("GET", "/%69ndex.html", ""),
        Script::get("GET", "/index.html", "If-Modified-Since: Fri, 01 Jan 2999 00:00:00 GMT\r\n"),
        range("0-9"),
        range("100000-200000"),
        range("-5"),
        range("299999-"),
        range("999999-"),
        range("0-4,10-14"),
        Script::get("OPTIONS", "/index.html", ""),
        Script::get("OPTIONS", "*", ""),
        Script::get("DELETE", "/index.html", ""),
        Script::send("POST", "/index.html", "", b"a=b"),
        Script::send("PUT", "/index.html", "", b""),
        Script::new("HTTP/1.0", &["GET"], vec![b"GET /index.html HTTP/1.0\r\n\r\n".to_vec()]),
        Script::get("GET", "/index.html", &format!("X-Long: {}\r\n", "y".repeat(6_000))),
        Script::get("GET", "/index.html", "User-Agent: caf\u{e9}\r\nAuthorization: \u{e9}\r\n"),
        Script::get("GET", "/index.html", "Signature-Input: broken=(\r\nSignature: x\r\nSignature: y\r\n"),
    ]
}

#[test]
fn nginx_answers_alike() {
    let Some(service) = Service::nginx() else { return };
    let mut scripts = files();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let slow: Vec<Vec<u8>> = get("/index.html").bytes().map(|byte| vec![byte]).collect();
    let pipelined = [get("/index.html"), get("/noise.bin"), get("/absent"), get("/sub/page.txt")].concat();
    scripts.extend([
        // Not for Python's server, which knows no absolute form; a gateway sends origin form (RFC 9112 §3.2.2).
        Script::get("GET", "http://a.example/sub/page.txt", ""),
        Script::get("GET", "/gone", ""),
        Script::get("GET", "/moved", ""),
        Script::get("GET", "/none", ""),
        Script::new("byte by byte", &["GET"], slow),
        Script::new("pipelined", &["GET"; 4], vec![pipelined.into_bytes()]),
        Script::chunked("POST", "/index.html", &[b"abc", b"defg"]),
        Script::new(
            "chunk extensions and trailers",
            &["POST"],
            vec![
                b"POST /index.html HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
                b"3;x=y\r\nabc\r\n0;z\r\nX-Sum: 1\r\n\r\n".to_vec(),
            ],
        ),
        Script::new(
            "closing",
            &["GET"],
            vec![b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec()],
        ),
    ]);
    compare(&service, &scripts);
}

#[test]
fn pythons_file_server_answers_alike() {
    compare(&Service::http_server(), &files());
}

#[test]
fn a_flask_service_answers_alike() {
    let Some(service) = Service::flask() else { return };
    let (middle, large) = (noise(70_000), noise(3_000_000));
    let mut scripts: Vec<Script> = [
        "/echo?a=b&c=%20",
        "/stream",
        "/cookies",
        "/redirect",
        "/gzip",
        "/nothing",
        "/etag",
        "/fail",
        "/teapot",
    ]
    .map(|path| Script::get("GET", path, ""))
    .into();
    scripts.extend([
        Script::get("HEAD", "/stream", ""),
        Script::get("HEAD", "/cookies", ""),
        Script::get("GET", "/etag", "If-None-Match: \"v1\"\r\n"),
        Script::get("OPTIONS", "/echo", ""),
        Script::get("DELETE", "/nothing", ""),
        Script::get(
            "GET",
            "/echo",
            "X-Forwarded-For: 1.2.3.4\r\nForwarded: for=x\r\nVia: 1.1 b\r\nX-A: 2\r\nX-A: 1\r\n",
        ),
        Script::get("GET", "/echo", "Cookie: a=1\r\nCookie: b=2\r\nAccept-Encoding: gzip\r\n"),
        Script::send("POST", "/echo", "Content-Type: text/plain\r\n", b"hello"),
        Script::send("POST", "/echo", "", b""),
        Script::send("PATCH", "/echo", "Content-Digest: sha-256=:AAAA:\r\n", b"hello"),
        Script::send("PUT", "/echo", "Content-Encoding: gzip\r\n", &middle),
        Script::send("DELETE", "/echo", "", b"with a body"),
        Script::send("POST", "/size", "", &large),
        Script::send("POST", "/size", "Expect: 100-continue\r\n", b"12345"),
        Script::send("GET", "/echo", "", b"even here"),
        Script::chunked("POST", "/echo", &[b"one", b"two", b"three"]),
        Script::chunked("POST", "/size", &[middle.as_slice(); 20]),
        Script::chunked("POST", "/echo", &[]),
        Script::chunked("GET", "/echo", &[b"even here"]),
        Script::send("POST", "/absent", "", &large),
    ]);
    compare(&service, &scripts);
}
