//! URLs, methods and headers as arguments: taken only in the one form in which edge, curl and this command agree.
//!
//! A signature covers the path as it is sent. What a client would rewrite on the way (dot segments, fragments,
//! user info) is refused here, since the edge would refuse it later and with less of an explanation.

use crate::codes::Code;
use crate::error::CliError;
use http::{HeaderName, HeaderValue, Method, Uri};

/// A URL in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Host and port as `@authority` of RFC 9421: lower case, default port left out.
    pub(super) authority: String,
    /// Never empty.
    pub(super) path: String,
    /// With its `?`, or empty.
    pub(super) query: String,
}

impl Target {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, CliError> {
        let refuse = |why: &str| CliError::new(Code::Argument, format!("`{url}`: {why}"));
        if url.contains('#') {
            return Err(refuse("a fragment is never sent; leave it out"));
        }
        let parsed: Uri = url.parse().map_err(|error| refuse(&format!("not a URL: {error}")))?;
        match parsed.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refuse(
                    "this client speaks plain HTTP; reach the edge behind TLS by its own address",
                ));
            }
            _ => return Err(refuse("a URL begins with http://")),
        }
        let authority = parsed.authority().ok_or_else(|| refuse("no host"))?;
        if authority.as_str().contains('@') {
            return Err(refuse("user info in a URL is not signed; send an Authorization header"));
        }
        let path = if parsed.path().is_empty() { "/" } else { parsed.path() };
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(refuse("clients rewrite paths with `.` or `..`; write the path that is meant"));
        }
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self {
            authority: authority.strip_suffix(":80").map_or(authority.clone(), str::to_owned),
            path: path.to_owned(),
            query: parsed.query().map_or(String::new(), |query| format!("?{query}")),
        })
    }

    /// Reads the URL of an edge: no path, no query.
    pub(super) fn edge(url: &str) -> Result<String, CliError> {
        match Self::parse(url)? {
            Self { authority, path, query } if path == "/" && query.is_empty() => Ok(authority),
            _ => {
                let what = format!("`{url}`: an edge is named by scheme, host and port alone");
                Err(CliError::new(Code::Argument, what))
            }
        }
    }

    /// The URL again.
    pub(super) fn url(&self) -> String {
        format!("http://{}{}{}", self.authority, self.path, self.query)
    }
}

/// A method, in capitals.
pub(super) fn method(text: &str) -> Result<String, CliError> {
    let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes());
    method
        .map(|method| method.as_str().to_owned())
        .map_err(|_| CliError::new(Code::Argument, format!("`{text}` is not a method")))
}

/// `Name: value`, with nothing in it that could begin another header.
pub(super) fn header(text: &str) -> Result<(String, String), CliError> {
    let refuse = |why| CliError::new(Code::Argument, format!("--header: {why}"));
    let (name, value) = text.split_once(':').ok_or_else(|| refuse("write 'Name: value'"))?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| refuse("not a header name"))?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| refuse("not a header value"))?;
    let value = value.to_str().map_err(|_| refuse("a value is visible ASCII"))?;
    if matches!(name.as_str(), "host" | "content-length" | "transfer-encoding" | "connection") {
        return Err(refuse("this header is made by the client that sends the request"));
    }
    Ok((name.as_str().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_in_one_form_or_refused() {
        for (url, want) in [
            ("http://127.0.0.1:8080/a?b=1", Some(("127.0.0.1:8080", "/a", "?b=1"))),
            ("http://Shop.Example:80", Some(("shop.example", "/", ""))),
            ("http://[::1]:8080/", Some(("[::1]:8080", "/", ""))),
            ("http://a/%2e%2e/b", Some(("a", "/%2e%2e/b", ""))),
            ("https://a/", None),
            ("http://a/b/../c", None),
            ("http://a/b#c", None),
            ("http://user:word@a/", None),
            ("ftp://a/", None),
            ("/a", None),
            ("http://a/ b", None),
            ("", None),
        ] {
            let got = Target::parse(url).ok();
            let parts = got.as_ref().map(|t| (t.authority.as_str(), t.path.as_str(), t.query.as_str()));
            assert_eq!(parts, want, "{url}");
        }
        assert!(Target::edge("http://a:1/").is_ok() && Target::edge("http://a:1/x").is_err());
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        assert_eq!(header("Authorization:  Bearer x ").unwrap(), ("authorization".into(), "Bearer x".into()));
        for text in ["a", "a: b\r\nc: d", "a b: c", ": x", "a: \u{e9}", "Host: b", "Content-Length: 3"] {
            assert!(header(text).is_err(), "{text:?}");
        }
        assert_eq!(method("post").unwrap(), "POST");
        assert!(method("P OST").is_err());
    }
}
