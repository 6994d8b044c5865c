//! The HTTP surfaces over loopback: node authentication both ways, admin tokens and scopes, limits, problems.

use crate::authenticator::Authenticator;
use crate::world::{World, decided, policy_text, thumb};
use glacis_cloud::server::console::Links;
use glacis_cloud::server::node::NodeKey;
use glacis_cloud::server::webhook::Webhook;
use glacis_cloud::server::writer::{CloudHandle, WriterLimits};
use glacis_cloud::server::{BindError, Server, ServerConfig};
use glacis_cloud::{CloudCore, OtpSendError, OtpSender};
use glacis_host::{Clock as _, Host};
use glacis_seal::httpsig::{
    Cover, Params, content_digest, parse_signature, profile, sfv, write_base, write_signature,
};
use glacis_seal::text::parse_base64url;
use glacis_seal::{MacKey, Purpose, passkey_challenge, sha256};
use glacis_wire::http::Request;
use glacis_wire::message::challenge::{
    ChallengeNonce, NonceBody, PasskeyAnswer, PasskeyOutcome, PasskeyVerify,
};
use glacis_wire::message::decide::{DecideAnswer, EventFacts};
use glacis_wire::message::enrol::EnrolChallenge;
use glacis_wire::message::policy::Published;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Decode as _, Digest, Encode as _, EventId, NodeName, Verdict};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub(crate) struct NoSender;
impl OtpSender for NoSender {
    fn send(&self, _principal: &str, _code: &str) -> Result<(), OtpSendError> {
        Err(OtpSendError)
    }
}

pub(crate) struct Running {
    pub(crate) world: World,
    pub(crate) nodes: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) console: Links,
    pub(crate) handle: Option<CloudHandle>,
    bootstrap: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.take());
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn node_key() -> MacKey {
    MacKey::new([3; 32])
}

pub(crate) fn start(seed: u64) -> Running {
    let world = World::new(seed);
    let core = world.core();
    start_with(world, core, None)
}

pub(crate) fn start_with(world: World, core: CloudCore, webhook: Option<Webhook>) -> Running {
    let host = world.host.clone();
    serve(world, core, webhook, host)
}

/// With a clock of its own.
pub(crate) fn start_on(world: World, core: CloudCore, host: Arc<dyn Host>) -> Running {
    serve(world, core, None, host)
}

/// Whether a server starts whose console is at this address.
pub(crate) fn try_start_at(world: World, console_at: SocketAddr) -> Result<(), BindError> {
    let config = ServerConfig { console_at: Some(console_at), ..config(None, world.host.clone()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Server::bind(world.core(), config)).map(|_server| ())
}

fn config(webhook: Option<Webhook>, host: Arc<dyn Host>) -> ServerConfig {
    ServerConfig {
        nodes_at: "127.0.0.1:0".parse().unwrap(),
        admin_at: "127.0.0.1:0".parse().unwrap(),
        api_at: Some("127.0.0.1:0".parse().unwrap()),
        console_at: Some("127.0.0.1:0".parse().unwrap()),
        webhook,
        nodes: vec![NodeKey { name: NodeName::parse("edge-1").unwrap(), key: node_key() }],
        writer: WriterLimits::default(),
        otp: Arc::new(NoSender),
        host,
    }
}

fn serve(world: World, mut core: CloudCore, webhook: Option<Webhook>, host: Arc<dyn Host>) -> Running {
    let bootstrap = core.bootstrap_token().unwrap().map_or(String::new(), |token| token.expose().to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::bind(core, config(webhook, host))).unwrap();
    let (nodes, admin) = (server.nodes_at().unwrap(), server.admin_at().unwrap());
    let (api, handle) = (server.api_at().unwrap().unwrap(), Some(server.handle()));
    let console = server.console_links().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        runtime.block_on(server.run(async move {
            let _ = stopped.await;
        }));
    });
    Running { world, nodes, admin, api, console, handle, bootstrap, stop: Some(stop), thread: Some(thread) }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) fn send(at: SocketAddr, request: &Request) -> Answer {
    let mut head = format!(
        "{} {}{} HTTP/1.1\r\nhost: cloud\r\nconnection: close\r\n",
        request.method, request.path, request.query
    );
    head += &format!("content-length: {}\r\n", request.body.len());
    for (name, value) in &request.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"\r\n").unwrap();
    // A server that refuses a large body by its length may close before it was all written.
    let _ = stream.write_all(&request.body);
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw);
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let text = String::from_utf8(raw[..end].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Answer { status, headers, body: raw[end + 4..].to_vec() }
}

