//! What an operator does and sees: lists, feedback, look-ups, and the tokens that allow it.
//!
//! A token is 32 random bytes, shown once and kept only as a hash; it has scopes and an end. The bootstrap token
//! of a new store does one thing once: make the first real token.

use crate::audit::AuditKind;
use crate::core::{CloudCore, Tx};
use crate::error::{CloudError, CloudErrorKind};
use crate::store::{int, uint};
use glacis_seal::{Purpose, hash::context_digest, text};
use glacis_wire::limits::{NAME_BYTES_MAX, VALUE_BYTES_MAX};
use glacis_wire::{Digest, Reference, Timestamp};
use rusqlite::{OptionalExtension as _, params};
use std::fmt;
use std::time::Duration;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Look at events, records, devices, audit.
    Read,
    /// Change lists.
    Lists,
    /// Give feedback.
    Feedback,
    /// Publish policies.
    Policies,
    /// Refuse devices.
    Devices,
    /// Make and revoke tokens.
    Tokens,
    /// Make the first token; nothing else.
    Bootstrap,
    /// Ask for decisions.
    Decide,
    /// Register, see and remove passkeys of users.
    Passkeys,
}

impl Scope {
    /// Every scope that a token can be asked for.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Lists,
        Self::Feedback,
        Self::Policies,
        Self::Devices,
        Self::Tokens,
        Self::Decide,
        Self::Passkeys,
    ];

    /// The name in requests and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Lists => "lists",
            Self::Feedback => "feedback",
            Self::Policies => "policies",
            Self::Devices => "devices",
            Self::Tokens => "tokens",
            Self::Bootstrap => "bootstrap",
            Self::Decide => "decide",
            Self::Passkeys => "passkeys",
        }
    }

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Longest life of a token.
pub const TOKEN_LIFE_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Life of a bootstrap token.
const BOOTSTRAP_LIFE: Duration = Duration::from_secs(3_600);
/// Starts every token, so that scanners of leaked secrets can know one.
const TOKEN_PREFIX: &str = "glacis_";
/// Who acts without a token, in records.
const LOCAL: &str = "local";

/// A token, to be shown once. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// The text to show, once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Who a good token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    id: u64,
    name: String,
    scopes: u32,
}

impl Bearer {
    /// The operator who can open a socket that nobody else can: every scope.
    pub(crate) fn local() -> Self {
        Self { id: 0, name: LOCAL.to_owned(), scopes: all_scopes() }
    }

    /// The token's number; zero where nobody needed one.
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    /// The token's name, for records of who did something.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the token carries `scope`.
    pub fn require(&self, scope: Scope) -> Result<(), CloudError> {
        if self.scopes & scope.bit() != 0 {
            return Ok(());
        }
        let detail = format!("the token `{}` does not carry the scope `{}`", self.name, scope.name());
        Err(CloudError::new(CloudErrorKind::Forbidden, detail))
    }
}

/// A token as it is listed; its secret is nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    /// Number of the token, for revoking it.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// When it was revoked or used up.
    pub ended: Option<Timestamp>,
}

/// One item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListItem {
    /// The item.
    pub item: String,
    /// From when on it counts.
    pub effective: Timestamp,
}

/// A change of a list as an operator asks for it.
#[derive(Clone, Debug)]
pub struct ListChange<'a> {
    /// Which list, without `list.`.
    pub list: &'a str,
    /// Which item.
    pub item: &'a str,
    /// Whether it shall be in the list.
    pub present: bool,
    /// From when on; now where none is given, never earlier.
    pub effective: Option<Timestamp>,
    /// Who asks.
    pub by: &'a str,
}

/// The version of something that a change is meant for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any.
    #[default]
    Any,
    /// Any, but it must be there.
    Exists,
    /// One of these.
    Versions(Vec<u64>),
}

