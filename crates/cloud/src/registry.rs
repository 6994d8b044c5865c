//! The registry: enrolment, tiers with their history, session chains, the revocation feed.
//!
//! A challenge is MAC'd, expires, and is spent by a row in the transaction that enrols. Without evidence a device
//! is tier `software`, trust `claimed`. Two openings of one device with the same parent (or the same counter) and
//! different chain values are a *fork*: somebody else holds the key. So are counters that go back in time. Both branches are capped at `software` by
//! the feed; a new key, enrolled anew, cures it. Nothing is ever blocked because of a fork.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_seal::{Purpose, sign_envelope, thumbprint, verify};
use glacis_wire::limits::FEED_ENTRIES_MAX;
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolBody, EnrolChallenge, EnrolRequest, EnrolResponse, TrustVector,
};
use glacis_wire::message::policy::{Feed, FeedAction, FeedEntry};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::session::OpeningRecord;
use glacis_wire::message::{List, PublicKey, Signed, Text};
use glacis_wire::{Decode as _, Encode as _, Thumbprint, Tier, Timestamp, Trust};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Life of an enrolment challenge.
const CHALLENGE_LIFE: Duration = Duration::from_secs(300);

/// Families of evidence that enrol. A build may verify others, for the command: without references and a revocation list
/// of ours, what they find is no reason for a tier.
const ENROLLING: &[&str] = &[glacis_wire::message::simulated::FAMILY];

/// A signed feed is given out again for this long; its age is the least staleness that an edge can see.
const FEED_REISSUE: Duration = Duration::from_secs(1);

/// How much later than a later opening an earlier one can seem to be.
///
/// Source: two nodes whose clocks are off by up to 60 s each in opposite directions, and a request that was under
/// way for as long as a signature lives (60 s, and 30 s of skew); rounded up.
const ORDER_SKEW: Duration = Duration::from_secs(300);

/// Devices that are listed, and the feed as last signed.
#[derive(Debug, Default)]
pub(crate) struct FeedTable {
    entries: BTreeMap<Thumbprint, FeedEntry>,
    version: u64,
    signed: Option<(Timestamp, Signed)>,
}

impl FeedTable {
    pub(crate) fn load(conn: &Connection) -> Result<Self, CloudError> {
        let mut table = Self::default();
        let mut statement =
            conn.prepare("SELECT id, thumbprint, action, since FROM feed_entry ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let action = action_of(row.get(2)?)?;
            let since = Timestamp::from_ms(uint(row.get(3)?));
            let thumbprint = Thumbprint::new(row.get(1)?);
            table.put(uint(row.get(0)?), FeedEntry { thumbprint, action, since });
        }
        Ok(table)
    }

    pub(crate) fn action(&self, device: &Thumbprint) -> Option<FeedAction> {
        self.entries.get(device).map(|entry| entry.action)
    }

    /// Devices that are listed so, by thumbprint, after `after`.
    pub(crate) fn listed(
        &self,
        action: Option<FeedAction>,
        after: Option<&Thumbprint>,
    ) -> impl Iterator<Item = Thumbprint> {
        let from = after.map_or(Bound::Unbounded, |after| Bound::Excluded(*after));
        let entries = self.entries.range((from, Bound::Unbounded));
        let wanted = entries.filter(move |(_, entry)| action.is_none_or(|action| entry.action == action));
        wanted.map(|(device, _)| *device)
    }

    /// The entries to give out, by thumbprint. Where there are more than `max`, refusals come before caps and newer
    /// ones before older: anybody can have devices of his own capped, and must not push a stolen one out with them.
    fn given_out(&self, max: usize) -> Vec<FeedEntry> {
        let mut entries: Vec<FeedEntry> = self.entries.values().cloned().collect();
        if entries.len() > max {
            entries.sort_by_key(|entry| (Reverse(entry.action), Reverse(entry.since)));
            entries.truncate(max);
            entries.sort_by_key(|entry| entry.thumbprint);
        }
        entries
    }

