//! Every refusal has its stable code, a reference, and no word about rules; what was refused moved nothing.

use crate::device::{Session, Spec, get, post};
use crate::world::{ATTESTED, PEER, World, event, outcome, says, step, transfer};
use glacis_edge::Step;
use glacis_seal::httpsig::{content_digest, profile, sfv};
use glacis_seal::sha256;
use glacis_seal::text::base64url;
use glacis_wire::http::{self, Request, Response};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Encode, EventId, NodeOutcome};
use std::net::IpAddr;
use std::time::Duration;

struct Bench {
    world: World,
    session: Session,
    next: u64,
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        let session = world.session(40, ATTESTED);
        Self { world, session, next: 0 }
    }

    fn event(&mut self) -> EventId {
        self.next += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next.to_be_bytes());
        EventId::new(id)
    }

    /// An honest request, changed before it is signed.
    fn signed(&mut self, request: Request, change: impl FnOnce(&mut Request, &mut Spec<'_>)) -> Request {
        let (id, now) = (self.event(), self.world.now());
        let mut request = request;
        let disclosed = says(self.world.view, NodeOutcome::False);
        self.session.dress(&mut request, id, Some(&disclosed), None);
        let mut spec = self.session.spec(&request, now);
        change(&mut request, &mut spec);
        let key = self.session.request_key();
        spec.attach(&mut request, |base| key.mac_raw(base.as_bytes()).to_vec());
        request
    }

    /// An honest request, changed after it was signed.
    fn tampered(&mut self, request: Request, change: impl FnOnce(&mut Request)) -> Request {
        let mut request = self.signed(request, |_, _| {});
        change(&mut request);
        request
    }
}

fn set(request: &mut Request, name: &str, value: impl Into<String>) {
    let value = value.into();
    for (key, old) in &mut request.headers {
        if key == name {
            *old = value;
            return;
        }
    }
    request.headers.push((name.to_owned(), value));
}

fn edit(request: &mut Request, name: &str, edit: impl FnOnce(&str) -> String) {
    let value = edit(request.header(name).unwrap());
    set(request, name, value);
}

fn drop_header(request: &mut Request, name: &str) {
    request.headers.retain(|(key, _)| key != name);
}

