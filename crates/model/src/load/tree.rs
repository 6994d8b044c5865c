//! The form of trees: what makes evaluation end, stay inside, and visit no node twice.
//!
//! Complete trees are checked word by word, sparse ones in one pass with the right children that are still to come.
//! Nothing is remembered of what was checked but sums, for the declared cost.

use super::{Fault, Input, LoadError};
use crate::format::{DEPTH_MAX, PASS, SPARSE, Split};
use crate::model::{Group, Shape, feature_of};

/// Checks the trees of a group, and leaves the input behind them.
pub(super) fn check_group(
    input: &mut Input<'_>,
    group: Group,
    features: &[[u8; 4]],
    shape: &mut Shape,
) -> Result<(), LoadError> {
    for _ in 0..group.trees {
        let depth = if group.shape == SPARSE {
            let depth = u32::from_le_bytes(input.take()?);
            let nodes = u32::from_le_bytes(input.take()?);
            let nodes = usize::try_from(nodes).map_err(|_| input.error(Fault::TooLarge("tree")))?;
            let depth = usize::try_from(depth).ok().filter(|depth| (1..=DEPTH_MAX).contains(depth));
            let depth = depth.ok_or_else(|| input.invalid("depth of a tree"))?;
            let offset = input.offset;
            sparse(input.array(nodes)?, depth, features)
                .map_err(|node| LoadError { offset: offset + 8 * node, fault: Fault::Invalid("node") })?;
            shape.nodes += nodes as u64;
            depth
        } else {
            let offset = input.offset;
            complete(input.array(2 << group.shape)?, features)
                .map_err(|word| LoadError { offset: offset + 4 * word, fault: Fault::Invalid("node") })?;
            shape.nodes += (2 << group.shape) - 1;
            // At most 12.
            group.shape as usize
        };
        shape.trees += 1;
        shape.ways += depth as u64;
        shape.depth = shape.depth.max(depth);
    }
    Ok(())
}

/// Whether a word is a split on a bin that its feature has.
fn is_split(word: [u8; 4], features: &[[u8; 4]]) -> bool {
    let split = Split::of(word);
    let thresholds = features.get(split.feature()).map_or(0, |feature| feature_of(*feature).thresholds);
    (1..=thresholds).contains(&usize::from(split.bin))
}

/// The words of a complete tree in heap order; the error is the first wrong one.
fn complete(words: &[[u8; 4]], features: &[[u8; 4]]) -> Result<(), usize> {
    let word = |at: usize| words.get(at).copied().unwrap_or(PASS);
    let leaves = words.len() / 2;
    if word(0) != PASS {
        return Err(0);
    }
    for at in 1..words.len() {
        let filled_up = at > 1 && word(at / 2) == PASS;
        let right = match (at < leaves, filled_up) {
            // Below a filled-up node there is nothing but such, and on their right end the leaf.
            (true, true) => word(at) == PASS,
            (true, false) => word(at) == PASS || is_split(word(at), features),
            (false, true) => word(at) == PASS || is_rightmost(at, word),
            (false, false) => true,
        };
        if !right {
            return Err(at);
        }
    }
    Ok(())
}

/// Whether the way to `at` turns right at every filled-up node.
fn is_rightmost(mut at: usize, word: impl Fn(usize) -> [u8; 4]) -> bool {
    while at > 1 && word(at / 2) == PASS {
        if at.is_multiple_of(2) {
            return false;
        }
        at /= 2;
    }
    true
}

/// The nodes of a sparse tree: one tree in preorder, of this depth; the error is the first wrong one.
fn sparse(nodes: &[[u8; 8]], depth: usize, features: &[[u8; 4]]) -> Result<(), usize> {
    // Right children that are still to come, with their levels: at most one a level.
    let mut awaited = [(0_usize, 0_usize); DEPTH_MAX];
    let (mut open, mut level, mut deepest) = (0, 0, 0);
    for (at, [a, b, c, d, e, f, g, h]) in nodes.iter().copied().enumerate() {
        let word = [a, b, c, d];
        if word == PASS {
            deepest = deepest.max(level);
            if open == 0 {
                // The last leaf; it must be the last node.
                return if at + 1 == nodes.len() && deepest == depth { Ok(()) } else { Err(at) };
            }
            open -= 1;
            let (right, its_level) = awaited.get(open).copied().unwrap_or((0, 0));
            if right != at + 1 {
                return Err(at);
            }
            level = its_level;
        } else {
            let skip = usize::try_from(u32::from_le_bytes([e, f, g, h])).unwrap_or(usize::MAX);
            let right = at.saturating_add(skip);
            level += 1;
            let free = awaited.get_mut(open).filter(|_| level <= depth && right < nodes.len());
            let Some(free) = free.filter(|_| is_split(word, features)) else { return Err(at) };
            *free = (right, level);
            open += 1;
        }
    }
    Err(nodes.len())
}
