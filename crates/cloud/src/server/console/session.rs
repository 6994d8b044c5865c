//! Who looks: log-in links, sessions, and the cookie between.
//!
//! A link is made by whoever can open the installation's own socket, works once and for a quarter of an hour; a bearer
//! token of scope `read` does as well, and a passkey (`passkeys`). Each is traded for a session, whose secret only the
//! browser has: here links and sessions are digests in memory, so a restart ends them all. Numbers are bounded. Signing in
//! and out is under the audit chain with its actor. A secret is in no address that a server sees, and in no log.
//!
//! The secret is a cookie, and a browser gives a cookie to every server of this machine, whatever its port. So it is worth
//! what ends with the session, and to leave something behind takes a second secret that only the page has.

use super::challenge::{Challenges, random};
use super::passkeys::ByPasskey;
use super::{Console, signed_out};
use crate::admin::Scope;
use crate::core::CloudCore;
use crate::error::{CloudError, CloudErrorKind};
use crate::operator_passkey::{USER_BYTES, Whose};
use crate::server::rest::{NoQuery, Reply, json_of};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use glacis_host::Host;
use glacis_seal::hash::context_digest;
use glacis_seal::secret::equal;
use glacis_seal::{Context, Purpose, text};
use glacis_wire::{Digest, Timestamp};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Life of a link.
const LINK_LIFE: Duration = Duration::from_secs(15 * 60);
/// Life of what was asked for to add a passkey.
const ADDING_LIFE: Duration = Duration::from_secs(5 * 60);
/// Age of a session until which it adds passkeys: what it adds stays, so a browser that was left alone must not.
const ADDS_FOR: Duration = Duration::from_secs(15 * 60);
/// Life of a session.
const SESSION_LIFE: Duration = Duration::from_secs(12 * 3_600);
/// Links that wait to be used; the oldest goes.
const LINKS_MAX: usize = 16;
/// Sessions at once; the oldest goes.
const SESSIONS_MAX: usize = 64;
/// Failed tries within [`FAILED_WINDOW`], after which tokens are not looked at.
const FAILED_MAX: usize = 5;
/// See [`FAILED_MAX`].
const FAILED_WINDOW: Duration = Duration::from_secs(60);
/// Cookies of one request that are looked at. LIMIT: other servers on this machine may set some.
const COOKIES_MAX: usize = 8;
/// Starts every link, so that scanners of leaked secrets can know one.
const LINK_PREFIX: &str = "glacis_link_";
/// Starts the name of the cookie; the port follows, since cookies do not tell ports apart.
const COOKIE: &str = "glacis_console_";

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Whoever can open the installation's own socket.
    Local,
    /// The bearer of a token.
    Token {
        /// Its number.
        id: u64,
        /// Its name.
        name: String,
    },
    /// The holder of a passkey.
    Passkey {
        /// Its number.
        id: u64,
        /// Its name in records.
        name: String,
        /// The token in whose session it was added.
        token: Option<u64>,
    },
}

impl Who {
    /// The name in records.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Local => "local",
            Self::Token { name, .. } | Self::Passkey { name, .. } => name,
        }
    }

    /// The token that everything they may do rests on.
    pub(super) const fn token(&self) -> Option<u64> {
        match self {
            Self::Local => None,
            Self::Token { id, .. } => Some(*id),
            Self::Passkey { token, .. } => *token,
        }
    }

    /// Whether what they signed in with is still good.
    pub(super) fn holds(&self, core: &mut CloudCore) -> Result<bool, CloudError> {
        match self {
            Self::Local => Ok(true),
            Self::Token { id, .. } => core.is_token_good(*id),
            Self::Passkey { id, .. } => core.is_operator_passkey_good(*id),
        }
    }

    /// Whose passkeys they see and remove: whoever came by a link all of them, everybody else those of their token or, with
    /// a passkey that came by a link, those that came by one.
    pub(super) const fn passkeys(&self) -> Whose {
        match self {
            Self::Local => Whose::All,
            Self::Token { .. } | Self::Passkey { .. } => Whose::Under(self.token()),
        }
    }
}

