//! Errors as `application/problem+json` (RFC 9457): a stable code, never what happened inside.
//!
//! An operator also gets the detail of the error; a node, which may hand the answer on to a device, does not.
//! What happened inside goes to the log, once, where the error is turned into an answer.

use crate::error::{CloudError, CloudErrorKind};
use axum::body::Body;
use axum::response::Response;
use glacis_wire::message::refusal::Refusal;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Media type of an error.
pub(crate) const PROBLEM: &str = "application/problem+json";

/// Why a request was not done (RFC 9457). Branch on `code`.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// Always `about:blank`: the code says more than an address could.
    #[serde(rename = "type")]
    #[schema(pattern = "^about:blank$")]
    kind: &'static str,
    /// The status in words.
    title: &'a str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Stable; what a program branches on.
    #[schema(pattern = "^[a-z0-9-]{1,64}$")]
    code: &'a str,
    /// For a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<&'a str>,
    /// Which member of the body it is about, as a JSON pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^(/.*)?$")]
    pointer: Option<&'a str>,
}

/// Status and body of an error for a node.
pub(crate) fn for_node(error: &CloudError) -> (StatusCode, Vec<u8>) {
    log(error);
    body(error.kind().status(), error.kind().code(), None, None)
}

/// Status and body of a refusal with this code.
pub(crate) fn coded(status: u16, code: &str) -> (StatusCode, Vec<u8>) {
    body(status, code, None, None)
}

/// Status and body of a refusal by the rules of event ids.
pub(crate) fn refused(refusal: Refusal) -> (StatusCode, Vec<u8>) {
    let detail = match refusal {
        Refusal::EventConflict => {
            Some("the event id was used for another action; take a new id for a new action")
        }
        _ => None,
    };
    body(refusal.status(), refusal.name(), detail, None)
}

/// The answer to an operator.
pub(crate) fn for_operator(error: &CloudError) -> Response {
    log(error);
    let kind = error.kind();
    let (status, body) = body(kind.status(), kind.code(), Some(error.detail()), error.pointer());
    let mut response = answer(status, PROBLEM, body);
    if kind == CloudErrorKind::Unauthorised {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if kind == CloudErrorKind::TooManyTries {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    response
}

fn log(error: &CloudError) {
    if error.kind().status() >= 500 {
        tracing::error!(%error, cause = ?std::error::Error::source(error), "call failed");
    } else {
        tracing::debug!(%error, "call refused");
    }
}

fn body(status: u16, code: &str, detail: Option<&str>, pointer: Option<&str>) -> (StatusCode, Vec<u8>) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = Problem { kind: "about:blank", title, status: status.as_u16(), code, detail, pointer };
    // A struct of texts and a number has an encoding; were it not so, the status says enough.
    (status, serde_json::to_vec(&problem).unwrap_or_default())
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
