//! Request signals from the very bytes that are forwarded (DESIGN §4.1).
//!
//! Whatever could be read in two ways is refused: a key that comes twice (also where two spellings differ only
//! in case or escaping), an encoding inside an encoding, a content type other than the one expected, a coded
//! body, a value of another type than declared. A field that is not there at all is `missing`.

mod form;
mod json;

use crate::config::{Extract, Field, RouteConfig};
use crate::learnt::key;
use crate::request::{Once, RequestHead};
use crate::route::Captures;
use glacis_wire::message::decide::SignalAnswer;
use glacis_wire::{Answer, Type, Value};

/// The request cannot be read the one way that extraction demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// Reads every field of `route`, in the order of its configuration.
pub(crate) fn extract(
    route: &RouteConfig,
    head: &RequestHead<'_>,
    captures: &Captures<'_>,
    body: &[u8],
) -> Result<Vec<SignalAnswer>, Unreadable> {
    if route.fields.is_empty() {
        return Ok(Vec::new());
    }
    let uses = |wanted: fn(&Extract) -> bool| route.fields.iter().any(|field| wanted(&field.from));
    let query = match head.query.strip_prefix('?') {
        Some(query) if uses(|from| matches!(from, Extract::Query(_))) => form::pairs(query)?,
        _ => Vec::new(),
    };
    let form = if uses(|from| matches!(from, Extract::Form(_))) {
        content_type(head, "application/x-www-form-urlencoded")?;
        form::pairs(core::str::from_utf8(body).map_err(|_| Unreadable("form is not UTF-8"))?)?
    } else {
        Vec::new()
    };
    let json = if uses(|from| matches!(from, Extract::Json(_))) {
        content_type(head, "application/json")?;
        Some(json::parse(body)?)
    } else {
        None
    };
    let answer = |field: &Field| -> Result<SignalAnswer, Unreadable> {
        let answer = match &field.from {
            Extract::Path(name) => match captures.value(&route.path, name) {
                Some(raw) => text(field, &form::decode(raw, form::Plus::Literal)?)?,
                None => Answer::Missing,
            },
            Extract::Query(name) => pair(field, &query, name)?,
            Extract::Form(name) => pair(field, &form, name)?,
            Extract::Method => text(field, head.method)?,
            Extract::WholePath => text(field, head.path)?,
            Extract::Route => match key(head.method, head.path) {
                Some(name) => text(field, &String::from_utf8_lossy(&name))?,
                None => Answer::Missing,
            },
            Extract::Header(name) => match head.headers.once(name) {
                Once::Absent => Answer::Missing,
                Once::One(value) => text(field, value)?,
                Once::Many => return Err(Unreadable("field twice, or not text")),
            },
            Extract::Json(steps) => match json.as_ref().and_then(|json| json.at(steps)) {
                Some(value) => value.answer(field)?,
                None => Answer::Missing,
            },
        };
        Ok(SignalAnswer { signal: field.signal.clone(), answer })
    };
    let mut answers = Vec::with_capacity(route.fields.len());
    for field in &route.fields {
        answers.push(answer(field)?);
    }
    Ok(answers)
}

fn pair(field: &Field, pairs: &[form::Pair<'_>], name: &str) -> Result<Answer, Unreadable> {
    pairs.iter().find(|(key, _)| key == name).map_or(Ok(Answer::Missing), |(_, value)| text(field, value))
}

/// A value that came as text, read as the field's type in its one canonical spelling.
fn text(field: &Field, value: &str) -> Result<Answer, Unreadable> {
    if value.len() > field.max_bytes {
        return Err(Unreadable("value over its limit"));
    }
    let read = match field.ty {
        Type::String => Some(Value::String(value.to_owned())),
        Type::Bool => match value {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Type::Int if is_whole(value) => value.parse().ok().map(Value::Int),
        Type::Double => double(value).map(Value::Double),
        _ => None,
    };
    read.map(Answer::Value).ok_or(Unreadable("value of another type"))
}

/// A whole number in its one spelling: no plus sign, no zero in front, no minus before zero.
fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let all = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all && (!digits.starts_with('0') || text == "0")
}

/// A decimal number as JSON spells it, without what Rust alone accepts (`inf`, `nan`, `+1`, `.5`).
fn double(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64().filter(|value| value.is_finite())
}

/// Requires this media type, at most with `charset=utf-8`, and no content coding.
fn content_type(head: &RequestHead<'_>, wanted: &str) -> Result<(), Unreadable> {
    if !matches!(head.fields.content_encoding, Once::Absent | Once::One("identity")) {
        return Err(Unreadable("coded body"));
    }
    let Once::One(value) = head.fields.content_type else { return Err(Unreadable("no single content type")) };
    let (essence, parameters) = value.split_once(';').map_or((value, ""), |(essence, rest)| (essence, rest));
    let utf8 = parameters.trim().is_empty()
        || parameters.trim().eq_ignore_ascii_case("charset=utf-8")
        || parameters.trim().eq_ignore_ascii_case("charset=\"utf-8\"");
    if essence.trim().eq_ignore_ascii_case(wanted) && utf8 {
        Ok(())
    } else {
        Err(Unreadable("other content type"))
    }
}

#[cfg(test)]
mod tests;
