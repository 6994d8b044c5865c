//! A time zone as a table of the moments at which its offset from UTC changes.
//!
//! Rules for summer time go on for ever, and the Gregorian calendar repeats itself after 400 years, which are a
//! whole number of weeks. So a table goes on to the end of one such cycle, [`CYCLE_END`], and every later moment is
//! looked up in its place of the cycle: finite, and exact to the year 9999.
//!
//! Form of the bytes: the first offset (i32) ‖ count (u16) ‖ for each change its second (i64) and offset (i32).

use alloc::vec::Vec;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// A change: the second from which on, and the offset. Units: seconds since the epoch, seconds east of UTC.
type Change = (i64, i32);

/// The offsets of a zone. An offset that never changes is a zone as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone {
    /// Before the first change.
    first: i32,
    /// Ascending.
    changes: Vec<Change>,
}

impl TimeZone {
    /// Most changes of one zone: a century and a half, and a cycle, of two a year.
    pub const CHANGES_MAX: usize = 1_500;
    /// Largest offset of either side. Unit: seconds. Source: RFC 9636 §3.2, 25:59:59.
    pub const OFFSET_MAX: i32 = 93_599;
    /// Moments from here on repeat those of the cycle before. Unit: seconds since the epoch; 2500-01-01.
    pub const CYCLE_END: i64 = 16_725_225_600;
    /// 400 years of the Gregorian calendar. Unit: seconds.
    pub const CYCLE: i64 = 146_097 * 86_400;

    /// Always at `offset` seconds east of UTC.
    pub fn fixed(offset: i32) -> Option<Self> {
        Self::try_new(offset, Vec::new())
    }

    /// The zone of these changes, if they ascend and end with the cycle, and no offset is too large.
    pub fn try_new(first: i32, changes: Vec<Change>) -> Option<Self> {
        let fits = |offset: i32| (-Self::OFFSET_MAX..=Self::OFFSET_MAX).contains(&offset);
        let sound = changes.len() <= Self::CHANGES_MAX
            && fits(first)
            && changes.iter().all(|(at, offset)| fits(*offset) && *at < Self::CYCLE_END)
            && changes.is_sorted_by(|(a, _), (b, _)| a < b);
        sound.then_some(Self { first, changes })
    }

    /// Seconds east of UTC at a second since the epoch.
    pub fn offset(&self, at: i64) -> i32 {
        let at = match at.checked_sub(Self::CYCLE_END) {
            Some(beyond @ 0..) => Self::CYCLE_END - Self::CYCLE + beyond % Self::CYCLE,
            _ => at,
        };
        let known = self.changes.partition_point(|(from, _)| *from <= at);
        let last = known.checked_sub(1).and_then(|last| self.changes.get(last));
        last.map_or(self.first, |(_, offset)| *offset)
    }
}

impl Encode for TimeZone {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.raw(&self.first.to_be_bytes());
        let count = u16::try_from(self.changes.len());
        out.u16(count.map_err(|_| EncodeError { what: "changes of a zone", limit: Self::CHANGES_MAX })?);
        for (at, offset) in &self.changes {
            out.i64(*at);
            out.raw(&offset.to_be_bytes());
        }
        Ok(())
    }
}

impl Decode for TimeZone {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("time zone");
        let first = i32::from_be_bytes(input.array()?);
        let count = usize::from(input.u16()?);
        if count > Self::CHANGES_MAX || count * 12 > input.remaining() {
            return Err(at);
        }
        let change = |_| Ok((input.i64()?, i32::from_be_bytes(input.array()?)));
        let changes = (0..count).map(change).collect::<Result<_, DecodeError>>()?;
        Self::try_new(first, changes).ok_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn an_offset_holds_until_the_next_and_cycles_repeat() {
        let spring = TimeZone::CYCLE_END - TimeZone::CYCLE + 100;
        let zone = TimeZone::try_new(-7, vec![(-50, 0), (spring, 3_600), (spring + 50, 0)]).unwrap();
        let far = spring + 19 * TimeZone::CYCLE;
        for (at, want) in [
            (i64::MIN, -7),
            (-51, -7),
            (-50, 0),
            (spring - 1, 0),
            (spring, 3_600),
            (spring + 49, 3_600),
            (far - 1, 0),
            (far, 3_600),
            (far + 50, 0),
        ] {
            assert_eq!(zone.offset(at), want, "{at}");
        }
        // Total beyond every date.
        zone.offset(i64::MAX);
    }

    #[test]
    fn tables_out_of_order_or_range_are_refused() {
        let large = TimeZone::OFFSET_MAX + 1;
        assert_eq!(TimeZone::fixed(large), None);
        assert_eq!(TimeZone::fixed(-large), None);
        for changes in [
            vec![(0, large)],
            vec![(1, 0), (1, 0)],
            vec![(2, 0), (1, 0)],
            vec![(TimeZone::CYCLE_END, 0)],
            (0..=1_500).map(|at| (at, 0)).collect(),
        ] {
            assert_eq!(TimeZone::try_new(0, changes.clone()), None, "{changes:?}");
        }
    }

    #[test]
    fn bytes_give_the_zone_again() {
        let zone = TimeZone::try_new(-7, vec![(-50, 0), (99, 3_600)]).unwrap();
        let bytes = zone.to_bytes().unwrap();
        assert_eq!(TimeZone::from_bytes(&bytes), Ok(zone));
        for end in 0..bytes.len() {
            assert!(TimeZone::from_bytes(&bytes[..end]).is_err());
        }
    }
}
