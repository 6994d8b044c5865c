//! Collateral in the control plane: what is taken and what is not, who falls with a piece of it, who comes back and how,
//! and issuers of too many devices. Phones are Android-shaped, under roots of the test.

use crate::forge::{key, spki};
use crate::phone::{Batch, PACKAGE, Phone, SIGNER};
use crate::world::{Device, START, World};
use glacis_attest::collateral::{Age, Life, SupportKind};
use glacis_attest::{AndroidApp, Collateral, References, Revocations, Roots};
use glacis_cloud::page::{Ask, Page};
use glacis_cloud::registry::{Fallen, PartnerTerms};
use glacis_cloud::{CloudCore, CloudError, CloudErrorKind, Enrolling, Place};
use glacis_host::Clock as _;
use glacis_seal::{Context, SigningKey};
use glacis_wire::message::enrol::{EnrolExtras, EnrolRequest, Evidence};
use glacis_wire::message::policy::{Feed, FeedAction};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Decode as _, Digest, Realm, TenantId, Thumbprint, Tier, Trust};
use std::collections::BTreeSet;
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);
const ALL: Ask = Ask { cursor: None, limit: 1_000 };
const DAY: Duration = Duration::from_secs(86_400);

/// The key of the collateral.
fn maker() -> SigningKey {
    key(40)
}

/// Batches under the root that collateral of [`held`] anchors.
fn batch(serial: u64) -> Batch {
    Batch::new(1, u8::try_from(serial % 200).unwrap() + 2, serial)
}

fn listed(serials: &[&str]) -> Revocations {
    let entries: Vec<String> =
        serials.iter().map(|serial| format!("\"{serial}\": {{\"status\": \"REVOKED\"}}")).collect();
    let text = format!("{{\"entries\": {{{}}}}}", entries.join(", "));
    Revocations::parse_google(text.as_bytes(), START).unwrap()
}

fn held(version: u64, revoked: &[&str]) -> Collateral {
    let app = |package: &str| AndroidApp { package: package.to_owned(), signers: vec![Digest::new(SIGNER)] };
    Collateral {
        life: Life {
            version,
            made_at: START,
            stale_after: START.after(30 * DAY),
            not_after: START.after(60 * DAY),
        },
        roots: Roots { android: vec![spki(&key(1)), spki(&key(250))], ..Roots::default() },
        references: References {
            android_apps: vec![app(PACKAGE), app("com.example.other")],
            boot_keys: vec![vec![3; 32]],
            ..References::default()
        },
        systems: [(vec![3; 32], "a system".to_owned())].into(),
        revocations: Some(listed(revoked)),
        ceilings: [("maker-1".to_owned(), Tier::Software)].into(),
    }
}

fn sealed(world: &World, collateral: &Collateral) -> Vec<u8> {
    collateral.seal(&maker(), &world.context).unwrap()
}

fn open(world: &World, place: &Place<'_>) -> CloudCore {
    let mut config = world.config();
    config.enrolling = Enrolling {
        families: ["android-key".to_owned(), "simulated".to_owned()].into(),
        collateral_key: Some(maker().public()),
        ..Enrolling::default()
    };
    CloudCore::open(place, config, world.host.clone()).unwrap()
}

/// A core with collateral of version 1 in force.
fn core(world: &World) -> CloudCore {
    let mut core = open(world, &Place::Memory);
    core.take_collateral(&sealed(world, &held(1, &[])), "ops").unwrap();
    core
}

fn request(
    world: &World,
    core: &mut CloudCore,
    device: &Device,
    made: (&Batch, &dyn Fn(&mut Phone)),
) -> EnrolRequest {
    let challenge = core.enrol_challenge().unwrap();
    let mut phone = Phone::new(&challenge.nonce);
    made.1(&mut phone);
    let body = Bytes(made.0.evidence(&device.key, &phone));
    let evidence = Evidence { family: Text("android-key".to_owned()), body };
    world.enrolment_with(device, &challenge, Some(evidence))
}

fn enrol_so(
    world: &World,
    core: &mut CloudCore,
    device: &Device,
    made: (&Batch, &dyn Fn(&mut Phone)),
) -> Result<(), CloudError> {
    let request = request(world, core, device, made);
    core.enrol(&request).map(|_answer| ())
}

