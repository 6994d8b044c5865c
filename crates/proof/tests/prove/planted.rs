//! Faults that a compiler could make, planted in the parts of a slice: each is refuted, at the rule or field that it is in.
//!
//! A fault is planted by changing the parts and encoding them again, so the plan follows the changed arena: what finds it
//! is the comparison with the source. Faults of plans alone are in `mutated`.

use crate::rich;
use crate::support::{proof, quick, reasons, slices};
use glacis_policy::{
    Effect, Entry, Hidden, Node, Obligation, Obligations, Parts, Slice, Source, Table, TimePart, TimeZone,
};
use glacis_proof::prove::{Claim, Standing};
use glacis_wire::{Cause, Method, Trust, Type, Value, Zone};

/// One fault: what it is called, the slice, the claim that it breaks, what a reason has to name, and how it is planted.
struct Fault {
    name: &'static str,
    zone: Zone,
    claim: Claim,
    names: &'static str,
    plant: fn(&mut Parts),
}

const fn fault(name: &'static str, zone: Zone, names: &'static str, plant: fn(&mut Parts)) -> Fault {
    Fault { name, zone, claim: Claim::Equality, names, plant }
}

#[test]
fn the_rich_policy_is_proven() {
    let compiled = rich::policy();
    let proof = proof(&compiled, &slices(&compiled));
    assert!(proof.is_proven(), "{}", reasons(&proof));
    for theorem in &proof.theorems {
        assert!(theorem.checked.rules > 0, "{:?}", theorem.claim);
    }
}

#[test]
fn planted_faults_are_refuted_where_they_are() {
    let compiled = rich::policy();
    let sound = slices(&compiled);
    let mut missed = String::new();
    for fault in FAULTS {
        let at = Zone::ALL.iter().position(|zone| *zone == fault.zone).unwrap();
        let mut parts = Slice::load(&sound[at]).unwrap().parts().clone();
        let before = parts.clone();
        (fault.plant)(&mut parts);
        assert_ne!(parts, before, "{} plants nothing", fault.name);
        let bytes = parts.encode().unwrap();
        if let Err(error) = Slice::load(&bytes) {
            missed += &format!("{}: {error}\n", fault.name);
            continue;
        }
        let mut planted = sound.clone();
        planted[at] = bytes;
        let proof = quick(&compiled, &planted);
        let theorem = proof.theorems.iter().find(|theorem| theorem.claim == fault.claim).unwrap();
        let named = theorem.refuted.iter().any(|reason| reason.to_string().contains(fault.names));
        if theorem.standing() != Standing::Refuted || !named {
            missed += &format!("{} is not refuted by {}:\n{}\n", fault.name, fault.names, reasons(&proof));
        }
    }
    assert!(missed.is_empty(), "{missed}");
    assert!(FAULTS.len() >= 40);
}

/// Another form of the same outcome, causes included, is no fault.
#[test]
fn harmless_rewriting_is_proven() {
    let compiled = rich::policy();
    let mut slices = slices(&compiled);
    let mut parts = Slice::load(&slices[2]).unwrap().parts().clone();
    for id in ["country", "either-band", "choice", "sum"] {
        // `x || (x && !x)`
        let root = rule(&mut parts, id).root;
        let next = u32::try_from(parts.nodes.len()).unwrap();
        parts.nodes.extend([Node::Not(root), Node::And(next, root), Node::Or(next + 1, root)]);
        rule(&mut parts, id).root = next + 2;
    }
    slices[2] = parts.encode().unwrap();
    let proof = proof(&compiled, &slices);
    assert!(proof.is_proven(), "{}", reasons(&proof));
}

pub(crate) fn node(parts: &mut Parts, wanted: impl Fn(&Node) -> bool) -> &mut Node {
    parts.nodes.iter_mut().find(|node| wanted(node)).unwrap()
}

/// Another int in place of a literal.
pub(crate) fn int(parts: &mut Parts, from: i64, to: i64) {
    *node(parts, |node| *node == Node::Const(Value::Int(from))) = Node::Const(Value::Int(to));
}

