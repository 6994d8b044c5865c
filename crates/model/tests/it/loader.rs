//! The loader is total, and what it admits is evaluated within its declared cost.

#![expect(clippy::cast_possible_truncation, clippy::unwrap_used, reason = "test code")]

use crate::generate::{Random, Size, ensemble, for_each_case};
use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::format::HEAD_BYTES;
use glacis_model::{Fault, Input, Kind, Link, LoadError, Model, Scratch};

const SIZE: Size = Size { features: 3, trees: 4, depth: 4 };

/// An error inside the bytes, or a model that stays within its cost.
fn total(bytes: &[u8]) -> Result<(), LoadError> {
    let model = Model::load(bytes).inspect_err(|error| assert!(error.offset() <= bytes.len(), "{error}"))?;
    let (count, mut scratch) = (model.features().count(), Scratch::new());
    for input in [
        Input::Double(0.5),
        Input::Int(-1),
        Input::Missing,
        Input::Doubles { lo: -1.0, hi: 1.0 },
        Input::Unknown,
    ] {
        let interval = model.score(&vec![input; count], &mut scratch);
        assert!(interval.lo <= interval.hi);
        let cost = model.cost();
        assert!(
            scratch.steps() <= if interval.point().is_some() { cost.any.max(cost.point) } else { cost.any }
        );
    }
    Ok(())
}

#[test]
fn every_flipped_bit_of_a_small_model_is_refused_or_evaluated_within_its_cost() {
    let mut random = Random::new(9);
    for _ in 0..6 {
        let bytes = ensemble(&mut random, SIZE).encode().unwrap().bytes;
        let (mut refused, mut bits) = (0, 0);
        for at in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            refused += usize::from(total(&flipped).is_err());
            bits += 1;
        }
        assert!(refused > bits / 10, "{refused} of {bits}");
    }
}

#[test]
fn every_proper_prefix_and_every_extension_is_refused() {
    for_each_case(|random| {
        let mut bytes = ensemble(random, SIZE).encode().unwrap().bytes;
        let end = random.below(bytes.len());
        let error = Model::load(&bytes[..end]).unwrap_err();
        assert!(error.offset() <= end, "{error}");
        // Also where the length agrees.
        let mut cut = bytes[..end].to_vec();
        if end > HEAD_BYTES {
            cut[8..12].copy_from_slice(&(end as u32).to_le_bytes());
            assert!(total(&cut).is_err());
        }
        bytes.push(0);
        let length = bytes.len() as u32;
        bytes[8..12].copy_from_slice(&length.to_le_bytes());
        assert_eq!(total(&bytes).unwrap_err().fault(), Fault::Trailing);
    });
}

#[test]
fn damaged_and_random_bytes_are_refused_or_evaluated_within_their_cost() {
    for_each_case(|random| {
        let mut bytes = ensemble(random, SIZE).encode().unwrap().bytes;
        for _ in 0..1 + random.below(3) {
            let at = random.below(bytes.len());
            let byte = random.next() as u8;
            match random.below(5) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = byte,
                2 => bytes.insert(at, byte),
                3 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes[at] = bytes[at].wrapping_add(1),
            }
        }
        if bytes.len() > 12 && random.chance(80) {
            let length = bytes.len() as u32;
            bytes[8..12].copy_from_slice(&length.to_le_bytes());
        }
        let _ = total(&bytes);
        let noise: Vec<u8> = (0..random.below(200)).map(|_| random.next() as u8).collect();
        assert!(total(&noise).is_err());
    });
}

/// Two features; one complete tree, padded, and one sparse tree.
fn sound() -> Vec<u8> {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind, zero_is_missing: false };
    let split = |feature, from, left, right| Node::Split { feature, from, missing_right: true, left, right };
    let mut complete = vec![split(0, 1.0, 1, 2), split(1, 3.0, 3, 4), Node::Leaf(1.0), Node::Leaf(2.0)];
    complete.push(Node::Leaf(3.0));
    let mut chain = Vec::new();
    for level in 0..4_u8 {
        chain.extend([
            split(0, f64::from(level), 2 * usize::from(level) + 1, 2 * usize::from(level) + 2),
            Node::Leaf(0.5),
        ]);
    }
    chain.push(Node::Leaf(-0.5));
    let features = vec![column("a", Kind::Double), column("b", Kind::Int)];
    let ensemble =
        Ensemble { features, trees: vec![chain, complete], base: 0.25, link: Link::Logistic, slack: 0.0 };
    ensemble.encode().unwrap().bytes
}

