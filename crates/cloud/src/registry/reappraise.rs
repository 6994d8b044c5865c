//! Life after an appraisal: what it rested on is kept, and who rested on what falls, falls with it.
//!
//! A device is appraised anew without its evidence: of that, only the pieces count that collateral can take away, and they
//! are rows. So exactly the devices that rest on a piece that does not hold any more are found, by index, from the
//! collateral in force alone: a crash between two steps, or a collateral that came while nobody ran, changes nothing of the
//! outcome. Who fell is capped by the feed and can attest anew; a piece that comes back lifts nobody by itself.

use super::appraise::{Appraised, Basis};
use super::trust_of_code;
use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::page::{Ask, Listing, Page};
use crate::store::{int, uint};
use glacis_attest::Collateral;
use glacis_attest::collateral::{Support, SupportKind};
use glacis_wire::message::policy::{FeedAction, FeedEntry};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Thumbprint, Tier, Timestamp, Trust};
use rusqlite::{OptionalExtension as _, params};
use std::collections::BTreeMap;

/// Devices that fall in one step. LIMIT: bounds one transaction, between which decisions get their turn.
const STEP: usize = 512;
/// Devices that a dry run counts.
pub const FALLING_MAX: usize = 100_000;

/// A device that fell, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallen {
    /// When; of a dry run, now.
    pub at: Timestamp,
    /// Which device.
    pub thumbprint: Thumbprint,
    /// Version of the collateral that does not hold the piece.
    pub collateral: u64,
    /// The piece that it rested on.
    pub support: Support,
    /// Its tier before.
    pub from: Tier,
    /// Its tier after.
    pub to: Tier,
}

/// One step of re-appraisal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stepped {
    /// Devices that fell in it.
    pub devices: usize,
    /// Whether the next step may find more.
    pub more: bool,
}

impl CloudCore {
    /// Lets the next devices fall that rest on what the collateral in force does not hold; call it again while it says that
    /// there may be more.
    pub fn reappraise(&mut self) -> Result<Stepped, CloudError> {
        let due = self.read(|tx| Ok(tx.desk.state.reappraisal_due))?;
        if !due {
            return Ok(Stepped { devices: 0, more: false });
        }
        self.call(|tx| tx.reappraise_step())
    }

    /// How many devices would fall with this collateral, at most [`FALLING_MAX`], and the first `rows` by thumbprint.
    ///
    /// # Errors
    /// As [`take_collateral`](Self::take_collateral), but for its version, which does not count.
    pub fn falling_with(&mut self, bytes: &[u8], rows: u32) -> Result<(u64, Vec<Fallen>), CloudError> {
        self.read(|tx| {
            let offered = tx.offered(bytes)?;
            let version = offered.collateral.life.version;
            let falling = tx.falling(&offered.collateral, FALLING_MAX)?;
            let view = |(thumbprint, support): (Thumbprint, Support)| {
                let from = tx.tier_of(&thumbprint)?.unwrap_or(Tier::None);
                let to = from.min(Tier::Software);
                Ok(Fallen { at: tx.now, thumbprint, collateral: version, support, from, to })
            };
            let count = u64::try_from(falling.len()).unwrap_or(u64::MAX);
            let rows = usize::try_from(rows).unwrap_or(usize::MAX);
            let first: Result<Vec<Fallen>, CloudError> = falling.into_iter().take(rows).map(view).collect();
            Ok((count, first?))
        })
    }

    /// Devices that fell, newest first; with one version of collateral where one is given.
    pub fn fallen_page(&mut self, version: Option<u64>, ask: &Ask) -> Result<Page<Fallen>, CloudError> {
        self.read(|tx| {
            let filter = version.map_or_else(String::new, |version| version.to_string());
            let listing = Listing::Fallen(&filter);
            let before = tx.after_row(listing, ask)?.map_or(i64::MAX, int);
            let sql = "SELECT id, at, thumbprint, collateral, kind, value, from_tier, to_tier FROM reappraisal \
                       WHERE id < ?1 AND (?2 IS NULL OR collateral = ?2) ORDER BY id DESC LIMIT ?3";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params![before, version.map(int), ask.rows()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let support = support_of(row.get(4)?, row.get(5)?)?;
                let fallen = Fallen {
                    at: Timestamp::from_ms(uint(row.get(1)?)),
                    thumbprint: Thumbprint::new(row.get(2)?),
                    collateral: uint(row.get(3)?),
                    support,
                    from: super::tier_of_code(row.get(6)?)?,
                    to: super::tier_of_code(row.get(7)?)?,
                };
                found.push((uint(row.get(0)?), fallen));
            }
            let page = tx.page(listing, ask, found, |(id, _)| id.to_be_bytes().to_vec());
            Ok(page.map(|(_, fallen)| fallen))
        })
    }

