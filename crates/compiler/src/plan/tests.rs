//! The plan against the reference: what can go by brute force over all subsets, and what a plan says of small policies.
//!
//! Brute force knows nothing of how `minimal` works: it asks the reference interpreter for every rule, every subset of
//! its nodes and every assignment of the signals.

use super::{Plan, minimal};
use crate::catalogue::{Birth, Signal};
use crate::checked::{Checked, Release, Rule};
use crate::reference::{Outcome, Snapshot, evaluate, whole};
use crate::tests::testing::{Random, for_each_case, signal};
use crate::{Compiled, Source, compile};
use glacis_wire::{Answer, Cause, Given, SignalName, Trust, Type, Value, Zone};
use std::collections::{BTreeMap, BTreeSet};

const HEAD: &str = r#"[policy]
name = "p"
event = "pay"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
"#;

/// Device: `a`, `b`, `c` (attested) and `d` (claimed); request `q`; cloud `k`. All are Boolean.
fn signals() -> String {
    let one = |name: &str, zone: &str, trust: &str| {
        format!(
            "signal.{name} = {{ type = \"bool\", zone = \"{zone}\", privacy = \"private\", purpose = [\"fraud\"], \
             retention = \"0d\", cost = 1{trust} }}\n"
        )
    };
    let device = |name, trust| one(name, "device", &format!(", min_trust = \"{trust}\""));
    let rest = [one("q", "request", ""), one("k", "cloud", "")];
    let attested = ["a", "b", "c"].map(|name| device(name, "attested"));
    [attested.concat(), device("d", "claimed"), rest.concat()].concat()
}

fn condition(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return random.pick(&["a", "b", "c", "d", "q", "k", "has(a)"]).to_owned();
    }
    let [a, b] = [condition(random, depth - 1), condition(random, depth - 1)];
    match random.below(6) {
        0 | 1 => format!("({a} && {b})"),
        2 | 3 => format!("({a} || {b})"),
        4 => format!("!{a}"),
        _ => format!("({a} ? {b} : {})", condition(random, depth - 1)),
    }
}

/// A rule that compiles: the number of its nodes is found by trying.
fn rule(random: &mut Random, at: usize, head: &str) -> Option<String> {
    let entries = ["match", "skip", "challenge(otp)"];
    let withheld = random.pick(&["match", "danger_skip", "challenge(otp)"]);
    let [other, denied, error] = [random.pick(&entries), withheld, withheld];
    let plain = |entry: &str| entry.replace("danger_", "");
    let when = condition(random, 2);
    let rule = format!(
        "[[rule]]\nid = \"r{at}\"\nwhen = \"{when}\"\neffect = \"block\"\nif_error = \"{}\"\n\
         if_unknown = {{ withheld = \"{withheld}\", denied = \"{}\", version = \"{}\", absent = \"{other}\", unavailable = \"{other}\" }}\n",
        plain(error),
        plain(denied),
        plain(denied),
    );
    let tries = (1..=4).map(|nodes| format!("{rule}text = \"device\"\nrelease = {{ nodes = {nodes} }}\n"));
    tries.into_iter().chain([rule.clone()]).find(|rule| compiled(&format!("{head}{rule}")).is_some())
}

fn compiled(policy: &str) -> Option<Compiled> {
    let signals = signals();
    let source = |name, text| Source { name, text };
    compile(source("signals.toml", &signals), source("policy.toml", policy), None).ok()
}

/// A policy with some rules and at most twelve nodes.
fn policy(random: &mut Random, rules: usize) -> Option<Compiled> {
    let mut text = HEAD.to_owned();
    for at in 0..rules {
        text.extend(rule(random, at, HEAD));
    }
    compiled(&text).filter(|compiled| (1..=12).contains(&compiled.layout().nodes.len()))
}

/// One rule alone, release nodes as signals of the device.
fn alone(compiled: &Compiled, at: usize) -> (Checked, Vec<usize>) {
    let (rule, cut) = (&compiled.checked.rules[at], &compiled.cut.rules[at]);
    let mut checked = compiled.checked.clone();
    let release = if cut.nodes.is_empty() {
        Release::Nothing
    } else {
        Release::Nodes { nodes: 0, values: Vec::new(), vs_request: false }
    };
    checked.rules = vec![Rule { when: cut.root.clone(), release, ..rule.clone() }];
    for (at, node) in compiled.cut.table.nodes.iter().enumerate() {
        let name = format!("node.{at}");
        let node = Signal { birth: Birth::Device, min_trust: node.min_trust, ..signal(&name, Type::Bool) };
        checked.signals.insert(node.name.clone(), node);
    }
    (checked, cut.nodes.iter().map(|node| usize::from(*node)).collect())
}

fn given(name: &str, answer: &Answer, trust: Trust) -> (SignalName, Given) {
    (SignalName::parse(name).unwrap(), Given { answer: answer.clone(), trust })
}

