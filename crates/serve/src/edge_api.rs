//! `/edge/v1/…` on the control socket: what the gateway of this process does, and what an operator may change.
//!
//! JSON in and out, errors as problems (RFC 9457). The actor of every change is `local`: whoever can open the
//! socket. What a change means, and that it is audited, is the gateway's business.

use crate::reload::{RefusedReload, Reloaded, Reloader};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use glacis_edge::config::Mode;
use glacis_edge::gateway;
use glacis_edge::{Counts, EdgeCore, LearntRoute, ModeError, ReloadError};
use glacis_wire::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

type App = State<Arc<EdgeCore>>;

/// Who changes something through the socket.
const ACTOR: &str = "local";
/// As how many requests one of a stranger counts in attack mode, unless said otherwise.
const ATTACK_WEIGHT: u32 = 4;
/// Longest body. Unit: bytes.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The routes of one gateway.
pub(crate) fn router(core: Arc<EdgeCore>, reloader: Arc<Reloader>) -> Router {
    let reload = Router::new().route("/edge/v1/reload", post(reload)).with_state(reloader);
    Router::new()
        .route("/edge/v1/status", get(status))
        .route("/edge/v1/routes", get(routes))
        .route("/edge/v1/routes/mode", post(set_mode))
        .route("/edge/v1/bypass", post(bypass).delete(end_bypass))
        .route("/edge/v1/attack-mode", post(attack).delete(end_attack))
        .route("/edge/v1/drain", post(drain).delete(end_drain))
        .with_state(core)
        .merge(reload)
}

