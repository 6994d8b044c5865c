//! The revocation feed: which keys are refused or capped, signed and given out to every edge.
//!
//! Memory holds the newest entry of each key; the table keeps every one. A feed is signed anew at most once a second, and
//! a full one gives out refusals before caps. What listing does to a device's tier stands in its history.

use super::action_of;
use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::store::{int, uint};
use glacis_seal::{Purpose, sign_envelope};
use glacis_wire::limits::FEED_ENTRIES_MAX;
use glacis_wire::message::policy::{Feed, FeedAction, FeedEntry};
use glacis_wire::message::{List, Signed};
use glacis_wire::{Thumbprint, Tier, Timestamp, Trust};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// A signed feed is given out again for this long; its age is the least staleness that an edge can see.
const FEED_REISSUE: Duration = Duration::from_secs(1);

/// How long a retired key stays in the feed after its attestation result has ended here: a node whose clock is behind may
/// still open a session for it. Source: nodes are refused beyond 60 s of skew ([`NODE_SKEW`](crate::server::node::NODE_SKEW)).
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Devices that are listed, and the feed as last signed.
#[derive(Debug, Default)]
pub(crate) struct FeedTable {
    entries: BTreeMap<Thumbprint, Listed>,
    version: u64,
    signed: Option<(Timestamp, Signed)>,
}

/// What the feed says of one key.
#[derive(Debug)]
struct Listed {
    entry: FeedEntry,
    /// Of a retired key: no node opens a session for it afterwards, and the feed need not name it.
    until: Option<Timestamp>,
    /// What vouched for it fell, and it did not attest anew since: it is given out before keys that were only retired, of
    /// which anybody can make many, and stays so where it lets another key take its place.
    fell: bool,
}

impl Listed {
    /// Which of one action are given out first.
    const fn rank(&self) -> u8 {
        match (self.until, self.fell) {
            (None, _) => 0,
            (Some(_), true) => 1,
            (Some(_), false) => 2,
        }
    }
}

impl FeedTable {
    pub(crate) fn load(conn: &Connection) -> Result<Self, CloudError> {
        let mut table = Self::default();
        let mut statement =
            conn.prepare("SELECT id, thumbprint, action, since, until FROM feed_entry ORDER BY id")?;
        let mut lifted = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let action = action_of(row.get(2)?)?;
            let since = Timestamp::from_ms(uint(row.get(3)?));
            let thumbprint = Thumbprint::new(row.get(1)?);
            let until = row.get::<_, Option<i64>>(4)?.map(|at| Timestamp::from_ms(uint(at)));
            if until == Some(Timestamp::ZERO) {
                lifted.insert(thumbprint, since);
            }
            table.put(uint(row.get(0)?), FeedEntry { thumbprint, action, since }, until);
        }
        let sql = "SELECT thumbprint, at FROM reappraisal WHERE from_tier > to_tier OR from_trust > ?1";
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([Trust::Claimed as u8])?;
        while let Some(row) = rows.next()? {
            let (device, at) = (Thumbprint::new(row.get(0)?), Timestamp::from_ms(uint(row.get(1)?)));
            if lifted.get(&device).is_none_or(|lifted| *lifted < at) {
                table.fell(&device);
            }
        }
        Ok(table)
    }

    pub(crate) fn action(&self, device: &Thumbprint) -> Option<FeedAction> {
        self.entries.get(device).map(|listed| listed.entry.action)
    }

    /// Devices that are listed so, by thumbprint, after `after`.
    pub(crate) fn listed(
        &self,
        action: Option<FeedAction>,
        after: Option<&Thumbprint>,
    ) -> impl Iterator<Item = Thumbprint> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        let entries = self.entries.range((from, Bound::Unbounded));
        let wanted =
            entries.filter(move |(_, listed)| action.is_none_or(|action| listed.entry.action == action));
        wanted.map(|(device, _)| *device)
    }

    /// The entries to give out, by thumbprint. Where there are more than `max`, refusals come before caps, caps before
    /// devices that fell, those before retired keys, and newer ones before older: a batch that falls can be large, anybody can
    /// have devices of his own capped or keys of his own retired, and must not push a stolen one out with them.
    fn given_out(&self, max: usize, now: Timestamp) -> Vec<FeedEntry> {
        let mut listed: Vec<&Listed> = self.in_force(now).collect();
        if listed.len() > max {
            listed.sort_by_key(|listed| {
                (Reverse(listed.entry.action), listed.rank(), Reverse(listed.entry.since))
            });
            listed.truncate(max);
            listed.sort_by_key(|listed| listed.entry.thumbprint);
        }
        listed.into_iter().map(|listed| listed.entry.clone()).collect()
    }

    fn in_force(&self, now: Timestamp) -> impl Iterator<Item = &Listed> {
        self.entries.values().filter(move |listed| listed.until.is_none_or(|until| now <= until))
    }

    /// An entry in the place of the one before; one that ended before time began takes the device out.
    pub(super) fn put(&mut self, version: u64, entry: FeedEntry, until: Option<Timestamp>) {
        self.version = version;
        self.signed = None;
        if until == Some(Timestamp::ZERO) {
            self.entries.remove(&entry.thumbprint);
            return;
        }
        let fell = self.entries.get(&entry.thumbprint).is_some_and(|listed| listed.fell);
        self.entries.insert(entry.thumbprint, Listed { entry, until, fell });
    }

    /// Notes that a listed device fell.
    pub(super) fn fell(&mut self, device: &Thumbprint) {
        if let Some(listed) = self.entries.get_mut(device) {
            listed.fell = true;
            self.signed = None;
        }
    }
}

