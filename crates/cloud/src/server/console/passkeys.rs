//! Passkeys for the log-in: adding, listing, removing them, and signing in with one.
//!
//! The relying party is `localhost`, the one name of the listener that WebAuthn takes, and the only page that may ask is the
//! console's own by that name; both come from where it listens and never from a request. Who adds passkeys has just signed
//! in by a link or a token, on the page that adds them: what a session leaves behind must not be more than what opened it, so
//! a cookie alone adds none. Nor does a passkey; it lapses with the token, and sees and removes those of its token, or those
//! that came by a link, alone.

use super::challenge::CHALLENGE_LIFE;
use super::session::Who;
use super::{By, Console};
use crate::admin::check_text;
use crate::error::{CloudError, CloudErrorKind};
use crate::operator_passkey::{
    NewPasskey, PASSKEYS_MAX, PasskeyAnswer, PasskeyTry, PasskeyView, Whose, actor, full,
};
use crate::passkey::ALGORITHMS;
use crate::server::rest::{Named, NoQuery, Reply, json_of};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use glacis_attest::Site;
use glacis_seal::text::base64url;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The relying party. WebAuthn takes no address in numbers, and no other name is this listener's.
const RELYING_PARTY: &str = "localhost";

/// Who may ask for assertions: the console's pages by the name that WebAuthn takes.
fn site(at: SocketAddr) -> Site {
    // A browser leaves the port out that goes without saying.
    let port = if at.port() == 80 { String::new() } else { format!(":{}", at.port()) };
    Site { id: RELYING_PARTY.to_owned(), origins: vec![format!("http://{RELYING_PARTY}{port}")] }
}

/// What signs in with a passkey.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ByPasskey {
    /// The challenge that was asked for.
    challenge: String,
    /// The browser's answer, JSON as a text: what is verified are its bytes.
    assertion: String,
}

/// What a page asks its authenticator for.
#[derive(Serialize)]
struct Asked {
    challenge: String,
    relying_party: &'static str,
    timeout_ms: u64,
}

/// What a page has its authenticator make.
#[derive(Serialize)]
struct Wanted {
    challenge: String,
    relying_party: &'static str,
    timeout_ms: u64,
    /// A name by chance, so that no passkey takes the place of another.
    user: String,
    user_name: String,
    algorithms: [i64; 3],
    /// Credentials that the authenticator must not have yet.
    known: Vec<String>,
}

/// What is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Begin {
    name: String,
    /// What the page was told when it signed in.
    adds: Option<String>,
}

/// What the authenticator made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    /// The browser's answer, JSON as a text: what is verified are its bytes.
    registration: String,
}

/// A passkey as the page lists it.
#[derive(Serialize)]
struct PasskeyJson {
    id: u64,
    name: String,
    by: String,
    made_ms: u64,
    used_ms: Option<u64>,
}

/// What the page lists.
#[derive(Serialize)]
struct PasskeysJson {
    passkeys: Vec<PasskeyJson>,
    /// Why this session adds none; null where it does.
    why_not: Option<String>,
}

impl From<PasskeyView> for PasskeyJson {
    fn from(view: PasskeyView) -> Self {
        let used_ms = view.used.map(|used| used.as_ms());
        Self { id: view.id, name: view.name, by: view.by, made_ms: view.made.as_ms(), used_ms }
    }
}

fn timeout_ms() -> u64 {
    u64::try_from(CHALLENGE_LIFE.as_millis()).unwrap_or(u64::MAX)
}

/// Refuses where a session adds no passkeys.
fn may_add(who: &Who, is_fresh: bool) -> Result<(), CloudError> {
    let refuse = |detail: &str| Err(CloudError::new(CloudErrorKind::Forbidden, detail));
    match who {
        Who::Passkey { .. } => {
            refuse("a passkey adds no others: sign out, then in again by a link or a token, and add it then")
        }
        Who::Local | Who::Token { .. } if !is_fresh => refuse(
            "a passkey is added within 15 minutes of signing in: sign out, then in again by a link or a token",
        ),
        Who::Local | Who::Token { .. } => Ok(()),
    }
}

/// `GET /console/v1/passkeys`
pub(super) async fn list(
    State(console): State<Console>,
    Extension(by): By,
    _: NoQuery,
) -> Result<Reply, CloudError> {
    let (whose, own) = (by.who.passkeys(), Whose::Under(by.who.token()));
    let look = move |core: &mut crate::CloudCore| {
        Ok((core.operator_passkeys(whose)?, core.operator_passkeys(own)?.len()))
    };
    let (passkeys, own) = console.call(&by.who, look).await?;
    let room = if own < PASSKEYS_MAX { Ok(()) } else { Err(full()) };
    let why_not = may_add(&by.who, by.is_fresh).and(room).err().map(|error| error.detail().to_owned());
    Reply::ok(&PasskeysJson { passkeys: passkeys.into_iter().map(PasskeyJson::from).collect(), why_not })
}

