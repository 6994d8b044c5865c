//! Answers to challenges: an assertion against the nonce, and the grant that it is traded for.
//!
//! A wrong one is counted durably before the answer, five for one nonce and so many an hour for one principal on one
//! device: who has only the password of somebody cannot keep him from his passkey. One assertion is granted for one nonce; the same bytes again, whose answer may have got lost, get the grant again and
//! move no counter. Whether no passkey is known or another check failed, the answer is the same.

use super::{KEPT, Kept, kept_of};
use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::store::int;
use glacis_attest::webauthn::{AssertionAsked, StoredCredential, asserted, check_assertion};
use glacis_attest::{AttestError, Code, Site};
use glacis_seal::{passkey_challenge, sha256};
use glacis_wire::message::challenge::{ChallengeNonce, PasskeyAnswer, PasskeyOutcome, PasskeyVerify};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Digest, Encode as _, Method};
use rusqlite::{OptionalExtension as _, params};
use std::time::Duration;

/// Assertions that may fail for one nonce.
pub const PASSKEY_TRIES_MAX: u32 = 5;
/// Window of the limit of failed assertions of one principal.
const FAILED_WINDOW: Duration = Duration::from_secs(3_600);
/// Code of the incident of a counter that went back.
const COUNTER: &str = "passkey-counter";

/// What became of a nonce so far.
#[derive(Default)]
struct Before {
    failed: u32,
    granted: Option<[u8; Digest::LEN]>,
}

impl CloudCore {
    /// Trades an assertion for a grant.
    ///
    /// # Errors
    /// `Refused`: `proof-wrong` where the nonce is not ours, for another method, for nobody or expired, or no site is
    /// configured; `device-limited` where too many assertions of the principal failed on this device
    /// within the hour.
    pub fn passkey_verify(&mut self, verify: &PasskeyVerify) -> Result<PasskeyAnswer, CloudError> {
        self.call(|tx| tx.passkey_verify(verify))
    }
}

