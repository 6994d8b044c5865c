//! Enrolment (DESIGN §5.3 step 1): challenge, appraisal, certificate and attestation result.
//!
//! A challenge is MAC'd, expires, and is spent by a row in the transaction that enrols; nothing is stored for one that is
//! only issued. The same enrolment sent again gets the same answer, byte for byte, as long as the challenge lives: the
//! first one may have been lost. Whatever is refused leaves no trace but a count.

use super::appraise::Appraised;
use super::lineage::Why;
use super::quota::{Counted, Span};
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::int;
use glacis_seal::{Purpose, sha256, sha256_parts, sign_envelope, thumbprint, verify};
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolBody, EnrolChallenge, EnrolExtras, EnrolRequest, EnrolResponse,
};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{Signed, Tail, Text};
use glacis_wire::{Decode as _, Digest, Encode as _, Thumbprint, Tier};
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;

/// Life of an enrolment challenge.
const CHALLENGE_LIFE: Duration = Duration::from_secs(300);
/// Reason of a tier below what the evidence earned: the partner may enrol none above it.
const PARTNER_CEILING: &str = "partner-ceiling";
/// Reason of a tier below what the evidence could earn: the collateral is stale.
const STALE_COLLATERAL: &str = "stale-collateral";

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
        self.enrol_from(request, None)
    }

    /// [`enrol`](Self::enrol) for a request from an address prefix, which an edge tells and which is counted.
    pub fn enrol_from(
        &mut self,
        request: &EnrolRequest,
        prefix: Option<&[u8]>,
    ) -> Result<EnrolResponse, CloudError> {
        let enrolled = self.call(|tx| tx.enrol(request, prefix));
        if enrolled.as_ref().is_err_and(|error| matches!(error.kind(), CloudErrorKind::Refused(_))) {
            self.count_refused();
        }
        enrolled
    }
}

