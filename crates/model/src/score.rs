//! Sums of leaves: one walk a tree where every value is a point, every way that a value leaves open otherwise.
//!
//! The point walk goes through eight trees at once, since the steps of one wait for each other and those of eight do
//! not. The interval walk visits each node at most once; within one tree it narrows what is known of a feature at
//! each split, so that some values meet the ends of the interval. Two kinds of intervals have holes that are not kept,
//! and may give a wider one: across zero where a zero is missing, and of integers where doubles are compared. Over
//! several trees the ends are bounds: each tree may need another value for its own.

use crate::format::{COLUMNS, DEPTH_MAX, FEATURES_MAX, PASS, SPARSE, Split, key};
use crate::input::{BINS_MISSING, Bins, Input, bin};
use crate::model::{Model, feature_of};

/// All scores that the inputs leave open, in units of the model; both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// No score is below.
    pub lo: i64,
    /// No score is above.
    pub hi: i64,
}

impl Interval {
    /// The score, where there is but one.
    pub fn point(self) -> Option<i64> {
        (self.lo == self.hi).then_some(self.lo)
    }
}

/// Room for one score, made once and used for many; 4 KiB, no heap.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// By column, where every value is a point.
    passes: Passes,
    /// By feature, where not.
    known: [Bins; FEATURES_MAX],
    open: [Open; DEPTH_MAX],
    steps: u64,
}

impl Scratch {
    /// Room for any model.
    pub const fn new() -> Self {
        Self {
            passes: [0; COLUMNS],
            known: [Bins::UNKNOWN; FEATURES_MAX],
            open: [Open { right: None, split: Split { column: 0, bin: 0 }, before: Bins::UNKNOWN };
                DEPTH_MAX],
            steps: 0,
        }
    }

    /// The steps of the last score; never more than the model's [`cost`](Model::cost).
    pub const fn steps(&self) -> u64 {
        self.steps
    }
}

/// By column: the largest word of a split that sends the value right. Its bin is in the high half, as in a word.
type Passes = [u32; COLUMNS];

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Model<'_> {
    /// The score of inputs in the order of [`Model::features`]. An input that is not given is [`Input::Unknown`];
    /// one too many is not looked at.
    pub fn score(&self, inputs: &[Input], scratch: &mut Scratch) -> Interval {
        let cost = self.cost();
        if self.read_points(inputs, scratch) {
            scratch.steps = cost.point;
            let score = self.base + self.sum_at_points(&scratch.passes);
            Interval { lo: score, hi: score }
        } else {
            scratch.steps = 2 * self.shape.searches;
            self.read_all(inputs, scratch);
            self.sum_of_ranges(scratch)
        }
    }

    /// Fills in what all columns pass, if every value is a point.
    fn read_points(&self, inputs: &[Input], scratch: &mut Scratch) -> bool {
        let mut thresholds = self.thresholds;
        let (columns, _) = scratch.passes.as_chunks_mut();
        let mut inputs = inputs.iter();
        for (bytes, columns) in self.features.iter().zip(columns) {
            let feature = feature_of(*bytes);
            let (own, rest) = thresholds.split_at_checked(feature.thresholds).unwrap_or((&[], &[]));
            thresholds = rest;
            let point = match (inputs.next(), bytes) {
                // What most inputs are; the general way gives the same.
                (Some(Input::Double(value)), [_, _, 0, 0]) if !value.is_nan() => Some(bin(own, key(*value))),
                (Some(input), _) => match input.point(feature, own) {
                    Some(point) => point,
                    None => return false,
                },
                (None, _) => return false,
            };
            *columns = point.map_or(BINS_MISSING, |bin| [bin; 2]).map(|bin| u32::from(bin) << 16 | 0xffff);
        }
        true
    }

    /// Fills in what is known of all features.
    fn read_all(&self, inputs: &[Input], scratch: &mut Scratch) {
        let mut thresholds = self.thresholds;
        let mut inputs = inputs.iter();
        for (bytes, known) in self.features.iter().zip(&mut scratch.known) {
            let feature = feature_of(*bytes);
            let (own, rest) = thresholds.split_at_checked(feature.thresholds).unwrap_or((&[], &[]));
            thresholds = rest;
            *known = inputs.next().map_or(Bins::UNKNOWN, |input| input.bins(feature, own));
        }
    }

    fn sum_at_points(&self, passes: &Passes) -> i64 {
        let (mut words, mut sum) = (self.words, 0);
        for group in self.groups() {
            if group.shape == SPARSE {
                for _ in 0..group.trees {
                    let (tree, rest) = next_sparse(words);
                    words = rest;
                    sum += i64::from(sparse_leaf(tree, passes));
                }
            } else {
                let size = 2 << group.shape;
                // At most 2^16 trees of at most 2^13 words.
                let (own, rest) = words.split_at_checked(size * group.trees as usize).unwrap_or((&[], &[]));
                words = rest;
                sum += complete_leaves(own, group.shape, passes);
            }
        }
        sum
    }

    fn sum_of_ranges(&self, scratch: &mut Scratch) -> Interval {
        let (mut words, mut all) = (self.words, Interval { lo: self.base, hi: self.base });
        for group in self.groups() {
            for _ in 0..group.trees {
                let tree = if group.shape == SPARSE {
                    let (tree, rest) = next_sparse(words);
                    words = rest;
                    Tree::Sparse(tree)
                } else {
                    let (tree, rest) = words.split_at_checked(2 << group.shape).unwrap_or((&[], &[]));
                    words = rest;
                    Tree::Complete(tree)
                };
                let (lo, hi) = range_of(&tree, scratch);
                all.lo += i64::from(lo);
                all.hi += i64::from(hi);
            }
        }
        all
    }
}

