//! Passkeys of users: WebAuthn credentials that pass the method `passkey`, proven by a grant that the cloud signs.
//!
//! The operator's back end, which knows its users, registers them: the cloud makes the options, a page asks its
//! authenticator, the back end brings the answer. What never changes of a credential is a row under the audit chain; its
//! counter changes in the transaction that grants. A challenge is passed by an assertion over a digest of its nonce, which
//! is bound to device, event, content, principal and method by its MAC, so nothing is kept between the two.
//!
//! Nothing here decides what a passed passkey is worth: that is the policy's.

mod answer;

use crate::admin::check_text;
use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_attest::webauthn::{FAMILY, WebauthnClaims};
use glacis_attest::{
    Anchors, AttestError, Claims, Code, Constraints, Question, References, Relaxation, Site, appraise,
};
use glacis_seal::{Context, Purpose};
use glacis_wire::Timestamp;
use glacis_wire::limits::PRINCIPAL_BYTES_MAX;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use rusqlite::{OptionalExtension as _, Row, params};
use std::time::Duration;

pub use answer::PASSKEY_TRIES_MAX;

/// Passkeys that one principal may have.
pub const PASSKEYS_MAX: usize = 16;
/// Life of the challenge of a registration. Source: WebAuthn Level 3 §15.1 recommends 5 to 10 minutes for a ceremony
/// with user verification.
pub const REGISTRATION_LIFE: Duration = Duration::from_secs(300);
/// Algorithms that a new credential may have, the best first: `ES256`, `EdDSA`, `RS256` in the registry of COSE. Source:
/// §5.4 recommends at least these three.
pub const ALGORITHMS: [i64; 3] = [-7, -8, -257];

/// What a page asks its authenticator for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationOptions {
    /// The relying party.
    pub rp: String,
    /// Names the user to authenticators; a pseudonym, the same each time.
    pub user: [u8; 32],
    /// What the authenticator must sign; good for [`REGISTRATION_LIFE`] and one registration.
    pub challenge: Vec<u8>,
    /// Credentials that the user has already.
    pub exclude: Vec<Vec<u8>>,
}

/// A passkey to be registered.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// Whose it is.
    pub principal: &'a str,
    /// The challenge of its [`RegistrationOptions`].
    pub challenge: &'a [u8],
    /// The `RegistrationResponseJSON` of the browser.
    pub response: &'a [u8],
    /// Who brings it.
    pub by: &'a str,
}

/// A passkey as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyView {
    /// Number of the passkey, for removing it; given once.
    pub id: u64,
    /// Whose it is.
    pub principal: String,
    /// Its name at its authenticator.
    pub credential: Vec<u8>,
    /// The relying party that it is for.
    pub rp: String,
    /// When it was registered.
    pub made: Timestamp,
    /// Who registered it.
    pub made_by: String,
    /// When it passed a challenge last.
    pub used: Option<Timestamp>,
    /// Whether its key may leave the authenticator as a backup, as that of a synchronised passkey does.
    pub backup_eligible: bool,
}

/// A passkey with what its assertions are checked against.
struct Kept {
    view: PasskeyView,
    user: Vec<u8>,
    key: Vec<u8>,
    algorithm: i64,
    counter: u32,
}

impl CloudCore {
    /// What a page asks an authenticator of `principal` for, to register a passkey.
    ///
    /// # Errors
    /// `Conflict` where no site is configured or the principal has [`PASSKEYS_MAX`] passkeys.
    pub fn passkey_options(&mut self, principal: &str) -> Result<RegistrationOptions, CloudError> {
        self.read(|tx| {
            let rp = tx.passkey_site()?.id.clone();
            let exclude = tx.room_for(principal)?.into_iter().map(|kept| kept.view.credential).collect();
            let (not_after, random) = (tx.now.after(REGISTRATION_LIFE).as_ms().to_be_bytes(), tx.random()?);
            let mac = tx.registration_mac(&not_after, &random, principal);
            let challenge = [&not_after[..], &random, &mac].concat();
            Ok(RegistrationOptions { rp, user: tx.user_handle(principal), challenge, exclude })
        })
    }

    /// Registers a passkey.
    ///
    /// # Errors
    /// `Unprocessable` where challenge or response do not hold; `Conflict` where no site is configured, the challenge was
    /// used, the credential is registered, or the principal has [`PASSKEYS_MAX`] passkeys.
    pub fn add_passkey(&mut self, asked: &Registration<'_>) -> Result<PasskeyView, CloudError> {
        self.call(|tx| tx.add_passkey(asked))
    }

