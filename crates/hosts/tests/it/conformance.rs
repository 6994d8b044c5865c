//! One list of requests for every host: what a client gets, what the service sees and what is recorded must be what
//! the built-in gateway makes of them. Where a capability makes it differ, [`DIFFERENCES`] says how and why.

use crate::device::{Device, Session, get, post, render};
use crate::fronts::{self, Front};
use crate::service::{self, Saw};
use crate::world::{ATTESTED, Authority, SOFTWARE, event, says, slice};
use glacis_edge::{EdgeConfig, EdgeCore};
use glacis_host::{Clock, Host, MemoryFiles, SystemHost};
use glacis_seal::text::base64url;
use glacis_seal::{MacKey, Purpose, Secret};
use glacis_wire::http::{self, Request};
use glacis_wire::message::Maced;
use glacis_wire::message::challenge::{ChallengeNonce, Proof};
use glacis_wire::message::decide::UpstreamDecision;
use glacis_wire::{Decode, NodeOutcome, PolicyDigest, Realm, Zone};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// The refusal's code or the verdict in the body; empty where the service answered.
    code: String,
    /// Which of our headers the client got, with what the verdict says.
    told: Vec<String>,
    /// What the service saw, in words.
    saw: String,
    /// What the journal got.
    recorded: Vec<String>,
}

/// Where a host answers otherwise, by what it lacks: host, case, status, code, why.
const DIFFERENCES: &[(&str, &str, u16, &str, &str)] = &[
    (
        "ext-authz",
        "a body that is too long and streams",
        413,
        "body-too-large",
        "`streaming`: refused before it is decided",
    ),
    (
        "ext-authz",
        "a body that streams, tampered",
        400,
        "digest-mismatch",
        "`streaming`: refused before it is decided",
    ),
    ("ext-authz", "a body longer than the proxy buffers", 413, "body-too-large", "`streaming`: it comes cut"),
    (
        "ext-authz",
        "the same, said to be whole",
        413,
        "body-too-large",
        "`streaming`: Envoy's own word counts",
    ),
    (
        "ext-authz",
        "a plain body in chunks",
        400,
        "body-unreadable",
        "`streaming`: nobody knows whether what came is all of it",
    ),
    (
        "ext-authz",
        "a decided body in chunks",
        400,
        "body-unreadable",
        "`streaming`: nobody knows whether what came is all of it",
    ),
    ("ext-authz", "two framings", 400, "", "Envoy refuses by itself"),
    (
        "auth-request",
        "a body that is too long and streams",
        413,
        "body-too-large",
        "`body`: refused before it is decided",
    ),
    ("auth-request", "an unknown header of ours", 400, "framing", "`strips_unknown`: nginx strips by name"),
    ("auth-request", "a plain body in chunks", 400, "body-unreadable", "`body`: nobody knows how long it is"),
    ("auth-request", "two hosts", 400, "", "nginx refuses by itself"),
    ("auth-request", "two framings", 400, "", "nginx refuses by itself"),
    ("layer", "two framings", 200, "", "hyper drops the length; the service reads the same chunks"),
];

/// What the gateway makes of some, so that equal is not equally wrong.
const CERTAIN: &[(&str, u16, &str)] = &[
    ("unsigned", 401, "signature-missing"),
    ("signed", 200, ""),
    ("replayed", 401, "replayed"),
    ("another authority", 401, "signature-wrong"),
    ("expired", 401, "signature-expired"),
    ("forged headers on a decided route", 200, ""),
    ("blocked by policy", 403, "block"),
    ("challenged", 401, "challenge"),
    ("challenge passed", 200, ""),
    ("observed", 200, ""),
    ("no policy, closed", 503, "unavailable"),
    ("a way around", 400, "body-unreadable"),
    ("a further leg", 200, ""),
    ("two hosts", 400, "framing"),
];

