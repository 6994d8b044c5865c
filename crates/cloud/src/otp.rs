//! One-time passwords: the method `otp`, proven by a grant that the cloud signs.
//!
//! A code is six digits from the host's entropy, kept only as a MAC together with its nonce, good for at most
//! five minutes and five tries, and sent at most so many times an hour to one principal. The core does not send:
//! it returns a [`OtpDelivery`] that its caller hands to an [`OtpSender`] once the code is durable.

use crate::core::{CloudCore, Tx};
use crate::error::CloudError;
use crate::store::{int, uint};
use glacis_seal::{Purpose, sha256, sign_envelope};
use glacis_wire::message::Signed;
use glacis_wire::message::challenge::{ChallengeNonce, Grant, OtpAnswer, OtpOutcome, OtpStart, OtpVerify};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Digest, Encode as _, Method, Timestamp};
use rusqlite::{OptionalExtension as _, params};
use std::fmt;
use std::time::Duration;

/// Wrong tries that one code survives. Five tries at six digits leave a guesser 1 in 200,000.
pub const OTP_TRIES_MAX: u32 = 5;
/// Longest life of a code. Source: DESIGN §4.2.
pub const OTP_LIFE: Duration = Duration::from_secs(300);
/// Window of the limit of codes sent to one principal.
const SENT_WINDOW: Duration = Duration::from_secs(3_600);
/// Six decimal digits.
const CODES: u32 = 1_000_000;

/// A code could not be sent. Holds neither code nor principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the code could not be sent")]
pub struct OtpSendError;

/// Brings a code to a user by a second way: SMS, mail, the demo shop.
pub trait OtpSender: Send + Sync {
    /// Sends `code` to `principal`. May block; is never called while the store is locked.
    fn send(&self, principal: &str, code: &str) -> Result<(), OtpSendError>;
}

/// A code that was made durable and is to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpDelivery {
    principal: String,
    code: String,
}

impl OtpDelivery {
    /// Hands the code over.
    pub fn deliver(&self, sender: &(impl OtpSender + ?Sized)) -> Result<(), OtpSendError> {
        sender.send(&self.principal, &self.code)
    }
}

impl fmt::Debug for OtpDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OtpDelivery(…)")
    }
}

impl CloudCore {
    /// Makes a code for this nonce; a second start for the same nonce makes a new code with the tries that are left.
    pub fn otp_start(&mut self, start: &OtpStart) -> Result<OtpDelivery, CloudError> {
        self.call(|tx| tx.otp_start(&start.nonce))
    }

    /// Trades a code for a grant. A wrong try is counted durably before the answer.
    pub fn otp_verify(&mut self, verify: &OtpVerify) -> Result<OtpAnswer, CloudError> {
        self.call(|tx| tx.otp_verify(verify))
    }
}

struct Kept {
    mac: [u8; 32],
    not_after: Timestamp,
    tries: u32,
}

