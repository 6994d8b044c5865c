//! The admin API: JSON for operators, under bearer tokens with scopes.
//!
//! Every operation names its scope; checking the token and doing the thing are one job of the writer, so a revoked
//! token is void at once. Errors are problems with a detail for the operator. Listens on loopback by default.
//! The document at `/v1/openapi.json` says everything else: it is made from the table of operations.
//!
//! The same routes with an operator who is signed in already ([`Server::local_router`](super::Server::local_router))
//! are for a socket that only that operator can open: whoever may open the installation's own file needs no token.

mod collateral;
mod operate;
mod partners;
mod passkeys;

use super::Shared;
use super::rest::{
    Named, NoQuery, Reply, Rows, Token, body_of, expected, json_of, parse_reference, parse_thumbprint, whole,
    whole_or_none,
};
use super::spec::{Operation, Routes, number, text};
use super::view;
use crate::admin::{Bearer, ListChange, Scope, TOKEN_LIFE_MAX};
use crate::audit::{Head, VERIFY_STEP};
use crate::core::CloudCore;
use crate::error::CloudError;
use crate::policy::{PUBLISH_BYTES_MAX, Proofs, Publish};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::routing::{delete, get, post};
use glacis_wire::http::MEDIA_TYPE;
use glacis_wire::{Decode as _, Timestamp};
use http::HeaderMap;
use http::request::Parts;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa::openapi::path::HttpMethod;

/// Versions of policies in one answer.
const VERSIONS_MAX: u32 = 100;
/// Group of these operations in the document.
const TAG: &str = "admin";
/// Path of a list.
const LIST: &str = "/admin/v1/lists/{list}";
/// Path of a change of a list that is checked and not made.
const LIST_CHECK: &str = "/admin/v1/lists/{list}/check";
/// Form of names that things are counted by.
const CODE: &str = "^[a-z0-9._-]{1,64}$";
/// Form of a thumbprint.
const THUMBPRINT: &str = "^[0-9a-fA-F]{64}$";
/// Form of a reference: Crockford base 32, either case.
pub(super) const REFERENCE: &str = "^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{12}$";

/// What the handlers of one surface share.
#[derive(Clone)]
pub(super) struct Surface {
    shared: Arc<Shared>,
    signed_in: SignedIn,
}

/// Who may ask on a surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignedIn {
    /// Whoever brings a token.
    Nobody,
    /// The operator who can open the socket.
    Local,
}

type App = State<Surface>;
type Answer = Result<Reply, CloudError>;

/// For a listener that anybody on this machine can reach.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    operations().router(Surface { shared, signed_in: SignedIn::Nobody })
}

/// For a socket that only the operator can open: every scope, no token.
pub(super) fn local_router(shared: Arc<Shared>) -> Router {
    operations().router(Surface { shared, signed_in: SignedIn::Local })
}

/// Every operation with its handler.
pub(super) fn operations() -> Routes<Surface> {
    let routes = about_decisions(about_devices(about_lists(about_tokens(Routes::new()))));
    operate::operations(collateral::operations(partners::operations(passkeys::operations(routes))))
        .on(
            read("/admin/v1/status", "status", "How much there is, and what is in force")
                .gives::<view::Status>(200, "The numbers."),
            get(status),
        )
        .on(
            read("/admin/v1/policies", "policies", "Policies in force and the versions before")
                .gives_versioned::<view::Policies>(200, "The policies."),
            get(policies),
        )
        .on(
            change("/admin/v1/policies", "publish", "Publish policies", Scope::Policies)
                .takes_bytes(MEDIA_TYPE)
                .conditional()
                .gives_versioned::<view::Published>(201, "Taken into force.")
                .problems([409]),
            post(publish),
        )
        .on(
            read("/admin/v1/audit", "audit", "The end of the audit chain")
                .limit()
                .gives::<view::Audit>(200, "Head and newest entries."),
            get(audit),
        )
        .on(
            change("/admin/v1/audit/verify", "verifyAudit", "Check the whole audit chain", Scope::Read)
                .gives::<view::Verified>(200, "What was found."),
            post(verify_audit),
        )
}

