//! The principal: read from a token that verifies, never from anything else.
//!
//! Compact JWS with exactly the configured algorithm and key (RFC 8725 §3.1); `exp` is required, `nbf`, `iss`
//! and `aud` are checked where the token or the configuration has them, critical headers are refused. The last
//! token that verified is kept per leg, so an unchanged token costs one comparison.

use crate::config::{TokenAlg, TokenKey};
use crate::state::legs::VerifiedToken;
use glacis_seal::{MacKey, SealError, jws};
use glacis_wire::Timestamp;
use glacis_wire::limits::PRINCIPAL_BYTES_MAX;
use glacis_wire::message::PublicKey;
use glacis_wire::message::refusal::Refusal;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Verifies tokens under one key.
#[derive(Debug)]
pub(crate) struct Verifier {
    key: Key,
    issuer: Option<String>,
    audience: Option<String>,
}

#[derive(Debug)]
enum Key {
    Es256(PublicKey),
    Hs256(Box<MacKey>),
}

/// How far the token issuer's clock may differ from ours.
const SKEW: Duration = Duration::from_secs(30);
/// Longest token. Unit: bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

impl Verifier {
    pub(crate) fn new(config: &TokenKey) -> Result<Self, SealError> {
        let key = match &config.key {
            TokenAlg::Es256(point) => {
                glacis_seal::key::check_public(point)?;
                Key::Es256(*point)
            }
            TokenAlg::Hs256(secret) => Key::Hs256(Box::new(MacKey::from_shared(secret)?)),
        };
        Ok(Self { key, issuer: config.issuer.clone(), audience: config.audience.clone() })
    }

    /// Whether verifying needs the asymmetric budget.
    pub(crate) const fn is_asymmetric(&self) -> bool {
        matches!(self.key, Key::Es256(_))
    }

    /// Verifies the value of an `authorization` header; `claim` names the principal.
    pub(crate) fn verify(
        self: &Arc<Self>,
        header: &str,
        claim: &str,
        now: Timestamp,
    ) -> Result<VerifiedToken, Refusal> {
        self.read(header, claim, now).ok_or(Refusal::PrincipalWrong)
    }

    fn read(self: &Arc<Self>, header: &str, claim: &str, now: Timestamp) -> Option<VerifiedToken> {
        let token = bearer(header).filter(|token| token.len() <= TOKEN_BYTES_MAX)?;
        let key = match &self.key {
            Key::Es256(key) => jws::Key::Es256(key),
            Key::Hs256(key) => jws::Key::Hs256(key),
        };
        let verified = jws::verify(token, key).ok()?;
        let head: Value = serde_json::from_slice(&verified.header).ok()?;
        if head.get("alg")?.as_str()? != key.alg() || head.get("crit").is_some() {
            return None;
        }
        let claims: Value = serde_json::from_slice(&verified.payload).ok()?;
        let text_of = |name: &str| claims.get(name).and_then(Value::as_str);
        let principal =
            text_of(claim).filter(|text| !text.is_empty() && text.len() <= PRINCIPAL_BYTES_MAX)?;
        let not_after = Timestamp::from_secs(claims.get("exp")?.as_u64()?).after(SKEW);
        let not_before = match claims.get("nbf") {
            Some(nbf) => Timestamp::from_secs(nbf.as_u64()?).before(SKEW),
            None => Timestamp::ZERO,
        };
        let issuer = self.issuer.as_deref().is_none_or(|issuer| text_of("iss") == Some(issuer));
        let audience = self.audience.as_deref().is_none_or(|wanted| match claims.get("aud") {
            Some(Value::String(one)) => one == wanted,
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(wanted)),
            _ => false,
        });
        let token = VerifiedToken {
            by: Arc::clone(self),
            text: header.into(),
            claim: claim.into(),
            principal: principal.into(),
            not_before,
            not_after,
        };
        (issuer && audience && token.is_valid(now)).then_some(token)
    }
}

impl VerifiedToken {
    /// Whether the token may be used now.
    pub(crate) fn is_valid(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start_matches(' '))
}
