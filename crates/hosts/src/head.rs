//! A request head as the pipeline reads it, from what a host has of it.
//!
//! Held to the rules of the gateway's framing, as far as they can still be seen behind a proxy's parser: a target
//! and a host that can be read in one way, fields that are text, none of ours twice.

use glacis_edge::request::Headers;
use glacis_edge::{Fields, RequestHead};
use glacis_wire::http::OWN_PREFIX;
use http::HeaderMap;
use http::header::HOST;

/// What a host knows of a request line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) method: &'a str,
    /// As the client asked for it; empty where it named none.
    pub(crate) authority: &'a str,
    /// Whether the client's connection is TLS, as far as the host knows.
    pub(crate) tls: bool,
    /// Path and query, as received.
    pub(crate) target: &'a str,
}

/// A head that can be read in one way.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    method: &'a str,
    authority: String,
    path: &'a str,
    query: &'a str,
    fields: Fields<'a>,
    headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    /// `None` where there are two readings.
    pub(crate) fn of(line: Line<'a>, headers: &'a HeaderMap) -> Option<Self> {
        let rooted = line.target.starts_with('/') || line.target == "*" && line.method == "OPTIONS";
        let visible = line.target.bytes().all(|byte| matches!(byte, 0x21..=0x7E) && byte != b'#');
        let ambiguous = |byte: u8| matches!(byte, b'@' | b'/' | b'?' | b',' | b' ' | b'\t' | 0x80..);
        if !rooted || !visible || line.authority.bytes().any(ambiguous) || hosts(headers) > 1 {
            return None;
        }
        let mut fields = Fields::default();
        for (name, value) in headers {
            match value.to_str() {
                Ok(value) => fields.add(name.as_str(), value),
                // Not text, so it cannot be read in one way: as if it had come twice.
                Err(_) => (0..2).for_each(|_| fields.add(name.as_str(), "")),
            }
        }
        let (path, query) = match line.target.find('?') {
            Some(at) => line.target.split_at_checked(at)?,
            None => (line.target, ""),
        };
        let port = if line.tls { ":443" } else { ":80" };
        let authority = line.authority.strip_suffix(port).unwrap_or(line.authority).to_ascii_lowercase();
        Some(Self { method: line.method, authority, path, query, fields, headers })
    }

    pub(crate) fn view(&self) -> RequestHead<'_> {
        RequestHead {
            method: self.method,
            authority: &self.authority,
            path: self.path,
            query: self.query,
            fields: self.fields,
            headers: Headers::Map(self.headers),
        }
    }

    /// Whether an own endpoint of the edge is asked for.
    pub(crate) fn is_own(&self) -> bool {
        self.path.starts_with(OWN_PREFIX)
    }
}

fn hosts(headers: &HeaderMap) -> usize {
    headers.get_all(HOST).iter().count()
}

/// The `host` field; empty where there is none, `None` where it cannot be read in one way.
pub(crate) fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(HOST).map_or(Some(""), |host| host.to_str().ok())
}

/// The only field of this name, if it is text.
pub(crate) fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The length that a head declares; `None` where it declares none, or none that can be read.
pub(crate) fn length(headers: &HeaderMap) -> Option<usize> {
    once(headers, "content-length")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn head(target: &str, authority: &str, tls: bool) -> Option<String> {
        let headers = HeaderMap::new();
        let head = Head::of(Line { method: "GET", authority, tls, target }, &headers)?;
        let view = head.view();
        Some(format!("{} {} {}", view.authority, view.path, view.query))
    }

    #[test]
    fn a_line_with_two_readings_is_no_head() {
        assert_eq!(head("/a?b=1", "Shop.Test:443", true).as_deref(), Some("shop.test /a ?b=1"));
        assert_eq!(head("/a", "shop.test:443", false).as_deref(), Some("shop.test:443 /a "));
        for (target, authority) in
            [("a", "h"), ("*", "h"), ("/a#b", "h"), ("/a b", "h"), ("/", "a,b"), ("/", "u@h")]
        {
            assert_eq!(head(target, authority, false), None, "{target} {authority}");
        }
    }

    #[test]
    fn a_field_that_is_no_text_counts_as_twice() {
        let mut headers = HeaderMap::new();
        headers.insert("signature", HeaderValue::from_bytes(&[0xFF]).unwrap());
        let line = Line { method: "GET", authority: "h", tls: false, target: "/" };
        let head = Head::of(line, &headers).unwrap();
        assert_eq!(head.view().fields.signature, glacis_edge::request::Once::Many);
        headers.append(HOST, HeaderValue::from_static("a"));
        headers.append(HOST, HeaderValue::from_static("a"));
        assert!(Head::of(line, &headers).is_none());
    }
}