fn about_tokens(routes: Routes<Surface>) -> Routes<Surface> {
    let bootstrap_operation = Operation::new(
        HttpMethod::Post,
        "/admin/v1/bootstrap",
        TAG,
        "bootstrap",
        "Trade the bootstrap token for the first token",
    );
    routes
        .on(
            bootstrap_operation
                .takes::<BootstrapBody>()
                .gives::<view::NewToken>(201, "A token with every scope.")
                .problems([401, 403]),
            post(bootstrap),
        )
        .on(
            Operation::new(HttpMethod::Get, "/admin/v1/tokens", TAG, "tokens", "Tokens, newest first")
                .scope(Scope::Tokens)
                .pages()
                .gives::<view::Tokens>(200, "A page."),
            get(tokens),
        )
        .on(
            change("/admin/v1/tokens", "createToken", "Make a token", Scope::Tokens)
                .takes::<TokenBody>()
                .gives::<view::NewToken>(201, "The token, shown this once."),
            post(create_token),
        )
        .on(
            Operation::new(HttpMethod::Delete, "/admin/v1/tokens/{id}", TAG, "revokeToken", "Revoke a token")
                .scope(Scope::Tokens)
                .part("id", number().minimum(Some(1)).maximum(Some(i64::MAX)), "Its number.")
                .gives::<view::Revoked>(200, "It is void at once."),
            delete(revoke_token),
        )
}

fn about_lists(routes: Routes<Surface>) -> Routes<Surface> {
    routes
        .on(
            read("/admin/v1/lists", "lists", "Lists and their versions")
                .gives::<view::Lists>(200, "All lists."),
            get(lists),
        )
        .on(
            read(LIST, "list", "Items of a list, sorted")
                .part("list", text(CODE), "Its name.")
                .pages()
                .gives_versioned::<view::List>(200, "A page."),
            get(list),
        )
        .on(
            change(LIST, "changeList", "Put an item in or take it out", Scope::Lists)
                .part("list", text(CODE), "Its name.")
                .conditional()
                .takes::<ListBody>()
                .gives_versioned::<view::ListVersion>(200, "The new version.")
                .problems([409]),
            post(change_list),
        )
}

fn about_devices(routes: Routes<Surface>) -> Routes<Surface> {
    routes
        .on(
            read("/admin/v1/devices", "devices", "Devices, newest first")
                .pages()
                .gives::<view::Devices>(200, "A page."),
            get(devices),
        )
        .on(
            read("/admin/v1/devices/{thumbprint}", "device", "One device")
                .part("thumbprint", text(THUMBPRINT), "Digest of its key.")
                .gives::<view::Device>(200, "The device with its history."),
            get(device),
        )
        .on(
            change(
                "/admin/v1/devices/{thumbprint}/refuse",
                "refuseDevice",
                "Refuse a device",
                Scope::Devices,
            )
            .part("thumbprint", text(THUMBPRINT), "Digest of its key.")
            .takes::<RefuseBody>()
            .gives::<view::Device>(200, "The device as it is now."),
            post(refuse_device),
        )
}

fn about_decisions(routes: Routes<Surface>) -> Routes<Surface> {
    routes
        .on(
            read("/admin/v1/records/{reference}", "record", "A decision with all that was read for it")
                .part("reference", text(REFERENCE), "What the client was given.")
                .gives::<view::Record>(200, "The decision."),
            get(record),
        )
        .on(
            change(
                "/admin/v1/records/{reference}/feedback",
                "recordFeedback",
                "Say what came of an event",
                Scope::Feedback,
            )
            .part("reference", text(REFERENCE), "What the client was given.")
            .takes::<FeedbackBody>()
            .gives::<view::Referred>(201, "Taken."),
            post(feedback),
        )
        .on(
            read("/admin/v1/events", "events", "The event log, oldest first; its end by default")
                .pages()
                .query("from", number().minimum(Some(0)), "First sequence number.")
                .gives::<view::Events>(200, "A page."),
            get(events),
        )
        .on(
            read("/admin/v1/incidents", "incidents", "Conflicts, reuses and forks, newest first")
                .pages()
                .gives::<view::Incidents>(200, "A page."),
            get(incidents),
        )
}

