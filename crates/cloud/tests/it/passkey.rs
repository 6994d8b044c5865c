//! Passkeys of users: registration, what an assertion is good for, and everything that passes nothing.

use crate::authenticator::Authenticator;
use crate::world::{World, thumb};
use glacis_attest::Site;
use glacis_cloud::passkey::{PASSKEY_TRIES_MAX, PASSKEYS_MAX, PasskeyView, REGISTRATION_LIFE, Registration};
use glacis_cloud::{CloudCore, CloudErrorKind, Place};
use glacis_host::Clock as _;
use glacis_seal::published::open_signed;
use glacis_seal::{MacKey, Purpose, passkey_challenge, sha256};
use glacis_wire::message::challenge::{
    ChallengeNonce, Grant, NonceBody, OtpStart, PasskeyAnswer, PasskeyOutcome, PasskeyVerify,
};
use glacis_wire::message::policy::KeyUse;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Digest, Encode as _, EventId, Method, Realm, TenantId};
use serde_json::Value;
use std::time::Duration;

const WRONG: CloudErrorKind = CloudErrorKind::Refused(Refusal::ProofWrong);
const SITE: (&str, &str) = ("shop.test", "https://shop.test");

/// A nonce as an edge issues it, for one of 256 events.
fn nonce(world: &World, principal: &str, event: u8) -> ChallengeNonce {
    let body = NonceBody {
        thumbprint: thumb(1),
        event: EventId::new([event; 16]),
        content: Digest::new([3; 32]),
        method: Method::Passkey,
        principal: Text(principal.to_owned()),
        random: [event; 16],
        not_after: world.host.now().after(Duration::from_secs(300)),
    };
    sealed(world, body)
}

fn sealed(world: &World, body: NonceBody) -> ChallengeNonce {
    let mac = world.nonce_key.mac(&world.context, Purpose::Nonce, &body.to_bytes().unwrap());
    ChallengeNonce { body, mac }
}

fn add(
    core: &mut CloudCore,
    principal: &str,
    challenge: &[u8],
    response: &Value,
) -> Result<PasskeyView, CloudErrorKind> {
    let response = response.to_string().into_bytes();
    let asked = Registration { principal, challenge, response: &response, by: "shop" };
    core.add_passkey(&asked).map_err(|error| error.kind())
}

/// A user with a registered passkey.
fn registered(core: &mut CloudCore, number: u8, principal: &str) -> (Authenticator, PasskeyView) {
    let options = core.passkey_options(principal).unwrap();
    let mut authenticator = Authenticator::new(number, SITE, &options.user);
    let response = authenticator.register(&options.challenge);
    let view = add(core, principal, &options.challenge, &response).unwrap();
    (authenticator, view)
}

fn assertion(world: &World, authenticator: &mut Authenticator, nonce: &ChallengeNonce) -> PasskeyVerify {
    let challenge = passkey_challenge(&world.context, &nonce.to_bytes().unwrap());
    asserting(nonce, &authenticator.assert(challenge.as_bytes()))
}

fn asserting(nonce: &ChallengeNonce, assertion: &Value) -> PasskeyVerify {
    PasskeyVerify { nonce: nonce.clone(), assertion: Bytes(assertion.to_string().into_bytes()) }
}

fn outcome(core: &mut CloudCore, verify: &PasskeyVerify) -> PasskeyOutcome {
    let PasskeyAnswer { outcome, grant } = core.passkey_verify(verify).unwrap();
    assert_eq!(grant.is_some(), outcome == PasskeyOutcome::Granted);
    outcome
}

fn refusal(core: &mut CloudCore, verify: &PasskeyVerify) -> CloudErrorKind {
    core.passkey_verify(verify).unwrap_err().kind()
}

