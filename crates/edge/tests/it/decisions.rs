//! Verdicts: of the edge, of the cloud, and where neither can speak; each with its record, or not at all.

use crate::device::get;
use crate::world::{ATTESTED, Authority, SOFTWARE, START, World, event, says, slice, start, transfer};
use glacis_edge::Step;
use glacis_host::Files;
use glacis_policy::Owner;
use glacis_seal::{MacKey, Purpose, Secret, sha256, sign_envelope};
use glacis_wire::http::{self, Request, Response};
use glacis_wire::message::challenge::{ChallengeNonce, ChallengeRequest, Grant, Proof};
use glacis_wire::message::decide::{ClosedBy, DecideAnswer, Decided};
use glacis_wire::message::policy::{KeyUse, Published};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{
    Answer, Decode, Encode, Method, NodeOutcome, PolicyDigest, Realm, Reference, Value, Verdict, Zone,
};
use std::sync::Arc;
use std::time::Duration;

fn verdict_of(session: &crate::device::Session, answer: &Response) -> (Verdict, Option<ChallengeNonce>) {
    let verdict = session.verdict(answer.header(http::VERDICT).unwrap());
    assert_eq!(verdict.reference.text(), answer.header(http::REFERENCE).unwrap());
    (verdict.verdict, verdict.nonce)
}

#[test]
fn the_edge_decides_alone_with_record_and_both_macs() {
    let world = World::new();
    let mut session = world.session(50, ATTESTED);
    let clear = session.sign(
        get("/accounts/1"),
        event(1),
        Some(&says(world.view, NodeOutcome::False)),
        None,
        world.now(),
    );
    let forward = world.forward(&clear);
    let verdict = session.verdict(forward.verdict.as_deref().unwrap());
    let signature = clear.header("signature").unwrap().trim_start_matches("glacis=");
    let signature = glacis_seal::httpsig::sfv::parse_bytes(signature, 32).unwrap();
    assert_eq!(verdict.verdict, Verdict::Allow);
    assert_eq!(
        (verdict.event_id, verdict.request, verdict.policy),
        (event(1), sha256(&signature), world.view)
    );
    assert_eq!(verdict.not_after.since(world.now()), Duration::from_secs(60));
    let decision = world.decision(&forward);
    assert_eq!(
        (decision.verdict, decision.event_id, decision.request),
        (Verdict::Allow, event(1), verdict.request)
    );
    assert_eq!(forward.policy_version, Some(1));

    let hooked = session.sign(
        get("/accounts/1"),
        event(2),
        Some(&says(world.view, NodeOutcome::True)),
        None,
        world.now(),
    );
    let answer = world.answer(&hooked);
    assert_eq!(answer.status, 403);
    assert_eq!(verdict_of(&session, &answer).0, Verdict::Block);

    let records = world.records();
    assert_eq!(records.len(), 2);
    let (allowed, blocked) = (&records[0], &records[1]);
    assert_eq!(
        (allowed.zone, allowed.verdict, allowed.closed_by),
        (Zone::Edge, Verdict::Allow, ClosedBy::Policy)
    );
    assert_eq!(allowed.facts.fields[0].answer, Answer::Value(Value::String("1".into())));
    assert!(allowed.reasons.is_empty());
    assert_eq!(blocked.verdict, Verdict::Block);
    assert_eq!(blocked.reasons.iter().map(|reason| reason.0.as_str()).collect::<Vec<_>>(), ["tampered-app"]);
}

#[test]
fn an_all_clear_that_nobody_vouches_for_is_worth_what_silence_is() {
    let world = World::new();
    let mut session = world.session(51, SOFTWARE);
    let clear = says(world.view, NodeOutcome::False);
    let mut outcomes = Vec::new();
    for (n, disclosed) in
        [Some(clear), None, Some(says(PolicyDigest::new([1; 32]), NodeOutcome::False))].iter().enumerate()
    {
        let request = session.sign(get("/accounts/1"), event(n as u8), disclosed.as_ref(), None, world.now());
        let answer = world.answer(&request);
        assert_eq!(answer.status, 401);
        outcomes.push(verdict_of(&session, &answer).0);
    }
    assert_eq!(outcomes, [Verdict::Challenge(Method::Passkey); 3]);
}

