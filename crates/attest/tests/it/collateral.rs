//! Collateral: whose it is, how old it may be, what it is worth stale, and what falls when a piece of it goes.

use crate::context;
use crate::forge::{key, spki};
use crate::phone::{Batch, PACKAGE, Phone, SIGNER};
use glacis_attest::collateral::{
    Age, COLLATERAL_BYTES_MAX, Life, Mark, Support, SupportKind, danger_unverified,
};
use glacis_attest::standing::{Facts, Goal};
use glacis_attest::{
    Anchors, AndroidApp, Appraisal, AttestError, Code, Collateral, CollateralError, Constraints, Question,
    References, Revocations, Roots, Site,
};
use glacis_seal::{Context, Purpose, SigningKey, sha256, sign_envelope};
use glacis_wire::message::collateral as wire;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Signed, Text};
use glacis_wire::{Decode as _, Digest, Encode as _, Realm, Tier, Timestamp, Trust};
use std::time::Duration;

const MADE: Timestamp = Timestamp::from_secs(1_800_000_000);
const DAY: Duration = Duration::from_secs(86_400);

fn acme() -> Context {
    context("acme", Realm::Production)
}

fn maker() -> SigningKey {
    key(40)
}

fn list(entries: &[(&str, &str)]) -> Revocations {
    let entries: Vec<String> = entries
        .iter()
        .map(|(serial, status)| format!("\"{serial}\": {{\"status\": \"{status}\"}}"))
        .collect();
    let text = format!("{{\"entries\": {{{}}}}}", entries.join(", "));
    Revocations::parse_google(text.as_bytes(), MADE).unwrap()
}

/// What [`Batch`] needs: its root, its app, a list that names nobody of it.
fn collateral(version: u64) -> Collateral {
    Collateral {
        life: Life {
            version,
            made_at: MADE,
            stale_after: MADE.after(3 * DAY),
            not_after: MADE.after(14 * DAY),
        },
        roots: Roots { android: vec![spki(&key(1))], tpm: vec![spki(&key(5))], ..Roots::default() },
        references: References {
            android_apps: vec![AndroidApp {
                package: PACKAGE.to_owned(),
                signers: vec![Digest::new(SIGNER)],
            }],
            apple_apps: vec!["ABCDE12345.com.example".to_owned()],
            boot_keys: vec![vec![3; 32]],
            patch_level_min: Some(202_501),
            sites: vec![Site {
                id: "example.com".to_owned(),
                origins: vec!["https://example.com".to_owned()],
            }],
            boot_authorities: vec![Digest::new([6; 32])],
        },
        systems: [(vec![3; 32], "GrapheneOS, Pixel 9".to_owned())].into(),
        revocations: Some(list(&[("abc123", "REVOKED"), ("77777", "SUSPENDED")])),
        ceilings: [("maker-1".to_owned(), Tier::Hardware)].into(),
    }
}

fn batch() -> Batch {
    Batch::new(1, 2, 500)
}

fn appraise(collateral: &Collateral, phone: &Phone, now: Timestamp) -> Result<Appraisal, AttestError> {
    let evidence =
        Evidence { family: Text("android-key".to_owned()), body: Bytes(batch().evidence(&key(3), phone)) };
    let question = Question {
        anchors: &Anchors::new(acme()),
        references: &References::default(),
        revocations: None,
        constraints: &Constraints::default(),
        challenge: b"challenge",
        device_key: Some(&key(3).public()),
        activation: None,
        now,
    };
    collateral.appraise(&evidence, &question)
}