    /// The passkeys of `principal`, oldest first.
    ///
    /// # Errors
    /// `Invalid` for what cannot be a principal.
    pub fn passkeys(&mut self, principal: &str) -> Result<Vec<PasskeyView>, CloudError> {
        self.read(|tx| {
            check_principal(principal)?;
            Ok(tx.passkeys_of(principal)?.into_iter().map(|kept| kept.view).collect())
        })
    }

    /// Removes a passkey; it passes nothing from now on.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn remove_passkey(&mut self, id: u64, by: &str) -> Result<(), CloudError> {
        self.call(|tx| tx.remove_passkey(id, by))
    }
}

/// Passkeys in force. A removal counts by its row under the audit chain, whoever put the passkey back into its table.
const KEPT: &str = "SELECT c.id, c.principal, c.credential, c.rp, c.at, c.by, p.used, c.eligible, c.user, c.key, \
                    c.algorithm, p.counter FROM passkey_change c JOIN passkey p ON p.id = c.id \
                    WHERE NOT EXISTS (SELECT 1 FROM passkey_change r WHERE r.removes = c.id)";

impl Tx<'_> {
    fn passkey_site(&self) -> Result<&Site, CloudError> {
        self.desk.passkeys.as_ref().ok_or_else(|| {
            let detail = "passkeys of users are not set up: say `rp_id` and `origins` in `[cloud.passkeys]`";
            CloudError::new(CloudErrorKind::Conflict, detail)
        })
    }

    fn add_passkey(&mut self, asked: &Registration<'_>) -> Result<PasskeyView, CloudError> {
        let site = self.passkey_site()?.clone();
        check_text("by", asked.by)?;
        self.room_for(asked.principal)?;
        let random = self.issued_random(asked)?;
        let refuse = |error: AttestError| {
            let detail = format!("the response does not hold: {error}");
            CloudError::new(CloudErrorKind::Unprocessable, detail).at("/response").caused_by(error)
        };
        let claims = registered(&self.desk.context, site, asked.challenge, asked.response, self.now)
            .map_err(refuse)?;
        let id = self.insert_passkey(asked, &random, &claims)?;
        let kept = self.passkey(id)?;
        kept.map(|kept| kept.view).ok_or_else(|| CloudError::corrupt("a passkey that was just registered"))
    }

    /// The passkeys of the principal, if there may be another one.
    fn room_for(&self, principal: &str) -> Result<Vec<Kept>, CloudError> {
        check_principal(principal)?;
        let kept = self.passkeys_of(principal)?;
        if kept.len() >= PASSKEYS_MAX {
            return Err(conflict(format!("this principal has {PASSKEYS_MAX} passkeys: remove one first")));
        }
        Ok(kept)
    }

    /// Checks that the challenge is ours, for this principal, in time and unused; gives what is random in it.
    fn issued_random(&self, asked: &Registration<'_>) -> Result<[u8; 16], CloudError> {
        let refuse = |why: &str| CloudError::new(CloudErrorKind::Unprocessable, why).at("/challenge");
        let split = asked.challenge.split_first_chunk::<8>().and_then(|(not_after, rest)| {
            let (random, mac) = rest.split_first_chunk::<16>()?;
            Some((not_after, random, mac))
        });
        let (not_after, random, mac) = split.ok_or_else(|| refuse("not a challenge of the options"))?;
        let parts: [&[u8]; 4] = [CHALLENGE, not_after, random, asked.principal.as_bytes()];
        let key = &self.desk.keys.own;
        key.verify_parts(&self.desk.context, Purpose::PasskeyRegistration, &parts, mac)
            .map_err(|error| refuse("not a challenge for this principal").caused_by(error))?;
        if u64::from_be_bytes(*not_after) <= self.now.as_ms() {
            return Err(refuse("the challenge expired: ask for new options"));
        }
        let sql = "SELECT 1 FROM passkey_change WHERE challenge = ?1";
        if self.conn.prepare_cached(sql)?.exists([random])? {
            return Err(conflict("a passkey was registered with this challenge").at("/challenge"));
        }
        Ok(*random)
    }

    fn insert_passkey(
        &mut self,
        asked: &Registration<'_>,
        random: &[u8; 16],
        claims: &WebauthnClaims,
    ) -> Result<i64, CloudError> {
        let sql = format!("{KEPT} AND c.credential = ?1");
        if self.conn.prepare_cached(&sql)?.exists([&claims.credential_id])? {
            return Err(conflict("this credential is registered already").at("/response"));
        }
        let sql = "INSERT INTO passkey_change (at, by, principal, credential, removes, challenge, user, rp, key, \
                   algorithm, eligible) VALUES (?1, ?2, ?3, ?4, NULL, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.conn.prepare_cached(sql)?.execute(params![
            int(self.now.as_ms()),
            asked.by,
            asked.principal,
            claims.credential_id,
            random,
            self.user_handle(asked.principal),
            claims.site,
            claims.key,
            claims.algorithm,
            claims.backup_eligible,
        ])?;
        let id = self.audit_inserted(AuditKind::Passkey)?;
        let sql = "INSERT INTO passkey (id, counter, used) VALUES (?1, ?2, NULL)";
        self.conn.prepare_cached(sql)?.execute(params![id, claims.counter])?;
        Ok(id)
    }

    fn remove_passkey(&mut self, id: u64, by: &str) -> Result<(), CloudError> {
        check_text("by", by)?;
        let id = int(id);
        let Some(Kept { view, .. }) = self.passkey(id)? else {
            return Err(CloudError::not_found("passkey"));
        };
        self.conn.prepare_cached("DELETE FROM passkey WHERE id = ?1")?.execute([id])?;
        let sql =
            "INSERT INTO passkey_change (at, by, principal, credential, removes) VALUES (?1, ?2, ?3, ?4, ?5)";
        let row = params![int(self.now.as_ms()), by, view.principal, view.credential, id];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.audit_inserted(AuditKind::Passkey).map(|_row| ())
    }

    fn passkey(&self, id: i64) -> Result<Option<Kept>, CloudError> {
        let mut statement = self.conn.prepare_cached(&format!("{KEPT} AND c.id = ?1"))?;
        Ok(statement.query_row([id], kept_of).optional()?)
    }

    fn passkeys_of(&self, principal: &str) -> Result<Vec<Kept>, CloudError> {
        let mut statement =
            self.conn.prepare_cached(&format!("{KEPT} AND c.principal = ?1 ORDER BY c.id"))?;
        let rows = statement.query_map([principal], kept_of)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn registration_mac(&self, not_after: &[u8; 8], random: &[u8; 16], principal: &str) -> [u8; 32] {
        let parts: [&[u8]; 4] = [CHALLENGE, not_after, random, principal.as_bytes()];
        self.desk.keys.own.mac_parts(&self.desk.context, Purpose::PasskeyRegistration, &parts)
    }

    /// §14.6.1: nothing personal, as authenticators show it to whoever holds them.
    fn user_handle(&self, principal: &str) -> [u8; 32] {
        let parts: [&[u8]; 2] = [USER, principal.as_bytes()];
        self.desk.keys.own.mac_parts(&self.desk.context, Purpose::PasskeyRegistration, &parts)
    }
}

