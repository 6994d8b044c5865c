//! `vs_request`: comparisons of the device with what a request says, run as zones run them and held to the whole.
//!
//! Every answer that a device and an edge can have meets every other here, values, missing ones, failed ones and unknown
//! ones with each of their causes, at every trust of the session, and so does every lie of a device.

use crate::support::{compile_texts, unbound};
use glacis_compiler::Compiled;
use glacis_compiler::reference::{Snapshot, whole};
use glacis_policy::{Close, Input, Inputs, Reading, Scratch, Slice, Source, disclose, eval, reading_of};
use glacis_wire::{Answer, Cause, Causes, Given, NodeOutcome, SignalName, Trust, Value, Verdict};

const SIGNALS: &str = r#"
signal."app.risk" = { type = "int", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.owner" = { type = "string", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 8, cost = 1 }
signal.amount = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.fee = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.user = { type = "string", zone = "request", principal = true, privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", max_bytes = 8, cost = 1 }
"#;

/// Each cause closes to something of its own where it can, so that a cause too many or too few shows in the verdict.
const HEAD: &str = r#"[policy]
name = "p"
event = "pay"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "block(soft)"
if_unknown = { withheld = "challenge(passkey)", denied = "match", version = "challenge(passkey)", inexact = "challenge(otp)", unavailable = "challenge(otp)", absent = "skip" }
[policy.budget]
bits_per_session = 40
"#;

fn compiled(when: &str, nodes: usize) -> Compiled {
    let rule = format!(
        "[[rule]]\nid = \"r\"\nwhen = \"{when}\"\neffect = \"block\"\ntext = \"device\"\n\
         release = {{ nodes = {nodes}, vs_request = true }}\n"
    );
    compile_texts(SIGNALS, &format!("{HEAD}{rule}"), None).unwrap_or_else(|error| panic!("{error}"))
}

struct Zones {
    device: Slice,
    cloud: Slice,
}

impl Zones {
    fn of(compiled: &Compiled) -> Self {
        let [device, _, cloud] = compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap());
        Self { device, cloud }
    }

    /// What a device tells over its own signals and copies.
    fn told(&self, snapshot: &Snapshot) -> Vec<NodeOutcome> {
        let input = |name: &SignalName| Input { reading: reading(snapshot, name), trust: Trust::Claimed };
        let slots: Vec<_> = self.device.slots().iter().map(|slot| input(&slot.name)).collect();
        let inputs = Inputs { slots: &slots, passed: None, close: Close::Open };
        let mut scratch = Scratch::for_slice(&self.device);
        eval(&self.device, &inputs, &mut scratch);
        disclose(&self.device, &scratch, &inputs).nodes
    }

    /// What the cloud makes of it.
    fn verdict(&self, told: &[NodeOutcome], snapshot: &Snapshot, session: Trust) -> Verdict {
        let slots = self.cloud.slots().iter().map(|slot| match slot.source {
            Source::Node(at) => {
                let reading = match told[usize::from(at)] {
                    NodeOutcome::True => Reading::Bool(true),
                    NodeOutcome::False => Reading::Bool(false),
                    NodeOutcome::Error => Reading::Error,
                    NodeOutcome::Unknown => Reading::WITHHELD,
                };
                Input { reading, trust: session }
            }
            _ => Input { reading: reading(snapshot, &slot.name), trust: Trust::Proven },
        });
        let slots: Vec<_> = slots.collect();
        let inputs = Inputs { slots: &slots, passed: None, close: Close::Here };
        eval(&self.cloud, &inputs, &mut Scratch::for_slice(&self.cloud)).settled.unwrap()
    }
}

fn reading<'a>(snapshot: &'a Snapshot, name: &SignalName) -> Reading<'a> {
    snapshot.answers.get(name).map_or(Reading::WITHHELD, |given| reading_of(&given.answer))
}

fn int(value: i64) -> Answer {
    Answer::Value(Value::Int(value))
}

fn text(value: &str) -> Answer {
    Answer::Value(Value::String(value.to_owned()))
}

