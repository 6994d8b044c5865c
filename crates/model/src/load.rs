//! Which bytes are a model: a total loader, and the only way to a [`Model`].
//!
//! Any bytes give one model or a [`LoadError`] that names an offset. What is checked *here* is never checked again:
//! magic, version, length; every count against its limit; that thresholds ascend; that each split names a feature
//! and one of its bins; that trees have the form of [`format`](crate::format), so that evaluation only goes forward
//! and visits no node twice; that names differ. There is one form for a model whose layouts are chosen: nothing is
//! padded, reserved or free. Loading allocates nothing.

mod tree;

use crate::format::{
    BASE_MAX, COMPLETE_DEPTH_MAX, FEATURES_MAX, HEAD_BYTES, MAGIC, MODEL_BYTES_MAX, NAME_BYTES_MAX,
    SCALE_MAX, SPARSE, THRESHOLDS_MAX, TREES_MAX, VERSION, ZERO_IS_MISSING, key,
};
use crate::input::bin_steps;
use crate::link::Link;
use crate::model::{Group, Kind, Model, Shape, feature_of, next_name};
use core::fmt;

impl<'a> Model<'a> {
    /// Checks bytes. Total: any bytes give a model or an error.
    pub fn load(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let mut input = Input { rest: bytes, offset: 0 };
        let head = Head::read(&mut input, bytes.len())?;
        let features = input.array(head.features)?;
        let groups = input.array(head.groups)?;
        let (mut thresholds, mut shape) = (0_usize, Shape::default());
        for feature in features {
            let feature = checked_feature(*feature).ok_or_else(|| input.invalid("feature"))?;
            thresholds += feature.thresholds;
            shape.searches += bin_steps(feature.thresholds);
        }
        check_groups(groups).ok_or_else(|| input.invalid("groups of trees"))?;
        let thresholds: &[[u8; 8]] = input.array(thresholds)?;
        check_thresholds(features, thresholds).ok_or_else(|| input.invalid("thresholds before this"))?;
        let trees = input.rest;
        for group in groups {
            tree::check_group(&mut input, Group::of(*group), features, &mut shape)?;
        }
        let (words, _) = trees.get(..trees.len() - input.rest.len()).unwrap_or(&[]).as_chunks();
        let names = input.rest;
        check_names(&mut input, features.len())?;
        if !input.rest.is_empty() {
            return Err(input.error(Fault::Trailing));
        }
        let Head { link, scale, base, bound, .. } = head;
        Ok(Self { bytes, link, scale, base, bound, features, groups, thresholds, words, names, shape })
    }
}

/// The head, checked.
struct Head {
    link: Link,
    scale: i8,
    features: usize,
    groups: usize,
    base: i64,
    bound: u64,
}

impl Head {
    fn read(input: &mut Input<'_>, length: usize) -> Result<Self, LoadError> {
        let start = input.clone();
        if input.take::<4>()? != *MAGIC {
            return Err(start.error(Fault::Magic));
        }
        match u16::from_le_bytes(input.take()?) {
            VERSION => {}
            other => return Err(input.error(Fault::Version(other))),
        }
        let link = match input.take()? {
            [0] => Link::Identity,
            [1] => Link::Logistic,
            _ => return Err(input.invalid("link")),
        };
        let scale = i8::from_le_bytes(input.take()?);
        if scale.unsigned_abs() > SCALE_MAX.unsigned_abs() {
            return Err(input.invalid("scale"));
        }
        let stated = u32::from_le_bytes(input.take()?);
        if length > MODEL_BYTES_MAX {
            return Err(input.error(Fault::TooLarge("model")));
        }
        if u32::try_from(length) != Ok(stated) {
            return Err(input.invalid("length"));
        }
        let features = usize::from(u16::from_le_bytes(input.take()?));
        if features > FEATURES_MAX {
            return Err(input.error(Fault::TooLarge("number of features")));
        }
        let groups = usize::from(u16::from_le_bytes(input.take()?));
        let base = i64::from_le_bytes(input.take()?);
        if base.unsigned_abs() > BASE_MAX {
            return Err(input.invalid("base"));
        }
        let bound = u64::from_le_bytes(input.take()?);
        debug_assert_eq!(input.offset, HEAD_BYTES);
        Ok(Self { link, scale, features, groups, base, bound })
    }
}