/// A new phone of a batch.
fn enrol(world: &World, core: &mut CloudCore, batch: &Batch) -> Device {
    let device = world.device();
    enrol_so(world, core, &device, (batch, &|_| {})).unwrap();
    device
}

fn fallen(core: &mut CloudCore) -> Vec<Fallen> {
    core.fallen_page(None, &ALL).unwrap().items
}

fn names<'a>(devices: impl IntoIterator<Item = &'a Device>) -> BTreeSet<Thumbprint> {
    devices.into_iter().map(|device| device.thumbprint).collect()
}

/// Devices that the feed names now.
fn feed(core: &mut CloudCore) -> BTreeSet<Thumbprint> {
    let feed = Feed::from_bytes(&core.feed().unwrap().body).unwrap();
    feed.entries.0.into_iter().map(|entry| entry.thumbprint).collect()
}

fn last_reason(core: &mut CloudCore, device: &Device) -> (Tier, Tier, String) {
    let change = core.device(&device.thumbprint).unwrap().history.pop().unwrap();
    (change.from, change.to, change.reason)
}

#[test]
fn revoking_a_serial_reappraises_exactly_the_devices_that_rested_on_it() {
    let world = World::new(400);
    let mut core = core(&world);
    let (leaked, sound) = (batch(500), batch(600));
    let hit: Vec<Device> = (0..3).map(|_| enrol(&world, &mut core, &leaked)).collect();
    let kept: Vec<Device> = (0..3).map(|_| enrol(&world, &mut core, &sound)).collect();
    let bare = world.device();
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&bare, &challenge, None)).unwrap();
    let view = core.device(&hit[0].thumbprint).unwrap();
    assert_eq!((view.tier, view.trust, view.collateral), (Tier::Hardware, Trust::Attested, Some(1)));
    assert_eq!((view.revocations_as_of, view.rests_on.len()), (Some(START), 4));

    // 1f4 is 500.
    let next = sealed(&world, &held(2, &["1f4", "999"]));
    let (would, first) = core.falling_with(&next, 2).unwrap();
    assert_eq!((would, first.len()), (3, 2), "a dry run counts all and shows some");
    assert!(core.try_collateral(&next).unwrap().news);
    assert!(fallen(&mut core).is_empty() && feed(&mut core).is_empty(), "and changes nothing");

    world.host.advance(Duration::from_secs(5));
    let taken = core.take_collateral(&next, "ops").unwrap();
    assert_eq!((taken.version, taken.previous, taken.age, taken.news), (2, Some(1), Age::Fresh, true));
    let found = fallen(&mut core);
    assert_eq!(found.iter().map(|fallen| fallen.thumbprint).collect::<BTreeSet<_>>(), names(&hit));
    for one in &found {
        assert_eq!((one.from, one.to, one.collateral), (Tier::Hardware, Tier::Software, 2));
        assert_eq!((one.support.kind, one.support.value.as_slice()), (SupportKind::Serial, &[1, 0xf4][..]));
    }
    assert_eq!(core.fallen_count(2).unwrap(), 3);
    assert_eq!(feed(&mut core), names(&hit));
    for device in &hit {
        let view = core.device(&device.thumbprint).unwrap();
        assert_eq!(
            (view.tier, view.trust, view.listed),
            (Tier::Software, Trust::Claimed, Some(FeedAction::Cap))
        );
        assert!(view.rests_on.is_empty());
        let want = (Tier::Hardware, Tier::Software, "collateral-serial".to_owned());
        assert_eq!(last_reason(&mut core, device), want);
    }
    for device in &kept {
        let view = core.device(&device.thumbprint).unwrap();
        assert_eq!((view.tier, view.trust, view.listed), (Tier::Hardware, Trust::Attested, None));
        assert_eq!(view.history.len(), 1);
    }
    assert_eq!(core.device(&bare.thumbprint).unwrap().history.len(), 1);
    // Nothing of it enrols again, and nothing falls twice.
    let refused = enrol_so(&world, &mut core, &world.device(), (&leaked, &|_| {})).unwrap_err();
    assert!(refused.detail().contains("revoked"), "{refused}");
    assert!(!core.take_collateral(&next, "ops").unwrap().news);
    core.take_collateral(&sealed(&world, &held(3, &["1f4"])), "ops").unwrap();
    assert_eq!(fallen(&mut core).len(), 3);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn one_leaf_alone_falls_with_its_own_serial() {
    let world = World::new(401);
    let mut core = core(&world);
    let both = batch(500);
    let (hit, kept) = (world.device(), world.device());
    enrol_so(&world, &mut core, &hit, (&both, &|phone| phone.serial = 0xabcd)).unwrap();
    enrol_so(&world, &mut core, &kept, (&both, &|phone| phone.serial = 0xabce)).unwrap();
    core.take_collateral(&sealed(&world, &held(2, &["abcd"])), "ops").unwrap();
    let found: Vec<Thumbprint> = fallen(&mut core).into_iter().map(|fallen| fallen.thumbprint).collect();
    assert_eq!(found, [hit.thumbprint]);
    assert_eq!(core.device(&kept.thumbprint).unwrap().tier, Tier::Hardware);
}

