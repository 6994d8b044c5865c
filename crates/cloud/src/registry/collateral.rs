//! Collateral in force: taken only if it is signed, for this store, of this time and newer than any before.
//!
//! The store keeps the newest, so a restart goes on with it whatever file lies where the configuration points: a version
//! that was seen once is the floor for ever. What falls with a new one is `reappraise`'s business. Where the configuration
//! names a key and nothing is in force, evidence is refused; it never falls back to less.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Desk, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_attest::collateral::{Age, Life, Mark};
use glacis_attest::{Anchors, Collateral, CollateralError, Constraints};
use glacis_wire::message::PublicKey;
use glacis_wire::{Digest, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::sync::Arc;

/// Collateral in force, with what an appraisal needs of it made once.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(super) collateral: Collateral,
    pub(super) anchors: Anchors,
    pub(super) constraints: Constraints,
    mark: Mark,
}

/// What is in force, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollateralView {
    /// Version and times.
    pub life: Life,
    /// SHA-256 of its body.
    pub digest: Digest,
    /// What it is worth now.
    pub age: Age,
    /// Keys of makers.
    pub anchors: usize,
    /// Serials that are worth nothing any more.
    pub revoked: usize,
    /// When the revocation list was made.
    pub revocations_as_of: Option<Timestamp>,
    /// Apps and sites that are ours.
    pub apps: usize,
    /// Systems that are trusted although no maker of phones signed them.
    pub systems: usize,
    /// When it was taken into force.
    pub taken_at: Timestamp,
    /// By whom.
    pub taken_by: String,
}

/// What became of offered collateral.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenCollateral {
    /// Its version.
    pub version: u64,
    /// The version in force before; none where there was none.
    pub previous: Option<u64>,
    /// What it is worth now.
    pub age: Age,
    /// Whether it differs from what was in force.
    pub news: bool,
}

impl CloudCore {
    /// Takes collateral into force, and lets the first devices fall that rest on what it does not hold; the others fall in
    /// further steps ([`reappraise`](Self::reappraise)).
    ///
    /// # Errors
    /// `BadSignature` if another key signed it or it is for another tenant or realm; `NotNewer` if it is older than any seen
    /// before; `Conflict` if it is of a version that was seen with another content; `Invalid` if it is no collateral or of
    /// another time. What is in force stays.
    pub fn take_collateral(&mut self, bytes: &[u8], by: &str) -> Result<TakenCollateral, CloudError> {
        crate::admin::check_text("by", by)?;
        let taken = self.call(|tx| {
            let offered = tx.offered(bytes)?;
            let taken = tx.succession(&offered)?;
            if taken.news {
                tx.put_collateral(offered, bytes, by)?;
                tx.reappraise_step()?;
            }
            Ok(taken)
        });
        match &taken {
            Ok(taken) if taken.news => {
                tracing::info!(
                    version = taken.version,
                    age = taken.age.name(),
                    by,
                    "collateral taken into force"
                );
            }
            Ok(_) => {}
            Err(error) => {
                self.metrics().collateral_refused();
                tracing::warn!(%error, by, "collateral refused; what is in force stays");
            }
        }
        let noted = self.note_collateral();
        taken.and_then(|taken| noted.map(|()| taken))
    }

    /// What [`take_collateral`](Self::take_collateral) would do, without doing it.
    ///
    /// # Errors
    /// As that.
    pub fn try_collateral(&mut self, bytes: &[u8]) -> Result<TakenCollateral, CloudError> {
        self.read(|tx| {
            let offered = tx.offered(bytes)?;
            tx.succession(&offered)
        })
    }

    /// What is in force; none where nothing is.
    pub fn collateral(&mut self) -> Result<Option<CollateralView>, CloudError> {
        self.read(|tx| tx.collateral_view())
    }

    /// Puts what is in force into the metrics.
    pub(crate) fn note_collateral(&mut self) -> Result<(), CloudError> {
        let life = self.read(|tx| Ok(tx.in_force().map(|held| held.collateral.life)))?;
        let (version, stale_at) = life.map_or((0, 0), |life| (life.version, life.stale_after.as_ms()));
        self.metrics().collateral(version, stale_at);
        Ok(())
    }
}