impl Tx<'_> {
    fn otp_start(&mut self, nonce: &ChallengeNonce) -> Result<OtpDelivery, CloudError> {
        let key = self.check_nonce(nonce, Method::Otp)?;
        let principal = nonce.body.principal.0.as_str();
        if principal.is_empty() {
            return Err(CloudError::refused(Refusal::ProofWrong, "there is nobody to send a code to"));
        }
        let sent: u32 = self
            .conn
            .prepare_cached("SELECT coalesce(sum(sends), 0) FROM otp WHERE principal = ?1 AND sent > ?2")?
            .query_row(params![principal, int(self.now.before(SENT_WINDOW).as_ms())], |row| row.get(0))?;
        if sent >= self.desk.limits.otp_sent_hourly_max {
            return Err(CloudError::refused(
                Refusal::DeviceLimited,
                "too many codes were sent to this principal",
            ));
        }
        let tries = self.kept(&key)?.map_or(0, |kept| kept.tries);
        if tries >= OTP_TRIES_MAX {
            return Err(CloudError::refused(Refusal::ProofWrong, "the tries of this challenge are used up"));
        }
        let code = self.draw_code()?;
        let mac = self.code_mac(&key, &code);
        let not_after = nonce.body.not_after.min(self.now.after(OTP_LIFE));
        self.sweep_codes()?;
        let sql = "INSERT INTO otp (nonce, principal, mac, sent, not_after, tries, sends) \
                   VALUES (?1, ?2, ?3, ?4, ?5, 0, 1) ON CONFLICT (nonce) DO UPDATE SET mac = excluded.mac, \
                   sent = excluded.sent, sends = otp.sends + 1";
        self.conn.prepare_cached(sql)?.execute(params![
            key.as_bytes(),
            principal,
            mac,
            int(self.now.as_ms()),
            int(not_after.as_ms()),
        ])?;
        Ok(OtpDelivery { principal: principal.to_owned(), code })
    }

    fn otp_verify(&mut self, verify: &OtpVerify) -> Result<OtpAnswer, CloudError> {
        let key = self.check_nonce(&verify.nonce, Method::Otp)?;
        let spent = OtpAnswer { outcome: OtpOutcome::Spent, grant: None };
        let Some(kept) = self.kept(&key)? else { return Ok(spent) };
        if kept.tries >= OTP_TRIES_MAX || kept.not_after <= self.now {
            return Ok(spent);
        }
        let parts: [&[u8]; 2] = [key.as_bytes(), verify.code.as_bytes()];
        let own = &self.desk.keys.own;
        if own.verify_parts(&self.desk.context, Purpose::Otp, &parts, &kept.mac).is_err() {
            let sql = "UPDATE otp SET tries = tries + 1 WHERE nonce = ?1";
            self.conn.prepare_cached(sql)?.execute([key.as_bytes()])?;
            let outcome = if kept.tries + 1 >= OTP_TRIES_MAX { OtpOutcome::Spent } else { OtpOutcome::Wrong };
            return Ok(OtpAnswer { outcome, grant: None });
        }
        Ok(OtpAnswer { outcome: OtpOutcome::Granted, grant: Some(self.grant(key)?) })
    }

    /// Says that the method of the nonce with this digest was passed just now.
    pub(crate) fn grant(&self, nonce: Digest) -> Result<Signed, CloudError> {
        let grant = Grant { nonce, granted_at: self.now };
        Ok(sign_envelope(&self.desk.keys.result, &self.desk.context, Purpose::Grant, &grant)?)
    }

    /// Checks that the nonce is ours, for this method and in time; its digest names it from here on.
    pub(crate) fn check_nonce(&self, nonce: &ChallengeNonce, method: Method) -> Result<Digest, CloudError> {
        let refuse = |why: &str| CloudError::refused(Refusal::ProofWrong, why);
        let body = nonce.body.to_bytes()?;
        let key = &self.desk.keys.nonce;
        key.verify(&self.desk.context, Purpose::Nonce, &body, &nonce.mac)
            .map_err(|error| refuse("the challenge nonce is not ours").caused_by(error))?;
        if nonce.body.method != method {
            return Err(refuse("the challenge is for another method"));
        }
        if nonce.body.not_after <= self.now {
            return Err(refuse("the challenge expired"));
        }
        Ok(sha256(&nonce.to_bytes()?))
    }

    fn kept(&self, key: &Digest) -> Result<Option<Kept>, CloudError> {
        let sql = "SELECT mac, not_after, tries FROM otp WHERE nonce = ?1";
        let row = |row: &rusqlite::Row<'_>| {
            let not_after = Timestamp::from_ms(uint(row.get(1)?));
            Ok(Kept { mac: row.get(0)?, not_after, tries: row.get(2)? })
        };
        Ok(self.conn.prepare_cached(sql)?.query_row([key.as_bytes()], row).optional()?)
    }

    fn code_mac(&self, key: &Digest, code: &str) -> [u8; 32] {
        let parts: [&[u8]; 2] = [key.as_bytes(), code.as_bytes()];
        self.desk.keys.own.mac_parts(&self.desk.context, Purpose::Otp, &parts)
    }

    /// Uniform over all codes: draws at or above the largest multiple of [`CODES`] are drawn again.
    fn draw_code(&self) -> Result<String, CloudError> {
        loop {
            let drawn = u32::from_be_bytes(self.random()?);
            if drawn < u32::MAX - u32::MAX % CODES {
                return Ok(format!("{:06}", drawn % CODES));
            }
        }
    }

    fn sweep_codes(&self) -> Result<(), CloudError> {
        let before = self.now.before(SENT_WINDOW);
        let sql = "DELETE FROM otp WHERE not_after < ?1";
        self.conn.prepare_cached(sql)?.execute([int(before.as_ms())])?;
        Ok(())
    }
}
