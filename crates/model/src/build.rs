//! From trees in floating point to the bytes of a model: bins, integer leaves, layouts, and the bound on the error.
//!
//! Whoever has trees from elsewhere makes an [`Ensemble`] of them and [encodes](Ensemble::encode) it. Building is as
//! exact as evaluating: it uses no library for mathematics, so one ensemble gives the same bytes on every machine.

mod layout;

use crate::format::{
    BASE_MAX, DEPTH_MAX, FEATURES_MAX, MODEL_BYTES_MAX, NAME_BYTES_MAX, SCALE_MAX, THRESHOLDS_MAX, TREES_MAX,
    key,
};
use crate::link::Link;
use crate::model::{Kind, power_of_two};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Trees, and what they read.
#[derive(Clone, Debug, PartialEq)]
pub struct Ensemble {
    /// What the trees read, in the order of the inputs.
    pub features: Vec<Column>,
    /// The trees; node 0 is the root.
    pub trees: Vec<Vec<Node>>,
    /// The margin before the first tree.
    pub base: f64,
    /// What a margin means.
    pub link: Link,
    /// How far the margins of whoever made the trees may be from the sums of these leaves: its own rounding.
    pub slack: f64,
}

/// One feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How its values are compared.
    pub kind: Kind,
    /// Whether a zero counts as missing.
    pub zero_is_missing: bool,
}

/// One node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Goes on.
    Split {
        /// Index of the feature.
        feature: usize,
        /// Values from here on go right, others left.
        from: f64,
        /// A missing value goes right.
        missing_right: bool,
        /// Index of the left child.
        left: usize,
        /// Index of the right child.
        right: usize,
    },
    /// Ends.
    Leaf(f64),
}

/// A model, and what making it cost in exactness.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The bytes of the model.
    pub bytes: Vec<u8>,
    /// Half a unit for each tree and for the base: what rounding leaves to integers can add up to.
    pub quantisation: f64,
    /// What the maker's own rounding can add up to: [`Ensemble::slack`].
    pub library: f64,
}

impl Ensemble {
    /// Checks the ensemble and makes the bytes.
    ///
    /// # Errors
    /// Where something is over a limit of the format, not a number, or no tree; the error says in which tree and
    /// node.
    pub fn encode(&self) -> Result<Built, BuildError> {
        let trees = self.checked_trees()?;
        let scale = self.scale()?;
        let tables = self.tables(&trees)?;
        let units = power_of_two(i32::from(scale));
        let base = whole(self.base * units);
        let halves = self.trees.len() as u64 + 1;
        let bound = up(self.slack * units).saturating_add(halves.div_ceil(2));
        let head = layout::Head { link: self.link, scale, base, bound };
        let bytes = layout::write(&head, &self.features, &tables, &trees, units);
        if bytes.len() > MODEL_BYTES_MAX {
            return Err(BuildError::whole(Wrong::Limit("bytes of a model", MODEL_BYTES_MAX)));
        }
        #[expect(clippy::cast_precision_loss, reason = "at most 2^16 trees")]
        let quantisation = halves as f64 / 2.0 / units;
        Ok(Built { bytes, quantisation, library: self.slack })
    }

    fn checked_trees(&self) -> Result<Vec<Tree>, BuildError> {
        let limit = |what, count: usize, most| match count > most {
            true => Err(BuildError::whole(Wrong::Limit(what, most))),
            false => Ok(()),
        };
        limit("features that trees read", self.features.len(), FEATURES_MAX)?;
        limit("trees", self.trees.len(), TREES_MAX)?;
        for (at, column) in self.features.iter().enumerate() {
            let name = &column.name;
            limit("bytes in the name of a feature", name.len(), NAME_BYTES_MAX)?;
            let twice = self.features.iter().take(at).any(|other| other.name == *name);
            if name.is_empty() || twice || name.chars().any(char::is_control) {
                return Err(BuildError::whole(Wrong::Name));
            }
        }
        if !(self.base.is_finite() && self.slack.is_finite() && self.slack >= 0.0) {
            return Err(BuildError::whole(Wrong::NotFinite("base")));
        }
        let checked = |(at, nodes): (usize, &Vec<Node>)| {
            self.checked(nodes).map_err(|(node, wrong)| BuildError { tree: Some(at), node, wrong })
        };
        self.trees.iter().enumerate().map(checked).collect()
    }

