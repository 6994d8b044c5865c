//! Sums of leaves: one walk a tree where every value is a point, every way that a value leaves open otherwise.
//!
//! The point walk goes through four trees at once, since the steps of one wait for each other and those of four do
//! not. The interval walk visits each node at most once; within one tree it narrows what is known of a feature at
//! each split, so that some values meet the ends of the interval. Two kinds of intervals have holes that are not kept,
//! and may give a wider one: across zero where a zero is missing, and of integers where doubles are compared. Over
//! several trees the ends are bounds: each tree may need another value for its own.

use crate::format::{COLUMNS, DEPTH_MAX, FEATURES_MAX, PASS, SPARSE, Split};
use crate::input::{BIN_MISSING_LEFT, BIN_MISSING_RIGHT, Bins, Input, bin_steps};
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
    bins: [u16; COLUMNS],
    /// By feature, where not.
    known: [Bins; FEATURES_MAX],
    open: [Open; DEPTH_MAX],
    steps: u64,
}

impl Scratch {
    /// Room for any model.
    pub const fn new() -> Self {
        Self {
            bins: [0; COLUMNS],
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

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Model<'_> {
    /// The score of inputs in the order of [`Model::features`]. An input that is not given is [`Input::Unknown`];
    /// one too many is not looked at.
    pub fn score(&self, inputs: &[Input], scratch: &mut Scratch) -> Interval {
        if self.read_points(inputs, scratch) {
            let score = self.base + self.sum_at_points(&scratch.bins);
            scratch.steps += self.shape.ways + self.shape.trees;
            Interval { lo: score, hi: score }
        } else {
            self.read_all(inputs, scratch);
            self.sum_of_ranges(scratch)
        }
    }

    /// Fills in the bins of all columns, if every value is a point.
    fn read_points(&self, inputs: &[Input], scratch: &mut Scratch) -> bool {
        scratch.steps = 0;
        let mut thresholds = self.thresholds;
        let (columns, _) = scratch.bins.as_chunks_mut();
        let mut inputs = inputs.iter();
        for (bytes, columns) in self.features.iter().zip(columns) {
            let feature = feature_of(*bytes);
            let (own, rest) = thresholds.split_at_checked(feature.thresholds).unwrap_or((&[], &[]));
            thresholds = rest;
            let Some(point) = inputs.next().and_then(|input| input.point(feature, own)) else { return false };
            *columns = point.map_or([BIN_MISSING_LEFT, BIN_MISSING_RIGHT], |bin| [bin; 2]);
            scratch.steps += bin_steps(own.len());
        }
        true
    }

    /// Fills in what is known of all features.
    fn read_all(&self, inputs: &[Input], scratch: &mut Scratch) {
        scratch.steps = 0;
        let mut thresholds = self.thresholds;
        let mut inputs = inputs.iter();
        for (bytes, known) in self.features.iter().zip(&mut scratch.known) {
            let feature = feature_of(*bytes);
            let (own, rest) = thresholds.split_at_checked(feature.thresholds).unwrap_or((&[], &[]));
            thresholds = rest;
            *known = inputs.next().map_or(Bins::UNKNOWN, |input| input.bins(feature, own));
            scratch.steps += 2 * bin_steps(own.len());
        }
    }

    fn sum_at_points(&self, bins: &[u16; COLUMNS]) -> i64 {
        let (mut words, mut sum) = (self.words, 0);
        for group in self.groups() {
            if group.shape == SPARSE {
                for _ in 0..group.trees {
                    let (tree, rest) = next_sparse(words);
                    words = rest;
                    sum += i64::from(sparse_leaf(tree, bins));
                }
            } else {
                let size = 2 << group.shape;
                // At most 2^16 trees of at most 2^13 words.
                let (own, rest) = words.split_at_checked(size * group.trees as usize).unwrap_or((&[], &[]));
                words = rest;
                sum += complete_leaves(own, group.shape, bins);
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
fn goes_right(word: [u8; 4], bins: &[u16; COLUMNS]) -> bool {
    let split = Split::of(word);
    // INVARIANT: the loader admits no column beyond the array; the remainder tells the compiler so.
    bins.get(split.column % COLUMNS).is_some_and(|bin| *bin >= split.bin)
}

/// Sum of the leaves of complete trees of one depth, four walks at a time.
fn complete_leaves(words: &[[u8; 4]], depth: u32, bins: &[u16; COLUMNS]) -> i64 {
    let size = 2_usize << depth;
    let (mut sum, mut fours) = (0, words.chunks_exact(4 * size));
    for four in &mut fours {
        let mut at = [1, size + 1, 2 * size + 1, 3 * size + 1];
        let starts = [0, size, 2 * size, 3 * size];
        for _ in 0..depth {
            for (at, start) in at.iter_mut().zip(starts) {
                let word = four.get(*at).copied().unwrap_or(PASS);
                *at = 2 * *at - start + usize::from(goes_right(word, bins));
            }
        }
        sum += at.map(|at| i64::from(leaf(four, at))).iter().sum::<i64>();
    }
    for tree in fours.remainder().chunks_exact(size) {
        let mut at = 1;
        for _ in 0..depth {
            at = 2 * at + usize::from(goes_right(tree.get(at).copied().unwrap_or(PASS), bins));
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
fn sparse_leaf(tree: &[[u8; 4]], bins: &[u16; COLUMNS]) -> i32 {
    let (nodes, _) = tree.as_chunks::<2>();
    let mut at = 0;
    while let Some([word, second]) = nodes.get(at) {
        if *word == PASS {
            return i32::from_le_bytes(*second);
        }
        let skip = if goes_right(*word, bins) { u32::from_le_bytes(*second) as usize } else { 1 };
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