#[test]
fn an_assertion_gives_a_grant_over_this_nonce_and_moves_the_counter() {
    let world = World::new(700);
    let mut core = world.core();
    let (mut phone, view) = registered(&mut core, 7, "ann");
    assert_eq!(
        (view.principal.as_str(), view.rp.as_str(), view.made_by.as_str()),
        ("ann", "shop.test", "shop")
    );
    assert_eq!((view.credential.clone(), view.used), (vec![7; 16], None));
    world.host.advance(Duration::from_secs(60));
    let nonce = nonce(&world, "ann", 1);
    let verify = assertion(&world, &mut phone, &nonce);
    let answer = core.passkey_verify(&verify).unwrap();
    assert_eq!(answer.outcome, PasskeyOutcome::Granted);
    let grant: Grant =
        open_signed(&world.key_set, KeyUse::Result, &world.context, Purpose::Grant, &answer.grant.unwrap())
            .unwrap();
    assert_eq!(grant.nonce, sha256(&nonce.to_bytes().unwrap()));
    assert_eq!(core.passkeys("ann").unwrap()[0].used, Some(world.host.now()));
    // The answer was lost: the same bytes get it again, although the counter stands where they are.
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Granted);
    // Another assertion for a nonce that was granted is one too many.
    let second = assertion(&world, &mut phone, &nonce);
    assert_eq!(outcome(&mut core, &second), PasskeyOutcome::Spent);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn an_authenticator_that_counts_nothing_passes_each_nonce_once() {
    let world = World::new(701);
    let mut core = world.core();
    let options = core.passkey_options("ann").unwrap();
    let mut phone = Authenticator::new(7, SITE, &options.user);
    phone.counter = 0;
    let response = phone.register(&options.challenge);
    add(&mut core, "ann", &options.challenge, &response).unwrap();
    let (first, second) = (nonce(&world, "ann", 1), nonce(&world, "ann", 2));
    let verify = assertion(&world, &mut phone, &first);
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Granted);
    let replayed = PasskeyVerify { nonce: second.clone(), ..verify };
    assert_eq!(outcome(&mut core, &replayed), PasskeyOutcome::Wrong, "of another event");
    let verify = assertion(&world, &mut phone, &second);
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Granted);
}

/// Every nonce that is not the one that was signed, each signed as that one was.
#[test]
fn an_assertion_is_for_one_device_event_content_principal_and_time() {
    let world = World::new(702);
    let mut core = world.core();
    let (mut phone, _) = registered(&mut core, 7, "ann");
    let good = nonce(&world, "ann", 1);
    let verify = assertion(&world, &mut phone, &good);
    let body = || good.body.clone();
    for (what, body) in [
        ("another event", NonceBody { event: EventId::new([9; 16]), ..body() }),
        ("another content", NonceBody { content: Digest::new([9; 32]), ..body() }),
        ("another device", NonceBody { thumbprint: thumb(2), ..body() }),
        ("another nonce", NonceBody { random: [9; 16], ..body() }),
        (
            "another end",
            NonceBody { not_after: good.body.not_after.before(Duration::from_secs(1)), ..body() },
        ),
        ("another principal", NonceBody { principal: Text("eve".to_owned()), ..body() }),
    ] {
        let moved = PasskeyVerify { nonce: sealed(&world, body.clone()), ..verify.clone() };
        assert_eq!(outcome(&mut core, &moved), PasskeyOutcome::Wrong, "{what}");
        let unsealed = ChallengeNonce { body, mac: good.mac };
        let forged = PasskeyVerify { nonce: unsealed, ..verify.clone() };
        assert_eq!(refusal(&mut core, &forged), WRONG, "{what}, and no node issued it");
    }
    for (what, body) in [
        ("for a code", NonceBody { method: Method::Otp, ..body() }),
        ("for nobody", NonceBody { principal: Text(String::new()), ..body() }),
    ] {
        let other = PasskeyVerify { nonce: sealed(&world, body), ..verify.clone() };
        assert_eq!(refusal(&mut core, &other), WRONG, "{what}");
    }
    assert_eq!(
        core.otp_start(&OtpStart { nonce: good.clone() }).unwrap_err().kind(),
        WRONG,
        "no code for it"
    );
    world.host.advance(Duration::from_secs(300));
    assert_eq!(refusal(&mut core, &verify), WRONG, "expired");
}

