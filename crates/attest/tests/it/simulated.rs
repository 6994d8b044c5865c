//! Family `simulated`: tiers and trust of genuine evidence, and a refusal for every link that is wrong.

use crate::{
    CHALLENGE, NOW, anchors, appraise, context, device_key, evidence, genuine, host, make_device,
    manufacturer,
};
use glacis_attest::{Anchors, Claims, Code};
use glacis_dtx::simulated::PlatformFacts;
use glacis_host::Entropy;
use glacis_seal::{sha256, thumbprint};
use glacis_wire::message::Bytes;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::simulated::{BootState, SecurityLevel, SimulatedEvidence};
use glacis_wire::{Decode, Encode, Realm, Tier, Timestamp, Trust};

fn refused(evidence: &Evidence, anchors: &Anchors) -> Code {
    appraise(evidence, anchors, &CHALLENGE, &device_key("key"), NOW).unwrap_err().code()
}

#[test]
fn tier_follows_from_key_and_boot_and_trust_from_app_and_boot() {
    for (level, boot, app, tier, trust) in [
        (SecurityLevel::Tee, BootState::Verified, "app", Tier::Hardware, Trust::Attested),
        (SecurityLevel::Strongbox, BootState::Verified, "app", Tier::Strong, Trust::Attested),
        (SecurityLevel::Tee, BootState::Verified, "repackaged", Tier::Hardware, Trust::Claimed),
        (SecurityLevel::Strongbox, BootState::Unverified, "app", Tier::Software, Trust::Claimed),
        (SecurityLevel::Strongbox, BootState::SelfSigned, "app", Tier::Software, Trust::Claimed),
        (SecurityLevel::Tee, BootState::Failed, "repackaged", Tier::Software, Trust::Claimed),
    ] {
        let facts = PlatformFacts { app: sha256(app.as_bytes()), boot, level };
        let appraisal = appraise(&evidence(facts), &anchors(), &CHALLENGE, &device_key("key"), NOW).unwrap();
        assert_eq!((appraisal.tier, appraisal.trust), (tier, trust), "{level:?} {boot:?} {app}");
        assert_eq!(appraisal.not_after, Timestamp::from_secs(2_000));
        let Claims::Simulated(claims) = &appraisal.claims else { panic!("{:?}", appraisal.claims) };
        assert_eq!((claims.model.as_str(), claims.boot), ("Model T", boot));
        assert_eq!(appraisal.reasons.is_empty(), trust == Trust::Attested, "{:?}", appraisal.reasons);
        let affirming = |claim: i8| (2..32).contains(&claim);
        let all = affirming(appraisal.vector.executables) && affirming(appraisal.vector.hardware);
        assert_eq!(all, trust == Trust::Attested, "the vector says the same");
    }
}

#[test]
fn evidence_is_worth_nothing_outside_the_demo() {
    let production = Anchors { context: context("acme", Realm::Production), ..anchors() };
    assert_eq!(refused(&evidence(genuine()), &production), Code::Realm);
}

#[test]
fn evidence_of_another_tenant_or_root_is_refused() {
    let tenant = Anchors { context: context("acme2", Realm::Demo), ..anchors() };
    assert_eq!(refused(&evidence(genuine()), &tenant), Code::Signature);
    let roots = Anchors { simulated_roots: vec![manufacturer("someone else").root()], ..anchors() };
    assert_eq!(refused(&evidence(genuine()), &roots), Code::UnknownRoot);
    let none = Anchors { simulated_roots: vec![], ..anchors() };
    assert_eq!(refused(&evidence(genuine()), &none), Code::UnknownRoot);
}

#[test]
fn evidence_is_for_one_challenge_and_one_device_key() {
    let evidence = evidence(genuine());
    for challenge in [&[6; 32][..], &[5; 31], &[5; 33], &[]] {
        let refused = appraise(&evidence, &anchors(), challenge, &device_key("key"), NOW).unwrap_err();
        assert_eq!(refused.code(), Code::Challenge);
    }
    let refused = appraise(&evidence, &anchors(), &CHALLENGE, &device_key("other"), NOW).unwrap_err();
    assert_eq!(refused.code(), Code::DeviceKey);
}

#[test]
fn a_certificate_bounds_its_key_in_time_and_level() {
    let late = Timestamp::from_ms(2_000_001);
    let refused_late =
        appraise(&evidence(genuine()), &anchors(), &CHALLENGE, &device_key("key"), late).unwrap_err();
    assert_eq!(refused_late.code(), Code::Expired);
    let facts = PlatformFacts { level: SecurityLevel::Strongbox, ..genuine() };
    let tee =
        make_device(SecurityLevel::Tee).attest(&CHALLENGE, thumbprint(&device_key("key")), facts).unwrap();
    assert_eq!(refused(&tee, &anchors()), Code::Level);
}

#[test]
fn parts_of_two_devices_do_not_make_one() {
    let host = host("second");
    let second = manufacturer("maker")
        .make_device(|out| host.fill(out), "Model A", SecurityLevel::Strongbox, Timestamp::from_secs(2_000))
        .unwrap();
    let second = second.attest(&CHALLENGE, thumbprint(&device_key("key")), genuine()).unwrap();
    let parts = |evidence: &Evidence| SimulatedEvidence::from_bytes(&evidence.body).unwrap();
    let mixed = SimulatedEvidence { certificate: parts(&evidence(genuine())).certificate, ..parts(&second) };
    let mixed = Evidence { body: Bytes(mixed.to_bytes().unwrap()), ..second };
    assert_eq!(refused(&mixed, &anchors()), Code::Signature);
}

#[test]
fn no_cut_or_flipped_evidence_passes() {
    let genuine = evidence(genuine());
    let check = |body: Vec<u8>| refused(&Evidence { body: Bytes(body), ..genuine.clone() }, &anchors());
    for len in 0..genuine.body.len() {
        assert_eq!(check(genuine.body[..len].to_vec()), Code::Malformed, "cut to {len}");
    }
    for bit in 0..genuine.body.len() * 8 {
        let mut body = genuine.body.to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        check(body);
    }
    assert_eq!(check([&genuine.body[..], &[0]].concat()), Code::Malformed);
}