impl CloudCore {
    /// How many devices the feed refuses and how many it caps.
    pub fn listed_devices(&mut self) -> Result<(usize, usize), CloudError> {
        self.read(|tx| {
            let (mut refused, mut capped) = (0, 0);
            for listed in tx.desk.state.feed.in_force(tx.now) {
                match listed.entry.action {
                    FeedAction::Refuse => refused += 1,
                    FeedAction::Cap => capped += 1,
                }
            }
            Ok((refused, capped))
        })
    }

    /// The signed revocation feed, at most one second old.
    pub fn feed(&mut self) -> Result<Signed, CloudError> {
        self.read(|tx| {
            match &tx.desk.state.feed.signed {
                Some((issued, signed)) if *issued <= tx.now && tx.now.since(*issued) < FEED_REISSUE => {
                    return Ok(signed.clone());
                }
                _ => {}
            }
            let signed = tx.sign_feed()?;
            tx.desk.state.feed.signed = Some((tx.now, signed.clone()));
            Ok(signed)
        })
    }

    /// Refuses a device from now on: its sessions and openings.
    pub fn refuse_device(&mut self, device: &Thumbprint, reason: &str) -> Result<(), CloudError> {
        crate::admin::check_text("reason", reason)?;
        self.call(|tx| {
            if tx.tier_of(device)?.is_none() {
                return Err(CloudError::not_found(format!("device {device}")));
            }
            tx.list_device(device, FeedAction::Refuse, reason, None)
        })
    }
}

