//! Publishing: what is taken, what is refused, and that what is live stays live.

use crate::world::{World, compiled_of, decided, digest_of, policy_digest, policy_text, source_of, thumb};
use glacis_cloud::policy::{SOURCE_BYTES_MAX, bind, metering_of};
use glacis_cloud::{CloudCore, CloudErrorKind, Place, Publish};
use glacis_policy::{Binding, Owner};
use glacis_seal::published::{Held, accept};
use glacis_seal::{Purpose, SigningKey, sign_envelope};
use glacis_wire::message::policy::{Bundle, KeySet, KeyUse, Metering, PublishedKey};
use glacis_wire::message::{Bytes, List, Tail, Text};
use glacis_wire::{AppName, Decode as _, Digest, Encode as _, PolicyDigest, Realm, TenantId, Verdict, Zone};

fn other_policy() -> String {
    policy_text().replace("amount > 1000", "amount > 500")
}

fn refused(core: &mut CloudCore, publish: &Publish) -> CloudErrorKind {
    let before = core.live_policies().unwrap();
    let kind = core.publish(publish).unwrap_err().kind();
    assert_eq!(core.live_policies().unwrap(), before, "what is live stays live");
    kind
}

fn rebundle(world: &World, publish: &mut Publish, at: usize, edit: impl FnOnce(&mut Bundle)) {
    let mut bundle = Bundle::from_bytes(&publish.bundles[at].body).unwrap();
    edit(&mut bundle);
    publish.bundles.0[at] = world.sign_bundle(&bundle);
}

#[test]
fn a_publish_goes_live_and_every_receiver_accepts_it() {
    let world = World::new(50);
    let mut core = world.open(&Place::Memory);
    assert_eq!(core.published(Zone::Edge, 0).unwrap_err().kind(), CloudErrorKind::NotFound);
    assert_eq!(core.publish(&world.publish(7)).unwrap(), 7);
    for zone in Zone::ALL {
        let published = core.published(zone, 0).unwrap();
        let held = Held { key_set: world.key_set.clone(), bundle: None };
        let accepted = accept(&held, &world.context, zone, &published).unwrap();
        assert_eq!((accepted.bundle.version, accepted.bundle.zone), (7, zone));
        assert_eq!(accepted.bundle.slices[0].policy, policy_digest());
        assert_eq!(core.published(zone, 1).unwrap().key_sets.len(), 0, "nothing newer than key set 1");
    }
    assert_eq!(core.policy_versions(10).unwrap()[0].version, 7);
}

#[test]
fn the_budgets_of_a_bundle_are_those_of_its_sources() {
    let world = World::new(61);
    let mut core = world.core();
    let text = policy_text().replacen(
        "[policy.if_unknown]",
        "[policy.budget]\nbits_per_day = 100\n[policy.if_unknown]",
        1,
    );
    let metering = metering_of(&compiled_of(&source_of(&text))).unwrap();
    assert_eq!((metering.per_session, metering.per_day), (None, Some(100)));
    let mut publish = world.publish_of(2, &text);
    assert_eq!(refused(&mut core, &publish), CloudErrorKind::PolicyMismatch, "nothing of it");
    let larger = Metering { per_day: Some(101), ..metering.clone() };
    for (at, wrong) in [(0, vec![larger]), (0, vec![metering.clone(); 2]), (1, vec![metering.clone()])] {
        let mut publish = world.publish_of(2, &text);
        rebundle(&world, &mut publish, 0, |bundle| bundle.metering = Tail(vec![metering.clone()]));
        rebundle(&world, &mut publish, at, |bundle| bundle.metering = Tail(wrong));
        assert_eq!(refused(&mut core, &publish), CloudErrorKind::PolicyMismatch, "bundle {at}");
    }
    rebundle(&world, &mut publish, 0, |bundle| bundle.metering = Tail(vec![metering]));
    assert_eq!(core.publish(&publish).unwrap(), 2);
    assert!(metering_of(&compiled_of(&source_of(policy_text()))).is_none(), "none without a budget");
}

