//! `/healthz`, `/readyz` and `/metrics`, for supervisors, load balancers and Prometheus.
//!
//! Nothing here tells anything of a user, a device or an address; it may be reachable inside a network, but belongs
//! on loopback or a management network.

use crate::health::{Health, Probes};
use crate::metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

/// The three endpoints.
pub(crate) fn router(probes: Probes) -> Router {
    Router::new()
        .route("/healthz", get(async |State(probes): State<Probes>| answer(&probes.alive().await)))
        .route("/readyz", get(async |State(probes): State<Probes>| answer(&probes.ready().await)))
        .route("/metrics", get(scrape))
        .with_state(probes)
}

async fn scrape(State(probes): State<Probes>) -> Response {
    match metrics::text(&probes).await {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answer(health: &Health) -> Response {
    let status = if health.is_good() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CONTENT_TYPE, "application/json")], health.json().to_string()).into_response()
}