pub(crate) fn request(method: &str, path: &str, query: &str, body: Vec<u8>) -> Request {
    Request {
        method: method.to_owned(),
        authority: String::new(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body,
    }
}

struct Signing<'a> {
    key: MacKey,
    node: &'a str,
    created: u64,
    components: &'a [&'a str],
    tag: &'a str,
}

fn signed_as(signing: &Signing<'_>, mut request: Request) -> Request {
    request.headers.push(("content-digest".to_owned(), content_digest(&sha256(&request.body))));
    let params = Params {
        created: Some(signing.created),
        expires: Some(signing.created + 60),
        nonce: Some("n-1".into()),
        keyid: Some(signing.node.into()),
        alg: Some("hmac-sha256".into()),
        tag: Some(signing.tag.into()),
    };
    let cover = Cover { label: profile::LABEL, components: signing.components, params };
    let (mut base, mut input) = (String::new(), String::new());
    write_base(&mut base, &mut input, &request, &cover).unwrap();
    let mut signature = String::new();
    write_signature(&mut signature, profile::LABEL, &signing.key.mac_raw(base.as_bytes()));
    request.headers.push(("signature-input".to_owned(), input));
    request.headers.push(("signature".to_owned(), signature));
    request
}

pub(crate) fn signed(running: &Running, request: Request) -> Request {
    let created = running.world.host.now().as_secs();
    let signing = Signing {
        key: node_key(),
        node: "edge-1",
        created,
        components: profile::NODE,
        tag: profile::TAG_NODE,
    };
    signed_as(&signing, request)
}

/// As an edge would: an answer without the right MAC is none.
fn is_authentic(running: &Running, request: &Request, answer: &Answer) -> bool {
    let Some(mac) = answer.header("glacis-node-mac") else { return false };
    let signature = parse_signature(request.header("signature").unwrap(), profile::LABEL).unwrap().unwrap();
    let digest = sha256(&answer.body);
    let parts: [&[u8]; 3] = [&signature, &answer.status.to_be_bytes(), digest.as_bytes()];
    let want = node_key().mac_parts(&running.world.context, Purpose::NodeResponse, &parts);
    sfv::bytes(&want) == mac
}

