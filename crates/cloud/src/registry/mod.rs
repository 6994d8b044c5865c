//! The registry: enrolment, tiers with their history, session chains, the revocation feed.
//!
//! A challenge is MAC'd, expires, and is spent by a row in the transaction that enrols (`enrol`). Two openings of one
//! device with the same parent (or the same counter) and different chain values are a *fork* (`fork`): somebody else
//! holds the key. Both branches are capped at `software` by the feed (`feed`); a new key, enrolled anew, cures it. Nothing
//! is ever blocked because of a fork. Which key came in the place of which is its `lineage`.
//!
//! What an appraisal needs beside evidence comes as signed `collateral`; who rests on what falls is appraised anew
//! (`reappraise`), and issuers of too many devices raise an alarm (`issuer`).

mod activation;
mod appraise;
mod collateral;
mod enrol;
mod feed;
mod fork;
mod hardware;
mod issuer;
mod lineage;
mod partner;
mod quota;
mod reappraise;

pub use collateral::{CollateralView, TakenCollateral};
pub(crate) use collateral::{InForce, load as load_collateral};
pub(crate) use feed::FeedTable;
pub use hardware::Uniqueness;
pub use issuer::Issuer;
pub use lineage::{Succession, Why};
pub use partner::{NO_EVIDENCE, PartnerChange, PartnerKey, PartnerTerms, PartnerView};
pub use reappraise::{FALLING_MAX, Fallen, Stepped};

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_attest::collateral::Support;
use glacis_wire::message::policy::FeedAction;
use glacis_wire::{Thumbprint, Tier, Timestamp, Trust};
use rusqlite::{OptionalExtension as _, params};

/// One device as the registry shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Names it.
    pub thumbprint: Thumbprint,
    /// Its tier now.
    pub tier: Tier,
    /// Trust of what its process produces.
    pub trust: Trust,
    /// Family of its evidence.
    pub family: String,
    /// What its key says about one device.
    pub uniqueness: Uniqueness,
    /// The partner that brought it.
    pub partner: Option<String>,
    /// When it enrolled last.
    pub enrolled: Timestamp,
    /// What the feed says of it.
    pub listed: Option<FeedAction>,
    /// Every change of its tier, oldest first.
    pub history: Vec<TierChange>,
    /// The line of keys that it stands in, oldest step first.
    pub lineage: Vec<Succession>,
    /// Version of the collateral that it was appraised with last.
    pub collateral: Option<u64>,
    /// When the revocation list was made that was asked then.
    pub revocations_as_of: Option<Timestamp>,
    /// What its standing rests on; nothing where it rests on no evidence, or fell.
    pub rests_on: Vec<Support>,
}

/// One change of a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierChange {
    /// When.
    pub at: Timestamp,
    /// Before.
    pub from: Tier,
    /// After.
    pub to: Tier,
    /// Stable reason code.
    pub reason: String,
}

impl CloudCore {
    /// What the registry knows of a device.
    pub fn device(&mut self, device: &Thumbprint) -> Result<DeviceView, CloudError> {
        self.read(|tx| tx.device(device)?.ok_or_else(|| CloudError::not_found(format!("device {device}"))))
    }
}

impl Tx<'_> {
    pub(super) fn tier_of(&self, device: &Thumbprint) -> Result<Option<Tier>, CloudError> {
        let sql = "SELECT tier FROM device WHERE thumbprint = ?1";
        let code: Option<u8> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        code.map(tier_of_code).transpose()
    }

    pub(super) fn tier_change(
        &mut self,
        device: &Thumbprint,
        from: Tier,
        to: Tier,
        reason: &str,
    ) -> Result<(), CloudError> {
        let sql = "INSERT INTO tier_change (thumbprint, at, from_tier, to_tier, reason) \
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![device.as_bytes(), int(self.now.as_ms()), from as u8, to as u8, reason];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::TierChange).map(|_row| ())
    }

    pub(super) fn device(&self, device: &Thumbprint) -> Result<Option<DeviceView>, CloudError> {
        let sql = "SELECT tier, trust, family, enrolled, uniqueness, partner, collateral, revocations_as_of FROM device \
             WHERE thumbprint = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([device.as_bytes()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (collateral, as_of): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
        Ok(Some(DeviceView {
            thumbprint: *device,
            tier: tier_of_code(row.get(0)?)?,
            trust: trust_of_code(row.get(1)?)?,
            family: row.get(2)?,
            uniqueness: Uniqueness::of_code(row.get(4)?)?,
            partner: row.get(5)?,
            enrolled: Timestamp::from_ms(uint(row.get(3)?)),
            listed: self.desk.state.feed.action(device),
            history: self.history(device)?,
            lineage: self.lineage(device)?,
            collateral: collateral.map(uint),
            revocations_as_of: as_of.map(|at| Timestamp::from_ms(uint(at))),
            rests_on: self.supports_of(device)?,
        }))
    }

    pub(super) fn history(&self, device: &Thumbprint) -> Result<Vec<TierChange>, CloudError> {
        let sql = "SELECT at, from_tier, to_tier, reason FROM tier_change WHERE thumbprint = ?1 ORDER BY id";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([device.as_bytes()])?;
        let mut history = Vec::new();
        while let Some(row) = rows.next()? {
            history.push(TierChange {
                at: Timestamp::from_ms(uint(row.get(0)?)),
                from: tier_of_code(row.get(1)?)?,
                to: tier_of_code(row.get(2)?)?,
                reason: row.get(3)?,
            });
        }
        Ok(history)
    }
}

impl From<glacis_seal::SealError> for CloudError {
    fn from(error: glacis_seal::SealError) -> Self {
        Self::new(CloudErrorKind::BadSignature, error.to_string()).caused_by(error)
    }
}

fn action_of(code: u8) -> Result<FeedAction, CloudError> {
    FeedAction::ALL
        .iter()
        .copied()
        .find(|action| *action as u8 == code)
        .ok_or_else(|| CloudError::corrupt("feed action"))
}

pub(crate) fn tier_of_code(code: u8) -> Result<Tier, CloudError> {
    Tier::ALL.into_iter().find(|tier| *tier as u8 == code).ok_or_else(|| CloudError::corrupt("tier"))
}

pub(crate) fn trust_of_code(code: u8) -> Result<Trust, CloudError> {
    Trust::ALL.into_iter().find(|trust| *trust as u8 == code).ok_or_else(|| CloudError::corrupt("trust"))
}
