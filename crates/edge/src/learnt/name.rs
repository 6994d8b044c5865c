//! What a learnt route is called: method and path template.
//!
//! A mode hangs on this name, so two spellings that many services read alike have one name: letters in either case,
//! also those of a method, a slash at the end, escapes that need not be, parameters behind `;`, spaces around a
//! segment and dots behind it, `HEAD` for `GET`. What only one service reads alike (a file extension, a method
//! override) is its operator's to know; the guide says so.
//!
//! What a service takes for an id is its own business: `{id}` in a name that is enforced is any segment.

use crate::config::Segment;
use crate::route::escape;
use std::borrow::Cow;

/// Longest path, in segments; what follows is one `{*}`.
const SEGMENTS_MAX: usize = 12;
/// Longest segment that is taken for a name and not for data. Unit: bytes.
const SEGMENT_BYTES_MAX: usize = 32;
/// Fewest hexadecimal digits that are taken for data.
const HEX_MIN: usize = 16;
/// Longest path of a name. Unit: bytes. Source: every segment at its longest, with every byte escaped.
pub(crate) const PATH_BYTES_MAX: usize = (SEGMENTS_MAX + 1) * (3 * SEGMENT_BYTES_MAX + 1);
/// Longest method. Unit: bytes.
const METHOD_BYTES_MAX: usize = 16;
/// What stands for data.
const ID: &[u8] = b"{id}";

/// The name under which requests of this method and path are kept; `None` for a method that is none.
pub(crate) fn key(method: &str, path: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(verb(method)?.as_bytes());
    out.push(b' ');
    for (at, segment) in segments(path).enumerate() {
        out.push(b'/');
        if at == SEGMENTS_MAX {
            out.extend_from_slice(b"{*}");
            break;
        }
        let start = out.len();
        fold(segment, &mut out);
        if out.get(start..).is_some_and(is_data) {
            out.truncate(start);
            out.extend_from_slice(ID);
        }
    }
    if out.last() == Some(&b' ') {
        out.push(b'/');
    }
    Some(out)
}

/// The name as it is shown: spelt as the first request spelt it.
pub(crate) fn shown(method: &str, path: &str) -> String {
    let mut out = verb(method).unwrap_or_default().into_owned();
    out.push(' ');
    for (at, segment) in segments(path).enumerate() {
        out.push('/');
        if at == SEGMENTS_MAX {
            out.push_str("{*}");
            break;
        }
        let mut read = Vec::new();
        let spelt = fold(segment, &mut read);
        out.push_str(if is_data(&read) { "{id}" } else { spelt });
    }
    if out.ends_with(' ') {
        out.push('/');
    }
    out
}

/// Splits what an operator writes, such as `POST /transfers/{id}`.
pub(crate) fn parse(route: &str) -> Option<(&str, &str)> {
    let (method, path) = route.trim().split_once(' ')?;
    let path = path.trim();
    let plain = path.starts_with('/') && !path.bytes().any(|byte| byte <= b' ' || byte >= 0x7F);
    let large = !method.bytes().any(|byte| byte.is_ascii_lowercase());
    (plain && large && path.len() <= PATH_BYTES_MAX && verb(method).is_some()).then_some((method, path))
}

/// Whether the name `key` is one of those that `pattern` stands for.
pub(crate) fn covers(pattern: &[u8], key: &[u8]) -> bool {
    let (mut parts, mut rest) = (key.split(|byte| *byte == b'/'), pattern.split(|byte| *byte == b'/'));
    let mut each = rest
        .by_ref()
        .map(|want| parts.next().is_some_and(|part| want == part || want == ID && !part.is_empty()));
    each.all(|same| same) && parts.next().is_none()
}

/// Whether a name stands for more than itself.
pub(crate) fn is_wide(key: &[u8]) -> bool {
    key.split(|byte| *byte == b'/').any(|part| part == ID)
}

/// Whether many services read a request of this method and path as one of a configured route.
pub(crate) fn reads_as(route: (Option<&str>, &[Segment]), method: &str, path: &str) -> bool {
    let (wanted, pattern) = route;
    let mut parts = segments(path);
    for segment in pattern {
        let same = match segment {
            Segment::Rest => return is_verb(wanted, method),
            Segment::Fixed(text) => parts.next().is_some_and(|part| folded(part) == folded(text)),
            Segment::Capture(_) => parts.next().is_some(),
        };
        if !same {
            return false;
        }
    }
    parts.next().is_none() && is_verb(wanted, method)
}

fn is_verb(wanted: Option<&str>, method: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == method || verb(wanted).is_some() && verb(wanted) == verb(method))
}

