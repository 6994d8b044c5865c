//! Finds the route of a request and reads the path the one way that is allowed.
//!
//! The path is matched as received. A path that an upstream might read in another way — dot segments, empty
//! segments, back slashes, percent-encoded letters, digits, dots, slashes or control characters — is refused
//! before any route is looked at, so no second reading can reach another route's service.

use crate::config::{Mode, RouteConfig, Segment};
use crate::learnt::reads_as;
use crate::request::RequestHead;

/// Most captures of one path. LIMIT: further ones are not recorded, and the pattern parser has no use for them.
pub(crate) const CAPTURES_MAX: usize = 16;

/// The target of `OPTIONS *`, which names no path.
const WHOLE: &str = "*";

/// The captures of a matched path, still percent-encoded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Captures<'a> {
    values: [&'a str; CAPTURES_MAX],
    count: usize,
}

impl<'a> Captures<'a> {
    fn push(&mut self, value: &'a str) {
        if let Some(slot) = self.values.get_mut(self.count) {
            *slot = value;
            self.count += 1;
        }
    }

    /// The value of the capture `name` of `pattern`.
    pub(crate) fn value(&self, pattern: &[Segment], name: &str) -> Option<&'a str> {
        let captures = pattern.iter().filter_map(|segment| match segment {
            Segment::Capture(name) => Some(name),
            _ => None,
        });
        let at = captures.take(CAPTURES_MAX).position(|capture| capture == name)?;
        self.values.get(..self.count)?.get(at).copied()
    }
}

/// The first route that matches, with its index and captures.
pub(crate) fn find<'r, 'a>(
    routes: &'r [RouteConfig],
    head: &RequestHead<'a>,
) -> Option<(usize, &'r RouteConfig, Captures<'a>)> {
    routes.iter().enumerate().find_map(|(at, route)| {
        let method = route.method.as_deref().is_none_or(|method| method == head.method);
        let authority = route.authority.as_deref().is_none_or(|authority| authority == head.authority);
        (method && authority)
            .then(|| matches(&route.path, head.path))
            .flatten()
            .map(|captures| (at, route, captures))
    })
}

/// Whether one of the enforced routes before `at` is what many services read in this request.
pub(crate) fn is_spelt_around(routes: &[RouteConfig], at: usize, head: &RequestHead<'_>) -> bool {
    let mut before = routes.iter().take(at);
    before.any(|route| {
        route.event.is_some()
            && route.mode == Mode::Enforce
            && route.authority.as_deref().is_none_or(|authority| authority == head.authority)
            && reads_as((route.method.as_deref(), &route.path), head.method, head.path)
    })
}

/// The captures of a route that was found before.
pub(crate) fn captures<'a>(route: &RouteConfig, head: &RequestHead<'a>) -> Option<Captures<'a>> {
    matches(&route.path, head.path)
}

fn matches<'a>(pattern: &[Segment], path: &'a str) -> Option<Captures<'a>> {
    let mut captures = Captures::default();
    // The service as a whole: only where all of it is one route.
    if path == WHOLE {
        return (pattern == [Segment::Rest]).then_some(captures);
    }
    let mut rest = Some(path.strip_prefix('/')?).filter(|rest| !rest.is_empty());
    for segment in pattern {
        if *segment == Segment::Rest {
            return Some(captures);
        }
        let here = rest?;
        let (part, tail) = match here.split_once('/') {
            Some((part, tail)) => (part, Some(tail)),
            None => (here, None),
        };
        match segment {
            Segment::Fixed(text) if text == part => {}
            Segment::Capture(_) if !part.is_empty() => captures.push(part),
            _ => return None,
        }
        rest = tail;
    }
    rest.is_none().then_some(captures)
}

/// Whether there is exactly one way to read this path.
pub(crate) fn path_is_plain(path: &str) -> bool {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return false;
    }
    let mut at = 0;
    let mut segment = 0; // start of the current segment
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'/' => {
                if at > 0 && dotted(bytes.get(segment..at)) {
                    return false;
                }
                segment = at + 1;
            }
            b'%' => {
                match escape(bytes.get(at + 1..at + 3)) {
                    Some(decoded) if !needless(decoded) => {}
                    _ => return false,
                }
                at += 2;
            }
            b'\\' | 0..=0x20 | 0x7F.. => return false,
            _ => {}
        }
        at += 1;
    }
    // A trailing slash (an empty last segment) is one reading; only dots are not.
    let last = bytes.get(segment..).unwrap_or(&[]);
    last.is_empty() || !dotted(Some(last))
}

/// Empty, `.` or `..`.
fn dotted(segment: Option<&[u8]>) -> bool {
    matches!(segment, None | Some(b"" | b"." | b".."))
}

/// The byte of two hexadecimal digits.
pub(crate) fn escape(digits: Option<&[u8]>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match digits? {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// A byte that nobody honest encodes in a path, or whose decoding changes the path's shape.
const fn needless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b'\\' | b'%' | 0..=0x1F | 0x7F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_with_one_reading_are_plain() {
        for path in ["/", "/a", "/a/", "/a/b.c/d..e", "/a%20b", "/%C3%A4", "/a;b=c", "/a:b@c", "/..."] {
            assert!(path_is_plain(path), "{path}");
        }
        for path in [
            "",
            "a",
            "*",
            "//",
            "//a",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/%61",
            "/%",
            "/%4",
            "/%zz",
            "/a%00",
            "/a%25b",
            "/a b",
            "/\u{e4}",
            "/a%7f",
        ] {
            assert!(!path_is_plain(path), "{path}");
        }
    }

    #[test]
    fn patterns_match_whole_paths_only() {
        let pattern = [
            Segment::Fixed("a".into()),
            Segment::Capture("x".into()),
            Segment::Fixed("b".into()),
            Segment::Capture("y".into()),
        ];
        let captures = matches(&pattern, "/a/1/b/2").unwrap();
        assert_eq!(captures.value(&pattern, "x"), Some("1"));
        assert_eq!(captures.value(&pattern, "y"), Some("2"));
        assert_eq!(captures.value(&pattern, "z"), None);
        for path in ["/a/1/b", "/a/1/b/", "/a/1/b/2/", "/a/1/b/2/3", "/a//b/2", "/x/1/b/2"] {
            assert!(matches(&pattern, path).is_none(), "{path}");
        }
        let rest = [Segment::Fixed("a".into()), Segment::Rest];
        for path in ["/a", "/a/", "/a/b/c"] {
            assert!(matches(&rest, path).is_some(), "{path}");
        }
        assert!(matches(&rest, "/ab").is_none());
        assert!(matches(&[], "/").is_some());
        assert!(matches(&[Segment::Rest], "*").is_some());
        assert!(matches(&rest, "*").is_none() && matches(&[Segment::Capture("x".into())], "*").is_none());
    }
}
