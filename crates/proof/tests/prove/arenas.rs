//! Arenas changed at random, as no compiler writes them: what is still proven decides as before.
//!
//! The other direction of `planted`: there a known fault has to be refuted, here whatever is proven has to be right. One or
//! two nodes, roots or entries are changed; most of that is a fault, and some of it says the same in other words.

use crate::drafts;
use crate::mutated::{answers, event, inputs};
use crate::rich;
use crate::rng::Rng;
use crate::support::{quick, slices};
use glacis_compiler::Compiled;
use glacis_policy::{Entry, Inputs, Node, Parts, Scratch, Slice, eval};
use glacis_proof::prove::Standing;
use glacis_wire::Value;

/// Changes one thing.
fn change(parts: &mut Parts, rng: &mut Rng) {
    let nodes = parts.nodes.len() as u64;
    if nodes == 0 || parts.rules.is_empty() {
        return;
    }
    let at = usize::try_from(rng.below(nodes)).unwrap();
    let other = u32::try_from(rng.below(at.max(1) as u64)).unwrap();
    let rules = parts.rules.len();
    let rule = &mut parts.rules[usize::try_from(rng.below(rules as u64)).unwrap()];
    match rng.below(12) {
        0 => rule.root = u32::try_from(at).unwrap(),
        1 => rule.unknown[usize::try_from(rng.below(6)).unwrap()] = Entry::Match,
        2 => {
            let root = rule.root;
            rule.root = u32::try_from(parts.nodes.len() + 1).unwrap();
            parts.nodes.extend([Node::Not(root), Node::Not(u32::try_from(parts.nodes.len()).unwrap())]);
        }
        _ => parts.nodes[at] = instead(parts.nodes[at].clone(), other, rng),
    }
}

/// Another node in place of one.
fn instead(node: Node, other: u32, rng: &mut Rng) -> Node {
    match node {
        Node::And(a, b) => [Node::Or(a, b), Node::And(b, a), Node::And(a, other)][pick(rng)].clone(),
        Node::Or(a, b) => [Node::And(a, b), Node::Or(b, a), Node::Or(other, b)][pick(rng)].clone(),
        Node::If(a, b, c) => [Node::If(a, c, b), Node::If(a, b, b), Node::If(other, b, c)][pick(rng)].clone(),
        Node::Not(a) => [Node::And(a, a), Node::Not(other), Node::Or(a, a)][pick(rng)].clone(),
        Node::Eq(a, b) => [Node::Ne(a, b), Node::Eq(b, a), Node::Eq(a, other)][pick(rng)].clone(),
        Node::Lt(a, b) => [Node::Le(a, b), Node::Gt(b, a), Node::Lt(a, other)][pick(rng)].clone(),
        Node::Gt(a, b) => [Node::Ge(a, b), Node::Lt(b, a), Node::Gt(other, b)][pick(rng)].clone(),
        Node::Const(Value::Int(value)) => Node::Const(Value::Int(value.wrapping_add(1))),
        Node::Const(Value::Bool(value)) => Node::Const(Value::Bool(!value)),
        Node::Const(Value::List(mut items)) => {
            items.reverse();
            if pick(rng) == 0 {
                items.pop();
            }
            Node::Const(Value::List(items))
        }
        other => other,
    }
}

fn pick(rng: &mut Rng) -> usize {
    usize::try_from(rng.below(3)).unwrap()
}

/// Changes and proves; how many were refuted, and how many were proven and decided as before.
fn run(compiled: &Compiled, rng: &mut Rng, changes: usize, events: u64) -> (usize, usize) {
    let all = slices(compiled);
    let (mut refuted, mut proven) = (0, 0);
    for _ in 0..changes {
        let zone = pick(rng);
        let sound = Slice::load(&all[zone]).unwrap();
        let mut parts = sound.parts().clone();
        (0..=rng.below(2)).for_each(|_| change(&mut parts, rng));
        let Some(bytes) = parts.encode().ok().filter(|bytes| Slice::load(bytes).is_ok()) else { continue };
        if parts == *sound.parts() {
            continue;
        }
        let changed = Slice::load(&bytes).unwrap();
        let mut planted = all.clone();
        planted[zone] = bytes;
        if quick(compiled, &planted).theorems[0].standing() != Standing::Proven {
            refuted += 1;
            continue;
        }
        proven += 1;
        let answers = answers(&sound);
        let (mut before, mut after) = (Scratch::for_slice(&sound), Scratch::for_slice(&changed));
        for seed in 0..events {
            let (given, close) = event(&answers, seed);
            let slots = inputs(&given);
            let inputs = Inputs { slots: &slots, passed: None, close };
            let outcomes = (eval(&sound, &inputs, &mut before), eval(&changed, &inputs, &mut after));
            assert_eq!(outcomes.0, outcomes.1, "event {seed} of {:?}", changed.parts().nodes);
            assert_eq!(before.rules(), after.rules(), "event {seed} of {:?}", changed.parts().nodes);
            let disclosed = [(&sound, &before), (&changed, &after)]
                .map(|(slice, scratch)| glacis_policy::disclose(slice, scratch, &inputs));
            assert_eq!(disclosed[0], disclosed[1], "event {seed} of {:?}", changed.parts().nodes);
        }
    }
    (refuted, proven)
}

fn run_random(seeds: std::ops::Range<u64>, changes: usize) -> (usize, usize) {
    let mut sum = (0, 0);
    for seed in seeds {
        let Some((compiled, _)) = drafts::compiled(seed) else { continue };
        let (refuted, proven) = run(&compiled, &mut Rng::new(seed), changes, 200);
        sum = (sum.0 + refuted, sum.1 + proven);
    }
    sum
}

#[test]
fn what_is_proven_of_a_changed_arena_decides_as_before() {
    let (refuted, proven) = run(&rich::policy(), &mut Rng::new(5), 70, 200);
    assert!(refuted > 20 && proven > 2, "{refuted} refuted, {proven} proven");
    let (refuted, proven) = run_random(0..24, 16);
    assert!(refuted > 30 && proven > 5, "{refuted} refuted, {proven} proven");
}

/// Takes minutes: `cargo test --release -p glacis-proof -- --ignored`.
#[test]
#[ignore = "the long form of the test above"]
fn so_does_what_is_proven_of_many() {
    let (refuted, proven) = run_random(5_000..8_000, 60);
    println!("changed arenas: {refuted} refuted, {proven} proven");
    assert!(refuted > proven);
}
