//! Invariant 2 at the level of the SDK: what leaves is a function of public values and declared releases.
//!
//! Two devices with one seed, clock and session state differ in private signals only. Where these agree on every
//! release node and declared value, the two send the same bytes, at the same steps; where they differ in a
//! release, only the disclosure (and what is computed over it) differs, and its length does not.

use crate::child::cases;
use crate::rig::{Rig, clear, event, signal, transfer};
use glacis_host::{Entropy, SystemHost};
use glacis_sdk::drive::drive;
use glacis_sdk::{Outcome, SignalSet};
use glacis_wire::http::{self, Request};
use glacis_wire::{Answer, Cause, Disclosed, EventName, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Private answers of the four private signals of the slice.
#[derive(Clone, Debug)]
struct Private {
    hooked: Answer,
    debugger: Answer,
    forwarder: Answer,
    risk: Answer,
}

impl Private {
    fn set(&self) -> SignalSet {
        let mut set = clear();
        set.state(signal("app.hooked"), self.hooked.clone());
        set.state(signal("app.debugger"), self.debugger.clone());
        set.state(signal("sms.forwarder"), self.forwarder.clone());
        set.state(signal("app.risk"), self.risk.clone());
        set
    }
}

fn flag() -> impl Strategy<Value = Answer> {
    prop_oneof![
        any::<bool>().prop_map(|value| Answer::Value(Value::Bool(value))),
        Just(Answer::unknown(Cause::Withheld)),
        Just(Answer::Missing),
        Just(Answer::Error),
        // Another type than the catalogue says.
        any::<i64>().prop_map(|value| Answer::Value(Value::Int(value))),
    ]
}

fn number() -> impl Strategy<Value = Answer> {
    prop_oneof![
        any::<i64>().prop_map(|value| Answer::Value(Value::Int(value))),
        (40..60_i64).prop_map(|value| Answer::Value(Value::Int(value))),
        Just(Answer::unknown(Cause::Withheld)),
        Just(Answer::Missing),
        Just(Answer::Error),
    ]
}

fn private() -> impl Strategy<Value = Private> {
    (flag(), flag(), flag(), number()).prop_map(|(hooked, debugger, forwarder, risk)| Private {
        hooked,
        debugger,
        forwarder,
        risk,
    })
}

/// A device with an open session, and how much it has sent for that.
fn device(seed: u64) -> (Rig, usize) {
    let mut rig = Rig::with_seed(seed);
    drive(&mut rig.client.open(), &mut rig.edge, &mut rig.user).unwrap();
    let sent = rig.edge.log.len();
    (rig, sent)
}

/// One action under these signals from a given state: what was disclosed, what went out, how it ended.
fn run(rig: &mut Rig, from: usize, private: &Private) -> (Disclosed, Vec<Request>, Outcome) {
    let private = private.clone();
    rig.client.set_source(Box::new(move |_: &EventName| private.set()));
    let mut act = rig.client.act(transfer()).unwrap();
    let disclosed = act.disclosed().clone();
    let outcome = drive(&mut act, &mut rig.edge, &mut rig.user).unwrap();
    (disclosed, rig.edge.log.split_off(from), outcome)
}

/// The verdict that a policy of the rig's shape would give on what is disclosed; challenges included.
fn decide(rig: &mut Rig) {
    use glacis_wire::{Method, NodeOutcome, Verdict};
    rig.edge.decide = Box::new(|disclosed, passed| match (disclosed.nodes.as_slice(), passed) {
        ([NodeOutcome::False, NodeOutcome::False, ..], _) | (_, Some(Method::Passkey)) => Verdict::Allow,
        ([NodeOutcome::True, ..], _) => Verdict::Block,
        _ => Verdict::Challenge(Method::Passkey),
    });
}

/// ECDSA is randomised inside the crypto library, whose randomness no seed reaches (the proof of a passkey, and
/// with it the signature over it): compared without these bytes, by length.
fn comparable(request: &Request) -> Request {
    let mut request = request.clone();
    let proven = request.header(http::PROOF) != Some("::");
    for (name, value) in &mut request.headers {
        if proven && (name == http::PROOF || name == "signature") {
            *value = value.len().to_string();
        }
    }
    request
}

/// The release nodes and values that the slice declares, from the private answers themselves: an oracle of the
/// rig's one policy in a few lines, independent of the evaluator.
fn releases(private: &Private) -> [&'static str; 3] {
    let truth = |answer: &Answer| match answer {
        Answer::Value(Value::Bool(true)) => "true",
        Answer::Value(Value::Bool(false)) => "false",
        Answer::Unknown(_) => "unknown",
        _ => "error",
    };
    let either = match (truth(&private.hooked), truth(&private.debugger)) {
        ("true", _) | (_, "true") => "true",
        ("unknown", _) | (_, "unknown") => "unknown",
        ("error", _) | (_, "error") => "error",
        _ => "false",
    };
    let risky = match &private.risk {
        Answer::Value(Value::Int(risk)) if *risk > 50 => "true",
        Answer::Value(Value::Int(_)) => "false",
        Answer::Unknown(_) => "unknown",
        _ => "error",
    };
    [either, truth(&private.forwarder), risky]
}

fn check(one: &Private, two: &Private, seed: u64) -> Result<(), TestCaseError> {
    let ((mut a, from_a), (mut b, from_b)) = (device(seed), device(seed));
    prop_assert_eq!(a.edge.log.len(), b.edge.log.len());
    decide(&mut a);
    decide(&mut b);
    let (disclosed_a, sent_a, outcome_a) = run(&mut a, from_a, one);
    let (disclosed_b, sent_b, outcome_b) = run(&mut b, from_b, two);
    if releases(one) == releases(two) {
        prop_assert_eq!(disclosed_a, disclosed_b);
        let (sent_a, sent_b): (Vec<_>, Vec<_>) =
            (sent_a.iter().map(comparable).collect(), sent_b.iter().map(comparable).collect());
        prop_assert_eq!(sent_a, sent_b);
        prop_assert_eq!((outcome_a.zone, outcome_a.verdict), (outcome_b.zone, outcome_b.verdict));
    } else {
        prop_assert_ne!(disclosed_a, disclosed_b, "the oracle and the slice see the same releases");
        if let (Some(first_a), Some(first_b)) = (sent_a.first(), sent_b.first())
            && first_a.path == first_b.path
        {
            let length = |request: &Request| request.header(http::DISCLOSURE).unwrap().len();
            prop_assert_eq!(length(first_a), length(first_b), "fixed layout");
        }
    }
    Ok(())
}

#[test]
fn invariant_2_signals_that_agree_on_releases_give_identical_outbound_bytes() {
    check_pairs(*b"glacis sdk invariant 2 outbound.");
    let fresh: [u8; 32] = SystemHost::new().array().unwrap();
    println!("fresh seed: {fresh:?}");
    check_pairs(fresh);
}

fn check_pairs(seed: [u8; 32]) {
    let config = Config { cases: cases() / 2, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let pair = (private(), private(), any::<bool>(), 0..1_000_u64);
    let run = runner.run(&pair, |(one, two, twin, seed)| {
        // Half of the pairs are made to agree: two random ones seldom do.
        let two = if twin { twin_of(&one, &two) } else { two };
        check(&one, &two, seed)
    });
    run.unwrap();
}

/// Other private values with the releases of `one`, as far as `two` offers them.
fn twin_of(one: &Private, two: &Private) -> Private {
    let swapped = Private { hooked: one.debugger.clone(), debugger: one.hooked.clone(), ..one.clone() };
    let risk = Private { risk: two.risk.clone(), ..swapped.clone() };
    if releases(&risk) == releases(one) { risk } else { swapped }
}

#[test]
fn invariant_2_a_private_value_behind_a_released_bit_changes_no_byte() {
    let risk = |value| Private {
        hooked: Answer::Value(Value::Bool(false)),
        debugger: Answer::Value(Value::Bool(false)),
        forwarder: Answer::Value(Value::Bool(false)),
        risk: Answer::Value(Value::Int(value)),
    };
    for (one, two) in [(51, i64::MAX), (50, i64::MIN), (0, 49)] {
        check(&risk(one), &risk(two), 7).unwrap();
    }
    let ((mut a, from_a), (mut b, from_b)) = (device(7), device(7));
    let (_, sent_a, _) = run(&mut a, from_a, &risk(51));
    let (_, sent_b, _) = run(&mut b, from_b, &risk(50));
    assert_ne!(sent_a, sent_b, "the released bit itself does show");
    assert_eq!(a.client.slice(&event()).unwrap().policy(), b.edge.policy);
}