/// What answers where no such thing runs in this process.
pub(crate) async fn not_here() -> Response {
    problem(StatusCode::NOT_FOUND, "not-found", "no such endpoint, or its zone does not run in this process")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModeBody {
    route: String,
    mode: ModeName,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ModeName {
    Observe,
    Enforce,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BypassBody {
    for_s: u64,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttackBody {
    for_s: u64,
    #[serde(default = "attack_weight")]
    weight: u32,
    #[serde(default)]
    reason: String,
}

const fn attack_weight() -> u32 {
    ATTACK_WEIGHT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadBody {
    #[serde(default)]
    dry_run: bool,
}

async fn status(State(core): App) -> Response {
    let config = core.config();
    let (counts, gauges) = (core.metrics().snapshot(), core.gauges());
    let verdicts = |[allow, challenge, block]: [u64; 3]| json!({ "allow": allow, "challenge": challenge, "block": block });
    let refused: Map<String, Value> =
        counts.refused.iter().map(|(code, count)| ((*code).to_owned(), json!(count))).collect();
    answer(&json!({
        "node": config.node.as_str(),
        "policy_version": core.bundle_version(),
        "key_set_version": core.key_set_version(),
        "ready": core.is_ready(),
        "bypassed_until_ms": core.bypassed().map(Timestamp::as_ms),
        "attack_mode": core.attacked().map(|(until, weight)| json!({ "until_ms": until.as_ms(), "weight": weight })),
        "draining": core.is_draining(),
        "connections": counts.open_connections,
        "feed_age_s": gauges.feed_age.map(|age| age.as_secs()),
        "journal_bytes": gauges.journal_bytes,
        "reloads": counts.reloads,
        "sessions": counts.sessions,
        "legs": counts.legs,
        "requests": counts.requests,
        "decided": { "edge": verdicts(counts.edge), "cloud": verdicts(counts.cloud) },
        "refused": refused,
    }))
}

async fn routes(State(core): App) -> Response {
    let list: Vec<Value> = core.routes().iter().map(route).collect();
    answer(&json!({ "routes": list, "bypassed_until_ms": core.bypassed().map(Timestamp::as_ms) }))
}

async fn set_mode(State(core): App, body: Body) -> Response {
    let ModeBody { route, mode } = match json_body(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let (mode, name) = match mode {
        ModeName::Observe => (Mode::Observe, "observe"),
        ModeName::Enforce => (Mode::Enforce, "enforce"),
    };
    match core.set_mode(&route, mode, ACTOR) {
        Ok(()) => answer(&json!({ "route": route, "mode": name })),
        Err(error) => refuse(&error),
    }
}

async fn bypass(State(core): App, body: Body) -> Response {
    let BypassBody { for_s, reason } = match json_body(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let until = core.host().now().after(Duration::from_secs(for_s));
    match core.bypass(until, ACTOR, &reason) {
        Ok(()) => answer(&json!({ "bypassed_until_ms": until.as_ms() })),
        Err(error) => refuse(&error),
    }
}

async fn end_bypass(State(core): App) -> Response {
    match core.end_bypass(ACTOR) {
        Ok(()) => answer(&json!({ "bypassed_until_ms": null })),
        Err(error) => refuse(&error),
    }
}

async fn attack(State(core): App, body: Body) -> Response {
    let AttackBody { for_s, weight, reason } = match json_body(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    let until = core.host().now().after(Duration::from_secs(for_s));
    match core.attack(until, weight, ACTOR, &reason) {
        Ok(()) => answer(&json!({ "until_ms": until.as_ms(), "weight": weight })),
        Err(error) => refuse(&error),
    }
}

async fn end_attack(State(core): App) -> Response {
    match core.end_attack(ACTOR) {
        Ok(()) => answer(&json!({ "until_ms": null })),
        Err(error) => refuse(&error),
    }
}

async fn drain(State(core): App) -> Response {
    set_draining(&core, true)
}

async fn end_drain(State(core): App) -> Response {
    set_draining(&core, false)
}

fn set_draining(core: &EdgeCore, draining: bool) -> Response {
    match core.drain(draining, ACTOR) {
        Ok(()) => answer(
            &json!({ "draining": draining, "connections": core.metrics().snapshot().open_connections }),
        ),
        Err(error) => refuse(&error),
    }
}

async fn reload(State(reloader): State<Arc<Reloader>>, body: Body) -> Response {
    let ReloadBody { dry_run } = match json_body(body).await {
        Ok(body) => body,
        Err(refused) => return refused,
    };
    match reloader.reload(ACTOR, dry_run) {
        Ok(Reloaded { changed, restart }) => {
            answer(&json!({ "changed": changed, "restart": restart, "dry_run": dry_run }))
        }
        Err(error) => {
            let (status, code) = match &error {
                RefusedReload::NoFile => (StatusCode::CONFLICT, "conflict"),
                RefusedReload::Edge(gateway::ReloadError::Settings(ReloadError::Audit(ModeError::Keep(
                    _,
                )))) => (StatusCode::INSUFFICIENT_STORAGE, "storage-full"),
                _ => (StatusCode::BAD_REQUEST, "invalid"),
            };
            problem(status, code, &error.to_string())
        }
    }
}

fn route(route: &LearntRoute) -> Value {
    let counts = |Counts { allow, challenge, block, refused }: Counts| json!({ "allow": allow, "challenge": challenge, "block": block, "refused": refused });
    json!({
        "route": route.route,
        "mode": match route.mode { Mode::Observe => "observe", Mode::Enforce => "enforce" },
        "set": route.set,
        "requests": route.requests(),
        "observed": counts(route.observed),
        "enforced": counts(route.enforced),
    })
}

async fn json_body<T: DeserializeOwned>(body: Body) -> Result<T, Response> {
    let bytes = to_bytes(body, BODY_BYTES_MAX).await;
    let bytes = bytes.map_err(|_| problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "body too large"))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, "invalid", &format!("body: {error}")))
}

fn refuse(error: &ModeError) -> Response {
    let (status, code) = match error {
        ModeError::Unknown(_) | ModeError::NoBypass | ModeError::NoAttack => {
            (StatusCode::NOT_FOUND, "not-found")
        }
        ModeError::Full => (StatusCode::CONFLICT, "conflict"),
        ModeError::Keep(_) => (StatusCode::INSUFFICIENT_STORAGE, "storage-full"),
        _ => (StatusCode::BAD_REQUEST, "invalid"),
    };
    problem(status, code, &error.to_string())
}

fn answer(body: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

pub(crate) fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("error");
    let body = json!({
        "type": "about:blank", "title": title, "status": status.as_u16(), "code": code, "detail": detail,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}