/// Whether a rule comes out alike when the nodes of `gone` are withheld, for every assignment.
fn alike(compiled: &Compiled, at: usize, gone: &BTreeSet<usize>) -> bool {
    let (checked, nodes) = alone(compiled, at);
    let yes = |value| Answer::Value(Value::Bool(value));
    let unknown = Answer::unknown;
    let device = [
        yes(true),
        yes(false),
        Answer::Missing,
        Answer::Error,
        unknown(Cause::Withheld),
        unknown(Cause::Denied),
    ];
    let request = [yes(true), yes(false), Answer::Missing];
    let cloud = [yes(true), yes(false), Answer::Error, unknown(Cause::Unavailable)];
    let mut snapshots: Vec<Snapshot> = vec![Snapshot::default()];
    for (name, answers) in
        [("a", &device[..]), ("b", &device), ("c", &device), ("d", &device), ("q", &request), ("k", &cloud)]
    {
        if !checked.signals.contains_key(&SignalName::parse(name).unwrap()) {
            continue;
        }
        let with = |snapshot: &Snapshot| {
            let all = answers.iter().map(|answer| {
                let mut more = snapshot.clone();
                more.answers.extend([given(name, answer, Trust::Proven)]);
                more
            });
            all.collect::<Vec<_>>()
        };
        snapshots = snapshots.iter().flat_map(with).collect();
    }
    assert!(snapshots.len() <= 31_104, "as many as six signals have");
    let told = |snapshot: &Snapshot, gone: &BTreeSet<usize>, trust: Trust| {
        let mut told = snapshot.clone();
        for node in &nodes {
            let expr = &compiled.cut.table.nodes[*node].expr;
            let answer = match evaluate(&compiled.checked, expr, snapshot, false, false) {
                _ if gone.contains(node) => unknown(Cause::Withheld),
                Outcome::Value(value) => Answer::Value(value),
                Outcome::Error => Answer::Error,
                // Consent is looked up by the cloud, per node.
                Outcome::Unknown(causes) if causes.contains(Cause::Denied) => unknown(Cause::Denied),
                Outcome::Unknown(_) | Outcome::Interval(..) => unknown(Cause::Withheld),
            };
            told.answers.extend([given(&format!("node.{node}"), &answer, trust)]);
        }
        whole(&checked, &told, None, false)
    };
    let none = BTreeSet::new();
    snapshots.iter().all(|snapshot| {
        let same = |trust: &Trust| told(snapshot, gone, *trust) == told(snapshot, &none, *trust);
        Trust::ALL.iter().all(same)
    })
}

#[test]
fn spare_nodes_are_those_of_brute_force_over_all_subsets() {
    let spared = std::cell::Cell::new(0);
    let most = std::cell::Cell::new(0);
    let each = |random: &mut Random, rules: usize| {
        let Some(compiled) = policy(random, rules) else { return };
        let count = compiled.layout().nodes.len();
        most.set(most.get().max(count));
        let mut known: BTreeMap<(usize, BTreeSet<usize>), bool> = BTreeMap::new();
        let mut can_go = |gone: &BTreeSet<usize>| {
            (0..compiled.checked.rules.len()).all(|at| {
                let own = compiled.cut.rules[at].nodes.iter().map(|node| usize::from(*node));
                let gone: BTreeSet<usize> = own.filter(|node| gone.contains(node)).collect();
                *known
                    .entry((at, gone.clone()))
                    .or_insert_with(|| gone.is_empty() || alike(&compiled, at, &gone))
            })
        };
        let subset = |bits: usize| (0..count).filter(|at| bits >> at & 1 == 1).collect::<BTreeSet<_>>();
        let all: BTreeSet<BTreeSet<usize>> =
            (0..1 << count).map(subset).filter(|gone| can_go(gone)).collect();
        let (gone, untried) = minimal::spare(&compiled);
        let gone: BTreeSet<usize> = gone.into_iter().collect();
        assert!(untried.is_empty());
        assert!(all.contains(&gone), "{gone:?} cannot go:\n{:#?}", compiled.layout());
        let larger = all.iter().find(|other| other.is_superset(&gone) && other.len() > gone.len());
        assert_eq!(larger, None, "more than {gone:?} can go:\n{:#?}", compiled.layout());
        spared.set(spared.get() + gone.len());
    };
    for_each_case(|random| {
        if random.chance(12) {
            each(random, 2);
        }
    });
    (0..6).for_each(|seed| each(&mut Random::new(seed), 8));
    assert!(spared.get() > 0, "no policy had a node to spare");
    assert!(most.get() >= 8, "only {} nodes", most.get());
}