    /// A tree in preorder: whatever the order of the nodes was, and without those that nothing leads to.
    fn checked(&self, nodes: &[Node]) -> Result<Tree, (Option<usize>, Wrong)> {
        let mut seen = alloc::vec![false; nodes.len()];
        let mut tree = Tree { nodes: Vec::new(), depth: 0 };
        // Node, level, and for a right child the place of its parent.
        let mut open = alloc::vec![(0_usize, 0_usize, None)];
        while let Some((index, level, parent)) = open.pop() {
            let wrong = |wrong| (Some(index), wrong);
            let node = nodes.get(index).ok_or(wrong(Wrong::NoSuchNode))?;
            let seen = seen.get_mut(index).ok_or(wrong(Wrong::NoSuchNode))?;
            if core::mem::replace(seen, true) {
                return Err(wrong(Wrong::TwoParents));
            }
            let at = tree.nodes.len();
            if let Some(Placed::Split { skip, .. }) =
                parent.and_then(|parent: usize| tree.nodes.get_mut(parent))
            {
                *skip = at - parent.unwrap_or(0);
            }
            tree.depth = tree.depth.max(level);
            match *node {
                Node::Leaf(value) if value.is_finite() => tree.nodes.push(Placed::Leaf(value)),
                Node::Leaf(_) => return Err(wrong(Wrong::NotFinite("leaf"))),
                Node::Split { feature, from, missing_right, left, right } => {
                    if level >= DEPTH_MAX {
                        return Err(wrong(Wrong::Limit("splits on the way to a leaf", DEPTH_MAX)));
                    }
                    let column = self.features.get(feature).ok_or(wrong(Wrong::NoSuchFeature))?;
                    let key = threshold(column.kind, from).ok_or(wrong(Wrong::Threshold))?;
                    tree.nodes.push(Placed::Split { feature, key, missing_right, skip: 0 });
                    open.push((right, level + 1, Some(at)));
                    open.push((left, level + 1, None));
                }
            }
        }
        Ok(tree)
    }

    /// The finest scale at which every leaf fits 31 bits and the base its limit.
    fn scale(&self) -> Result<i8, BuildError> {
        let leaves = self.trees.iter().flatten().filter_map(|node| match node {
            Node::Leaf(value) => Some(value.abs()),
            Node::Split { .. } => None,
        });
        let largest = leaves.fold(0.0, f64::max);
        let fits = |scale: i8| {
            let units = power_of_two(i32::from(scale));
            largest * units < LEAF_UNITS_MAX && self.base.abs() * units < BASE_UNITS_MAX
        };
        (-SCALE_MAX..=SCALE_MAX).rev().find(|scale| fits(*scale)).ok_or(BuildError::whole(Wrong::Range))
    }

    /// The thresholds of each feature, ascending.
    fn tables(&self, trees: &[Tree]) -> Result<Vec<Vec<i64>>, BuildError> {
        let mut tables = alloc::vec![Vec::new(); self.features.len()];
        for node in trees.iter().flat_map(|tree| &tree.nodes) {
            if let Placed::Split { feature, key, .. } = node
                && let Some(table) = tables.get_mut(*feature)
            {
                table.push(*key);
            }
        }
        for table in &mut tables {
            table.sort_unstable();
            table.dedup();
            if table.len() > THRESHOLDS_MAX {
                return Err(BuildError::whole(Wrong::Limit("thresholds of one feature", THRESHOLDS_MAX)));
            }
        }
        Ok(tables)
    }
}

