//! Passkeys of operators: what the console's log-in knows of them, and what one is worth.
//!
//! A passkey is worth no more than the session was in which it was added, and no longer than that: one that was added in the
//! session of a token lapses with the token. Whoever signs in with a passkey adds none. The store holds public keys. Rows are under
//! the audit chain with their actor, removed ones stay with their end beside them; only counters change.
//!
//! Challenges are not this module's matter: whoever calls issued the one that is named, and takes each once.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::passkey::registered;
use crate::store::{int, uint};
use glacis_attest::webauthn::{Asserted, AssertionAsked, StoredCredential, asserted, check_assertion};
use glacis_attest::{AttestError, Code, Site};
use glacis_wire::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};

/// Passkeys of one owner: of one token, or of all who came by a link.
///
/// Unit: passkeys. Source: two or three a person; the list of them is sent to authenticators with each registration.
pub(crate) const PASSKEYS_MAX: usize = 16;
/// Passkeys that are listed at once. LIMIT: the newest; each owner has [`PASSKEYS_MAX`] at most.
const LISTED_MAX: u32 = 256;
/// Bytes of the name that an authenticator has for the user of a passkey.
pub(crate) const USER_BYTES: usize = 16;

/// Passkeys that are good: not removed, and their token still is.
const GOOD: &str = "operator_passkey.id NOT IN (SELECT passkey FROM operator_passkey_end) AND (token IS NULL OR token IN \
                    (SELECT id FROM token WHERE expires > ?1 AND id NOT IN (SELECT token FROM token_end)))";

/// A passkey as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasskeyView {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Who added it.
    pub(crate) by: String,
    pub(crate) made: Timestamp,
    pub(crate) used: Option<Timestamp>,
    /// Names it to its authenticator.
    pub(crate) credential: Vec<u8>,
}

/// A passkey that somebody adds.
#[derive(Clone, Debug)]
pub(crate) struct NewPasskey {
    pub(crate) name: String,
    pub(crate) user: [u8; USER_BYTES],
    pub(crate) challenge: Vec<u8>,
    pub(crate) site: Site,
    /// The `RegistrationResponseJSON` of the browser.
    pub(crate) registration: Vec<u8>,
    /// The token of whoever adds it.
    pub(crate) token: Option<u64>,
    /// Who adds it.
    pub(crate) by: String,
}

/// Somebody who signs in with a passkey.
#[derive(Clone, Debug)]
pub(crate) struct PasskeyAnswer {
    pub(crate) challenge: Vec<u8>,
    pub(crate) site: Site,
    /// The `AuthenticationResponseJSON` of the browser.
    pub(crate) assertion: Vec<u8>,
}

/// What came of a try to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PasskeyTry {
    /// It is the passkey of this number and name, added under this token.
    Good { id: u64, name: String, token: Option<u64> },
    /// Why it is not taken, for the operator.
    Refused(String),
}

/// How a passkey is named in records, so that none can be taken for a token or for `local`.
pub(crate) fn actor(id: u64, name: &str) -> String {
    format!("passkey {id}: {name}")
}

impl CloudCore {
    /// Good passkeys of one owner, or of all; newest first.
    pub(crate) fn operator_passkeys(&mut self, of: Whose) -> Result<Vec<PasskeyView>, CloudError> {
        self.read(|tx| tx.operator_passkeys(of))
    }

    /// Adds a passkey.
    ///
    /// # Errors
    /// `Invalid` (name, registration), `Conflict` (known already, or too many).
    pub(crate) fn add_operator_passkey(&mut self, new: &NewPasskey) -> Result<PasskeyView, CloudError> {
        crate::admin::check_text("name", &new.name)?;
        self.call(|tx| tx.add_operator_passkey(new))
    }