#[test]
fn a_node_decides_pulls_and_enrols_with_answers_it_can_verify() {
    let running = start(110);
    let ask = |method: &str, path: &str, query: &str, body: Vec<u8>| {
        let request = signed(&running, request(method, path, query, body));
        let answer = send(running.nodes, &request);
        assert!(is_authentic(&running, &request, &answer), "{path}");
        answer
    };
    let facts = running.world.transfer(thumb(1), "ann", "bob", 5);
    let answer = ask("POST", "/v1/decide", "", facts.to_bytes().unwrap());
    assert_eq!(answer.status, 200);
    assert_eq!(decided(DecideAnswer::from_bytes(&answer.body).unwrap()).verdict, Verdict::Allow);
    let answer = ask("GET", "/v1/published/edge", "?keys=0", Vec::new());
    assert_eq!(Published::from_bytes(&answer.body).unwrap().key_sets.len(), 1);
    let answer = ask("GET", "/v1/published/edge", "?keys=1", Vec::new());
    assert_eq!(Published::from_bytes(&answer.body).unwrap().key_sets.len(), 0);
    let mut again = request("GET", "/v1/published/edge", "?keys=1", Vec::new());
    again.headers.push(("if-none-match".to_owned(), answer.header("etag").unwrap().to_owned()));
    let again = signed(&running, again);
    let not_modified = send(running.nodes, &again);
    assert_eq!((not_modified.status, not_modified.body.len()), (304, 0));
    assert!(is_authentic(&running, &again, &not_modified));
    assert_eq!(ask("GET", "/v1/feed", "", Vec::new()).status, 200);
    let answer = ask("POST", "/v1/device/enrol/challenge", "", Vec::new());
    let challenge = EnrolChallenge::from_bytes(&answer.body).unwrap();
    let enrolment = running.world.enrolment(&running.world.device(), &challenge, None).to_bytes().unwrap();
    let first = ask("POST", "/v1/device/enrol", "", enrolment.clone());
    let again = ask("POST", "/v1/device/enrol", "", enrolment);
    assert_eq!((first.status, again.status, again.body), (200, 200, first.body), "an answer that was lost");
    let other = running.world.enrolment(&running.world.device(), &challenge, None).to_bytes().unwrap();
    let twice = ask("POST", "/v1/device/enrol", "", other);
    assert_eq!((twice.status, twice.json()["code"].clone()), (403, json!("enrolment-refused")));
    assert_eq!(twice.json().get("detail"), None, "a device never learns why");
    assert_eq!(twice.header("content-type"), Some("application/problem+json"));
    for (method, path, query, body, status, code) in [
        ("POST", "/v1/decide", "", vec![1, 2, 3], 400, "invalid"),
        ("GET", "/v1/decide", "", Vec::new(), 404, "not-found"),
        ("GET", "/v1/published/moon", "", Vec::new(), 404, "not-found"),
        ("GET", "/v1/published/edge", "?keys=x", Vec::new(), 400, "invalid"),
        ("POST", "/v1/device/launch", "", Vec::new(), 404, "not-found"),
    ] {
        let answer = ask(method, path, query, body);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{method} {path}{query}"
        );
    }
    let foreign = EventFacts { node: NodeName::parse("edge-2").unwrap(), ..facts };
    assert_eq!(ask("POST", "/v1/decide", "", foreign.to_bytes().unwrap()).status, 400);
}

#[test]
fn every_flaw_of_a_node_signature_is_refused_without_a_mac() {
    let running = start(111);
    let now = running.world.host.now().as_secs();
    let plain = || request("GET", "/v1/feed", "", Vec::new());
    let signing = || Signing {
        key: node_key(),
        node: "edge-1",
        created: now,
        components: profile::NODE,
        tag: profile::TAG_NODE,
    };
    let mut tampered_body = signed(&running, request("POST", "/v1/decide", "", vec![1]));
    tampered_body.body = vec![2];
    let mut tampered_path = signed(&running, plain());
    tampered_path.path = "/v1/published/edge".to_owned();
    let mut tampered_query = signed(&running, plain());
    tampered_query.query = "?x=1".to_owned();
    let mut doubled = signed(&running, plain());
    let field = doubled.headers.iter().find(|(name, _)| name == "signature").unwrap().clone();
    doubled.headers.push(field);
    let mut garbled = signed(&running, plain());
    garbled.headers.iter_mut().find(|(name, _)| name == "signature").unwrap().1 = "glacis=??".to_owned();
    for (name, request, code) in [
        ("no signature", plain(), "signature-missing"),
        ("twice", doubled, "signature-missing"),
        ("garbled", garbled, "signature-malformed"),
        (
            "less covered",
            signed_as(&Signing { components: &["@method", "@path"], ..signing() }, plain()),
            "signature-coverage",
        ),
        (
            "another tag",
            signed_as(&Signing { tag: "glacis/request/v1", ..signing() }, plain()),
            "signature-parameters",
        ),
        ("too old", signed_as(&Signing { created: now - 61, ..signing() }, plain()), "signature-expired"),
        (
            "from the future",
            signed_as(&Signing { created: now + 61, ..signing() }, plain()),
            "signature-expired",
        ),
        ("unknown node", signed_as(&Signing { node: "edge-9", ..signing() }, plain()), "unknown-node"),
        (
            "another key",
            signed_as(&Signing { key: MacKey::new([4; 32]), ..signing() }, plain()),
            "signature-wrong",
        ),
        ("another body", tampered_body, "digest-mismatch"),
        ("another path", tampered_path, "signature-wrong"),
        ("another query", tampered_query, "signature-wrong"),
    ] {
        let answer = send(running.nodes, &request);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some(code)), "{name}");
        assert_eq!(answer.header("glacis-node-mac"), None, "{name}");
    }
    let large = signed(&running, request("POST", "/v1/decide", "", vec![0; (1 << 20) + 1]));
    assert_eq!(send(running.nodes, &large).status, 413);
}