/// Where the sections of [`sound`] begin.
const FEATURES: usize = HEAD_BYTES;
const GROUPS: usize = FEATURES + 2 * 4;
const THRESHOLDS: usize = GROUPS + 2 * 8;
const COMPLETE: usize = THRESHOLDS + 5 * 8;
const SPARSE: usize = COMPLETE + 8 * 4;
const NAMES: usize = SPARSE + 8 + 9 * 8;

#[test]
fn each_rule_of_the_format_is_checked_where_it_is_broken() {
    let bytes = sound();
    total(&bytes).unwrap();
    assert_eq!(bytes.len(), NAMES + 4);
    let invalid = Fault::Invalid;
    let i64_at = |value: i64| value.to_le_bytes().to_vec();
    for (at, with, fault) in [
        (0, vec![b'X'], Fault::Magic),
        (4, vec![2], Fault::Version(2)),
        (6, vec![2], invalid("link")),
        (7, vec![65], invalid("scale")),
        (7, vec![128], invalid("scale")),
        (8, vec![0], invalid("length")),
        (12, vec![1, 1], Fault::TooLarge("number of features")),
        (12, vec![200, 0], Fault::Truncated),
        (14, vec![200], Fault::Truncated),
        (16, i64_at(i64::MIN), invalid("base")),
        (16, i64_at((1 << 62) + 1), invalid("base")),
        (FEATURES, vec![255, 255], invalid("feature")),
        (FEATURES, vec![254, 255], Fault::Truncated),
        (FEATURES + 2, vec![2], invalid("feature")),
        (FEATURES + 3, vec![2], invalid("feature")),
        (GROUPS, vec![13], invalid("groups of trees")),
        (GROUPS + 4, vec![0], invalid("groups of trees")),
        (GROUPS + 4, vec![255; 4], invalid("groups of trees")),
        (GROUPS + 8, vec![2, 0, 0, 0], invalid("groups of trees")),
        (GROUPS + 8, vec![1, 0, 0, 0], invalid("groups of trees")),
        (THRESHOLDS, i64_at(-1), invalid("thresholds before this")),
        (THRESHOLDS, i64_at(i64::MIN), invalid("thresholds before this")),
        (THRESHOLDS + 8, i64_at(0), invalid("thresholds before this")),
        (THRESHOLDS + 24, i64_at(i64::MAX), invalid("thresholds before this")),
        (THRESHOLDS + 32, i64_at(i64::MIN), invalid("thresholds before this")),
        (COMPLETE, vec![1], invalid("node")),
        (COMPLETE + 6, vec![5], invalid("node")),
        (COMPLETE + 6, vec![0], invalid("node")),
        (COMPLETE + 4, vec![4], invalid("node")),
        // Left of a word that passes everything to the right there is nothing.
        (COMPLETE + 24, vec![1], invalid("node")),
        (SPARSE, vec![3], invalid("node")),
        (SPARSE, vec![0], invalid("depth of a tree")),
        (SPARSE, vec![65], invalid("depth of a tree")),
        (SPARSE + 4, vec![8], invalid("node")),
        (SPARSE + 4, vec![0], invalid("node")),
        (SPARSE + 4, vec![255; 4], Fault::Truncated),
        (SPARSE + 8, vec![1, 0, 0, 0], invalid("node")),
        (SPARSE + 12, vec![1], invalid("node")),
        (SPARSE + 12, vec![3], invalid("node")),
        (SPARSE + 12, vec![255; 4], invalid("node")),
        (SPARSE + 16, vec![9, 0, 1, 0], invalid("node")),
        (NAMES, vec![0], invalid("name")),
        (NAMES, vec![65], invalid("name")),
        (NAMES + 1, vec![b'b'], invalid("name")),
        (NAMES + 1, vec![7], invalid("name")),
        (NAMES + 1, vec![0xff], invalid("name")),
        (NAMES + 2, vec![2], invalid("name")),
    ] {
        let mut broken = bytes.clone();
        broken[at..at + with.len()].copy_from_slice(&with);
        let error = Model::load(&broken).map(|_| ()).expect_err(&format!("byte {at} is checked"));
        assert_eq!(error.fault(), fault, "byte {at}: {error}");
        assert!(error.offset() + 8 >= at && error.offset() <= bytes.len(), "byte {at}: {error}");
    }
}

#[test]
fn more_than_four_mebibytes_are_refused_unread() {
    let mut bytes = sound();
    bytes.resize((4 << 20) + 1, 0);
    let length = bytes.len() as u32;
    bytes[8..12].copy_from_slice(&length.to_le_bytes());
    assert_eq!(Model::load(&bytes).unwrap_err().fault(), Fault::TooLarge("model"));
}
