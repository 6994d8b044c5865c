//! XGBoost's own JSON, as `save_model` writes it.
//!
//! Trees are arrays, one entry a node. A value goes left where `(f32) x < t`, a missing one by `default_left`. The
//! margin is the base score as a margin plus the leaves, added in `f32`; that rounding is what
//! [`Ensemble::slack`] bounds.

use super::json::{Document, Value};
use super::{ImportError, Read, Reason, UNIT_F32, rounding};
use crate::build::{Column, Ensemble, Node};
use crate::link::{Link, ln};
use crate::model::Kind;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Reads a model.
pub(super) fn read(document: &Document<'_>) -> Result<Read, ImportError> {
    let learner = document.root().member("learner")?;
    let booster = learner.member("gradient_booster")?;
    let name = booster.member("name")?;
    match name.string("name")?.as_str() {
        "gbtree" => {}
        "dart" => {
            let what = "booster `dart` is not imported: it scales trees; train with booster `gbtree`";
            return Err(ImportError::refused(name.offset(), what));
        }
        other => {
            let what = format!("booster `{other}` is not imported; train with booster `gbtree`");
            return Err(ImportError::refused(name.offset(), what));
        }
    }
    let parameters = learner.member("learner_model_param")?;
    one_output(parameters)?;
    let link = link(learner.member("objective")?.member("name")?)?;
    let (base, base_error) = base(parameters.member("base_score")?, link)?;
    let features = features(learner, parameters)?;
    let mut trees = Vec::new();
    let (mut magnitudes, mut integers) = (base.abs(), alloc::vec![true; features.len()]);
    let model = booster.member("model")?;
    for (at, tree) in model.member("trees")?.array("trees")?.enumerate() {
        let nodes = read_tree(tree).map_err(|error| error.in_tree(at))?;
        magnitudes += largest(&nodes);
        not_integers(&nodes, &mut integers);
        trees.push(nodes);
    }
    let features = named(features, &integers);
    // One addition a tree, and a few operations on the way from base score to margin.
    let slack = rounding(magnitudes, trees.len() + 4, UNIT_F32) + base_error;
    let notes = notes(learner)?;
    Ok(Read { ensemble: Ensemble { features, trees, base, link, slack }, notes })
}

fn one_output(parameters: Value<'_>) -> Result<(), ImportError> {
    for (name, most) in [("num_class", 1), ("num_target", 1)] {
        if let Some(value) = parameters.find(name)?
            && value.number_in_string::<u64>(name)? > most
        {
            let what = format!("`{name}` is more than 1: a score has one output; import one model a class");
            return Err(ImportError::refused(value.offset(), what));
        }
    }
    Ok(())
}

fn link(objective: Value<'_>) -> Result<Link, ImportError> {
    match objective.string("objective")?.as_str() {
        "binary:logistic" => Ok(Link::Logistic),
        "reg:squarederror" => Ok(Link::Identity),
        other => {
            let what =
                format!("objective `{other}` is not imported; `binary:logistic` and `reg:squarederror` are");
            Err(ImportError::refused(objective.offset(), what))
        }
    }
}

/// The base score as a margin, and how far the library's may be from it.
fn base(value: Value<'_>, link: Link) -> Result<(f64, f64), ImportError> {
    let text = value.string("base_score")?;
    // Newer versions write a vector of one.
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    let score: f32 = text.parse().map_err(|_| value.form("base_score", "one number in a string"))?;
    match link {
        Link::Identity if score.is_finite() => Ok((f64::from(score), 0.0)),
        Link::Logistic if score > 0.0 && score < 1.0 => {
            // The library computes -ln(1/p - 1) in f32. Two of its steps are exact to repeat; the logarithm is not.
            let margin = -ln(f64::from(1.0 / score - 1.0));
            Ok((margin, (margin.abs() * 4.0 + 1.0) * UNIT_F32))
        }
        _ => Err(value.form("base_score", "in its range")),
    }
}

/// Names and types of all features; where the model has no names, `f0`, `f1` and so on, as the library calls them.
fn features(learner: Value<'_>, parameters: Value<'_>) -> Result<Vec<(String, bool)>, ImportError> {
    let mut features = Vec::new();
    if let Some(names) = learner.find("feature_names")? {
        for name in names.array("feature_names")? {
            features.push((name.string("feature_names")?, false));
        }
    }
    if features.is_empty() {
        let count = parameters.member("num_feature")?;
        let number: usize = count.number_in_string("num_feature")?;
        if number > FEATURES_READ_MAX {
            return Err(ImportError::new(count.offset(), Reason::TooLarge));
        }
        features = (0..number).map(|at| (format!("f{at}"), false)).collect();
    }
    if let Some(types) = learner.find("feature_types")? {
        for (feature, kind) in features.iter_mut().zip(types.array("feature_types")?) {
            feature.1 = kind.string("feature_types")? == "int";
        }
    }
    Ok(features)
}

/// Most features of a file without names; most of them may be unread.
const FEATURES_READ_MAX: usize = 1 << 20;

fn named(features: Vec<(String, bool)>, integers: &[bool]) -> Vec<Column> {
    let kind = |int| if int { Kind::Int } else { Kind::Double };
    let columns = features.into_iter().zip(integers);
    let column = |((name, int), fits): ((String, bool), &bool)| Column {
        name,
        kind: kind(int && *fits),
        zero_is_missing: false,
    };
    columns.map(column).collect()
}

