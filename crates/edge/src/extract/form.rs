//! Query strings and form bodies: `key=value` pairs joined by `&`, decoded exactly once.
//!
//! Refused: a key that comes twice (compared without case), an empty key, broken or doubled percent-encoding,
//! what is not UTF-8 after decoding, control characters, and more pairs than [`PAIRS_MAX`].

use super::Unreadable;
use crate::route::escape;
use std::borrow::Cow;

/// Most pairs of one query or form.
pub(super) const PAIRS_MAX: usize = 256;

/// What `+` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    /// A space, as in queries and forms.
    Space,
    /// Itself, as in paths.
    Literal,
}

/// Key and value; copied only where there was something to decode.
pub(super) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// All pairs, decoded.
pub(super) fn pairs(text: &str) -> Result<Vec<Pair<'_>>, Unreadable> {
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    for part in text.split('&').filter(|_| !text.is_empty()) {
        if pairs.len() == PAIRS_MAX {
            return Err(Unreadable("too many pairs"));
        }
        if part.contains(';') {
            return Err(Unreadable("`;` in a pair")); // some servers split there
        }
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let key = decode(key, Plus::Space)?;
        if key.is_empty() {
            return Err(Unreadable("pair without key"));
        }
        if pairs.iter().any(|(known, _)| same_key(known, &key)) {
            return Err(Unreadable("key comes twice"));
        }
        pairs.push((key, decode(value, Plus::Space)?));
    }
    Ok(pairs)
}

/// Whether some parser would take the two for one key: case, and the array marks of PHP and Rails.
fn same_key(a: &str, b: &str) -> bool {
    fn stem(key: &str) -> &str {
        key.split('[').next().unwrap_or(key).trim()
    }
    stem(a).eq_ignore_ascii_case(stem(b))
}

/// Decodes percent-encoding once; what would decode again is refused.
pub(super) fn decode(text: &str, plus: Plus) -> Result<Cow<'_, str>, Unreadable> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+' | 0..=0x20 | 0x7F)) {
        return Ok(Cow::Borrowed(text));
    }
    let raw = text.as_bytes();
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        out.push(match byte {
            b'%' => {
                let digits = raw.get(at + 1..at + 3);
                at += 2;
                escape(digits).ok_or(Unreadable("broken percent-encoding"))?
            }
            b'+' if plus == Plus::Space => b' ',
            other => *other,
        });
        at += 1;
    }
    let doubled =
        out.windows(3).any(|three| three.first() == Some(&b'%') && escape(three.get(1..)).is_some());
    if doubled {
        return Err(Unreadable("encoded twice"));
    }
    if out.iter().any(|byte| byte.is_ascii_control()) {
        return Err(Unreadable("control character"));
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| Unreadable("not UTF-8"))
}
