//! Over real sockets: framing attacks, what crosses to the upstream, outages, ports, shutdown.

use crate::device::{Device, Session, get, render};
use crate::world::{ATTESTED, Authority, config, event, says, slice, transfer};
use glacis_edge::gateway::{Gateway, Running};
use glacis_edge::{EdgeConfig, EdgeCore};
use glacis_host::{Clock, Host, MemoryFiles, SystemHost};
use glacis_seal::Share;
use glacis_wire::http::{self, Request};
use glacis_wire::{Digest, NodeOutcome, Realm, Zone};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A gateway in front of an upstream that remembers what it got.
pub(crate) struct Town {
    pub(crate) world: Authority,
    pub(crate) host: Arc<SystemHost>,
    pub(crate) running: Option<Running>,
    pub(crate) address: SocketAddr,
    pub(crate) seen: Receiver<String>,
}

/// A session that was asked for.
pub(crate) struct Opening {
    device: Device,
    pub(crate) request: Request,
    share: Share,
    transcript: Digest,
}

impl Opening {
    pub(crate) fn finish(self, answer: &[u8]) -> Session {
        self.device.finish(self.share, &self.transcript, answer)
    }
}

/// What a gateway with these further tables says instead of starting.
pub(crate) fn fails(tables: &str) -> String {
    let world = Authority::new("acme", Realm::Demo);
    let text = config(&world.token, "") + tables;
    let config = EdgeConfig::parse("edge.toml", &text).unwrap();
    let host = Arc::new(SystemHost::new());
    let core = EdgeCore::new(config, world.edge_keys(), host, Arc::new(MemoryFiles::new())).unwrap();
    Gateway::bind(Arc::new(core)).unwrap_err().to_string()
}

/// An HTTP/1.1 service of the test: one thread a connection, 200 with the body's length for every request.
pub(crate) fn upstream() -> (SocketAddr, Receiver<String>) {
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

fn serve(mut socket: TcpStream, seen: &std::sync::mpsc::Sender<String>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    while let Ok(count @ 1..) = socket.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let whole = match lower.split("content-length: ").nth(1) {
            Some(rest) => body.len() >= rest.split("\r\n").next().unwrap().parse::<usize>().unwrap(),
            None => !lower.contains("transfer-encoding") || body.ends_with("0\r\n\r\n"),
        };
        if whole {
            let _ = seen.send(text.clone());
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nglacis-verdict: :forged:\r\nconnection: x-hop\r\nx-hop: 1\r\nx-keep: 1\r\n\r\nok";
            socket.write_all(answer.as_bytes()).unwrap();
            bytes.clear();
        }
    }
}

impl Town {
    pub(crate) fn new() -> Self {
        Self::with(|text| text)
    }

    pub(crate) fn with(change: impl FnOnce(String) -> String) -> Self {
        let (behind, seen) = upstream();
        Self::before(behind, seen, change)
    }

    /// In front of a service that tells nobody what it sees.
    pub(crate) fn in_front_of(behind: SocketAddr, change: impl FnOnce(String) -> String) -> Self {
        Self::before(behind, channel().1, change)
    }

    fn before(behind: SocketAddr, seen: Receiver<String>, change: impl FnOnce(String) -> String) -> Self {
        let world = Authority::new("acme", Realm::Demo);
        let text = config(&world.token, "")
            .replace("address = \"127.0.0.1:9\"", &format!("address = \"{behind}\"\nforwarded_for = true"));
        let host = Arc::new(SystemHost::new());
        let config = EdgeConfig::parse("edge.toml", &change(text)).unwrap();
        let core = EdgeCore::new(
            config,
            world.edge_keys(),
            Arc::clone(&host) as Arc<dyn Host>,
            Arc::new(MemoryFiles::new()),
        );
        let core = Arc::new(core.unwrap());
        let slices = vec![slice("view", Zone::Edge), slice("transfer", Zone::Edge)];
        core.accept_bundle(&world.bundle(Zone::Edge, 1, slices)).unwrap();
        core.accept_feed(&world.feed(1, &[]), host.now()).unwrap();
        let running = Gateway::bind(core).unwrap().start().unwrap();
        let address = running.local_addr();
        Self { world, host, running: Some(running), address, seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Sends raw bytes, ends writing, reads to the end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect();
        socket.write_all(bytes).unwrap();
        read_one(&mut socket)
    }

    fn send(&self, request: &Request) -> String {
        self.raw(&render(request))
    }

    pub(crate) fn session(&self) -> Session {
        let mut socket = self.connect();
        self.session_with(|request| {
            socket.write_all(&render(request)).unwrap();
            read_parts(&mut socket)
        })
    }

    /// A session whose opening `send` carries; it gives back head and body of the answer.
    pub(crate) fn session_with(&self, send: impl FnOnce(&Request) -> (String, Vec<u8>)) -> Session {
        let opening = self.opening();
        let (head, body) = send(&opening.request);
        assert!(head.contains(" 200"), "{head}");
        opening.finish(&body)
    }

    /// The opening of a session.
    pub(crate) fn opening(&self) -> Opening {
        let (context, result) = (&self.world.context, &self.world.result);
        let mut device = Device::enrolled(context, result, 90, ATTESTED, self.host.now());
        let (request, share, transcript) = device.opening(self.host.now());
        Opening { device, request, share, transcript }
    }

    fn nothing_crossed(&self) {
        assert!(self.seen.try_recv().is_err(), "something reached the upstream");
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.shutdown();
        }
    }
}