/// A session that a request brought.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub(super) who: Who,
    pub(super) expires: Timestamp,
    /// Whether it is young enough to add passkeys.
    pub(super) is_fresh: bool,
    /// Closes when the session ends.
    pub(super) gone: watch::Receiver<()>,
    digest: Digest,
    /// See [`Opened::adds`].
    adds: Option<Digest>,
}

/// Makes links for the console of a server.
#[derive(Clone)]
pub struct Links {
    at: SocketAddr,
    sessions: Arc<Sessions>,
}

/// A log-in link, to be shown once. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    url: String,
    expires: Timestamp,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(…)")
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Link {
    /// What to open, once. The secret is behind `#`, which no browser sends.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// When it ends.
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

impl Links {
    pub(in crate::server) const fn new(at: SocketAddr, sessions: Arc<Sessions>) -> Self {
        Self { at, sessions }
    }

    /// Where the console listens.
    pub const fn at(&self) -> SocketAddr {
        self.at
    }

    pub(super) fn sessions(&self) -> Arc<Sessions> {
        Arc::clone(&self.sessions)
    }

    /// A new link.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn make(&self) -> Result<Link, CloudError> {
        let (secret, expires) = self.sessions.link()?;
        Ok(Link { url: format!("http://{}/login#link={LINK_PREFIX}{secret}", self.at), expires })
    }
}

/// What is kept of links and sessions: never a secret.
pub(in crate::server) struct Sessions {
    context: Context,
    host: Arc<dyn Host>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    links: VecDeque<Waiting>,
    sessions: VecDeque<Open>,
    /// When tries failed.
    failed: VecDeque<Duration>,
    challenges: Challenges,
}

struct Waiting {
    digest: Digest,
    /// By the monotonic clock: a clock that is set back must not prolong it.
    until: Duration,
}

/// What whoever opened a session is told, once.
struct Opened {
    /// For the cookie.
    secret: String,
    /// For the page, which adds passkeys with it; none where the session adds none.
    adds: Option<String>,
    expires: Timestamp,
}

struct Open {
    digest: Digest,
    /// See [`Opened::adds`].
    adds: Option<Digest>,
    until: Duration,
    expires: Timestamp,
    who: Who,
    /// What a passkey must be made for that this session adds; a newer one takes its place.
    adding: Option<Adding>,
    gone: watch::Sender<()>,
}

/// A passkey that is being added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Adding {
    pub(super) challenge: [u8; 32],
    pub(super) user: [u8; USER_BYTES],
    pub(super) name: String,
    until: Duration,
}

