//! The bytes of a checked ensemble: which layout each tree takes, and the sections in their order.
//!
//! A tree is complete where that takes no more bytes, since several complete trees are walked at once; else sparse.
//! Trees of one shape stand together, in the order in which they came.

use super::{Column, Placed, Tree, whole};
use crate::format::{COMPLETE_DEPTH_MAX, HEAD_BYTES, MAGIC, PASS, SPARSE, VERSION, ZERO_IS_MISSING};
use crate::link::Link;
use crate::model::Kind;
use alloc::vec::Vec;

/// What the head says beside counts.
pub(super) struct Head {
    pub(super) link: Link,
    pub(super) scale: i8,
    pub(super) base: i64,
    pub(super) bound: u64,
}

/// All sections. The limits of the format were checked before, but for the length of it all.
pub(super) fn write(
    head: &Head,
    features: &[Column],
    tables: &[Vec<i64>],
    trees: &[Tree],
    units: f64,
) -> Vec<u8> {
    let mut ordered: Vec<(u32, &Tree)> = trees.iter().map(|tree| (shape(tree), tree)).collect();
    // A stable order: trees of one shape stay as they came. Sums of integers do not mind.
    ordered.sort_by_key(|(shape, _)| *shape);
    let groups: Vec<_> = ordered.chunk_by(|(a, _), (b, _)| a == b).collect();
    let mut out = Vec::new();
    write_head(&mut out, head, features.len(), groups.len());
    for (column, table) in features.iter().zip(tables) {
        out.extend(low_u16(table.len()));
        out.push(u8::from(column.kind == Kind::Int));
        out.push(if column.zero_is_missing { ZERO_IS_MISSING } else { 0 });
    }
    for group in groups {
        let shape = group.first().map_or(0, |(shape, _)| *shape);
        out.extend(shape.to_le_bytes());
        out.extend(low_u32(group.len()));
    }
    out.extend(tables.iter().flatten().flat_map(|key| key.to_le_bytes()));
    for (shape, tree) in ordered {
        let words = Words { tree, tables, units };
        if shape == SPARSE { words.sparse(&mut out) } else { words.complete(shape, &mut out) }
    }
    for column in features {
        let [length, ..] = column.name.len().to_le_bytes();
        out.push(length);
        out.extend(column.name.bytes());
    }
    let length = low_u32(out.len());
    out.splice(LENGTH_AT..LENGTH_AT + length.len(), length);
    out
}

/// Where the head has the length.
const LENGTH_AT: usize = 8;

fn write_head(out: &mut Vec<u8>, head: &Head, features: usize, groups: usize) {
    out.extend(MAGIC);
    out.extend(VERSION.to_le_bytes());
    out.push(u8::from(head.link == Link::Logistic));
    out.extend(head.scale.to_le_bytes());
    out.extend([0; 4]);
    out.extend(low_u16(features));
    out.extend(low_u16(groups));
    out.extend(head.base.to_le_bytes());
    out.extend(head.bound.to_le_bytes());
    debug_assert_eq!(out.len(), HEAD_BYTES);
}

/// Complete where that takes no more bytes.
fn shape(tree: &Tree) -> u32 {
    let sparse = 8 + 8 * tree.nodes.len();
    match u32::try_from(tree.depth) {
        Ok(depth) if depth <= COMPLETE_DEPTH_MAX && (8_usize << depth) <= sparse => depth,
        _ => SPARSE,
    }
}

struct Words<'a> {
    tree: &'a Tree,
    tables: &'a [Vec<i64>],
    units: f64,
}

impl Words<'_> {
    fn sparse(&self, out: &mut Vec<u8>) {
        out.extend(low_u32(self.tree.depth));
        out.extend(low_u32(self.tree.nodes.len()));
        for node in &self.tree.nodes {
            match node {
                Placed::Split { skip, .. } => {
                    out.extend(self.split(node));
                    out.extend(low_u32(*skip));
                }
                Placed::Leaf(value) => {
                    out.extend(PASS);
                    out.extend(self.leaf(*value));
                }
            }
        }
    }

    fn complete(&self, depth: u32, out: &mut Vec<u8>) {
        let mut words = alloc::vec![PASS; 2 << depth];
        // Place in preorder, place in the heap.
        let mut open = alloc::vec![(0_usize, 1_usize)];
        while let Some((at, mut place)) = open.pop() {
            let word = match self.tree.nodes.get(at) {
                Some(node @ Placed::Split { skip, .. }) => {
                    open.push((at + skip, 2 * place + 1));
                    open.push((at + 1, 2 * place));
                    self.split(node)
                }
                Some(Placed::Leaf(value)) => {
                    // Words that pass everything to the right lead down to it.
                    while place < 1 << depth {
                        place = 2 * place + 1;
                    }
                    self.leaf(*value)
                }
                None => PASS,
            };
            if let Some(free) = words.get_mut(place) {
                *free = word;
            }
        }
        out.extend(words.iter().flatten());
    }

    fn split(&self, node: &Placed) -> [u8; 4] {
        let Placed::Split { feature, key, missing_right, .. } = *node else { return PASS };
        let table = self.tables.get(feature).map_or(&[][..], Vec::as_slice);
        let bin = table.partition_point(|other| *other <= key);
        let [[a, b], [c, d]] = [low_u16(2 * feature + usize::from(missing_right)), low_u16(bin)];
        [a, b, c, d]
    }

    fn leaf(&self, value: f64) -> [u8; 4] {
        // The scale was chosen so that every leaf fits.
        i32::try_from(whole(value * self.units)).unwrap_or(i32::MAX).to_le_bytes()
    }
}

/// The low 16 bits; what is written here is within the limits of the format.
fn low_u16(count: usize) -> [u8; 2] {
    let [a, b, ..] = count.to_le_bytes();
    [a, b]
}

/// The low 32 bits.
fn low_u32(count: usize) -> [u8; 4] {
    let [a, b, c, d, ..] = (count as u64).to_le_bytes();
    [a, b, c, d]
}
