//! The time zone of a literal as the table that zones look into.
//!
//! From the database that the profile `full` uses, so that both say the same of every moment; only the zones that a
//! policy names are in its slices.

use crate::full::Zone;
use glacis_policy::TimeZone;

/// The table of a zone: an offset (`+02:00`), or a name of the IANA database; `None` if it is neither, or has more
/// changes than a table.
pub(crate) fn build(zone: &str) -> Option<TimeZone> {
    let zone = Zone::parse(zone).ok()?;
    let mut changes: Vec<(i64, i32)> = Vec::new();
    let first = zone.first_offset()?;
    let mut last = first;
    for (at, offset) in zone.changes().take_while(|(at, _)| *at < TimeZone::CYCLE_END) {
        // A change of name, or of what is called summer, is none of the offset.
        if offset != last {
            changes.push((at, offset));
            last = offset;
        }
        if changes.len() > TimeZone::CHANGES_MAX {
            return None;
        }
    }
    TimeZone::try_new(first, changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::full::{Timestamp, Zone};

    /// Every zone of the database has a table, which says what the database says: at each change, a second before,
    /// and at moments of all centuries.
    #[test]
    fn tables_say_what_the_database_says() {
        let mut largest = 0;
        for name in Zone::names() {
            let (zone, table) = (Zone::parse(&name).unwrap(), build(&name).unwrap());
            let bytes = glacis_wire::Encode::to_bytes(&table).unwrap();
            largest = largest.max(bytes.len());
            let changes = zone.changes().map(|(at, _)| at).enumerate();
            // All until the cycle is over, then some.
            let seldom = changes.filter(|(nth, _)| *nth < 500 || nth % 61 == 0).map(|(_, at)| at);
            let spread = (0..4_000).map(|nth| -62_135_596_800 + nth * 78_840_917);
            for at in seldom.flat_map(|at| [at - 1, at]).chain(spread) {
                let want = zone.offset(Timestamp::from_seconds(at).unwrap()).unwrap();
                assert_eq!(i64::from(table.offset(at)), want, "{name} at {at}");
            }
        }
        println!("largest table: {largest} bytes");
        assert!(largest <= 16 << 10);
    }

    #[test]
    fn what_is_no_zone_has_no_table() {
        for zone in ["Mars/Olympus", "+25:00", "+2:00", "x".repeat(99).as_str(), "Europe/Berlin "] {
            assert_eq!(build(zone), None, "{zone}");
        }
        assert_eq!(build("-09:30"), TimeZone::fixed(-34_200));
        assert_eq!(build(""), TimeZone::fixed(0));
        assert_eq!(build("UTC"), TimeZone::fixed(0));
    }
}