#[test]
fn what_was_sealed_is_opened_by_its_key_in_its_tenant_and_realm_and_by_nothing_else() {
    let made = collateral(7);
    let bytes = made.seal(&maker(), &acme()).unwrap();
    let (opened, mark) = Collateral::open(&bytes, &acme(), &maker().public()).unwrap();
    assert_eq!(opened, made);
    assert_eq!(mark.version, 7);
    let stated = danger_unverified(&bytes).unwrap();
    assert_eq!((stated.context, stated.collateral, stated.mark), (acme(), made, mark));
    assert_eq!(stated.signer, maker().key_id());
    let refused = |context: &Context, by: &SigningKey| {
        Collateral::open(&bytes, context, &by.public()).unwrap_err().code()
    };
    assert_eq!(refused(&acme(), &key(41)), "signature", "the same file under another key");
    assert_eq!(refused(&context("globex", Realm::Production), &maker()), "signature");
    assert_eq!(refused(&context("acme", Realm::Demo), &maker()), "signature");
    // Signed for one tenant, and naming another.
    let body = wire::Collateral::from_bytes(&Signed::from_bytes(&bytes).unwrap().body).unwrap();
    let swapped = context("globex", Realm::Production);
    let signed = sign_envelope(&maker(), &swapped, Purpose::Collateral, &body).unwrap().to_bytes().unwrap();
    let error = Collateral::open(&signed, &swapped, &maker().public()).unwrap_err();
    assert_eq!(error, CollateralError::Scope);
    // What the key signed for another purpose.
    let other = sign_envelope(&maker(), &acme(), Purpose::Feed, &body).unwrap().to_bytes().unwrap();
    assert_eq!(Collateral::open(&other, &acme(), &maker().public()).unwrap_err().code(), "signature");
}

#[test]
fn no_byte_can_be_cut_off_or_added_and_no_bit_be_flipped() {
    let bytes = collateral(7).seal(&maker(), &acme()).unwrap();
    let public = maker().public();
    for len in 0..bytes.len() {
        assert!(Collateral::open(&bytes[..len], &acme(), &public).is_err(), "cut at {len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Collateral::open(&longer, &acme(), &public).unwrap_err().code(), "malformed");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Collateral::open(&flipped, &acme(), &public).is_err(), "bit {bit}");
    }
    let huge = vec![0; COLLATERAL_BYTES_MAX + 1];
    assert_eq!(Collateral::open(&huge, &acme(), &public).unwrap_err(), CollateralError::TooLarge);
}

/// Signs whatever a maker's own program would not.
fn forced(change: impl FnOnce(&mut wire::Collateral)) -> CollateralError {
    let bytes = collateral(7).seal(&maker(), &acme()).unwrap();
    let mut body = wire::Collateral::from_bytes(&Signed::from_bytes(&bytes).unwrap().body).unwrap();
    change(&mut body);
    let signed = sign_envelope(&maker(), &acme(), Purpose::Collateral, &body).unwrap();
    Collateral::open(&signed.to_bytes().unwrap(), &acme(), &maker().public()).unwrap_err()
}

#[test]
fn what_cannot_be_is_refused_although_it_is_signed() {
    for error in [
        forced(|body| body.version = 0),
        forced(|body| body.version = 1 << 53),
        forced(|body| body.not_after = body.made_at),
        forced(|body| body.stale_after = body.not_after.after(DAY)),
        forced(|body| body.not_after = body.made_at.after(401 * DAY)),
        forced(|body| body.revocations.as_mut().unwrap().entries.0.reverse()),
        forced(|body| body.revocations.as_mut().unwrap().entries.0[0].serial.0 = "0".to_owned()),
        forced(|body| body.revocations.as_mut().unwrap().entries.0[1].serial.0 = "xyz".to_owned()),
        forced(|body| body.ceilings.0.push(body.ceilings.0[0].clone())),
    ] {
        assert_eq!(error.code(), "content", "{error}");
    }
    let mut endless = collateral(7);
    endless.life.not_after = MADE.after(401 * DAY);
    assert_eq!(endless.seal(&maker(), &acme()).unwrap_err().code(), "content");
    let mut nobody = collateral(7);
    nobody.ceilings.insert("maker-2".to_owned(), Tier::None);
    assert_eq!(nobody.seal(&maker(), &acme()).unwrap_err().code(), "content");
}

#[test]
fn lists_have_bounds() {
    let mut many = collateral(7);
    many.references.boot_keys = (0..1_025_u32).map(|n| [n.to_be_bytes(); 8].concat()).collect();
    assert_eq!(many.seal(&maker(), &acme()).unwrap_err().code(), "too-large");
    let serials: Vec<String> =
        (0..200_001_u32).map(|n| format!("\"{n:x}1\": {{\"status\": \"REVOKED\"}}")).collect();
    let text = format!("{{\"entries\": {{{}}}}}", serials.join(","));
    let mut many = collateral(7);
    many.revocations = Some(Revocations::parse_google(text.as_bytes(), MADE).unwrap());
    assert_eq!(many.seal(&maker(), &acme()).unwrap_err().code(), "too-large");
}

#[test]
fn a_lower_version_and_the_same_with_another_content_are_refused() {
    let mark = |version, content: &[u8]| Mark { version, digest: sha256(content) };
    let seen = mark(7, b"seven");
    assert_eq!(mark(7, b"seven").succeeds(None), Ok(true));
    assert_eq!(mark(8, b"eight").succeeds(Some(&seen)), Ok(true));
    assert_eq!(mark(7, b"seven").succeeds(Some(&seen)), Ok(false));
    assert_eq!(mark(7, b"other").succeeds(Some(&seen)), Err(CollateralError::Conflict(7)));
    let older = CollateralError::Older { offered: 6, held: 7 };
    assert_eq!(mark(6, b"six").succeeds(Some(&seen)), Err(older));
}

#[test]
fn age_decides_what_results_are_worth() {
    let held = collateral(7);
    let phone = Phone::new(b"challenge");
    let at = |days: u64| MADE.after(u32::try_from(days).unwrap() * DAY);
    assert_eq!(
        [0, 2, 3, 13, 14].map(|days| held.life.age(at(days))),
        [Age::Fresh, Age::Fresh, Age::Stale, Age::Stale, Age::Old]
    );
    let fresh = appraise(&held, &phone, at(2)).unwrap();
    assert_eq!((fresh.tier, fresh.trust), (Tier::Hardware, Trust::Attested));
    assert_eq!((fresh.basis.collateral, fresh.not_after), (Some(7), held.life.not_after));
    assert!(fresh.reasons.is_empty(), "{:?}", fresh.reasons);
    // The list is four days old, which a list alone may not be: here its age is the collateral's.
    let stale = appraise(&held, &phone, at(4)).unwrap();
    assert_eq!((stale.tier, stale.trust), (Tier::Software, Trust::Claimed));
    let codes: Vec<Code> = stale.reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [Code::StaleCollateral]);
    assert_eq!((fresh.facts.fresh, stale.facts), (true, Facts { fresh: false, ..fresh.facts }));
    let kept: Vec<String> =
        stale.kept_by.iter().filter(|kept| kept.from != Goal::Strong).map(ToString::to_string).collect();
    assert_eq!(kept, ["attested/stale", "hardware/stale"]);
    let refused = |now| appraise(&held, &phone, now).unwrap_err().code();
    assert_eq!(refused(at(14)), Code::OldCollateral);
    // A clock that was put back, or one of the maker's that runs ahead.
    assert_eq!(refused(MADE.before(DAY)), Code::FutureCollateral);
    assert!(
        appraise(&held, &phone, MADE.before(Duration::from_secs(200))).is_ok(),
        "within what clocks differ"
    );
}

