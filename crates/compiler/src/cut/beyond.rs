//! A policy as everybody beyond the device sees it: each release node in the place of what it is computed from.
//!
//! What was decided can be explained and decided again from what was stored only in these terms, since of the device
//! nothing but the outcomes of nodes was ever let out. The node of index `i` is the Boolean signal `node.i`, as in
//! slices; its outcome has the trust of the session and counts as withheld below the node's `min_trust`. Private
//! signals are not in it, but for those of rules that let nothing out and are unknown as a whole.

use super::Cut;
use crate::catalogue::{Birth, Origin, Privacy, Signal};
use crate::checked::{Checked, Release, Rule};
use glacis_wire::{SignalName, Type};
use std::collections::BTreeMap;
use std::time::Duration;

/// The policy in those terms.
pub(crate) fn beyond(policy: &Checked, cut: &Cut) -> Checked {
    let rules: Vec<Rule> = policy
        .rules
        .iter()
        .zip(&cut.rules)
        .map(|(rule, cut)| match rule.release {
            Release::Undisclosed => rule.clone(),
            _ => Rule { when: cut.root.clone(), release: Release::Nothing, ..rule.clone() },
        })
        .collect();
    let read = rules.iter().flat_map(|rule| rule.when.readings()).map(|(name, _)| name);
    let mut signals: BTreeMap<SignalName, Signal> = BTreeMap::new();
    for name in read {
        let node = cut.table.index_of(name).and_then(|at| cut.table.nodes.get(usize::from(at)));
        let signal = match node {
            Some(node) => Some(Signal {
                name: name.clone(),
                ty: Type::Bool,
                birth: Birth::Device,
                origin: Origin::Observed,
                // What the node says may leave; that is what a release is.
                privacy: Privacy::Public,
                purpose: Vec::new(),
                retention: Duration::ZERO,
                min_trust: node.min_trust,
                max_bytes: None,
                max_items: None,
                cost: 1,
            }),
            None => policy.signals.get(name).cloned(),
        };
        signals.extend(signal.map(|signal| (name.clone(), signal)));
    }
    Checked { rules, signals, ..policy.clone() }
}
