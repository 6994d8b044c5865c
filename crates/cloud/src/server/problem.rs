//! Errors as `application/problem+json` (RFC 9457): a stable code, never what happened inside.
//!
//! An operator also gets the detail of the error; a node, which may hand the answer on to a device, does not.
//! What happened inside goes to the log, once, where the error is turned into an answer.

use crate::error::{CloudError, CloudErrorKind};
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Media type of an error.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// Status and body of an error for a node.
pub(crate) fn for_node(error: &CloudError) -> (StatusCode, Vec<u8>) {
    log(error);
    body(error.kind().status(), error.kind().code(), None)
}

/// Status and body of a refusal with this code.
pub(crate) fn coded(status: u16, code: &str) -> (StatusCode, Vec<u8>) {
    body(status, code, None)
}

/// The answer to an operator.
pub(crate) fn for_operator(error: &CloudError) -> Response {
    log(error);
    let (status, body) = body(error.kind().status(), error.kind().code(), Some(error.detail()));
    answer(status, PROBLEM, body)
}

fn log(error: &CloudError) {
    if error.kind().status() >= 500 {
        tracing::error!(%error, cause = ?std::error::Error::source(error), "call failed");
    } else {
        tracing::debug!(%error, "call refused");
    }
}

fn body(status: u16, code: &str, detail: Option<&str>) -> (StatusCode, Vec<u8>) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = status.canonical_reason().unwrap_or("Error");
    let mut problem =
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "code": code });
    if let (Some(detail), Some(object)) = (detail, problem.as_object_mut()) {
        object.insert("detail".to_owned(), detail.into());
    }
    (status, problem.to_string().into_bytes())
}

/// An answer that nobody may keep.
pub(crate) fn answer(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response {
    let retry = status == StatusCode::SERVICE_UNAVAILABLE;
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if retry {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}

/// The body is larger than the endpoint takes.
pub(crate) fn too_large() -> CloudError {
    CloudError::new(CloudErrorKind::TooLarge, "the body is over its limit")
}
