//! Random small models in slices, for the generator.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

use crate::generate::Random;
use glacis_model::build::{Column, Ensemble, Node as TreeNode};
use glacis_model::{Kind, Link, Model};
use glacis_policy::{Call, Node, Parts};
use glacis_wire::{Type, Value};

/// Adds a model over some slots, a call and a condition on its score; the place of the condition. `None` if no slot is
/// a number or a truth value.
pub(crate) fn condition(random: &mut Random, parts: &mut Parts, kinds: &mut Vec<Type>) -> Option<u32> {
    let takes = |ty: Type| matches!(ty, Type::Bool | Type::Int | Type::Double);
    let slots: Vec<u16> =
        (0..).zip(&parts.slots).filter(|(_, slot)| takes(slot.ty)).map(|(at, _)| at).collect();
    if slots.is_empty() || parts.models.len() >= 3 {
        return None;
    }
    let inputs: Vec<u16> = (0..1 + random.below(3)).map(|_| random.pick(&slots)).collect();
    let bytes = bytes(random, inputs.len());
    let bound = bound(random, &bytes);
    let first = parts.nodes.len() as u32;
    parts.calls.push(Call { model: parts.models.len() as u16, slots: inputs });
    parts.models.push(bytes);
    let compare = random.pick(&[Node::Lt, Node::Le, Node::Gt, Node::Ge, Node::Eq, Node::Ne]);
    let score = Node::Score(parts.calls.len() as u16 - 1);
    parts.nodes.extend([score, Node::Const(Value::Int(bound)), compare(first, first + 1)]);
    kinds.extend([Type::Int, Type::Int, Type::Bool]);
    Some(first + 2)
}

/// A score that the model may have.
fn bound(random: &mut Random, bytes: &[u8]) -> i64 {
    let model = Model::load(bytes).unwrap();
    let margin = 0.5 + [-8.0, -3.0, 0.0, 2.0, 5.0][random.below(5)] + [-4.0, 0.0, 3.0][random.below(3)];
    model.score_of(margin).unwrap()
}

/// A small model.
fn bytes(random: &mut Random, features: usize) -> Vec<u8> {
    let column = |random: &mut Random, at: usize| Column {
        name: format!("f{at}"),
        kind: random.pick(&[Kind::Double, Kind::Double, Kind::Int]),
        zero_is_missing: random.chance(25),
    };
    let columns = (0..features).map(|at| column(random, at)).collect();
    let trees = (0..1 + random.below(3)).map(|_| tree(random, features)).collect();
    let ensemble = Ensemble { features: columns, trees, base: 0.5, link: Link::Identity, slack: 0.0 };
    ensemble.encode().unwrap().bytes
}

/// Two splits, three leaves.
fn tree(random: &mut Random, features: usize) -> Vec<TreeNode> {
    let mut split = |left, right| TreeNode::Split {
        feature: random.below(features),
        from: [0.0, 1.0, 2.0, 5.0, 0.5, -1.0][random.below(6)],
        missing_right: random.chance(50),
        left,
        right,
    };
    let (root, inner) = (split(1, 2), split(3, 4));
    let mut leaf = || TreeNode::Leaf([-8.0, -3.0, -1.0, 0.0, 2.0, 5.0, 7.0][random.below(7)]);
    vec![root, inner, leaf(), leaf(), leaf()]
}