#[test]
fn a_passkey_proof_passes_once_for_its_own_event() {
    let world = World::new();
    let mut device = world.device(52, SOFTWARE);
    let mut session = world.open(&mut device);
    let clear = says(world.view, NodeOutcome::False);
    let asked = session.sign(get("/accounts/1"), event(1), Some(&clear), None, world.now());
    let nonce = verdict_of(&session, &world.answer(&asked)).1.unwrap();
    let proof = device.prove(&nonce);

    let code = |request: &Request| world.code(request);
    let other_event = session.sign(get("/accounts/1"), event(2), Some(&clear), Some(&proof), world.now());
    assert_eq!(code(&other_event), "proof-wrong");
    let mut forged = proof.clone();
    let Proof::Passkey { signature, .. } = &mut forged else { panic!() };
    signature[0] ^= 1;
    let request = session.sign(get("/accounts/1"), event(1), Some(&clear), Some(&forged), world.now());
    assert_eq!(code(&request), "proof-wrong");
    let mut renamed = nonce.clone();
    renamed.body.method = Method::Otp;
    let request =
        session.sign(get("/accounts/1"), event(1), Some(&clear), Some(&device.prove(&renamed)), world.now());
    assert_eq!(code(&request), "proof-wrong");
    let mut sibling = world.device(53, SOFTWARE);
    let mut theirs = world.open(&mut sibling);
    let request =
        theirs.sign(get("/accounts/1"), event(1), Some(&clear), Some(&sibling.prove(&nonce)), world.now());
    assert_eq!(code(&request), "proof-wrong", "another device's nonce");

    let request = session.sign(get("/accounts/1"), event(1), Some(&clear), Some(&proof), world.now());
    assert_eq!(code(&request), "forward");
    let mut records = world.records();
    let (count, record) = (records.len(), records.pop().unwrap());
    assert_eq!(record.facts.passed.unwrap().proof, sha256(&nonce.to_bytes().unwrap()));
    let again = session.sign(get("/accounts/1"), event(1), Some(&clear), Some(&proof), world.now());
    assert_eq!(code(&again), "forward", "the answer was lost: the stored verdict");
    assert_eq!(world.records().len(), count, "nothing was decided anew");
    let retry = session.sign(get("/accounts/1"), event(1), Some(&clear), None, world.now());
    assert_eq!(code(&retry), "forward", "the stored verdict");
    world.pass(301);
    world.refresh_feed();
    let asked = session.sign(get("/accounts/1"), event(3), Some(&clear), Some(&proof), world.now());
    assert_eq!(code(&asked), "proof-wrong", "expired");
}

#[test]
fn a_device_that_starts_a_challenge_gets_its_nonce_first() {
    let world = World::new();
    let mut device = world.device(54, SOFTWARE);
    let mut session = world.open(&mut device);
    let wanted = ChallengeRequest { event: event(5), content: sha256(b""), method: Method::Passkey };
    let body = wanted.to_bytes().unwrap();
    let request =
        session.sign(crate::device::post(http::PATH_CHALLENGE, body), event(4), None, None, world.now());
    let nonce = ChallengeNonce::from_bytes(&world.answer(&request).body).unwrap();
    let clear = says(world.view, NodeOutcome::False);
    let request =
        session.sign(get("/accounts/1"), event(5), Some(&clear), Some(&device.prove(&nonce)), world.now());
    assert_eq!(world.code(&request), "forward");
}

