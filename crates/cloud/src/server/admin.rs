//! The admin API: JSON for operators, under bearer tokens with scopes.
//!
//! Every route names its scope; checking the token and doing the thing are one job of the writer, so a revoked
//! token is void at once. Errors are problems with a detail for the operator. Listens on loopback by default.
//!
//! | route | scope |
//! |---|---|
//! | `POST /admin/v1/bootstrap` | the bootstrap token itself |
//! | `GET, POST /admin/v1/tokens`, `DELETE /admin/v1/tokens/{id}` | tokens |
//! | `GET /admin/v1/lists`, `GET /admin/v1/lists/{list}` | read |
//! | `POST /admin/v1/lists/{list}` | lists |
//! | `GET /admin/v1/records/{reference}` | read |
//! | `POST /admin/v1/records/{reference}/feedback` | feedback |
//! | `GET /admin/v1/events?from=N&limit=N`, `/incidents`, `/status` | read |
//! | `GET /admin/v1/devices`, `/devices/{thumbprint}` | read |
//! | `POST /admin/v1/devices/{thumbprint}/refuse` | devices |
//! | `GET /admin/v1/policies` | read |
//! | `POST /admin/v1/policies` ([`Publish`] in canonical encoding) | policies |
//! | `GET /admin/v1/audit`, `POST /admin/v1/audit/verify` | read |
//!
//! The same routes with an operator who is signed in already ([`Server::local_router`](super::Server::local_router))
//! are for a socket that only that operator can open: whoever may open the installation's own file needs no token.

mod view;

use super::Shared;
use super::problem::{answer, for_operator, too_large};
use crate::admin::{Bearer, ListChange, Scope};
use crate::audit::{Head, VERIFY_STEP};
use crate::core::CloudCore;
use crate::error::{CloudError, CloudErrorKind};
use crate::policy::{PUBLISH_BYTES_MAX, Publish};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{delete, get, post};
use glacis_wire::{Decode as _, Reference, Thumbprint, Timestamp};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Longest JSON body. Unit: bytes.
const JSON_BYTES_MAX: usize = 64 << 10;
/// Most rows in one answer.
const ROWS_MAX: u32 = 1_000;
/// Rows in an answer that does not say how many.
const ROWS_DEFAULT: u32 = 100;

/// What the handlers of one surface share.
#[derive(Clone)]
struct Surface {
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
type Answer = Result<Value, CloudError>;
type AskedRows = Result<Query<Rows>, QueryRejection>;

/// For a listener that anybody on this machine can reach.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    routes(Surface { shared, signed_in: SignedIn::Nobody })
}

/// For a socket that only the operator can open: every scope, no token.
pub(super) fn local_router(shared: Arc<Shared>) -> Router {
    routes(Surface { shared, signed_in: SignedIn::Local })
}

fn routes(surface: Surface) -> Router {
    Router::new()
        .route("/admin/v1/bootstrap", post(bootstrap))
        .route("/admin/v1/tokens", get(tokens).post(create_token))
        .route("/admin/v1/tokens/{id}", delete(revoke_token))
        .route("/admin/v1/lists", get(lists))
        .route("/admin/v1/lists/{list}", get(list).post(change_list))
        .route("/admin/v1/records/{reference}", get(record))
        .route("/admin/v1/records/{reference}/feedback", post(feedback))
        .route("/admin/v1/events", get(events))
        .route("/admin/v1/incidents", get(incidents))
        .route("/admin/v1/status", get(status))
        .route("/admin/v1/devices", get(devices))
        .route("/admin/v1/devices/{thumbprint}", get(device))
        .route("/admin/v1/devices/{thumbprint}/refuse", post(refuse_device))
        .route("/admin/v1/policies", get(policies).post(publish))
        .route("/admin/v1/audit", get(audit))
        .route("/admin/v1/audit/verify", post(verify_audit))
        .fallback(async || for_operator(&CloudError::not_found("endpoint")))
        .method_not_allowed_fallback(async || for_operator(&CloudError::not_found("method of this endpoint")))
        .with_state(surface)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BootstrapBody {
    token: String,
    name: String,
    life_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    name: String,
    scopes: Vec<String>,
    life_s: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListBody {
    item: String,
    present: bool,
    effective_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedbackBody {
    outcome: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefuseBody {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    from: Option<u64>,
    limit: Option<u32>,
}

impl Rows {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX)
    }
}

async fn bootstrap(State(app): App, body: Body) -> Response {
    respond(StatusCode::CREATED, async {
        let body: BootstrapBody = json_body(body).await?;
        let life = Duration::from_secs(body.life_s);
        let token = app.shared.handle.call(move |core| core.bootstrap(&body.token, &body.name, life)).await?;
        Ok(json!({ "token": token.expose() }))
    })
    .await
}

async fn tokens(State(app): App, headers: HeaderMap) -> Response {
    let run = |core: &mut CloudCore, _by: &Bearer| Ok(view::tokens(&core.tokens()?));
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Tokens, run)).await
}