/// What the response of a registration proves: that a user was verified who made a key for this site, just now. Who made
/// the authenticator is not asked, so a stranger's statement is no worse than none.
///
/// # Errors
/// What does not hold; `Algorithm` for one that was not offered.
pub(crate) fn registered(
    context: &Context,
    site: Site,
    challenge: &[u8],
    response: &[u8],
    now: Timestamp,
) -> Result<WebauthnClaims, AttestError> {
    let evidence = Evidence { family: Text(FAMILY.to_owned()), body: Bytes(response.to_vec()) };
    let anchors = Anchors::new(context.clone());
    let references = References { sites: vec![site], ..References::default() };
    let constraints = Constraints {
        allow: [Relaxation::DangerUnanchored].into(),
        user_verification: true,
        ..Constraints::default()
    };
    let question = Question {
        anchors: &anchors,
        references: &references,
        revocations: None,
        constraints: &constraints,
        challenge,
        device_key: None,
        activation: None,
        now,
    };
    match appraise(&evidence, &question)?.claims {
        Claims::Webauthn(claims) if ALGORITHMS.contains(&claims.algorithm) => Ok(*claims),
        _ => Err(Code::Algorithm.into()),
    }
}

fn kept_of(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let used: Option<i64> = row.get(6)?;
    Ok(Kept {
        view: PasskeyView {
            id: uint(row.get(0)?),
            principal: row.get(1)?,
            credential: row.get(2)?,
            rp: row.get(3)?,
            made: Timestamp::from_ms(uint(row.get(4)?)),
            made_by: row.get(5)?,
            used: used.map(|at| Timestamp::from_ms(uint(at))),
            backup_eligible: row.get(7)?,
        },
        user: row.get(8)?,
        key: row.get(9)?,
        algorithm: row.get(10)?,
        counter: row.get(11)?,
    })
}

fn conflict(detail: impl Into<String>) -> CloudError {
    CloudError::new(CloudErrorKind::Conflict, detail)
}

fn check_principal(principal: &str) -> Result<(), CloudError> {
    if (1..=PRINCIPAL_BYTES_MAX).contains(&principal.len()) {
        return Ok(());
    }
    Err(CloudError::invalid(format!("`principal` has 1 to {PRINCIPAL_BYTES_MAX} bytes")).at("/principal"))
}

/// Begin what is MAC'd for one purpose; neither is the beginning of the other.
const CHALLENGE: &[u8] = b"challenge";
const USER: &[u8] = b"user";
