//! Sessions: durable openings, requests that an edge verifies, legs, verdicts.

use crate::{NOW, context, device, key_store, vault};
use glacis_dtx::{Enrolled, Expected, Opening, Role, Session, SessionError, Sessions, VaultError};
use glacis_host::{Append, Entropy, FileError, FileErrorKind, Files, MemoryFiles};
use glacis_seal::httpsig::{Algorithm, parse_content_digest, parse_input, parse_signature, profile, sfv};
use glacis_seal::text::base64url;
use glacis_seal::{Purpose, Secret, Share, mac_envelope, session, sha256, verify_raw};
use glacis_wire::http::{self, Request};
use glacis_wire::message::Bytes;
use glacis_wire::message::decide::ClientVerdict;
use glacis_wire::message::session::{LegOpened, SessionOpen, SessionOpened};
use glacis_wire::{
    Decode, Digest, Disclosed, Encode, EventId, LegId, PolicyDigest, Reference, SessionId, Verdict,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const ZERO: Digest = Digest::new([0; 32]);
const LEG: LegId = LegId::new([3; 16]);

/// What an edge does with an opening, as far as `seal` goes.
pub(crate) fn open_at_edge(request: &Request) -> (SessionOpen, Digest, SessionOpened, Secret) {
    let open = SessionOpen::from_bytes(&request.body).unwrap();
    let (base, signature) = base_of(request, profile::SESSION);
    let certificate =
        glacis_wire::message::enrol::DeviceCertificate::from_bytes(&open.certificate.body).unwrap();
    verify_raw(&certificate.device_key, base.as_bytes(), &signature).unwrap();
    assert_eq!(
        parse_content_digest(request.header("content-digest").unwrap()).unwrap(),
        sha256(&request.body)
    );
    let transcript = session::transcript(&base);
    let share = Share::generate(|out| crate::host("edge").fill(out)).unwrap();
    let public = share.public();
    let secret = session::secret(&share.agree(&open.share).unwrap(), &transcript, &context());
    let mut opened = SessionOpened {
        share: public,
        session: SessionId::new([2; 16]),
        ticket: Bytes(vec![9; 100]),
        leg: LEG,
        not_after: NOW.after(Duration::from_secs(1_800)),
        confirm: [0; 32],
    };
    opened.confirm = session::confirm(secret.expose(), &opened, &transcript, &context()).unwrap();
    (open, transcript, opened, secret)
}

/// Base and signature of a request whose coverage and parameters are as they must be.
pub(crate) fn base_of(request: &Request, components: &[&str]) -> (String, Vec<u8>) {
    let input = parse_input(request.header("signature-input").unwrap(), profile::LABEL).unwrap().unwrap();
    assert!(input.covers(components) && input.has_profile_params(), "{input:?}");
    assert!(profile::is_timely(&input.params, NOW));
    let mut base = String::new();
    input.write_base(&mut base, request).unwrap();
    let signature = parse_signature(request.header("signature").unwrap(), profile::LABEL).unwrap().unwrap();
    (base, signature.to_vec())
}

pub(crate) fn begin(sessions: &mut Sessions, enrolled: &Enrolled) -> Opening {
    sessions.begin(enrolled, "shop.example", NOW).unwrap()
}

fn session() -> (Session, Secret) {
    let (_, vault, keys, enrolled) = device();
    let opening = begin(&mut Sessions::open(vault, keys).unwrap(), &enrolled);
    let (_, _, opened, secret) = open_at_edge(opening.request());
    (opening.finish(opened, NOW).unwrap(), secret)
}

pub(crate) fn app_request() -> Request {
    Request {
        method: "POST".into(),
        authority: "shop.example".into(),
        path: "/transfers".into(),
        query: "?a=1".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: b"{}".to_vec(),
    }
}

fn disclosed() -> Disclosed {
    Disclosed::withheld(PolicyDigest::new([4; 32]), 3, 1)
}

pub(crate) const EVENT: EventId = EventId::new([8; 16]);

#[test]
fn an_opening_is_what_the_edge_demands() {
    let (_, vault, keys, enrolled) = device();
    let device_key = keys.public(Role::Device).unwrap().unwrap();
    let mut sessions = Sessions::open(vault, keys).unwrap();
    let opening = begin(&mut sessions, &enrolled);
    let request = opening.request();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", http::PATH_SESSION));
    let (open, transcript, ..) = open_at_edge(request);
    assert_eq!((open.epoch_ctr, open.parent), (1, ZERO));
    assert_eq!(sessions.chain(), session::advance(&ZERO, &transcript));
    let input = parse_input(request.header("signature-input").unwrap(), profile::LABEL).unwrap().unwrap();
    let thumbprint = glacis_seal::thumbprint(&device_key);
    assert_eq!(input.params.keyid.as_deref(), Some(base64url(thumbprint.as_bytes()).as_str()));
    assert_eq!(input.params.nonce.as_deref(), Some("1"));
    assert_eq!(input.params.alg.as_deref(), Some(Algorithm::EcdsaP256Sha256.name()));
    assert_eq!(input.params.tag.as_deref(), Some("glacis/session/v1"));
}

#[test]
fn lost_answers_and_restarts_leave_gaps_and_never_a_fork() {
    let (files, vault, keys, enrolled) = device();
    let mut sessions = Sessions::open(vault, keys).unwrap();
    let mut parents = Vec::new();
    let mut chain = ZERO;
    for round in 1..=6_u64 {
        // No answer is ever taken; on even rounds the process dies, too.
        let opening = begin(&mut sessions, &enrolled);
        let (open, transcript, ..) = open_at_edge(opening.request());
        assert_eq!((open.epoch_ctr, open.parent), (round, chain));
        chain = session::advance(&chain, &transcript);
        assert!(!parents.contains(&open.parent), "two openings with one parent are a fork");
        parents.push(open.parent);
        if round % 2 == 0 {
            let vault = crate::vault(files.clone());
            sessions = Sessions::open(Arc::clone(&vault), key_store(&vault)).unwrap();
            assert_eq!((sessions.epoch_ctr(), sessions.chain()), (round, chain));
        }
    }
}

#[test]
fn a_restored_backup_shows_as_a_fork() {
    let (files, vault, keys, enrolled) = device();
    begin(&mut Sessions::open(vault, keys).unwrap(), &enrolled);
    let opening_on = |files: MemoryFiles, host: &str| {
        let vault = Arc::new(glacis_dtx::Vault::open(Arc::new(files), crate::host(host), context()).unwrap());
        let mut sessions = Sessions::open(Arc::clone(&vault), key_store(&vault)).unwrap();
        let (open, transcript, ..) = open_at_edge(begin(&mut sessions, &enrolled).request());
        (open.parent, transcript)
    };
    let (one, two) = (opening_on(files.snapshot(), "original"), opening_on(files.snapshot(), "clone"));
    assert_eq!(one.0, two.0, "one parent");
    assert_ne!(one.1, two.1, "two branches");
}

/// Files whose replacements fail on command.
#[derive(Clone, Default)]
struct Failing {
    files: MemoryFiles,
    fail: Arc<AtomicBool>,
}

impl Files for Failing {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, FileError> {
        self.files.read(name)
    }
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        if self.fail.load(Ordering::Relaxed) {
            return Err(FileError::new("replace", name, FileErrorKind::Full));
        }
        self.files.replace(name, bytes)
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.files.remove(name)
    }
    fn list(&self) -> Result<Vec<String>, FileError> {
        self.files.list()
    }
    fn append(&self, name: &str) -> Result<Arc<dyn Append>, FileError> {
        self.files.append(name)
    }
}

