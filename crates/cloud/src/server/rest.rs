//! What both JSON surfaces share: reading requests strictly, answering, and saying no in the terms of RFC 9110.
//!
//! Everything that can be refused without the core is refused here: media types both ways, bodies over their
//! limit, queries and paths that cannot be read, conditions that do not parse. Handlers translate, nothing more.

use super::problem::{answer, for_operator, too_large};
use crate::admin::Expected;
use crate::error::{CloudError, CloudErrorKind};
use crate::page::{Ask, ROWS_MAX};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use glacis_wire::{Reference, Thumbprint};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

/// Media type of what is answered.
pub(super) const JSON: &str = "application/json";
/// Longest JSON body. Unit: bytes.
pub(super) const JSON_BYTES_MAX: usize = 64 << 10;
/// Rows in an answer that does not say how many.
pub(super) const ROWS_DEFAULT: u32 = 100;

/// A good answer.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    body: Vec<u8>,
    version: Option<u64>,
}

impl Reply {
    /// 200 with this body.
    pub(super) fn ok(body: &impl Serialize) -> Result<Self, CloudError> {
        let body = serde_json::to_vec(body).map_err(|error| CloudError::corrupt(error.to_string()))?;
        Ok(Self { status: StatusCode::OK, body, version: None })
    }

    /// 201 with this body.
    pub(super) fn created(body: &impl Serialize) -> Result<Self, CloudError> {
        Ok(Self { status: StatusCode::CREATED, ..Self::ok(body)? })
    }