impl Tx<'_> {
    pub(super) fn in_force(&self) -> Option<&Arc<InForce>> {
        self.desk.state.collateral.as_ref()
    }

    /// Reads what was offered: signed for this store, and of this time.
    pub(super) fn offered(&self, bytes: &[u8]) -> Result<InForce, CloudError> {
        let key = self.desk.enrolling.collateral_key.as_ref().ok_or_else(|| {
            CloudError::new(CloudErrorKind::Conflict, "the configuration names no key of collateral")
        })?;
        let found = read(self.desk, key, bytes)?;
        match found.collateral.life.age(self.now) {
            Age::Fresh | Age::Stale => Ok(found),
            age => Err(CollateralError::Age(age).into()),
        }
    }

    fn succession(&self, offered: &InForce) -> Result<TakenCollateral, CloudError> {
        let seen = newest_mark(self.conn)?;
        // The same again is no news, unless nothing of it is in force: the key may have been another meanwhile.
        let news = offered.mark.succeeds(seen.as_ref())? || self.in_force().is_none();
        Ok(TakenCollateral {
            version: offered.mark.version,
            previous: seen.map(|seen| seen.version),
            age: offered.collateral.life.age(self.now),
            news,
        })
    }

    fn put_collateral(&mut self, offered: InForce, bytes: &[u8], by: &str) -> Result<(), CloudError> {
        let Life { version, made_at, stale_after, not_after } = offered.collateral.life;
        let sql = "INSERT INTO collateral (version, digest, made_at, stale_after, not_after, at, by) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let [made, stale, ends, now] = [made_at, stale_after, not_after, self.now].map(|at| int(at.as_ms()));
        let row = params![int(version), offered.mark.digest.as_bytes(), made, stale, ends, now, by];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Collateral)?;
        let sql = "INSERT INTO collateral_bytes (only_row, signed_bytes) VALUES (1, ?1) \
                   ON CONFLICT (only_row) DO UPDATE SET signed_bytes = excluded.signed_bytes";
        self.conn.prepare_cached(sql)?.execute([bytes])?;
        let state = self.state();
        state.collateral = Some(Arc::new(offered));
        state.reappraisal_due = true;
        Ok(())
    }

    fn collateral_view(&self) -> Result<Option<CollateralView>, CloudError> {
        let Some(held) = self.in_force() else { return Ok(None) };
        let sql = "SELECT at, by FROM collateral ORDER BY id DESC LIMIT 1";
        let (at, by): (i64, String) =
            self.conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let Collateral { life, roots, references, revocations, .. } = &held.collateral;
        let apps = references.android_apps.len() + references.apple_apps.len() + references.sites.len();
        Ok(Some(CollateralView {
            life: *life,
            digest: held.mark.digest,
            age: life.age(self.now),
            anchors: roots.by_use().iter().map(|(_, keys)| keys.len()).sum(),
            revoked: revocations.as_ref().map_or(0, glacis_attest::Revocations::len),
            revocations_as_of: revocations.as_ref().map(glacis_attest::Revocations::as_of),
            apps,
            systems: references.boot_keys.len(),
            taken_at: Timestamp::from_ms(uint(at)),
            taken_by: by,
        }))
    }
}

/// The newest collateral of a store, if its key is still the one of the configuration.
pub(crate) fn load(conn: &Connection, desk: &Desk) -> Result<Option<Arc<InForce>>, CloudError> {
    let Some(key) = &desk.enrolling.collateral_key else { return Ok(None) };
    let sql = "SELECT signed_bytes FROM collateral_bytes";
    let bytes: Option<Vec<u8>> = conn.query_row(sql, [], |row| row.get(0)).optional()?;
    let Some(bytes) = bytes else { return Ok(None) };
    match read(desk, key, &bytes) {
        Ok(held) if newest_mark(conn)? == Some(held.mark) => Ok(Some(Arc::new(held))),
        Ok(_) => Err(CloudError::corrupt("the collateral is not the one that was taken last")),
        // The key of the configuration is another one now: nothing is in force until that key's first comes.
        Err(error) if error.kind() == CloudErrorKind::BadSignature => {
            tracing::warn!(
                "the collateral in the store is signed by another key than the configuration names"
            );
            Ok(None)
        }
        Err(error) => Err(CloudError::corrupt(format!("collateral: {error}"))),
    }
}

fn read(desk: &Desk, key: &PublicKey, bytes: &[u8]) -> Result<InForce, CloudError> {
    let (collateral, mark) = Collateral::open(bytes, &desk.context, key)?;
    let anchors = collateral.anchors(&desk.anchors);
    let constraints = collateral.constraints();
    Ok(InForce { collateral, anchors, constraints, mark })
}

/// The highest version that was ever taken; it is also the newest row.
fn newest_mark(conn: &Connection) -> Result<Option<Mark>, CloudError> {
    let sql = "SELECT version, digest FROM collateral ORDER BY version DESC, id DESC LIMIT 1";
    let found: Option<(i64, [u8; 32])> =
        conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.map(|(version, digest)| Mark { version: uint(version), digest: Digest::new(digest) }))
}

impl From<CollateralError> for CloudError {
    fn from(error: CollateralError) -> Self {
        let kind = match error {
            CollateralError::Signature(_) | CollateralError::Scope => CloudErrorKind::BadSignature,
            CollateralError::Older { .. } => CloudErrorKind::NotNewer,
            CollateralError::Conflict(_) => CloudErrorKind::Conflict,
            CollateralError::TooLarge | CollateralError::Encode(_) => CloudErrorKind::TooLarge,
            _ => CloudErrorKind::Invalid,
        };
        Self::new(kind, format!("collateral: {error}")).caused_by(error)
    }
}