#[test]
fn devices_fall_with_the_root_the_app_and_the_system_that_they_rest_on() {
    let world = World::new(402);
    let mut core = core(&world);
    let (own, other_root) = (batch(500), Batch::new(250, 9, 700));
    let plain = enrol(&world, &mut core, &own);
    let rooted = enrol(&world, &mut core, &other_root);
    let [app, system] = [(); 2].map(|()| world.device());
    enrol_so(&world, &mut core, &app, (&own, &|phone| phone.package = "com.example.other".to_owned()))
        .unwrap();
    enrol_so(&world, &mut core, &system, (&own, &|phone| phone.own_system = Some([3; 32]))).unwrap();
    assert_eq!(
        core.device(&system.thumbprint).unwrap().tier,
        Tier::Hardware,
        "an allowed system has a real tier"
    );
    let mut next = held(2, &[]);
    next.roots.android.pop();
    next.references.android_apps.pop();
    next.references.boot_keys.clear();
    core.take_collateral(&sealed(&world, &next), "ops").unwrap();
    for (device, reason) in
        [(&rooted, "collateral-anchor"), (&app, "collateral-app"), (&system, "collateral-boot-key")]
    {
        assert_eq!(last_reason(&mut core, device), (Tier::Hardware, Tier::Software, reason.to_owned()));
    }
    assert_eq!(core.device(&plain.thumbprint).unwrap().tier, Tier::Hardware);
    assert_eq!(fallen(&mut core).len(), 3);
}