fn plan(rules: &str) -> Plan {
    let head = format!(
        "{HEAD}if_error = \"match\"\nif_unknown = {{ withheld = \"match\", denied = \"match\", version = \"match\", unavailable = \"match\", absent = \"skip\" }}\n"
    );
    Plan::new(&compiled(&format!("{head}{rules}")).unwrap_or_else(|| panic!("does not compile: {rules}")))
}

#[test]
fn a_node_that_says_nothing_new_can_go_and_no_other() {
    let device = "effect = \"block\"\ntext = \"device\"\n";
    let mild = "if_unknown = { withheld = \"danger_skip\", denied = \"skip\", version = \"skip\" }\nif_error = \"skip\"\n";
    let spare = plan(&format!(
        "[[rule]]\nid = \"r\"\nwhen = \"(a && q) || (a && b && q)\"\n{device}release = {{ nodes = 2 }}\n{mild}"
    ));
    assert_eq!(spare.spare.nodes, ["a && b"]);
    let needed = plan(&format!(
        "[[rule]]\nid = \"r\"\nwhen = \"(a && q) || (a && b && q)\"\n{device}release = {{ nodes = 2 }}\n"
    ));
    assert!(needed.spare.nodes.is_empty() && needed.spare.untried.is_empty());
    let early =
        plan(&format!("[[rule]]\nid = \"r\"\nwhen = \"a || a && b\"\n{device}release = \"verdict\"\n"));
    assert!(early.spare.nodes.is_empty(), "an early decision is declared");
    assert_eq!(early.spare.unused.iter().map(SignalName::as_str).collect::<Vec<_>>(), ["c", "d", "q"]);
}

#[test]
fn a_rule_says_where_it_closes_when_it_is_false_before_and_why() {
    let plan = plan(
        "[[rule]]\nid = \"cloud\"\nwhen = \"(k || !q) && (a || k && q)\"\neffect = \"block\"\ntext = \"device\"\nrelease = \"bit\"\n\
         [[rule]]\nid = \"hidden\"\nwhen = \"q\"\neffect = \"block(soft)\"\ntext = \"cloud\"\n\
         [[rule]]\nid = \"early\"\nwhen = \"b\"\neffect = \"block\"\ntext = \"device\"\nrelease = \"verdict\"\n\
         [[rule]]\nid = \"never\"\nwhen = \"k\"\neffect = \"block\"\n",
    );
    let of = |id: &str| plan.rules.iter().find(|rule| rule.id == id).unwrap();
    assert_eq!((of("cloud").closes, of("cloud").false_early.as_deref()), (Zone::Cloud, Some("a || q")));
    assert_eq!((of("hidden").closes, of("hidden").zones.as_slice()), (Zone::Cloud, &[Zone::Cloud][..]));
    assert_eq!((of("early").closes, of("early").zones.len()), (Zone::Edge, 3));
    assert_eq!(of("never").false_early, None);
    let text = plan.to_string();
    for said in [
        "secrecy): text = \"cloud\"",
        "availability): only the cloud knows k",
        "privacy): kept there: a; `a` leaves as yes or no",
        "trust): `a` being false excuses only from attested on",
        "declared): release = \"verdict\"",
        "bits a request: 2 private, 0 pseudonymous, 0 public; no budget",
        "a rule that is not in it can block",
        "the strictest soft effect elsewhere is block(soft)",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
}

#[test]
fn an_edge_slice_tells_no_condition_of_the_device_and_a_device_slice_none_of_the_edge() {
    let plan = plan(
        "[[rule]]\nid = \"r\"\nwhen = \"a && (q || k)\"\neffect = \"block\"\ntext = \"device\"\nrelease = \"bit\"\n",
    );
    let [device, edge, cloud] = plan.slices.as_slice() else { panic!("three zones") };
    assert_eq!((device.conditions.as_slice(), device.rules.len()), (&["a".to_owned()][..], 0));
    assert_eq!(edge.conditions, ["node.0 && (q || k)"]);
    assert_eq!(cloud.conditions, edge.conditions);
    assert!(device.cost <= device.cost_max && device.bytes > 0);
    let closes =
        "r: block; error, withheld, denied, unavailable, inexact, version close as match, absent as skip";
    assert_eq!(edge.rules, [closes]);
    assert_eq!(edge.settings, ["methods, weakest first: otp, passkey"]);
}

#[test]
fn shares_are_counted_by_zone() {
    let plan = plan("[[rule]]\nid = \"r\"\nwhen = \"q\"\neffect = \"block\"\n");
    assert!(!plan.to_string().contains("recorded events"));
    let plan = plan.with_shares([(Zone::Edge, 2), (Zone::Cloud, 1), (Zone::Edge, 5)]);
    assert!(plan.to_string().contains("decided at the edge: 7 of 8 recorded events, 87.5 %"));
    assert_eq!(plan.shares.iter().map(|share| share.decided).sum::<u64>(), 8);
}