impl Tx<'_> {
    fn enrol(&mut self, request: &EnrolRequest, prefix: Option<&[u8]>) -> Result<EnrolResponse, CloudError> {
        let (body, extras) = (&request.body, &request.extras);
        self.check_challenge(&body.challenge)?;
        let refuse = |why: &str| CloudError::refused(Refusal::EnrolmentRefused, why);
        let signed = EnrolRequest::signed_bytes(body, extras)?;
        verify(&body.device_key, &self.desk.context, Purpose::Enrol, &signed, &request.signature)
            .map_err(|error| refuse("the enrolment is not signed by its device key").caused_by(error))?;
        let said = body.to_bytes()?;
        let enrolment = identity(&said, extras)?;
        if let Some(answer) = self.answered(&body.challenge, &enrolment)? {
            return Ok(answer);
        }
        let device = thumbprint(&body.device_key);
        self.check_key(&device, body)?;
        self.count(prefix)?;
        let replaced = match &extras.replaces {
            None => None,
            Some(predecessor) => self.vouching(predecessor, &said, &device)?,
        };
        let partner = match &extras.voucher {
            None => None,
            Some(voucher) => Some(self.vouching_partner(voucher, body)?),
        };
        let mut appraised = self.appraise(body)?;
        if let Some(partner) = &partner {
            self.hold_to(partner, &mut appraised)?;
        }
        self.lift(&device, &appraised)?;
        let former = match appraised.chip {
            None => None,
            Some(chip) => self.former_of_chip(chip, &device)?,
        };
        let answer = self.vouch(body, &device, &appraised)?;
        self.register(&device, &appraised, &answer)?;
        if let Some(old) = replaced {
            self.succeed(&old, &device, Why::Replaced)?;
        }
        if let Some(chip) = appraised.chip {
            self.own_chip(chip, &device, former.filter(|old| Some(*old) != replaced))?;
        }
        // Only now: a key whose place this one took is under its issuer no more, and is not counted beside it.
        self.note_basis(&device, &appraised.basis)?;
        self.spend_challenge(&body.challenge, &enrolment, &answer)?;
        Ok(answer)
    }

    /// Whether this key may enrol, now or again.
    fn check_key(&self, device: &Thumbprint, body: &EnrolBody) -> Result<(), CloudError> {
        let refuse = |why: &str| CloudError::refused(Refusal::EnrolmentRefused, why);
        if self.is_listed_for_good(device)? {
            return Err(refuse("a listed key cannot enrol again; enrol a new one"));
        }
        if self.certificate_of(device)?.is_some_and(|known| known.passkey != body.passkey) {
            // Whoever can use the device key, such as code that got into the app, must not be able to put a key of his
            // own in the place of the user's.
            return Err(refuse("the passkey of a device key does not change; enrol a new key"));
        }
        Ok(())
    }

    /// Counts the enrolment, in all and from where it comes.
    fn count(&self, prefix: Option<&[u8]>) -> Result<(), CloudError> {
        self.sweep_counts()?;
        let limits = &self.desk.limits;
        if let Some(prefix) = prefix {
            self.count_enrolment(Counted::Prefix(prefix), Span::Hour, limits.enrolments_prefix_hourly_max)?;
        }
        self.count_enrolment(Counted::All, Span::Day, limits.enrolments_daily_max)
    }

    pub(super) fn check_challenge(&self, challenge: &EnrolChallenge) -> Result<(), CloudError> {
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

    /// The answer that the enrolment which spent this challenge got; none while the challenge is unspent.
    ///
    /// An answer that was lost would otherwise cost a device its key: it could neither use what was enrolled nor, where
    /// the key is the newest of a line, have it vouched for again.
    fn answered(
        &self,
        challenge: &EnrolChallenge,
        enrolment: &Digest,
    ) -> Result<Option<EnrolResponse>, CloudError> {
        let sql = "SELECT enrolment, answer_bytes FROM used_challenge WHERE nonce = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([challenge.nonce])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let (by, answer): (Option<Vec<u8>>, Option<Vec<u8>>) = (row.get(0)?, row.get(1)?);
        match answer.filter(|_| by.as_deref() == Some(enrolment.as_bytes().as_slice())) {
            Some(bytes) => {
                let answer = EnrolResponse::from_bytes(&bytes);
                answer.map(Some).map_err(|error| CloudError::corrupt(format!("answer: {error}")))
            }
            None => Err(CloudError::refused(Refusal::EnrolmentRefused, "the challenge was used before")),
        }
    }

    pub(super) fn is_spent(&self, challenge: &EnrolChallenge) -> Result<bool, CloudError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM used_challenge WHERE nonce = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([challenge.nonce], |row| row.get(0))?)
    }

    fn spend_challenge(
        &mut self,
        challenge: &EnrolChallenge,
        enrolment: &Digest,
        answer: &EnrolResponse,
    ) -> Result<(), CloudError> {
        let sweep = "DELETE FROM used_challenge WHERE not_after < ?1";
        self.conn.prepare_cached(sweep)?.execute([int(self.now.as_ms())])?;
        let sql =
            "INSERT INTO used_challenge (nonce, not_after, enrolment, answer_bytes) VALUES (?1, ?2, ?3, ?4)";
        let ends = int(challenge.not_after.as_ms());
        let row = params![challenge.nonce, ends, enrolment.as_bytes(), answer.to_bytes()?];
        self.conn.prepare_cached(sql)?.execute(row)?;
        Ok(())
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
        let (key, context) = (&self.desk.keys.result, &self.desk.context);
        let certificate = sign_envelope(key, context, Purpose::Certificate, &certificate)?;
        let result = AttestationResult {
            thumbprint: *device,
            tier: appraised.tier,
            trust: appraised.trust,
            family: Text(appraised.family.clone()),
            vector: appraised.vector,
            verified_at: self.now,
            not_after: appraised.not_after,
            certificate: Tail(vec![sha256(&certificate.to_bytes()?)]),
        };
        let result = sign_envelope(key, context, Purpose::Result, &result)?;
        Ok(EnrolResponse { certificate, result })
    }

    fn register(
        &mut self,
        device: &Thumbprint,
        appraised: &Appraised,
        response: &EnrolResponse,
    ) -> Result<(), CloudError> {
        let before = self.tier_of(device)?;
        let sql = "INSERT INTO device (thumbprint, tier, trust, family, enrolled, not_after, certificate_bytes, \
                   result_bytes, uniqueness, partner) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
                   ON CONFLICT (thumbprint) DO UPDATE SET \
                   tier = excluded.tier, trust = excluded.trust, family = excluded.family, \
                   enrolled = excluded.enrolled, not_after = excluded.not_after, \
                   certificate_bytes = excluded.certificate_bytes, result_bytes = excluded.result_bytes, \
                   uniqueness = excluded.uniqueness, partner = coalesce(excluded.partner, partner)";
        self.conn.prepare_cached(sql)?.execute(params![
            device.as_bytes(),
            appraised.tier as u8,
            appraised.trust as u8,
            appraised.family,
            int(self.now.as_ms()),
            int(appraised.not_after.as_ms()),
            response.certificate.to_bytes()?,
            response.result.to_bytes()?,
            appraised.uniqueness as u8,
            appraised.partner,
        ])?;
        self.desk.tally.enrolled();
        self.state().moved(before, Some(appraised.tier));
        let reason = if before.is_some() { "enrolled-again" } else { "enrolled" };
        self.tier_change(device, before.unwrap_or(Tier::None), appraised.earned, reason)?;
        if appraised.tier < appraised.earned {
            self.tier_change(device, appraised.earned, appraised.tier, PARTNER_CEILING)?;
        }
        if appraised.stale {
            self.tier_change(device, appraised.tier, appraised.tier, STALE_COLLATERAL)?;
        }
        Ok(())
    }

    /// What the registry vouched for about a key, if it ever did.
    pub(super) fn certificate_of(
        &self,
        device: &Thumbprint,
    ) -> Result<Option<DeviceCertificate>, CloudError> {
        let sql = "SELECT certificate_bytes FROM device WHERE thumbprint = ?1";
        let bytes: Option<Vec<u8>> =
            self.conn.prepare_cached(sql)?.query_row([device.as_bytes()], |row| row.get(0)).optional()?;
        let read = |bytes: Vec<u8>| {
            let signed = Signed::from_bytes(&bytes)?;
            DeviceCertificate::from_bytes(&signed.body)
        };
        bytes.map(read).transpose().map_err(|error| CloudError::corrupt(format!("certificate: {error}")))
    }
}

/// What makes two requests one enrolment: everything that is said, but not the signatures, which a device that sends it
/// again may have to make again.
fn identity(body: &[u8], extras: &EnrolExtras) -> Result<Digest, CloudError> {
    let replaces = extras.replaces.as_ref().map(|predecessor| predecessor.thumbprint);
    Ok(sha256_parts(&[body, &replaces.to_bytes()?, &extras.voucher.to_bytes()?]))
}