/// Everything that is no value: missing, failed, and unknown for each of some causes and for two together.
fn no_values(causes: &[Cause]) -> Vec<Answer> {
    let unknown = causes.iter().map(|cause| Answer::unknown(*cause));
    let two = causes.first().zip(causes.last()).map(|(a, b)| Causes::of(*a).union(Causes::of(*b)));
    [Answer::Missing, Answer::Error].into_iter().chain(unknown).chain(two.map(Answer::Unknown)).collect()
}

/// All events of a policy over `app.risk`, `app.owner`, `amount`, `fee`, `user`.
fn events(session: Trust) -> Vec<Snapshot> {
    let with = |values: &[Answer], causes: &[Cause]| [values, &no_values(causes)].concat();
    let risks = with(&[int(0), int(5)], &[Cause::Withheld]);
    let owners = with(&[text("ann")], &[Cause::Withheld]);
    let amounts = with(&[int(0), int(4), int(5)], &Cause::ALL);
    let fees = [int(1), int(i64::MAX), Answer::Missing, Answer::unknown(Cause::Absent)];
    let users = with(&[text("ann"), text("bob")], &[Cause::Withheld, Cause::Inexact]);
    let mut events = Vec::new();
    for risk in &risks {
        for owner in &owners {
            for amount in &amounts {
                for fee in &fees {
                    for user in &users {
                        let one = |name: &str, answer: &Answer, trust| {
                            let given = Given { answer: answer.clone(), trust };
                            (SignalName::parse(name).unwrap(), given)
                        };
                        let answers = [
                            one("app.risk", risk, session),
                            one("app.owner", owner, session),
                            one("amount", amount, Trust::Proven),
                            one("fee", fee, Trust::Proven),
                            one("user", user, Trust::Proven),
                        ];
                        events.push(Snapshot { answers: answers.into() });
                    }
                }
            }
        }
    }
    events
}

/// Conditions with their number of nodes.
const CONDITIONS: &[(&str, usize)] = &[
    ("app.risk > amount", 1),
    ("!(app.risk == amount + fee)", 1),
    ("5 / amount > app.risk || user == 'bob'", 1),
    ("app.owner == user && amount > 3", 1),
    ("app.risk > amount ? app.owner == user : app.risk > 3", 3),
    ("has(app.risk) == has(amount)", 1),
    ("(app.owner == user) == has(fee)", 1),
];

#[test]
fn what_is_told_with_the_request_comes_to_the_whole() {
    for (when, nodes) in CONDITIONS {
        let compiled = compiled(when, *nodes);
        let zones = Zones::of(&compiled);
        let mut verdicts = std::collections::BTreeSet::new();
        for session in [Trust::Claimed, Trust::Attested] {
            for event in events(session) {
                let want = whole(compiled.checked(), &event, None, false).verdict;
                let told = zones.told(&event);
                assert_eq!(
                    zones.verdict(&told, &event, session),
                    want,
                    "{when} {told:?} {:?}",
                    event.answers
                );
                verdicts.insert(format!("{want:?}"));
            }
        }
        // What was compared is not one answer for all.
        assert!(verdicts.len() >= 4, "{when}: {verdicts:?}");
    }
}

/// A device that lies about a node, or computes it with another value than the request has, gains nothing over
/// withholding where it is not trusted; and what it says is only believed against it.
#[test]
fn another_copy_of_the_request_and_every_lie_gain_nothing() {
    for (when, nodes) in CONDITIONS.iter().filter(|(_, nodes)| *nodes == 1) {
        let compiled = compiled(when, *nodes);
        let zones = Zones::of(&compiled);
        for event in events(Trust::Claimed) {
            let floor = zones.verdict(&[NodeOutcome::Unknown], &event, Trust::Claimed);
            let lies = [NodeOutcome::True, NodeOutcome::False, NodeOutcome::Error];
            for told in lies {
                let bought = zones.verdict(&[told], &event, Trust::Claimed);
                assert!(
                    rank(&compiled, bought) >= rank(&compiled, floor),
                    "{when} {told:?} {bought:?} {floor:?}"
                );
            }
        }
    }
}

fn rank(compiled: &Compiled, verdict: Verdict) -> usize {
    compiled.checked().rank(verdict)
}