impl Sessions {
    pub(in crate::server) fn new(context: Context, host: Arc<dyn Host>) -> Self {
        Self { context, host, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.host.monotonic();
        kept.links.retain(|link| link.until > now);
        kept.sessions.retain(|session| session.until > now);
        kept.failed.retain(|at| now.saturating_sub(*at) < FAILED_WINDOW);
        kept
    }

    fn secret(&self) -> Result<String, CloudError> {
        Ok(text::base64url(&random::<32>(&*self.host)?))
    }

    /// A secret has 256 random bits, so one plain hash is enough: there is nothing to guess.
    fn digest(&self, kind: &str, secret: &str) -> Digest {
        context_digest(&self.context, Purpose::Console, &[kind.as_bytes(), &[0], secret.as_bytes()])
    }

    fn link(&self) -> Result<(String, Timestamp), CloudError> {
        let secret = self.secret()?;
        let digest = self.digest("link", &secret);
        let until = self.host.monotonic() + LINK_LIFE;
        let mut kept = self.kept();
        if kept.links.len() >= LINKS_MAX {
            kept.links.pop_front();
        }
        kept.links.push_back(Waiting { digest, until });
        Ok((secret, self.host.now().after(LINK_LIFE)))
    }

    /// Uses a link up. A good one is taken whatever others tried: it cannot be guessed, so tries of others are no
    /// reason to keep its owner out.
    fn spend(&self, link: &str) -> Result<(), CloudError> {
        let secret = link.strip_prefix(LINK_PREFIX).unwrap_or_default();
        let digest = self.digest("link", secret);
        let mut kept = self.kept();
        let found = kept.links.iter().position(|link| equal(link.digest.as_bytes(), digest.as_bytes()));
        if found.and_then(|at| kept.links.remove(at)).is_some() {
            return Ok(());
        }
        drop(kept);
        Err(self.failed("the link was used, is too old, or was never made; `glacis console` makes a new one"))
    }

    /// Refuses while too many tries have failed of late.
    fn may_try(&self) -> Result<(), CloudError> {
        if self.kept().failed.len() < FAILED_MAX { Ok(()) } else { Err(too_many()) }
    }

    /// Counts a try that failed, and says so.
    fn failed(&self, why: &str) -> CloudError {
        let mut kept = self.kept();
        if kept.failed.len() >= FAILED_MAX {
            return too_many();
        }
        kept.failed.push_back(self.host.monotonic());
        CloudError::new(CloudErrorKind::SignedOut, why)
    }

    /// Counts a try as failed before it is made, so that many at once are no more than the limit;
    /// [`succeeded`](Self::succeeded) takes it back.
    pub(super) fn begin_try(&self) -> Result<(), CloudError> {
        let mut kept = self.kept();
        if kept.failed.len() >= FAILED_MAX {
            return Err(too_many());
        }
        kept.failed.push_back(self.host.monotonic());
        Ok(())
    }

    /// The try that was begun did not fail.
    pub(super) fn succeeded(&self) {
        self.kept().failed.pop_back();
    }

    /// A challenge for a log-in by passkey.
    pub(super) fn challenge(&self) -> Result<String, CloudError> {
        self.kept().challenges.issue(&self.context, &*self.host)
    }

    /// Uses a challenge of [`challenge`](Self::challenge) up.
    pub(super) fn take_challenge(&self, challenge: &str) -> Result<Vec<u8>, CloudError> {
        self.kept().challenges.take(&self.context, self.host.monotonic(), challenge)
    }

    /// Whether this is [`Opened::adds`] of the session.
    pub(super) fn is_of_page(&self, session: &SignedIn, adds: &str) -> bool {
        let digest = self.digest("adds", adds);
        session.adds.is_some_and(|kept| equal(kept.as_bytes(), digest.as_bytes()))
    }

    /// What a passkey must be made for that this session adds.
    pub(super) fn begin_adding(&self, session: &SignedIn, name: String) -> Result<Adding, CloudError> {
        let (challenge, user) = (random(&*self.host)?, random(&*self.host)?);
        let adding = Adding { challenge, user, name, until: self.host.monotonic() + ADDING_LIFE };
        let mut kept = self.kept();
        let open = kept.sessions.iter_mut().find(|open| open.digest == session.digest);
        open.ok_or_else(signed_out)?.adding = Some(adding.clone());
        Ok(adding)
    }

    /// Takes what [`begin_adding`](Self::begin_adding) gave this session last, once.
    pub(super) fn take_adding(&self, session: &SignedIn) -> Option<Adding> {
        let mut kept = self.kept();
        let open = kept.sessions.iter_mut().find(|open| open.digest == session.digest)?;
        open.adding.take().filter(|adding| adding.until > self.host.monotonic())
    }

    /// Opens a session.
    fn open(&self, who: Who) -> Result<Opened, CloudError> {
        let secret = self.secret()?;
        let adds = match who {
            Who::Local | Who::Token { .. } => Some(self.secret()?),
            Who::Passkey { .. } => None,
        };
        let kept_adds = adds.as_deref().map(|adds| self.digest("adds", adds));
        let digest = self.digest("session", &secret);
        let (until, expires) = (self.host.monotonic() + SESSION_LIFE, self.host.now().after(SESSION_LIFE));
        let mut kept = self.kept();
        if kept.sessions.len() >= SESSIONS_MAX {
            kept.sessions.pop_front();
        }
        let (gone, _) = watch::channel(());
        kept.sessions.push_back(Open { digest, adds: kept_adds, until, expires, who, adding: None, gone });
        Ok(Opened { secret, adds, expires })
    }

    /// The session of a request, if it has one that is good.
    pub(super) fn of(&self, console: &Console, headers: &HeaderMap) -> Option<SignedIn> {
        let name = cookie_name(console.0.at);
        let kept = self.kept();
        secrets(headers, &name).find_map(|secret| {
            let digest = self.digest("session", secret);
            let open = kept.sessions.iter().find(|open| equal(open.digest.as_bytes(), digest.as_bytes()))?;
            let gone = open.gone.subscribe();
            let is_fresh = open.until > self.host.monotonic() + (SESSION_LIFE - ADDS_FOR);
            let (who, expires, adds) = (open.who.clone(), open.expires, open.adds);
            Some(SignedIn { who, expires, is_fresh, gone, digest, adds })
        })
    }

    fn end(&self, session: &SignedIn) {
        self.kept().sessions.retain(|open| open.digest != session.digest);
    }

    /// Ends every session of a token or passkey.
    pub(super) fn end_all_of(&self, who: &Who) {
        self.kept().sessions.retain(|open| open.who != *who);
    }

    /// Ends every session of the passkey of this number.
    pub(super) fn end_passkey(&self, passkey: u64) {
        self.kept().sessions.retain(|open| !matches!(open.who, Who::Passkey { id, .. } if id == passkey));
    }
}

pub(super) fn too_many() -> CloudError {
    let detail = "too many tries failed; a fresh link from `glacis console` works at once";
    CloudError::new(CloudErrorKind::TooManyTries, detail)
}

fn cookie_name(at: SocketAddr) -> String {
    format!("{COOKIE}{}", at.port())
}

/// Values of the cookie of this name.
fn secrets<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(key, _)| *key == name).map(|(_, value)| value).take(COOKIES_MAX)
}