impl Tx<'_> {
    fn passkey_verify(&mut self, verify: &PasskeyVerify) -> Result<PasskeyAnswer, CloudError> {
        let refuse = |why: &str| CloudError::refused(Refusal::ProofWrong, why);
        let site = self.passkey_site().map_err(|error| refuse(error.detail()))?.clone();
        let nonce = self.check_nonce(&verify.nonce, Method::Passkey)?;
        let principal = verify.nonce.body.principal.0.as_str();
        if principal.is_empty() {
            return Err(refuse("the challenge is for nobody, who has no passkey"));
        }
        let before = self.before(&nonce)?;
        if before.failed >= PASSKEY_TRIES_MAX {
            return Ok(PasskeyAnswer { outcome: PasskeyOutcome::Spent, grant: None });
        }
        self.sweep_answers()?;
        let assertion = *sha256(&verify.assertion).as_bytes();
        match before.granted {
            Some(granted) if granted != assertion => {
                return Ok(PasskeyAnswer { outcome: PasskeyOutcome::Spent, grant: None });
            }
            Some(_) => {
                let known = self.asserted(&verify.assertion, principal, &site)?.is_ok();
                let grant = if known { Some(self.grant(nonce)?) } else { None };
                let outcome = if known { PasskeyOutcome::Granted } else { PasskeyOutcome::Spent };
                return Ok(PasskeyAnswer { outcome, grant });
            }
            None => self.limit_failures(&verify.nonce)?,
        }
        match self.check(verify, principal, &site)? {
            Ok((id, counter)) => {
                let now = int(self.now.as_ms());
                let sql = "UPDATE passkey SET counter = ?2, used = ?3 WHERE id = ?1";
                self.conn.prepare_cached(sql)?.execute(params![int(id), counter, now])?;
                self.put_answer(&nonce, &verify.nonce, Some(&assertion))?;
                Ok(PasskeyAnswer { outcome: PasskeyOutcome::Granted, grant: Some(self.grant(nonce)?) })
            }
            Err(error) => {
                tracing::info!(
                    code = error.code().name(),
                    detail = error.detail(),
                    "an assertion was refused"
                );
                if error.code() == Code::Counter {
                    self.note_counter(&verify.nonce)?;
                }
                self.put_answer(&nonce, &verify.nonce, None)?;
                let spent = before.failed + 1 >= PASSKEY_TRIES_MAX;
                let outcome = if spent { PasskeyOutcome::Spent } else { PasskeyOutcome::Wrong };
                Ok(PasskeyAnswer { outcome, grant: None })
            }
        }
    }

    /// The passkey that the assertion is of, with its new counter.
    fn check(
        &self,
        verify: &PasskeyVerify,
        principal: &str,
        site: &Site,
    ) -> Result<Result<(u64, u32), AttestError>, CloudError> {
        let kept = match self.asserted(&verify.assertion, principal, site)? {
            Ok(kept) => kept,
            Err(error) => return Ok(Err(error)),
        };
        let stored = StoredCredential {
            id: &kept.view.credential,
            key: &kept.key,
            algorithm: kept.algorithm,
            counter: kept.counter,
            backup_eligible: kept.view.backup_eligible,
            user: Some(&kept.user),
        };
        let challenge = passkey_challenge(&self.desk.context, &verify.nonce.to_bytes()?);
        let asked = AssertionAsked { site, challenge: challenge.as_bytes(), user_verification: true };
        let checked = check_assertion(&verify.assertion, &stored, &asked);
        Ok(checked.map(|claims| (kept.view.id, claims.counter)))
    }

    /// The passkey that the assertion says it is of, where it is one of this principal for this site.
    fn asserted(
        &self,
        assertion: &[u8],
        principal: &str,
        site: &Site,
    ) -> Result<Result<Kept, AttestError>, CloudError> {
        let credential = match asserted(assertion) {
            Ok(asserted) => asserted.credential,
            Err(error) => return Ok(Err(error)),
        };
        let sql = format!("{KEPT} AND c.credential = ?1 AND c.principal = ?2 AND c.rp = ?3");
        let mut statement = self.conn.prepare_cached(&sql)?;
        let found = statement.query_row(params![credential, principal, site.id], kept_of).optional()?;
        Ok(found.ok_or_else(|| AttestError::from(Code::Binding)))
    }

    fn before(&self, nonce: &Digest) -> Result<Before, CloudError> {
        let sql = "SELECT failed, granted FROM passkey_answer WHERE nonce = ?1";
        let row = |row: &rusqlite::Row<'_>| Ok(Before { failed: row.get(0)?, granted: row.get(1)? });
        let found = self.conn.prepare_cached(sql)?.query_row([nonce.as_bytes()], row).optional()?;
        Ok(found.unwrap_or_default())
    }

    fn limit_failures(&self, nonce: &ChallengeNonce) -> Result<(), CloudError> {
        let sql = "SELECT coalesce(sum(failed), 0) FROM passkey_answer \
                   WHERE principal = ?1 AND thumbprint = ?2 AND at > ?3";
        let after = int(self.now.before(FAILED_WINDOW).as_ms());
        let key = params![nonce.body.principal.0, nonce.body.thumbprint.as_bytes(), after];
        let failed: u32 = self.conn.prepare_cached(sql)?.query_row(key, |row| row.get(0))?;
        if failed < self.desk.limits.passkey_failed_hourly_max {
            return Ok(());
        }
        Err(CloudError::refused(
            Refusal::DeviceLimited,
            "too many assertions of this principal failed on this device",
        ))
    }

    /// Counts a failure, or keeps which assertion was granted.
    fn put_answer(
        &self,
        digest: &Digest,
        nonce: &ChallengeNonce,
        granted: Option<&[u8; Digest::LEN]>,
    ) -> Result<(), CloudError> {
        let sql = "INSERT INTO passkey_answer (nonce, principal, thumbprint, at, failed, granted) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (nonce) DO UPDATE SET at = excluded.at, failed = failed + excluded.failed, \
                   granted = excluded.granted";
        let failed = u8::from(granted.is_none());
        let (who, device) = (&nonce.body.principal.0, nonce.body.thumbprint.as_bytes());
        let row = params![digest.as_bytes(), who, device, int(self.now.as_ms()), failed, granted];
        self.conn.prepare_cached(sql)?.execute(row)?;
        Ok(())
    }

    /// A genuine signature under an old counter: two authenticators have the key, or one was set back.
    fn note_counter(&mut self, nonce: &ChallengeNonce) -> Result<(), CloudError> {
        let sql = "INSERT INTO incident (at, kind, thumbprint, event_id, node, detail_bytes) \
                   VALUES (?1, ?2, ?3, ?4, 'cloud', ?5)";
        let body = &nonce.body;
        let (now, detail) = (int(self.now.as_ms()), body.principal.as_bytes());
        let row = params![now, COUNTER, body.thumbprint.as_bytes(), body.event.as_bytes(), detail];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Incident).map(|_row| ())
    }

    /// Forgets nonces that ended long ago.
    pub(crate) fn sweep_answers(&self) -> Result<usize, CloudError> {
        let sql = "DELETE FROM passkey_answer WHERE at < ?1";
        Ok(self.conn.prepare_cached(sql)?.execute([int(self.now.before(FAILED_WINDOW).as_ms())])?)
    }
}