#[test]
fn nothing_leaves_before_its_reservation_is_durable() {
    let files = Failing::default();
    let vault = vault(files.clone());
    let keys = key_store(&vault);
    let enrolled = crate::enrolled(&keys);
    let mut sessions = Sessions::open(vault, keys).unwrap();
    files.fail.store(true, Ordering::Relaxed);
    let refused = sessions.begin(&enrolled, "shop.example", NOW);
    assert!(matches!(refused, Err(SessionError::Vault(VaultError::Files(_)))), "{refused:?}");
    assert_eq!((sessions.epoch_ctr(), sessions.chain()), (0, ZERO));
    files.fail.store(false, Ordering::Relaxed);
    let (open, ..) = open_at_edge(begin(&mut sessions, &enrolled).request());
    assert_eq!(open.epoch_ctr, 1);
}

#[test]
fn a_renewed_key_starts_a_new_line() {
    let (_, vault, keys, enrolled) = device();
    begin(&mut Sessions::open(Arc::clone(&vault), Arc::clone(&keys)).unwrap(), &enrolled);
    keys.renew(Role::Device).unwrap();
    let mut sessions = Sessions::open(vault, Arc::clone(&keys)).unwrap();
    assert_eq!((sessions.epoch_ctr(), sessions.chain()), (0, ZERO));
    let old = sessions.begin(&enrolled, "shop.example", NOW);
    assert!(matches!(old, Err(SessionError::OtherDevice)), "the old enrolment is about the old key");
    let again = crate::enrolled(&keys);
    let (open, ..) = open_at_edge(begin(&mut sessions, &again).request());
    assert_eq!((open.epoch_ctr, open.parent), (1, ZERO));
}