async fn create_token(State(app): App, headers: HeaderMap, body: Body) -> Response {
    respond(StatusCode::CREATED, async {
        let body: TokenBody = json_body(body).await?;
        let scope = |name: &String| {
            Scope::parse(name).ok_or_else(|| CloudError::invalid(format!("there is no scope `{name}`")))
        };
        let scopes = body.scopes.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
        let life = Duration::from_secs(body.life_s);
        scoped(&app, &headers, Scope::Tokens, move |core, by| {
            scopes.iter().try_for_each(|scope| by.require(*scope))?;
            Ok(json!({ "token": core.create_token(&body.name, &scopes, life)?.expose() }))
        })
        .await
    })
    .await
}

async fn revoke_token(State(app): App, headers: HeaderMap, Path(id): Path<String>) -> Response {
    respond(StatusCode::OK, async {
        let id: u64 = id.parse().map_err(|_| CloudError::not_found("token"))?;
        scoped(&app, &headers, Scope::Tokens, move |core, _by| {
            core.revoke_token(id)?;
            Ok(json!({ "revoked": id }))
        })
        .await
    })
    .await
}

async fn lists(State(app): App, headers: HeaderMap) -> Response {
    let run = |core: &mut CloudCore, _by: &Bearer| Ok(view::lists(&core.lists()?));
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn list(State(app): App, headers: HeaderMap, Path(list): Path<String>) -> Response {
    let run = move |core: &mut CloudCore, _by: &Bearer| {
        let (version, items) = core.list(&list)?;
        Ok(view::list(&list, version, &items))
    };
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn change_list(State(app): App, headers: HeaderMap, Path(list): Path<String>, body: Body) -> Response {
    respond(StatusCode::OK, async {
        let body: ListBody = json_body(body).await?;
        scoped(&app, &headers, Scope::Lists, move |core, by| {
            let version = core.change_list(&ListChange {
                list: &list,
                item: &body.item,
                present: body.present,
                effective: body.effective_ms.map(Timestamp::from_ms),
                by: by.name(),
            })?;
            Ok(json!({ "list": list, "version": version }))
        })
        .await
    })
    .await
}

async fn record(State(app): App, headers: HeaderMap, Path(reference): Path<String>) -> Response {
    respond(StatusCode::OK, async {
        let reference = parse_reference(&reference)?;
        scoped(&app, &headers, Scope::Read, move |core, _by| {
            Ok(view::decision(&core.decision(&reference)?, &core.feedback_on(&reference)?))
        })
        .await
    })
    .await
}

async fn feedback(
    State(app): App,
    headers: HeaderMap,
    Path(reference): Path<String>,
    body: Body,
) -> Response {
    respond(StatusCode::CREATED, async {
        let body: FeedbackBody = json_body(body).await?;
        let reference = parse_reference(&reference)?;
        scoped(&app, &headers, Scope::Feedback, move |core, by| {
            core.feedback(&reference, &body.outcome, by.name())?;
            Ok(json!({ "reference": reference.text() }))
        })
        .await
    })
    .await
}

async fn events(State(app): App, headers: HeaderMap, rows: AskedRows) -> Response {
    let run = move |core: &mut CloudCore, _by: &Bearer| {
        let rows = asked(rows)?;
        let tail = || -> Result<u64, CloudError> {
            Ok(core.newest_event()?.saturating_sub(u64::from(rows.limit())).saturating_add(1))
        };
        let from = rows.from.map_or_else(tail, Ok)?;
        Ok(view::events(&core.events(from, rows.limit())?))
    };
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn incidents(State(app): App, headers: HeaderMap, rows: AskedRows) -> Response {
    let run =
        move |core: &mut CloudCore, _by: &Bearer| Ok(view::incidents(&core.incidents(asked(rows)?.limit())?));
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn status(State(app): App, headers: HeaderMap) -> Response {
    let run = |core: &mut CloudCore, _by: &Bearer| Ok(view::status(&core.counts()?, &core.live_policies()?));
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn devices(State(app): App, headers: HeaderMap, rows: AskedRows) -> Response {
    let run =
        move |core: &mut CloudCore, _by: &Bearer| Ok(view::devices(&core.devices(asked(rows)?.limit())?));
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn device(State(app): App, headers: HeaderMap, Path(thumbprint): Path<String>) -> Response {
    respond(StatusCode::OK, async {
        let device = parse_thumbprint(&thumbprint)?;
        scoped(&app, &headers, Scope::Read, move |core, _by| Ok(view::device(&core.device(&device)?))).await
    })
    .await
}

async fn refuse_device(
    State(app): App,
    headers: HeaderMap,
    Path(thumbprint): Path<String>,
    body: Body,
) -> Response {
    respond(StatusCode::OK, async {
        let body: RefuseBody = json_body(body).await?;
        let device = parse_thumbprint(&thumbprint)?;
        scoped(&app, &headers, Scope::Devices, move |core, _by| {
            core.refuse_device(&device, &body.reason)?;
            Ok(view::device(&core.device(&device)?))
        })
        .await
    })
    .await
}

async fn policies(State(app): App, headers: HeaderMap) -> Response {
    let run = |core: &mut CloudCore, _by: &Bearer| {
        Ok(view::policies(&core.live_policies()?, &core.policy_versions(ROWS_DEFAULT)?))
    };
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

async fn publish(State(app): App, headers: HeaderMap, body: Body) -> Response {
    respond(StatusCode::CREATED, async {
        // Look at the token before reading what may be fifty megabytes.
        scoped(&app, &headers, Scope::Policies, |_core, _by| Ok(Value::Null)).await?;
        let bytes = to_bytes(body, PUBLISH_BYTES_MAX).await.map_err(|_| too_large())?;
        let publish = Publish::from_bytes(&bytes)
            .map_err(|error| CloudError::invalid(format!("the body is no publish: {error}")))?;
        scoped(&app, &headers, Scope::Policies, move |core, _by| {
            Ok(json!({ "version": core.publish(&publish)? }))
        })
        .await
    })
    .await
}

async fn audit(State(app): App, headers: HeaderMap, rows: AskedRows) -> Response {
    let run = move |core: &mut CloudCore, _by: &Bearer| {
        let head = core.audit_head()?;
        Ok(view::audit(&head, &core.audit_tail(asked(rows)?.limit())?))
    };
    respond(StatusCode::OK, scoped(&app, &headers, Scope::Read, run)).await
}

/// In steps, between which other calls get their turn.
async fn verify_audit(State(app): App, headers: HeaderMap) -> Response {
    respond(StatusCode::OK, async {
        scoped(&app, &headers, Scope::Read, |_core, _by| Ok(Value::Null)).await?;
        let mut head = Head::default();
        loop {
            let report = app.shared.handle.call(move |core| core.verify_audit(head, VERIFY_STEP)).await?;
            if report.complete {
                return Ok(view::audit_report(&report));
            }
            head = report.head;
        }
    })
    .await
}

/// Runs `run` with the bearer of the token or the operator who is signed in, if `scope` is among what they may.
async fn scoped<T: Send + 'static>(
    app: &Surface,
    headers: &HeaderMap,
    scope: Scope,
    run: impl FnOnce(&mut CloudCore, &Bearer) -> Result<T, CloudError> + Send + 'static,
) -> Result<T, CloudError> {
    let token = match app.signed_in {
        SignedIn::Nobody => Some(bearer(headers)?),
        SignedIn::Local => None,
    };
    app.shared
        .handle
        .call(move |core| {
            let bearer = match token {
                Some(token) => core.authorise(&token)?,
                None => Bearer::local(),
            };
            bearer.require(scope)?;
            run(core, &bearer)
        })
        .await
}

/// RFC 6750 §2.1: one `Authorization` field of scheme `Bearer`.
fn bearer(headers: &HeaderMap) -> Result<String, CloudError> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().ok().and_then(|field| {
            let (scheme, token) = field.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        }),
        _ => None,
    };
    token.ok_or_else(|| CloudError::new(CloudErrorKind::Unauthorised, "a bearer token is needed"))
}

async fn json_body<T: DeserializeOwned>(body: Body) -> Result<T, CloudError> {
    let bytes = to_bytes(body, JSON_BYTES_MAX).await.map_err(|_| too_large())?;
    serde_json::from_slice(&bytes).map_err(|error| CloudError::invalid(format!("body: {error}")))
}

async fn respond(status: StatusCode, run: impl Future<Output = Answer>) -> Response {
    match run.await {
        Ok(value) => answer(status, "application/json", value.to_string().into_bytes()),
        Err(error) => for_operator(&error),
    }
}

fn asked(rows: AskedRows) -> Result<Rows, CloudError> {
    rows.map(|Query(rows)| rows).map_err(|error| CloudError::invalid(error.body_text()))
}

fn parse_reference(text: &str) -> Result<Reference, CloudError> {
    Reference::parse(text).ok_or_else(|| CloudError::not_found(format!("decision `{text}`")))
}

/// 64 hexadecimal digits.
fn parse_thumbprint(text: &str) -> Result<Thumbprint, CloudError> {
    let mut bytes = [0_u8; Thumbprint::LEN];
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let read = pairs.len() == bytes.len()
        && rest.is_empty()
        && bytes.iter_mut().zip(pairs).all(|(byte, [high, low])| match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => {
                *byte = high << 4 | low;
                true
            }
            _ => false,
        });
    if read { Ok(Thumbprint::new(bytes)) } else { Err(CloudError::not_found(format!("device `{text}`"))) }
}