pub(crate) fn read_parts(socket: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 4_096];
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length = head.to_ascii_lowercase();
            let length = length
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            if bytes.len() >= at + 4 + length.unwrap_or(0) {
                return (head, bytes[at + 4..].to_vec());
            }
        }
        match socket.read(&mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            _ => return (String::from_utf8_lossy(&bytes).into_owned(), Vec::new()),
        }
    }
}

pub(crate) fn read_one(socket: &mut TcpStream) -> String {
    let (head, body) = read_parts(socket);
    format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&body))
}

#[test]
fn framing_attacks_are_refused_and_nothing_of_them_crosses() {
    let town = Town::new();
    for attack in [
        "POST /public/a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /public/b HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST /public/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
        "POST /public/a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhelloX",
        "POST /public/a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        "GET /public/a HTTP/1.1\r\nhost: a\r\nx: 1\r\n folded: 2\r\n\r\n",
        "GET http://b/public/a HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET /public/a HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET /public/a HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET /public/a HTTP/1.1\nhost: a\n\n",
        "GET /public/a\r\n\r\n",
    ] {
        let answer = town.raw(attack.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 400 "), "{attack:?}: {answer}");
        assert!(answer.contains(r#""code":"framing""#) && answer.contains("glacis-reference: "), "{answer}");
        town.nothing_crossed();
    }
    let long = format!("GET /public/a HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    assert!(town.raw(long.as_bytes()).contains(r#""code":"head-too-large""#));
    town.nothing_crossed();
}

#[test]
fn a_bad_request_behind_a_good_one_does_not_cost_the_good_one_its_answer() {
    let town = Town::new();
    let mut socket = town.connect();
    socket
        .write_all(
            b"GET /public/a HTTP/1.1\r\nhost: a\r\n\r\nGET /public/b HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        )
        .unwrap();
    let (head, rest) = read_parts(&mut socket);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let rest = String::from_utf8(rest).unwrap() + &read_one(&mut socket);
    assert!(rest.contains("HTTP/1.1 400 ") && rest.contains("framing"), "{rest}");
    assert!(town.seen.recv().unwrap().starts_with("GET /public/a "));
    town.nothing_crossed();
}

#[test]
fn bad_chunks_never_become_a_whole_request() {
    let town = Town::new();
    let head = "POST /public/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "5;x\nhello\r\n0\r\n\r\n",
        "5;x\r\nhello\r\n0\r\ncontent-length: 1\r\n\r\n",
        "5\r\nhello\r\n0\r\nx: y\n\r\n",
    ] {
        let answer = town.raw(format!("{head}{body}").as_bytes());
        assert!(!answer.contains(" 200 "), "{body:?}: {answer}");
        town.nothing_crossed();
    }
    let answer = town.raw(
        b"POST /public/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(town.seen.recv().unwrap().contains("hello"));
}

#[test]
fn what_a_body_is_framed_with_does_not_reach_the_upstream() {
    let town = Town::new();
    // A service that ends a chunk line at LF, or takes trailers for fields, would find a second request in these.
    let request = "POST /public/a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
        5;sig=\"GET /public/b\"\r\nhello\r\n0;last\r\nx-sum: 1\r\nglacis-decision: :forged:\r\n\r\n";
    for _ in 0..2 {
        let answer = town.raw(request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let seen = town.seen.recv().unwrap();
        let (_, body) = seen.split_once("\r\n\r\n").unwrap();
        assert!(body.ends_with("hello") || body == "5\r\nhello\r\n0\r\n\r\n", "{seen}");
        for gone in ["sig", "last", "x-sum", "forged", "/public/b"] {
            assert!(!seen.contains(gone), "{gone} in {seen}");
        }
    }
}

#[test]
fn what_clients_and_upstreams_forge_is_stripped() {
    let town = Town::new();
    let mut request = get("/public/a");
    for (name, value) in [
        ("Glacis-Decision", ":forged:"),
        ("glacis_decision", ":forged:"),
        ("glacis-anything", "1"),
        ("x-forwarded-for", "1.2.3.4"),
        ("connection", "x-private, keep-alive"),
        ("x-private", "1"),
        ("te", "trailers"),
        ("upgrade", "websocket"),
        ("x-public", "1"),
    ] {
        request.headers.push((name.into(), value.into()));
    }
    let answer = town.send(&request);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-keep: 1"), "{answer}");
    assert!(!answer.contains("forged") && !answer.contains("x-hop"), "{answer}");
    let seen = town.seen.recv().unwrap().to_ascii_lowercase();
    for gone in ["forged", "glacis", "1.2.3.4", "x-private", "te:", "upgrade", "connection"] {
        assert!(!seen.contains(gone), "{gone} in {seen}");
    }
    assert!(seen.contains("x-public: 1") && seen.contains("x-forwarded-for: 127.0.0.1"), "{seen}");
}

#[test]
fn a_signed_request_crosses_with_the_decision_and_comes_back_with_the_verdict() {
    let town = Town::new();
    let mut session = town.session();
    let view = slice("view", Zone::Edge).policy;
    for n in 0..3 {
        let request = session.sign(
            get("/accounts/1?a=b"),
            event(n),
            Some(&says(view, NodeOutcome::False)),
            None,
            town.host.now(),
        );
        let answer = town.send(&request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let header = answer.split("glacis-verdict: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert_eq!(session.verdict(header).event_id, event(n));
        let seen = town.seen.recv().unwrap();
        assert!(seen.contains("glacis-decision: :") && !seen.contains("glacis-ticket: "), "{seen}");
        assert!(town.send(&request).contains("replayed"));
    }
}

#[test]
fn streamed_bodies_end_upstream_only_with_the_signed_digest() {
    let town = Town::new();
    let mut session = town.session();
    let view = slice("view", Zone::Edge).policy;
    let clear = says(view, NodeOutcome::False);
    let body: Vec<u8> = (0..60_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    let upload = crate::device::post("/upload", body);
    let good = session.sign(upload.clone(), event(1), Some(&clear), None, town.host.now());
    assert!(town.send(&good).starts_with("HTTP/1.1 200"));
    assert!(town.seen.recv().unwrap().ends_with(std::str::from_utf8(&good.body).unwrap()));
    let mut swapped = session.sign(upload, event(2), Some(&clear), None, town.host.now());
    swapped.body[30_000] ^= 1;
    let answer = town.send(&swapped);
    assert!(answer.contains("digest-mismatch"), "{answer}");
    town.nothing_crossed();
}

#[test]
fn a_streamed_body_that_is_not_the_signed_one_is_counted_where_the_route_observes() {
    let town =
        Town::with(|text| text.replace("path = \"/upload\"\n", "path = \"/upload\"\nmode = \"observe\"\n"));
    let mut session = town.session();
    let clear = says(slice("view", Zone::Edge).policy, NodeOutcome::False);
    let upload = crate::device::post("/upload", vec![b'x'; 60_000]);
    let core = town.running.as_ref().unwrap().core();
    let seen_as = |want: &[(&str, u64)]| assert_eq!(core.metrics().snapshot().would_refuse, want);
    // The first learns the route, the second is genuine, and the others are not.
    for (n, swap) in [(1, false), (2, false), (3, true), (4, true)] {
        let mut request = session.sign(upload.clone(), event(n), Some(&clear), None, town.host.now());
        request.body[59_999] ^= u8::from(swap);
        let sent = match n {
            4 => {
                let chunk = String::from_utf8(request.body.clone()).unwrap();
                request.body.clear();
                request.headers.push(("transfer-encoding".into(), "chunked".into()));
                format!("{}ea60\r\n{chunk}\r\n0\r\n\r\n", String::from_utf8(render(&request)).unwrap())
            }
            _ => String::from_utf8(render(&request)).unwrap(),
        };
        assert!(town.raw(sent.as_bytes()).starts_with("HTTP/1.1 200"));
        town.seen.recv().unwrap();
        match n {
            1 | 2 => seen_as(&[]),
            _ => seen_as(&[("digest-mismatch", n as u64 - 2)]),
        }
    }
    let routes = core.routes();
    let counts = routes.iter().find(|route| route.route == "POST /upload").unwrap().observed;
    assert_eq!((counts.refused, counts.sum()), (2, 4), "{counts:?}");
}

#[test]
fn an_upstream_that_is_down_is_a_refusal_and_a_cloud_that_is_down_closes_by_policy() {
    let town = Town::with(|text| {
        text.replace("[[route]]\npath = \"/public", "[upstream.gone]\naddress = \"127.0.0.1:1\"\n[[route]]\npath = \"/gone/{*}\"\nupstream = \"gone\"\n[[route]]\npath = \"/public")
    });
    let answer = town.send(&get("/gone/x"));
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains(r#""code":"upstream""#), "{answer}");
    let mut session = town.session();
    let policy = slice("transfer", Zone::Edge).policy;
    let pay = transfer(r#"{"payee":"p","amount":10,"currency":"EUR"}"#);
    let request = session.sign(pay, event(1), Some(&says(policy, NodeOutcome::False)), None, town.host.now());
    let answer = town.send(&request);
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains(r#""method":"passkey""#), "{answer}");
    assert!(town.send(&crate::device::post(http::PATH_ENROL, vec![1])).contains(r#""code":"unavailable""#));
    town.nothing_crossed();
}

/// A field that `Connection` names goes no further, so nothing is decided on it either.
#[test]
fn what_connection_names_is_not_there_for_the_decision() {
    let town = Town::new();
    let mut session = town.session();
    let said = says(slice("view", Zone::Edge).policy, NodeOutcome::False);
    for (named, want) in [("keep-alive", " 200 "), ("content-digest", " 401 "), ("glacis-ticket", " 401 ")] {
        let number = u8::try_from(named.len()).unwrap();
        let mut request = session.sign(get("/accounts/1"), event(number), Some(&said), None, town.host.now());
        request.headers.push(("connection".to_owned(), named.to_owned()));
        let answer = town.send(&request);
        assert!(answer.starts_with("HTTP/1.1") && answer.contains(want), "{named}: {answer}");
    }
}

#[test]
fn slow_heads_and_too_many_connections_are_ended() {
    let town = Town::with(|text| text + "\n[limits]\nhead_wait_ms = 300\nconnections = 2\n");
    let mut slow = town.connect();
    slow.write_all(b"GET /public/a HTTP/1.1\r\nho").unwrap();
    let mut end = [0; 10];
    assert_eq!(slow.read(&mut end).unwrap_or(0), 0, "ended without an answer");
    std::thread::sleep(Duration::from_millis(50));
    let held: Vec<TcpStream> = (0..2).map(|_| town.connect()).collect();
    std::thread::sleep(Duration::from_millis(50));
    let answer = town.raw(b"GET /public/a HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    drop(held);
}

#[test]
fn a_taken_port_says_by_whom_and_shutdown_lets_requests_finish() {
    let mut town = Town::new();
    let text = config(&town.world.token, "").replace("127.0.0.1:0", &town.address.to_string());
    let config = EdgeConfig::parse("edge.toml", &text).unwrap();
    let host = Arc::clone(&town.host) as Arc<dyn Host>;
    let core = EdgeCore::new(config, town.world.edge_keys(), host, Arc::new(MemoryFiles::new())).unwrap();
    let error = Gateway::bind(Arc::new(core)).unwrap_err().to_string();
    assert!(error.contains("in use by") && error.contains(&std::process::id().to_string()), "{error}");

    let mut kept = town.connect();
    kept.write_all(b"GET /public/a HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert!(read_one(&mut kept).starts_with("HTTP/1.1 200"));
    town.running.take().unwrap().shutdown();
    assert_eq!(kept.read(&mut [0; 10]).unwrap_or(0), 0, "idle connections are closed");
    assert!(TcpStream::connect(town.address).is_err());
}

#[test]
fn connections_bytes_and_waits_are_counted() {
    let town = Town::new();
    let mut kept = town.connect();
    for _ in 0..3 {
        kept.write_all(b"GET /public/a HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        assert!(read_one(&mut kept).starts_with("HTTP/1.1 200"));
    }
    let core = town.running.as_ref().unwrap().core();
    let counts = core.metrics().snapshot();
    assert_eq!((counts.connections, counts.open_connections, counts.tunnels), (1, 1, 0));
    assert_eq!(counts.upstream.buckets.iter().sum::<u64>(), 3);
    assert_eq!(counts.bytes_in, 3 * b"GET /public/a HTTP/1.1\r\nhost: a\r\n\r\n".len() as u64);
    assert!(counts.bytes_out > 3 * "HTTP/1.1 200 OK\r\n\r\nok".len() as u64);
    assert_eq!(counts.cloud_wait.buckets.iter().sum::<u64>(), 0);
    let gauges = core.gauges();
    assert_eq!((gauges.bundle_version, gauges.feed_version, gauges.bypassed_for), (Some(1), Some(1), None));
    assert!(gauges.feed_age.is_some() && gauges.learnt_routes == 0, "{gauges:?}");
    town.session();
    assert!(core.gauges().journal_bytes > gauges.journal_bytes, "an opening waits for the cloud");
}