/// Whether a point goes right at a split.
fn goes_right(word: [u8; 4], passes: &Passes) -> bool {
    let word = u32::from_le_bytes(word);
    // INVARIANT: the loader admits no column beyond the array; the remainder tells the compiler so.
    passes.get(word as usize % COLUMNS).is_some_and(|passes| *passes >= word)
}

/// Sum of the leaves of complete trees of one depth. Usual depths have code of their own: with a size that is known
/// ahead, no place in a tree needs a check.
fn complete_leaves(words: &[[u8; 4]], depth: u32, passes: &Passes) -> i64 {
    match depth {
        3 => eight_at_once::<16>(words, depth, passes),
        4 => eight_at_once::<32>(words, depth, passes),
        5 => eight_at_once::<64>(words, depth, passes),
        6 => eight_at_once::<128>(words, depth, passes),
        7 => eight_at_once::<256>(words, depth, passes),
        8 => eight_at_once::<512>(words, depth, passes),
        _ => one_by_one(words, depth, passes),
    }
}

fn eight_at_once<const WORDS: usize>(words: &[[u8; 4]], depth: u32, passes: &Passes) -> i64 {
    let (trees, _) = words.as_chunks::<WORDS>();
    let (eights, others) = trees.as_chunks::<8>();
    let mut sum = 0;
    for trees in eights {
        let mut at = [1_usize; 8];
        // All are on one level. A count of levels would be unrolled, into something slower.
        while at.first().is_some_and(|at| *at < WORDS / 2) {
            for (at, tree) in at.iter_mut().zip(trees) {
                let word = tree.get(*at % WORDS).copied().unwrap_or(PASS);
                *at = *at << 1 | usize::from(goes_right(word, passes));
            }
        }
        sum += at.iter().zip(trees).map(|(at, tree)| i64::from(leaf(tree, *at % WORDS))).sum::<i64>();
    }
    sum + one_by_one(others.as_flattened(), depth, passes)
}

fn one_by_one(words: &[[u8; 4]], depth: u32, passes: &Passes) -> i64 {
    let mut sum = 0;
    for tree in words.chunks_exact(2 << depth) {
        let mut at = 1;
        for _ in 0..depth {
            at = at << 1 | usize::from(goes_right(tree.get(at).copied().unwrap_or(PASS), passes));
        }
        sum += i64::from(leaf(tree, at));
    }
    sum
}

fn leaf(words: &[[u8; 4]], at: usize) -> i32 {
    words.get(at).map_or(0, |word| i32::from_le_bytes(*word))
}