impl Tx<'_> {
    /// Retires a key in whose place another came: it is worth `software` from now on, cannot enrol again, and ends with
    /// its attestation result. It is capped and not refused: whoever took a copy of the key could have another follow
    /// it, and must not lock its owner out with that. What is listed already stays listed as it is.
    pub(super) fn retire(&mut self, device: &Thumbprint, reason: &str) -> Result<(), CloudError> {
        if self.is_listed_for_good(device)? {
            return Ok(());
        }
        let sql = "SELECT not_after FROM device WHERE thumbprint = ?1";
        let ends: Option<i64> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        let ends = ends.map_or(self.now, |at| Timestamp::from_ms(uint(at)));
        self.cap_until(device, reason, ends)
    }

    /// Caps a device until its attestation result has ended everywhere.
    pub(super) fn cap_until(
        &mut self,
        device: &Thumbprint,
        reason: &str,
        ends: Timestamp,
    ) -> Result<(), CloudError> {
        self.list_device(device, FeedAction::Cap, reason, Some(ends.max(self.now).after(CLOCK_SKEW)))
    }

    /// Puts a device into the feed and notes what that does to its tier.
    pub(super) fn list_device(
        &mut self,
        device: &Thumbprint,
        action: FeedAction,
        reason: &str,
        until: Option<Timestamp>,
    ) -> Result<(), CloudError> {
        let since = self.now;
        let sql = "INSERT INTO feed_entry (thumbprint, action, since, until) VALUES (?1, ?2, ?3, ?4)";
        let ends = until.map(|at| int(at.as_ms()));
        let row = params![device.as_bytes(), action as u8, int(since.as_ms()), ends];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let version = self.audit_inserted(AuditKind::FeedEntry)?;
        let before = self.tier_of(device)?;
        let tier_max = action.tier_max().unwrap_or(Tier::None);
        let from = before.unwrap_or(Tier::None);
        let to = from.min(tier_max);
        if before.is_some() {
            let sql = "UPDATE device SET tier = ?2, trust = ?3, fallen = NULL WHERE thumbprint = ?1";
            let row = params![device.as_bytes(), to as u8, Trust::Claimed as u8];
            self.conn.prepare_cached(sql)?.execute(row)?;
            self.state().moved(before, Some(to));
            self.forget_basis(device)?;
        }
        self.tier_change(device, from, to, reason)?;
        let entry = FeedEntry { thumbprint: *device, action, since };
        self.state().feed.put(uint(version), entry, until);
        Ok(())
    }

    fn sign_feed(&self) -> Result<Signed, CloudError> {
        let table = &self.desk.state.feed;
        let entries = table.in_force(self.now).count();
        if entries > FEED_ENTRIES_MAX {
            tracing::error!(entries, "the feed is full; the oldest caps are left out");
        }
        let feed = Feed {
            tenant: self.desk.context.tenant.clone(),
            realm: self.desk.context.realm,
            version: table.version,
            issued: self.now,
            entries: List(table.given_out(FEED_ENTRIES_MAX, self.now)),
        };
        Ok(sign_envelope(&self.desk.keys.feed, &self.desk.context, Purpose::Feed, &feed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_feed_gives_out_every_refusal_and_the_newest_caps() {
        let mut table = FeedTable::default();
        let mut put = |n: u8, action| {
            let since = Timestamp::from_secs(u64::from(n));
            let thumbprint = Thumbprint::new([n; 32]);
            table.put(u64::from(n), FeedEntry { thumbprint, action, since }, None);
        };
        (1..=4).for_each(|n| put(n, FeedAction::Cap));
        put(9, FeedAction::Refuse);
        (5..=6).for_each(|n| put(n, FeedAction::Cap));
        let given = |max| -> Vec<u8> {
            table.given_out(max, Timestamp::ZERO).iter().map(|entry| entry.thumbprint.as_bytes()[0]).collect()
        };
        assert_eq!(given(7), [1, 2, 3, 4, 5, 6, 9]);
        assert_eq!(given(3), [5, 6, 9]);
        assert_eq!(given(1), [9]);
    }

    #[test]
    fn a_retired_key_leaves_the_feed_when_no_session_of_it_can_be_left() {
        let mut table = FeedTable::default();
        let (retired, refused) = (Thumbprint::new([1; 32]), Thumbprint::new([2; 32]));
        let since = Timestamp::from_secs(1);
        let cap = FeedEntry { thumbprint: retired, action: FeedAction::Cap, since };
        table.put(1, cap, Some(Timestamp::from_secs(9)));
        table.put(2, FeedEntry { thumbprint: refused, action: FeedAction::Refuse, since }, None);
        let given = |at| table.given_out(9, Timestamp::from_secs(at)).len();
        assert_eq!((given(9), given(10)), (2, 1));
        let forked = Thumbprint::new([3; 32]);
        let cap = FeedEntry { thumbprint: forked, action: FeedAction::Cap, since: Timestamp::ZERO };
        table.put(3, cap, None);
        let kept: Vec<_> = table.given_out(2, since).into_iter().map(|entry| entry.thumbprint).collect();
        assert_eq!(kept, [refused, forked], "a full feed leaves the retired out first");
        assert_eq!(table.action(&retired), Some(FeedAction::Cap), "it can still not enrol again");
        let fallen = Thumbprint::new([4; 32]);
        let cap = FeedEntry { thumbprint: fallen, action: FeedAction::Cap, since: Timestamp::ZERO };
        table.put(4, cap, Some(Timestamp::from_secs(9)));
        table.fell(&fallen);
        let kept = |table: &FeedTable, max| -> Vec<_> {
            table.given_out(max, since).into_iter().map(|entry| entry.thumbprint).collect()
        };
        assert_eq!(
            kept(&table, 3),
            [refused, forked, fallen],
            "no number of retired keys pushes a fallen one out"
        );
        assert_eq!(kept(&table, 2), [refused, forked], "and no number of fallen ones a forked one");
        let cap = FeedEntry { thumbprint: fallen, action: FeedAction::Cap, since };
        table.put(5, cap, Some(Timestamp::from_secs(9)));
        assert_eq!(kept(&table, 3), [refused, forked, fallen], "nor does it get away by being replaced");
    }
}
