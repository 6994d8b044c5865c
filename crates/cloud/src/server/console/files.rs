//! The pages: files that are in the program, so that one binary is the whole console.
//!
//! They are built from `console/` and committed; building the program needs no JavaScript tools. Each answer has a strong
//! tag of the file's digest; nothing is ever read from a path that a client names.

use super::Console;
use crate::error::{CloudError, CloudErrorKind};
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use glacis_seal::text::base64url;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::borrow::Cow;

/// Built from `console/`.
#[derive(RustEmbed)]
#[folder = "../../console/dist"]
struct Pages;

/// The page behind every address that a person can have.
const INDEX: &str = "index.html";
/// Addresses of pages; those that end with a slash have one more part.
const ADDRESSES: [&str; 6] = ["/", "/live", "/login", "/devices", "/decisions/", "/devices/"];

/// A file, or the page for an address.
pub(super) async fn file(State(_): State<Console>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return CloudError::new(CloudErrorKind::MethodNotAllowed, "files are read with GET").into_response();
    }
    let Some((name, file)) = find(uri.path()) else { return CloudError::not_found("page").into_response() };
    let tag = format!("\"{}\"", base64url(&file.metadata.sha256_hash()));
    let known = headers.get_all(header::IF_NONE_MATCH).iter().any(|field| names(field, &tag));
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => match file.data {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        }
        .into_response(),
    };
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&name)));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        fields.insert(header::ETAG, tag);
    }
    response
}

fn find(path: &str) -> Option<(String, EmbeddedFile)> {
    let is_page = ADDRESSES.iter().any(|address| match address.strip_suffix('/') {
        Some(folder) if !folder.is_empty() => {
            let part = path.strip_prefix(address);
            part.is_some_and(|part| !part.is_empty() && !part.contains('/'))
        }
        _ => path == *address,
    });
    let name = if is_page { INDEX } else { path.strip_prefix('/').filter(|name| *name != INDEX)? };
    Some((name.to_owned(), Pages::get(name)?))
}

/// Whether `If-None-Match` names a tag (RFC 9110 §13.1.2).
fn names(field: &HeaderValue, tag: &str) -> bool {
    let tags = field.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.map(|one| one.strip_prefix("W/").unwrap_or(one)).any(|one| one == tag || one == "*")
}

/// By the ending of a name; what has no type here is never guessed.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_page_and_paths_lead_nowhere_else() {
        for path in ["/", "/live", "/login", "/devices", "/devices/ab12", "/decisions/7KQ2M9XA41BC"] {
            assert_eq!(find(path).map(|(name, _)| name).as_deref(), Some(INDEX), "{path}");
        }
        assert!(find("/assets/app.js").is_some());
        for path in
            ["/index.html", "/nothing", "/devices/", "/devices/a/b", "/../Cargo.toml", "/assets/", "//", ""]
        {
            assert!(find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn every_file_has_a_type_that_a_browser_takes() {
        let names: Vec<_> = Pages::iter().collect();
        assert!(names.len() >= 3, "{names:?}");
        for name in names {
            assert_ne!(media_type(&name), "application/octet-stream", "{name}");
        }
    }
}