impl Expected {
    /// Refuses where what is at `version` (zero: not there) is not what was expected.
    pub(crate) fn check(&self, what: &str, version: u64) -> Result<(), CloudError> {
        let holds = match self {
            Self::Any => true,
            Self::Exists => version != 0,
            Self::Versions(versions) => versions.contains(&version),
        };
        if holds {
            return Ok(());
        }
        let detail = format!("{what} is at version {version}, not at one that the change is meant for");
        Err(CloudError::new(CloudErrorKind::PreconditionFailed, detail))
    }
}

/// One piece of feedback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackView {
    /// What came of the event.
    pub outcome: String,
    /// When it was said.
    pub at: Timestamp,
    /// Who said it.
    pub by: String,
}

impl CloudCore {
    /// The bootstrap token of a store without any token; `None` once one was ever made.
    pub fn bootstrap_token(&mut self) -> Result<Option<Token>, CloudError> {
        self.call(|tx| {
            let any: bool = tx.conn.query_row("SELECT EXISTS (SELECT 1 FROM token)", [], |row| row.get(0))?;
            if any {
                return Ok(None);
            }
            let expires = tx.now.after(BOOTSTRAP_LIFE);
            tx.make_token("bootstrap", Scope::Bootstrap.bit(), expires).map(Some)
        })
    }

    /// Trades the bootstrap token for a token with every scope.
    pub fn bootstrap(&mut self, bootstrap: &str, name: &str, life: Duration) -> Result<Token, CloudError> {
        self.call(|tx| {
            let bearer = tx.bearer(bootstrap)?;
            bearer.require(Scope::Bootstrap)?;
            tx.end_token(bearer.id)?;
            tx.checked_token(name, all_scopes(), life)
        })
    }

    /// Makes a token with these scopes.
    pub fn create_token(
        &mut self,
        name: &str,
        scopes: &[Scope],
        life: Duration,
    ) -> Result<Token, CloudError> {
        let bits = scopes.iter().fold(0, |bits, scope| bits | scope.bit());
        if bits == 0 || bits & Scope::Bootstrap.bit() != 0 {
            return Err(CloudError::invalid(
                "a token has at least one scope, and `bootstrap` is not one of them",
            ));
        }
        self.call(|tx| tx.checked_token(name, bits, life))
    }