#[test]
fn what_was_asserted_elsewhere_or_without_the_user_is_wrong() {
    let world = World::new(703);
    let mut core = world.core();
    let (mut phone, _) = registered(&mut core, 7, "ann");
    let (mut theirs, _) = registered(&mut core, 8, "eve");
    let mut wrong = |what: &str, event: u8, change: &dyn Fn(&mut Authenticator)| {
        let kept = (phone.id.clone(), phone.user.clone(), phone.counter);
        change(&mut phone);
        let verify = assertion(&world, &mut phone, &nonce(&world, "ann", event));
        assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Wrong, "{what}");
        (phone.id, phone.user, phone.counter) = kept;
        (phone.rp, phone.origin, phone.verifies) = (SITE.0.to_owned(), SITE.1.to_owned(), true);
    };
    wrong("a phishing page", 1, &|phone| phone.origin = "https://shop.test.evil.test".to_owned());
    wrong("another relying party", 2, &|phone| phone.rp = "evil.test".to_owned());
    wrong("nobody was verified", 3, &|phone| phone.verifies = false);
    wrong("a counter that stands", 4, &|phone| phone.counter = 0);
    wrong("another user's handle", 5, &|phone| phone.user = vec![1; 32]);
    wrong("another user's credential, by this key", 6, &|phone| phone.id = vec![8; 16]);
    wrong("a credential that nobody has", 7, &|phone| phone.id = vec![9; 16]);
    let nonce = nonce(&world, "ann", 8);
    let verify = assertion(&world, &mut theirs, &nonce);
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Wrong, "a passkey of somebody else");
    for rubbish in [&b""[..], b"{}", b"null", &[0xff; 64]] {
        let verify = PasskeyVerify { nonce: nonce.clone(), assertion: Bytes(rubbish.to_vec()) };
        assert_ne!(outcome(&mut core, &verify), PasskeyOutcome::Granted);
    }
    let incidents = core.incidents(10).unwrap();
    let kinds: Vec<&str> = incidents.iter().map(|incident| incident.kind.as_str()).collect();
    assert_eq!(kinds, ["passkey-counter"], "a copied authenticator is told of, nothing else");
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_counter_never_goes_back_even_over_a_restart() {
    let world = World::new(704);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    let (mut phone, _) = registered(&mut core, 7, "ann");
    let mut counting = |core: &mut CloudCore, event: u8, counter: u32| {
        // It counts up before it answers.
        phone.counter = counter - 1;
        outcome(core, &assertion(&world, &mut phone, &nonce(&world, "ann", event)))
    };
    assert_eq!(counting(&mut core, 1, 40), PasskeyOutcome::Granted);
    drop(core);
    let mut core = world.open(&Place::File(&path));
    for (event, counter) in [(2, 2), (3, 39), (4, 40)] {
        assert_eq!(counting(&mut core, event, counter), PasskeyOutcome::Wrong, "{counter}");
    }
    assert_eq!(counting(&mut core, 5, 41), PasskeyOutcome::Granted);
    assert_eq!(core.incidents(10).unwrap().len(), 3);
}

#[test]
fn a_removed_passkey_passes_nothing_and_its_grants_are_not_given_again() {
    let world = World::new(705);
    let mut core = world.core();
    let (mut phone, view) = registered(&mut core, 7, "ann");
    let (first, second) = (nonce(&world, "ann", 1), nonce(&world, "ann", 2));
    let passed = assertion(&world, &mut phone, &first);
    assert_eq!(outcome(&mut core, &passed), PasskeyOutcome::Granted);
    core.remove_passkey(view.id, "shop").unwrap();
    assert_eq!(core.remove_passkey(view.id, "shop").unwrap_err().kind(), CloudErrorKind::NotFound);
    assert_eq!(core.passkeys("ann").unwrap(), []);
    assert_eq!(outcome(&mut core, &passed), PasskeyOutcome::Spent);
    let verify = assertion(&world, &mut phone, &second);
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Wrong);
    // It may be registered anew, under another number and also for somebody else.
    let (_, again) = registered(&mut core, 7, "eve");
    assert!(again.id > view.id);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn nothing_of_another_tenant_realm_or_cluster_is_taken() {
    let world = World::new(706);
    let mut core = world.core();
    let (mut phone, _) = registered(&mut core, 7, "ann");
    let good = nonce(&world, "ann", 1);
    let mut other_realm = world.context.clone();
    other_realm.realm = Realm::Production;
    let mut other_tenant = world.context.clone();
    other_tenant.tenant = TenantId::parse("other").unwrap();
    for context in [other_realm, other_tenant] {
        let foreign = World { context, nonce_key: world.nonce_key.clone(), ..World::new(706) };
        // A nonce of theirs is none of ours, and what was signed for ours in their name is for another challenge.
        let theirs = assertion(&world, &mut phone, &nonce(&foreign, "ann", 1));
        assert_eq!(refusal(&mut core, &theirs), WRONG);
        let verify = assertion(&foreign, &mut phone, &good);
        assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Wrong);
    }
    let stranger = World { nonce_key: MacKey::new([8; 32]), ..World::new(706) };
    let verify = assertion(&world, &mut phone, &nonce(&stranger, "ann", 1));
    assert_eq!(refusal(&mut core, &verify), WRONG);
}

