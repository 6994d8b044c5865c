//! Partners: named sources of enrolments, each with a key, what it may enrol, and how much.
//!
//! A partner vouches for a device by a MAC over the challenge and the device key, so its key never travels and a voucher
//! is good for one enrolment. The key is derived from the cloud's own key and shown when it is made; no store holds it.
//! Limits are rows under the audit chain, the newest of a name in force; counts change in the transaction that enrols.

use super::appraise::Appraised;
use super::quota::{Counted, Span};
use super::tier_of_code;
use crate::admin::{check_code, check_text};
use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_seal::{MacKey, Purpose, text};
use glacis_wire::message::enrol::{EnrolBody, Voucher};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Tier, Timestamp, Trust};
use rusqlite::{OptionalExtension as _, Row, params};
use std::collections::BTreeSet;
use std::fmt;

/// Family of a device that gives no evidence.
pub const NO_EVIDENCE: &str = "none";
/// Partners that there may be.
const PARTNERS_MAX: u32 = 1_000;
/// Starts every partner's key, so that scanners of leaked secrets can know one.
const KEY_PREFIX: &str = "glacis_partner_";

/// What a partner may enrol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerTerms {
    /// Families of evidence; [`NO_EVIDENCE`] for devices without any.
    pub families: BTreeSet<String>,
    /// The highest tier that its devices get, whatever their evidence is worth.
    pub tier_max: Tier,
    /// Enrolments a day (of UTC).
    pub daily_max: u64,
    /// Enrolments in total.
    pub total_max: u64,
}

/// What of a partner's terms is to change; what is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartnerChange {
    /// Families of evidence.
    pub families: Option<BTreeSet<String>>,
    /// The highest tier.
    pub tier_max: Option<Tier>,
    /// Enrolments a day.
    pub daily_max: Option<u64>,
    /// Enrolments in total.
    pub total_max: Option<u64>,
}

/// One partner as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerView {
    /// Its name.
    pub name: String,
    /// What it may enrol.
    pub terms: PartnerTerms,
    /// When that was set.
    pub set_at: Timestamp,
    /// Who set it.
    pub set_by: String,
    /// Enrolments today.
    pub today: u64,
    /// Enrolments in total.
    pub total: u64,
}

/// The key of a partner, to be shown once. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PartnerKey([u8; 32]);

impl PartnerKey {
    /// The text to show.
    pub fn expose(&self) -> String {
        format!("{KEY_PREFIX}{}", text::base64url(&self.0))
    }

    /// Of the text that was shown.
    pub fn parse(shown: &str) -> Option<Self> {
        let bytes = text::parse_base64url(shown.strip_prefix(KEY_PREFIX)?)?;
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Self)
    }

    /// The key, to make vouchers with.
    pub fn mac_key(&self) -> MacKey {
        MacKey::new(self.0)
    }
}

impl fmt::Debug for PartnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartnerKey(…)")
    }
}

impl CloudCore {
    /// Adds a partner; gives its key, which is shown this once.
    pub fn add_partner(
        &mut self,
        name: &str,
        terms: &PartnerTerms,
        by: &str,
    ) -> Result<PartnerKey, CloudError> {
        self.call(|tx| {
            check_code("name", name)?;
            if tx.partner(name)?.is_some() {
                let detail = format!("there is a partner `{name}` already");
                return Err(CloudError::new(CloudErrorKind::Conflict, detail));
            }
            let sql = "SELECT count(DISTINCT name) FROM partner";
            let known: i64 = tx.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            if uint(known) >= u64::from(PARTNERS_MAX) {
                return Err(CloudError::invalid(format!("there may be {PARTNERS_MAX} partners")));
            }
            let made = tx.set_partner(name, terms, None, by)?;
            Ok(tx.partner_key(name, made))
        })
    }

    /// Changes what a partner may enrol, from now on.
    pub fn limit_partner(
        &mut self,
        name: &str,
        change: &PartnerChange,
        by: &str,
    ) -> Result<PartnerView, CloudError> {
        self.call(|tx| {
            let Partner { terms: old, key_made, .. } = tx.known_partner(name)?;
            let terms = PartnerTerms {
                families: change.families.clone().unwrap_or(old.families),
                tier_max: change.tier_max.unwrap_or(old.tier_max),
                daily_max: change.daily_max.unwrap_or(old.daily_max),
                total_max: change.total_max.unwrap_or(old.total_max),
            };
            tx.set_partner(name, &terms, Some(key_made), by)?;
            tx.view_of(tx.known_partner(name)?)
        })
    }

    /// Makes a new key for a partner; what the old one vouches for is refused from now on.
    pub fn renew_partner_key(&mut self, name: &str, by: &str) -> Result<PartnerKey, CloudError> {
        self.call(|tx| {
            let Partner { terms, .. } = tx.known_partner(name)?;
            let made = tx.set_partner(name, &terms, None, by)?;
            Ok(tx.partner_key(name, made))
        })
    }

    /// Every partner, by name.
    pub fn partners(&mut self) -> Result<Vec<PartnerView>, CloudError> {
        self.read(|tx| {
            let sql =
                format!("{PARTNER} WHERE id IN (SELECT max(id) FROM partner GROUP BY name) ORDER BY name");
            let mut statement = tx.conn.prepare_cached(&sql)?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(tx.view_of(partner_of(row)?)?);
            }
            Ok(found)
        })
    }
}

const PARTNER: &str = "SELECT name, families, tier_max, daily_max, total_max, at, by, key_made FROM partner";

/// A partner as it is kept, without what it did.
pub(super) struct Partner {
    name: String,
    terms: PartnerTerms,
    set_at: Timestamp,
    set_by: String,
    /// The row that its key was made for.
    key_made: i64,
}