#[test]
fn slices_that_are_bound_to_another_are_refused() {
    let world = World::new(59);
    let mut core = world.core();
    let source = source_of(policy_text());
    let compiled = compiled_of(&source);
    let own = bind(&compiled, &world.context);
    let owner = |tenant: &str, realm| Some(Owner { tenant: TenantId::parse(tenant).unwrap(), realm });
    let (tenant, realm) = (world.context.tenant.as_str(), world.context.realm);
    let other = if realm == Realm::Demo { Realm::Production } else { Realm::Demo };
    let forged = [
        (
            Binding { owner: owner("other", realm), ..own.clone() },
            CloudErrorKind::WrongTenant,
            "slice-tenant",
        ),
        (Binding { owner: owner(tenant, other), ..own.clone() }, CloudErrorKind::WrongRealm, "slice-realm"),
        (Binding { owner: None, ..own.clone() }, CloudErrorKind::PolicyMismatch, "slice-unbound"),
        (
            Binding { app: AppName::parse("com.example.other").ok(), ..own.clone() },
            CloudErrorKind::PolicyMismatch,
            "slice-app",
        ),
        (
            Binding { policy: PolicyDigest::new([1; 32]), ..own.clone() },
            CloudErrorKind::PolicyMismatch,
            "slice-policy",
        ),
        (
            Binding { catalogue: Digest::new([1; 32]), ..own.clone() },
            CloudErrorKind::PolicyMismatch,
            "slice-catalogue",
        ),
    ];
    for (binding, kind, code) in forged {
        let publish = world.publish_bound(2, source.clone(), &compiled, &binding);
        let error = core.publish(&publish).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(code), "{error}");
    }
    // A signal that no rule reads: the policy is the same, its catalogue is not.
    let mut grown = source.clone();
    grown.catalogue.text.0.push_str(
        "\n[signal.\"app.unread\"]\ntype = \"bool\"\nzone = \"device\"\nmin_trust = \"attested\"\nprivacy = \"private\"\n\
         purpose = [\"fraud-prevention\"]\nretention = \"30d\"\ncost = 1\n",
    );
    assert_eq!(digest_of(&compiled_of(&grown)), own.policy);
    let error = core.publish(&world.publish_bound(2, grown, &compiled, &own)).unwrap_err();
    assert!(error.to_string().contains("slice-catalogue"), "{error}");
    assert_eq!(core.publish(&world.publish_bound(2, source, &compiled, &own)).unwrap(), 2);
}

#[test]
fn events_of_an_older_release_are_still_decided_by_it() {
    let world = World::new(51);
    let mut core = world.core();
    let newer = world.publish_of(2, &other_policy());
    let digest = digest_of(&compiled_of(&newer.sources[0]));
    core.publish(&newer).unwrap();
    core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap();
    let old = world.transfer(thumb(2), "ann", "bob", 700);
    assert_eq!(decided(core.decide(&old).unwrap()).verdict, Verdict::Allow);
    let mut new = world.transfer(thumb(2), "ann", "bob", 700);
    new.policy = digest;
    new.disclosed.as_mut().unwrap().policy = digest;
    assert_ne!(decided(core.decide(&new).unwrap()).verdict, Verdict::Allow);
    for version in 3..=6 {
        core.publish(&world.publish_of(version, &other_policy())).unwrap();
    }
    assert!(
        core.decide(&world.transfer(thumb(2), "ann", "bob", 700)).is_err(),
        "four releases later it is gone"
    );
}