pub(crate) fn admin(running: &Running, token: &str, method: &str, path: &str, body: Vec<u8>) -> Answer {
    let (path, query) =
        path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
    let mut request = request(method, path, &query, body);
    if !token.is_empty() {
        request.headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    send(running.admin, &request)
}

pub(crate) fn post(running: &Running, token: &str, path: &str, body: &Value) -> Answer {
    admin(running, token, "POST", path, body.to_string().into_bytes())
}

pub(crate) fn root_token(running: &Running) -> String {
    let body = json!({ "token": running.bootstrap, "name": "ops", "life_s": 3_600 });
    let answer = post(running, "", "/admin/v1/bootstrap", &body);
    assert_eq!(answer.status, 201);
    assert_eq!(post(running, "", "/admin/v1/bootstrap", &body).status, 401, "once");
    answer.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn an_operator_works_through_the_admin_api() {
    let running = start(112);
    let root = root_token(&running);
    let get = |path: &str| {
        let answer = admin(&running, &root, "GET", path, Vec::new());
        assert_eq!(answer.status, 200, "{path}");
        answer.json()
    };
    let changed = post(&running, &root, "/admin/v1/lists/mules", &json!({ "item": "m1", "present": true }));
    assert_eq!(changed.json(), json!({ "list": "mules", "version": 1 }));
    assert_eq!(get("/admin/v1/lists/mules")["items"][0]["item"], "m1");
    let facts = running.world.transfer(thumb(1), "ann", "m1", 5);
    let node = signed(&running, request("POST", "/v1/decide", "", facts.to_bytes().unwrap()));
    let answer = decided(DecideAnswer::from_bytes(&send(running.nodes, &node).body).unwrap());
    assert_eq!(answer.verdict, Verdict::Block);
    let path = format!("/admin/v1/records/{}", answer.reference.text());
    let record = get(&path);
    assert_eq!((record["verdict"].clone(), record["reasons"].clone()), (json!("block"), json!(["mule"])));
    assert_eq!(record["settled"]["lists"]["mules"], 1);
    assert_eq!(
        post(&running, &root, &format!("{path}/feedback"), &json!({ "outcome": "fraud" })).status,
        201
    );
    assert_eq!(get(&path)["feedback"][0]["by"], "ops");
    assert_eq!(get("/admin/v1/events?limit=5")["events"].as_array().unwrap().len(), 1);
    assert_eq!(get("/admin/v1/status")["events"], 1);
    assert_eq!(get("/admin/v1/devices")["devices"], json!([]));
    assert_eq!(get("/admin/v1/policies")["live"], 1);
    assert_eq!(get("/admin/v1/incidents")["incidents"], json!([]));
    let publish = running.world.publish_of(2, &policy_text().replace("1000", "2000")).to_bytes().unwrap();
    let taken = admin(&running, &root, "POST", "/admin/v1/policies", publish.clone());
    assert_eq!((taken.status, taken.json()), (201, json!({ "version": 2 })));
    let again = admin(&running, &root, "POST", "/admin/v1/policies", publish);
    assert_eq!((again.status, again.json()["code"].clone()), (409, json!("not-newer")));
    let verified = post(&running, &root, "/admin/v1/audit/verify", &json!({})).json();
    assert_eq!((verified["holds"].clone(), verified["fault"].clone()), (json!(true), Value::Null));
    assert_eq!(get("/admin/v1/audit")["seq"], verified["verified"]);
}

#[test]
fn each_route_asks_for_a_good_token_with_its_scope() {
    let running = start(113);
    let root = root_token(&running);
    let make = |scopes: Value| {
        let body = json!({ "name": "t", "scopes": scopes, "life_s": 60 });
        post(&running, &root, "/admin/v1/tokens", &body)
    };
    let reader = make(json!(["read"])).json()["token"].as_str().unwrap().to_owned();
    let device = "ab".repeat(32);
    for (method, path) in [
        ("GET", "/admin/v1/tokens".to_owned()),
        ("POST", "/admin/v1/tokens".to_owned()),
        ("DELETE", "/admin/v1/tokens/1".to_owned()),
        ("POST", "/admin/v1/lists/mules".to_owned()),
        ("POST", "/admin/v1/records/0123456789AB/feedback".to_owned()),
        ("POST", format!("/admin/v1/devices/{device}/refuse")),
        ("POST", "/admin/v1/policies".to_owned()),
    ] {
        let body = match path.rsplit('/').next().unwrap() {
            "tokens" => json!({ "name": "x", "scopes": ["read"], "life_s": 60 }),
            "mules" => json!({ "item": "m", "present": true }),
            "feedback" => json!({ "outcome": "fraud" }),
            _ => json!({ "reason": "stolen" }),
        };
        let body = if method == "POST" { body.to_string().into_bytes() } else { Vec::new() };
        for (token, want) in [("", 401), ("glacis_guess", 401), (reader.as_str(), 403)] {
            assert_eq!(admin(&running, token, method, &path, body.clone()).status, want, "{method} {path}");
        }
    }
    for path in ["lists", "lists/mules", "events", "incidents", "status", "devices", "policies", "audit"] {
        let path = format!("/admin/v1/{path}");
        assert_eq!(admin(&running, "", "GET", &path, Vec::new()).status, 401, "{path}");
        assert_eq!(admin(&running, &reader, "GET", &path, Vec::new()).status, 200, "{path}");
    }
    running.world.host.advance(Duration::from_secs(61));
    assert_eq!(admin(&running, &reader, "GET", "/admin/v1/status", Vec::new()).status, 401, "expired");
    assert_eq!(make(json!(["everything"])).status, 400);
}

/// Registers a passkey of `user` as a back end does; the authenticator and what was answered.
pub(crate) fn passkey(running: &Running, token: &str, number: u8, user: &str) -> (Authenticator, Value) {
    let options = post(running, token, "/admin/v1/passkeys/options", &json!({ "principal": user }));
    assert_eq!(options.status, 200, "{options:?}");
    let options = options.json();
    let bytes = |text: &Value| parse_base64url(text.as_str().unwrap()).unwrap();
    let rp = options["rp"]["id"].as_str().unwrap();
    let user_id = bytes(&options["user"]["id"]);
    let mut authenticator = Authenticator::new(number, (rp, "https://shop.test"), &user_id);
    let response = authenticator.register(&bytes(&options["challenge"]));
    let body = json!({ "principal": user, "challenge": options["challenge"], "response": response });
    let added = post(running, token, "/admin/v1/passkeys", &body);
    assert_eq!(added.status, 201, "{added:?}");
    (authenticator, added.json())
}

#[test]
fn a_back_end_registers_sees_and_removes_passkeys_with_a_token_for_just_that() {
    let running = start(121);
    let root = root_token(&running);
    let body = json!({ "name": "shop", "scopes": ["passkeys"], "life_s": 3_600 });
    let shop = post(&running, &root, "/admin/v1/tokens", &body).json()["token"].as_str().unwrap().to_owned();
    let (mut phone, added) = passkey(&running, &shop, 7, "ann");
    assert_eq!((added["principal"].clone(), added["made_by"].clone()), (json!("ann"), json!("shop")));
    let list = |token: &str, query: &str| {
        admin(&running, token, "GET", &format!("/admin/v1/passkeys{query}"), Vec::new())
    };
    assert_eq!(list(&shop, "?principal=ann").json(), json!({ "passkeys": [added] }));
    assert_eq!(list(&shop, "?principal=eve").json(), json!({ "passkeys": [] }));
    for query in ["", "?principal=", "?principal=ann&limit=5", "?principal=ann&principal=eve"] {
        assert_eq!(list(&shop, query).status, 400, "{query}");
    }
    let options = post(&running, &shop, "/admin/v1/passkeys/options", &json!({ "principal": "ann" })).json();
    assert_eq!(options["excludeCredentials"][0]["id"], added["credential"]);
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    let refused = json!({ "principal": "ann", "challenge": options["challenge"], "response": {} });
    let refused = post(&running, &shop, "/admin/v1/passkeys", &refused);
    assert_eq!((refused.status, refused.json()["pointer"].clone()), (422, json!("/response")));

    // A device passes a challenge with it, by way of an edge.
    let world = &running.world;
    let body = NonceBody {
        thumbprint: thumb(1),
        event: EventId::new([1; 16]),
        content: Digest::new([2; 32]),
        method: glacis_wire::Method::Passkey,
        principal: Text("ann".to_owned()),
        random: [3; 16],
        not_after: world.host.now().after(Duration::from_secs(300)),
    };
    let mac = world.nonce_key.mac(&world.context, Purpose::Nonce, &body.to_bytes().unwrap());
    let nonce = ChallengeNonce { body, mac };
    let challenge = passkey_challenge(&world.context, &nonce.to_bytes().unwrap());
    let assertion = Bytes(phone.assert(challenge.as_bytes()).to_string().into_bytes());
    let verify = PasskeyVerify { nonce, assertion }.to_bytes().unwrap();
    let relay = || {
        let request = signed(&running, request("POST", "/v1/device/passkey/verify", "", verify.clone()));
        let answer = send(running.nodes, &request);
        assert!(is_authentic(&running, &request, &answer));
        PasskeyAnswer::from_bytes(&answer.body).unwrap().outcome
    };
    assert_eq!(relay(), PasskeyOutcome::Granted);
    assert!(list(&shop, "?principal=ann").json()["passkeys"][0]["used_ms"].is_u64());

    // Whoever may only look, or do anything else, may not do this; and the shop may do nothing else.
    let other = json!({ "name": "other", "scopes": ["read", "devices", "tokens"], "life_s": 3_600 });
    let other =
        post(&running, &root, "/admin/v1/tokens", &other).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(list(&other, "?principal=ann").status, 403);
    assert_eq!(
        post(&running, &other, "/admin/v1/passkeys/options", &json!({ "principal": "ann" })).status,
        403
    );
    assert_eq!(admin(&running, &shop, "GET", "/admin/v1/status", Vec::new()).status, 403);
    let path = format!("/admin/v1/passkeys/{}", added["id"]);
    assert_eq!(admin(&running, &other, "DELETE", &path, Vec::new()).status, 403);
    let removed = admin(&running, &shop, "DELETE", &path, Vec::new());
    assert_eq!((removed.status, removed.json()), (200, json!({ "removed": added["id"] })));
    assert_eq!(admin(&running, &shop, "DELETE", &path, Vec::new()).status, 404);
    assert_eq!(relay(), PasskeyOutcome::Spent);
}

#[test]
fn a_token_gives_no_scope_that_it_does_not_have() {
    let running = start(117);
    let root = root_token(&running);
    let make = |token: &str, scopes: Value| {
        let body = json!({ "name": "t", "scopes": scopes, "life_s": 60 });
        post(&running, token, "/admin/v1/tokens", &body)
    };
    let minter = make(&root, json!(["tokens", "read"])).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(make(&minter, json!(["read"])).status, 201);
    assert_eq!(make(&minter, json!(["tokens", "read"])).status, 201);
    for more in ["policies", "devices", "lists", "feedback", "decide", "passkeys"] {
        let refused = make(&minter, json!(["read", more]));
        assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("forbidden")), "{more}");
    }
}