    fn put(&mut self, version: u64, entry: FeedEntry) {
        self.version = version;
        self.signed = None;
        self.entries.insert(entry.thumbprint, entry);
    }
}

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
    /// When it enrolled last.
    pub enrolled: Timestamp,
    /// What the feed says of it.
    pub listed: Option<FeedAction>,
    /// Every change of its tier, oldest first.
    pub history: Vec<TierChange>,
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

struct Appraised {
    tier: Tier,
    trust: Trust,
    family: String,
    vector: TrustVector,
    not_after: Timestamp,
}

impl CloudCore {
    /// Issues an enrolment challenge; nothing is stored for it.
    pub fn enrol_challenge(&mut self) -> Result<EnrolChallenge, CloudError> {
        self.read(|tx| {
            let nonce: [u8; 32] = tx.random()?;
            let not_after = tx.now.after(CHALLENGE_LIFE);
            let mac = tx.desk.keys.own.mac_parts(
                &tx.desk.context,
                Purpose::EnrolChallenge,
                &[&nonce, &not_after.as_ms().to_be_bytes()],
            );
            Ok(EnrolChallenge { nonce, not_after, mac })
        })
    }

    /// Enrols a device: certificate and attestation result, or a refusal.
    pub fn enrol(&mut self, request: &EnrolRequest) -> Result<EnrolResponse, CloudError> {
        let enrolled = self.call(|tx| tx.enrol(request));
        if enrolled.as_ref().is_err_and(|error| matches!(error.kind(), CloudErrorKind::Refused(_))) {
            self.count_refused();
        }
        enrolled
    }

    /// How many devices the feed refuses and how many it caps.
    pub fn listed_devices(&mut self) -> Result<(usize, usize), CloudError> {
        self.read(|tx| {
            let entries = &tx.desk.state.feed.entries;
            let refused = entries.values().filter(|entry| entry.action == FeedAction::Refuse).count();
            Ok((refused, entries.len() - refused))
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
            if tx.device(device)?.is_none() {
                return Err(CloudError::not_found(format!("device {device}")));
            }
            tx.list_device(device, FeedAction::Refuse, reason)
        })
    }

    /// What the registry knows of a device.
    pub fn device(&mut self, device: &Thumbprint) -> Result<DeviceView, CloudError> {
        self.read(|tx| tx.device(device)?.ok_or_else(|| CloudError::not_found(format!("device {device}"))))
    }
}

