//! `Signature-Input` and `Signature` (RFC 9421 §4): parsed for one label, written for one label.
//!
//! An [`Input`] borrows from the field. It keeps the member's text and writes `@signature-params` from it in
//! canonical form, parameters it does not know included, as RFC 9421 §2.3 demands.

use super::sfv::{Cursor, Item, write_bytes, write_string};
use super::{COMPONENTS_MAX, HttpSigError, HttpSigErrorKind, Message, base};
use crate::text::parse_base64_into;
use HttpSigErrorKind::{Duplicate, Parameter, Syntax, TooLarge, Unsupported};
use std::borrow::Cow;
use std::ops::Deref;

/// Signature parameters (RFC 9421 §2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    /// When it was signed. Unit: seconds since the epoch.
    pub created: Option<u64>,
    /// When it ends. Unit: seconds since the epoch.
    pub expires: Option<u64>,
    /// Unique among signatures of one key.
    pub nonce: Option<Cow<'a, str>>,
    /// Names the key.
    pub keyid: Option<Cow<'a, str>>,
    /// Name of the algorithm.
    pub alg: Option<Cow<'a, str>>,
    /// What the signature is for.
    pub tag: Option<Cow<'a, str>>,
}

impl Params<'_> {
    /// Appends `;key=value` of every parameter that is set, in the order of the fields.
    pub fn write(&self, out: &mut String) {
        for (key, value) in [("created", self.created), ("expires", self.expires)] {
            if let Some(seconds) = value {
                use std::fmt::Write as _;
                // Writing to a `String` cannot fail.
                let _ = write!(out, ";{key}={seconds}");
            }
        }
        for (key, value) in
            [("nonce", &self.nonce), ("keyid", &self.keyid), ("alg", &self.alg), ("tag", &self.tag)]
        {
            if let Some(text) = value {
                out.extend([";", key, "="]);
                write_string(out, text);
            }
        }
    }

    fn set<'a>(params: &mut Params<'a>, key: &str, value: Item<'a>) -> Result<(), HttpSigErrorKind> {
        let text = |slot: &mut Option<Cow<'a, str>>, value| match value {
            Item::String(text) if slot.is_none() => {
                *slot = Some(text);
                Ok(())
            }
            Item::String(_) => Err(Duplicate),
            _ => Err(Parameter),
        };
        let seconds = |slot: &mut Option<u64>, value| match value {
            Item::Integer(seconds) if slot.is_none() => {
                *slot = Some(u64::try_from(seconds).map_err(|_| Parameter)?);
                Ok(())
            }
            Item::Integer(_) => Err(Duplicate),
            _ => Err(Parameter),
        };
        match key {
            "created" => seconds(&mut params.created, value),
            "expires" => seconds(&mut params.expires, value),
            "nonce" => text(&mut params.nonce, value),
            "keyid" => text(&mut params.keyid, value),
            "alg" => text(&mut params.alg, value),
            "tag" => text(&mut params.tag, value),
            _ => Ok(()),
        }
    }
}

/// One covered component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component<'a> {
    /// A lower-case field name, or a derived component with its `@`.
    pub name: &'a str,
    /// The `name` parameter of `@query-param`.
    pub query_name: Option<Cow<'a, str>>,
}

/// One member of `Signature-Input`.
#[derive(Clone, Debug, PartialEq)]
pub struct Input<'a> {
    /// Covered components, in order; none twice.
    pub components: Vec<Component<'a>>,
    /// The parameters that RFC 9421 registers.
    pub params: Params<'a>,
    /// The member's text, from the opening parenthesis on; checked by the parser.
    text: &'a str,
    in_profile: bool,
}

impl Input<'_> {
    /// Whether exactly these components are covered, in this order, each without parameters.
    pub fn covers(&self, names: &[&str]) -> bool {
        self.components.len() == names.len()
            && self
                .components
                .iter()
                .zip(names)
                .all(|(have, want)| have.name == *want && have.query_name.is_none())
    }

    /// Whether the parameters are exactly `created`, `expires`, `nonce`, `keyid`, `alg`, `tag`, in this order.
    pub const fn has_profile_params(&self) -> bool {
        self.in_profile
    }

    /// Writes the signature base into `out`, which is emptied first and may be reused.
    pub fn write_base(&self, out: &mut String, message: &impl Message) -> Result<(), HttpSigError> {
        out.clear();
        for component in &self.components {
            base::write_line(out, component, message)?;
        }
        out.push_str("\"@signature-params\": ");
        self.write_canonical(out)
    }

    /// RFC 9651 §4.1.1.1 from the text that the parser accepted.
    fn write_canonical(&self, out: &mut String) -> Result<(), HttpSigError> {
        let mut cursor = Cursor::new(self.text)?;
        cursor.expect(b'(')?;
        out.push('(');
        let mut first = true;
        while cursor.inner_more()? {
            if !first {
                out.push(' ');
            }
            first = false;
            cursor.item()?.write(out);
            write_parameters(&mut cursor, out)?;
        }
        out.push(')');
        write_parameters(&mut cursor, out)
    }
}