    /// Removes a passkey that is good.
    ///
    /// # Errors
    /// `NotFound`, also where it is none of `of`.
    pub(crate) fn remove_operator_passkey(&mut self, id: u64, of: Whose, by: &str) -> Result<(), CloudError> {
        self.call(|tx| {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM operator_passkey WHERE {GOOD} AND (?2 OR token IS ?3) AND id = ?4)"
            );
            let (all, token) = of.key();
            let key = params![int(tx.now.as_ms()), all, token, int(id)];
            if !tx.conn.prepare_cached(&sql)?.query_row(key, |row| row.get::<_, bool>(0))? {
                return Err(CloudError::not_found(format!("passkey {id}")));
            }
            let sql = "INSERT INTO operator_passkey_end (passkey, at, by) VALUES (?1, ?2, ?3)";
            tx.conn.prepare_cached(sql)?.execute(params![int(id), int(tx.now.as_ms()), by])?;
            tx.audit_inserted(AuditKind::OperatorPasskeyEnd).map(|_row| ())
        })
    }

    /// Whether a passkey was neither removed nor lapsed with its token.
    pub(crate) fn is_operator_passkey_good(&mut self, id: u64) -> Result<bool, CloudError> {
        self.read(|tx| {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM operator_passkey WHERE id = ?2 AND {GOOD})");
            let key = params![int(tx.now.as_ms()), int(id)];
            Ok(tx.conn.prepare_cached(&sql)?.query_row(key, |row| row.get(0))?)
        })
    }

    /// Checks an assertion, keeps its counter and puts the log-in under the audit chain, all or none of it. A counter that
    /// did not grow is put there as well: the authenticator may have been copied.
    pub(crate) fn try_operator_passkey(&mut self, answer: &PasskeyAnswer) -> Result<PasskeyTry, CloudError> {
        self.call(|tx| tx.try_operator_passkey(answer))
    }
}

/// Whose passkeys are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Everybody's.
    All,
    /// Those that were added under this token, or under none.
    Under(Option<u64>),
}

impl Whose {
    /// Whether all are meant, and else under which token.
    fn key(self) -> (bool, Option<i64>) {
        match self {
            Self::All => (true, None),
            Self::Under(token) => (false, token.map(int)),
        }
    }
}

/// What is stored of a credential.
struct Kept {
    id: u64,
    name: String,
    token: Option<u64>,
    key: Vec<u8>,
    algorithm: i64,
    backup_eligible: bool,
    user: Vec<u8>,
    counter: u32,
}