pub(crate) fn rule<'a>(parts: &'a mut Parts, id: &str) -> &'a mut glacis_policy::Rule {
    parts.rules.iter_mut().find(|rule| rule.reason == id).unwrap()
}

pub(crate) fn slot<'a>(parts: &'a mut Parts, name: &str) -> &'a mut glacis_policy::Slot {
    parts.slots.iter_mut().find(|slot| slot.name.as_str() == name).unwrap()
}

/// Another node in place of the root of a rule.
pub(crate) fn at_root(parts: &mut Parts, id: &str, change: fn(Node) -> Node) {
    let root = usize::try_from(rule(parts, id).root).unwrap();
    parts.nodes[root] = change(parts.nodes[root].clone());
}

/// A new root, made of the old one.
pub(crate) fn above(parts: &mut Parts, id: &str, make: fn(u32) -> Node) {
    let next = u32::try_from(parts.nodes.len()).unwrap();
    let root = rule(parts, id).root;
    parts.nodes.push(make(root));
    rule(parts, id).root = next;
}

fn entry(parts: &mut Parts, id: &str, cause: Cause, entry: Entry) {
    rule(parts, id).unknown[cause as usize] = entry;
}

fn table(parts: &mut Parts, wanted: fn(&Table) -> bool) -> &mut Table {
    let is_it = |node: &Node| matches!(node, Node::Table(table) if wanted(table));
    match node(parts, is_it) {
        Node::Table(table) => table,
        _ => panic!("no such table"),
    }
}

/// The automaton, networks or zone that a condition over one text makes.
fn table_of(condition: &str) -> Table {
    let catalogue = "[signal.s]\ntype = \"string\"\nzone = \"edge\"\nmax_bytes = 8\nprivacy = \"public\"\n\
                     purpose = [\"x\"]\nretention = \"1d\"\ncost = 1\n";
    let policy = format!(
        "[policy]\nname = \"a\"\nevent = \"a.b\"\npurpose = \"x\"\ncombine = \"strictest\"\nmethods = [\"otp\"]\n\
         if_error = \"match\"\n[policy.if_unknown]\nunavailable = \"match\"\n[[rule]]\nid = \"a\"\n\
         when = '{condition}'\neffect = \"block\"\n"
    );
    let compiled = crate::support::compiled(catalogue, &policy);
    let slice = Slice::load(&slices(&compiled)[2]).unwrap();
    let table = slice.nodes().iter().find_map(|node| match node {
        Node::Table(table) => Some((**table).clone()),
        _ => None,
    });
    table.unwrap()
}

