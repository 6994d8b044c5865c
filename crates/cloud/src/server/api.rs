//! The decision API: JSON for backends that ask before they act, under bearer tokens of scope `decide`.
//!
//! Errors are problems (RFC 9457) with a stable code. Listens on loopback only, as everything that takes tokens
//! and has no TLS of its own. It decides nothing itself.

use super::Shared;
use super::problem::for_operator;
use crate::error::CloudError;
use axum::Router;
use std::sync::Arc;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(async || for_operator(&CloudError::not_found("endpoint"))).with_state(shared)
}
