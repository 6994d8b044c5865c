//! What a model means, said again: doubles, a walk from node to node, and every completion one by one.

#![expect(clippy::indexing_slicing, clippy::cast_precision_loss, reason = "test code")]

use crate::generate::candidates;
use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::{Input, Kind};

/// The value of a point as the feature compares it; `None` where it is missing.
fn read(column: &Column, input: Input) -> Option<f64> {
    let value = match input {
        Input::Double(value) => value,
        Input::Int(value) => value as f64,
        _ => return None,
    };
    let zero = column.zero_is_missing && value.abs() <= f64::from(1e-35_f32);
    if value.is_nan() || zero {
        return None;
    }
    Some(if column.kind == Kind::Int { value.floor() } else { value })
}

/// The leaf of a point.
pub(crate) fn leaf(ensemble: &Ensemble, tree: &[Node], inputs: &[Input]) -> f64 {
    let mut at = 0;
    loop {
        match tree[at] {
            Node::Leaf(value) => return value,
            Node::Split { feature, from, missing_right, left, right } => {
                let value = read(&ensemble.features[feature], inputs[feature]);
                at = if value.map_or(missing_right, |value| value >= from) { right } else { left };
            }
        }
    }
}

/// The margin of a point.
pub(crate) fn margin(ensemble: &Ensemble, inputs: &[Input]) -> f64 {
    ensemble.base + ensemble.trees.iter().map(|tree| leaf(ensemble, tree, inputs)).sum::<f64>()
}

/// Points that an input leaves open, enough of them that every way through a tree is taken.
fn completions(ensemble: &Ensemble, feature: usize, input: Input) -> Vec<Input> {
    let inside = |candidate: &Input| match (input, *candidate) {
        (Input::Unknown, _) => true,
        (Input::Doubles { lo, hi }, Input::Double(value)) => (lo..=hi).contains(&value),
        (Input::Ints { lo, hi }, Input::Int(value)) => (lo..=hi).contains(&value),
        _ => false,
    };
    let ends = match input {
        Input::Doubles { lo, hi } => vec![Input::Double(lo), Input::Double(hi)],
        Input::Ints { lo, hi } => vec![Input::Int(lo), Input::Int(hi)],
        Input::Unknown => vec![],
        point => vec![point],
    };
    candidates(ensemble, feature).into_iter().filter(inside).chain(ends).collect()
}

/// Calls `each` with every combination of completions of the features that `wanted` names; others keep their first.
pub(crate) fn for_each_completion(
    ensemble: &Ensemble,
    inputs: &[Input],
    wanted: impl Fn(usize) -> bool,
    mut each: impl FnMut(&[Input]),
) {
    let choices: Vec<Vec<Input>> = inputs
        .iter()
        .enumerate()
        .map(|(feature, input)| {
            let mut all = completions(ensemble, feature, *input);
            all.truncate(if wanted(feature) { all.len() } else { 1 });
            all
        })
        .collect();
    let mut at = vec![0; choices.len()];
    loop {
        let chosen: Vec<Input> = at.iter().zip(&choices).map(|(at, all)| all[*at]).collect();
        each(&chosen);
        let Some(place) = (0..at.len()).find(|place| at[*place] + 1 < choices[*place].len()) else { return };
        at[place] += 1;
        at[..place].fill(0);
    }
}

/// Features that a tree reads.
pub(crate) fn reads(tree: &[Node], feature: usize) -> bool {
    tree.iter().any(|node| matches!(node, Node::Split { feature: other, .. } if *other == feature))
}