#[test]
fn older_unsigned_truncated_oversized_and_foreign_publishes_are_refused() {
    let world = World::new(52);
    let stranger = World::new(53);
    let mut core = world.core();
    core.publish(&world.publish(5)).unwrap();
    assert_eq!(refused(&mut core, &world.publish(5)), CloudErrorKind::NotNewer, "the same version");
    assert_eq!(refused(&mut core, &world.publish(4)), CloudErrorKind::NotNewer, "an older version");
    let mut unsigned = world.publish(6);
    unsigned.bundles.0[2].signature = [0; 64];
    assert_eq!(refused(&mut core, &unsigned), CloudErrorKind::BadSignature, "no signature");
    let mut touched = world.publish(6);
    let last = touched.bundles[1].body.len() - 1;
    touched.bundles.0[1].body.0[last] ^= 1;
    assert_eq!(refused(&mut core, &touched), CloudErrorKind::BadSignature, "a flipped bit");
    assert_eq!(refused(&mut core, &stranger.publish(6)), CloudErrorKind::BadSignature, "another signer");
    let mut feed_signed = world.publish(6);
    let bundle = Bundle::from_bytes(&feed_signed.bundles[0].body).unwrap();
    feed_signed.bundles.0[0] =
        sign_envelope(&world.feed_key, &world.context, Purpose::Bundle, &bundle).unwrap();
    assert_eq!(refused(&mut core, &feed_signed), CloudErrorKind::BadSignature, "a key for another use");
    let mut few = world.publish(6);
    few.bundles.0.pop();
    assert_eq!(refused(&mut core, &few), CloudErrorKind::Invalid, "a missing bundle");
    let bytes = world.publish(6).to_bytes().unwrap();
    assert!(Publish::from_bytes(&bytes[..bytes.len() - 1]).is_err(), "truncated");
    let mut large = world.publish(6);
    large.sources.0[0].policy.text = Text("#".repeat(SOURCE_BYTES_MAX + 1));
    assert!(large.to_bytes().is_err(), "oversized");
    assert_eq!(core.publish(&world.publish(6)).unwrap(), 6, "and a good one is still taken");
}

/// As an upgrade of the program finds a store whose slices were made in another form.
#[test]
fn a_published_policy_of_another_form_decides_here_and_is_to_be_published_again() {
    let world = World::new(56);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    assert!(core.live_policies().unwrap().is_current);
    drop(core);
    let mut before = world.publish(1);
    for zone in 0..3 {
        rebundle(&world, &mut before, zone, |bundle| bundle.slices.0[0].slice = Bytes(vec![1, 2, 3]));
    }
    let store = rusqlite::Connection::open(&path).unwrap();
    for (zone, signed) in (0_u32..).zip(before.bundles.iter()) {
        let sql = "UPDATE bundle SET signed_bytes = ?1 WHERE zone = ?2";
        assert_eq!(store.execute(sql, (signed.to_bytes().unwrap(), zone)).unwrap(), 1);
    }
    drop(store);
    let mut core = world.open(&Place::File(&path));
    assert!(!core.live_policies().unwrap().is_current);
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    assert_eq!(decided(core.decide(&facts).unwrap()).verdict, Verdict::Allow);
    core.publish(&world.publish(2)).unwrap();
    assert!(core.live_policies().unwrap().is_current);
}

#[test]
fn bundles_must_be_what_the_sources_compile_to() {
    let world = World::new(54);
    let mut core = world.core();
    type Edit<'a> = Box<dyn Fn(&mut Publish) + 'a>;
    let edits: [(&str, Edit<'_>, CloudErrorKind); 8] = [
        (
            "another slice",
            Box::new(|p| rebundle(&world, p, 1, |b| b.slices.0[0].slice = Bytes(vec![1, 2, 3]))),
            CloudErrorKind::PolicyMismatch,
        ),
        (
            "another digest",
            Box::new(|p| {
                rebundle(&world, p, 0, |b| b.slices.0[0].policy = glacis_wire::PolicyDigest::new([1; 32]));
            }),
            CloudErrorKind::PolicyMismatch,
        ),
        (
            "a slice too many",
            Box::new(|p| {
                rebundle(&world, p, 2, |b| {
                    let slice = b.slices[0].clone();
                    b.slices.0.push(slice);
                });
            }),
            CloudErrorKind::PolicyMismatch,
        ),
        (
            "no slice",
            Box::new(|p| rebundle(&world, p, 2, |b| b.slices.0.clear())),
            CloudErrorKind::PolicyMismatch,
        ),
        (
            "two versions",
            Box::new(|p| rebundle(&world, p, 2, |b| b.version += 1)),
            CloudErrorKind::PolicyMismatch,
        ),
        ("zones swapped", Box::new(|p| p.bundles.0.swap(0, 1)), CloudErrorKind::PolicyMismatch),
        (
            "another tenant",
            Box::new(|p| rebundle(&world, p, 0, |b| b.tenant = TenantId::parse("globex").unwrap())),
            CloudErrorKind::WrongTenant,
        ),
        (
            "sources of another policy",
            Box::new(|p| p.sources = List(vec![source_of(&other_policy())])),
            CloudErrorKind::PolicyMismatch,
        ),
    ];
    for (name, edit, want) in edits {
        let mut publish = world.publish(2);
        edit(&mut publish);
        assert_eq!(refused(&mut core, &publish), want, "{name}");
    }
}

#[test]
fn sources_must_compile_and_their_cases_hold() {
    let world = World::new(55);
    let mut core = world.core();
    let mut typo = world.publish(2);
    typo.sources.0[0].policy.text.0 = policy_text().replace("amount", "amuont");
    let error = core.publish(&typo).unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::PolicyInvalid);
    assert!(
        error.detail().contains("policy.toml:") && error.detail().contains("`amount`"),
        "{}",
        error.detail()
    );
    let mut fails = world.publish(2);
    let cases = fails.sources.0[0].cases.as_mut().unwrap();
    cases.text.0 = cases.text.replace("verdict = \"block\"", "verdict = \"allow\"");
    let error = core.publish(&fails).unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::PolicyInvalid);
    assert!(error.detail().contains("a mule is blocked"), "{}", error.detail());
    assert_eq!(core.live_policies().unwrap().version, 1);
}