/// Splits the nodes of the first sparse tree from what follows it.
fn next_sparse(words: &[[u8; 4]]) -> (&[[u8; 4]], &[[u8; 4]]) {
    let Some(([_, nodes], rest)) = words.split_first_chunk() else { return (&[], &[]) };
    let nodes = usize::try_from(u32::from_le_bytes(*nodes)).unwrap_or(0);
    rest.split_at_checked(2 * nodes).unwrap_or((&[], &[]))
}

/// The leaf of a point in a sparse tree. It ends because each step goes forward.
fn sparse_leaf(tree: &[[u8; 4]], passes: &Passes) -> i32 {
    let (nodes, _) = tree.as_chunks::<2>();
    let mut at = 0;
    while let Some([word, second]) = nodes.get(at) {
        if *word == PASS {
            return i32::from_le_bytes(*second);
        }
        let skip = if goes_right(*word, passes) { u32::from_le_bytes(*second) as usize } else { 1 };
        at += skip.max(1);
    }
    0
}

/// A tree in one of the two layouts.
enum Tree<'a> {
    Complete(&'a [[u8; 4]]),
    Sparse(&'a [[u8; 4]]),
}

/// What stands at a place of a tree.
enum Node {
    Leaf(i32),
    Split { split: Split, left: usize, right: usize },
}

impl Tree<'_> {
    const fn root(&self) -> usize {
        match self {
            Self::Complete(_) => 1,
            Self::Sparse(_) => 0,
        }
    }

    fn node(&self, at: usize) -> Node {
        match self {
            Self::Complete(words) if at >= words.len() / 2 => Node::Leaf(leaf(words, at)),
            Self::Complete(words) => {
                let split = Split::of(words.get(at).copied().unwrap_or(PASS));
                Node::Split { split, left: 2 * at, right: 2 * at + 1 }
            }
            Self::Sparse(words) => match words.as_chunks::<2>().0.get(at) {
                Some([word, second]) if *word != PASS => {
                    let skip = u32::from_le_bytes(*second) as usize;
                    Node::Split { split: Split::of(*word), left: at + 1, right: at + skip.max(1) }
                }
                Some([_, value]) => Node::Leaf(i32::from_le_bytes(*value)),
                None => Node::Leaf(0),
            },
        }
    }
}

/// A split both of whose sides are possible, while one of them is walked.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// The right child, until it is walked.
    right: Option<usize>,
    split: Split,
    /// What was known of the feature before the split.
    before: Bins,
}

/// Least and greatest leaf that the inputs can reach in a tree.
fn range_of(tree: &Tree<'_>, scratch: &mut Scratch) -> (i32, i32) {
    let (mut lo, mut hi) = (i32::MAX, i32::MIN);
    let Scratch { known, open, steps, .. } = scratch;
    let (mut at, mut depth) = (tree.root(), 0_usize);
    loop {
        *steps += 1;
        match tree.node(at) {
            Node::Leaf(value) => {
                (lo, hi) = (lo.min(value), hi.max(value));
                match next_open(open, &mut depth, known) {
                    Some(right) => at = right,
                    None => return (lo, hi),
                }
            }
            Node::Split { split, left, right } => {
                let feature = split.feature() % FEATURES_MAX;
                let (Some(now), Some(free)) = (known.get_mut(feature), open.get_mut(depth)) else {
                    // INVARIANT: no tree is deeper than `open` is long.
                    return (i32::MIN, i32::MAX);
                };
                let low = now.left(split.bin, split.missing_goes_right());
                let high = now.right(split.bin, split.missing_goes_right());
                if split.bin == 0 || low.is_empty() {
                    at = right;
                } else if high.is_empty() {
                    at = left;
                } else {
                    *free = Open { right: Some(right), split, before: *now };
                    depth += 1;
                    *now = low;
                    at = left;
                }
            }
        }
    }
}

/// Closes splits both of whose sides are walked; gives the right side of the first that has it left.
fn next_open(open: &mut [Open], depth: &mut usize, known: &mut [Bins]) -> Option<usize> {
    loop {
        let last = open.get_mut(depth.checked_sub(1)?)?;
        let now = known.get_mut(last.split.feature() % FEATURES_MAX)?;
        if let Some(right) = last.right.take() {
            *now = last.before.right(last.split.bin, last.split.missing_goes_right());
            return Some(right);
        }
        *now = last.before;
        *depth -= 1;
    }
}
