//! LightGBM's JSON, as `dump_model` gives it.
//!
//! Trees are nested objects, walked here with a stack. A value goes left where `x <= t`. What is missing depends on
//! the split: with `missing_type` `NaN`, NaN; with `Zero`, zero and NaN; with `None` nothing is, and NaN counts as
//! zero. The first two take the side that `default_left` says. The margin is the sum of the leaves.

use super::json::{Document, Value};
use super::{ImportError, Read, UNIT_F64, rounding};
use crate::build::{Column, Ensemble, Node};
use crate::format::DEPTH_MAX;
use crate::input::ZERO;
use crate::link::Link;
use crate::model::Kind;
use alloc::format;
use alloc::vec::Vec;

/// Reads a model.
pub(super) fn read(document: &Document<'_>) -> Result<Read, ImportError> {
    let root = document.root();
    one_output(root)?;
    let link = link(root.member("objective")?)?;
    let mut features = Vec::new();
    for name in root.member("feature_names")?.array("feature_names")? {
        let name = name.string("feature_names")?;
        features.push(Column { name, kind: Kind::Double, zero_is_missing: false });
    }
    let mut reader = Trees { zero_is_missing: alloc::vec![None; features.len()], nodes: Vec::new() };
    let (mut trees, mut magnitudes) = (Vec::new(), 0.0);
    for (at, tree) in root.member("tree_info")?.array("tree_info")?.enumerate() {
        let nodes = reader.read(tree).map_err(|error| error.in_tree(at))?;
        magnitudes += nodes.iter().fold(0.0, |most, node| match node {
            Node::Leaf(value) => value.abs().max(most),
            Node::Split { .. } => most,
        });
        trees.push(nodes);
    }
    for (column, zero) in features.iter_mut().zip(reader.zero_is_missing) {
        column.zero_is_missing = zero == Some(true);
    }
    let slack = rounding(magnitudes, trees.len(), UNIT_F64);
    Ok(Read { ensemble: Ensemble { features, trees, base: 0.0, link, slack }, notes: Vec::new() })
}

fn one_output(root: Value<'_>) -> Result<(), ImportError> {
    for name in ["num_class", "num_tree_per_iteration"] {
        let value = root.member(name)?;
        if value.number::<u64>(name)? != 1 {
            let what = format!("`{name}` is not 1: a score has one output; import one model a class");
            return Err(ImportError::refused(value.offset(), what));
        }
    }
    match root.find("average_output")? {
        Some(average) if average.flag("average_output")? => {
            let what = "random forests (`average_output`) are not imported; train with boosting `gbdt`";
            Err(ImportError::refused(average.offset(), what))
        }
        _ => Ok(()),
    }
}

fn link(objective: Value<'_>) -> Result<Link, ImportError> {
    match objective.string("objective")?.as_str() {
        "binary sigmoid:1" => Ok(Link::Logistic),
        "regression" => Ok(Link::Identity),
        other => {
            let what =
                format!("objective `{other}` is not imported; `binary` with sigmoid 1 and `regression` are");
            Err(ImportError::refused(objective.offset(), what))
        }
    }
}

/// Reads one tree after the other.
struct Trees {
    /// Whether zero is missing, by feature; nothing yet where no split has said so.
    zero_is_missing: Vec<Option<bool>>,
    nodes: Vec<Node>,
}

/// Where a child is written into its parent.
#[derive(Clone, Copy)]
enum Side {
    Left(usize),
    Right(usize),
}

impl Trees {
    fn read(&mut self, tree: Value<'_>) -> Result<Vec<Node>, ImportError> {
        let mut open = alloc::vec![(tree.member("tree_structure")?, 0_usize, None)];
        while let Some((value, level, side)) = open.pop() {
            let at = self.nodes.len();
            let here = |error: ImportError| error.at_node(at);
            match side.map(|side| (side, self.nodes.get_mut(parent_of(side)))) {
                Some((Side::Left(_), Some(Node::Split { left, .. }))) => *left = at,
                Some((Side::Right(_), Some(Node::Split { right, .. }))) => *right = at,
                _ => {}
            }
            if value.find("split_feature").map_err(here)?.is_none() {
                self.nodes.push(leaf(value).map_err(here)?);
                continue;
            }
            if level >= DEPTH_MAX {
                let what = format!("tree is deeper than {DEPTH_MAX} splits; train with `max_depth`");
                return Err(here(ImportError::refused(value.offset(), what)));
            }
            let split = self.split(value).map_err(here)?;
            self.nodes.push(split);
            open.push((value.member("right_child").map_err(here)?, level + 1, Some(Side::Right(at))));
            open.push((value.member("left_child").map_err(here)?, level + 1, Some(Side::Left(at))));
        }
        Ok(core::mem::take(&mut self.nodes))
    }

