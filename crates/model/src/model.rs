//! The checked view of a model's bytes, and what it says of itself.
//!
//! Its fields are slices of the bytes it was loaded from; whoever reads them relies on the loader, and on nothing
//! else. What a sum or a cost needs of all trees, the loader has added up.

use crate::format::{DEPTH_MAX, HEAD_BYTES, SPARSE, ZERO_IS_MISSING};
use crate::link::Link;

/// A model: a view of bytes that [`Model::load`] has checked.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) link: Link,
    pub(crate) scale: i8,
    pub(crate) base: i64,
    pub(crate) bound: u64,
    /// Four bytes a feature, as in the format.
    pub(crate) features: &'a [[u8; 4]],
    /// Shape and number of trees of each group.
    pub(crate) groups: &'a [[u8; 8]],
    pub(crate) thresholds: &'a [[u8; 8]],
    /// Words of all trees.
    pub(crate) words: &'a [[u8; 4]],
    pub(crate) names: &'a [u8],
    pub(crate) shape: Shape,
}

/// What the loader adds up over all trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) trees: u64,
    /// Comparisons that find the bins of all features.
    pub(crate) searches: u64,
    /// Longest way.
    pub(crate) depth: usize,
    /// Splits on the longest way of each tree, added up.
    pub(crate) ways: u64,
    /// Splits and leaves of all trees, filled-up ones included.
    pub(crate) nodes: u64,
}

impl Shape {
    /// Most steps of one score.
    pub(crate) const fn cost(self) -> Cost {
        let Self { trees, searches, ways, nodes, .. } = self;
        Cost { point: searches + ways + trees, any: 2 * searches + nodes }
    }
}

/// What an input of a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature<'a> {
    /// Its name in training.
    pub name: &'a str,
    /// How its values are compared.
    pub kind: Kind,
    /// Whether a zero counts as missing.
    pub zero_is_missing: bool,
    /// Number of its thresholds.
    pub thresholds: usize,
}

/// How the values of a feature are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As doubles.
    Double,
    /// As 64-bit integers; a double is rounded down first, which changes no comparison with an integer.
    Int,
}

impl Kind {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Double => "double",
            Self::Int => "int",
        }
    }
}

/// Most steps of one score. A step is one comparison with a threshold, or one visit of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Where every input is a number or missing.
    pub point: u64,
    /// Whatever the inputs are.
    pub any: u64,
}

impl<'a> Model<'a> {
    /// The bytes that it was loaded from.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The features, in the order of the inputs.
    pub fn features(&self) -> impl Iterator<Item = Feature<'a>> + use<'a> {
        let mut names = self.names;
        self.features.iter().map(move |bytes| {
            let (name, rest) = next_name(names).unwrap_or(("", &[]));
            names = rest;
            Feature { name, ..feature_of(*bytes) }
        })
    }

    /// Number of trees.
    pub const fn trees(&self) -> u64 {
        self.shape.trees
    }

    /// Splits on the longest way to a leaf.
    pub const fn depth(&self) -> usize {
        self.shape.depth
    }

    /// Trees in the two layouts: complete, sparse.
    pub fn layouts(&self) -> (u64, u64) {
        let sparse =
            self.groups().filter(|group| group.shape == SPARSE).map(|group| u64::from(group.trees)).sum();
        (self.shape.trees.saturating_sub(sparse), sparse)
    }

    /// What a margin means.
    pub const fn link(&self) -> Link {
        self.link
    }

    /// The score before the first tree.
    pub const fn base(&self) -> i64 {
        self.base
    }

    /// One unit of scores, as a margin: a power of two.
    pub fn unit(&self) -> f64 {
        power_of_two(-i32::from(self.scale))
    }

    /// How far a score may be from the margin of the model that was imported, in units; its importer says so.
    pub const fn bound(&self) -> u64 {
        self.bound
    }

    /// Most steps of one score.
    pub const fn cost(&self) -> Cost {
        self.shape.cost()
    }

    /// A score as a margin; exact up to 2^53 units.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a margin is for people and for comparison with a library"
    )]
    pub fn margin(&self, score: i64) -> f64 {
        score as f64 * self.unit()
    }

    /// The least score that stands for `margin` or more; beyond the range of scores, its end. `None` for NaN.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is what is meant")]
    pub fn score_of(&self, margin: f64) -> Option<i64> {
        let units = margin / self.unit();
        let near = units as i64;
        #[expect(clippy::cast_precision_loss, reason = "a number above 2^53 is whole already")]
        let below = (near as f64) < units;
        (!margin.is_nan()).then(|| near.saturating_add(i64::from(below)))
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = Group> + use<'a> {
        self.groups.iter().map(|bytes| Group::of(*bytes))
    }
}

/// Trees of one shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Depth of complete trees, or [`SPARSE`].
    pub(crate) shape: u32,
    pub(crate) trees: u32,
}

impl Group {
    pub(crate) const fn of([a, b, c, d, e, f, g, h]: [u8; 8]) -> Self {
        Self { shape: u32::from_le_bytes([a, b, c, d]), trees: u32::from_le_bytes([e, f, g, h]) }
    }
}

/// A feature without its name.
pub(crate) const fn feature_of([low, high, kind, flags]: [u8; 4]) -> Feature<'static> {
    Feature {
        name: "",
        kind: if kind == 0 { Kind::Double } else { Kind::Int },
        zero_is_missing: flags & ZERO_IS_MISSING != 0,
        thresholds: u16::from_le_bytes([low, high]) as usize,
    }
}

/// The first of some names, and the others.
pub(crate) fn next_name(names: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = names.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((core::str::from_utf8(name).ok()?, rest))
}

/// `2^exponent` for exponents of normal numbers.
pub(crate) fn power_of_two(exponent: i32) -> f64 {
    let biased = u64::try_from(exponent + 1023).unwrap_or(0);
    f64::from_bits(biased << 52)
}

// A depth fits the counter of the interval walk, and the head is what the loader reads.
const _: () = assert!(DEPTH_MAX < 256 && HEAD_BYTES == 32);