impl Tx<'_> {
    fn enrol(&mut self, request: &EnrolRequest) -> Result<EnrolResponse, CloudError> {
        let body = &request.body;
        self.check_challenge(&body.challenge)?;
        let refuse = |why: &str| CloudError::refused(Refusal::EnrolmentRefused, why);
        let signed = body.to_bytes()?;
        verify(&body.device_key, &self.desk.context, Purpose::Enrol, &signed, &request.signature)
            .map_err(|error| refuse("the enrolment is not signed by its device key").caused_by(error))?;
        self.spend_challenge(&body.challenge)?;
        let device = thumbprint(&body.device_key);
        if self.desk.state.feed.action(&device).is_some() {
            return Err(refuse("a listed key cannot enrol again; enrol a new one"));
        }
        if self.passkey_of(&device)?.is_some_and(|passkey| passkey != body.passkey) {
            return Err(refuse("the passkey of a device key does not change; enrol a new key"));
        }
        let appraised = self.appraise(body)?;
        let response = self.vouch(body, &device, &appraised)?;
        self.register(&device, &appraised, &response)?;
        Ok(response)
    }

    fn check_challenge(&self, challenge: &EnrolChallenge) -> Result<(), CloudError> {
        let refuse = |why: &str| CloudError::refused(Refusal::EnrolmentRefused, why);
        let parts: [&[u8]; 2] = [&challenge.nonce, &challenge.not_after.as_ms().to_be_bytes()];
        let own = &self.desk.keys.own;
        own.verify_parts(&self.desk.context, Purpose::EnrolChallenge, &parts, &challenge.mac)
            .map_err(|error| refuse("the challenge is not ours").caused_by(error))?;
        if challenge.not_after <= self.now {
            return Err(refuse("the challenge expired"));
        }
        Ok(())
    }

    fn spend_challenge(&mut self, challenge: &EnrolChallenge) -> Result<(), CloudError> {
        let sweep = "DELETE FROM used_challenge WHERE not_after < ?1";
        self.conn.prepare_cached(sweep)?.execute([int(self.now.as_ms())])?;
        let sql = "INSERT INTO used_challenge (nonce, not_after) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let row = params![challenge.nonce, int(challenge.not_after.as_ms())];
        if self.conn.prepare_cached(sql)?.execute(row)? == 1 {
            Ok(())
        } else {
            Err(CloudError::refused(Refusal::EnrolmentRefused, "the challenge was used before"))
        }
    }

    fn appraise(&self, body: &EnrolBody) -> Result<Appraised, CloudError> {
        let latest = self.now.after(self.desk.limits.result_life);
        let Some(evidence) = &body.evidence else {
            return Ok(Appraised {
                tier: Tier::Software,
                trust: Trust::Claimed,
                family: "none".to_owned(),
                vector: TrustVector::default(),
                not_after: latest,
            });
        };
        if !ENROLLING.contains(&&*evidence.family) {
            let why = format!("evidence of family `{}` enrols nothing here", evidence.family.0);
            return Err(CloudError::refused(Refusal::EnrolmentRefused, why));
        }
        let question = glacis_attest::Question {
            anchors: &self.desk.anchors,
            references: &glacis_attest::References::default(),
            revocations: None,
            constraints: &glacis_attest::Constraints::default(),
            challenge: &body.challenge.nonce,
            device_key: Some(&body.device_key),
            activation: None,
            now: self.now,
        };
        let found = glacis_attest::appraise(evidence, &question).map_err(|error| {
            let why = format!("the evidence of family `{}` does not hold: {error}", evidence.family.0);
            CloudError::refused(Refusal::EnrolmentRefused, why).caused_by(error)
        })?;
        Ok(Appraised {
            tier: found.tier,
            trust: found.trust,
            family: evidence.family.0.clone(),
            vector: found.vector,
            not_after: found.not_after.min(latest),
        })
    }

    /// Signs what the cloud says about the key.
    fn vouch(
        &self,
        body: &EnrolBody,
        device: &Thumbprint,
        appraised: &Appraised,
    ) -> Result<EnrolResponse, CloudError> {
        let certificate = DeviceCertificate {
            thumbprint: *device,
            device_key: body.device_key,
            passkey: body.passkey,
            issued: self.now,
            not_after: self.now.after(self.desk.limits.certificate_life),
        };
        let result = AttestationResult {
            thumbprint: *device,
            tier: appraised.tier,
            trust: appraised.trust,
            family: Text(appraised.family.clone()),
            vector: appraised.vector,
            verified_at: self.now,
            not_after: appraised.not_after,
        };
        let (key, context) = (&self.desk.keys.result, &self.desk.context);
        Ok(EnrolResponse {
            certificate: sign_envelope(key, context, Purpose::Certificate, &certificate)?,
            result: sign_envelope(key, context, Purpose::Result, &result)?,
        })
    }

    fn register(
        &mut self,
        device: &Thumbprint,
        appraised: &Appraised,
        response: &EnrolResponse,
    ) -> Result<(), CloudError> {
        let before = self.tier_of(device)?;
        let sql = "INSERT INTO device (thumbprint, tier, trust, family, enrolled, not_after, certificate_bytes, \
                   result_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (thumbprint) DO UPDATE SET \
                   tier = excluded.tier, trust = excluded.trust, family = excluded.family, \
                   enrolled = excluded.enrolled, not_after = excluded.not_after, \
                   certificate_bytes = excluded.certificate_bytes, result_bytes = excluded.result_bytes";
        self.conn.prepare_cached(sql)?.execute(params![
            device.as_bytes(),
            appraised.tier as u8,
            appraised.trust as u8,
            appraised.family,
            int(self.now.as_ms()),
            int(appraised.not_after.as_ms()),
            response.certificate.to_bytes()?,
            response.result.to_bytes()?,
        ])?;
        self.desk.tally.enrolled();
        self.state().moved(before, Some(appraised.tier));
        let reason = if before.is_some() { "enrolled-again" } else { "enrolled" };
        self.tier_change(device, before.unwrap_or(Tier::None), appraised.tier, reason)
    }

    /// The passkey that a device enrolled with, if it enrolled. Whoever can use the device key, such as code that
    /// got into the app, must not be able to put a key of his own in the place of the user's.
    fn passkey_of(&self, device: &Thumbprint) -> Result<Option<Option<PublicKey>>, CloudError> {
        let sql = "SELECT certificate_bytes FROM device WHERE thumbprint = ?1";
        let bytes: Option<Vec<u8>> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        let read = |bytes: Vec<u8>| {
            let signed = Signed::from_bytes(&bytes)?;
            DeviceCertificate::from_bytes(&signed.body).map(|certificate| certificate.passkey)
        };
        bytes.map(read).transpose().map_err(|error| CloudError::corrupt(format!("certificate: {error}")))
    }

    fn tier_of(&self, device: &Thumbprint) -> Result<Option<Tier>, CloudError> {
        let sql = "SELECT tier FROM device WHERE thumbprint = ?1";
        let code: Option<u8> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        code.map(tier_of_code).transpose()
    }

    fn tier_change(
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

    pub(crate) fn take_opening(&mut self, opening: &OpeningRecord) -> Result<(), CloudError> {
        let sql = "INSERT INTO opening (thumbprint, chain, parent, epoch_ctr, opened_at, node) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
        let new = self.conn.prepare_cached(sql)?.execute(params![
            opening.thumbprint.as_bytes(),
            opening.chain.as_bytes(),
            opening.parent.as_bytes(),
            int(opening.epoch_ctr),
            int(opening.opened_at.as_ms()),
            opening.node.as_str(),
        ])?;
        if new == 0 {
            return Ok(());
        }
        self.audit_inserted(AuditKind::Opening)?;
        if self.is_fork(opening)? && self.desk.state.feed.action(&opening.thumbprint).is_none() {
            self.note_fork(opening)?;
            self.list_device(&opening.thumbprint, FeedAction::Cap, "session-fork")?;
        }
        Ok(())
    }

    /// Whether two hold this key: one parent or one number twice, or numbers that do not grow with time. A clone
    /// that avoids the first by inventing a parent cannot avoid the last, since its owner's numbers go on.
    fn is_fork(&self, opening: &OpeningRecord) -> Result<bool, CloudError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM opening WHERE thumbprint = ?1 AND parent = ?2 AND chain <> ?3) \
                   OR EXISTS (SELECT 1 FROM opening WHERE thumbprint = ?1 AND epoch_ctr = ?4 AND chain <> ?3) \
                   OR coalesce((SELECT opened_at FROM opening WHERE thumbprint = ?1 AND epoch_ctr > ?4 \
                   ORDER BY epoch_ctr LIMIT 1) < ?5, 0) \
                   OR coalesce((SELECT opened_at FROM opening WHERE thumbprint = ?1 AND epoch_ctr < ?4 \
                   ORDER BY epoch_ctr DESC LIMIT 1) > ?6, 0)";
        let key = params![
            opening.thumbprint.as_bytes(),
            opening.parent.as_bytes(),
            opening.chain.as_bytes(),
            int(opening.epoch_ctr),
            int(opening.opened_at.before(ORDER_SKEW).as_ms()),
            int(opening.opened_at.after(ORDER_SKEW).as_ms()),
        ];
        Ok(self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0))?)
    }

    fn note_fork(&mut self, opening: &OpeningRecord) -> Result<(), CloudError> {
        let sql = "INSERT INTO incident (at, kind, thumbprint, event_id, node, detail_bytes) \
                   VALUES (?1, 'session-fork', ?2, NULL, ?3, ?4)";
        let row = params![
            int(self.now.as_ms()),
            opening.thumbprint.as_bytes(),
            opening.node.as_str(),
            opening.to_bytes()?
        ];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Incident).map(|_row| ())
    }

    /// Puts a device into the feed and notes what that does to its tier.
    fn list_device(
        &mut self,
        device: &Thumbprint,
        action: FeedAction,
        reason: &str,
    ) -> Result<(), CloudError> {
        let since = self.now;
        let sql = "INSERT INTO feed_entry (thumbprint, action, since) VALUES (?1, ?2, ?3)";
        let row = params![device.as_bytes(), action as u8, int(since.as_ms())];
        self.conn.prepare_cached(sql)?.execute(row)?;
        let version = self.audit_inserted(AuditKind::FeedEntry)?;
        let before = self.tier_of(device)?;
        let tier_max = action.tier_max().unwrap_or(Tier::None);
        let from = before.unwrap_or(Tier::None);
        let to = from.min(tier_max);
        if before.is_some() {
            let sql = "UPDATE device SET tier = ?2, trust = ?3 WHERE thumbprint = ?1";
            let row = params![device.as_bytes(), to as u8, Trust::Claimed as u8];
            self.conn.prepare_cached(sql)?.execute(row)?;
            self.state().moved(before, Some(to));
        }
        self.tier_change(device, from, to, reason)?;
        let entry = FeedEntry { thumbprint: *device, action, since };
        self.state().feed.put(uint(version), entry);
        Ok(())
    }

    fn device(&self, device: &Thumbprint) -> Result<Option<DeviceView>, CloudError> {
        let sql = "SELECT tier, trust, family, enrolled FROM device WHERE thumbprint = ?1";
        let found: Option<(u8, u8, String, i64)> = self
            .conn
            .prepare_cached(sql)?
            .query_row([device.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .optional()?;
        let Some((tier, trust, family, enrolled)) = found else { return Ok(None) };
        Ok(Some(DeviceView {
            thumbprint: *device,
            tier: tier_of_code(tier)?,
            trust: trust_of_code(trust)?,
            family,
            enrolled: Timestamp::from_ms(uint(enrolled)),
            listed: self.desk.state.feed.action(device),
            history: self.history(device)?,
        }))
    }

    fn history(&self, device: &Thumbprint) -> Result<Vec<TierChange>, CloudError> {
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

    fn sign_feed(&self) -> Result<Signed, CloudError> {
        let table = &self.desk.state.feed;
        if table.entries.len() > FEED_ENTRIES_MAX {
            tracing::error!(entries = table.entries.len(), "the feed is full; the oldest caps are left out");
        }
        let feed = Feed {
            tenant: self.desk.context.tenant.clone(),
            realm: self.desk.context.realm,
            version: table.version,
            issued: self.now,
            entries: List(table.given_out(FEED_ENTRIES_MAX)),
        };
        Ok(sign_envelope(&self.desk.keys.feed, &self.desk.context, Purpose::Feed, &feed)?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_feed_gives_out_every_refusal_and_the_newest_caps() {
        let mut table = FeedTable::default();
        let mut put = |n: u8, action| {
            let since = Timestamp::from_secs(u64::from(n));
            table.put(u64::from(n), FeedEntry { thumbprint: Thumbprint::new([n; 32]), action, since });
        };
        (1..=4).for_each(|n| put(n, FeedAction::Cap));
        put(9, FeedAction::Refuse);
        (5..=6).for_each(|n| put(n, FeedAction::Cap));
        let given = |max| -> Vec<u8> {
            table.given_out(max).iter().map(|entry| entry.thumbprint.as_bytes()[0]).collect()
        };
        assert_eq!(given(7), [1, 2, 3, 4, 5, 6, 9]);
        assert_eq!(given(3), [5, 6, 9]);
        assert_eq!(given(1), [9]);
    }
}