    fn split(&mut self, value: Value<'_>) -> Result<Node, ImportError> {
        let decision = value.member("decision_type")?;
        match decision.string("decision_type")?.as_str() {
            "<=" => {}
            "==" => {
                let what =
                    "categorical split is not imported; encode the categories as numbers before training";
                return Err(ImportError::refused(decision.offset(), what));
            }
            other => {
                let what = format!("decision type `{other}` is not known");
                return Err(ImportError::refused(decision.offset(), what));
            }
        }
        let index = value.member("split_feature")?;
        let feature: usize = index.number("split_feature")?;
        let threshold = value.member("threshold")?;
        let at: f64 = threshold.number("threshold")?;
        if !at.is_finite() {
            return Err(threshold.form("threshold", "a finite number"));
        }
        let default_right = !value.member("default_left")?.flag("default_left")?;
        let missing = value.member("missing_type")?;
        let (zero, missing_right) = match missing.string("missing_type")?.as_str() {
            // NaN counts as zero, which takes its own way.
            "None" => (false, 0.0 > at),
            "NaN" => (false, default_right),
            "Zero" => (true, default_right),
            _ => return Err(missing.form("missing_type", "None, Zero or NaN")),
        };
        match self.zero_is_missing.get_mut(feature) {
            Some(known) if known.is_none_or(|known| known == zero) => *known = Some(zero),
            Some(_) => {
                let what =
                    "zero is missing in some splits of this feature and not in others; train in one run";
                return Err(ImportError::refused(missing.offset(), what));
            }
            None => return Err(index.form("split_feature", "a feature of `feature_names`")),
        }
        Ok(Node::Split { feature, from: from(at), missing_right, left: 0, right: 0 })
    }
}

const fn parent_of(side: Side) -> usize {
    match side {
        Side::Left(parent) | Side::Right(parent) => parent,
    }
}

fn leaf(value: Value<'_>) -> Result<Node, ImportError> {
    if let Some(linear) = value.find("leaf_coeff")? {
        let what = "linear trees are not imported; train without `linear_tree`";
        return Err(ImportError::refused(linear.offset(), what));
    }
    let leaf = value.member("leaf_value")?;
    let number: f64 = leaf.number("leaf_value")?;
    if number.is_finite() { Ok(Node::Leaf(number)) } else { Err(leaf.form("leaf_value", "a finite number")) }
}

/// The least `f64` that is above the threshold, as the library reads numbers: those near zero are zero.
fn from(threshold: f64) -> f64 {
    if (-ZERO..0.0).contains(&threshold) {
        -ZERO
    } else if (0.0..ZERO).contains(&threshold) {
        ZERO.next_up()
    } else {
        threshold.next_up()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the library does with a number before it compares.
    fn read_as(value: f64) -> f64 {
        if value.abs() <= ZERO { 0.0 } else { value }
    }

    #[test]
    fn a_threshold_stands_where_the_comparison_turns() {
        let near_zero = [ZERO, ZERO.next_up(), ZERO.next_down(), 5e-324, 1e-36, 1e-34];
        let others = [1.0, 0.1, 13.500_000_000_000_002, 1e300, f64::MAX];
        for positive in near_zero.into_iter().chain(others).chain([0.0]) {
            for threshold in [positive, -positive] {
                let at = from(threshold);
                assert!(read_as(at) > threshold, "{threshold}");
                assert!(read_as(at.next_down()) <= threshold, "{threshold}");
            }
        }
    }
}