/// `POST /console/v1/passkeys/challenge`
pub(super) async fn begin(
    State(console): State<Console>,
    Extension(by): By,
    headers: HeaderMap,
    _: NoQuery,
    body: Body,
) -> Result<Reply, CloudError> {
    may_add(&by.who, by.is_fresh)?;
    let Begin { name, adds } = json_of(&headers, body).await?;
    if !adds.is_some_and(|adds| console.0.sessions.is_of_page(&by, &adds)) {
        let detail = "this page has not signed in itself: sign out, then in again by a link or a token, and add it here";
        return Err(CloudError::new(CloudErrorKind::Forbidden, detail));
    }
    check_text("name", &name)?;
    let own = Whose::Under(by.who.token());
    let look = move |core: &mut crate::CloudCore| {
        Ok((core.operator_passkeys(own)?, core.context().tenant.to_string(), core.context().realm.name()))
    };
    let (known, tenant, realm) = console.call(&by.who, look).await?;
    if known.len() >= PASSKEYS_MAX {
        return Err(full());
    }
    let user_name = format!("{name} ({tenant}, {realm})");
    let adding = console.0.sessions.begin_adding(&by, name)?;
    Reply::ok(&Wanted {
        challenge: base64url(&adding.challenge),
        relying_party: RELYING_PARTY,
        timeout_ms: timeout_ms(),
        user: base64url(&adding.user),
        user_name,
        algorithms: ALGORITHMS,
        known: known.iter().map(|passkey| base64url(&passkey.credential)).collect(),
    })
}

/// `POST /console/v1/passkeys`
pub(super) async fn add(
    State(console): State<Console>,
    Extension(by): By,
    headers: HeaderMap,
    _: NoQuery,
    body: Body,
) -> Result<Reply, CloudError> {
    may_add(&by.who, by.is_fresh)?;
    let Add { registration } = json_of(&headers, body).await?;
    let none = || {
        let detail =
            "no passkey is being added: it was added, took more than five minutes, or began elsewhere";
        CloudError::new(CloudErrorKind::Conflict, detail)
    };
    let adding = console.0.sessions.take_adding(&by).ok_or_else(none)?;
    let new = NewPasskey {
        name: adding.name,
        user: adding.user,
        challenge: adding.challenge.to_vec(),
        site: site(console.0.at),
        registration: registration.into_bytes(),
        token: by.who.token(),
        by: by.who.name().to_owned(),
    };
    let added = console.call(&by.who, move |core| core.add_operator_passkey(&new)).await?;
    Reply::created(&PasskeyJson::from(added))
}

/// `DELETE /console/v1/passkeys/{id}`
pub(super) async fn remove(
    State(console): State<Console>,
    Extension(by): By,
    Named(id): Named,
    _: NoQuery,
) -> Result<StatusCode, CloudError> {
    let id: u64 = id.parse().map_err(|_| CloudError::not_found("passkey: a number names it"))?;
    let (whose, actor) = (by.who.passkeys(), by.who.name().to_owned());
    console.call(&by.who, move |core| core.remove_operator_passkey(id, whose, &actor)).await?;
    console.0.sessions.end_passkey(id);
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /console/v1/session/challenge`
pub(super) async fn challenge(State(console): State<Console>, _: NoQuery) -> Result<Reply, CloudError> {
    let challenge = console.0.sessions.challenge()?;
    Reply::ok(&Asked { challenge, relying_party: RELYING_PARTY, timeout_ms: timeout_ms() })
}

impl Console {
    /// Who signs in with a passkey; the log-in is under the audit chain then.
    pub(super) async fn by_passkey(&self, given: ByPasskey) -> Result<Who, CloudError> {
        let sessions = &self.0.sessions;
        sessions.begin_try()?;
        let answer = PasskeyAnswer {
            challenge: sessions.take_challenge(&given.challenge)?,
            site: site(self.0.at),
            assertion: given.assertion.into_bytes(),
        };
        let tried = self.0.shared.handle.call(move |core| core.try_operator_passkey(&answer)).await;
        // A store that has no time or no room says nothing about the passkey.
        if !matches!(tried, Ok(PasskeyTry::Refused(_))) {
            sessions.succeeded();
        }
        match tried? {
            PasskeyTry::Good { id, name, token } => Ok(Who::Passkey { id, name: actor(id, &name), token }),
            PasskeyTry::Refused(why) => Err(CloudError::new(CloudErrorKind::SignedOut, why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_the_listeners_and_named_as_browsers_name_it() {
        for (at, origin) in [
            ("127.0.0.1:7405", "http://localhost:7405"),
            ("[::1]:7405", "http://localhost:7405"),
            ("127.0.0.1:80", "http://localhost"),
        ] {
            let site = site(at.parse().unwrap());
            assert_eq!((site.id.as_str(), site.origins), ("localhost", vec![origin.to_owned()]));
        }
    }
}