/// Largest magnitude of a leaf.
fn largest(nodes: &[Node]) -> f64 {
    let leaves = nodes.iter().map(|node| if let Node::Leaf(value) = node { value.abs() } else { 0.0 });
    // Entries that nothing leads to may hold anything.
    leaves.filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// Marks features whose thresholds are no 64-bit integers: they are compared as doubles.
fn not_integers(nodes: &[Node], integers: &mut [bool]) {
    for node in nodes {
        if let Node::Split { feature, from, .. } = node
            && let Some(integer) = integers.get_mut(*feature)
        {
            *integer &= from.abs() < INTEGERS_END;
        }
    }
}

/// 2^63.
const INTEGERS_END: f64 = 9_223_372_036_854_775_808.0;

fn read_tree(tree: Value<'_>) -> Result<Vec<Node>, ImportError> {
    let outputs = tree.member("tree_param")?.find("size_leaf_vector")?;
    if let Some(outputs) = outputs
        && outputs.number_in_string::<u64>("size_leaf_vector")? > 1
    {
        return Err(ImportError::refused(outputs.offset(), "leaves with several outputs are not imported"));
    }
    let column =
        |name: &str| -> Result<Vec<Value<'_>>, ImportError> { Ok(tree.member(name)?.array(name)?.collect()) };
    let [left, right, indices, conditions, default] =
        ["left_children", "right_children", "split_indices", "split_conditions", "default_left"].map(column);
    let (left, right, indices, conditions, default) = (left?, right?, indices?, conditions?, default?);
    let kinds: Option<Vec<Value<'_>>> = match tree.find("split_type")? {
        Some(kinds) => Some(kinds.array("split_type")?.collect()),
        None => None,
    };
    let mut nodes = Vec::with_capacity(left.len());
    for (at, left) in left.iter().enumerate() {
        let lacks =
            |name: &str| ImportError::new(tree.offset(), Reason::Lacks(format!("{name}[{at}]"))).at_node(at);
        let right = right.get(at).ok_or_else(|| lacks("right_children"))?;
        let index = indices.get(at).ok_or_else(|| lacks("split_indices"))?;
        let condition = conditions.get(at).ok_or_else(|| lacks("split_conditions"))?;
        let default = default.get(at).ok_or_else(|| lacks("default_left"))?;
        let kind =
            kinds.as_ref().map(|kinds| kinds.get(at).ok_or_else(|| lacks("split_type"))).transpose()?;
        let raw = Raw { left: *left, right: *right, index: *index, condition: *condition, default: *default };
        nodes.push(raw.node(kind.copied()).map_err(|error| error.at_node(at))?);
    }
    if nodes.is_empty() {
        return Err(ImportError::new(tree.offset(), Reason::Form("tree has no node".to_owned())));
    }
    Ok(nodes)
}

/// The entries of one node.
struct Raw<'d> {
    left: Value<'d>,
    right: Value<'d>,
    index: Value<'d>,
    condition: Value<'d>,
    default: Value<'d>,
}

impl Raw<'_> {
    fn node(&self, kind: Option<Value<'_>>) -> Result<Node, ImportError> {
        let condition: f32 = self.condition.number("split_conditions")?;
        if self.left.number::<i64>("left_children")? == -1 {
            return Ok(Node::Leaf(f64::from(condition)));
        }
        if let Some(kind) = kind
            && kind.number::<u8>("split_type")? != 0
        {
            let what = "categorical split is not imported; encode the categories as numbers before training";
            return Err(ImportError::refused(kind.offset(), what));
        }
        if !condition.is_finite() {
            return Err(self.condition.form("split_conditions", "a finite number"));
        }
        Ok(Node::Split {
            feature: self.index.number("split_indices")?,
            from: from(condition),
            missing_right: !self.default.flag("default_left")?,
            left: self.left.number("left_children")?,
            right: self.right.number("right_children")?,
        })
    }
}

/// The least `f64` that rounds to `threshold` or above it in `f32` (to nearest, ties to even).
fn from(threshold: f32) -> f64 {
    // Adding 0.0 leaves one zero.
    let threshold = threshold + 0.0;
    let below = threshold.next_down();
    // What would round to -infinity if the exponent had no end stands for it: rounding knows no infinity before that.
    let below = if below.is_infinite() { -BEYOND_F32 } else { f64::from(below) };
    let middle = f64::midpoint(below, f64::from(threshold));
    if threshold.to_bits() & 1 == 0 { middle } else { middle.next_up() }
}

/// 2^128, the power of two behind the largest `f32`.
const BEYOND_F32: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;

fn notes(learner: Value<'_>) -> Result<Vec<String>, ImportError> {
    let best = match learner.find("attributes")? {
        Some(attributes) => attributes.find("best_iteration")?,
        None => None,
    };
    let Some(best) = best else { return Ok(Vec::new()) };
    let best = best.string("best_iteration")?;
    let shown: String = best.chars().take(20).collect();
    Ok(alloc::vec![format!(
        "the model names {shown} as its best iteration; all trees are imported, as `Booster.predict` uses them: \
         save `booster[:best + 1]` to import fewer"
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is compared with")]
    fn rounds(value: f64) -> f32 {
        value as f32
    }

    #[test]
    fn a_threshold_stands_where_rounding_turns() {
        let mut bits = 1_u32;
        let mut tried = 0;
        while tried < 200_000 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let threshold = f32::from_bits(bits);
            if !threshold.is_finite() {
                continue;
            }
            tried += 1;
            let at = from(threshold);
            assert!(rounds(at) >= threshold, "{threshold}");
            assert!(rounds(at.next_down()) < threshold, "{threshold}");
        }
        for threshold in [0.0, -0.0, f32::MIN, f32::MAX, f32::MIN_POSITIVE, 1e-45, -1e-45, 1.0, -1.0] {
            let at = from(threshold);
            assert!(rounds(at) >= threshold && rounds(at.next_down()) < threshold, "{threshold}");
        }
    }
}