fn read(path: &'static str, id: &str, summary: &str) -> Operation {
    Operation::new(HttpMethod::Get, path, TAG, id, summary).scope(Scope::Read)
}

fn change(path: &'static str, id: &str, summary: &str, scope: Scope) -> Operation {
    Operation::new(HttpMethod::Post, path, TAG, id, summary).scope(scope)
}

/// Trades the bootstrap token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BootstrapBody {
    /// What the first start showed.
    token: String,
    /// Name of the new token.
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: String,
    /// Its life in seconds.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 31_622_400)]
    life_s: u64,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    name: String,
    /// Only scopes that the token at hand has.
    #[schema(min_items = 1, max_items = 16)]
    scopes: Vec<ScopeName>,
    /// Its life in seconds.
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 31_622_400)]
    life_s: u64,
}

/// What a token allows.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ScopeName {
    Read,
    Lists,
    Feedback,
    Policies,
    Devices,
    Tokens,
    Decide,
    Passkeys,
}

/// A change of a list.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ListBody {
    /// At most 4,096 bytes of UTF-8.
    #[schema(min_length = 1, max_length = 4_096)]
    item: String,
    /// Whether it shall be in the list.
    present: bool,
    /// From when on; now where it is not said, never earlier. Milliseconds since the epoch.
    #[serde(default, deserialize_with = "whole_or_none")]
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    effective_ms: Option<u64>,
}

impl ListBody {
    fn change<'a>(&'a self, list: &'a str, by: &'a Bearer) -> ListChange<'a> {
        let effective = self.effective_ms.map(Timestamp::from_ms);
        ListChange { list, item: &self.item, present: self.present, effective, by: by.name() }
    }
}

/// What came of a decided event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackBody {
    /// A code of yours, such as `fraud`.
    #[schema(pattern = "^[a-z0-9._-]{1,64}$")]
    pub(super) outcome: String,
}

/// Why a device is refused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefuseBody {
    #[schema(min_length = 1, max_length = 64, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    reason: String,
}

// The document states it as a number.
const _: () = assert!(TOKEN_LIFE_MAX.as_secs() == 31_622_400);

impl ScopeName {
    const fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Lists => Scope::Lists,
            Self::Feedback => Scope::Feedback,
            Self::Policies => Scope::Policies,
            Self::Devices => Scope::Devices,
            Self::Tokens => Scope::Tokens,
            Self::Decide => Scope::Decide,
            Self::Passkeys => Scope::Passkeys,
        }
    }
}

async fn bootstrap(State(app): App, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    let body: BootstrapBody = json_of(&headers, body).await?;
    let life = Duration::from_secs(body.life_s);
    let token = app.shared.handle.call(move |core| core.bootstrap(&body.token, &body.name, life)).await?;
    Reply::created(&view::NewToken { token: token.expose().to_owned() })
}

async fn tokens(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let ask = rows.page()?;
    let page = scoped(&app, &caller, Scope::Tokens, move |core, _by| core.tokens_page(&ask)).await?;
    Reply::ok(&view::Tokens::of(page))
}

async fn create_token(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    let body: TokenBody = json_of(&headers, body).await?;
    let scopes: Vec<Scope> = body.scopes.iter().map(|name| name.scope()).collect();
    let life = Duration::from_secs(body.life_s);
    let make = move |core: &mut CloudCore, by: &Bearer| {
        scopes.iter().try_for_each(|scope| by.require(*scope))?;
        core.create_token(&body.name, &scopes, life)
    };
    let token = scoped(&app, &caller, Scope::Tokens, make).await?;
    Reply::created(&view::NewToken { token: token.expose().to_owned() })
}

