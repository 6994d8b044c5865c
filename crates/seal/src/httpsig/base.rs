//! The signature base (RFC 9421 §2.5): one line a component, then `@signature-params`.
//!
//! It is written into a buffer that the caller keeps, straight from a [`Message`] of whatever HTTP library the
//! caller has; nothing is copied before.

use super::input::{Component, Params};
use super::sfv::write_string;
use super::{HttpSigError, HttpSigErrorKind};
use HttpSigErrorKind::{MissingComponent, Unsupported, Value};
use glacis_wire::http::{Request, Response};

/// Components of a message that are not fields (RFC 9421 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derived {
    /// `@method`
    Method,
    /// `@authority`: host and, unless it is the default, port; lower case.
    Authority,
    /// `@path`: without query; empty reads as `/`.
    Path,
    /// `@query`: with its `?`; empty reads as `?`.
    Query,
    /// `@scheme`
    Scheme,
    /// `@status`
    Status,
}

/// What can be signed.
pub trait Message {
    /// A derived component; `None` where this message has none.
    fn derived(&self, which: Derived) -> Option<&str>;

    /// Every field of this (lower-case) name, in order.
    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;
}

impl Message for Request {
    fn derived(&self, which: Derived) -> Option<&str> {
        match which {
            Derived::Method => Some(&self.method),
            Derived::Authority => Some(&self.authority),
            Derived::Path => Some(&self.path),
            Derived::Query => Some(&self.query),
            Derived::Scheme | Derived::Status => None,
        }
    }

    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        named(&self.headers, name)
    }
}

impl Message for Response {
    fn derived(&self, _which: Derived) -> Option<&str> {
        None
    }

    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        named(&self.headers, name)
    }
}

fn named<'a>(headers: &'a [(String, String)], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_bytes())
}

/// What a signature is to cover and say.
#[derive(Clone, Debug)]
pub struct Cover<'a> {
    /// The label of both fields.
    pub label: &'a str,
    /// Names of components, in order; lower case, without parameters.
    pub components: &'a [&'a str],
    /// The signature parameters.
    pub params: Params<'a>,
}

/// Writes base and `Signature-Input` field for a signature as `cover` says.
///
/// Both buffers are emptied first and may be reused.
pub fn write_base(
    base: &mut String,
    input: &mut String,
    message: &impl Message,
    cover: &Cover<'_>,
) -> Result<(), HttpSigError> {
    let Cover { label, components, params } = cover;
    base.clear();
    input.clear();
    input.extend([label, "=("]);
    for (at, name) in components.iter().enumerate() {
        if at > 0 {
            input.push(' ');
        }
        write_string(input, name);
        write_line(base, &Component { name, query_name: None }, message)?;
    }
    input.push(')');
    params.write(input);
    base.push_str("\"@signature-params\": ");
    base.push_str(input.get(label.len().saturating_add(1)..).unwrap_or(""));
    Ok(())
}

/// Whether this name is a derived component that [`write_line`] can write.
pub(super) fn is_derived(name: &str) -> bool {
    matches!(name, "@query-param" | "@request-target") || simple(name).is_some()
}

fn simple(name: &str) -> Option<Derived> {
    match name {
        "@method" => Some(Derived::Method),
        "@authority" => Some(Derived::Authority),
        "@path" => Some(Derived::Path),
        "@query" => Some(Derived::Query),
        "@scheme" => Some(Derived::Scheme),
        "@status" => Some(Derived::Status),
        _ => None,
    }
}

/// One line: `"name"[;name="…"]: value\n`.
pub(super) fn write_line(
    out: &mut String,
    component: &Component<'_>,
    message: &impl Message,
) -> Result<(), HttpSigError> {
    write_string(out, component.name);
    if let Some(name) = &component.query_name {
        out.push_str(";name=");
        write_string(out, name);
    }
    out.push_str(": ");
    match component.name {
        "@query-param" => {
            let query = message.derived(Derived::Query).ok_or(MissingComponent.at(0))?;
            write_query_param(out, query, component.query_name.as_deref().unwrap_or(""))?;
        }
        "@request-target" => {
            write_derived(out, message, Derived::Path)?;
            let query = message.derived(Derived::Query).unwrap_or("");
            write_ascii(out, query.as_bytes())?;
        }
        name if name.starts_with('@') => write_derived(out, message, simple(name).ok_or(Unsupported.at(0))?)?,
        name => write_field(out, message, name)?,
    }
    out.push('\n');
    Ok(())
}

fn write_derived(out: &mut String, message: &impl Message, which: Derived) -> Result<(), HttpSigError> {
    let value = message.derived(which).ok_or(MissingComponent.at(0))?;
    let from = out.len();
    match (which, value) {
        // RFC 9421 §2.2.6 and §2.2.7.
        (Derived::Path, "") => out.push('/'),
        (Derived::Query, "") => out.push('?'),
        _ => write_ascii(out, value.as_bytes())?,
    }
    if which == Derived::Authority {
        // RFC 9421 §2.2.3: the host is compared without case.
        if let Some(written) = out.get_mut(from..) {
            written.make_ascii_lowercase();
        }
    }
    Ok(())
}

/// RFC 9421 §2.1: values trimmed, joined by comma and space.
fn write_field(out: &mut String, message: &impl Message, name: &str) -> Result<(), HttpSigError> {
    let mut any = false;
    for value in message.fields(name) {
        if any {
            out.push_str(", ");
        }
        any = true;
        write_ascii(out, trim(value))?;
    }
    if any { Ok(()) } else { Err(MissingComponent.at(0)) }
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let from = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !blank(byte)).map_or(from, |at| at + 1);
    value.get(from..to).unwrap_or(&[])
}

/// A base is ASCII without line breaks, or two messages could have one base.
fn write_ascii(out: &mut String, value: &[u8]) -> Result<(), HttpSigError> {
    if !value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(Value.at(0));
    }
    out.push_str(std::str::from_utf8(value).map_err(|_| Value.at(0))?);
    Ok(())
}

/// RFC 9421 §2.2.8: exactly one parameter of this (encoded) name, decoded and encoded again.
fn write_query_param(out: &mut String, query: &str, name: &str) -> Result<(), HttpSigError> {
    let mut found = None;
    for pair in query.strip_prefix('?').unwrap_or(query).split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if recode(key) == name && found.replace(value).is_some() {
            return Err(Unsupported.at(0));
        }
    }
    out.push_str(&recode(found.ok_or(MissingComponent.at(0))?));
    Ok(())
}

fn recode(text: &str) -> String {
    use std::fmt::Write as _;
    let hex = |byte: Option<u8>| {
        byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok())
    };
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'+' => b' ',
            b'%' => {
                let ahead = bytes.clone();
                match hex(bytes.next()).zip(hex(bytes.next())) {
                    Some((high, low)) => high << 4 | low,
                    None => {
                        bytes = ahead;
                        b'%'
                    }
                }
            }
            other => other,
        };
        if byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'-' | b'.' | b'_') {
            out.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