impl Tx<'_> {
    /// The partner that vouches for this enrolment.
    pub(super) fn vouching_partner(
        &self,
        voucher: &Voucher,
        body: &EnrolBody,
    ) -> Result<Partner, CloudError> {
        let refuse = |why: String| CloudError::refused(Refusal::EnrolmentRefused, why);
        let name = &voucher.partner.0;
        let partner = self.partner(name)?.ok_or_else(|| refuse(format!("there is no partner `{name}`")))?;
        let parts: [&[u8]; 2] = [&body.challenge.nonce, &body.device_key.0];
        let key = self.partner_key(name, partner.key_made).mac_key();
        key.verify_parts(&self.desk.context, Purpose::Partner, &parts, &voucher.mac)
            .map_err(|error| refuse(format!("partner `{name}` does not vouch for it")).caused_by(error))?;
        Ok(partner)
    }

    /// Counts an enrolment of a partner and holds it to the partner's terms.
    pub(super) fn hold_to(&self, partner: &Partner, appraised: &mut Appraised) -> Result<(), CloudError> {
        let Partner { name, terms, .. } = partner;
        if !terms.families.contains(&appraised.family) {
            let why = format!("partner `{name}` does not enrol devices of family `{}`", appraised.family);
            return Err(CloudError::refused(Refusal::EnrolmentRefused, why));
        }
        self.count_enrolment(Counted::Partner(name), Span::Day, terms.daily_max)?;
        self.count_enrolment(Counted::Partner(name), Span::Ever, terms.total_max)?;
        appraised.partner = Some(name.clone());
        let ceiling = self.in_force().and_then(|held| held.collateral.ceilings.get(name).copied());
        let tier_max = ceiling.map_or(terms.tier_max, |ceiling| ceiling.min(terms.tier_max));
        if appraised.tier > tier_max {
            appraised.tier = tier_max;
            if appraised.tier <= Tier::Software {
                appraised.trust = Trust::Claimed;
            }
        }
        Ok(())
    }

    fn known_partner(&self, name: &str) -> Result<Partner, CloudError> {
        check_code("name", name)?;
        self.partner(name)?.ok_or_else(|| CloudError::not_found(format!("partner `{name}`")))
    }

    fn partner(&self, name: &str) -> Result<Option<Partner>, CloudError> {
        let sql = format!("{PARTNER} WHERE name = ?1 ORDER BY id DESC LIMIT 1");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let found = statement.query_row([name], |row| Ok(partner_of(row))).optional()?;
        found.transpose()
    }

    fn view_of(&self, partner: Partner) -> Result<PartnerView, CloudError> {
        let Partner { name, terms, set_at, set_by, .. } = partner;
        let today = self.enrolments(Counted::Partner(&name), Span::Day)?;
        let total = self.enrolments(Counted::Partner(&name), Span::Ever)?;
        Ok(PartnerView { name, terms, today, total, set_at, set_by })
    }

    /// Puts terms into force; gives the row that the key in force was made for.
    fn set_partner(
        &mut self,
        name: &str,
        terms: &PartnerTerms,
        key_made: Option<i64>,
        by: &str,
    ) -> Result<i64, CloudError> {
        check_text("by", by)?;
        check_terms(terms)?;
        let sql = "SELECT coalesce(max(id), 0) + 1 FROM partner";
        let id: i64 = self.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        let key_made = key_made.unwrap_or(id);
        let sql = "INSERT INTO partner (id, name, families, tier_max, daily_max, total_max, key_made, at, by) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let families: Vec<&str> = terms.families.iter().map(String::as_str).collect();
        let (daily, total, at) = (int(terms.daily_max), int(terms.total_max), int(self.now.as_ms()));
        let row = params![id, name, families.join(","), terms.tier_max as u8, daily, total, key_made, at, by];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Partner)?;
        Ok(key_made)
    }

    /// The key of a partner; another one for each row that it is made for.
    fn partner_key(&self, name: &str, made: i64) -> PartnerKey {
        let parts: [&[u8]; 3] = [b"key", &made.to_be_bytes(), name.as_bytes()];
        PartnerKey(self.desk.keys.own.mac_parts(&self.desk.context, Purpose::Partner, &parts))
    }
}

fn partner_of(row: &Row<'_>) -> Result<Partner, CloudError> {
    let families: String = row.get(1)?;
    Ok(Partner {
        name: row.get(0)?,
        terms: PartnerTerms {
            families: families.split(',').map(ToOwned::to_owned).collect(),
            tier_max: tier_of_code(row.get(2)?)?,
            daily_max: uint(row.get(3)?),
            total_max: uint(row.get(4)?),
        },
        set_at: Timestamp::from_ms(uint(row.get(5)?)),
        set_by: row.get(6)?,
        key_made: row.get(7)?,
    })
}

fn check_terms(terms: &PartnerTerms) -> Result<(), CloudError> {
    let known = |family: &str| family == NO_EVIDENCE || glacis_attest::FAMILIES.contains(&family);
    if let Some(family) = terms.families.iter().find(|family| !known(family)) {
        let families = glacis_attest::FAMILIES.join(", ");
        let detail = format!("`{family}` is no family of this build: {NO_EVIDENCE}, {families}");
        return Err(CloudError::invalid(detail).at("/families"));
    }
    if terms.families.is_empty() {
        return Err(CloudError::invalid("a partner has at least one family").at("/families"));
    }
    if terms.tier_max == Tier::None {
        let detail =
            "`tier_max` is software, hardware or strong; a partner that may enrol nothing has limits of 0";
        return Err(CloudError::invalid(detail).at("/tier_max"));
    }
    Ok(())
}