#[test]
fn an_answer_that_nobody_with_the_secret_confirmed_is_refused() {
    let answer = |change: &dyn Fn(&mut SessionOpened)| {
        let (_, vault, keys, enrolled) = device();
        let opening = begin(&mut Sessions::open(vault, keys).unwrap(), &enrolled);
        let (_, _, mut opened, _) = open_at_edge(opening.request());
        change(&mut opened);
        opening.finish(opened, NOW)
    };
    answer(&|_| ()).unwrap();
    assert!(matches!(answer(&|o| o.confirm[0] ^= 1), Err(SessionError::Seal(_))));
    assert!(matches!(answer(&|o| o.ticket.0.push(1)), Err(SessionError::Seal(_))));
    assert!(matches!(answer(&|o| o.leg = LegId::new([4; 16])), Err(SessionError::Seal(_))));
    assert!(matches!(answer(&|o| o.share = [0; 32]), Err(SessionError::Seal(_))));
}

#[test]
fn a_request_covers_everything_and_verifies_under_the_key_of_its_leg() {
    let (mut session, secret) = session();
    let edge = session::request_key(secret.expose(), &LEG, &context());
    for seq in 1..=3_u64 {
        let signed = session.sign(app_request(), EVENT, &disclosed(), None, NOW).unwrap();
        let request = &signed.request;
        let (base, mac) = base_of(request, profile::REQUEST);
        edge.verify_raw(base.as_bytes(), &mac).unwrap();
        let input = parse_input(request.header("signature-input").unwrap(), profile::LABEL).unwrap().unwrap();
        assert_eq!(input.params.nonce.as_deref(), Some(seq.to_string().as_str()));
        assert_eq!(input.params.keyid.as_deref(), Some(base64url(LEG.as_bytes()).as_str()));
        assert_eq!(input.params.tag.as_deref(), Some("glacis/request/v1"));
        assert_eq!(sfv::parse_bytes(request.header(http::TICKET).unwrap(), 1_024).unwrap(), [9; 100]);
        assert_eq!(&sfv::parse_bytes_array(request.header(http::EVENT).unwrap()).unwrap(), EVENT.as_bytes());
        let sent = sfv::parse_bytes(request.header(http::DISCLOSURE).unwrap(), 4_096).unwrap();
        assert_eq!(Disclosed::from_bytes(&sent).unwrap(), disclosed());
        assert_eq!(request.header(http::PROOF), Some("::"));
        assert_eq!(
            signed.expected,
            Expected { event_id: EVENT, request: sha256(&mac), content: sha256(b"{}") }
        );
    }
}

#[test]
fn every_covered_part_of_a_request_is_bound() {
    let (mut session, secret) = session();
    let edge = session::request_key(secret.expose(), &LEG, &context());
    let mut with_token = app_request();
    with_token.headers.push(("Authorization".into(), "Bearer x".into()));
    for (request, components) in
        [(app_request(), profile::REQUEST), (with_token, profile::REQUEST_WITH_PRINCIPAL)]
    {
        let signed = session.sign(request, EVENT, None, None, NOW).unwrap().request;
        let verify = |request: &Request| {
            let (base, mac) = base_of(request, components);
            edge.verify_raw(base.as_bytes(), &mac)
        };
        verify(&signed).unwrap();
        type Change = fn(&mut Request);
        let changes: [Change; 4] = [
            |r| r.method = "PUT".into(),
            |r| r.authority = "other.example".into(),
            |r| r.path.push('x'),
            |r| r.query.push('x'),
        ];
        for change in changes {
            let mut changed = signed.clone();
            change(&mut changed);
            assert!(verify(&changed).is_err());
        }
        for name in components.iter().filter(|name| !name.starts_with('@')) {
            let mut changed = signed.clone();
            let field = changed.headers.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap();
            field.1.push('x');
            assert!(verify(&changed).is_err(), "{name}");
        }
    }
}