async fn revoke_token(State(app): App, caller: Caller, Named(id): Named, _: NoQuery) -> Answer {
    let id: u64 = id.parse().map_err(|_| CloudError::not_found("token"))?;
    scoped(&app, &caller, Scope::Tokens, move |core, _by| core.revoke_token(id)).await?;
    Reply::ok(&view::Revoked { revoked: id })
}

async fn lists(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    let lists = scoped(&app, &caller, Scope::Read, |core, _by| core.lists()).await?;
    Reply::ok(&view::Lists::of(lists))
}

async fn list(State(app): App, caller: Caller, Named(list): Named, rows: Rows) -> Answer {
    let ask = rows.page()?;
    let read = move |core: &mut CloudCore, _by: &Bearer| {
        let (version, page) = core.items_page(&list, &ask)?;
        Ok((view::List::of(list, version, page), version))
    };
    let (list, version) = scoped(&app, &caller, Scope::Read, read).await?;
    Ok(Reply::ok(&list)?.at_version(version))
}

async fn change_list(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    Named(list): Named,
    _: NoQuery,
    body: Body,
) -> Answer {
    let expected = expected(&headers)?;
    let body: ListBody = json_of(&headers, body).await?;
    let change = move |core: &mut CloudCore, by: &Bearer| {
        let version = core.change_list_if(&body.change(&list, by), &expected)?;
        Ok(view::ListVersion { list, version })
    };
    let changed = scoped(&app, &caller, Scope::Lists, change).await?;
    Ok(Reply::ok(&changed)?.at_version(changed.version))
}

async fn record(State(app): App, caller: Caller, Named(reference): Named, _: NoQuery) -> Answer {
    let reference = parse_reference(&reference)?;
    let read = move |core: &mut CloudCore, _by: &Bearer| {
        Ok(view::Record::of(&core.decision(&reference)?, core.feedback_on(&reference)?))
    };
    Reply::ok(&scoped(&app, &caller, Scope::Read, read).await?)
}

async fn feedback(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    Named(reference): Named,
    _: NoQuery,
    body: Body,
) -> Answer {
    let reference = parse_reference(&reference)?;
    let body: FeedbackBody = json_of(&headers, body).await?;
    let take = move |core: &mut CloudCore, by: &Bearer| core.feedback(&reference, &body.outcome, by.name());
    scoped(&app, &caller, Scope::Feedback, take).await?;
    Reply::created(&view::Referred { reference: reference.text() })
}

async fn events(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let Rows { ask, from } = rows;
    let read = move |core: &mut CloudCore, _by: &Bearer| {
        let end = core.newest_event()?.saturating_sub(u64::from(ask.limit)).saturating_add(1);
        let begin = if ask.cursor.is_some() { 0 } else { end };
        core.events_page(&ask, from.unwrap_or(begin))
    };
    Reply::ok(&view::Events::of(scoped(&app, &caller, Scope::Read, read).await?))
}

async fn incidents(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let ask = rows.page()?;
    let page = scoped(&app, &caller, Scope::Read, move |core, _by| core.incidents_page(&ask)).await?;
    Reply::ok(&view::Incidents::of(page))
}

async fn status(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    let read =
        |core: &mut CloudCore, _by: &Bearer| Ok(view::Status::of(&core.counts()?, &core.live_policies()?));
    Reply::ok(&scoped(&app, &caller, Scope::Read, read).await?)
}

async fn devices(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let ask = rows.page()?;
    let page = scoped(&app, &caller, Scope::Read, move |core, _by| core.devices_page(&ask)).await?;
    Reply::ok(&view::Devices::of(page))
}

async fn device(State(app): App, caller: Caller, Named(thumbprint): Named, _: NoQuery) -> Answer {
    let device = parse_thumbprint(&thumbprint)?;
    let found = scoped(&app, &caller, Scope::Read, move |core, _by| core.device(&device)).await?;
    Reply::ok(&view::Device::of(found))
}

