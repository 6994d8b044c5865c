//! Attacks that once worked, and two zones that once disagreed.

use crate::world::{World, compiled_of, decided, digest_of, key, policy_text, source_of, thumb};
use glacis_cloud::CloudErrorKind;
use glacis_host::Entropy as _;
use glacis_policy::Obligations;
use glacis_seal::Purpose;
use glacis_wire::message::List;
use glacis_wire::message::decide::{ClosedBy, DEVICE_ZONE, EventFacts, Record, Report, SignalAnswer};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::OpeningRecord;
use glacis_wire::{
    Answer, Cause, Digest, Encode as _, NodeName, PolicyDigest, Reference, SignalName, Thumbprint, Tier,
    Trust, Verdict, Zone,
};
use std::time::Duration;

fn edge() -> NodeName {
    NodeName::parse("edge-1").unwrap()
}

/// A clone that names an invented parent and a number far ahead shows as soon as its owner goes on.
#[test]
fn a_clone_that_invents_parent_and_number_is_a_fork_all_the_same() {
    let world = World::new(90);
    for clone_first in [false, true] {
        let mut core = world.core();
        let device = world.device();
        let challenge = core.enrol_challenge().unwrap();
        core.enrol(&world.enrolment(&device, &challenge, None)).unwrap();
        let mut open = |counter: u64, name: u8, minutes: u64| {
            let opening = OpeningRecord {
                thumbprint: device.thumbprint,
                epoch_ctr: counter,
                parent: Digest::new([name; 32]),
                chain: Digest::new([name + 1; 32]),
                opened_at: crate::world::START.after(Duration::from_secs(60 * minutes)),
                node: edge(),
            };
            let (records, devices) = (List(Vec::new()), List(Vec::new()));
            core.report(&Report {
                node: edge(),
                records,
                openings: List(vec![opening]),
                devices,
                operator: List(vec![]),
            })
            .unwrap();
            core.device(&device.thumbprint).unwrap().listed
        };
        assert_eq!(open(1, 0, 0), None);
        // Numbers may have gaps, and reports of two nodes may come in any order.
        assert_eq!(open(5, 20, 40), None);
        assert_eq!(open(3, 10, 20), None);
        let (clone, owner) = ((1 << 40, 100, 50), (6, 30, 70));
        let (first, second) = if clone_first { (clone, owner) } else { (owner, clone) };
        assert_eq!(open(first.0, first.1, first.2), None);
        assert_eq!(open(second.0, second.1, second.2), Some(FeedAction::Cap), "clone first: {clone_first}");
    }
}

/// Code inside the app can use the device key. It must not get the user's passkey replaced by its own.
#[test]
fn an_enrolled_key_keeps_its_passkey() {
    let world = World::new(91);
    let mut core = world.core();
    let device = world.device();
    let mut enrol = |passkey| {
        let challenge = core.enrol_challenge().unwrap();
        let mut request = world.enrolment(&device, &challenge, None);
        request.body.passkey = passkey;
        let bytes = request.body.to_bytes().unwrap();
        request.signature = device.key.sign(&world.context, Purpose::Enrol, &bytes).unwrap();
        core.enrol(&request).map(|_| ()).map_err(|error| error.kind())
    };
    let users = Some(key(&world.host).public());
    assert!(enrol(users).is_ok());
    for attackers in [Some(key(&world.host).public()), None] {
        assert_eq!(enrol(attackers), Err(CloudErrorKind::Refused(Refusal::EnrolmentRefused)));
    }
    assert!(enrol(users).is_ok(), "enrolling again renews the result");
}

fn settle(world: &World, facts: EventFacts, policy: &str) -> (Obligations, Vec<String>, Verdict) {
    let mut core = world.open(&glacis_cloud::Place::Memory);
    core.publish(&world.publish_of(1, policy)).unwrap();
    let record = Record {
        facts,
        zone: Zone::Edge,
        verdict: Verdict::Challenge(glacis_wire::Method::Passkey),
        reference: Reference::from_random(world.host.array().unwrap()),
        closed_by: ClosedBy::CloudUnavailable,
        decided: crate::world::START,
        reasons: List(Vec::new()),
    };
    let reference = record.reference;
    let (openings, devices) = (List(Vec::new()), List(Vec::new()));
    core.report(&Report {
        node: edge(),
        records: List(vec![record]),
        openings,
        devices,
        operator: List(vec![]),
    })
    .unwrap();
    let settled = core.decision(&reference).unwrap().settled.unwrap();
    let matched = settled.matched.iter().map(|reason| reason.0.clone()).collect();
    (settled.obligations, matched, settled.verdict)
}

fn under(world: &World, policy: &str) -> (EventFacts, PolicyDigest) {
    let digest = digest_of(&compiled_of(&source_of(policy)));
    let mut facts = world.transfer(thumb(1), "ann", "bob", 5);
    facts.policy = digest;
    facts.disclosed.as_mut().unwrap().policy = digest;
    (facts, digest)
}

/// Equality (invariant 1): a decision that was closed for an outage owes what the whole policy owes in an outage.
#[test]
fn an_outage_is_settled_as_it_was_closed() {
    let world = World::new(92);
    let hidden = "id = \"mule\"\nobligations = [\"notify\"]";
    let policy = policy_text().replace("id = \"mule\"", hidden);
    let (facts, _) = under(&world, &policy);
    let (obligations, matched, verdict) = settle(&world, facts.clone(), &policy);
    let notify = Obligations::of(glacis_policy::Obligation::Notify);
    assert_eq!(obligations, notify, "the hidden rule closed to a match, whatever the list says by now");
    assert_eq!(verdict, Verdict::Challenge(glacis_wire::Method::Passkey));
    assert!(matched.iter().any(|reason| reason == "mule"), "{matched:?}");
    let skipping = format!("{hidden}\nif_unknown = {{ unavailable = \"skip\" }}");
    let policy = policy_text().replace("id = \"mule\"", &skipping);
    let (facts, _) = under(&world, &policy);
    let (obligations, ..) = settle(&world, facts, &policy);
    assert_eq!(obligations, Obligations::NONE);
}

/// Why a device says nothing is not the device's word: both zones close by the same entry, whatever its trust.
#[test]
fn absent_and_version_stay_what_they_are_for_a_claimed_device() {
    let world = World::new(93);
    let entries = |version: &str| policy_text().replace("version = \"challenge(passkey)\"", version);
    let policy = entries("version = \"match\"");
    let mut core = world.open(&glacis_cloud::Place::Memory);
    core.publish(&world.publish_of(1, &policy)).unwrap();
    let (mut facts, _) = under(&world, &policy);
    (facts.tier, facts.trust) = (Tier::Software, Trust::Claimed);
    facts.disclosed.as_mut().unwrap().policy = PolicyDigest::new([5; 32]);
    let verdict = decided(core.decide(&facts).unwrap()).verdict;
    assert_eq!(verdict, Verdict::Block, "by the entry for `version`, not for `withheld`");

    let (mut facts, _) = under(&world, &policy);
    (facts.tier, facts.trust) = (Tier::None, Trust::Claimed);
    (facts.thumbprint, facts.disclosed) = (None::<Thumbprint>, None);
    let signal = SignalName::parse(DEVICE_ZONE).unwrap();
    facts.observed = List(vec![SignalAnswer { signal, answer: Answer::unknown(Cause::Absent) }]);
    let verdict = decided(core.decide(&facts).unwrap()).verdict;
    assert_eq!(verdict, Verdict::Allow, "by the entry for `absent`, not for `withheld`");
}