#[test]
fn a_serial_that_is_restored_lifts_nobody_and_attesting_anew_does() {
    let world = World::new(403);
    let mut core = core(&world);
    let suspended = batch(500);
    let [silent, renewed, vouching] = [(); 3].map(|()| enrol(&world, &mut core, &suspended));
    core.take_collateral(&sealed(&world, &held(2, &["500"])), "ops").unwrap();
    world.host.advance(Duration::from_secs(5));
    core.take_collateral(&sealed(&world, &held(3, &[])), "ops").unwrap();
    assert_eq!(feed(&mut core), names([&silent, &renewed, &vouching]), "restored, and still capped");
    assert_eq!(core.device(&silent.thumbprint).unwrap().tier, Tier::Software);
    // Old results are good for hours still: evidence that is worth less must not take the key out of the feed.
    let challenge = core.enrol_challenge().unwrap();
    let bare = core.enrol(&world.enrolment(&renewed, &challenge, None)).unwrap_err();
    assert_eq!(bare.kind(), REFUSED);
    let strange = |phone: &mut Phone| phone.package = "com.somebody.else".to_owned();
    let less = enrol_so(&world, &mut core, &renewed, (&suspended, &strange)).unwrap_err();
    assert!(less.detail().contains("enrol a new key"), "{less}");
    assert!(feed(&mut core).contains(&renewed.thumbprint));
    // As much as before: the same key comes back.
    enrol_so(&world, &mut core, &renewed, (&suspended, &|_| {})).unwrap();
    let view = core.device(&renewed.thumbprint).unwrap();
    assert_eq!((view.tier, view.listed, view.collateral), (Tier::Hardware, None, Some(3)));
    // Or a new one, for which the old one vouches.
    let new = world.device();
    let plain = request(&world, &mut core, &new, (&suspended, &|_| {}));
    core.enrol(&world.replacing(&vouching, &new, plain)).unwrap();
    assert_eq!(core.device(&new.thumbprint).unwrap().tier, Tier::Hardware);
    assert_eq!(core.device(&new.thumbprint).unwrap().lineage.len(), 1);
    let again = enrol_so(&world, &mut core, &vouching, (&suspended, &|_| {})).unwrap_err();
    assert!(again.detail().contains("a listed key"), "it was replaced: {again}");
    world.host.advance(Duration::from_secs(2));
    assert_eq!(feed(&mut core), names([&silent, &vouching]));
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_fork_and_an_operators_refusal_outlast_a_fall() {
    let world = World::new(404);
    let mut core = core(&world);
    let suspended = batch(500);
    let [forked, refused] = [(); 2].map(|()| enrol(&world, &mut core, &suspended));
    core.take_collateral(&sealed(&world, &held(2, &["500"])), "ops").unwrap();
    crate::lineage::fork(&mut core, forked.thumbprint);
    core.refuse_device(&refused.thumbprint, "stolen").unwrap();
    core.take_collateral(&sealed(&world, &held(3, &[])), "ops").unwrap();
    for device in [&forked, &refused] {
        let again = enrol_so(&world, &mut core, device, (&suspended, &|_| {})).unwrap_err();
        assert!(again.detail().contains("a listed key"), "{again}");
    }
    assert_eq!(last_reason(&mut core, &forked).2, "session-fork");
    let listed = core.device(&refused.thumbprint).unwrap().listed;
    assert_eq!(listed, Some(FeedAction::Refuse));
}

#[test]
fn what_is_older_forged_foreign_or_of_another_time_is_refused_and_what_is_in_force_stays() {
    let world = World::new(405);
    let mut core = core(&world);
    core.take_collateral(&sealed(&world, &held(5, &[])), "ops").unwrap();
    let kind = |core: &mut CloudCore, bytes: &[u8]| {
        let dry = core.try_collateral(bytes).unwrap_err().kind();
        let kind = core.take_collateral(bytes, "ops").unwrap_err().kind();
        assert_eq!(dry, kind);
        assert_eq!(core.collateral().unwrap().unwrap().life.version, 5);
        kind
    };
    let sealed_by = |key: &SigningKey, context: &Context| held(6, &[]).seal(key, context).unwrap();
    assert_eq!(kind(&mut core, &sealed(&world, &held(4, &["500"]))), CloudErrorKind::NotNewer);
    assert_eq!(kind(&mut core, &sealed(&world, &held(5, &["500"]))), CloudErrorKind::Conflict);
    assert_eq!(kind(&mut core, &sealed_by(&key(41), &world.context)), CloudErrorKind::BadSignature);
    let globex = Context::new(TenantId::parse("globex").unwrap(), Realm::Demo);
    assert_eq!(kind(&mut core, &sealed_by(&maker(), &globex)), CloudErrorKind::BadSignature);
    let production = Context::new(world.context.tenant.clone(), Realm::Production);
    assert_eq!(kind(&mut core, &sealed_by(&maker(), &production)), CloudErrorKind::BadSignature);
    let good = sealed(&world, &held(6, &[]));
    assert_eq!(kind(&mut core, &good[..good.len() - 1]), CloudErrorKind::Invalid);
    assert_eq!(kind(&mut core, b""), CloudErrorKind::Invalid);
    let mut early = held(6, &[]);
    early.life.made_at = START.after(DAY);
    assert_eq!(kind(&mut core, &sealed(&world, &early)), CloudErrorKind::Invalid);
    let mut late = held(6, &[]);
    (late.life.made_at, late.life.stale_after) = (START.before(9 * DAY), START.before(8 * DAY));
    late.life.not_after = START.before(7 * DAY);
    assert_eq!(kind(&mut core, &sealed(&world, &late)), CloudErrorKind::Invalid);
    assert!(fallen(&mut core).is_empty());
}

#[test]
fn a_store_keeps_the_newest_over_a_restart_and_goes_on_where_it_was_interrupted() {
    let world = World::new(406);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = open(&world, &Place::File(&path));
    core.take_collateral(&sealed(&world, &held(1, &[])), "ops").unwrap();
    let (leaked, sound) = (batch(500), batch(600));
    // More than fall in one step.
    core.begin().unwrap();
    let hit: Vec<Device> = (0..600).map(|_| enrol(&world, &mut core, &leaked)).collect();
    let kept = enrol(&world, &mut core, &sound);
    core.commit().unwrap();
    // A batch that is given up changes nothing, in memory neither.
    core.begin().unwrap();
    core.take_collateral(&sealed(&world, &held(3, &["500"])), "ops").unwrap();
    core.abandon();
    assert_eq!(core.collateral().unwrap().unwrap().life.version, 1);
    assert!(fallen(&mut core).is_empty() && feed(&mut core).is_empty());

    core.take_collateral(&sealed(&world, &held(2, &["500"])), "ops").unwrap();
    let first = fallen(&mut core).len();
    assert!(0 < first && first < hit.len(), "{first} fell in the first step");
    drop(core);
    let mut core = open(&world, &Place::File(&path));
    let view = core.collateral().unwrap().unwrap();
    assert_eq!((view.life.version, view.taken_by.as_str(), view.revoked), (2, "ops", 1));
    while core.reappraise().unwrap().more {}
    let found: BTreeSet<Thumbprint> = fallen(&mut core).into_iter().map(|one| one.thumbprint).collect();
    assert_eq!(found, names(&hit));
    assert_eq!(feed(&mut core), names(&hit));
    assert_eq!(core.device(&kept.thumbprint).unwrap().tier, Tier::Hardware);
    // The file that lies there is older than what was seen.
    let older = core.take_collateral(&sealed(&world, &held(1, &[])), "file").unwrap_err();
    assert_eq!(older.kind(), CloudErrorKind::NotNewer);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn without_collateral_in_force_no_evidence_enrols_and_a_key_of_its_own_is_needed() {
    let world = World::new(407);
    let mut core = open(&world, &Place::Memory);
    assert_eq!(core.collateral().unwrap(), None);
    let refused = enrol_so(&world, &mut core, &world.device(), (&batch(500), &|_| {})).unwrap_err();
    assert!(refused.detail().contains("no-collateral"), "{refused}");
    // An installation that names no key takes none, whoever signed it.
    let mut plain = world.core();
    let refused = plain.take_collateral(&sealed(&world, &held(1, &[])), "ops").unwrap_err();
    assert_eq!(refused.kind(), CloudErrorKind::Conflict);
}

#[test]
fn another_key_in_the_configuration_puts_nothing_in_force_until_its_first_comes() {
    let world = World::new(408);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = open(&world, &Place::File(&path));
    core.take_collateral(&sealed(&world, &held(4, &[])), "ops").unwrap();
    drop(core);
    let mut config = world.config();
    config.enrolling.collateral_key = Some(key(41).public());
    let mut core = CloudCore::open(&Place::File(&path), config, world.host.clone()).unwrap();
    assert_eq!(core.collateral().unwrap(), None);
    let by_new = |version| held(version, &[]).seal(&key(41), &world.context).unwrap();
    // What was seen is the floor, whoever signs.
    assert_eq!(core.take_collateral(&by_new(3), "ops").unwrap_err().kind(), CloudErrorKind::NotNewer);
    assert!(core.take_collateral(&by_new(4), "ops").unwrap().news, "the same content, signed by the new key");
    assert_eq!(core.collateral().unwrap().unwrap().life.version, 4);
}

#[test]
fn what_is_stale_caps_and_says_so_and_what_is_too_old_refuses() {
    let world = World::new(409);
    let mut core = core(&world);
    let fresh = enrol(&world, &mut core, &batch(500));
    world.host.advance(31 * DAY);
    assert_eq!(core.collateral().unwrap().unwrap().age, Age::Stale);
    let stale = enrol(&world, &mut core, &batch(500));
    assert_eq!(
        last_reason(&mut core, &stale),
        (Tier::Software, Tier::Software, "stale-collateral".to_owned())
    );
    assert_eq!(core.device(&stale.thumbprint).unwrap().trust, Trust::Claimed);
    assert_eq!(core.device(&fresh.thumbprint).unwrap().tier, Tier::Hardware, "nobody falls with age");
    world.host.advance(30 * DAY);
    let refused = enrol_so(&world, &mut core, &world.device(), (&batch(500), &|_| {})).unwrap_err();
    assert!(refused.detail().contains("old-collateral"), "{refused}");
    // A device without evidence needs none.
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap();
}

#[test]
fn a_partners_devices_are_held_to_the_ceiling_of_the_collateral() {
    let world = World::new(410);
    let mut core = core(&world);
    let terms = PartnerTerms {
        families: ["android-key".to_owned()].into(),
        tier_max: Tier::Strong,
        daily_max: 9,
        total_max: 9,
    };
    let key = core.add_partner("maker-1", &terms, "ops").unwrap();
    let device = world.device();
    let plain = request(&world, &mut core, &device, (&batch(500), &|_| {}));
    core.enrol(&world.vouched(("maker-1", &key), &device, plain)).unwrap();
    assert_eq!(last_reason(&mut core, &device).2, "partner-ceiling");
    assert_eq!(core.device(&device.thumbprint).unwrap().tier, Tier::Software);
    // It has no tier to lose, and its history says all the same what happened; the feed need not.
    core.take_collateral(&sealed(&world, &held(2, &["500"])), "ops").unwrap();
    let want = (Tier::Software, Tier::Software, "collateral-serial".to_owned());
    assert_eq!(last_reason(&mut core, &device), want);
    assert!(feed(&mut core).is_empty());
}

/// A core whose batches may have two devices, and whose own keys one.
fn narrow(world: &mut World) -> CloudCore {
    (world.limits.issuer_batch_max, world.limits.issuer_own_max) = (2, 1);
    core(world)
}

#[test]
fn a_key_that_vouches_for_too_many_devices_raises_one_alarm_and_blocks_nobody() {
    let mut world = World::new(411);
    let mut core = narrow(&mut world);
    let (leaked, sound) = (batch(500), batch(600));
    let alarms = |core: &mut CloudCore| core.issuers_page(&ALL).unwrap().items;
    let first = enrol(&world, &mut core, &leaked);
    enrol(&world, &mut core, &leaked);
    enrol(&world, &mut core, &sound);
    // The same device again is one device.
    enrol_so(&world, &mut core, &first, (&leaked, &|_| {})).unwrap();
    assert!(alarms(&mut core).is_empty());
    let third = enrol(&world, &mut core, &leaked);
    let fourth = enrol(&world, &mut core, &leaked);
    let found = alarms(&mut core);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].devices, found[0].own, found[0].alarm), (4, false, world.host.now()));
    assert_eq!(found[0].key, glacis_seal::sha256(&spki(&leaked.key)));
    let incidents = core.incidents(10).unwrap();
    let kinds: Vec<_> = incidents.iter().map(|one| (one.kind.as_str(), one.thumbprint)).collect();
    assert_eq!(kinds, [("issuer-crowded", Some(third.thumbprint))], "once, and in the device's history");
    for device in [&third, &fourth] {
        assert_eq!(core.device(&device.thumbprint).unwrap().tier, Tier::Hardware);
    }
    // Who falls or is refused counts no more; the alarm stays.
    core.refuse_device(&first.thumbprint, "stolen").unwrap();
    core.take_collateral(&sealed(&world, &held(2, &["500"])), "ops").unwrap();
    assert_eq!(alarms(&mut core)[0].devices, 0);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn an_issuer_that_is_one_devices_own_is_crowded_sooner() {
    let mut world = World::new(412);
    let mut core = narrow(&mut world);
    let own = Batch { remote: true, ..batch(500) };
    enrol(&world, &mut core, &own);
    assert!(core.issuers_page(&ALL).unwrap().items.is_empty());
    enrol(&world, &mut core, &own);
    let found = core.issuers_page(&ALL).unwrap().items;
    assert_eq!((found.len(), found[0].own, found[0].devices), (1, true, 2));
    assert_ne!(found[0].key, glacis_seal::sha256(&spki(&own.key)), "it names hardware: a pseudonym is kept");
    // A key that took another's place is the same device.
    let mut world = World::new(413);
    let mut core = narrow(&mut world);
    let own = Batch { remote: true, ..batch(600) };
    let old = enrol(&world, &mut core, &own);
    let new = world.device();
    let plain = request(&world, &mut core, &new, (&own, &|_| {}));
    core.enrol(&world.replacing(&old, &new, plain)).unwrap();
    assert!(core.issuers_page(&ALL).unwrap().items.is_empty(), "one device, and no alarm");
}

