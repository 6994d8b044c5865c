//! Release nodes that read the request: the policy is proven, and what a compiler could get wrong of them is refuted.
//!
//! A fault is planted in the parts of a slice, as in `planted`; here each is of the two halves of such a node, what the
//! device computes on its copies and what a trusted slice makes of it.

use crate::planted::{node, rule, slot};
use crate::support::{compiled, proof, quick, reasons, slices};
use glacis_compiler::Compiled;
use glacis_policy::{Node, Parts, Slice, Source};
use glacis_proof::prove::{Claim, Standing};
use glacis_wire::{Trust, Value, Zone};

const CATALOGUE: &str = r#"
signal."app.risk" = { type = "int", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.owner" = { type = "string", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 8, cost = 1 }
signal."app.hooked" = { type = "bool", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal.amount = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.fee = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.limit = { type = "int", zone = "edge", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.user = { type = "string", zone = "request", principal = true, privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", max_bytes = 8, cost = 1 }
"#;

const POLICY: &str = r#"
[policy]
name = "searches"
event = "pay"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"
if_unknown = { withheld = "match", denied = "match", version = "match", unavailable = "challenge(otp)", absent = "skip" }
[policy.budget]
bits_per_session = 40
[[rule]]
id = "over"
when = "app.risk > amount + fee && amount > 3"
effect = "block"
text = "device"
release = { nodes = 1, vs_request = true }
[[rule]]
id = "owner"
when = "!(app.owner == user) || app.risk > 6 && limit > 9"
effect = "challenge(passkey)"
text = "device"
release = { nodes = 2, vs_request = true }
[[rule]]
id = "plain"
when = "app.risk > 5 && limit > 3"
effect = "challenge(otp)"
text = "device"
release = { nodes = 1 }
[[rule]]
id = "hooked"
when = "app.hooked"
effect = "block"
text = "device"
release = "verdict"
"#;

fn policy() -> Compiled {
    compiled(CATALOGUE, POLICY)
}

#[test]
fn searches_are_proven() {
    let compiled = policy();
    let proof = proof(&compiled, &slices(&compiled));
    assert!(proof.is_proven(), "{}", reasons(&proof));
    let adaptive = compiled.layout().nodes.iter().filter(|node| !node.requests.is_empty());
    assert_eq!(adaptive.count(), 2);
}

/// What it is called, the slice, the claim, what a reason has to name, and how it is planted.
type Fault = (&'static str, Zone, Claim, &'static str, fn(&mut Parts));

#[test]
fn planted_faults_of_searches_are_refuted_where_they_are() {
    let compiled = policy();
    let sound = slices(&compiled);
    let mut missed = String::new();
    for (name, zone, claim, names, plant) in FAULTS {
        let at = Zone::ALL.iter().position(|known| known == zone).unwrap();
        let mut parts = Slice::load(&sound[at]).unwrap().parts().clone();
        let before = parts.clone();
        plant(&mut parts);
        assert_ne!(parts, before, "{name} plants nothing");
        let mut planted = sound.clone();
        planted[at] = parts.encode().unwrap();
        if let Err(error) = Slice::load(&planted[at]) {
            missed += &format!("{name}: {error}\n");
            continue;
        }
        let proof = quick(&compiled, &planted);
        let theorem = proof.theorems.iter().find(|theorem| theorem.claim == *claim).unwrap();
        let named = theorem.refuted.iter().any(|reason| reason.to_string().contains(names));
        if theorem.standing() != Standing::Refuted || !named {
            missed += &format!("{name} is not refuted by {names}:\n{}\n", reasons(&proof));
        }
    }
    assert!(missed.is_empty(), "{missed}");
}

fn place(parts: &Parts, name: &str) -> u16 {
    let at = parts.slots.iter().position(|slot| slot.name.as_str() == name).unwrap();
    u16::try_from(at).unwrap()
}

/// The node that reads a slot, as an operand.
fn reads(parts: &Parts, name: &str) -> u32 {
    let slot = place(parts, name);
    u32::try_from(parts.nodes.iter().position(|node| *node == Node::Read(slot)).unwrap()).unwrap()
}

/// The guarded node in a trusted slice: `told != known`.
fn guarded<'a>(parts: &'a mut Parts, told: &str) -> &'a mut Node {
    let told = reads(parts, told);
    node(parts, |node| matches!(node, Node::Ne(a, _) if *a == told))
}

/// Another reading in place of one.
fn other(parts: &mut Parts, from: &str, to: &str, make: fn(u16) -> Node) {
    let (from, to) = (make(place(parts, from)), make(place(parts, to)));
    *node(parts, |node| *node == from) = to;
}

const FAULTS: &[Fault] = &[
    // What a trusted slice makes of the node.
    ("the node alone", Zone::Edge, Claim::Equality, "rule `over`", |parts| {
        let guarded = guarded(parts, "node.0");
        let Node::Ne(told, _) = *guarded else { return };
        *guarded = Node::And(told, told);
    }),
    ("the node alone in the cloud", Zone::Cloud, Claim::Equality, "rule `owner`", |parts| {
        let guarded = guarded(parts, "node.1");
        let Node::Ne(told, _) = *guarded else { return };
        *guarded = Node::Or(told, told);
    }),
    ("the node turned round", Zone::Cloud, Claim::Equality, "rule `over`", |parts| {
        let guarded = guarded(parts, "node.0");
        let Node::Ne(told, known) = *guarded else { return };
        *guarded = Node::Eq(told, known);
    }),
    ("a guard that absorbs", Zone::Edge, Claim::Equality, "rule `over`", |parts| {
        let guarded = guarded(parts, "node.0");
        let Node::Ne(told, known) = *guarded else { return };
        *guarded = Node::Or(told, known);
    }),
    ("a guard of one value of two", Zone::Cloud, Claim::Equality, "rule `over`", |parts| {
        other(parts, "fee", "amount", Node::Has);
    }),
    ("a guard of another value", Zone::Edge, Claim::Equality, "rule `owner`", |parts| {
        other(parts, "user", "limit", Node::Has);
    }),
    ("a guard that is true of what is missing", Zone::Edge, Claim::Equality, "rule `owner`", |parts| {
        let told = reads(parts, "node.1");
        let has = Node::Has(place(parts, "user"));
        let has = u32::try_from(parts.nodes.iter().position(|node| *node == has).unwrap()).unwrap();
        let guarded = node(parts, |node| matches!(node, Node::Ne(a, _) if *a == told));
        *guarded = Node::Eq(told, has);
    }),
    ("the node of another search", Zone::Edge, Claim::Equality, "rule `over`", |parts| {
        slot(parts, "node.0").source = Source::Node(1);
        slot(parts, "node.1").source = Source::Node(0);
    }),
    ("trust of the node ignored", Zone::Cloud, Claim::Equality, "`node.1`", |parts| {
        slot(parts, "node.1").min_trust = Trust::Claimed;
    }),
    // What the device computes.
    ("the copy taken for a device signal", Zone::Device, Claim::Equality, "`amount`", |parts| {
        slot(parts, "amount").source = Source::Device;
    }),
    ("another copy", Zone::Device, Claim::Equality, "rule `over`", |parts| {
        other(parts, "fee", "amount", Node::Read);
    }),
    ("another comparison", Zone::Device, Claim::Equality, "rule `over`", |parts| {
        let risk = reads(parts, "app.risk");
        let node = node(parts, |node| matches!(node, Node::Gt(a, _) if *a == risk));
        let Node::Gt(a, b) = *node else { return };
        *node = Node::Ge(a, b);
    }),
    ("a node that absorbs", Zone::Device, Claim::Equality, "release node 1", |parts| {
        let hooked = reads(parts, "app.hooked");
        let next = u32::try_from(parts.nodes.len()).unwrap();
        parts.nodes.push(Node::And(parts.releases[1], hooked));
        parts.releases[1] = next;
    }),
    ("a node that reads no device", Zone::Device, Claim::NonLeak, "release node 1", |parts| {
        other(parts, "app.owner", "user", Node::Read);
    }),
    ("an early decision on a search", Zone::Device, Claim::Equality, "rule `hooked`", |parts| {
        rule(parts, "hooked").root = parts.releases[0];
    }),
    // What leaves without being declared.
    (
        "a threshold of the request's",
        Zone::Device,
        Claim::NonLeak,
        "`amount`, which is no device signal",
        |parts| {
            let amount = place(parts, "amount");
            *node(parts, |node| *node == Node::Const(Value::Int(5))) = Node::Read(amount);
        },
    ),
    ("a search in a rule without the word", Zone::Cloud, Claim::NonLeak, "release node 0", |parts| {
        let told = rule(parts, "over").root;
        rule(parts, "plain").root = told;
    }),
    ("one search more", Zone::Cloud, Claim::NonLeak, "rule `over`", |parts| {
        let (told, root) = (reads(parts, "node.1"), rule(parts, "over").root);
        let next = u32::try_from(parts.nodes.len()).unwrap();
        parts.nodes.push(Node::And(root, told));
        rule(parts, "over").root = next;
    }),
];

/// The same bytes for a policy that does not say the word: what was declared is what counts.
#[test]
fn a_search_needs_the_word() {
    let slices = slices(&policy());
    let without = POLICY
        .replace(", vs_request = true", "")
        .replace("app.risk > amount + fee && amount > 3", "app.risk > 6 && amount + fee > 3")
        .replace("!(app.owner == user) ||", "!(app.owner == 'a') && user == 'b' ||");
    let proof = quick(&compiled(CATALOGUE, &without), &slices);
    let leak = proof.theorems.iter().find(|theorem| theorem.claim == Claim::NonLeak).unwrap();
    let said: Vec<String> = leak.refuted.iter().map(ToString::to_string).collect();
    for name in ["amount", "fee", "user"] {
        let want = format!("`{name}`, which is no device signal");
        assert!(said.iter().any(|reason| reason.contains(&want)), "{said:?}");
    }
}