impl Tx<'_> {
    fn operator_passkeys(&self, of: Whose) -> Result<Vec<PasskeyView>, CloudError> {
        let sql = format!(
            "SELECT operator_passkey.id, name, by, at, used, credential FROM operator_passkey \
             LEFT JOIN operator_passkey_use ON passkey = operator_passkey.id \
             WHERE {GOOD} AND (?2 OR token IS ?3) ORDER BY operator_passkey.id DESC LIMIT ?4"
        );
        let (all, token) = of.key();
        let mut statement = self.conn.prepare_cached(&sql)?;
        let key = params![int(self.now.as_ms()), all, token, LISTED_MAX];
        let rows = statement.query_map(key, |row| {
            let time = |at: i64| Timestamp::from_ms(uint(at));
            Ok(PasskeyView {
                id: uint(row.get(0)?),
                name: row.get(1)?,
                by: row.get(2)?,
                made: time(row.get(3)?),
                used: row.get::<_, Option<i64>>(4)?.map(time),
                credential: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn add_operator_passkey(&mut self, new: &NewPasskey) -> Result<PasskeyView, CloudError> {
        if self.operator_passkeys(Whose::Under(new.token))?.len() >= PASSKEYS_MAX {
            return Err(full());
        }
        let claims =
            registered(&self.desk.context, new.site.clone(), &new.challenge, &new.registration, self.now)
                .map_err(refused_registration)?;
        let known = "SELECT EXISTS (SELECT 1 FROM operator_passkey WHERE credential = ?1)";
        if self.conn.prepare_cached(known)?.query_row([&claims.credential_id], |row| row.get(0))? {
            return Err(CloudError::new(CloudErrorKind::Conflict, "the passkey was added before"));
        }
        let sql = "INSERT INTO operator_passkey \
                   (name, credential, user, key, algorithm, backup_eligible, token, at, by) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        self.conn.prepare_cached(sql)?.execute(params![
            new.name,
            claims.credential_id,
            new.user,
            claims.key,
            claims.algorithm,
            claims.backup_eligible,
            new.token.map(int),
            int(self.now.as_ms()),
            new.by,
        ])?;
        let id = self.audit_inserted(AuditKind::OperatorPasskey)?;
        let sql = "INSERT INTO operator_passkey_use (passkey, counter) VALUES (?1, ?2)";
        self.conn.prepare_cached(sql)?.execute(params![id, claims.counter])?;
        Ok(PasskeyView {
            id: uint(id),
            name: new.name.clone(),
            by: new.by.clone(),
            made: self.now,
            used: None,
            credential: claims.credential_id,
        })
    }

    fn try_operator_passkey(&mut self, answer: &PasskeyAnswer) -> Result<PasskeyTry, CloudError> {
        let refused = |why: &str| Ok(PasskeyTry::Refused(why.to_owned()));
        // A log-in without a name must say whose passkey it is (Level 3 §7.2 step 6).
        let named = asserted(&answer.assertion).ok();
        let named = named.filter(|named| named.user.as_ref().is_some_and(|user| !user.is_empty()));
        let Some(Asserted { credential, .. }) = named else {
            return refused("the answer of the passkey cannot be read, or names no user");
        };
        let Some(kept) = self.kept_passkey(&credential)? else {
            return refused(
                "the passkey is not known here: it was removed, its token ended, or it is of another console",
            );
        };
        let stored = StoredCredential {
            id: &credential,
            key: &kept.key,
            algorithm: kept.algorithm,
            counter: kept.counter,
            backup_eligible: kept.backup_eligible,
            user: Some(&kept.user),
        };
        let asked =
            AssertionAsked { site: &answer.site, challenge: &answer.challenge, user_verification: true };
        let actor = actor(kept.id, &kept.name);
        let claims = match check_assertion(&answer.assertion, &stored, &asked) {
            Ok(claims) => claims,
            Err(error) => {
                if error.code() == Code::Counter {
                    let detail = "its counter did not grow: a copied authenticator, or a replay";
                    self.note_operator(&actor, "console-passkey-refused", detail)?;
                }
                let what = error.code();
                return Ok(PasskeyTry::Refused(format!("{} {}", what.what(), what.cure())));
            }
        };
        let sql = "UPDATE operator_passkey_use SET counter = ?2, used = ?3 WHERE passkey = ?1";
        let row = params![int(kept.id), claims.counter, int(self.now.as_ms())];
        self.conn.prepare_cached(sql)?.execute(row)?;
        self.note_operator(&actor, "console-sign-in", &format!("by passkey {}", kept.id))?;
        Ok(PasskeyTry::Good { id: kept.id, name: kept.name, token: kept.token })
    }

    /// The good passkey of this name.
    fn kept_passkey(&self, credential: &[u8]) -> Result<Option<Kept>, CloudError> {
        let sql = format!(
            "SELECT operator_passkey.id, name, token, key, algorithm, backup_eligible, user, counter \
             FROM operator_passkey JOIN operator_passkey_use ON passkey = operator_passkey.id \
             WHERE credential = ?2 AND {GOOD}"
        );
        let kept = |row: &Row<'_>| {
            Ok(Kept {
                id: uint(row.get(0)?),
                name: row.get(1)?,
                token: row.get::<_, Option<i64>>(2)?.map(uint),
                key: row.get(3)?,
                algorithm: row.get(4)?,
                backup_eligible: row.get(5)?,
                user: row.get(6)?,
                counter: row.get(7)?,
            })
        };
        let key = params![int(self.now.as_ms()), credential];
        Ok(self.conn.prepare_cached(&sql)?.query_row(key, kept).optional()?)
    }
}

/// There is no room for another passkey.
pub(crate) fn full() -> CloudError {
    let detail = format!("there are {PASSKEYS_MAX} passkeys already; remove one first");
    CloudError::new(CloudErrorKind::Conflict, detail)
}

fn refused_registration(error: AttestError) -> CloudError {
    let code = error.code();
    CloudError::invalid(format!("the passkey was not taken: {} {}", code.what(), code.cure()))
        .caused_by(error)
}