    /// Names the version of the resource in `ETag`.
    pub(super) const fn at_version(mut self, version: u64) -> Self {
        self.version = Some(version);
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = answer(self.status, JSON, self.body);
        if let Some(tag) = self.version.and_then(|version| HeaderValue::from_str(&etag(version)).ok()) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl IntoResponse for CloudError {
    fn into_response(self) -> Response {
        for_operator(&self)
    }
}

/// The token that a request brings. Comes first among what a handler takes, so that a stranger learns nothing
/// about the rest of their request.
#[derive(Debug)]
pub(super) struct Token(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Token {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, CloudError> {
        bearer(&parts.headers).map(Self)
    }
}

/// Rows of a listing, from the query.
#[derive(Debug)]
pub(super) struct Rows {
    /// Page and size.
    pub(super) ask: Ask,
    /// First sequence number, for listings that have them.
    pub(super) from: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRows {
    from: Option<u64>,
    limit: Option<u32>,
    cursor: Option<String>,
}

impl Rows {
    /// For a listing that has no sequence numbers.
    pub(super) fn page(self) -> Result<Ask, CloudError> {
        match self.from {
            None => Ok(self.ask),
            Some(_) => Err(CloudError::invalid("this listing has no `from`; use `cursor`")),
        }
    }

    /// For an answer that is not a page.
    pub(super) fn newest(self) -> Result<u32, CloudError> {
        let ask = self.page()?;
        match ask.cursor {
            None => Ok(ask.limit),
            Some(_) => Err(CloudError::invalid("this answer has no pages, so it takes no `cursor`")),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Rows {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, CloudError> {
        let Query(raw) = Query::<RawRows>::try_from_uri(&parts.uri)
            .map_err(|error| CloudError::invalid(error.body_text()))?;
        let limit = raw.limit.unwrap_or(ROWS_DEFAULT);
        if limit == 0 || limit > ROWS_MAX {
            return Err(CloudError::invalid(format!("`limit` is 1 to {ROWS_MAX}")));
        }
        Ok(Self { ask: Ask { cursor: raw.cursor, limit }, from: raw.from })
    }
}

/// For endpoints without a query: one that is there is a mistake.
#[derive(Debug)]
pub(super) struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, CloudError> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(CloudError::invalid("this endpoint takes no query")),
        }
    }
}

/// The one variable part of a path.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = CloudError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, CloudError> {
        let part = Path::<String>::from_request_parts(parts, state).await;
        part.map(|Path(part)| Self(part)).map_err(|_| CloudError::not_found("resource of this name"))
    }
}

/// A decision's reference as a path part.
pub(super) fn parse_reference(text: &str) -> Result<Reference, CloudError> {
    Reference::parse(text).ok_or_else(|| CloudError::not_found("decision: a reference has 12 characters"))
}

/// A device as a path part: 64 hexadecimal digits.
pub(super) fn parse_thumbprint(text: &str) -> Result<Thumbprint, CloudError> {
    let unknown = || CloudError::not_found("device: a thumbprint has 64 hexadecimal digits");
    parse_hex(text).map(Thumbprint::new).ok_or_else(unknown)
}

/// Exactly `N` bytes in hexadecimal digits of either case.
pub(super) fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The length first: a path may be long.
    if text.len() != 2 * N {
        return None;
    }
    glacis_seal::text::parse_hex(text)?.try_into().ok()
}

/// The body, if it is of `media_type` (or says nothing of its type) and within `limit`.
pub(super) async fn body_of(
    headers: &HeaderMap,
    body: Body,
    media_type: &str,
    limit: usize,
) -> Result<Bytes, CloudError> {
    let stated = single(headers, &header::CONTENT_TYPE)?;
    let stated = stated.map(|stated| stated.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
    if stated.is_some_and(|stated| stated != media_type) {
        let detail = format!("the body must be `{media_type}`");
        return Err(CloudError::new(CloudErrorKind::MediaType, detail));
    }
    if single(headers, &header::CONTENT_ENCODING)?.is_some_and(|coding| coding != "identity") {
        return Err(CloudError::new(CloudErrorKind::MediaType, "the body must not be coded"));
    }
    to_bytes(body, limit).await.map_err(|_| too_large())
}

/// A JSON body of the form of `T`.
pub(super) async fn json_of<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, CloudError> {
    read_json(&body_of(headers, body, JSON, JSON_BYTES_MAX).await?)
}

/// A whole number in either of JSON's spellings: `5` and `5.0` are one number. Below 2^53, where all readers agree
/// (RFC 8259 §6).
pub(super) fn whole<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(input)?;
    let read = number.as_u64().or_else(|| number.as_f64().and_then(crate::ask::integral)?.try_into().ok());
    let read = read.filter(|whole| *whole < 1 << 53);
    read.ok_or_else(|| D::Error::custom(format!("`{number}` is no whole number from zero to 2^53")))
}

/// [`whole`], or nothing.
pub(super) fn whole_or_none<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    struct Whole(#[serde(deserialize_with = "whole")] u64);
    Ok(Option::<Whole>::deserialize(input)?.map(|Whole(number)| number))
}

/// A JSON object of the form of `T`. A list of the members' values, which serde would take for it, is none.
pub(super) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CloudError> {
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(CloudError::invalid("body: a list, where an object is wanted"));
    }
    serde_json::from_slice(bytes).map_err(|error| CloudError::invalid(format!("body: {error}")))
}

/// RFC 6750 §2.1: one `Authorization` field of scheme `Bearer`.
fn bearer(headers: &HeaderMap) -> Result<String, CloudError> {
    let token = single(headers, &header::AUTHORIZATION).ok().flatten().and_then(|field| {
        let (scheme, token) = field.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    token.ok_or_else(|| CloudError::new(CloudErrorKind::Unauthorised, "a bearer token is needed"))
}

/// The one field of this name, if it is there.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, CloudError> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => match field.to_str() {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(CloudError::invalid(format!("`{name}` has bytes that are no text"))),
        },
        (Some(_), Some(_)) => Err(CloudError::invalid(format!("`{name}` comes twice"))),
    }
}