#[test]
fn the_question_cannot_widen_what_collateral_says() {
    let mut held = collateral(7);
    held.roots.android.clear();
    let refused = appraise(&held, &Phone::new(b"challenge"), MADE).unwrap_err();
    assert_eq!(refused.code(), Code::UnknownRoot);
    let mut held = collateral(7);
    held.revocations = None;
    assert_eq!(appraise(&held, &Phone::new(b"challenge"), MADE).unwrap_err().code(), Code::NoRevocationList);
    assert_eq!(appraise(&collateral(7), &Phone::new(b"other"), MADE).unwrap_err().code(), Code::Challenge);
}

#[test]
fn a_system_of_its_owner_gets_a_tier_where_it_is_allowed_and_none_where_not() {
    let phone = |key| Phone { own_system: Some(key), ..Phone::new(b"challenge") };
    let allowed = appraise(&collateral(7), &phone([3; 32]), MADE).unwrap();
    assert_eq!((allowed.tier, allowed.trust), (Tier::Hardware, Trust::Attested));
    let strange = appraise(&collateral(7), &phone([4; 32]), MADE).unwrap();
    assert_eq!((strange.tier, strange.trust), (Tier::Software, Trust::Claimed));
    // Only what counted can fall.
    let boot = |found: &Appraisal| found.supports().iter().any(|piece| piece.kind == SupportKind::BootKey);
    assert_eq!((boot(&allowed), boot(&strange)), (true, false));
}

