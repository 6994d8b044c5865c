//! The bytes of a model: sections back to back, little-endian, without padding; used where they lie.
//!
//! | section | bytes | holds |
//! |---|---|---|
//! | head | 32 | magic, version, link, scale, length, counts, base, bound: the table below |
//! | features | 4 each | number of thresholds (`u16`), kind (`u8`: 0 double, 1 integer), flags (`u8`: 1 zero is missing) |
//! | groups | 8 each | shape (`u32`), number of trees (`u32`, at least 1); shapes ascend strictly |
//! | thresholds | 8 each | keys (`i64`), feature by feature, ascending strictly within one |
//! | trees | 4 each word | group by group, in the shape of the group |
//! | names | 1 + n each | length (`u8`) and UTF-8 of each feature's name, no two alike |
//!
//! | offset in the head | type | holds |
//! |---|---|---|
//! | 0 | 4 bytes | `GLMD` |
//! | 4 | `u16` | version, 1 |
//! | 6 | `u8` | link: 0 the margin is the answer, 1 logistic |
//! | 7 | `i8` | scale `s`: one unit of leaves, base and scores is `2^-s` |
//! | 8 | `u32` | length of all sections |
//! | 12 | `u16` | features |
//! | 14 | `u16` | groups |
//! | 16 | `i64` | base: the score before the first tree |
//! | 24 | `u64` | bound: how far, in units, a score may be from the margin of the model that was imported |
//!
//! **Key.** The key of an integer is the integer; that of a double is its bits, turned so that keys order as doubles
//! do ([`key`]); -0.0 and NaN have none. The *bin* of a value is the number of its feature's thresholds whose key is
//! not above its own.
//!
//! **Split.** One word: bin `t >= 1` in the high half, column in the low half. A column is twice the feature plus 1
//! where a missing value goes right. A value of bin `b` goes right where `b >= t`; so it does where `b * 2^16 + 0xffff`
//! is at least the word, and that is one comparison.
//!
//! **Complete trees** (shape = depth, 0 to [`COMPLETE_DEPTH_MAX`]). `2^(depth + 1)` words in heap order: word 0 is 0,
//! the children of word `i` are `2i` and `2i + 1`, the last level are leaves (`i32`). A branch that ends early is
//! filled up with words 0, which every bin passes to the right; whatever is left of them is 0.
//!
//! **Sparse trees** (shape [`SPARSE`]). Each begins with depth (`u32`) and number of nodes (`u32`); each node has two
//! words, in preorder. A split: its word, then how far behind it the right child stands; the left child follows it.
//! A leaf: 0, then the value (`i32`). So every step goes forward, and evaluation ends.
//!
//! The trees are flat arrays as in Asadi, Lin and de Vries, "Runtime Optimizations for Tree-Based Machine Learning
//! Models" (IEEE TKDE 2014), whose interleaved walks [`score`](mod@crate::score) uses too.

/// First bytes of every model.
pub const MAGIC: &[u8; 4] = b"GLMD";
/// The version that this build reads and writes.
pub const VERSION: u16 = 1;
/// Bytes of the head.
pub const HEAD_BYTES: usize = 32;
/// Most features that trees of one model may read; as many as signals in a record.
pub const FEATURES_MAX: usize = 256;
/// Most thresholds of one feature: a bin beyond it stands for a missing value.
pub const THRESHOLDS_MAX: usize = u16::MAX as usize - 1;
/// Most trees in one model.
pub const TREES_MAX: usize = 1 << 16;
/// Deepest tree: splits on the longest way to a leaf.
pub const DEPTH_MAX: usize = 64;
/// Deepest complete tree; it has 32 KiB.
pub const COMPLETE_DEPTH_MAX: u32 = 12;
/// Longest model, in bytes; as long as a slice.
pub const MODEL_BYTES_MAX: usize = 4 << 20;
/// Longest name of a feature, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Greatest scale, and with the sign turned the least.
pub const SCALE_MAX: i8 = 64;
/// Largest magnitude of the base; with it no sum of trees can overflow.
pub const BASE_MAX: u64 = 1 << 62;
/// Shape of a group of sparse trees.
pub const SPARSE: u32 = u32::MAX;

/// Flag of a feature: a zero counts as missing.
pub(crate) const ZERO_IS_MISSING: u8 = 1;
/// The word that every bin passes to the right; in a sparse tree, the mark of a leaf.
pub(crate) const PASS: [u8; 4] = [0; 4];
/// Columns of all features.
pub(crate) const COLUMNS: usize = 2 * FEATURES_MAX;

/// The key of a double: ordered as doubles are, with one zero. The key of NaN has no meaning.
pub fn key(value: f64) -> i64 {
    // Adding 0.0 turns -0.0 into 0.0 and changes nothing else.
    let bits = (value + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

/// The column and the bin of a split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) column: usize,
    pub(crate) bin: u16,
}

impl Split {
    pub(crate) const fn of(word: [u8; 4]) -> Self {
        let [column_low, column_high, low, high] = word;
        Self {
            column: u16::from_le_bytes([column_low, column_high]) as usize,
            bin: u16::from_le_bytes([low, high]),
        }
    }

    pub(crate) const fn feature(self) -> usize {
        self.column >> 1
    }

    /// Where a missing value goes.
    pub(crate) const fn missing_goes_right(self) -> bool {
        self.column & 1 == 1
    }
}