/// A checked tree in preorder.
#[derive(Debug)]
struct Tree {
    nodes: Vec<Placed>,
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
enum Placed {
    /// The left child comes next, the right child `skip` behind this.
    Split {
        feature: usize,
        key: i64,
        missing_right: bool,
        skip: usize,
    },
    Leaf(f64),
}

/// The key from which on values go right.
fn threshold(kind: Kind, from: f64) -> Option<i64> {
    match kind {
        Kind::Double => (!from.is_nan() && from != f64::NEG_INFINITY).then(|| key(from)),
        Kind::Int => {
            // Beyond this a double may not be an integer of 64 bits.
            let fits = from > -INT_END && from < INT_END;
            #[expect(clippy::cast_possible_truncation, reason = "in range, as just checked")]
            let near = from as i64;
            #[expect(clippy::cast_precision_loss, reason = "a whole double again")]
            let below = (near as f64) < from;
            fits.then(|| near + i64::from(below))
        }
    }
}

/// The nearest integer, halves away from zero; saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "saturates; what is lost is zero"
)]
fn whole(value: f64) -> i64 {
    let near = value as i64;
    let rest = value - near as f64;
    near.saturating_add(i64::from(rest >= 0.5) - i64::from(rest <= -0.5))
}

/// The least integer that is not below a number of at least 0; saturates.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "saturates"
)]
fn up(value: f64) -> u64 {
    let near = value as u64;
    near.saturating_add(u64::from((near as f64) < value))
}

/// Leaves stay below this many units, rounding included.
const LEAF_UNITS_MAX: f64 = 2_147_483_647.0;
/// As `BASE_MAX`, which is a power of two.
#[expect(clippy::cast_precision_loss, reason = "a power of two")]
const BASE_UNITS_MAX: f64 = BASE_MAX as f64;
/// 2^63.
const INT_END: f64 = 9_223_372_036_854_775_808.0;

/// Why trees cannot be a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildError {
    tree: Option<usize>,
    node: Option<usize>,
    wrong: Wrong,
}

impl BuildError {
    const fn whole(wrong: Wrong) -> Self {
        Self { tree: None, node: None, wrong }
    }

    /// In which tree, if it is in one.
    pub const fn tree(&self) -> Option<usize> {
        self.tree
    }

    /// At which node of the tree.
    pub const fn node(&self) -> Option<usize> {
        self.node
    }

    /// What is wrong.
    pub const fn wrong(&self) -> Wrong {
        self.wrong
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tree, self.node) {
            (Some(tree), Some(node)) => write!(f, "tree {tree}, node {node}: {}", self.wrong),
            (Some(tree), None) => write!(f, "tree {tree}: {}", self.wrong),
            _ => self.wrong.fmt(f),
        }
    }
}

impl core::error::Error for BuildError {}

/// What can be wrong with an ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// There is more of something than a model may have.
    Limit(&'static str, usize),
    /// A number that is infinite or NaN.
    NotFinite(&'static str),
    /// A threshold that no value can reach, or every value.
    Threshold,
    /// A child that is not there.
    NoSuchNode,
    /// A node that two nodes lead to, or itself.
    TwoParents,
    /// A feature that is not there.
    NoSuchFeature,
    /// A name that is empty, has control characters, or stands twice.
    Name,
    /// Leaves or base are too large for any scale.
    Range,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(what, most) => write!(f, "more than {most} {what}"),
            Self::NotFinite(what) => write!(f, "{what} is not a finite number"),
            Self::Threshold => f.write_str("threshold is not a number that a value can reach"),
            Self::NoSuchNode => f.write_str("node does not exist"),
            Self::TwoParents => f.write_str("more than one way leads to the node"),
            Self::NoSuchFeature => f.write_str("feature does not exist"),
            Self::Name => f.write_str("name of a feature is empty, not printable, or there twice"),
            Self::Range => f.write_str("leaves or base are too large for any scale"),
        }
    }
}