#[test]
fn the_local_operator_needs_no_token_on_a_socket_of_their_own() {
    let world = World::new(118);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let anywhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let config = ServerConfig {
            nodes_at: anywhere,
            admin_at: anywhere,
            api_at: None,
            console_at: Some(anywhere),
            webhook: None,
            nodes: Vec::new(),
            writer: WriterLimits::default(),
            otp: Arc::new(NoSender),
            host: world.host.clone(),
        };
        let server = Server::bind(world.core(), config).await.unwrap();
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let router = server.local_router();
        tokio::spawn(async move {
            loop {
                let (stream, _peer) = listener.accept().await.unwrap();
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            }
        });
        let ask = async |method: &str, target: &str, body: &str| {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
            let head = format!(
                "{method} {target} HTTP/1.1\r\nhost: local\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let changed = ask("POST", "/admin/v1/lists/mules", r#"{"item":"m1","present":true}"#).await;
        assert!(changed.starts_with("HTTP/1.1 200 "), "{changed}");
        let made = ask("POST", "/admin/v1/tokens", r#"{"name":"n","scopes":["decide"],"life_s":9}"#).await;
        assert!(made.starts_with("HTTP/1.1 201 ") && made.contains("glacis_"), "{made}");
        let by = server
            .handle()
            .call(|core| {
                let sql = "SELECT by FROM list_change";
                Ok(core.danger_connection().query_row(sql, [], |row| row.get::<_, String>(0)).unwrap())
            })
            .await
            .unwrap();
        assert_eq!(by, "local");
    });
}

#[test]
fn bad_input_of_an_operator_is_a_problem_that_says_what() {
    let running = start(114);
    let root = root_token(&running);
    for (method, path, body, status, code) in [
        ("POST", "/admin/v1/lists/mules", r#"{"item":"m","presnt":true}"#, 400, "invalid"),
        ("POST", "/admin/v1/lists/mules", "{", 400, "invalid"),
        ("POST", "/admin/v1/lists/Mules", r#"{"item":"m","present":true}"#, 400, "invalid"),
        ("POST", "/admin/v1/policies", "not a publish", 400, "invalid"),
        ("GET", "/admin/v1/events?limit=x", "", 400, "invalid"),
        ("GET", "/admin/v1/records/nope", "", 404, "not-found"),
        ("GET", "/admin/v1/devices/nope", "", 404, "not-found"),
        ("GET", "/admin/v1/nothing", "", 404, "not-found"),
        ("PUT", "/admin/v1/lists", "", 405, "method-not-allowed"),
        ("DELETE", "/admin/v1/tokens/99", "", 404, "not-found"),
    ] {
        let answer = admin(&running, &root, method, path, body.as_bytes().to_vec());
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let typo =
        admin(&running, &root, "POST", "/admin/v1/lists/mules", br#"{"item":"m","presnt":true}"#.to_vec());
    let detail = typo.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`presnt`") && detail.contains("`present`"), "{detail}");
    let large = admin(&running, &root, "POST", "/admin/v1/lists/mules", vec![b' '; (64 << 10) + 1]);
    assert_eq!(large.status, 413);
}

#[test]
fn a_port_in_use_says_by_whom_and_an_admin_surface_beyond_loopback_is_refused() {
    let running = start(115);
    let world = World::new(116);
    let config = |nodes_at, admin_at: &str, api_at: Option<&str>, console_at: Option<&str>| ServerConfig {
        nodes_at,
        admin_at: admin_at.parse().unwrap(),
        api_at: api_at.map(|at| at.parse().unwrap()),
        console_at: console_at.map(|at| at.parse().unwrap()),
        webhook: None,
        nodes: Vec::new(),
        writer: WriterLimits::default(),
        otp: Arc::new(NoSender),
        host: world.host.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fails = |config| runtime.block_on(Server::bind(world.core(), config)).unwrap_err().to_string();
    let taken = fails(config(running.nodes, "127.0.0.1:0", None, None));
    assert!(taken.starts_with(&format!("cannot listen on {}: in use by `", running.nodes)), "{taken}");
    assert!(taken.ends_with(&format!("(process {})", std::process::id())), "{taken}");
    for outside in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let inside = "127.0.0.1:0";
        let exposed = fails(config(inside.parse().unwrap(), outside, None, None));
        assert!(exposed.starts_with("the admin surface listens on loopback only"), "{exposed}");
        let exposed = fails(config(inside.parse().unwrap(), inside, Some(outside), None));
        assert!(exposed.starts_with("the decision API surface listens on loopback only"), "{exposed}");
        let exposed = fails(config(inside.parse().unwrap(), inside, None, Some(outside)));
        assert!(exposed.starts_with("the console surface listens on loopback only"), "{exposed}");
    }
    let foreign = fails(config("192.0.2.1:0".parse().unwrap(), "127.0.0.1:0", None, None));
    assert!(foreign.contains("refused by the operating system: "), "{foreign}");
    assert!(foreign.contains("assign requested address"), "the cause is told: {foreign}");
}