/// What `If-Match` expects (RFC 9110 §13.1.1); strong tags only, as that section compares.
pub(super) fn expected(headers: &HeaderMap) -> Result<Expected, CloudError> {
    let Some(field) = single(headers, &header::IF_MATCH)? else { return Ok(Expected::Any) };
    if field.trim() == "*" {
        return Ok(Expected::Exists);
    }
    let tag = |tag: &str| -> Result<Option<u64>, CloudError> {
        let quoted = tag.trim().strip_prefix("W/").unwrap_or(tag.trim());
        let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let inner = inner.filter(|inner| !inner.contains('"'));
        let inner = inner.ok_or_else(|| CloudError::invalid("`If-Match` is `*` or quoted entity tags"))?;
        let strong = !tag.trim().starts_with("W/");
        Ok(inner.parse().ok().filter(|version: &u64| strong && version.to_string() == inner))
    };
    let versions = field.split(',').map(tag).collect::<Result<Vec<_>, _>>()?;
    Ok(Expected::Versions(versions.into_iter().flatten().collect()))
}

fn etag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Refuses where the client takes none of what is given (RFC 9110 §12.5.1).
pub(super) async fn acceptable(request: Request, next: Next) -> Response {
    let taken = |field: &HeaderValue| field.to_str().is_ok_and(|text| text.split(',').any(takes_json));
    let mut fields = request.headers().get_all(header::ACCEPT).iter().peekable();
    if fields.peek().is_some() && !fields.any(taken) {
        let error = CloudError::new(CloudErrorKind::NotAcceptable, "answers are `application/json`");
        return error.into_response();
    }
    next.run(request).await
}

fn takes_json(range: &str) -> bool {
    let mut parts = range.split(';').map(|part| part.trim().to_ascii_lowercase());
    let range = parts.next().unwrap_or_default();
    let refused = |part: String| {
        part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
    };
    matches!(range.as_str(), "*/*" | "application/*" | JSON | super::problem::PROBLEM) && !parts.any(refused)
}

/// Another method: `OPTIONS` is told what there is, by the `Allow` that the router adds to either answer.
pub(super) async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    CloudError::new(CloudErrorKind::MethodNotAllowed, "`Allow` names the methods of this resource")
        .into_response()
}

/// No such resource.
pub(super) async fn nowhere() -> Response {
    CloudError::not_found("endpoint").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| {
            headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
        });
        headers
    }

    #[test]
    fn a_condition_is_read_as_rfc_9110_says() {
        let read = |values: &[&str]| expected(&headers(header::IF_MATCH, values));
        assert_eq!(read(&[]).unwrap(), Expected::Any);
        assert_eq!(read(&["*"]).unwrap(), Expected::Exists);
        assert_eq!(read(&["\"7\""]).unwrap(), Expected::Versions(vec![7]));
        assert_eq!(read(&["\"7\", \"9\""]).unwrap(), Expected::Versions(vec![7, 9]));
        for never in ["W/\"7\"", "\"07\"", "\"x\"", "\"\""] {
            assert_eq!(read(&[never]).unwrap(), Expected::Versions(vec![]), "{never}");
        }
        for bad in [&["7"][..], &["\"7"], &[""], &["\"1\"", "\"2\""], &["\"a\"b\""]] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_is_no_object_although_its_items_would_fit() {
        #[derive(Debug, Deserialize)]
        struct Body {
            one: u64,
        }
        assert_eq!(read_json::<Body>(b" {\"one\": 1}").unwrap().one, 1);
        for bad in [&b"[1]"[..], b"\n [1]", b"1", b"null", b"", b"{\"one\": 1} 2"] {
            assert!(read_json::<Body>(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_client_that_takes_no_json_is_told_so() {
        for (range, want) in [
            ("*/*", true),
            ("application/json", true),
            ("Application/JSON;q=0.5", true),
            ("application/*", true),
            ("application/problem+json", true),
            ("text/html", false),
            ("application/json;q=0", false),
            ("application/json; q=0.0", false),
            ("", false),
        ] {
            assert_eq!(takes_json(range), want, "{range}");
        }
    }

    #[test]
    fn hexadecimal_digits_have_their_length() {
        assert_eq!(parse_hex::<2>("aB01"), Some([0xab, 1]));
        for bad in ["", "ab", "ab0", "ab010", "ab01ff", "zz01", "é01"] {
            assert_eq!(parse_hex::<2>(bad), None, "{bad}");
        }
    }
}