fn config(authority: &Authority, service: SocketAddr, bodies: bool) -> String {
    let key = base64url(&authority.token.public().0);
    let view = |path: &str, more: &str| {
        format!(
            "[[route]]\nmethod = \"GET\"\npath = \"{path}\"\nupstream = \"shop\"\nevent = \"account.view\"\n\
             body_max_bytes = 0\n{more}\n"
        )
    };
    let mut text = format!(
        "tenant = \"acme\"\nrealm = \"demo\"\nnode = \"edge-1\"\nlisten = \"127.0.0.1:0\"\ncloud = \"127.0.0.1:9\"\n\
         [token]\nalg = \"ES256\"\nkey = \"{key}\"\nissuer = \"shop\"\n[upstream.shop]\naddress = \"{service}\"\n{}{}{}{}\
         [[route]]\nmethod = \"GET\"\npath = \"/closed\"\nupstream = \"shop\"\nevent = \"no.policy\"\nbody_max_bytes = 0\n\
         device = \"none\"\n\
         [[route]]\npath = \"/public/{{*}}\"\nupstream = \"shop\"\nbody_max_bytes = 20000\n",
        view("/accounts/{account}", "[route.fields.account]\npath = \"account\""),
        view("/seen/{account}", "mode = \"observe\""),
        view("/kiosk", "device = \"none\""),
        view("/maybe", "device = \"optional\""),
    );
    if bodies {
        text.push_str(
            "[[route]]\nmethod = \"POST\"\npath = \"/upload\"\nupstream = \"shop\"\nevent = \"account.view\"\n\
             body_max_bytes = 100000\n\
             [[route]]\nmethod = \"POST\"\npath = \"/transfers\"\nupstream = \"shop\"\nevent = \"payment.transfer\"\n\
             body_max_bytes = 1000\nprincipal = { signal = \"user\" }\n\
             [route.fields.payee]\njson = \"/payee\"\nmax_bytes = 64\n\
             [route.fields.amount]\njson = \"/amount\"\ntype = \"int\"\n\
             [route.fields.currency]\njson = \"/currency\"\nmax_bytes = 3\n",
        );
    }
    text
}

struct Bench {
    authority: Authority,
    host: SystemHost,
    core: Arc<EdgeCore>,
    front: Front,
    seen: [Receiver<Saw>; 2],
    view: PolicyDigest,
    transfer: PolicyDigest,
    recorded: usize,
    events: u8,
    outcomes: Vec<(String, Outcome)>,
}