#[test]
fn failures_are_counted_by_nonce_and_by_user_on_a_device() {
    let mut world = World::new(707);
    world.limits.passkey_failed_hourly_max = PASSKEY_TRIES_MAX + 2;
    let mut core = world.core();
    let (mut phone, _) = registered(&mut core, 7, "ann");
    let first = nonce(&world, "ann", 1);
    let rubbish = PasskeyVerify { nonce: first.clone(), assertion: Bytes(b"{}".to_vec()) };
    for _ in 1..PASSKEY_TRIES_MAX {
        assert_eq!(outcome(&mut core, &rubbish), PasskeyOutcome::Wrong);
    }
    assert_eq!(outcome(&mut core, &rubbish), PasskeyOutcome::Spent);
    let late = assertion(&world, &mut phone, &first);
    assert_eq!(outcome(&mut core, &late), PasskeyOutcome::Spent, "the right one comes too late");
    for event in 2..=3 {
        let rubbish = PasskeyVerify { nonce: nonce(&world, "ann", event), ..rubbish.clone() };
        assert_eq!(outcome(&mut core, &rubbish), PasskeyOutcome::Wrong);
    }
    let verify = assertion(&world, &mut phone, &nonce(&world, "ann", 4));
    assert_eq!(refusal(&mut core, &verify), CloudErrorKind::Refused(Refusal::DeviceLimited));
    let (mut other, _) = registered(&mut core, 9, "ann");
    let elsewhere = NonceBody { thumbprint: thumb(2), ..nonce(&world, "ann", 7).body };
    let verify = assertion(&world, &mut other, &sealed(&world, elsewhere));
    assert_eq!(
        outcome(&mut core, &verify),
        PasskeyOutcome::Granted,
        "a thief's device does not lock hers out"
    );
    let (mut theirs, _) = registered(&mut core, 8, "eve");
    let verify = assertion(&world, &mut theirs, &nonce(&world, "eve", 5));
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Granted, "nobody else is held up");
    let rows = |core: &CloudCore| -> u32 {
        let sql = "SELECT count(*) FROM passkey_answer";
        core.danger_connection().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(rows(&core), 5);
    world.host.advance(Duration::from_secs(3_601));
    let verify = assertion(&world, &mut phone, &nonce(&world, "ann", 6));
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Granted);
    assert_eq!(rows(&core), 1, "what ended long ago is forgotten");
    world.host.advance(Duration::from_secs(3_601));
    core.sweep().unwrap();
    assert_eq!(rows(&core), 0);
}

#[test]
fn a_registration_is_for_one_user_site_challenge_and_time() {
    const UNPROCESSABLE: CloudErrorKind = CloudErrorKind::Unprocessable;
    let world = World::new(708);
    let mut core = world.core();
    let options = core.passkey_options("ann").unwrap();
    assert_eq!((options.rp.as_str(), options.exclude.len()), ("shop.test", 0));
    assert_eq!(core.passkey_options("ann").unwrap().user, options.user);
    assert_ne!(core.passkey_options("eve").unwrap().user, options.user);
    let fresh = |change: &dyn Fn(&mut Authenticator)| {
        let mut authenticator = Authenticator::new(7, SITE, &options.user);
        change(&mut authenticator);
        authenticator.register(&options.challenge)
    };
    let good = fresh(&|_| {});
    for (what, response) in [
        ("another relying party", fresh(&|phone| phone.rp = "evil.test".to_owned())),
        ("a phishing page", fresh(&|phone| phone.origin = "https://evil.test".to_owned())),
        ("nobody was verified", fresh(&|phone| phone.verifies = false)),
        ("no response", serde_json::json!({})),
        ("another challenge", Authenticator::new(7, SITE, &options.user).register(&[7; 56])),
        ("an assertion", Authenticator::new(7, SITE, &options.user).assert(&options.challenge)),
    ] {
        assert_eq!(add(&mut core, "ann", &options.challenge, &response), Err(UNPROCESSABLE), "{what}");
    }
    assert_eq!(
        add(&mut core, "eve", &options.challenge, &good),
        Err(UNPROCESSABLE),
        "another user's challenge"
    );
    let made_up = Authenticator::new(7, SITE, &options.user).register(&[7; 56]);
    assert_eq!(add(&mut core, "ann", &[7; 56], &made_up), Err(UNPROCESSABLE), "a challenge that is not ours");
    for at in [0, 8, 24] {
        let mut changed = options.challenge.clone();
        changed[at] ^= 1;
        let response = Authenticator::new(7, SITE, &options.user).register(&changed);
        assert_eq!(add(&mut core, "ann", &changed, &response), Err(UNPROCESSABLE), "byte {at}");
    }
    for principal in ["", &"a".repeat(129)] {
        assert_eq!(core.passkey_options(principal).unwrap_err().kind(), CloudErrorKind::Invalid);
    }
    add(&mut core, "ann", &options.challenge, &good).unwrap();
    let other = Authenticator::new(8, SITE, &options.user).register(&options.challenge);
    assert_eq!(add(&mut core, "ann", &options.challenge, &other), Err(CloudErrorKind::Conflict), "used");
    let theirs = core.passkey_options("eve").unwrap();
    let taken = Authenticator::new(7, SITE, &theirs.user).register(&theirs.challenge);
    assert_eq!(add(&mut core, "eve", &theirs.challenge, &taken), Err(CloudErrorKind::Conflict), "registered");
    let late = core.passkey_options("ann").unwrap();
    assert_eq!(late.exclude, [vec![7; 16]]);
    world.host.advance(REGISTRATION_LIFE);
    let response = Authenticator::new(8, SITE, &late.user).register(&late.challenge);
    assert_eq!(add(&mut core, "ann", &late.challenge, &response), Err(UNPROCESSABLE), "expired");
    assert_eq!(core.passkeys("ann").unwrap().len(), 1);
}

