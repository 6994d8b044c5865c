//! Ranges: release nodes that only tell between which declared bounds a number of the device lies.
//!
//! A rule declares them by signal and bounds, not by number, so what a node computes is looked at in the bytes: nothing
//! but comparisons of that one signal with these bounds, each on one side in all nodes of the rule, joined as conditions
//! are. Such a node is a function of the range. Every other one counts as a release node.

use super::Scene;
use glacis_compiler::checked::{Bucket, Rule};
use glacis_policy::{Node, Slice};
use glacis_wire::{Value, Zone};
use std::collections::BTreeSet;

/// How many of the nodes that a rule reads are no ranges that it declares.
pub(super) fn counted(scene: Scene<'_>, rule: &Rule, read: &BTreeSet<u16>) -> usize {
    let device = scene.slice(Zone::Device);
    let mut ranges = 0;
    for bucket in &rule.buckets {
        let nodes = read.iter().filter_map(|node| cuts(device, bucket, *node));
        let nodes: Vec<BTreeSet<Cut>> = nodes.collect();
        let all: BTreeSet<&Cut> = nodes.iter().flatten().collect();
        // Both sides of a bound are two bounds, with a range between them that was not declared.
        let twice = all.iter().any(|(bound, above)| all.contains(&(*bound, !above)));
        ranges += if twice { 0 } else { nodes.len() };
    }
    read.len().saturating_sub(ranges)
}

/// A place among the bounds, and whether the cut is above it.
type Cut = (usize, bool);

/// Where a node cuts the values of a signal; `None` if it does anything else.
fn cuts(device: &Slice, bucket: &Bucket, node: u16) -> Option<BTreeSet<Cut>> {
    let root = *device.parts().releases.get(usize::from(node))?;
    let at = |place: u32| device.nodes().get(usize::try_from(place).ok()?);
    let (mut cuts, mut seen, mut below) = (BTreeSet::new(), BTreeSet::new(), vec![root]);
    while let Some(place) = below.pop() {
        if !seen.insert(place) {
            continue;
        }
        match at(place)? {
            Node::Const(Value::Bool(_)) => {}
            Node::Not(a) => below.push(*a),
            Node::And(a, b) | Node::Or(a, b) => below.extend([*a, *b]),
            Node::If(a, b, c) => below.extend([*a, *b, *c]),
            // `x < b` and `x >= b` cut below b, `x <= b` and `x > b` above it; turned round, the other way.
            Node::Lt(a, b) | Node::Ge(a, b) => {
                cuts.insert(cut(device, bucket, (at(*a)?, at(*b)?), false)?);
            }
            Node::Le(a, b) | Node::Gt(a, b) => {
                cuts.insert(cut(device, bucket, (at(*a)?, at(*b)?), true)?);
            }
            _ => return None,
        }
    }
    (!cuts.is_empty()).then_some(cuts)
}

/// One comparison; `above`: the cut is above the bound where the signal stands on the left.
fn cut(device: &Slice, bucket: &Bucket, (a, b): (&Node, &Node), above: bool) -> Option<Cut> {
    let (slot, bound, above) = match (a, b) {
        (Node::Read(slot), Node::Const(bound)) => (slot, bound, above),
        (Node::Const(bound), Node::Read(slot)) => (slot, bound, !above),
        _ => return None,
    };
    let is_signal = device.slots().get(usize::from(*slot)).is_some_and(|slot| slot.name == bucket.signal);
    let at = bucket.bounds.iter().position(|known| known == bound)?;
    is_signal.then_some((at, above))
}