/// Letters large; `HEAD` asks for what `GET` answers.
fn verb(method: &str) -> Option<Cow<'_, str>> {
    let fits = (1..=METHOD_BYTES_MAX).contains(&method.len())
        && method.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
    let small = method.bytes().any(|byte| byte.is_ascii_lowercase());
    let verb = if small { Cow::Owned(method.to_ascii_uppercase()) } else { Cow::Borrowed(method) };
    fits.then(|| if verb == "HEAD" { Cow::Borrowed("GET") } else { verb })
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty() && !segment.starts_with(';'))
}

/// Escapes read, letters small, parameters gone, and spaces around it and dots behind it; the part of the segment
/// that was taken.
fn fold<'a>(segment: &'a str, out: &mut Vec<u8>) -> &'a str {
    let bytes = segment.as_bytes();
    let (mut at, mut from, mut end) = (0, None, None);
    while let Some(byte) = bytes.get(at) {
        let escaped = (*byte == b'%').then(|| escape(bytes.get(at + 1..at + 3))).flatten();
        let read = escaped.unwrap_or(*byte);
        let next = at + if escaped.is_some() { 3 } else { 1 };
        if read == b';' {
            break;
        }
        if read != b' ' || from.is_some() {
            from.get_or_insert(at);
            out.push(read.to_ascii_lowercase());
            if !matches!(read, b' ' | b'.') {
                end = Some((next, out.len()));
            }
        }
        at = next;
    }
    let (end, len) = end.unwrap_or((at, out.len()));
    out.truncate(len);
    segment.get(from.unwrap_or(end)..end).unwrap_or_default()
}

fn folded(segment: &str) -> Vec<u8> {
    let mut out = Vec::new();
    fold(segment, &mut out);
    out
}

/// Whether a folded segment names a thing and not a kind of thing.
fn is_data(segment: &[u8]) -> bool {
    let number = segment.iter().all(u8::is_ascii_digit);
    let hex = segment.len() >= HEX_MIN && segment.iter().all(u8::is_ascii_hexdigit);
    number || hex || segment.len() > SEGMENT_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(method: &str, path: &str) -> String {
        String::from_utf8(key(method, path).unwrap()).unwrap()
    }

    #[test]
    fn data_in_a_path_has_no_part_in_its_name() {
        for (path, want) in [
            ("/", "GET /"),
            ("/accounts/17", "GET /accounts/{id}"),
            ("/a/0f8fad5b-d9cb-469f-a165-70867728950e/b", "GET /a/{id}/b"),
            ("/blob/deadbeefdeadbeef", "GET /blob/{id}"),
            ("/blob/deadbeef", "GET /blob/deadbeef"),
            ("/x/abcdefghijklmnopqrstuvwxyzabcdefgh", "GET /x/{id}"),
            ("/v1/17a", "GET /v1/17a"),
        ] {
            assert_eq!(text("GET", path), want);
            assert_eq!(shown("GET", path), want);
        }
        assert_eq!(text("GET", &"/a".repeat(20)), format!("GET {}/{{*}}", "/a".repeat(12)));
        assert_eq!(key("ge t", "/"), None);
        assert_eq!(key("ABCDEFGHIJKLMNOPQ", "/"), None);
    }

    #[test]
    fn spellings_that_services_read_alike_have_one_name() {
        for path in [
            "/Login",
            "/login/",
            "/LOGIN",
            "/login;a=b",
            "/login;",
            "/login/;",
            "/;x/login",
            "/l%6Fgin",
            "//login",
            "/login%3Ba",
            "/%20login%20",
            "/login..",
        ] {
            assert_eq!(text("POST", path), "POST /login", "{path}");
        }
        assert_eq!(text("HEAD", "/a"), text("GET", "/a"));
        assert_ne!(text("POST", "/a"), text("GET", "/a"));
        assert_eq!(text("GET", "/a%40b"), text("GET", "/a@b"));
        assert_eq!(shown("POST", "/Login;a=b"), "POST /Login");
    }

    #[test]
    fn an_operator_names_a_route_as_it_is_shown() {
        for route in ["POST /login", "GET /accounts/{id}", " GET  / "] {
            let (method, path) = parse(route).unwrap();
            assert!(key(method, path).is_some(), "{route}");
        }
        assert_eq!(key("GET", "/accounts/{id}"), key("GET", "/accounts/17"));
        for route in ["", "/login", "POST", "POST login", "post /login", "POST /a b", "POST /a\nb"] {
            assert_eq!(parse(route), None, "{route:?}");
        }
    }
}
