//! `/edge/v1/…` on the control socket: what the gateway of this process does, and what an operator may change.
//!
//! JSON in and out, errors as problems (RFC 9457). The actor of every change is `local`: whoever can open the
//! socket. What a change means, and that it is audited, is the gateway's business.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use glacis_edge::EdgeCore;
use serde_json::{Value, json};
use std::sync::Arc;

type App = State<Arc<EdgeCore>>;

/// The routes of one gateway.
pub(crate) fn router(core: Arc<EdgeCore>) -> Router {
    Router::new().route("/edge/v1/status", get(status)).with_state(core)
}

/// What answers where no such thing runs in this process.
pub(crate) async fn not_here() -> Response {
    problem(StatusCode::NOT_FOUND, "not-found", "no such endpoint, or its zone does not run in this process")
}

async fn status(State(core): App) -> Response {
    let config = core.config();
    let counts = core.metrics().snapshot();
    let verdicts =
        |counts: [u64; 3]| json!({ "allow": counts[0], "challenge": counts[1], "block": counts[2] });
    let refused: serde_json::Map<String, Value> =
        counts.refused.iter().map(|(code, count)| ((*code).to_owned(), json!(count))).collect();
    answer(
        StatusCode::OK,
        &json!({
            "node": config.node.as_str(),
            "policy_version": core.bundle_version(),
            "key_set_version": core.key_set_version(),
            "ready": core.is_ready(),
            "requests": counts.requests,
            "decided": { "edge": verdicts(counts.edge), "cloud": verdicts(counts.cloud) },
            "refused": refused,
        }),
    )
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({ "type": "about:blank", "title": code, "status": status.as_u16(), "detail": detail });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (status, kind, body.to_string()).into_response()
}