const FAULTS: &[Fault] = &[
    // Conditions.
    fault("threshold off by one", Zone::Edge, "rule `relay`", |parts| int(parts, 1_000, 1_001)),
    fault("threshold off by one in the cloud", Zone::Cloud, "rule `burst`", |parts| int(parts, 5_000, 4_999)),
    fault("other comparison", Zone::Cloud, "rule `not-country`", |parts| {
        let place = parts.nodes.iter().position(|node| *node == Node::Const(Value::Int(42))).unwrap();
        let place = u32::try_from(place).unwrap();
        let node = node(parts, |node| matches!(node, Node::Eq(_, b) if *b == place));
        let Node::Eq(a, b) = *node else { return };
        *node = Node::Le(a, b);
    }),
    fault("operands swapped", Zone::Edge, "rule `relay`", |parts| {
        let node = node(parts, |node| matches!(node, Node::Gt(..)));
        let Node::Gt(a, b) = *node else { return };
        *node = Node::Lt(a, b);
    }),
    fault("branches swapped", Zone::Cloud, "rule `choice`", |parts| {
        at_root(parts, "choice", |node| match node {
            Node::If(c, a, b) => Node::If(c, b, a),
            other => other,
        });
    }),
    fault("or for and", Zone::Cloud, "rule `earned`", |parts| {
        at_root(parts, "earned", |node| match node {
            Node::And(a, b) => Node::Or(a, b),
            other => other,
        });
    }),
    fault("negation lost", Zone::Edge, "rule `vip`", |parts| {
        let node = node(parts, |node| matches!(node, Node::Not(_)));
        let Node::Not(a) = *node else { return };
        *node = Node::And(a, a);
    }),
    fault("rails swapped", Zone::Cloud, "rule `choice`", |parts| above(parts, "choice", Node::Not)),
    fault("choice as two conjunctions", Zone::Cloud, "rule `choice`", |parts| {
        let root = usize::try_from(rule(parts, "choice").root).unwrap();
        let Node::If(c, a, b) = parts.nodes[root] else { return };
        let next = u32::try_from(parts.nodes.len()).unwrap();
        // Not the same where the condition is unknown: a branch then adds its causes.
        parts.nodes.extend([Node::Not(c), Node::And(c, a), Node::And(next, b), Node::Or(next + 1, next + 2)]);
        rule(parts, "choice").root = next + 3;
    }),
    fault("item lost", Zone::Edge, "rule `country`", |parts| {
        let node = node(parts, |node| matches!(node, Node::Const(Value::List(items)) if items.len() == 3));
        let Node::Const(Value::List(items)) = node else { return };
        items.pop();
    }),
    fault("double off by one bit", Zone::Cloud, "rule `either-band`", |parts| {
        *node(parts, |node| *node == Node::Const(Value::Double(8.5))) =
            Node::Const(Value::Double(8.5_f64.next_up()));
    }),
    fault("prefix cut to eight bytes", Zone::Edge, "rule `long-prefix`", |parts| {
        *node(parts, |node| *node == Node::Const(Value::String("abcdefghij".to_owned()))) =
            Node::Const(Value::String("abcdefgh".to_owned()));
    }),
    fault("another signal", Zone::Cloud, "rule `sum`", |parts| {
        let of = |parts: &Parts, name: &str| {
            let at = parts.slots.iter().position(|slot| slot.name.as_str() == name).unwrap();
            u16::try_from(at).unwrap()
        };
        let (fee, age) = (of(parts, "fee"), of(parts, "age"));
        *node(parts, |node| *node == Node::Read(fee)) = Node::Read(age);
    }),
    fault("presence for value", Zone::Cloud, "rule `no-payee`", |parts| {
        let has = node(parts, |node| matches!(node, Node::Has(_)));
        let Node::Has(slot) = *has else { return };
        *has = Node::Const(Value::Bool(slot > 900));
    }),
    // Tables and models.
    fault("automaton of another pattern", Zone::Edge, "rule `pattern`", |parts| {
        *table(parts, |table| matches!(table, Table::Automaton(_))) =
            table_of("s.matches(\"^[a-z]{2}[0-9]*$\")");
    }),
    fault("another network", Zone::Cloud, "rule `network`", |parts| {
        *table(parts, |table| matches!(table, Table::Networks(_))) =
            table_of("s.inCIDR([\"10.0.0.0/9\", \"2001:db8::/32\"])");
    }),
    fault("another time zone", Zone::Cloud, "rule `hour`", |parts| {
        *table(parts, |table| matches!(table, Table::TimeZone(_))) =
            Table::TimeZone(TimeZone::fixed(3_600).unwrap());
    }),
    fault("another part of the day", Zone::Edge, "rule `hour`", |parts| {
        let node = node(parts, |node| matches!(node, Node::MomentPart(..)));
        let Node::MomentPart(_, a, b) = *node else { return };
        *node = Node::MomentPart(TimePart::Minutes, a, b);
    }),
    fault("another model", Zone::Cloud, "rule `model`", |parts| parts.models[0] = rich::model(4.0)),
    fault("inputs of a model swapped", Zone::Edge, "rule `model`", |parts| parts.calls[0].slots.reverse()),
    // What the device discloses.
    fault("another release node", Zone::Cloud, "rule `relay`", |parts| {
        let slot = slot(parts, "node.2");
        slot.source = Source::Node(0);
    }),
    fault("release nodes in another order", Zone::Device, "rule `hooked`", |parts| parts.releases.swap(0, 2)),
    fault("release node of another condition", Zone::Device, "rule `prompt`", |parts| int(parts, 3, 4)),
    fault("release lost", Zone::Device, "slot", |parts| {
        parts.releases.pop();
    }),
    fault("another value", Zone::Edge, "`app.build`", |parts| {
        slot(parts, "app.build").source = Source::Value(9);
    }),
    fault("device rule lost", Zone::Device, "rule `hooked`", |parts| {
        parts.rules.remove(0);
    }),
    // Slots.
    fault("trust ignored", Zone::Edge, "`urgent`", |parts| slot(parts, "urgent").min_trust = Trust::Claimed),
    fault("trust of a node ignored", Zone::Cloud, "`node.0`", |parts| {
        slot(parts, "node.0").min_trust = Trust::Claimed;
    }),
    fault("another birth", Zone::Edge, "`night`", |parts| slot(parts, "night").source = Source::Cloud),
    fault("no aggregate", Zone::Cloud, "`user.payments_1h`", |parts| {
        slot(parts, "user.payments_1h").aggregate = false;
    }),
    fault("another type", Zone::Cloud, "`known`", |parts| {
        slot(parts, "known").ty = Type::Bool;
        slot(parts, "known").source = Source::Edge;
    }),
    // Rules.
    fault("rule lost", Zone::Edge, "rule `sum`", |parts| parts.rules.retain(|rule| rule.reason != "sum")),
    fault("rule twice", Zone::Cloud, "rule `mule`", |parts| {
        let rule = rule(parts, "mule").clone();
        parts.rules.push(rule);
    }),
    fault("rule of nobody", Zone::Cloud, "rule `ghost`", |parts| {
        let rule = glacis_policy::Rule { reason: "ghost".to_owned(), ..rule(parts, "mule").clone() };
        parts.rules.push(rule);
    }),
    fault("another effect", Zone::Cloud, "rule `far`", |parts| rule(parts, "far").effect = Effect::Score(2)),
    fault("milder effect", Zone::Edge, "rule `burst`", |parts| {
        rule(parts, "burst").effect = Effect::Challenge(Method::Otp);
    }),
    fault("entry lost", Zone::Edge, "rule `burst`", |parts| {
        entry(parts, "burst", Cause::Unavailable, Entry::Skip);
    }),
    fault("entry of an error lost", Zone::Cloud, "rule `sum`", |parts| {
        rule(parts, "sum").error = Entry::Skip
    }),
    fault("obligation lost", Zone::Edge, "rule `no-payee`", |parts| {
        rule(parts, "no-payee").obligations = Obligations::NONE;
    }),
    fault("obligation of another rule", Zone::Cloud, "rule `watch`", |parts| {
        rule(parts, "watch").obligations = Obligations::of(Obligation::Notify);
    }),
    fault("undisclosed rule with its own condition", Zone::Cloud, "rule `silent`", |parts| {
        let night = rule(parts, "hooked").root;
        rule(parts, "silent").root = night;
    }),
    fault("undisclosed rule with its own effect", Zone::Cloud, "rule `silent`", |parts| {
        rule(parts, "silent").effect = Effect::Challenge(Method::Passkey);
    }),
    // What slices share.
    fault("another class", Zone::Cloud, "score classes", |parts| parts.classes[0].at_least = 6),
    fault("class lost", Zone::Edge, "score classes", |parts| {
        parts.classes.pop();
    }),
    fault("methods in another order", Zone::Edge, "methods", |parts| parts.methods.reverse()),
    fault("another policy", Zone::Device, "binding", |parts| {
        parts.binding.policy = glacis_wire::PolicyDigest::new([9; 32]);
    }),
    // Finality.
    Fault {
        name: "hidden block untold",
        zone: Zone::Edge,
        claim: Claim::Finality,
        names: "whether a hidden rule blocks",
        plant: |parts| parts.hidden.block = false,
    },
    Fault {
        name: "hidden points untold",
        zone: Zone::Edge,
        claim: Claim::Finality,
        names: "points of hidden rules",
        plant: |parts| parts.hidden.score = (0, 2),
    },
    Fault {
        name: "hidden rules close to less",
        zone: Zone::Edge,
        claim: Claim::Finality,
        names: "what hidden rules close to",
        plant: |parts| parts.hidden.unavailable = Hidden::NONE.unavailable,
    },
    Fault {
        name: "hidden exempt untold to the device",
        zone: Zone::Device,
        claim: Claim::Finality,
        names: "exempts",
        plant: |parts| parts.hidden.exempt = false,
    },
    Fault {
        name: "hidden class untold to the device",
        zone: Zone::Device,
        claim: Claim::Finality,
        names: "strictest soft effect",
        plant: |parts| parts.hidden.soft = Some(Effect::Challenge(Method::Otp)),
    },
    // Gain nothing.
    Fault {
        name: "consent milder than withholding",
        zone: Zone::Cloud,
        claim: Claim::GainNothing,
        names: "rule `relay`",
        plant: |parts| entry(parts, "relay", Cause::Denied, Entry::Skip),
    },
    Fault {
        name: "error milder than withholding",
        zone: Zone::Edge,
        claim: Claim::GainNothing,
        names: "rule `relay`",
        plant: |parts| rule(parts, "relay").error = Entry::Skip,
    },
    Fault {
        name: "exempt that does not close as skip",
        zone: Zone::Edge,
        claim: Claim::GainNothing,
        names: "rule `vip`",
        plant: |parts| entry(parts, "vip", Cause::Withheld, Entry::Match),
    },
    // Non-leak.
    Fault {
        name: "a release more",
        zone: Zone::Device,
        claim: Claim::NonLeak,
        names: "release node 4",
        plant: |parts| {
            let root = parts.releases[0];
            parts.releases.push(root);
        },
    },
    Fault {
        name: "a private value",
        zone: Zone::Device,
        claim: Claim::NonLeak,
        names: "`app.calls`",
        plant: |parts| {
            let calls = parts.slots.iter().position(|slot| slot.name.as_str() == "app.calls").unwrap();
            parts.values.push(u16::try_from(calls).unwrap());
        },
    },
    Fault {
        name: "a rule that reads more than it declares",
        zone: Zone::Cloud,
        claim: Claim::NonLeak,
        names: "rule `far`",
        plant: |parts| rule(parts, "far").root = rule(parts, "hooked").root,
    },
    Fault {
        name: "an early decision that is not permitted",
        zone: Zone::Device,
        claim: Claim::NonLeak,
        names: "rule `relay`",
        plant: |parts| rule(parts, "prompt").reason = "relay".to_owned(),
    },
    Fault {
        name: "a hidden rule at the edge",
        zone: Zone::Edge,
        claim: Claim::NonLeak,
        names: "rule `mule`",
        plant: |parts| rule(parts, "burst").reason = "mule".to_owned(),
    },
    Fault {
        name: "a threshold that nothing reads",
        zone: Zone::Edge,
        claim: Claim::NonLeak,
        names: "nodes that nothing reads",
        plant: |parts| parts.nodes.push(Node::Const(Value::Int(77))),
    },
    Fault {
        name: "a signal that nothing reads",
        zone: Zone::Edge,
        claim: Claim::NonLeak,
        names: "slots that nothing reads",
        plant: |parts| {
            let mut slot = parts.slots[0].clone();
            slot.name = glacis_wire::SignalName::parse("age").unwrap();
            slot.source = Source::Cloud;
            slot.min_trust = Trust::Claimed;
            slot.ty = Type::Int;
            slot.aggregate = false;
            parts.slots.push(slot);
        },
    },
    Fault {
        name: "points told to the device",
        zone: Zone::Device,
        claim: Claim::NonLeak,
        names: "points and outages",
        plant: |parts| parts.hidden.score = (-2, 7),
    },
];