/// How somebody signs in: one of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    link: Option<String>,
    token: Option<String>,
    passkey: Option<ByPasskey>,
}

/// Who is signed in.
#[derive(Serialize)]
struct Session<'a> {
    actor: &'a str,
    scopes: [&'static str; 1],
    expires_ms: u64,
}

impl<'a> Session<'a> {
    fn of(who: &'a Who, expires: Timestamp) -> Self {
        Self { actor: who.name(), scopes: [Scope::Read.name()], expires_ms: expires.as_ms() }
    }
}

/// Who has signed in, with what no later answer shows.
#[derive(Serialize)]
struct NewSession<'a> {
    #[serde(flatten)]
    session: Session<'a>,
    adds: Option<&'a str>,
}

/// `POST /console/v1/session`
pub(super) async fn sign_in(
    State(console): State<Console>,
    headers: HeaderMap,
    _: NoQuery,
    body: Body,
) -> Result<Response, CloudError> {
    let body: SignIn = json_of(&headers, body).await?;
    let sessions = &console.0.sessions;
    let who = match (body.link, body.token, body.passkey) {
        (Some(link), None, None) => {
            sessions.spend(&link)?;
            console.note_sign_in(Who::Local, "by a link".to_owned()).await?
        }
        (None, Some(token), None) => {
            sessions.may_try()?;
            let who = console.bearer(token).await?;
            let how = who.token().map_or(String::new(), |id| format!("by token {id}"));
            console.note_sign_in(who, how).await?
        }
        (None, None, Some(passkey)) => console.by_passkey(passkey).await?,
        _ => return Err(CloudError::invalid("the body has one of `link`, `token` and `passkey`")),
    };
    let opened = sessions.open(who.clone())?;
    let session = Session::of(&who, opened.expires);
    let mut response = Reply::created(&NewSession { session, adds: opened.adds.as_deref() })?.into_response();
    set_cookie(&mut response, console.0.at, &opened.secret, SESSION_LIFE);
    Ok(response)
}

impl Console {
    async fn note_sign_in(&self, who: Who, how: String) -> Result<Who, CloudError> {
        let actor = who.name().to_owned();
        let note = move |core: &mut CloudCore| core.note_operator(&actor, "console-sign-in", &how);
        self.0.shared.handle.call(note).await?;
        Ok(who)
    }