#[test]
fn headers_that_belong_to_signing_may_not_be_there() {
    let (mut session, _) = session();
    for name in ["content-digest", "Signature", "signature-input", "Glacis-Ticket", "glacis-anything"] {
        let mut request = app_request();
        request.headers.push((name.into(), "x".into()));
        let refused = session.sign(request, EVENT, None, None, NOW);
        assert!(matches!(refused, Err(SessionError::HeaderTaken)), "{name}");
    }
    let mut twice = app_request();
    twice.headers.extend([("authorization".into(), "a".into()), ("Authorization".into(), "b".into())]);
    assert!(matches!(session.sign(twice, EVENT, None, None, NOW), Err(SessionError::HeaderTaken)));
    let signed = session.sign(app_request(), EVENT, None, None, NOW).unwrap();
    let (base, _) = base_of(&signed.request, profile::REQUEST);
    assert!(base.contains(";nonce=\"1\";"), "refused requests use up no number: {base}");
}

#[test]
fn a_session_ends_with_its_ticket() {
    let (mut session, _) = session();
    let late = session.not_after().after(Duration::from_millis(1));
    assert!(matches!(session.sign(app_request(), EVENT, None, None, late), Err(SessionError::Expired)));
    assert!(matches!(session.renew_leg(late), Err(SessionError::Expired)));
}

#[test]
fn a_further_leg_has_its_own_key_and_numbers() {
    let (mut session, secret) = session();
    session.sign(app_request(), EVENT, None, None, NOW).unwrap();
    let request = session.renew_leg(NOW).unwrap();
    assert_eq!(request.path, http::PATH_LEG);
    let (base, mac) = base_of(&request, profile::LEG);
    session::leg_key(secret.expose(), &session.id(), &context()).verify_raw(base.as_bytes(), &mac).unwrap();
    let input = parse_input(request.header("signature-input").unwrap(), profile::LABEL).unwrap().unwrap();
    assert_eq!(input.params.keyid.as_deref(), Some(base64url(session.id().as_bytes()).as_str()));
    assert_eq!(input.params.tag.as_deref(), Some("glacis/leg/v1"));
    let leg = LegId::new([5; 16]);
    session.adopt_leg(&LegOpened { leg });
    let signed = session.sign(app_request(), EVENT, None, None, NOW).unwrap();
    let (base, mac) = base_of(&signed.request, profile::REQUEST);
    assert!(base.contains(";nonce=\"1\";"), "{base}");
    session::request_key(secret.expose(), &leg, &context()).verify_raw(base.as_bytes(), &mac).unwrap();
    assert!(
        session::request_key(secret.expose(), &LEG, &context()).verify_raw(base.as_bytes(), &mac).is_err()
    );
}

#[test]
fn a_verdict_is_believed_only_under_the_session_about_the_request_and_in_time() {
    let (mut session, secret) = session();
    let expected = session.sign(app_request(), EVENT, None, None, NOW).unwrap().expected;
    let verdict = ClientVerdict {
        event_id: EVENT,
        request: expected.request,
        content: expected.content,
        policy: PolicyDigest::new([4; 32]),
        verdict: Verdict::Allow,
        reference: Reference::from_random([1; 8]),
        nonce: None,
        not_after: NOW.after(Duration::from_secs(60)),
    };
    let key = session::verdict_key(secret.expose(), &session.id(), &context());
    let header = |verdict: &ClientVerdict, purpose| {
        sfv::bytes(&mac_envelope(&key, &context(), purpose, verdict).unwrap().to_bytes().unwrap())
    };
    let good = header(&verdict, Purpose::Verdict);
    assert_eq!(session.check_verdict(&good, &expected, NOW).unwrap(), verdict);
    let late = verdict.not_after.after(Duration::from_millis(1));
    assert!(matches!(session.check_verdict(&good, &expected, late), Err(SessionError::Expired)));
    let other = session.sign(app_request(), EVENT, None, None, NOW).unwrap().expected;
    assert!(
        matches!(session.check_verdict(&good, &other, NOW), Err(SessionError::OtherRequest)),
        "another request"
    );
    let purpose = session.check_verdict(&header(&verdict, Purpose::Decision), &expected, NOW);
    assert!(matches!(purpose, Err(SessionError::Seal(_))));
    let bytes = sfv::parse_bytes(&good, 4_096).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(session.check_verdict(&sfv::bytes(&flipped), &expected, NOW).is_err(), "byte {at}");
        assert!(session.check_verdict(&sfv::bytes(&bytes[..at]), &expected, NOW).is_err(), "cut to {at}");
    }
    assert!(session.check_verdict("", &expected, NOW).is_err());
}