#[test]
fn a_user_has_so_many_passkeys_and_another_one_after_one_goes() {
    let world = World::new(709);
    let mut core = world.core();
    let begun = core.passkey_options("ann").unwrap();
    let many = u8::try_from(PASSKEYS_MAX).unwrap();
    let views: Vec<_> = (1..=many).map(|number| registered(&mut core, number, "ann").1).collect();
    assert_eq!(core.passkey_options("ann").unwrap_err().kind(), CloudErrorKind::Conflict);
    let response = Authenticator::new(99, SITE, &begun.user).register(&begun.challenge);
    assert_eq!(add(&mut core, "ann", &begun.challenge, &response), Err(CloudErrorKind::Conflict));
    core.remove_passkey(views[0].id, "shop").unwrap();
    add(&mut core, "ann", &begun.challenge, &response).unwrap();
}

#[test]
fn without_a_site_nothing_is_registered_and_nothing_passes_and_the_setting_is_named() {
    let mut world = World::new(710);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    let (mut phone, view) = registered(&mut core, 7, "ann");
    drop(core);
    let site = world.passkeys.take();
    let mut core = world.open(&Place::File(&path));
    let error = core.passkey_options("ann").unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Conflict);
    assert!(error.detail().contains("[cloud.passkeys]"), "{error}");
    let verify = assertion(&world, &mut phone, &nonce(&world, "ann", 1));
    assert_eq!(refusal(&mut core, &verify), WRONG);
    drop(core);
    // Nor does a passkey of an earlier site pass where the site is another one.
    world.passkeys = Some(Site { id: "new.test".to_owned(), origins: vec!["https://new.test".to_owned()] });
    let mut core = world.open(&Place::File(&path));
    for (event, rp, origin) in [(2, "new.test", "https://new.test"), (3, SITE.0, SITE.1)] {
        (phone.rp, phone.origin) = (rp.to_owned(), origin.to_owned());
        let verify = assertion(&world, &mut phone, &nonce(&world, "ann", event));
        assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Wrong, "{rp}");
    }
    drop(core);
    world.passkeys = site;
    let mut core = world.open(&Place::File(&path));
    let verify = assertion(&world, &mut phone, &nonce(&world, "ann", 4));
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Granted);
    core.remove_passkey(view.id, "shop").unwrap();
}

#[test]
fn a_key_that_was_changed_in_the_store_is_found() {
    let world = World::new(711);
    for sql in [
        "UPDATE passkey_change SET key = x'00'",
        "UPDATE passkey_change SET principal = 'eve'",
        "DELETE FROM passkey_change",
    ] {
        let mut core = world.core();
        registered(&mut core, 7, "ann");
        assert_eq!(core.danger_connection().execute(sql, []).unwrap(), 1);
        assert!(core.verify_audit_whole().unwrap().fault.is_some(), "{sql}");
    }
    let mut core = world.core();
    let (mut phone, view) = registered(&mut core, 7, "ann");
    core.remove_passkey(view.id, "shop").unwrap();
    let back = format!("INSERT INTO passkey VALUES ({}, 0, NULL)", view.id);
    core.danger_connection().execute(&back, []).unwrap();
    let verify = assertion(&world, &mut phone, &nonce(&world, "ann", 1));
    assert_eq!(outcome(&mut core, &verify), PasskeyOutcome::Wrong, "put back beside the chain");
    core.danger_connection().execute("DELETE FROM passkey_change WHERE removes IS NOT NULL", []).unwrap();
    assert!(core.verify_audit_whole().unwrap().fault.is_some());
}