/// A feature whose fields have a meaning.
fn checked_feature(bytes: [u8; 4]) -> Option<crate::model::Feature<'static>> {
    let [_, _, kind, flags] = bytes;
    let feature = feature_of(bytes);
    (kind <= 1 && flags & !ZERO_IS_MISSING == 0 && feature.thresholds <= THRESHOLDS_MAX).then_some(feature)
}

/// Shapes that are known and ascend, with trees, and not too many.
fn check_groups(groups: &[[u8; 8]]) -> Option<()> {
    let (mut last, mut trees) = (None, 0_usize);
    for group in groups.iter().map(|bytes| Group::of(*bytes)) {
        let known = group.shape <= COMPLETE_DEPTH_MAX || group.shape == SPARSE;
        if !known || last.is_some_and(|last| last >= group.shape) || group.trees == 0 {
            return None;
        }
        last = Some(group.shape);
        trees = trees.checked_add(usize::try_from(group.trees).ok()?)?;
    }
    (trees <= TREES_MAX).then_some(())
}

/// Within each feature they ascend, and each can turn a comparison.
fn check_thresholds(features: &[[u8; 4]], mut thresholds: &[[u8; 8]]) -> Option<()> {
    for bytes in features {
        let feature = feature_of(*bytes);
        let (own, rest) = thresholds.split_at_checked(feature.thresholds)?;
        thresholds = rest;
        let (mut last, most) = match feature.kind {
            Kind::Double => (key(f64::NEG_INFINITY), key(f64::INFINITY)),
            Kind::Int => (i64::MIN, i64::MAX),
        };
        for threshold in own.iter().map(|bytes| i64::from_le_bytes(*bytes)) {
            // -1 is what the bits of -0.0 would give.
            if threshold <= last || threshold > most || (feature.kind == Kind::Double && threshold == -1) {
                return None;
            }
            last = threshold;
        }
    }
    Some(())
}

/// As many names as features, none empty, too long, with control characters, or twice.
fn check_names(input: &mut Input<'_>, count: usize) -> Result<(), LoadError> {
    let all = input.rest;
    for at in 0..count {
        let (name, rest) = next_name(input.rest).ok_or_else(|| input.invalid("name"))?;
        let mut earlier = all;
        let mut twice = false;
        for _ in 0..at {
            let Some((other, rest)) = next_name(earlier) else { break };
            twice |= other == name;
            earlier = rest;
        }
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) || twice {
            return Err(input.invalid("name"));
        }
        input.offset += input.rest.len() - rest.len();
        input.rest = rest;
    }
    Ok(())
}

/// What is left to read, and where that is.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Input<'a> {
    const fn error(&self, fault: Fault) -> LoadError {
        LoadError { offset: self.offset, fault }
    }

    const fn invalid(&self, what: &'static str) -> LoadError {
        self.error(Fault::Invalid(what))
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], LoadError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.error(Fault::Truncated))?;
        self.rest = rest;
        self.offset += N;
        Ok(*taken)
    }

    fn array<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], LoadError> {
        let split = count.checked_mul(N).and_then(|bytes| self.rest.split_at_checked(bytes));
        let (taken, rest) = split.ok_or(self.error(Fault::Truncated))?;
        self.rest = rest;
        self.offset += taken.len();
        Ok(taken.as_chunks().0)
    }
}

/// Why bytes are not a model, and where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadError {
    offset: usize,
    fault: Fault,
}

impl LoadError {
    /// Offset at which it showed: of what is wrong, or just behind it.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// What is wrong.
    pub const fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a model at byte {}: {}", self.offset, self.fault)
    }
}

impl core::error::Error for LoadError {}

/// The ways in which bytes can fail to be a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// They end early.
    Truncated,
    /// There are more than a model has.
    Trailing,
    /// They do not begin as a model does.
    Magic,
    /// A version that this build does not read.
    Version(u16),
    /// A count or length is over its limit.
    TooLarge(&'static str),
    /// A field without a meaning.
    Invalid(&'static str),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("input ends early"),
            Self::Trailing => f.write_str("unexpected bytes"),
            Self::Magic => f.write_str("no magic of a model"),
            Self::Version(version) => write!(f, "unknown format version {version}"),
            Self::TooLarge(what) => write!(f, "{what} is over its limit"),
            Self::Invalid(what) => write!(f, "invalid {what}"),
        }
    }
}
