//! Random models small enough to be read, and conditions on their scores.
//!
//! Trees split where answers of the domain lie, so that each way is taken; bounds of conditions are scores that the
//! model can have, or next to one.

use super::expression::Readable;
use crate::rng::Rng;
use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::{Kind, Link, Model};
use glacis_wire::Type;

/// One model of a draft.
#[derive(Clone, Debug)]
pub(super) struct DraftModel {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// Where trees split.
const BOUNDS: [f64; 9] = [0.0, 1.0, 2.0, 3.0, 12.0, -1.0, -7.0, 0.5, 1e18];

/// A condition on the score of a new model over some of these signals, if one of them is a number or a truth value.
pub(super) fn condition(rng: &mut Rng, signals: &[Readable], models: &mut Vec<DraftModel>) -> Option<String> {
    let takes = |signal: &&Readable| {
        matches!(signal.ty, Type::Bool | Type::Int | Type::Double) && !signal.name.starts_with('(')
    };
    let all: Vec<Readable> = signals.iter().filter(takes).copied().collect();
    let inputs: Vec<Readable> =
        (0..1 + rng.below(3)).map(|_| rng.pick(&all).copied()).collect::<Option<_>>()?;
    let ensemble = ensemble(rng, &inputs);
    let bytes = ensemble.encode().ok()?.bytes;
    let model = Model::load(&bytes).ok()?;
    let name = format!("m{}", models.len());
    let names: Vec<&str> = inputs.iter().map(|input| input.name).collect();
    let score = format!("model.{name}({})", names.join(", "));
    let bound = |rng: &mut Rng| {
        let near = i64::try_from(rng.below(3)).unwrap_or(0) - 1;
        let margin = ensemble.base + leaf(rng, &ensemble) + leaf(rng, &ensemble);
        format!("({})", model.score_of(margin).unwrap_or(0).saturating_add(near))
    };
    let operator = rng.pick(&["==", "!=", "<", "<=", ">", ">=", ">", "<"]).copied().unwrap_or(">");
    let text = match rng.below(10) {
        0 => format!("({score} in [{}, {}])", bound(rng), bound(rng)),
        1 => format!("({score} - {} {operator} 0)", bound(rng)),
        2 => format!("({score} {operator} -{score})"),
        3 => format!("((({score} > {}) ? {score} : {}) {operator} {})", bound(rng), bound(rng), bound(rng)),
        _ => format!("({score} {operator} {})", bound(rng)),
    };
    models.push(DraftModel { name, bytes });
    Some(text)
}

/// A leaf of some tree: sums of them are scores.
fn leaf(rng: &mut Rng, ensemble: &Ensemble) -> f64 {
    let leaves = ensemble.trees.iter().flatten().filter_map(|node| match node {
        Node::Leaf(value) => Some(*value),
        Node::Split { .. } => None,
    });
    let leaves: Vec<f64> = leaves.collect();
    rng.pick(&leaves).copied().unwrap_or(0.0)
}

fn ensemble(rng: &mut Rng, inputs: &[Readable]) -> Ensemble {
    let features = (0_u32..).zip(inputs).map(|(at, input)| Column {
        name: format!("f{at}"),
        kind: if input.ty != Type::Double && rng.chance(30) { Kind::Int } else { Kind::Double },
        zero_is_missing: rng.chance(25),
    });
    let features: Vec<Column> = features.collect();
    let trees = (0..1 + rng.below(3))
        .map(|_| {
            let mut nodes = Vec::new();
            grow(rng, inputs.len(), 3, &mut nodes);
            nodes
        })
        .collect();
    Ensemble { features, trees, base: 0.5, link: Link::Identity, slack: 0.0 }
}

/// Appends a tree in preorder; its place.
fn grow(rng: &mut Rng, features: usize, depth: u32, nodes: &mut Vec<Node>) -> usize {
    let at = nodes.len();
    if depth == 0 || (depth < 3 && rng.chance(25)) {
        let value = i32::try_from(rng.below(17)).unwrap_or(0) - 8;
        nodes.push(Node::Leaf(f64::from(value)));
        return at;
    }
    nodes.push(Node::Leaf(0.0));
    let feature = usize::try_from(rng.below(features as u64)).unwrap_or(0);
    let from = rng.pick(&BOUNDS).copied().unwrap_or(0.0);
    let missing_right = rng.chance(50);
    let left = grow(rng, features, depth - 1, nodes);
    let right = grow(rng, features, depth - 1, nodes);
    if let Some(node) = nodes.get_mut(at) {
        *node = Node::Split { feature, from, missing_right, left, right };
    }
    at
}