    /// Ends a token at once.
    pub fn revoke_token(&mut self, id: u64) -> Result<(), CloudError> {
        self.call(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM token WHERE id = ?1 AND id NOT IN (SELECT token FROM token_end))";
            let live: bool = tx.conn.query_row(sql, [int(id)], |row| row.get(0))?;
            if live { tx.end_token(id) } else { Err(CloudError::not_found(format!("live token {id}"))) }
        })
    }

    /// All tokens, newest first.
    pub fn tokens(&mut self) -> Result<Vec<TokenView>, CloudError> {
        self.read(|tx| tx.tokens_before(u64::MAX, u32::MAX))
    }

    /// Whose token this is, if it is good now.
    pub fn authorise(&mut self, token: &str) -> Result<Bearer, CloudError> {
        self.read(|tx| tx.bearer(token))
    }

    /// Changes a list; answers its new version.
    pub fn change_list(&mut self, change: &ListChange<'_>) -> Result<u64, CloudError> {
        self.change_list_if(change, &Expected::Any)
    }

    /// Changes a list if it is at an expected version; answers its new version.
    pub fn change_list_if(
        &mut self,
        change: &ListChange<'_>,
        expected: &Expected,
    ) -> Result<u64, CloudError> {
        check_code("list", change.list)?;
        self.call(|tx| {
            expected.check("the list", tx.desk.state.lists.version(change.list))?;
            tx.change_list(change)
        })
    }

    /// Checks a change as [`change_list`](Self::change_list) does and makes none; answers the version it would make.
    pub fn check_list_change(&mut self, change: &ListChange<'_>) -> Result<u64, CloudError> {
        check_code("list", change.list)?;
        self.read(|tx| tx.check_list_change(change).map(|(version, _effective)| version))
    }

    /// Items that are in `list` now or will be, sorted, and its version.
    pub fn list(&mut self, list: &str) -> Result<(u64, Vec<ListItem>), CloudError> {
        self.read(|tx| {
            let lists = &tx.desk.state.lists;
            let items = lists.items(list, tx.now).into_iter();
            let items = items.map(|(item, effective)| ListItem { item, effective }).collect();
            Ok((lists.version(list), items))
        })
    }

    /// Names and versions of all lists.
    pub fn lists(&mut self) -> Result<Vec<(String, u64)>, CloudError> {
        self.read(|tx| Ok(tx.desk.state.lists.names()))
    }

    /// Says what came of a decided event.
    pub fn feedback(&mut self, reference: &Reference, outcome: &str, by: &str) -> Result<(), CloudError> {
        check_code("outcome", outcome)?;
        self.call(|tx| {
            if tx.decision_by_reference(reference)?.is_none() {
                return Err(CloudError::not_found(format!("decision {}", reference.text())));
            }
            let sql = "INSERT INTO feedback (reference, outcome, at, by) VALUES (?1, ?2, ?3, ?4)";
            let row = params![reference.as_bytes(), outcome, int(tx.now.as_ms()), by];
            tx.conn.prepare_cached(sql)?.execute(row)?;
            tx.audit_inserted(AuditKind::Feedback).map(|_row| ())
        })
    }

    /// Feedback on a decision, oldest first.
    pub fn feedback_on(&mut self, reference: &Reference) -> Result<Vec<FeedbackView>, CloudError> {
        self.read(|tx| {
            let sql = "SELECT outcome, at, by FROM feedback WHERE reference = ?1 ORDER BY id";
            let mut statement = tx.conn.prepare_cached(sql)?;
            let rows = statement.query_map([reference.as_bytes()], |row| {
                let at = Timestamp::from_ms(uint(row.get(1)?));
                Ok(FeedbackView { outcome: row.get(0)?, at, by: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

impl Tx<'_> {
    /// Tokens made before number `before`, newest first.
    pub(crate) fn tokens_before(&self, before: u64, limit: u32) -> Result<Vec<TokenView>, CloudError> {
        let sql = "SELECT token.id, name, scopes, created, expires, token_end.at FROM token \
                   LEFT JOIN token_end ON token_end.token = token.id WHERE token.id < ?1 \
                   ORDER BY token.id DESC LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let rows = statement.query_map(params![int(before), limit], |row| {
            let bits: u32 = row.get(2)?;
            let ended: Option<i64> = row.get(5)?;
            Ok(TokenView {
                id: uint(row.get(0)?),
                name: row.get(1)?,
                scopes: Scope::ALL.into_iter().filter(|scope| bits & scope.bit() != 0).collect(),
                created: Timestamp::from_ms(uint(row.get(3)?)),
                expires: Timestamp::from_ms(uint(row.get(4)?)),
                ended: ended.map(|at| Timestamp::from_ms(uint(at))),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn checked_token(&mut self, name: &str, scopes: u32, life: Duration) -> Result<Token, CloudError> {
        check_text("name", name)?;
        if name == LOCAL || name.starts_with("passkey ") {
            return Err(CloudError::invalid(
                "records say `local` and `passkey …` of others: a token has another name",
            ));
        }
        if life.is_zero() || life > TOKEN_LIFE_MAX {
            return Err(CloudError::invalid("a token lives between a moment and 366 days"));
        }
        self.make_token(name, scopes, self.now.after(life))
    }

    fn make_token(&mut self, name: &str, scopes: u32, expires: Timestamp) -> Result<Token, CloudError> {
        let secret: [u8; 32] = self.random()?;
        let token = Token(format!("{TOKEN_PREFIX}{}", text::base64url(&secret)));
        let sql = "INSERT INTO token (name, hash, scopes, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)";
        self.conn.prepare_cached(sql)?.execute(params![
            name,
            self.token_hash(token.expose()).as_bytes(),
            scopes,
            int(self.now.as_ms()),
            int(expires.as_ms()),
        ])?;
        self.audit_inserted(AuditKind::Token)?;
        Ok(token)
    }

    /// A token has 256 random bits, so one plain hash is enough: there is nothing to guess.
    fn token_hash(&self, token: &str) -> Digest {
        context_digest(&self.desk.context, Purpose::Token, &[token.as_bytes()])
    }

    fn bearer(&self, token: &str) -> Result<Bearer, CloudError> {
        let sql = "SELECT id, name, scopes FROM token WHERE hash = ?1 AND expires > ?2 \
                   AND id NOT IN (SELECT token FROM token_end)";
        let hash = self.token_hash(token);
        let key = params![hash.as_bytes(), int(self.now.as_ms())];
        let found = self
            .conn
            .prepare_cached(sql)?
            .query_row(key, |row| {
                Ok(Bearer { id: uint(row.get(0)?), name: row.get(1)?, scopes: row.get(2)? })
            })
            .optional()?;
        let refuse = || CloudError::new(CloudErrorKind::Unauthorised, "the token is not good");
        found.ok_or_else(refuse)
    }

    fn end_token(&mut self, id: u64) -> Result<(), CloudError> {
        let sql = "INSERT INTO token_end (token, at) VALUES (?1, ?2)";
        self.conn.prepare_cached(sql)?.execute(params![int(id), int(self.now.as_ms())])?;
        self.audit_inserted(AuditKind::TokenEnd).map(|_row| ())
    }

    fn change_list(&mut self, change: &ListChange<'_>) -> Result<u64, CloudError> {
        let (version, effective) = self.check_list_change(change)?;
        let sql = "INSERT INTO list_change (list, version, item, present, effective, at, by) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.conn.prepare_cached(sql)?.execute(params![
            change.list,
            int(version),
            change.item,
            change.present,
            int(effective.as_ms()),
            int(self.now.as_ms()),
            change.by,
        ])?;
        self.audit_inserted(AuditKind::ListChange)?;
        self.state().lists.apply(change.list, version, change.item, change.present, effective);
        Ok(version)
    }

    /// The version that a change would make, and from when on it would count.
    fn check_list_change(&self, change: &ListChange<'_>) -> Result<(u64, Timestamp), CloudError> {
        if change.item.is_empty() || change.item.len() > VALUE_BYTES_MAX {
            return Err(CloudError::invalid(format!("an item has 1 to {VALUE_BYTES_MAX} bytes")));
        }
        check_text("by", change.by)?;
        let effective = change.effective.unwrap_or(self.now);
        if effective < self.now {
            let detail = "a change cannot take effect before it is made";
            return Err(CloudError::new(CloudErrorKind::Conflict, detail).at("/effective_ms"));
        }
        if self.desk.state.lists.changes() >= self.desk.limits.list_changes_max {
            return Err(CloudError::new(
                CloudErrorKind::TooLarge,
                "the lists hold as many changes as they may",
            ));
        }
        Ok((self.desk.state.lists.version(change.list) + 1, effective))
    }
}

fn all_scopes() -> u32 {
    Scope::ALL.into_iter().fold(0, |bits, scope| bits | scope.bit())
}

/// A stable code: what it counts by must not be free text.
pub(crate) fn check_code(what: &str, code: &str) -> Result<(), CloudError> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    if !code.is_empty() && code.len() <= NAME_BYTES_MAX && code.bytes().all(allowed) {
        return Ok(());
    }
    Err(CloudError::invalid(format!(
        "`{what}` is 1 to {NAME_BYTES_MAX} characters of a-z, 0-9, dot, dash, underscore"
    )))
}

/// Short text of an operator.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), CloudError> {
    if !text.is_empty() && text.chars().count() <= NAME_BYTES_MAX && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(CloudError::invalid(format!(
        "`{what}` has 1 to {NAME_BYTES_MAX} characters and no control characters"
    )))
}