    async fn bearer(&self, token: String) -> Result<Who, CloudError> {
        let ask = move |core: &mut CloudCore| {
            let bearer = core.authorise(&token)?;
            bearer.require(Scope::Read)?;
            Ok(Who::Token { id: bearer.id(), name: bearer.name().to_owned() })
        };
        self.0.shared.handle.call(ask).await.map_err(|error| match error.kind() {
            CloudErrorKind::Unauthorised => self.0.sessions.failed("the token is not good"),
            CloudErrorKind::Forbidden => self.0.sessions.failed("the token does not carry the scope `read`"),
            _ => error,
        })
    }
}

/// `GET /console/v1/session`
pub(super) async fn current(
    State(console): State<Console>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Reply, CloudError> {
    let signed_in = console.0.sessions.of(&console, &headers).ok_or_else(signed_out)?;
    console.call(&signed_in.who, |_core| Ok(())).await?;
    Reply::ok(&Session::of(&signed_in.who, signed_in.expires))
}

/// `DELETE /console/v1/session`
pub(super) async fn sign_out(
    State(console): State<Console>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Response, CloudError> {
    let signed_in = console.0.sessions.of(&console, &headers).ok_or_else(signed_out)?;
    // First: whatever becomes of the note, the session is over.
    console.0.sessions.end(&signed_in);
    let actor = signed_in.who.name().to_owned();
    let note = move |core: &mut CloudCore| core.note_operator(&actor, "console-sign-out", "");
    console.0.shared.handle.call(note).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, console.0.at, "", Duration::ZERO);
    Ok(response)
}

fn set_cookie(response: &mut Response, at: SocketAddr, secret: &str, life: Duration) {
    let cookie = format!(
        "{}={secret}; HttpOnly; SameSite=Strict; Path=/console; Max-Age={}",
        cookie_name(at),
        life.as_secs()
    );
    // A secret in base64url is a value of a field.
    if let Ok(mut value) = HeaderValue::from_str(&cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// What [`links_router`] answers.
#[derive(Serialize)]
struct MadeLink<'a> {
    link: &'a str,
    expires_ms: u64,
}

/// `POST /admin/v1/console/links`, for a socket that only the operator can open.
pub(in crate::server) fn links_router(links: Option<Links>) -> axum::Router {
    let make = move |_: NoQuery| {
        let links = links.clone();
        async move {
            let none = "there is no console here: name an address with `console_at` under [cloud]";
            let link = links.ok_or_else(|| CloudError::not_found(none))?.make()?;
            Reply::created(&MadeLink { link: link.url(), expires_ms: link.expires().as_ms() })
        }
    };
    axum::Router::new().route("/admin/v1/console/links", axum::routing::post(make))
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_host::SeededHost;
    use glacis_wire::{Realm, TenantId};

    fn sessions(tenant: &str) -> (Arc<SeededHost>, Sessions) {
        let host = Arc::new(SeededHost::new(7, Timestamp::from_secs(1_800_000_000)));
        let context = Context::new(TenantId::parse(tenant).unwrap(), Realm::Demo);
        (host.clone(), Sessions::new(context, host))
    }

    #[test]
    fn a_link_works_once_and_not_for_long() {
        let (host, sessions) = sessions("acme");
        let (secret, _) = sessions.link().unwrap();
        let link = format!("{LINK_PREFIX}{secret}");
        sessions.spend(&link).unwrap();
        assert_eq!(sessions.spend(&link).unwrap_err().kind(), CloudErrorKind::SignedOut, "replayed");
        let (secret, _) = sessions.link().unwrap();
        host.advance(LINK_LIFE);
        assert!(sessions.spend(&format!("{LINK_PREFIX}{secret}")).is_err(), "expired");
    }

    #[test]
    fn only_so_many_links_and_sessions_are_kept_and_the_oldest_go() {
        let (_, sessions) = sessions("acme");
        let links: Vec<String> = (0..=LINKS_MAX).map(|_| sessions.link().unwrap().0).collect();
        assert!(sessions.spend(&format!("{LINK_PREFIX}{}", links[0])).is_err());
        sessions.spend(&format!("{LINK_PREFIX}{}", links[1])).unwrap();
        (0..=SESSIONS_MAX).for_each(|_| drop(sessions.open(Who::Local).unwrap()));
        assert_eq!(sessions.kept().sessions.len(), SESSIONS_MAX);
    }

    #[test]
    fn guesses_are_limited_and_keep_the_owner_of_a_link_out_in_no_case() {
        let (host, sessions) = sessions("acme");
        let (secret, _) = sessions.link().unwrap();
        let kinds: Vec<CloudErrorKind> =
            (0..7).map(|_| sessions.spend("glacis_link_guess").unwrap_err().kind()).collect();
        assert_eq!(kinds[4..6], [CloudErrorKind::SignedOut, CloudErrorKind::TooManyTries]);
        assert!(sessions.may_try().is_err());
        sessions.spend(&format!("{LINK_PREFIX}{secret}")).unwrap();
        host.advance(FAILED_WINDOW);
        assert!(sessions.may_try().is_ok());
    }

    #[test]
    fn tries_at_once_are_no_more_than_tries_one_by_one() {
        let (_, sessions) = sessions("acme");
        (0..FAILED_MAX).for_each(|_| sessions.begin_try().unwrap());
        assert_eq!(sessions.begin_try().unwrap_err().kind(), CloudErrorKind::TooManyTries);
        sessions.succeeded();
        sessions.begin_try().unwrap();
        assert!(sessions.may_try().is_err(), "tokens and passkeys have one limit");
    }

    #[test]
    fn a_secret_of_another_tenant_means_nothing_here() {
        let ((_, ours), (_, theirs)) = (sessions("acme"), sessions("other"));
        assert_ne!(ours.digest("session", "same"), theirs.digest("session", "same"));
        let kinds = ["session", "link", "adds"].map(|kind| ours.digest(kind, "same"));
        assert!(kinds[0] != kinds[1] && kinds[1] != kinds[2] && kinds[2] != kinds[0]);
    }

    #[test]
    fn what_adds_passkeys_is_of_one_session_and_none_of_a_passkey() {
        let (_, sessions) = sessions("acme");
        let by_passkey = Who::Passkey { id: 1, name: "passkey 1: a".to_owned(), token: None };
        let opened = [Who::Local, Who::Local, by_passkey].map(|who| sessions.open(who).unwrap());
        let kept: Vec<SignedIn> = {
            let kept = sessions.kept();
            let signed_in = |open: &Open| SignedIn {
                who: open.who.clone(),
                expires: open.expires,
                is_fresh: true,
                gone: open.gone.subscribe(),
                digest: open.digest,
                adds: open.adds,
            };
            kept.sessions.iter().map(signed_in).collect()
        };
        let adds = opened[0].adds.as_deref().unwrap();
        assert!(sessions.is_of_page(&kept[0], adds));
        assert!(!sessions.is_of_page(&kept[1], adds), "of another session");
        assert!(!sessions.is_of_page(&kept[0], &opened[0].secret), "the cookie");
        assert!(opened[2].adds.is_none() && !sessions.is_of_page(&kept[2], adds));
        assert!(!format!("{kept:?}").contains(adds));
    }

    #[test]
    fn nothing_that_is_printed_holds_a_secret() {
        let (_, sessions) = sessions("acme");
        let links = Links::new("127.0.0.1:7405".parse().unwrap(), Arc::new(sessions));
        let link = links.make().unwrap();
        let secret = link.url().split_once(LINK_PREFIX).unwrap().1.to_owned();
        assert!(link.url().starts_with("http://127.0.0.1:7405/login#link=glacis_link_"));
        assert!(!format!("{link:?} {links:?}").contains(&secret));
    }

    #[test]
    fn cookies_of_others_are_passed_over() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; glacis_console_80=no; glacis_console_81=yes"),
        );
        headers.append(header::COOKIE, HeaderValue::from_static("glacis_console_81=second"));
        assert_eq!(secrets(&headers, "glacis_console_81").collect::<Vec<_>>(), ["yes", "second"]);
    }
}
