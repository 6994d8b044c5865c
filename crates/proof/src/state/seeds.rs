//! What the atoms of a policy say about values: the constants that they compare with, and what samples are made from.
//!
//! Everything here only suggests values. That a list of values leaves nothing out is the matter of `order`, and whether
//! a sample does what it was made for is found by evaluating it.

use super::{Atom, Subject, compared, constant};
use glacis_compiler::checked::{Expr, ExprKind};
use glacis_wire::{SignalName, Value};

/// What some atoms say about the values of one signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Seeds {
    /// Constants of comparisons, whose classes are exact.
    pub(super) compared: Vec<Value>,
    /// Every constant in an atom that is not exact, and those of comparisons.
    pub(super) constants: Vec<Value>,
    /// Patterns that texts are matched with.
    pub(super) patterns: Vec<String>,
    /// Networks that addresses are looked up in.
    pub(super) networks: Vec<String>,
    /// Whether a part of a moment or span is asked for.
    pub(super) asks_time: bool,
}

/// What the atoms that read `name` say about it.
pub(super) fn of(reading: &[&(Subject<'_>, Atom<'_>)], name: &SignalName) -> Seeds {
    let mut seeds = Seeds::default();
    // Samples are made from the first constants, and only what is not exact needs any.
    let of = |exact: bool| reading.iter().filter(move |(_, atom)| atom.is_exact == exact);
    for (subject, atom) in of(false).chain(of(true)) {
        let alone = atom.signals.len() == 1 && atom.signals.contains(name);
        if let Some(constants) = compared(subject.checked, atom.expr).filter(|_| alone) {
            seeds.compared.extend(constants);
        }
        gather(subject, atom.expr, &mut seeds);
    }
    seeds
}

fn gather(subject: &Subject<'_>, expr: &Expr, seeds: &mut Seeds) {
    if let Some(value) = constant(subject.checked, expr) {
        match value {
            Value::List(items) => seeds.constants.extend(items),
            one => seeds.constants.push(one),
        }
        return;
    }
    match &expr.kind {
        ExprKind::Matches(_, pattern) => seeds.patterns.push(pattern.clone()),
        ExprKind::InNetworks(_, networks) => seeds.networks.extend(networks.iter().cloned()),
        ExprKind::TimePart(..) => seeds.asks_time = true,
        _ => {}
    }
    for part in expr.parts() {
        gather(subject, part, seeds);
    }
}