/// Every row of a listing, one to a page.
fn one_by_one<T>(mut page: impl FnMut(&Ask) -> Page<T>) -> Vec<T> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let Page { items, next } = page(&Ask { cursor, limit: 1 });
        assert!(items.len() <= 1);
        found.extend(items);
        cursor = next;
        if cursor.is_none() {
            return found;
        }
    }
}

#[test]
fn pages_of_fallen_devices_and_of_crowded_issuers_give_each_row_once() {
    let mut world = World::new(415);
    let mut core = narrow(&mut world);
    for serial in [500, 500, 500, 600, 600, 600] {
        enrol(&world, &mut core, &batch(serial));
    }
    let crowded = core.issuers_page(&ALL).unwrap().items;
    assert_eq!(crowded.len(), 2);
    assert_eq!(one_by_one(|ask| core.issuers_page(ask).unwrap()), crowded);
    core.take_collateral(&sealed(&world, &held(2, &["1f4"])), "ops").unwrap();
    while core.reappraise().unwrap().more {}
    let whole = fallen(&mut core);
    assert_eq!(whole.len(), 3);
    assert_eq!(one_by_one(|ask| core.fallen_page(None, ask).unwrap()), whole);
    assert_eq!(one_by_one(|ask| core.fallen_page(Some(1), ask).unwrap()), vec![]);
    let first = core.fallen_page(None, &Ask { cursor: None, limit: 1 }).unwrap().next;
    let other = core.fallen_page(Some(2), &Ask { cursor: first, limit: 1 });
    assert!(other.is_err(), "a cursor belongs to its filter");
}

