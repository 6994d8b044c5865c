//! The shop over real sockets: its protected door does nothing without a decision of the edge.

use glacis_host::{Clock, SystemHost};
use glacis_seal::{Context, MacKey, Purpose, SigningKey, mac_envelope, sha256};
use glacis_sim::net::{Capture, Link, Loopback};
use glacis_sim::shop::{Shop, http::Server};
use glacis_wire::http::{DECISION, Request};
use glacis_wire::message::Text;
use glacis_wire::message::decide::UpstreamDecision;
use glacis_wire::{
    Digest, Encode, EventId, EventName, PolicyDigest, Realm, Reference, TenantId, Tier, Verdict,
};
use std::sync::Arc;
use std::time::Duration;

const KEY: [u8; 32] = [7; 32];

fn context() -> Context {
    Context::new(TenantId::parse("demo").unwrap(), Realm::Demo)
}

fn shop() -> (Arc<Shop>, Server) {
    let token = SigningKey::from_scalar(&[3; 32]).unwrap();
    let shop = Arc::new(Shop::new(context(), token, MacKey::new(KEY), Arc::new(SystemHost::new())));
    shop.register("ann", "secret");
    let server = Server::start(Arc::clone(&shop)).unwrap();
    (shop, server)
}

fn decision(body: &[u8], user: &str) -> UpstreamDecision {
    UpstreamDecision {
        event: EventName::parse("payment.transfer").unwrap(),
        event_id: EventId::new([1; 16]),
        thumbprint: None,
        tier: Tier::Software,
        principal: Some(Text(user.to_owned())),
        request: Digest::new([0; 32]),
        content: sha256(body),
        policy: PolicyDigest::new([0; 32]),
        verdict: Verdict::Allow,
        reference: Reference::from_random([0; 8]),
        not_after: SystemHost::new().now().after(Duration::from_secs(30)),
    }
}

fn header(decision: &UpstreamDecision, key: [u8; 32]) -> String {
    let maced = mac_envelope(&MacKey::new(key), &context(), Purpose::Decision, decision).unwrap();
    glacis_seal::httpsig::sfv::bytes(&maced.to_bytes().unwrap())
}

fn transfer(authority: String, token: &str, amount: i64) -> Request {
    Request {
        method: "POST".to_owned(),
        authority,
        path: "/transfers".to_owned(),
        headers: vec![
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        body: format!(r#"{{"payee":"merchant-rail","amount":{amount},"currency":"EUR"}}"#).into_bytes(),
        ..Request::default()
    }
}

#[test]
fn protected_door_executes_only_what_the_edge_decided_and_once() {
    let (shop, server) = shop();
    let mut client = Loopback::new(1).unwrap();
    let token = shop.issue("ann").unwrap();
    let plain = transfer(server.protected.to_string(), &token, 5);
    let good = decision(&plain.body, "ann");
    let mut send = |value: Option<String>, body: Option<&[u8]>| {
        let mut request = plain.clone();
        request.headers.extend(value.map(|value| (DECISION.to_owned(), value)));
        request.body = body.map_or(request.body, <[u8]>::to_vec);
        client.send(&request).unwrap().status
    };
    assert_eq!(send(None, None), 403, "around the edge");
    assert_eq!(send(Some(header(&good, [8; 32])), None), 403, "under another key");
    assert_eq!(send(Some(header(&decision(&plain.body, "bob"), KEY)), None), 403, "for another user");
    let other = br#"{"payee":"merchant-rail","amount":6,"currency":"EUR"}"#;
    assert_eq!(send(Some(header(&good, KEY)), Some(other)), 403, "another body");
    let blocked = UpstreamDecision { verdict: Verdict::Block, ..good.clone() };
    assert_eq!(send(Some(header(&blocked, KEY)), None), 403, "not allowed");
    let stale = UpstreamDecision { not_after: glacis_wire::Timestamp::ZERO, ..good.clone() };
    assert_eq!(send(Some(header(&stale, KEY)), None), 403, "past its end");
    let view = UpstreamDecision { event: EventName::parse("account.view").unwrap(), ..good.clone() };
    assert_eq!(send(Some(header(&view, KEY)), None), 403, "another event");
    assert!(shop.transfers().is_empty());
    assert_eq!(send(Some(header(&good, KEY)), None), 200);
    assert_eq!(send(Some(header(&good, KEY)), None), 200, "a retry gets its answer");
    assert_eq!(shop.transfers().len(), 1, "and executes nothing again");
}

#[test]
fn plain_door_does_the_work_on_books_of_its_own() {
    let (shop, server) = shop();
    let mut client = Loopback::new(2).unwrap();
    let login = Request {
        method: "POST".to_owned(),
        authority: server.plain.to_string(),
        path: "/login".to_owned(),
        body: br#"{"user":"ann","password":"secret"}"#.to_vec(),
        ..Request::default()
    };
    let answer = client.send(&login).unwrap();
    let token: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let token = token.get("token").unwrap().as_str().unwrap();
    assert_eq!(client.send(&transfer(server.plain.to_string(), token, 5)).unwrap().status, 200);
    assert!(shop.transfers().is_empty());
    let wrong = Request { body: br#"{"user":"ann","password":"guess"}"#.to_vec(), ..login };
    assert_eq!(client.send(&wrong).unwrap().status, 401);
    assert_eq!(client.send(&transfer(server.plain.to_string(), "a.b.c", 5)).unwrap().status, 401);
}

#[test]
fn a_recorder_keeps_every_byte_and_changes_none() {
    let (shop, server) = shop();
    let capture = Capture::new();
    let forwarded = capture.forward(Link::FleetShop, server.plain).unwrap();
    let mut client = Loopback::new(3).unwrap();
    let token = shop.issue("ann").unwrap();
    for _ in 0..3 {
        assert_eq!(client.send(&transfer(forwarded.to_string(), &token, 5)).unwrap().status, 200);
    }
    let frames = capture.frames();
    assert_eq!(frames.len(), 2, "one kept connection, two directions");
    let sent = String::from_utf8(frames.iter().find(|frame| frame.request).unwrap().bytes.clone()).unwrap();
    assert_eq!(sent.matches("POST /transfers HTTP/1.1").count(), 3);
    let got = String::from_utf8(frames.iter().find(|frame| !frame.request).unwrap().bytes.clone()).unwrap();
    assert_eq!(got.matches(r#"{"transfer":"#).count(), 3);
}
