//! The decision API: JSON for backends that ask before they act, under bearer tokens of scope `decide`.
//!
//! A verdict is bound to the digest of the action and to its event id; the same question gets the same verdict, and
//! with an `Idempotency-Key` the same bytes. Errors are problems (RFC 9457) with a stable code. Listens on loopback
//! only, as everything that takes tokens and has no TLS of its own. It decides nothing itself.

mod body;

use super::Shared;
use super::admin::{FeedbackBody, REFERENCE};
use super::problem::{PROBLEM, answer, refused};
use super::rest::{
    JSON, JSON_BYTES_MAX, Named, NoQuery, Reply, Token, body_of, json_of, parse_reference, read_json, single,
};
use super::spec::{Operation, Routes, text};
use super::view;
use crate::admin::{Bearer, Scope};
use crate::ask::{Once, Sent, Told};
use crate::core::CloudCore;
use crate::error::{CloudError, CloudErrorKind};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use body::DecideBody;
use glacis_seal::sha256;
use glacis_wire::Digest;
use glacis_wire::message::refusal::Refusal;
use http::{HeaderMap, HeaderName, StatusCode};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use utoipa::openapi::path::HttpMethod;

/// Group of these operations in the document.
const TAG: &str = "decisions";
/// draft-ietf-httpapi-idempotency-key-header
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Longest idempotency key.
const KEY_BYTES_MAX: usize = 64;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Surface {
    shared: Arc<Shared>,
    in_flight: Arc<Mutex<HashSet<Digest>>>,
}

type App = State<Surface>;
type Answer = Result<Reply, CloudError>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    operations().router(Surface { shared, in_flight: Arc::default() })
}

/// Every operation with its handler.
pub(super) fn operations() -> Routes<Surface> {
    let operation =
        |method, path, id, summary| Operation::new(method, path, TAG, id, summary).scope(Scope::Decide);
    let key = text("^(\"[A-Za-z0-9._:-]{1,64}\"|[A-Za-z0-9._:-]{1,64})$");
    Routes::new()
        .on(
            operation(HttpMethod::Post, "/v1/decide", "decide", "Decide an event")
                .header(
                    "Idempotency-Key",
                    key,
                    "The same key with the same body gets the same bytes, for a day.",
                )
                .takes::<DecideBody>()
                .gives::<view::Verdicted>(200, "The verdict.")
                .problems([404, 409, 422]),
            post(decide),
        )
        .on(
            operation(HttpMethod::Get, "/v1/decisions/{reference}", "decision", "One decision")
                .part("reference", text(REFERENCE), "What was answered with the verdict.")
                .gives::<view::Decision>(200, "The decision."),
            get(decision),
        )
        .on(
            operation(
                HttpMethod::Post,
                "/v1/decisions/{reference}/feedback",
                "feedback",
                "Say what came of an event",
            )
            .part("reference", text(REFERENCE), "What was answered with the verdict.")
            .takes::<FeedbackBody>()
            .gives::<view::Referred>(201, "Taken."),
            post(feedback),
        )
}

async fn decide(
    State(app): App,
    Token(token): Token,
    headers: HeaderMap,
    _: NoQuery,
    body: Body,
) -> Result<Response, CloudError> {
    let key = idempotency_key(&headers)?;
    let bytes = body_of(&headers, body, JSON, JSON_BYTES_MAX).await?;
    let question = read_json::<DecideBody>(&bytes)?.question()?;
    let _guard = match &key {
        Some(key) => Some(InFlight::enter(&app.in_flight, &token, key)?),
        None => None,
    };
    let request = sha256(&bytes);
    let began = app.shared.host.monotonic();
    let sent = app
        .shared
        .handle
        .call(move |core| {
            let by = core.authorise(&token)?;
            by.require(Scope::Decide)?;
            let once = key.map(|key| Once { bearer: by.id(), key, request });
            core.ask(&question, once.as_ref(), render)
        })
        .await?;
    let (now, took) = (app.shared.host.now(), app.shared.host.monotonic().saturating_sub(began));
    app.shared.handle.handled(now, took);
    let media_type = if sent.status < 400 { JSON } else { PROBLEM };
    let status = StatusCode::from_u16(sent.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(answer(status, media_type, sent.body).into_response())
}

async fn decision(State(app): App, token: Token, Named(reference): Named, _: NoQuery) -> Answer {
    let reference = parse_reference(&reference)?;
    let read = move |core: &mut CloudCore, _by: &Bearer| {
        Ok(view::Decision::of(&core.decision(&reference)?, core.feedback_on(&reference)?))
    };
    Reply::ok(&allowed(&app, token, read).await?)
}

async fn feedback(
    State(app): App,
    token: Token,
    headers: HeaderMap,
    Named(reference): Named,
    _: NoQuery,
    body: Body,
) -> Answer {
    let reference = parse_reference(&reference)?;
    let body: FeedbackBody = json_of(&headers, body).await?;
    let take = move |core: &mut CloudCore, by: &Bearer| core.feedback(&reference, &body.outcome, by.name());
    allowed(&app, token, take).await?;
    Reply::created(&view::Referred { reference: reference.text() })
}

/// Runs `run` with the bearer of the token, if it carries the scope `decide`.
async fn allowed<T: Send + 'static>(
    app: &Surface,
    Token(token): Token,
    run: impl FnOnce(&mut CloudCore, &Bearer) -> Result<T, CloudError> + Send + 'static,
) -> Result<T, CloudError> {
    app.shared
        .handle
        .call(move |core| {
            let by = core.authorise(&token)?;
            by.require(Scope::Decide)?;
            run(core, &by)
        })
        .await
}

/// The bytes of an answer.
fn render(told: Result<&Told, Refusal>) -> Sent {
    match told {
        // A struct of texts and numbers has an encoding.
        Ok(told) => {
            Sent { status: 200, body: serde_json::to_vec(&view::Verdicted::of(told)).unwrap_or_default() }
        }
        Err(refusal) => {
            let (status, body) = refused(refusal);
            Sent { status: status.as_u16(), body }
        }
    }
}

/// The key, with or without the quotes of a structured field's string.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, CloudError> {
    let Some(field) = single(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let key = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(field);
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(allowed) {
        let detail = "an idempotency key has 1 to 64 letters, digits, dots, colons, dashes and underscores";
        return Err(CloudError::invalid(detail));
    }
    Ok(Some(key.to_owned()))
}

/// The first request with a key, until it is answered.
struct InFlight {
    all: Arc<Mutex<HashSet<Digest>>>,
    key: Digest,
}

impl InFlight {
    /// Refuses where another request with the key is not answered yet. The set holds at most one entry a
    /// connection, and those are bounded.
    fn enter(all: &Arc<Mutex<HashSet<Digest>>>, token: &str, key: &str) -> Result<Self, CloudError> {
        let key = sha256(format!("{key}\n{token}").as_bytes());
        if !all.lock().unwrap_or_else(PoisonError::into_inner).insert(key) {
            let detail = "the first request with this idempotency key is not answered yet; ask again";
            return Err(CloudError::new(CloudErrorKind::KeyInFlight, detail));
        }
        Ok(Self { all: Arc::clone(all), key })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