    /// How many devices fell with a version of collateral.
    pub fn fallen_count(&mut self, version: u64) -> Result<u64, CloudError> {
        self.read(|tx| {
            let sql = "SELECT count(*) FROM reappraisal WHERE collateral = ?1";
            Ok(uint(tx.conn.prepare_cached(sql)?.query_row([int(version)], |row| row.get(0))?))
        })
    }
}

impl Tx<'_> {
    /// One step: at most [`STEP`] devices fall.
    pub(super) fn reappraise_step(&mut self) -> Result<Stepped, CloudError> {
        let Some(held) = self.in_force().cloned() else {
            self.state().reappraisal_due = false;
            return Ok(Stepped { devices: 0, more: false });
        };
        let falling = self.falling(&held.collateral, STEP)?;
        let (devices, more) = (falling.len(), falling.len() >= STEP);
        for (device, support) in falling {
            self.fall(&device, &support, held.collateral.life.version)?;
        }
        self.state().reappraisal_due = more;
        if devices > 0 {
            self.desk.metrics.fallen(devices);
            let version = held.collateral.life.version;
            tracing::warn!(
                devices,
                more,
                version,
                "devices fell that rested on what collateral does not hold"
            );
        }
        Ok(Stepped { devices, more })
    }

    /// Devices that rest on a piece that does not hold, each with one such piece; at most `most`.
    fn falling(
        &self,
        collateral: &Collateral,
        most: usize,
    ) -> Result<BTreeMap<Thumbprint, Support>, CloudError> {
        let mut found = BTreeMap::new();
        for value in collateral.listed_serials() {
            if found.len() >= most {
                return Ok(found);
            }
            self.resting_on(Support { kind: SupportKind::Serial, value }, most, &mut found)?;
        }
        for kind in SupportKind::ALL.into_iter().filter(|kind| *kind != SupportKind::Serial) {
            // Of these there are few: an app, a system or a maker each.
            let mut before = Vec::new();
            while found.len() < most
                && let Some(value) = self.next_value(kind, &before)?
            {
                let support = Support { kind, value: value.clone() };
                if !collateral.holds(&support) {
                    self.resting_on(support, most, &mut found)?;
                }
                before = value;
            }
        }
        Ok(found)
    }

    /// The value of a kind after this one.
    fn next_value(&self, kind: SupportKind, before: &[u8]) -> Result<Option<Vec<u8>>, CloudError> {
        let sql = "SELECT value FROM support WHERE kind = ?1 AND value > ?2 ORDER BY value LIMIT 1";
        let key = params![kind as u8, before];
        Ok(self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?)
    }

    /// Adds the devices that rest on this piece, until there are `most`.
    fn resting_on(
        &self,
        support: Support,
        most: usize,
        found: &mut BTreeMap<Thumbprint, Support>,
    ) -> Result<(), CloudError> {
        let sql = "SELECT thumbprint FROM support WHERE kind = ?1 AND value = ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![support.kind as u8, support.value])?;
        while found.len() < most
            && let Some(row) = rows.next()?
        {
            found.entry(Thumbprint::new(row.get(0)?)).or_insert_with(|| support.clone());
        }
        Ok(())
    }

    /// Lets a device fall: it is worth `software` from now on, the feed says so until its result has ended, and its history
    /// says why.
    fn fall(&mut self, device: &Thumbprint, support: &Support, version: u64) -> Result<(), CloudError> {
        let sql = "SELECT trust, not_after FROM device WHERE thumbprint = ?1";
        let (trust, ends): (u8, i64) = self
            .conn
            .prepare_cached(sql)?
            .query_row([device.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let trust = trust_of_code(trust)?;
        let from = self.tier_of(device)?.unwrap_or(Tier::None);
        let to = from.min(Tier::Software);
        let reason = support.kind.reason();
        if from > to || trust > Trust::Claimed {
            let ends = Timestamp::from_ms(uint(ends));
            self.cap_until(device, reason, ends)?;
            self.state().feed.fell(device);
        } else {
            // Nothing that it is worth can be taken; that it rested on this is said all the same.
            self.tier_change(device, from, to, reason)?;
            self.forget_basis(device)?;
        }
        let sql = "INSERT INTO reappraisal (at, thumbprint, collateral, kind, value, from_tier, from_trust, to_tier) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let row = params![
            int(self.now.as_ms()),
            device.as_bytes(),
            int(version),
            support.kind as u8,
            support.value,
            from as u8,
            trust as u8,
            to as u8
        ];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let fallen = self.audit_inserted(AuditKind::Reappraisal)?;
        let sql = "UPDATE device SET fallen = ?2 WHERE thumbprint = ?1";
        self.conn.prepare_cached(sql)?.execute(params![device.as_bytes(), fallen])?;
        Ok(())
    }

    /// The row since which a device is worth less than its evidence was, if collateral let it fall and nothing else
    /// happened to it since.
    pub(super) fn fallen(&self, device: &Thumbprint) -> Result<Option<i64>, CloudError> {
        let sql = "SELECT fallen FROM device WHERE thumbprint = ?1";
        let found: Option<Option<i64>> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        Ok(found.flatten())
    }

    /// Whether the feed names a device for another reason than that collateral let it fall.
    pub(super) fn is_listed_for_good(&self, device: &Thumbprint) -> Result<bool, CloudError> {
        let listed = self.desk.state.feed.action(device).is_some();
        Ok(listed && self.fallen(device)?.is_none())
    }

    /// Lifts the cap of a device that fell and attests anew.
    ///
    /// Results that it was given before are good for hours still, and the feed is what keeps them from being used. So it is
    /// lifted only by evidence that is worth as much as any before; else the key stays capped, and a new one is due.
    pub(super) fn lift(&mut self, device: &Thumbprint, appraised: &Appraised) -> Result<(), CloudError> {
        if self.desk.state.feed.action(device).is_none() {
            return Ok(());
        }
        let Some(fallen) = self.fallen(device)? else { return Ok(()) };
        let sql = "SELECT max(to_tier), (SELECT from_trust FROM reappraisal WHERE id = ?2) FROM tier_change \
                   WHERE thumbprint = ?1";
        let (tier, trust): (u8, u8) = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![device.as_bytes(), fallen], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if (appraised.tier as u8) < tier || (appraised.trust as u8) < trust {
            let why = "what vouched for this key fell, and the evidence is worth less than that was; enrol a new key";
            return Err(CloudError::refused(Refusal::EnrolmentRefused, why));
        }
        let sql = "INSERT INTO feed_entry (thumbprint, action, since, until) VALUES (?1, ?2, ?3, 0)";
        let row = params![device.as_bytes(), FeedAction::Cap as u8, int(self.now.as_ms())];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let version = self.audit_inserted(AuditKind::FeedEntry)?;
        let entry = FeedEntry { thumbprint: *device, action: FeedAction::Cap, since: self.now };
        self.state().feed.put(uint(version), entry, Some(Timestamp::ZERO));
        Ok(())
    }

    /// Notes what the newest appraisal of a device rests on, in the place of what was noted before.
    pub(super) fn note_basis(&mut self, device: &Thumbprint, basis: &Basis) -> Result<(), CloudError> {
        self.forget_basis(device)?;
        let sql = "INSERT INTO support (kind, value, thumbprint) VALUES (?1, ?2, ?3)";
        for support in &basis.supports {
            let row = params![support.kind as u8, support.value, device.as_bytes()];
            self.conn.prepare_cached(sql)?.execute(row)?;
        }
        let sql =
            "UPDATE device SET revocations_as_of = ?2, collateral = ?3, fallen = NULL WHERE thumbprint = ?1";
        let as_of = basis.revocations_as_of.map(|at| int(at.as_ms()));
        let row = params![device.as_bytes(), as_of, basis.collateral.map(int)];
        self.conn.prepare_cached(sql)?.execute(row)?;
        match &basis.watched {
            Some(watched) => self.count_issuer(device, watched),
            None => Ok(()),
        }
    }

    /// A device rests on nothing any more: it cannot fall again.
    pub(super) fn forget_basis(&self, device: &Thumbprint) -> Result<(), CloudError> {
        let sql = "DELETE FROM support WHERE thumbprint = ?1";
        self.conn.prepare_cached(sql)?.execute([device.as_bytes()])?;
        self.uncount_issuer(device)
    }

    /// What a device's newest appraisal rests on.
    pub(super) fn supports_of(&self, device: &Thumbprint) -> Result<Vec<Support>, CloudError> {
        let sql = "SELECT kind, value FROM support WHERE thumbprint = ?1 ORDER BY kind, value";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([device.as_bytes()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(support_of(row.get(0)?, row.get(1)?)?);
        }
        Ok(found)
    }
}

fn support_of(kind: u8, value: Vec<u8>) -> Result<Support, CloudError> {
    let kind = SupportKind::from_number(kind).ok_or_else(|| CloudError::corrupt("kind of a support"))?;
    Ok(Support { kind, value })
}