#[test]
fn no_hardware_id_and_no_evidence_is_kept() {
    let world = World::new(414);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = open(&world, &Place::File(&path));
    core.take_collateral(&sealed(&world, &held(1, &[])), "ops").unwrap();
    let device = world.device();
    let request = request(&world, &mut core, &device, (&batch(500), &|_| {}));
    let evidence = request.body.evidence.clone().unwrap().body.0;
    core.enrol(&request).unwrap();
    drop(core);
    let store = std::fs::read(&path).unwrap();
    let held = |what: &[u8]| store.windows(what.len()).any(|window| window == what);
    assert!(!held(&evidence[..200]), "the chain");
    assert!(!held(b"Android Keystore") && !held(&[8; 32]), "what the statement says of the boot");
    assert!(held(device.thumbprint.as_bytes()));
}

#[test]
fn simulated_devices_have_no_pieces_and_do_not_fall() {
    let world = World::new(415);
    let mut core = core(&world);
    let device = world.device();
    let challenge = core.enrol_challenge().unwrap();
    let plain = world.enrolment(&device, &challenge, Some(SecurityLevel::Tee));
    core.enrol(&world.signed_enrolment(&device, plain.body, EnrolExtras::default())).unwrap();
    let mut next = held(2, &["500"]);
    next.roots = Roots::default();
    core.take_collateral(&sealed(&world, &next), "ops").unwrap();
    let view = core.device(&device.thumbprint).unwrap();
    assert_eq!((view.tier, view.rests_on.len(), view.collateral), (Tier::Hardware, 0, Some(1)));
}

#[test]
fn a_cap_of_a_fall_ends_with_the_result_that_it_is_about() {
    let world = World::new(416);
    let mut core = core(&world);
    let device = enrol(&world, &mut core, &batch(500));
    core.take_collateral(&sealed(&world, &held(2, &["500"])), "ops").unwrap();
    assert_eq!(feed(&mut core), names([&device]));
    world.host.advance(DAY + Duration::from_secs(300));
    assert!(feed(&mut core).is_empty(), "no node opens a session for it any more");
    assert_eq!(core.device(&device.thumbprint).unwrap().listed, Some(FeedAction::Cap));
}