fn next_set(world: &World, version: u64, policy: &SigningKey) -> KeySet {
    let mut keys: Vec<PublishedKey> =
        world.key_set.keys.iter().filter(|key| key.usage != KeyUse::Policy).cloned().collect();
    keys.push(PublishedKey { id: policy.key_id(), usage: KeyUse::Policy, key: policy.public() });
    KeySet { version, keys: List(keys), ..world.key_set.clone() }
}

#[test]
fn policy_keys_rotate_through_a_chain_of_key_sets() {
    let world = World::new(56);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    let mut rotated = World::new(56);
    rotated.policy_key = crate::world::key(&world.host);
    let set = next_set(&world, 2, &rotated.policy_key);
    let signed = sign_envelope(&world.policy_key, &world.context, Purpose::KeySet, &set).unwrap();
    let mut by_itself = rotated.publish(2);
    let own = sign_envelope(&rotated.policy_key, &world.context, Purpose::KeySet, &set).unwrap();
    by_itself.key_sets = List(vec![own]);
    assert_eq!(refused(&mut core, &by_itself), CloudErrorKind::BadSignature, "a set that signs itself");
    let gap = KeySet { version: 3, ..set.clone() };
    let mut skips = rotated.publish(2);
    skips.key_sets =
        List(vec![sign_envelope(&world.policy_key, &world.context, Purpose::KeySet, &gap).unwrap()]);
    assert_eq!(refused(&mut core, &skips), CloudErrorKind::NotNewer, "a version left out");
    let mut good = rotated.publish(2);
    good.key_sets = List(vec![signed]);
    assert_eq!(core.publish(&good).unwrap(), 2);
    assert_eq!(refused(&mut core, &world.publish(3)), CloudErrorKind::BadSignature, "the old key is out");
    let held = Held { key_set: world.key_set.clone(), bundle: None };
    let published = core.published(Zone::Device, 1).unwrap();
    assert_eq!(accept(&held, &world.context, Zone::Device, &published).unwrap().held.key_set.version, 2);
    drop(core);
    let mut core = world.open(&Place::File(&path));
    assert_eq!((core.live_policies().unwrap().version, core.live_policies().unwrap().key_set), (2, 2));
}

#[test]
fn keys_that_nobody_published_and_another_birth_are_refused() {
    let world = World::new(57);
    let kind = |config, place: &Place<'_>| {
        CloudCore::open(place, config, world.host.clone()).map(|_core| ()).unwrap_err().kind()
    };
    let mut config = world.config();
    config.keys.result = crate::world::key(&world.host);
    assert_eq!(kind(config, &Place::Memory), CloudErrorKind::WrongKey);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    drop(world.open(&Place::File(&path)));
    let mut config = world.config();
    config.key_set = World::new(58).signed_key_set();
    assert_eq!(kind(config, &Place::File(&path)), CloudErrorKind::WrongKey, "born with another key set");
    let mut config = world.config();
    config.birth.realm = glacis_wire::Realm::Production;
    assert_eq!(kind(config, &Place::File(&path)), CloudErrorKind::WrongRealm);
    let mut config = world.config();
    config.key_set.signature[0] ^= 1;
    assert_eq!(kind(config, &Place::Memory), CloudErrorKind::BadSignature);
}