async fn refuse_device(
    State(app): App,
    caller: Caller,
    headers: HeaderMap,
    Named(thumbprint): Named,
    _: NoQuery,
    body: Body,
) -> Answer {
    let device = parse_thumbprint(&thumbprint)?;
    let body: RefuseBody = json_of(&headers, body).await?;
    let refuse = move |core: &mut CloudCore, _by: &Bearer| {
        core.refuse_device(&device, &body.reason)?;
        core.device(&device)
    };
    Reply::ok(&view::Device::of(scoped(&app, &caller, Scope::Devices, refuse).await?))
}

async fn policies(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    let read =
        |core: &mut CloudCore, _by: &Bearer| Ok((core.live_policies()?, core.policy_versions(VERSIONS_MAX)?));
    let (live, versions) = scoped(&app, &caller, Scope::Read, read).await?;
    let version = live.version;
    Ok(Reply::ok(&view::Policies::of(live, &versions))?.at_version(version))
}

async fn publish(State(app): App, caller: Caller, headers: HeaderMap, _: NoQuery, body: Body) -> Answer {
    // Look at the token before reading what may be fifty megabytes.
    scoped(&app, &caller, Scope::Policies, |_core, _by| Ok(())).await?;
    let expected = expected(&headers)?;
    let bytes = body_of(&headers, body, MEDIA_TYPE, PUBLISH_BYTES_MAX).await?;
    let publish = Publish::from_bytes(&bytes)
        .map_err(|error| CloudError::invalid(format!("the body is no publish: {error}")))?;
    let (publish, proofs) = proven(publish).await?;
    let take = move |core: &mut CloudCore, _by: &Bearer| core.publish_if(&publish, &expected, proofs);
    let version = scoped(&app, &caller, Scope::Policies, take).await?;
    Ok(Reply::created(&view::Published { version })?.at_version(version))
}

/// Proves a publish away from the thread that decides.
async fn proven(publish: Publish) -> Result<(Publish, Proofs), CloudError> {
    let work = move || Proofs::of(&publish).map(|proofs| (publish, proofs));
    tokio::task::spawn_blocking(work).await.map_err(|error| CloudError::corrupt(error.to_string()))?
}

async fn audit(State(app): App, caller: Caller, rows: Rows) -> Answer {
    let limit = rows.newest()?;
    let read = move |core: &mut CloudCore, _by: &Bearer| {
        Ok(view::Audit::of(&core.audit_head()?, &core.audit_tail(limit)?))
    };
    Reply::ok(&scoped(&app, &caller, Scope::Read, read).await?)
}

/// In steps, between which other calls get their turn.
async fn verify_audit(State(app): App, caller: Caller, _: NoQuery) -> Answer {
    scoped(&app, &caller, Scope::Read, |_core, _by| Ok(())).await?;
    let mut head = Head::default();
    loop {
        let report = app.shared.handle.call(move |core| core.verify_audit(head, VERIFY_STEP)).await?;
        if report.complete {
            return Reply::ok(&view::Verified::of(&report));
        }
        head = report.head;
    }
}

/// Who asks, before anything of it is believed.
#[derive(Clone)]
enum Caller {
    Token(String),
    Local,
}

impl FromRequestParts<Surface> for Caller {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, app: &Surface) -> Result<Self, CloudError> {
        match app.signed_in {
            SignedIn::Local => Ok(Self::Local),
            SignedIn::Nobody => {
                Token::from_request_parts(parts, app).await.map(|Token(token)| Self::Token(token))
            }
        }
    }
}

/// Runs `run` with the bearer of the token or the operator who is signed in, if `scope` is among what they may.
async fn scoped<T: Send + 'static>(
    app: &Surface,
    caller: &Caller,
    scope: Scope,
    run: impl FnOnce(&mut CloudCore, &Bearer) -> Result<T, CloudError> + Send + 'static,
) -> Result<T, CloudError> {
    let caller = caller.clone();
    app.shared
        .handle
        .call(move |core| {
            let bearer = match caller {
                Caller::Token(token) => core.authorise(&token)?,
                Caller::Local => Bearer::local(),
            };
            bearer.require(scope)?;
            run(core, &bearer)
        })
        .await
}
