//! Where the sections of a checked model lie: what a holder of the bytes keeps, to look at them again unchecked.
//!
//! A [`Model`] borrows its bytes, so whoever owns them cannot keep both. It keeps a [`Map`], and makes the model again
//! for each score: that only cuts the bytes. Of other bytes it makes a model that stays in bounds, and whose scores
//! mean nothing.

use crate::format::HEAD_BYTES;
use crate::link::Link;
use crate::model::{Cost, Model, Shape};

/// The sections of one model's bytes, and what its head says.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    link: Link,
    scale: i8,
    base: i64,
    bound: u64,
    features: usize,
    groups: usize,
    thresholds: usize,
    words: usize,
    shape: Shape,
}

impl Model<'_> {
    /// Where its sections lie.
    pub const fn map(&self) -> Map {
        Map {
            link: self.link,
            scale: self.scale,
            base: self.base,
            bound: self.bound,
            features: self.features.len(),
            groups: self.groups.len(),
            thresholds: self.thresholds.len(),
            words: self.words.len(),
            shape: self.shape,
        }
    }
}

impl Map {
    /// Most steps of one score.
    pub const fn cost(&self) -> Cost {
        self.shape.cost()
    }

    /// The model in these bytes; `None` if they end early.
    pub fn model<'a>(&self, bytes: &'a [u8]) -> Option<Model<'a>> {
        let (_, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        let (features, rest) = section(rest, self.features)?;
        let (groups, rest) = section(rest, self.groups)?;
        let (thresholds, rest) = section(rest, self.thresholds)?;
        let (words, names) = section(rest, self.words)?;
        let Self { link, scale, base, bound, shape, .. } = *self;
        Some(Model { bytes, link, scale, base, bound, features, groups, thresholds, words, names, shape })
    }
}

/// So many items of `N` bytes, and what follows them.
fn section<const N: usize>(bytes: &[u8], count: usize) -> Option<(&[[u8; N]], &[u8])> {
    let (items, rest) = bytes.split_at_checked(count.checked_mul(N)?)?;
    Some((items.as_chunks().0, rest))
}