/// The answer is a refusal of the client's fault, and tells nothing but its code and a reference.
fn bare(answer: &Response, what: &str) {
    let body = String::from_utf8(answer.body.clone()).unwrap();
    assert!((400..500).contains(&answer.status), "{what}: {body}");
    let reference = answer.header(http::REFERENCE).unwrap();
    let end = format!(r#","reference":"{reference}"}}"#);
    assert!(body.ends_with(&end) && body.matches("\":").count() == 5, "{what}: {body}");
    let names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", http::REFERENCE], "{what}");
}

fn account() -> Request {
    get("/accounts/7")
}

#[test]
fn signatures_that_do_not_hold_are_refused_with_their_code() {
    let mut b = Bench::new();
    let stranger = b.world.session(41, ATTESTED);
    let now = b.world.now();
    let past = |secs| now.before(Duration::from_secs(secs));
    let rows: Vec<(&str, Request, &str)> = vec![
        ("honest", b.signed(account(), |_, _| {}), "forward"),
        ("none at all", account(), "signature-missing"),
        (
            "input without signature",
            b.tampered(account(), |r| drop_header(r, "signature")),
            "signature-malformed",
        ),
        (
            "signature without input",
            b.tampered(account(), |r| drop_header(r, "signature-input")),
            "signature-malformed",
        ),
        (
            "not a dictionary",
            b.tampered(account(), |r| set(r, "signature-input", "glacis=(((")),
            "signature-malformed",
        ),
        (
            "other label",
            b.tampered(account(), |r| edit(r, "signature-input", |v| v.replace("glacis=", "other="))),
            "signature-missing",
        ),
        (
            "oversized",
            b.tampered(account(), |r| {
                edit(r, "signature-input", |v| format!("{v};x=\"{}\"", "y".repeat(5_000)))
            }),
            "signature-malformed",
        ),
        (
            "label twice",
            b.tampered(account(), |r| edit(r, "signature-input", |v| format!("{v}, {v}"))),
            "signature-malformed",
        ),
        (
            "field twice",
            b.tampered(account(), |r| {
                let v = r.header("signature").unwrap().to_owned();
                r.headers.push(("signature".into(), v));
            }),
            "signature-malformed",
        ),
        (
            "signature not base64",
            b.tampered(account(), |r| set(r, "signature", "glacis=:!:")),
            "signature-malformed",
        ),
        (
            "signature of another length",
            b.tampered(account(), |r| set(r, "signature", "glacis=:AAAA:")),
            "signature-wrong",
        ),
        (
            "one bit of the MAC",
            b.tampered(account(), |r| {
                edit(r, "signature", |v| v.replacen(|c: char| c.is_ascii_lowercase(), "Z", 1))
            }),
            "signature-malformed|signature-wrong",
        ),
        ("unknown leg", b.signed(account(), |_, s| s.keyid = base64url(&[9; 16])), "leg-unknown"),
        (
            "leg of another session",
            b.signed(account(), |_, s| s.keyid = base64url(stranger.leg.as_bytes())),
            "ticket-invalid",
        ),
        (
            "ticket of another session",
            b.tampered(account(), |r| set(r, http::TICKET, sfv::bytes(&stranger.opened.ticket))),
            "ticket-invalid",
        ),
        (
            "ticket twice",
            b.tampered(account(), |r| {
                let v = r.header(http::TICKET).unwrap().to_owned();
                r.headers.push((http::TICKET.into(), v));
            }),
            "signature-malformed",
        ),
        ("ticket missing", b.tampered(account(), |r| drop_header(r, http::TICKET)), "ticket-invalid"),
        ("tag of another use", b.signed(account(), |_, s| s.tag = profile::TAG_LEG), "signature-coverage"),
        ("another algorithm", b.signed(account(), |_, s| s.alg = "hmac-sha512"), "signature-coverage"),
        ("not a number", b.signed(account(), |_, s| s.nonce = "1x".into()), "signature-malformed"),
        (
            "number with a zero before it",
            b.signed(account(), |_, s| s.nonce = format!("0{}", s.nonce)),
            "signature-malformed",
        ),
        (
            "made too long ago",
            b.signed(account(), |_, s| {
                s.created = past(100);
                s.expires = past(40);
            }),
            "signature-expired",
        ),
        (
            "made in the future",
            b.signed(account(), |_, s| {
                s.created = now.after(Duration::from_secs(31));
                s.expires = now.after(Duration::from_secs(60));
            }),
            "signature-expired",
        ),
        (
            "valid for too long",
            b.signed(account(), |_, s| s.expires = now.after(Duration::from_secs(61))),
            "signature-expired",
        ),
        (
            "ends before it begins",
            b.signed(account(), |_, s| {
                s.created = now;
                s.expires = past(1);
            }),
            "signature-expired",
        ),
        (
            "method not covered",
            b.signed(account(), |_, s| s.components = &profile::REQUEST[1..]),
            "signature-coverage",
        ),
        (
            "proof not covered",
            b.signed(account(), |_, s| s.components = &profile::REQUEST[..8]),
            "signature-coverage",
        ),
        (
            "digest not covered",
            b.signed(account(), |_, s| {
                s.components = &[
                    "@method",
                    "@authority",
                    "@path",
                    "@query",
                    "glacis-ticket",
                    "glacis-event",
                    "glacis-disclosure",
                    "glacis-proof",
                ]
            }),
            "signature-coverage",
        ),
        (
            "other order",
            b.signed(account(), |_, s| {
                s.components = &[
                    "@authority",
                    "@method",
                    "@path",
                    "@query",
                    "content-digest",
                    "glacis-ticket",
                    "glacis-event",
                    "glacis-disclosure",
                    "glacis-proof",
                ]
            }),
            "signature-coverage",
        ),
        (
            "authorization not covered",
            b.tampered(account(), |r| set(r, "authorization", "Bearer x")),
            "signature-coverage",
        ),
        (
            "authorization covered but absent",
            {
                let mut r = b.signed(account(), |r, s| {
                    set(r, "authorization", "Bearer x");
                    s.components = profile::REQUEST_WITH_PRINCIPAL;
                });
                drop_header(&mut r, "authorization");
                r
            },
            "signature-coverage",
        ),
        ("digest missing", b.tampered(account(), |r| drop_header(r, "content-digest")), "signature-coverage"),
        ("event missing", b.tampered(account(), |r| drop_header(r, http::EVENT)), "signature-coverage"),
        ("path changed", b.tampered(account(), |r| r.path = "/accounts/8".into()), "signature-wrong"),
        ("query changed", b.tampered(account(), |r| r.query = "?x=1".into()), "signature-wrong"),
        (
            "authority changed",
            b.tampered(account(), |r| r.authority = "other.test".into()),
            "signature-wrong",
        ),
        (
            "event changed",
            b.tampered(account(), |r| set(r, http::EVENT, sfv::bytes(&[1; 16]))),
            "signature-wrong",
        ),
        ("disclosure changed", b.tampered(account(), |r| set(r, http::DISCLOSURE, "::")), "signature-wrong"),
        (
            "event id of another length",
            b.signed(account(), |r, _| set(r, http::EVENT, sfv::bytes(&[1; 15]))),
            "signature-malformed",
        ),
        (
            "disclosure unreadable",
            b.signed(account(), |r, _| set(r, http::DISCLOSURE, sfv::bytes(&[1; 15]))),
            "disclosure-malformed",
        ),
        (
            "disclosure without the node",
            {
                let view = b.world.view;
                b.signed(account(), |r, _| {
                    let d = glacis_wire::Disclosed { policy: view, nodes: vec![], values: vec![] };
                    set(r, http::DISCLOSURE, sfv::bytes(&d.to_bytes().unwrap()));
                })
            },
            "disclosure-malformed",
        ),
        (
            "proof unreadable",
            b.signed(account(), |r, _| set(r, http::PROOF, sfv::bytes(&[9]))),
            "proof-wrong",
        ),
        (
            "body where none was signed",
            b.tampered(account(), |r| r.body = b"x".to_vec()),
            "digest-mismatch|forward",
        ),
    ];
    for (what, request, want) in rows {
        let step = b.world.step(&request);
        if let Step::Answer(answer) = &step {
            bare(answer, what);
        }
        let got = outcome(step);
        assert!(want.split('|').any(|want| want == got), "{what}: {got}, not {want}");
    }
}

#[test]
fn bodies_must_be_the_signed_ones() {
    let mut b = Bench::new();
    let body = r#"{"payee":"p","amount":5,"currency":"EUR"}"#;
    let swapped = b.tampered(transfer(body), |r| r.body = body.replace('5', "9").into_bytes());
    assert_eq!(b.world.code(&swapped), "digest-mismatch");
    let emptied = b.tampered(transfer(body), |r| r.body.clear());
    assert_eq!(b.world.code(&emptied), "digest-mismatch");
    let redigested = b.tampered(transfer(body), |r| {
        r.body = b"{}".to_vec();
        let digest = content_digest(&sha256(&r.body));
        set(r, "content-digest", digest);
    });
    assert_eq!(b.world.code(&redigested), "signature-wrong");
    let oversized = b.signed(transfer(&format!("{{\"payee\":\"{}\"}}", "x".repeat(1_000))), |_, _| {});
    assert_eq!(b.world.code(&oversized), "body-too-large");
    for unreadable in
        ["", "{", r#"{"amount":1,"amount":2}"#, r#"{"amount":1,"Amount":2}"#, r#"{"amount":"1"}"#]
    {
        let request = b.signed(transfer(unreadable), |_, _| {});
        assert_eq!(b.world.code(&request), "body-unreadable", "{unreadable}");
    }
}

#[test]
fn a_number_works_once_inside_its_window_and_only_behind_a_good_mac() {
    let mut b = Bench::new();
    let first = b.signed(account(), |_, s| s.nonce = "5000".into());
    assert_eq!(b.world.code(&first), "forward");
    assert_eq!(b.world.code(&first), "replayed");
    let behind = b.signed(account(), |_, s| s.nonce = (5_000 - 1_024).to_string());
    assert_eq!(b.world.code(&behind), "replayed");
    let inside = b.signed(account(), |_, s| s.nonce = (5_000 - 1_023).to_string());
    assert_eq!(b.world.code(&inside), "forward");

    // A forger who names a far number must not push honest ones out of the window.
    let mut forged = b.signed(account(), |_, s| s.nonce = "900000".into());
    set(&mut forged, "signature", format!("glacis={}", sfv::bytes(&[7; 32])));
    assert_eq!(b.world.code(&forged), "signature-wrong");
    let honest = b.signed(account(), |_, s| s.nonce = "5001".into());
    assert_eq!(b.world.code(&honest), "forward");
    let genuine = b.signed(account(), |_, s| s.nonce = "900000".into());
    assert_eq!(b.world.code(&genuine), "forward", "the forged number was not used up");
}

#[test]
fn an_event_keeps_its_content_and_its_verdict() {
    let mut b = Bench::new();
    let now = b.world.now();
    let disclosed = says(b.world.view, NodeOutcome::False);
    let sign = |b: &mut Bench, path: &str| b.session.sign(get(path), event(9), Some(&disclosed), None, now);
    let first = sign(&mut b, "/accounts/1");
    let reference = b.world.forward(&first).reference;
    let retry = sign(&mut b, "/accounts/1");
    let again = b.world.forward(&retry);
    assert_eq!(again.reference, reference, "a retry gets the stored verdict");
    assert_eq!(b.world.records().len(), 1, "and makes no second record");
    for other in ["/accounts/2", "/accounts/1?x=1"] {
        let conflict = sign(&mut b, other);
        assert_eq!(b.world.code(&conflict), "event-conflict", "{other}");
    }
}

#[test]
fn limits_refuse_by_prefix_and_by_device() {
    let world = World::with(
        "[limits]\nprefix = { burst = 20, per_second = 1 }\ndevice = { burst = 5, per_second = 1 }\n",
    );
    let mut session = world.session(42, ATTESTED);
    let disclosed = says(world.view, NodeOutcome::False);
    let mut codes = Vec::new();
    for n in 0..25 {
        let request = session.sign(get("/accounts/1"), event(n), Some(&disclosed), None, world.now());
        codes.push(world.code(&request));
    }
    // The opening itself took one of each.
    assert_eq!(codes.iter().filter(|code| *code == "forward").count(), 4, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "device-limited").count(), 21, "{codes:?}");
    assert_eq!(world.code(&get("/maybe")), "prefix-limited", "nobody vouches for this one");
    let elsewhere: IpAddr = "198.51.100.1".parse().unwrap();
    let request = session.sign(get("/accounts/1"), event(99), Some(&disclosed), None, world.now());
    assert_eq!(outcome(step(&world.core, &request, elsewhere, world.now())), "device-limited");
    world.pass(10);
    let request = session.sign(get("/accounts/1"), event(98), Some(&disclosed), None, world.now());
    assert_eq!(outcome(step(&world.core, &request, PEER, world.now())), "forward");
}

#[test]
fn unreadable_paths_unknown_routes_and_own_endpoints() {
    let mut b = Bench::new();
    for (request, want) in [
        (get("/nowhere"), "no-route"),
        (get("/accounts/1/2"), "no-route"),
        (get("/accounts/../public/x"), "body-unreadable"),
        (get("/accounts/%61"), "body-unreadable"),
        (get("/public/a%2fb"), "body-unreadable"),
        (get("/public/a"), "forward"),
        (get("/.glacis/nothing"), "no-route"),
        (get(http::PATH_SESSION), "no-route"),
        (post(http::PATH_SESSION, vec![]), "signature-missing"),
        (post(http::PATH_LEG, vec![]), "signature-missing"),
        (post(http::PATH_CHALLENGE, vec![]), "signature-missing"),
        (post(http::PATH_RECORDS, vec![]), "signature-missing"),
        (get(http::PATH_BUNDLE), "unavailable"),
        (post(http::PATH_ENROL_ACTIVATION, vec![1]), "relay /v1/device/enrol/activation"),
        (post(http::PATH_ENROL, vec![1]), "relay /v1/device/enrol?from=0000000000c00002"),
        (post(http::PATH_OTP_VERIFY, vec![1]), "relay /v1/device/otp/verify"),
        (post(http::PATH_PASSKEY_VERIFY, vec![1]), "relay /v1/device/passkey/verify"),
    ] {
        assert_eq!(b.world.code(&request), want, "{} {}", request.method, request.path);
    }
    let mangled = b.signed(post(http::PATH_RECORDS, vec![1, 2]), |_, _| {});
    assert_eq!(b.world.code(&mangled), "body-unreadable");
}

#[test]
fn a_refusal_is_a_problem_with_code_and_reference_and_nothing_else() {
    let world = World::new();
    let Step::Answer(answer) = world.step(&get("/accounts/1")) else { panic!() };
    assert_eq!(answer.status, Refusal::SignatureMissing.status());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let reference = answer.header(http::REFERENCE).unwrap();
    assert_eq!(reference.len(), 12);
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let want = format!(
        r#"{{"type":"about:blank","title":"Unauthorized","status":401,"code":"signature-missing","reference":"{reference}"}}"#
    );
    assert_eq!(body, want);
    let Step::Answer(second) = world.step(&get("/accounts/1")) else { panic!() };
    assert_ne!(second.header(http::REFERENCE), Some(reference));
    assert_eq!(world.core.metrics().snapshot().refused, [("signature-missing", 2)]);
}