/// What the device does not know of the request fails, and never passes for what the device withholds.
#[test]
fn a_copy_that_the_device_lacks_is_a_failed_node() {
    let compiled = compiled("app.risk > amount", 1);
    let zones = Zones::of(&compiled);
    let amount = SignalName::parse("amount").unwrap();
    let risk = SignalName::parse("app.risk").unwrap();
    for event in events(Trust::Attested) {
        let withholds = matches!(event.answers[&risk].answer, Answer::Unknown(_));
        let want = if withholds { NodeOutcome::Unknown } else { NodeOutcome::Error };
        let mut without = event.clone();
        without.answers.remove(&amount);
        assert_eq!(zones.told(&without), [want], "{:?}", event.answers);
        for cause in Cause::ALL {
            let given = Given { answer: Answer::unknown(cause), trust: Trust::Proven };
            without.answers.insert(amount.clone(), given);
            assert_eq!(zones.told(&without), [want], "{:?}", event.answers);
        }
    }
}

#[test]
fn the_layout_names_what_a_node_asks_the_request() {
    let compiled = compiled("app.risk > amount + fee && app.risk > 3", 2);
    let nodes = &compiled.layout().nodes;
    let names = |names: &[SignalName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shown: Vec<_> =
        nodes.iter().map(|node| (node.text.as_str(), names(&node.signals), names(&node.requests))).collect();
    let risk = || vec!["app.risk".to_owned()];
    assert_eq!(
        shown,
        [
            ("app.risk > amount + fee", risk(), vec!["amount".to_owned(), "fee".to_owned()]),
            ("app.risk > 3", risk(), Vec::new())
        ]
    );
    let plan = glacis_compiler::plan::Plan::new(&compiled).to_string();
    assert!(
        plan.contains(
            "`app.risk > amount + fee`; adaptive, each request asks with its own amount, fee; 1 bit, private"
        ),
        "{plan}"
    );
    assert!(plan.contains("2 private") && plan.contains("40 a session"), "{plan}");
    assert!(!plan.contains("without it"), "{plan}");
}

/// A node that says nothing new is found, also one that reads the request; and one that does is kept.
#[test]
fn a_search_that_changes_nothing_is_spare() {
    let spare = |when: &str, nodes| glacis_compiler::plan::Plan::new(&compiled(when, nodes)).spare.nodes;
    assert_eq!(spare("app.risk > amount && amount > 3", 1), Vec::<String>::new());
    let compiled = compile_texts(
        SIGNALS,
        &format!(
            "{}[[rule]]\nid = \"r\"\nwhen = \"amount > 3 && (amount > 3 || app.risk > amount)\"\neffect = \"exempt\"\n\
             text = \"device\"\nrelease = {{ nodes = 1, vs_request = true }}\n",
            HEAD
        ),
        None,
    );
    let plan = glacis_compiler::plan::Plan::new(&compiled.unwrap());
    assert_eq!(plan.spare.nodes, ["app.risk > amount"]);
}

/// The digest covers the word, and a policy without it has the bytes that it had.
#[test]
fn the_digest_covers_the_word() {
    let compiled = compiled("app.risk > amount", 1);
    let checked = compiled.checked();
    assert!(checked.rules()[0].release.is_vs_request());
    let text = format!(
        "{HEAD}[[rule]]\nid = \"r\"\nwhen = \"app.risk > 4 && amount > 4\"\neffect = \"block\"\ntext = \"device\"\n\
         release = {{ nodes = 1, vs_request = false }}\n"
    );
    let without = compile_texts(SIGNALS, &text, None).unwrap();
    let plain = compile_texts(SIGNALS, &text.replace(", vs_request = false", ""), None).unwrap();
    assert_eq!(without.canonical(), plain.canonical());
    // The code of a release with the word, where the one without has its own, and one node behind it.
    let code = |compiled: &Compiled, code: u8| {
        let found = [code, 0, 0, 0, 0, 0, 0, 0, 1];
        compiled.canonical().windows(found.len()).any(|window| window == found)
    };
    assert!(code(&compiled, 4) && !code(&compiled, 3));
    assert!(code(&plain, 3) && !code(&plain, 4));
}