#[test]
fn an_otp_grant_counts_only_under_the_clouds_key() {
    let world = World::new();
    let mut session = world.session(55, ATTESTED);
    let pay = |session: &mut crate::device::Session, proof: Option<&Proof>| {
        let mut request = transfer(r#"{"payee":"p","amount":5000,"currency":"EUR"}"#);
        request.headers.push((
            "authorization".into(),
            world.authority.token("ann", world.now().after(Duration::from_secs(60))),
        ));
        session.sign(request, event(6), Some(&says(world.transfer, NodeOutcome::False)), proof, world.now())
    };
    let request = pay(&mut session, None);
    let pending = world.ask(&request);
    assert_eq!(pending.facts().principal.as_ref().unwrap().0, "ann");
    assert_eq!(pending.facts().fields.len(), 3);
    let nonce = {
        let body = glacis_wire::message::challenge::NonceBody {
            thumbprint: pending.facts().thumbprint.unwrap(),
            event: event(6),
            content: pending.facts().content,
            method: Method::Otp,
            principal: glacis_wire::message::Text("ann".into()),
            random: [1; 16],
            not_after: world.now().after(Duration::from_secs(200)),
        };
        let key = MacKey::new(Secret::new([11; 32]));
        let mac = key.mac(&world.authority.context, Purpose::Nonce, &body.to_bytes().unwrap());
        ChallengeNonce { body, mac }
    };
    let decided = Decided {
        verdict: Verdict::Challenge(Method::Otp),
        reference: Reference::from_random([5; 8]),
        cut: 3,
        repeated: false,
        nonce: Some(nonce.clone()),
    };
    let Step::Answer(answer) = world.core.resume(pending, Some(DecideAnswer::Decided(decided)), world.now())
    else {
        panic!()
    };
    assert_eq!(verdict_of(&session, &answer), (Verdict::Challenge(Method::Otp), Some(nonce.clone())));
    assert!(world.records().is_empty(), "the cloud keeps the record of what it decides");

    let grant = Grant { nonce: sha256(&nonce.to_bytes().unwrap()), granted_at: world.now() };
    let sign = |key| sign_envelope(key, &world.authority.context, Purpose::Grant, &grant).unwrap();
    let forged = Proof::Otp { nonce: nonce.clone(), grant: sign(&world.authority.feed) };
    let request = pay(&mut session, Some(&forged));
    assert_eq!(world.code(&request), "proof-wrong");
    let granted = Proof::Otp { nonce, grant: sign(&world.authority.result) };
    let request = pay(&mut session, Some(&granted));
    let pending = world.ask(&request);
    assert_eq!(pending.facts().passed.as_ref().unwrap().method, Method::Otp);
    let step = world.core.resume(pending, Some(DecideAnswer::Refused(Refusal::Overloaded)), world.now());
    assert_eq!(crate::world::outcome(step), "overloaded");
    let request = pay(&mut session, Some(&granted));
    world.ask(&request); // the turn was given back, so the proof is not spent
}

#[test]
fn a_grant_for_a_passkey_is_for_its_own_nonce_and_a_grant_for_a_code_is_none() {
    let world = World::new();
    let mut session = world.session(60, SOFTWARE);
    let clear = says(world.view, NodeOutcome::False);
    let view = |session: &mut crate::device::Session, number: u8, proof: Option<&Proof>| {
        session.sign(get("/accounts/1"), event(number), Some(&clear), proof, world.now())
    };
    let asked = view(&mut session, 1, None);
    let nonce = verdict_of(&session, &world.answer(&asked)).1.unwrap();
    assert_eq!(nonce.body.method, Method::Passkey);
    let grant = |nonce: &ChallengeNonce, key, purpose| {
        let grant = Grant { nonce: sha256(&nonce.to_bytes().unwrap()), granted_at: world.now() };
        sign_envelope(key, &world.authority.context, purpose, &grant).unwrap()
    };
    let (result, feed) = (&world.authority.result, &world.authority.feed);
    let granted = grant(&nonce, result, Purpose::Grant);
    // The cloud grants a code for a nonce of that method, which differs in nothing else.
    let mut for_code = nonce.clone();
    for_code.body.method = Method::Otp;
    let key = MacKey::new(Secret::new([11; 32]));
    for_code.mac = key.mac(&world.authority.context, Purpose::Nonce, &for_code.body.to_bytes().unwrap());
    let code = grant(&for_code, result, Purpose::Grant);
    let passkey = |nonce: &ChallengeNonce, grant| Proof::PasskeyGrant { nonce: nonce.clone(), grant };
    for (what, proof) in [
        ("a code's grant for this nonce", passkey(&nonce, code.clone())),
        ("a code's grant for its own nonce", passkey(&for_code, code)),
        ("a passkey's grant as a code's", Proof::Otp { nonce: nonce.clone(), grant: granted.clone() }),
        ("by the feed's key", passkey(&nonce, grant(&nonce, feed, Purpose::Grant))),
        ("signed for something else", passkey(&nonce, grant(&nonce, result, Purpose::Result))),
    ] {
        let request = view(&mut session, 1, Some(&proof));
        assert_eq!(world.code(&request), "proof-wrong", "{what}");
    }
    let good = passkey(&nonce, granted);
    let request = view(&mut session, 2, Some(&good));
    assert_eq!(world.code(&request), "proof-wrong", "another event");
    let mut theirs = world.session(61, SOFTWARE);
    let request = view(&mut theirs, 1, Some(&good));
    assert_eq!(world.code(&request), "proof-wrong", "another device");
    let request = view(&mut session, 1, Some(&good));
    assert_eq!(world.code(&request), "forward");
    let record = world.records().pop().unwrap();
    assert_eq!(record.facts.passed.unwrap().method, Method::Passkey);
    world.pass(301);
    world.refresh_feed();
    let request = view(&mut session, 3, Some(&good));
    assert_eq!(world.code(&request), "proof-wrong", "expired");
}

#[test]
fn cloud_down_closes_by_policy_and_the_record_says_so() {
    let world = World::new();
    let mut session = world.session(56, ATTESTED);
    let request = session.sign(
        transfer(r#"{"payee":"p","amount":10,"currency":"EUR"}"#),
        event(1),
        Some(&says(world.transfer, NodeOutcome::False)),
        None,
        world.now(),
    );
    let pending = world.ask(&request);
    let Step::Answer(answer) = world.core.resume(pending, None, world.now()) else { panic!() };
    let (verdict, nonce) = verdict_of(&session, &answer);
    assert_eq!(verdict, Verdict::Challenge(Method::Passkey), "`unavailable` of the policy");
    assert!(nonce.is_some());
    let record = world.records().pop().unwrap();
    assert_eq!(
        (record.zone, record.closed_by, record.verdict),
        (Zone::Edge, ClosedBy::CloudUnavailable, verdict)
    );
    assert_eq!(record.facts.policy, world.transfer);
}

#[test]
fn without_a_slice_or_a_feed_the_stance_answers_and_the_record_says_so() {
    let world = World::new();
    let mut session = world.session(57, ATTESTED);
    let mut send = |path: &str, n| session.sign(get(path), event(n), None, None, world.now());
    assert_eq!(world.code(&send("/open", 1)), "forward");
    assert_eq!(world.code(&send("/closed", 2)), "unavailable");
    world.pass(3_601);
    let mut late = world.session(58, ATTESTED);
    let clear = says(world.view, NodeOutcome::False);
    let request = late.sign(get("/accounts/1"), event(3), Some(&clear), None, world.now());
    assert_eq!(world.code(&request), "unavailable", "the feed is very stale");
    let records = world.records();
    let kinds: Vec<_> = records.iter().map(|r| (r.closed_by, r.verdict, r.facts.policy)).collect();
    let none = PolicyDigest::new([0; 32]);
    let (stance, allow, block) = (ClosedBy::Stance, Verdict::Allow, Verdict::Block);
    assert_eq!(kinds, [(stance, allow, none), (stance, block, none), (stance, block, none)]);
    world.refresh_feed();
    let request = late.sign(get("/accounts/1"), event(4), Some(&clear), None, world.now());
    assert_eq!(world.code(&request), "forward");
}

#[test]
fn a_stale_feed_caps_everybody() {
    let world = World::new();
    let mut session = world.session(59, ATTESTED);
    world.pass(31);
    let request = session.sign(
        get("/accounts/1"),
        event(1),
        Some(&says(world.view, NodeOutcome::False)),
        None,
        world.now(),
    );
    assert_eq!(world.answer(&request).status, 401, "claimed while the feed is stale");
    assert_eq!(world.records()[0].facts.tier, glacis_wire::Tier::Software);
}

#[test]
fn observing_decides_and_records_but_never_acts() {
    let world = World::new();
    let mut session = world.session(60, ATTESTED);
    let hooked = says(world.view, NodeOutcome::True);
    let request = session.sign(get("/seen/1"), event(1), Some(&hooked), None, world.now());
    let forward = world.forward(&request);
    assert_eq!(world.decision(&forward).verdict, Verdict::Block, "the upstream may see what would have been");
    assert_eq!(session.verdict(forward.verdict.as_deref().unwrap()).verdict, Verdict::Allow);
    assert_eq!(world.records()[0].verdict, Verdict::Block);
    assert_eq!(world.code(&request), "forward", "a replay is forwarded without a device");
    assert_eq!(world.records()[1].facts.thumbprint, None);
    assert_eq!(world.code(&get("/seen/1")), "forward");
    assert!(world.core.metrics().snapshot().would_refuse.contains(&("replayed", 1)));
}

#[test]
fn routes_without_a_device_zone_say_absent_and_optional_ones_withheld() {
    let world = World::new();
    assert_eq!(world.code(&get("/kiosk")), "forward", "`absent` skips the rule");
    let answer = world.answer(&get("/maybe"));
    assert_eq!(
        (answer.status, answer.header(http::VERDICT)),
        (401, None),
        "`withheld` challenges; nobody to MAC for"
    );
    let records = world.records();
    assert!(records.iter().all(|record| record.facts.thumbprint.is_none()));
    assert_ne!(records[0].facts.event_id, records[1].facts.event_id);
}

#[test]
fn principals_come_from_tokens_that_verify() {
    let world = World::new();
    let mut session = world.session(61, ATTESTED);
    let other = Authority { token: crate::device::key(77), ..Authority::new("acme", Realm::Demo) };
    let soon = world.now().after(Duration::from_secs(60));
    let good = world.authority.token("ann", soon);
    let mut n = 0;
    let mut code = |authorization: Option<&str>| {
        n += 1;
        let mut request = transfer(r#"{"payee":"p","amount":10,"currency":"EUR"}"#);
        request.headers.extend(authorization.map(|value| ("authorization".to_owned(), value.to_owned())));
        let request = session.sign(
            request,
            event(n),
            Some(&says(world.transfer, NodeOutcome::False)),
            None,
            world.now(),
        );
        world.code(&request)
    };
    assert_eq!(code(Some(&good)), "ask");
    assert_eq!(code(Some(&good)), "ask", "again, from the leg's cache");
    assert_eq!(code(None), "ask", "no principal: user-keyed signals are unknown");
    let expired = world.authority.token("ann", START.before(Duration::from_secs(31)));
    let none = good.replace("Bearer ey", "Bearer x");
    for bad in [other.token("ann", soon), expired, none, "Basic YTpi".into(), "Bearer".into()] {
        assert_eq!(code(Some(&bad)), "principal-wrong", "{bad}");
    }
}

#[test]
fn a_full_journal_refuses_instead_of_deciding_silently() {
    let world = World::with(
        "[limits]\njournal_bytes = 262144\ndevice = { burst = 100000, per_second = 1 }\nprefix = { burst = 100000, per_second = 1 }\n",
    );
    let mut session = world.session(62, ATTESTED);
    let clear = says(world.view, NodeOutcome::False);
    let mut codes = Vec::new();
    for n in 0..2_000_u32 {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let request =
            session.sign(get("/accounts/1"), glacis_wire::EventId::new(id), Some(&clear), None, world.now());
        codes.push(world.code(&request));
    }
    let decided = codes.iter().take_while(|code| *code == "forward").count();
    assert!((100..2_000).contains(&decided), "{decided}");
    assert!(codes[decided..].iter().all(|code| code == "overloaded"));
    let mut shipped = 0;
    while let Some(batch) = world.core.duty().batch().unwrap() {
        shipped += batch.report.records.len();
        world.core.duty().acknowledge(&batch).unwrap();
    }
    assert_eq!(shipped, decided, "every answered decision is there");
    let request = session.sign(get("/accounts/1"), event(200), Some(&clear), None, world.now());
    assert_eq!(world.code(&request), "forward", "room again after the cloud took them");
}

#[test]
fn what_was_answered_survives_a_restart_and_the_policy_never_goes_back() {
    let world = World::new();
    let mut session = world.session(63, ATTESTED);
    let clear = says(world.view, NodeOutcome::False);
    let request = session.sign(get("/accounts/1"), event(1), Some(&clear), None, world.now());
    assert_eq!(world.code(&request), "forward");
    world.publish(7);
    let text = crate::world::config(&world.authority.token, "");
    let again = start(&world.authority, &text, &world.host, Arc::clone(&world.files) as Arc<dyn Files>);
    let report = again.duty().batch().unwrap().unwrap().report;
    assert_eq!((report.records.len(), report.openings.len()), (1, 1));
    assert_eq!(again.bundle_version(), Some(7));
    let older = world.authority.bundle(Zone::Edge, 6, vec![slice("view", Zone::Edge)]);
    assert!(again.accept_bundle(&older).unwrap_err().to_string().contains("older"));
    assert_eq!(again.bundle_version(), Some(7));
}

/// The bundle is ours and signed; its slice was made for another tenant.
#[test]
fn a_slice_of_another_tenant_is_refused_and_the_live_one_stays() {
    let world = World::new();
    let before = world.core.bundle_version();
    let demo = crate::world::owner("acme");
    let production = Owner { realm: Realm::Production, ..demo.clone() };
    let forged = [(crate::world::owner("other"), "slice-tenant"), (production, "slice-realm")];
    for (owner, code) in forged {
        let slice = crate::world::slice_of(owner, "view", Zone::Edge);
        let error =
            world.core.accept_bundle(&world.authority.bundle(Zone::Edge, 70, vec![slice])).unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
        assert_eq!(world.core.bundle_version(), before);
    }
    let own = crate::world::slice_of(demo, "view", Zone::Edge);
    assert!(world.core.accept_bundle(&world.authority.bundle(Zone::Edge, 70, vec![own])).unwrap());
}

/// After a key leaked, its owner pins a set without it: a restart must not go on with what it signed.
#[test]
fn a_stored_policy_is_believed_under_the_newer_of_both_key_sets() {
    let world = World::new();
    let restart = |version: u64, policy: bool| {
        let mut keys = world.authority.edge_keys();
        keys.key_set.version = version;
        for key in keys.key_set.keys.0.iter_mut().filter(|key| !policy && key.usage == KeyUse::Policy) {
            key.key = crate::device::key(78).public();
            key.id = glacis_seal::key_id(&key.key);
        }
        let text = crate::world::config(&world.authority.token, "");
        let config = glacis_edge::EdgeConfig::parse("edge.toml", &text).unwrap();
        let files = Arc::clone(&world.files) as Arc<dyn Files>;
        glacis_edge::EdgeCore::new(config, keys, Arc::new(world.host.clone()), files)
    };
    assert_eq!(restart(2, true).unwrap().bundle_version(), Some(1));
    let error = restart(2, false).unwrap_err().to_string();
    assert!(error.contains("published") && error.contains("remove the file"), "{error}");
    assert_eq!(
        restart(1, false).unwrap().bundle_version(),
        Some(1),
        "the stored set is as new as the pinned"
    );
    world.files.remove("published").unwrap();
    assert_eq!(restart(2, false).unwrap().bundle_version(), None);
}

/// After an upgrade of the program, or a way back, what was stored may be of another form.
#[test]
fn a_stored_policy_that_this_version_cannot_run_is_no_policy_and_holds_older_ones_off() {
    let world = World::new();
    let mut strange = slice("view", Zone::Edge);
    strange.slice.0 = b"GLSL of another version".to_vec();
    let stored = world.authority.bundle(Zone::Edge, 7, vec![strange]);
    let mut out = glacis_wire::Writer::new();
    world.authority.edge_keys().key_set.encode(&mut out).unwrap();
    Published::from_bytes(&stored).unwrap().bundle.encode(&mut out).unwrap();
    world.files.replace("published", out.as_bytes()).unwrap();
    let text = crate::world::config(&world.authority.token, "");
    let again = start(&world.authority, &text, &world.host, Arc::clone(&world.files) as Arc<dyn Files>);
    assert_eq!(again.bundle_version(), None);
    let older = world.authority.bundle(Zone::Edge, 6, vec![slice("view", Zone::Edge)]);
    assert!(again.accept_bundle(&older).unwrap_err().to_string().contains("older"));
    let newer = world.authority.bundle(Zone::Edge, 8, vec![slice("view", Zone::Edge)]);
    assert!(again.accept_bundle(&newer).unwrap());
    assert_eq!(again.bundle_version(), Some(8));
}

#[test]
fn bundles_that_do_not_hold_leave_the_live_one() {
    let world = World::new();
    let authority = &world.authority;
    let view = || slice("view", Zone::Edge);
    let good = authority.bundle(Zone::Edge, 2, vec![view()]);
    let stranger = Authority { policy: crate::device::key(90), ..Authority::new("acme", Realm::Demo) };
    let mut broken = view();
    broken.slice.0.truncate(20);
    let mut misnamed = view();
    misnamed.policy = PolicyDigest::new([3; 32]);
    let cut = good[..good.len() - 1].to_vec();
    let mut bent = good.clone();
    *bent.last_mut().unwrap() ^= 1;
    let oversized = vec![0; 18 << 20];
    for (what, bytes) in [
        ("another signer", stranger.bundle(Zone::Edge, 2, vec![view()])),
        ("another tenant", Authority::new("other", Realm::Demo).bundle(Zone::Edge, 2, vec![view()])),
        ("another realm", Authority::new("acme", Realm::Production).bundle(Zone::Edge, 2, vec![view()])),
        ("another zone", authority.bundle(Zone::Cloud, 2, vec![view()])),
        ("a device slice", authority.bundle(Zone::Edge, 2, vec![slice("view", Zone::Device)])),
        ("a broken slice", authority.bundle(Zone::Edge, 2, vec![broken])),
        ("another digest", authority.bundle(Zone::Edge, 2, vec![misnamed])),
        ("an event twice", authority.bundle(Zone::Edge, 2, vec![view(), view()])),
        ("same version, other content", authority.bundle(Zone::Edge, 1, vec![view()])),
        ("older", authority.bundle(Zone::Edge, 0, vec![view()])),
        ("truncated", cut),
        ("bent signature", bent),
        ("oversized", oversized),
        ("nothing", Vec::new()),
    ] {
        assert!(world.core.accept_bundle(&bytes).is_err(), "{what}");
        assert_eq!(world.core.bundle_version(), Some(1), "{what}");
    }
    assert!(world.core.accept_bundle(&good).unwrap());
    let mut session = world.session(66, ATTESTED);
    let request = session.sign(
        get("/accounts/1"),
        event(1),
        Some(&says(world.view, NodeOutcome::False)),
        None,
        world.now(),
    );
    assert_eq!(world.code(&request), "forward");
}

#[test]
fn device_bundles_are_passed_on_with_the_key_sets_that_the_asker_lacks() {
    let world = World::new();
    let bytes = world.authority.bundle(Zone::Device, 4, vec![slice("view", Zone::Device)]);
    world.core.accept_device_bundle(&bytes).unwrap();
    let mut request = get(&format!("{}?keys=1", http::PATH_BUNDLE));
    let answer = world.answer(&request);
    assert_eq!((answer.status, answer.body), (200, bytes));
    let etag = answer.headers.iter().find(|(name, _)| name == "etag").unwrap().1.clone();
    request.headers.push(("if-none-match".into(), etag));
    assert_eq!(world.answer(&request).status, 304);
    let older = world.authority.bundle(Zone::Device, 3, vec![]);
    assert!(world.core.accept_device_bundle(&older).is_err());
}