fn write_parameters(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), HttpSigError> {
    while let Some((key, value)) = cursor.parameter()? {
        out.extend([";", key]);
        if value != Item::Boolean(true) {
            out.push('=');
            value.write(out);
        }
    }
    Ok(())
}

/// Reads the member `label` of a `Signature-Input` field; `None` if there is none.
///
/// Every other member is checked for form and skipped.
pub fn parse_input<'a>(field: &'a str, label: &str) -> Result<Option<Input<'a>>, HttpSigError> {
    let mut found = None;
    members(field, |key, cursor| {
        if key != label {
            return cursor.skip_member();
        }
        let at = cursor.clone();
        if found.replace(parse_member(cursor)?).is_some() { Err(at.error(Duplicate)) } else { Ok(()) }
    })?;
    Ok(found)
}

fn parse_member<'a>(cursor: &mut Cursor<'a>) -> Result<Input<'a>, HttpSigError> {
    let start = cursor.clone();
    cursor.expect(b'(')?;
    let mut components: Vec<Component<'a>> = Vec::with_capacity(12);
    while cursor.inner_more()? {
        let at = cursor.clone();
        let component = parse_component(cursor)?;
        if components.contains(&component) {
            return Err(at.error(Duplicate));
        }
        if components.len() >= COMPONENTS_MAX {
            return Err(at.error(TooLarge));
        }
        components.push(component);
        cursor.inner_separator()?;
    }
    let mut params = Params::default();
    let mut order = PROFILE_ORDER.iter();
    let mut in_profile = true;
    let mut unknown: Vec<&str> = Vec::new();
    loop {
        let at = cursor.clone();
        let Some((key, value)) = cursor.parameter()? else { break };
        in_profile &= order.next() == Some(&key);
        Params::set(&mut params, key, value).map_err(|kind| at.error(kind))?;
        if !PROFILE_ORDER.contains(&key) {
            if unknown.contains(&key) {
                return Err(at.error(Duplicate));
            }
            unknown.push(key);
        }
    }
    in_profile &= order.next().is_none();
    Ok(Input { components, params, text: start.until(cursor), in_profile })
}

fn parse_component<'a>(cursor: &mut Cursor<'a>) -> Result<Component<'a>, HttpSigError> {
    let at = cursor.clone();
    // A name with an escape in it is no field name.
    let Item::String(Cow::Borrowed(name)) = cursor.item()? else {
        return Err(at.error(Syntax));
    };
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.strip_prefix('@').unwrap_or(name).bytes().all(plain) {
        return Err(at.error(Syntax));
    }
    let mut query_name = None;
    while let Some((key, value)) = cursor.parameter()? {
        match value {
            Item::String(text) if name == "@query-param" && key == "name" && query_name.is_none() => {
                query_name = Some(text);
            }
            // `sf`, `key`, `bs`, `req`, `tr` change what is signed: refused, never ignored.
            _ => return Err(at.error(Unsupported)),
        }
    }
    let known = !name.starts_with('@') || base::is_derived(name);
    if known && (name == "@query-param") == query_name.is_some() {
        Ok(Component { name, query_name })
    } else {
        Err(at.error(Unsupported))
    }
}

/// A signature of at most 64 bytes: enough for the algorithms of [`Algorithm`](super::Algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSignature {
    bytes: [u8; 64],
    len: usize,
}

impl Deref for RawSignature {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

/// Reads the member `label` of a `Signature` field; `None` if there is none. Allocates only to check others.
pub fn parse_signature(field: &str, label: &str) -> Result<Option<RawSignature>, HttpSigError> {
    let mut found = None;
    members(field, |key, cursor| {
        if key != label {
            return cursor.skip_member();
        }
        let at = cursor.clone();
        let Item::Bytes(text) = cursor.item()? else {
            return Err(at.error(Syntax));
        };
        cursor.skip_parameters()?;
        let mut bytes = [0; 64];
        let len = parse_base64_into(text, &mut bytes).ok_or(at.error(TooLarge))?;
        if found.replace(RawSignature { bytes, len }).is_some() { Err(at.error(Duplicate)) } else { Ok(()) }
    })?;
    Ok(found)
}

/// Appends `label=:…:`, a whole `Signature` field.
pub fn write_signature(out: &mut String, label: &str, signature: &[u8]) {
    out.extend([label, "="]);
    write_bytes(out, signature);
}

/// Walks a dictionary; `member` reads one value with its parameters.
fn members<'a>(
    field: &'a str,
    mut member: impl FnMut(&'a str, &mut Cursor<'a>) -> Result<(), HttpSigError>,
) -> Result<(), HttpSigError> {
    let mut cursor = Cursor::new(field)?;
    if cursor.at_end() {
        return Ok(());
    }
    loop {
        let key = cursor.key()?;
        // A member without a value is the Boolean true (RFC 9651 §4.2.2): never a signature.
        cursor.expect(b'=')?;
        member(key, &mut cursor)?;
        if !cursor.next_member()? {
            return Ok(());
        }
    }
}

const PROFILE_ORDER: [&str; 6] = ["created", "expires", "nonce", "keyid", "alg", "tag"];
