//! What one event adds to the features of a group: borrowed ([`Item`]) and kept ([`Row`]).
//!
//! A row is kept once for all features by the same key, since they see the same events. Counting needs a bit;
//! only sums and distincts keep a datum, in the column of their member.

use super::Measure;
use glacis_wire::Timestamp;
use std::sync::Arc;

/// What one event contributes to one feature, borrowed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// To a count.
    One,
    /// To a sum of integers.
    Int(i64),
    /// To a sum of doubles.
    Double(f64),
    /// To a distinct: bytes that are equal iff the values are.
    Value(&'a [u8]),
}

impl<'a> Item<'a> {
    pub(super) const fn value(self) -> Option<&'a [u8]> {
        match self {
            Self::Value(value) => Some(value),
            Self::One | Self::Int(_) | Self::Double(_) => None,
        }
    }

    /// As a part of a total: a count is a sum of ones.
    pub(super) const fn as_int(self) -> i64 {
        match self {
            Self::One => 1,
            Self::Int(value) => value,
            Self::Double(_) | Self::Value(_) => 0,
        }
    }

    pub(super) const fn as_double(self) -> f64 {
        match self {
            Self::Double(value) => value,
            Self::One | Self::Int(_) | Self::Value(_) => 0.0,
        }
    }
}

/// One feature of a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) measure: Measure,
    /// Which of the group's features it is. Range: below [`MEMBERS_MAX`].
    pub(super) number: usize,
    /// Where rows keep its datum; a count has none.
    pub(super) column: usize,
}

/// Features of one group at most: a row has a bit for each.
pub(super) const MEMBERS_MAX: usize = 64;

/// The kept part of an item.
#[derive(Clone, Debug)]
enum Datum {
    None,
    Int(i64),
    Double(f64),
    Value(Bytes),
}

/// Data of one row, by column.
#[derive(Clone, Debug)]
enum Data {
    /// Up to two, in place: most groups have a count, a sum and a distinct.
    Few([Datum; 2]),
    Many(Box<[Datum]>),
}

/// One event as the features of a group keep it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) received: Timestamp,
    pub(super) seq: u64,
    /// The members to which it adds something, a bit each.
    members: u64,
    data: Data,
}

impl Row {
    /// A row that adds nothing yet, with room for `columns` data.
    pub(super) fn new(received: Timestamp, seq: u64, columns: usize) -> Self {
        let data = match columns {
            0..=2 => Data::Few([const { Datum::None }; 2]),
            _ => Data::Many(vec![Datum::None; columns].into_boxed_slice()),
        };
        Self { received, seq, members: 0, data }
    }

    /// Adds what the event contributes to one member. `known` is the same value where it is kept already.
    pub(super) fn put(&mut self, member: Member, item: Item<'_>, known: Option<&Bytes>) {
        self.members |= 1 << member.number;
        let datum = match item {
            Item::One => return,
            Item::Int(value) => Datum::Int(value),
            Item::Double(value) => Datum::Double(value),
            Item::Value(value) => Datum::Value(known.cloned().unwrap_or_else(|| Bytes::of(value))),
        };
        let place = match &mut self.data {
            Data::Few(data) => data.get_mut(member.column),
            Data::Many(data) => data.get_mut(member.column),
        };
        if let Some(place) = place {
            *place = datum;
        }
    }

    /// Whether it adds something to any member.
    pub(super) const fn adds(&self) -> bool {
        self.members != 0
    }

    /// What it adds to a member.
    pub(super) fn item(&self, member: Member) -> Option<Item<'_>> {
        if self.members >> member.number & 1 == 0 {
            return None;
        }
        if member.measure == Measure::Count {
            return Some(Item::One);
        }
        Some(match self.datum(member)? {
            Datum::None => return None,
            Datum::Int(value) => Item::Int(*value),
            Datum::Double(value) => Item::Double(*value),
            Datum::Value(value) => Item::Value(value.as_slice()),
        })
    }

    /// The value that it adds to a member, to be kept a second time.
    pub(super) fn value(&self, member: Member) -> Option<&Bytes> {
        match self.datum(member) {
            Some(Datum::Value(value)) if self.members >> member.number & 1 == 1 => Some(value),
            _ => None,
        }
    }

    fn datum(&self, member: Member) -> Option<&Datum> {
        match &self.data {
            Data::Few(data) => data.get(member.column),
            Data::Many(data) => data.get(member.column),
        }
    }
}

/// Bytes of a value: short ones in place, since most are, and a place of their own costs more than they do.
#[derive(Clone, Debug)]
pub(super) enum Bytes {
    Short { length: u8, bytes: [u8; SHORT_MAX] },
    Long(Arc<[u8]>),
}

/// Longest value that is kept in place. Unit: bytes; with length and tag as large as the other kinds of datum.
pub(super) const SHORT_MAX: usize = 22;

impl Bytes {
    pub(super) fn of(value: &[u8]) -> Self {
        let mut bytes = [0; SHORT_MAX];
        match (u8::try_from(value.len()), bytes.get_mut(..value.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(value);
                Self::Short { length, bytes }
            }
            _ => Self::Long(Arc::from(value)),
        }
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Bytes {}

impl std::hash::Hash for Bytes {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl std::borrow::Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}