/// A core like any other, in front of a service.
pub(crate) fn core(service: SocketAddr, bodies: bool) -> (Authority, Arc<EdgeCore>) {
    let authority = Authority::new("acme", Realm::Demo);
    let text = config(&authority, service, bodies);
    let config = EdgeConfig::parse("edge.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let host: Arc<dyn Host> = Arc::new(SystemHost::new());
    let core = EdgeCore::new(config, authority.edge_keys(), Arc::clone(&host), Arc::new(MemoryFiles::new()))
        .unwrap();
    let slices = vec![slice("view", Zone::Edge), slice("transfer", Zone::Edge)];
    core.accept_bundle(&authority.bundle(Zone::Edge, 1, slices)).unwrap();
    core.accept_feed(&authority.feed_at(host.now(), 1, &[]), host.now()).unwrap();
    (authority, Arc::new(core))
}

impl Bench {
    fn new(
        bodies: bool,
        front: impl FnOnce(Arc<EdgeCore>, SocketAddr, std::sync::mpsc::Sender<Saw>) -> Option<Front>,
    ) -> Option<Self> {
        let (address, behind) = service::start();
        let (authority, core) = core(address, bodies);
        let (send, inside) = channel();
        let front = front(Arc::clone(&core), address, send)?;
        // The layer's service is inside; the others' is behind.
        let seen = [behind, inside];
        let (view, transfer) = (slice("view", Zone::Edge).policy, slice("transfer", Zone::Edge).policy);
        Some(Self {
            authority,
            host: SystemHost::new(),
            core,
            front,
            seen,
            view,
            transfer,
            recorded: 0,
            events: 0,
            outcomes: Vec::new(),
        })
    }

    fn raw(&self, bytes: &[u8]) -> (u16, Vec<(String, String)>, Vec<u8>) {
        let mut socket = TcpStream::connect(self.front.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // A proxy may answer, and close, before it has read all of a body.
        let _ = socket.write_all(bytes);
        read(&mut socket)
    }

    fn device(&self, seed: u8, standing: (glacis_wire::Tier, glacis_wire::Trust)) -> Device {
        Device::enrolled(&self.authority.context, &self.authority.result, seed, standing, self.host.now())
    }

    fn open(&mut self, device: &mut Device) -> Session {
        let (request, share, transcript) = device.opening(self.host.now());
        let (status, _, body) = self.raw(&render(&request));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        device.finish(share, &transcript, &body)
    }

    fn sign(
        &mut self,
        session: &mut Session,
        request: Request,
        said: NodeOutcome,
        proof: Option<&Proof>,
    ) -> Request {
        let policy = if request.path == "/transfers" { self.transfer } else { self.view };
        self.events += 1;
        session.sign(request, event(self.events), Some(&says(policy, said)), proof, self.host.now())
    }

    fn send(&mut self, case: &str, request: &Request, session: Option<&Session>) -> Option<ChallengeNonce> {
        self.send_raw(case, &render(request), session)
    }

    fn send_raw(&mut self, case: &str, bytes: &[u8], session: Option<&Session>) -> Option<ChallengeNonce> {
        let (status, headers, body) = self.raw(bytes);
        // What crossed was seen before the answer came.
        let saw = self.seen.iter().find_map(|seen| seen.try_recv().ok());
        let text = String::from_utf8_lossy(&body).into_owned();
        let field = |name: &str| {
            text.split_once(&format!("\"{name}\":\"")).map(|(_, rest)| rest.split('"').next().unwrap())
        };
        let code = field("code").or(field("verdict")).unwrap_or("").to_owned();
        let mut nonce = None;
        let mut told: Vec<String> = Vec::new();
        for (name, value) in
            headers.iter().filter(|(name, _)| name.starts_with("glacis-") || name == "retry-after")
        {
            told.push(match (name.as_str(), session) {
                (http::VERDICT, Some(session)) => {
                    let verdict = session.verdict(value);
                    nonce = verdict.nonce;
                    format!("verdict {:?}", verdict.verdict)
                }
                (http::REFERENCE, _) => {
                    assert_eq!(value.len(), 12, "{case}: {value}");
                    name.clone()
                }
                _ => format!("{name}: {value}"),
            });
        }
        if !code.is_empty() {
            told.extend(
                headers.iter().filter(|(name, _)| name == "content-type").map(|(_, value)| value.clone()),
            );
        }
        told.sort();
        let saw = saw.map_or_else(|| "nothing".to_owned(), |saw| self.words(&saw));
        let records = self.core.duty().batch().unwrap().map_or_else(Vec::new, |batch| batch.report.records.0);
        let recorded = records.iter().skip(self.recorded);
        let recorded = recorded
            .map(|record| format!("{} {:?} {:?}", record.facts.event, record.verdict, record.closed_by))
            .collect();
        self.recorded = records.len();
        let outcome = Outcome { status, code, told, saw, recorded };
        self.outcomes.push((case.to_owned(), outcome));
        nonce
    }

    /// What the service saw, but for what a proxy may add.
    fn words(&self, saw: &Saw) -> String {
        let mut ours: Vec<String> = Vec::new();
        for (name, value) in
            saw.headers.iter().filter(|(name, _)| name.replace('_', "-").starts_with("glacis-"))
        {
            ours.push(if name == http::DECISION { self.decision(value) } else { format!("{name}: {value}") });
        }
        let host = saw.headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.as_str());
        let marker = saw.headers.iter().filter(|(name, _)| name == "x-mark").count();
        format!("{} at {host:?}, {ours:?}, {marker} marks, {} bytes", saw.line, saw.body.len())
    }

    fn decision(&self, header: &str) -> String {
        let maced =
            Maced::from_bytes(&glacis_seal::httpsig::sfv::parse_bytes(header, 65_536).unwrap()).unwrap();
        let key = MacKey::new(Secret::new([12; 32]));
        let decision: UpstreamDecision =
            glacis_seal::open_maced(&maced, &self.authority.context, Purpose::Decision, &key).unwrap();
        format!("{} {:?} of {:?} {:?}", decision.event, decision.verdict, decision.tier, decision.principal)
    }
}

/// The same with its body in chunks of this length.
fn chunked(request: &Request, length: usize) -> Vec<u8> {
    let empty = Request { body: Vec::new(), ..request.clone() };
    let head = String::from_utf8(render(&empty)).unwrap();
    let head = head.strip_suffix("\r\n").unwrap();
    let mut out = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in request.body.chunks(length) {
        out.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

pub(crate) fn read(socket: &mut TcpStream) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut piece = [0; 16_384];
    loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let mut lines = head.split("\r\n");
            let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            let headers: Vec<(String, String)> = lines
                .map(|line| line.split_once(':').unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length = length.map_or(0, |(_, value)| value.parse::<usize>().unwrap());
            if bytes.len() >= at + 4 + length {
                return (status, headers, bytes[at + 4..].to_vec());
            }
        }
        match socket.read(&mut piece) {
            Ok(count @ 1..) => bytes.extend_from_slice(&piece[..count]),
            // Closed without a word.
            _ => return (0, Vec::new(), Vec::new()),
        }
    }
}

fn with(mut request: Request, fields: &[(&str, &str)]) -> Request {
    request.headers.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    request
}

fn account() -> Request {
    get("/accounts/7?tab=a%20b")
}

/// The list of requests.
fn run(bench: &mut Bench, bodies: bool) {
    let clear = NodeOutcome::False;
    bench.send("unsigned", &account(), None);
    let mut session = {
        let mut device = bench.device(90, ATTESTED);
        bench.open(&mut device)
    };
    let signed = bench.sign(&mut session, account(), clear, None);
    bench.send("signed", &signed, Some(&session));
    bench.send("replayed", &signed, Some(&session));
    tampered(bench, &mut session);
    spoofed(bench, &mut session);
    let hooked = bench.sign(&mut session, account(), NodeOutcome::True, None);
    bench.send("blocked by policy", &hooked, Some(&session));
    challenged(bench);
    for (case, path) in [
        ("observed", "/seen/7"),
        ("without a device zone", "/kiosk"),
        ("with an optional device zone", "/maybe"),
        ("no policy, closed", "/closed"),
        ("no route", "/nowhere"),
        ("a plain route", "/public/a?b=%20"),
        ("an escaped letter", "/accounts/%61"),
        ("a way around", "/accounts/../public/x"),
        ("a way around to own endpoints", "/public/../.glacis/session"),
        ("an unknown own endpoint", "/.glacis/nothing"),
        ("no bundle yet", http::PATH_BUNDLE),
    ] {
        bench.send(case, &get(path), None);
    }
    bench.send("enrolment without a cloud", &post(http::PATH_ENROL_CHALLENGE, vec![1]), None);
    bench.send("an opening without a signature", &post(http::PATH_SESSION, vec![1]), None);
    bench.send("an opening that is too long", &post(http::PATH_SESSION, vec![1; 20_000]), None);
    let request = session.leg_request(bench.host.now());
    bench.send("a further leg", &request, None);
    plain_bodies(bench, &mut session);
    if bodies {
        signed_bodies(bench, &mut session);
    }
    framing(bench);
}

fn tampered(bench: &mut Bench, session: &mut Session) {
    type Change = fn(&mut Request);
    let changes: [(&str, Change); 6] = [
        ("another path", |request| request.path = "/accounts/8".into()),
        ("another query", |request| request.query = "?tab=b".into()),
        ("another authority", |request| request.authority = "other.test".into()),
        ("another disclosure", |request| {
            request
                .headers
                .iter_mut()
                .filter(|(name, _)| name == http::DISCLOSURE)
                .for_each(|(_, value)| *value = "::".into());
        }),
        ("a signature twice", |request| {
            let value = request.header("signature").unwrap().to_owned();
            request.headers.push(("signature".into(), value));
        }),
        ("a signature without its input", |request| {
            request.headers.retain(|(name, _)| name != "signature-input")
        }),
    ];
    for (case, change) in changes {
        let mut request = bench.sign(session, account(), NodeOutcome::False, None);
        change(&mut request);
        bench.send(case, &request, Some(session));
    }
    let mut request = account();
    session.dress(&mut request, event(200), Some(&says(bench.view, NodeOutcome::False)), None);
    let past = glacis_wire::Timestamp::from_secs(bench.host.now().as_secs() - 100);
    let spec = session.spec(&request, past);
    spec.attach(&mut request, |base| session.request_key().mac_raw(base.as_bytes()).to_vec());
    bench.send("expired", &request, Some(session));
}

fn spoofed(bench: &mut Bench, session: &mut Session) {
    let forged = [
        ("glacis-decision", ":forged:"),
        ("Glacis-Decision", ":again:"),
        ("glacis_decision", ":underscored:"),
        ("glacis-verdict", ":forged:"),
        ("glacis-policy-version", "9"),
        ("x-mark", "1"),
        ("x-mark", "2"),
    ];
    bench.send("forged headers on a plain route", &with(get("/public/a"), &forged), None);
    let signed = bench.sign(session, account(), NodeOutcome::False, None);
    bench.send("forged headers on a decided route", &with(signed, &forged), Some(session));
    bench.send("an unknown header of ours", &with(get("/public/a"), &[("glacis-future", "1")]), None);
}

fn challenged(bench: &mut Bench) {
    let mut device = bench.device(91, SOFTWARE);
    let mut session = bench.open(&mut device);
    let asked = bench.sign(&mut session, account(), NodeOutcome::False, None);
    let nonce = bench.send("challenged", &asked, Some(&session)).unwrap();
    let proof = device.prove(&nonce);
    bench.events -= 1;
    let passed = bench.sign(&mut session, account(), NodeOutcome::False, Some(&proof));
    bench.send("challenge passed", &passed, Some(&session));
}

fn plain_bodies(bench: &mut Bench, session: &mut Session) {
    bench.send("a plain body", &post("/public/a", vec![b'x'; 5_000]), None);
    bench.send("a plain body that is too long", &post("/public/a", vec![b'x'; 30_000]), None);
    let chunked = "POST /public/a HTTP/1.1\r\nhost: shop.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    bench.send_raw("a plain body in chunks", chunked.as_bytes(), None);
    let mut request = get("/accounts/7");
    request.body = b"unasked".to_vec();
    let request = bench.sign(session, request, NodeOutcome::False, None);
    bench.send("a body that is too long and streams", &request, Some(session));
}

fn signed_bodies(bench: &mut Bench, session: &mut Session) {
    let token = bench.authority.token("ann", bench.host.now().after(Duration::from_secs(600)));
    let transfer = |body: &str| {
        let fields = [("content-type", "application/json"), ("authorization", token.as_str())];
        with(post("/transfers", body.as_bytes().to_vec()), &fields)
    };
    let body = r#"{"payee":"p","amount":5,"currency":"EUR"}"#;
    let clear = NodeOutcome::False;
    let request = bench.sign(session, transfer(body), clear, None);
    bench.send("a body with fields", &request, Some(session));
    let mut request = bench.sign(session, transfer(body), clear, None);
    request.body = body.replace('5', "9").into_bytes();
    bench.send("a body with fields, tampered", &request, Some(session));
    let mut request = bench.sign(session, transfer(body), clear, None);
    request.body.clear();
    bench.send("a body with fields, emptied", &request, Some(session));
    let long = format!("{{\"payee\":\"{}\"}}", "x".repeat(1_000));
    let request = bench.sign(session, transfer(&long), clear, None);
    bench.send("a body with fields, too long", &request, Some(session));
    let request = bench.sign(session, transfer(r#"{"amount":1,"amount":2}"#), clear, None);
    bench.send("a body with fields, unreadable", &request, Some(session));
    let mut request = bench.sign(session, transfer(body), clear, None);
    request
        .headers
        .iter_mut()
        .filter(|(name, _)| name == "authorization")
        .for_each(|(_, value)| value.push('x'));
    bench.send("another user's token", &request, Some(session));
    let request = bench.sign(session, post("/upload", vec![b'y'; 50_000]), clear, None);
    bench.send("a body that streams", &request, Some(session));
    let mut request = bench.sign(session, post("/upload", vec![b'y'; 50_000]), clear, None);
    request.body[49_999] = b'z';
    bench.send("a body that streams, tampered", &request, Some(session));
    let request = bench.sign(session, post("/upload", vec![b'y'; 90_000]), clear, None);
    bench.send("a body longer than the proxy buffers", &request, Some(session));
    let request = bench.sign(session, post("/upload", vec![b'y'; 500]), clear, None);
    bench.send_raw("a decided body in chunks", &chunked(&request, 500), Some(session));
    let whole = with(post("/upload", vec![b'y'; 90_000]), &[("x-envoy-auth-partial-body", "false")]);
    let request = bench.sign(session, whole, clear, None);
    bench.send("the same, said to be whole", &request, Some(session));
}

fn framing(bench: &mut Bench) {
    let twice = "GET /public/a HTTP/1.1\r\nhost: a.test\r\nhost: b.test\r\n\r\n";
    bench.send_raw("two hosts", twice.as_bytes(), None);
    let both = "POST /public/a HTTP/1.1\r\nhost: a.test\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    bench.send_raw("two framings", both.as_bytes(), None);
}

/// Runs the list on `front` and on the gateway, and compares.
fn conforms(
    host: &str,
    bodies: bool,
    front: impl FnOnce(Arc<EdgeCore>, SocketAddr, std::sync::mpsc::Sender<Saw>) -> Option<Front>,
) {
    let Some(mut bench) = Bench::new(bodies, front) else { return };
    run(&mut bench, bodies);
    let mut gateway = Bench::new(bodies, |core, _, _| Some(fronts::gateway(core))).unwrap();
    run(&mut gateway, bodies);
    for (case, status, code) in CERTAIN {
        let same = |(name, outcome): &&(String, Outcome)| {
            name == case && (outcome.status, &*outcome.code) == (*status, *code)
        };
        assert!(gateway.outcomes.iter().find(same).is_some(), "the gateway on `{case}`");
    }
    let mut wrong = Vec::new();
    let mut used = 0;
    for ((case, got), (same, want)) in bench.outcomes.iter().zip(&gateway.outcomes) {
        assert_eq!(case, same);
        match DIFFERENCES.iter().find(|row| row.0 == host && row.1 == case) {
            Some((_, _, status, code, _)) => {
                used += 1;
                let crossed = got.saw != "nothing";
                if (got.status, got.code.as_str(), crossed) != (*status, *code, *status == 200) || got == want
                {
                    wrong.push(format!("{case}: {got:?}, not {status} {code}"));
                }
            }
            None if got == want => {}
            None => wrong.push(format!("{case}:\n  {host} {got:?}\n  gateway {want:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(bench.outcomes.len(), gateway.outcomes.len());
    assert_eq!(used, DIFFERENCES.iter().filter(|row| row.0 == host).count(), "a difference that is none");
}

#[test]
fn envoy_decides_as_the_gateway_does() {
    conforms("ext-authz", true, |core, service, _| fronts::envoy(core, service));
}

#[test]
fn nginx_decides_as_the_gateway_does() {
    conforms("auth-request", false, |core, service, _| fronts::nginx(core, service));
}

#[test]
fn the_layer_decides_as_the_gateway_does() {
    conforms("layer", true, |core, _, seen| Some(fronts::layer(core, seen)));
}
