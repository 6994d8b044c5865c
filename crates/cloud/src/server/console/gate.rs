//! What every request must be before anything else is looked at: for this host, and from no other site.
//!
//! A page on the internet can have a browser send requests to loopback. By a name of its own that resolves to loopback
//! (DNS rebinding) it would even be the same origin, so the name must be ours. Else a browser says where a request
//! comes from (`Sec-Fetch-Site`, `Origin`), and changes also need a header that no form can send.

use super::Console;
use crate::error::{CloudError, CloudErrorKind};
use crate::server::rest::single;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};
use std::net::SocketAddr;

/// Sent by our pages with each change.
const OWN: HeaderName = HeaderName::from_static("x-glacis-console");
/// Fetch Metadata (W3C), sent by browsers alone.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Paths of data; the others are files that anybody may read.
const DATA: &str = "/console/";

/// Refuses what is for another host, and what comes from another site.
pub(super) async fn gate(State(console): State<Console>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match check(console.0.at, &head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(error) => error.into_response(),
    }
}

fn check(at: SocketAddr, head: &Parts) -> Result<(), CloudError> {
    let host = single(&head.headers, &header::HOST)?;
    let named = [host, head.uri.authority().map(http::uri::Authority::as_str)];
    if host.is_none() || named.into_iter().flatten().any(|host| !is_ours(at, host)) {
        let detail = format!("this is the console of {at}; open it by that address");
        return Err(CloudError::new(CloudErrorKind::WrongHost, detail));
    }
    if head.uri.path().starts_with(DATA) { from_here(at, &head.method, &head.headers) } else { Ok(()) }
}

/// Whether a request for data comes from a page of ours, as far as the browser says.
fn from_here(at: SocketAddr, method: &Method, headers: &HeaderMap) -> Result<(), CloudError> {
    let elsewhere = |why: &str| Err(CloudError::new(CloudErrorKind::CrossSite, why));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match single(headers, &SITE)? {
        None | Some("same-origin") => {}
        // A person who types the address.
        Some("none") if reads => {}
        Some(_) => return elsewhere("the request comes from another site"),
    }
    let own = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| is_ours(at, host));
    if single(headers, &header::ORIGIN)?.is_some_and(|origin| !own(origin)) {
        return elsewhere("the request comes from a page of another origin");
    }
    if !reads && single(headers, &OWN)? != Some("1") {
        return elsewhere("changes need the header `X-Glacis-Console: 1`");
    }
    Ok(())
}

/// Whether a host and port are those of the listener: its own address, or `localhost`.
fn is_ours(at: SocketAddr, host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()),
        _ => (host, Some(80)),
    };
    let ip = at.ip().to_string();
    let own = if at.is_ipv6() {
        name.strip_prefix('[').and_then(|name| name.strip_suffix(']'))
    } else {
        Some(name)
    };
    port == Some(at.port()) && (own == Some(ip.as_str()) || name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listeners_own_names_are_ours() {
        let v4: SocketAddr = "127.0.0.1:7405".parse().unwrap();
        let v6: SocketAddr = "[::1]:7405".parse().unwrap();
        for (at, host, want) in [
            (v4, "127.0.0.1:7405", true),
            (v4, "localhost:7405", true),
            (v4, "LocalHost:7405", true),
            (v6, "[::1]:7405", true),
            (v4, "127.0.0.1", false),
            (v4, "127.0.0.1:7406", false),
            (v4, "127.0.0.2:7405", false),
            (v4, "localhost.evil.example:7405", false),
            (v4, "evil.example:7405", false),
            (v4, "127.0.0.1.evil.example:7405", false),
            (v4, "[::1]:7405", false),
            (v6, "::1:7405", false),
            (v4, "", false),
            (v4, ":7405", false),
        ] {
            assert_eq!(is_ours(at, host), want, "{at} {host}");
        }
        assert!(is_ours("127.0.0.1:80".parse().unwrap(), "localhost"), "a browser leaves port 80 out");
    }

    #[test]
    fn a_request_of_another_site_is_refused() {
        let at: SocketAddr = "127.0.0.1:7405".parse().unwrap();
        let ask = |method: Method, fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            fields.iter().for_each(|(name, value)| {
                headers.append(HeaderName::from_static(name), http::HeaderValue::from_static(value));
            });
            from_here(at, &method, &headers).is_ok()
        };
        let own = ("x-glacis-console", "1");
        assert!(ask(Method::GET, &[]) && ask(Method::GET, &[("sec-fetch-site", "none")]));
        assert!(ask(Method::POST, &[own]));
        assert!(ask(
            Method::POST,
            &[own, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:7405")]
        ));
        for (method, fields) in [
            (Method::POST, &[][..]),
            (Method::DELETE, &[("x-glacis-console", "0")]),
            (Method::POST, &[own, ("sec-fetch-site", "none")]),
            (Method::POST, &[own, ("sec-fetch-site", "same-site")]),
            (Method::POST, &[own, ("sec-fetch-site", "cross-site")]),
            (Method::POST, &[own, ("origin", "null")]),
            (Method::POST, &[own, ("origin", "http://127.0.0.1:9999")]),
            (Method::POST, &[own, ("origin", "https://127.0.0.1:7405")]),
            (Method::POST, &[own, ("origin", "http://evil.example:7405")]),
            (Method::POST, &[own, own]),
            (Method::GET, &[("sec-fetch-site", "cross-site")]),
            (Method::GET, &[("sec-fetch-site", "same-site")]),
            (Method::GET, &[("origin", "http://evil.example")]),
        ] {
            assert!(!ask(method.clone(), fields), "{method} {fields:?}");
        }
    }
}
