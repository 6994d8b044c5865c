//! Lists with effective time, exact for any (version, time).
//!
//! Every change of a list counts its version up by one and takes effect at a stated time, never before it was
//! made: history cannot be rewritten. The state of an item at (version v, time t) is what its change with the
//! greatest (effective, version) among `version ≤ v`, `effective ≤ t` says. A decision reads the newest version
//! at the receive time of its facts, and its record names the versions.

use glacis_wire::Timestamp;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    effective: Timestamp,
    version: u64,
    present: bool,
}

#[derive(Debug, Default)]
struct OneList {
    version: u64,
    /// Per item, sorted by (effective, version).
    items: HashMap<Box<str>, Vec<Change>>,
}

/// All lists, derived from the table of changes.
#[derive(Debug, Default)]
pub(crate) struct ListTable {
    lists: HashMap<Box<str>, OneList>,
    changes: usize,
}

impl ListTable {
    /// Version of a list; zero where nothing was ever put into it.
    pub(crate) fn version(&self, list: &str) -> u64 {
        self.lists.get(list).map_or(0, |list| list.version)
    }

    /// Number of changes held, over all lists.
    pub(crate) const fn changes(&self) -> usize {
        self.changes
    }

    /// Takes the change `version` of `list`, which must be newer than all before it.
    pub(crate) fn apply(
        &mut self,
        list: &str,
        version: u64,
        item: &str,
        present: bool,
        effective: Timestamp,
    ) {
        let one = self.lists.entry(list.into()).or_default();
        one.version = one.version.max(version);
        let changes = one.items.entry(item.into()).or_default();
        let change = Change { effective, version, present };
        let at = changes.partition_point(|other| (other.effective, other.version) < (effective, version));
        changes.insert(at, change);
        self.changes += 1;
    }

    /// Whether `item` is in `list` at the newest version and time `at`.
    pub(crate) fn contains(&self, list: &str, item: &str, at: Timestamp) -> bool {
        let changes = self.lists.get(list).and_then(|list| list.items.get(item));
        let state = changes.and_then(|all| all.iter().rev().find(|change| change.effective <= at));
        state.is_some_and(|change| change.present)
    }

    /// Items of `list` that are in it at `at`, and those whose adding is still to come.
    pub(crate) fn items(&self, list: &str, at: Timestamp) -> Vec<(String, Timestamp)> {
        let Some(list) = self.lists.get(list) else { return Vec::new() };
        let mut items: Vec<_> = list
            .items
            .iter()
            .filter_map(|(item, changes)| {
                let now = changes.iter().rev().find(|change| change.effective <= at).filter(|c| c.present);
                let coming = changes.iter().find(|change| change.effective > at && change.present);
                now.or(coming).map(|change| (item.to_string(), change.effective))
            })
            .collect();
        items.sort();
        items
    }

    /// Names and versions, sorted.
    pub(crate) fn names(&self) -> Vec<(String, u64)> {
        let mut names: Vec<_> =
            self.lists.iter().map(|(name, list)| (name.to_string(), list.version)).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn an_item_counts_from_its_effective_time_until_its_removal_does() {
        let mut lists = ListTable::default();
        lists.apply("mules", 1, "p1", true, at(100));
        lists.apply("mules", 2, "p1", false, at(200));
        for (time, want) in [(99, false), (100, true), (199, true), (200, false)] {
            assert_eq!(lists.contains("mules", "p1", at(time)), want, "at {time}");
        }
        assert_eq!(lists.version("mules"), 2);
        assert!(!lists.contains("mules", "p2", at(150)));
        assert!(!lists.contains("vip", "p1", at(150)));
    }

    #[test]
    fn of_two_changes_at_one_time_the_later_made_wins() {
        let mut lists = ListTable::default();
        lists.apply("mules", 1, "p1", true, at(100));
        lists.apply("mules", 2, "p1", false, at(100));
        assert!(!lists.contains("mules", "p1", at(100)));
        lists.apply("mules", 3, "p1", true, at(100));
        assert!(lists.contains("mules", "p1", at(100)));
    }

    #[test]
    fn a_scheduled_change_does_not_hide_the_present() {
        let mut lists = ListTable::default();
        lists.apply("mules", 1, "p1", true, at(300));
        lists.apply("mules", 2, "p1", true, at(100));
        lists.apply("mules", 3, "p1", false, at(200));
        for (time, want) in [(150, true), (250, false), (300, true)] {
            assert_eq!(lists.contains("mules", "p1", at(time)), want, "at {time}");
        }
        assert_eq!(lists.items("mules", at(250)), vec![("p1".to_owned(), at(300))]);
        assert_eq!(lists.names(), vec![("mules".to_owned(), 3)]);
    }
}
