//! Keys that leak: how many devices one issuer's key vouches for, and an alarm where there are more than there can be.
//!
//! A factory gives one attestation key to a batch of phones; from a key that leaked, devices are made without number. The
//! count cannot tell which of them are real, so it blocks nobody: it raises an alarm once, and an operator looks. Of makers
//! that sign for everybody with one key, nothing is counted.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::page::{Ask, Listing, Page};
use crate::store::{int, uint};
use glacis_attest::collateral::Watched;
use glacis_wire::{Digest, Thumbprint, Timestamp};
use rusqlite::{OptionalExtension as _, params};

/// Code of the incident.
const CROWDED: &str = "issuer-crowded";
/// What pseudonyms of keys that are one device's own are made under, beside those of chips by family.
const OWN_ISSUER: &str = "issuer";

/// An issuer with more devices than there can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// SHA-256 of its key as `SubjectPublicKeyInfo`; of a key that is one device's own, a pseudonym.
    pub key: Digest,
    /// Whether it is one device's own; else a batch's.
    pub own: bool,
    /// Devices that it vouches for now.
    pub devices: u64,
    /// Since when there is an alarm.
    pub alarm: Timestamp,
}

impl CloudCore {
    /// Puts the number of alarms into the metrics.
    pub(crate) fn note_issuers(&mut self) -> Result<(), CloudError> {
        self.read(|tx| tx.note_issuers())
    }

    /// Issuers with an alarm, by key.
    pub fn issuers_page(&mut self, ask: &Ask) -> Result<Page<Issuer>, CloudError> {
        self.read(|tx| {
            let after = tx.position(Listing::Issuers, ask)?.unwrap_or_default();
            let sql = "SELECT key, own, devices, alarm FROM issuer WHERE alarm IS NOT NULL AND key > ?1 \
                       ORDER BY key LIMIT ?2";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let mut rows = statement.query(params![after, ask.rows()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(Issuer {
                    key: Digest::new(row.get(0)?),
                    own: row.get(1)?,
                    devices: uint(row.get(2)?),
                    alarm: Timestamp::from_ms(uint(row.get(3)?)),
                });
            }
            Ok(tx.page(Listing::Issuers, ask, found, |issuer| issuer.key.as_bytes().to_vec()))
        })
    }
}

impl Tx<'_> {
    /// Counts a device under its issuer.
    pub(super) fn count_issuer(&mut self, device: &Thumbprint, watched: &Watched) -> Result<(), CloudError> {
        // A key that is one device's own names its hardware, and is known under this operator's pseudonym alone.
        let key = if watched.own {
            self.pseudonym(OWN_ISSUER, &watched.issuer).0
        } else {
            *watched.issuer.as_bytes()
        };
        let sql = "UPDATE device SET issuer = ?2 WHERE thumbprint = ?1";
        self.conn.prepare_cached(sql)?.execute(params![device.as_bytes(), key])?;
        let sql = "INSERT INTO issuer (key, own, devices) VALUES (?1, ?2, 1) \
                   ON CONFLICT (key) DO UPDATE SET devices = devices + 1 RETURNING devices, alarm IS NOT NULL";
        let (devices, alarmed): (i64, bool) = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![key, watched.own], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let limits = &self.desk.limits;
        let most = if watched.own { limits.issuer_own_max } else { limits.issuer_batch_max };
        if alarmed || uint(devices) <= most {
            return Ok(());
        }
        let now = int(self.now.as_ms());
        let sql = "UPDATE issuer SET alarm = ?2 WHERE key = ?1";
        self.conn.prepare_cached(sql)?.execute(params![key, now])?;
        let sql = "INSERT INTO incident (at, kind, thumbprint, event_id, node, detail_bytes) \
                   VALUES (?1, ?2, ?3, NULL, 'cloud', ?4)";
        self.conn.prepare_cached(sql)?.execute(params![now, CROWDED, device.as_bytes(), key])?;
        self.audit_inserted(AuditKind::Incident)?;
        self.note_issuers()?;
        tracing::warn!(issuer = %Digest::new(key), devices, most, "an issuer vouches for more devices than there can be");
        Ok(())
    }

    fn note_issuers(&self) -> Result<(), CloudError> {
        let sql = "SELECT count(*) FROM issuer WHERE alarm IS NOT NULL";
        let alarms: i64 = self.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        self.desk.metrics.issuers_crowded(uint(alarms));
        Ok(())
    }

    /// A device is under no issuer any more.
    pub(super) fn uncount_issuer(&self, device: &Thumbprint) -> Result<(), CloudError> {
        let sql = "SELECT issuer FROM device WHERE thumbprint = ?1";
        let found: Option<Option<Vec<u8>>> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        let Some(key) = found.flatten() else { return Ok(()) };
        let sql = "UPDATE device SET issuer = NULL WHERE thumbprint = ?1";
        self.conn.prepare_cached(sql)?.execute([device.as_bytes()])?;
        let sql = "UPDATE issuer SET devices = devices - 1 WHERE key = ?1";
        self.conn.prepare_cached(sql)?.execute([&key])?;
        // An alarm stays.
        let sql = "DELETE FROM issuer WHERE key = ?1 AND devices <= 0 AND alarm IS NULL";
        self.conn.prepare_cached(sql)?.execute([&key])?;
        Ok(())
    }
}