#[test]
fn an_appraisal_falls_with_each_of_its_pieces_and_with_nothing_else() {
    let held = collateral(7);
    let phone = Phone { own_system: Some([3; 32]), ..Phone::new(b"challenge") };
    let supports = appraise(&held, &phone, MADE).unwrap().supports();
    let kinds: Vec<SupportKind> = supports.iter().map(|support| support.kind).collect();
    use SupportKind::{Anchor, AndroidApp as App, BootKey, Serial};
    assert_eq!(kinds, [Anchor, Serial, Serial, App, BootKey]);
    assert!(supports.iter().all(|support| held.holds(support)));
    let falls = |change: &dyn Fn(&mut Collateral)| -> Vec<SupportKind> {
        let mut other = collateral(8);
        change(&mut other);
        supports.iter().filter(|support| !other.holds(support)).map(|support| support.kind).collect()
    };
    assert_eq!(falls(&|other| other.roots.android = vec![spki(&key(9))]), [Anchor]);
    assert_eq!(falls(&|other| other.references.boot_keys.clear()), [BootKey]);
    assert_eq!(falls(&|other| other.references.android_apps[0].package.push('x')), [App]);
    assert_eq!(falls(&|other| other.references.android_apps[0].signers = vec![Digest::new([1; 32])]), [App]);
    // 500 is 1f4: written either way, and suspended as well as revoked.
    for (serial, status) in [("500", "REVOKED"), ("1f4", "REVOKED"), ("1F4", "SUSPENDED"), ("01f4", "NEW")] {
        assert_eq!(falls(&|other| other.revocations = Some(list(&[(serial, status)]))), [Serial], "{serial}");
    }
    // What it does not rest on: other roots, apps, sites, serials, patch levels.
    assert!(
        falls(&|other| {
            other.roots.tpm.clear();
            other.references.apple_apps.clear();
            other.references.sites.clear();
            other.references.boot_authorities.clear();
            other.references.patch_level_min = Some(209_901);
            other.revocations = Some(list(&[("501", "REVOKED"), ("1f5", "REVOKED")]));
            other.ceilings.clear();
        })
        .is_empty()
    );
}

#[test]
fn a_serial_is_found_from_the_list_as_it_is_when_a_chain_is_checked() {
    let mut held = collateral(7);
    held.revocations = Some(list(&[("500", "REVOKED"), ("abc", "SUSPENDED")]));
    let mut serials: Vec<Vec<u8>> = held.listed_serials().collect();
    serials.sort();
    // 0x500, 500, 0xabc.
    assert_eq!(serials, [vec![1, 0xf4], vec![5, 0], vec![0x0a, 0xbc]]);
    for serial in serials {
        assert!(!held.holds(&Support { kind: SupportKind::Serial, value: serial }));
    }
}

#[test]
fn issuers_are_watched_where_one_key_is_one_batch_or_one_device() {
    let found = appraise(&collateral(7), &Phone::new(b"challenge"), MADE).unwrap();
    let watched = found.watched_issuer().unwrap();
    assert_eq!((watched.issuer, watched.own), (sha256(&spki(&key(2))), false));
}

#[test]
fn googles_list_of_roots_gives_keys_and_anything_else_is_refused() {
    use glacis_attest::google_roots;
    let google = Roots::vendors().android;
    let pem = |der: &[u8]| {
        let base64 = glacis_seal::text::base64(der);
        format!("-----BEGIN PUBLIC KEY-----\\n{base64}\\n-----END PUBLIC KEY-----\\n")
    };
    let roots = format!("[\"{}\", \"{}\", \"{}\"]", pem(&google[0]), pem(&google[1]), pem(&google[0]));
    assert_eq!(google_roots(roots.as_bytes()), Some(google), "a key twice is one key");
    for bad in [
        "",
        "{}",
        "[]",
        "[1]",
        "[\"no key\"]",
        "[\"-----BEGIN PRIVATE KEY-----\\nAA==\\n-----END PRIVATE KEY-----\"]",
    ] {
        assert_eq!(google_roots(bad.as_bytes()), None, "{bad}");
    }
}
