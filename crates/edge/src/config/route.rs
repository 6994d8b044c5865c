//! Routes: which requests are which event, and from which forwarded bytes its fields come.
//!
//! A path pattern is fixed segments and `{name}` captures; a last segment `{*}` matches any rest. A route without
//! event is a plain proxy route: framing is still strict and our headers are still stripped.

use super::reader::{ConfigError, Keys};
use super::{Upstream, usize_of};
use crate::request::HOP_BY_HOP;
use glacis_wire::http::is_ours;
use glacis_wire::limits::{SIGNALS_MAX, VALUE_BYTES_MAX};
use glacis_wire::{EventName, SignalName, Type};
use std::sync::Arc;

/// One route that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// The method; `None` is any.
    pub method: Option<String>,
    /// The authority (lower case); `None` is any.
    pub authority: Option<String>,
    /// The path pattern.
    pub path: Vec<Segment>,
    /// Index into the upstreams.
    pub upstream: usize,
    /// The event that such a request is; `None` is a plain proxy route.
    pub event: Option<EventName>,
    /// What the event's request signals are read from.
    pub fields: Vec<Field>,
    /// Where the principal comes from.
    pub principal: Option<Principal>,
    /// Whether verdicts act.
    pub mode: Mode,
    /// What answers where no policy can be run.
    pub stance: Stance,
    /// Whether such requests come from a device zone.
    pub device: DeviceZone,
    /// Longest body. Unit: bytes.
    pub body_max: usize,
}

impl RouteConfig {
    /// Whether some field is read from the body, so that it must be buffered and verified before forwarding.
    pub fn reads_body(&self) -> bool {
        self.fields.iter().any(|field| matches!(field.from, Extract::Json(_) | Extract::Form(_)))
    }
}

/// One segment of a path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Fixed(String),
    /// Any one non-empty segment, under this name.
    Capture(String),
    /// Any rest, also none.
    Rest,
}

/// One request signal and where it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The signal.
    pub signal: SignalName,
    /// Its type; a value of another type is refused.
    pub ty: Type,
    /// Longest string value. Unit: bytes.
    pub max_bytes: usize,
    /// Where it is read.
    pub from: Extract,
}

/// A place in the forwarded bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extract {
    /// The capture of this name in the path.
    Path(String),
    /// The query parameter of this name.
    Query(String),
    /// The member of a JSON body that this pointer (RFC 6901) names, as unescaped steps.
    Json(Vec<String>),
    /// The form field of this name in an `application/x-www-form-urlencoded` body.
    Form(String),
    /// The method.
    Method,
    /// The whole path, as received.
    WholePath,
    /// Method and path template, such as `GET /accounts/{id}`: the name that learnt routes have, in small letters but for the method.
    Route,
    /// The header field of this (lower-case) name.
    Header(String),
}

/// A principal read from a verified token in `authorization: Bearer …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The signal that it supplies.
    pub signal: SignalName,
    /// The claim that names it.
    pub claim: String,
}

/// Whether verdicts of a route act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Decide and record, never refuse for the decision.
    Observe,
    /// Decide, record and act.
    Enforce,
}

/// What answers where no policy can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// Forward; the record says that the stance decided.
    Open,
    /// Refuse with `unavailable`; the record says that the stance decided.
    Closed,
}

/// Whether requests of a route come from a device zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceZone {
    /// An unsigned request is refused.
    Required,
    /// An unsigned request has every device signal withheld.
    Optional,
    /// The route has no device zone: device signals are absent.
    None,
}

pub(super) fn routes(
    keys: &mut Keys<'_>,
    upstreams: &[Arc<Upstream>],
    token: bool,
) -> Result<Vec<RouteConfig>, ConfigError> {
    let mut routes = Vec::new();
    for table in keys.tables("route")? {
        routes.push(route(table, upstreams, token)?);
    }
    Ok(routes)
}

fn route(mut keys: Keys<'_>, upstreams: &[Arc<Upstream>], token: bool) -> Result<RouteConfig, ConfigError> {
    let path =
        keys.parsed("path", "must start with `/`, with segments, {captures} and a last {*} only", pattern)?;
    let path = keys.need("path", path)?;
    let upstream = keys.parsed("upstream", "names no [upstream.…] of this file", |name| {
        upstreams.iter().position(|upstream| upstream.name == name)
    })?;
    let event = keys.parsed("event", "is not an event name", |name| EventName::parse(name).ok())?;
    let mut fields = Vec::new();
    for (signal, table) in keys.entries("fields")? {
        fields.push(field(signal, table, &path)?);
    }
    if fields.len() >= SIGNALS_MAX {
        return Err(keys.bad("fields", "holds too many fields"));
    }
    let principal = keys.table("principal")?.map(principal).transpose()?;
    if principal.is_some() && !token {
        return Err(keys.bad("principal", "needs a [token] table in this file"));
    }
    let choice = |what| format!("must be {what}");
    let route = RouteConfig {
        method: keys.parsed("method", "must be upper-case letters", method)?,
        authority: keys.parsed("authority", "must be lower case", |text| {
            (!text.is_empty() && !text.bytes().any(|b| b.is_ascii_uppercase())).then(|| text.to_owned())
        })?,
        upstream: keys.need("upstream", upstream)?,
        mode: keys
            .parsed("mode", &choice("`observe` or `enforce`"), |text| match text {
                "observe" => Some(Mode::Observe),
                "enforce" => Some(Mode::Enforce),
                _ => None,
            })?
            .unwrap_or(Mode::Enforce),
        stance: keys
            .parsed("stance", &choice("`open` or `closed`"), |text| match text {
                "open" => Some(Stance::Open),
                "closed" => Some(Stance::Closed),
                _ => None,
            })?
            .unwrap_or(Stance::Closed),
        device: keys
            .parsed("device", &choice("`required`, `optional` or `none`"), |text| match text {
                "required" => Some(DeviceZone::Required),
                "optional" => Some(DeviceZone::Optional),
                "none" => Some(DeviceZone::None),
                _ => None,
            })?
            .unwrap_or(DeviceZone::Required),
        body_max: keys.integer("body_max_bytes", 0..=BODY_MAX_MAX)?.map_or(BODY_MAX, usize_of),
        path,
        event,
        fields,
        principal,
    };
    if route.event.is_none() && !(route.fields.is_empty() && route.principal.is_none()) {
        return Err(keys.bad("path", "has fields or a principal but no event"));
    }
    keys.finish()?;
    Ok(route)
}

fn method(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    fits.then(|| text.to_owned())
}

fn pattern(text: &str) -> Option<Vec<Segment>> {
    let rest = text.strip_prefix('/')?;
    let parts: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
    let last = parts.len().saturating_sub(1);
    let mut segments = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        segments.push(match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            Some("*") if at == last => Segment::Rest,
            Some(name)
                if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') =>
            {
                Segment::Capture(name.to_owned())
            }
            Some(_) => return None,
            None if part.is_empty() || part.contains(['{', '}', '%', '?', '#']) => return None,
            None => Segment::Fixed(part.to_owned()),
        });
    }
    Some(segments)
}

fn principal(mut keys: Keys<'_>) -> Result<Principal, ConfigError> {
    let signal = keys.parsed("signal", "is not a signal name", |name| SignalName::parse(name).ok())?;
    let claim = keys.text("claim")?.unwrap_or("sub").to_owned();
    let signal = keys.need("signal", signal)?;
    keys.finish()?;
    Ok(Principal { signal, claim })
}

fn field(signal: &str, mut keys: Keys<'_>, path: &[Segment]) -> Result<Field, ConfigError> {
    let places = [
        keys.text("path")?.map(|name| Extract::Path(name.to_owned())),
        keys.text("query")?.map(|name| Extract::Query(name.to_owned())),
        keys.parsed("json", "must be a JSON pointer, such as /payee", pointer)?.map(Extract::Json),
        keys.text("form")?.map(|name| Extract::Form(name.to_owned())),
        keys.flag("method")?.then_some(Extract::Method),
        keys.parsed("target", "must be `path` or `route`", |what| match what {
            "path" => Some(Extract::WholePath),
            "route" => Some(Extract::Route),
            _ => None,
        })?,
        keys.parsed("header", "must be the lower-case name of a field that is not ours", header)?
            .map(Extract::Header),
    ];
    let mut places = places.into_iter().flatten();
    let (Some(from), None) = (places.next(), places.next()) else {
        let rule = "needs exactly one of `path`, `query`, `json`, `form`, `method`, `target`, `header`";
        return Err(keys.bad("", rule));
    };
    if let Extract::Path(name) = &from
        && !path.contains(&Segment::Capture(name.clone()))
    {
        return Err(keys.bad("path", "names no {capture} of the route's path"));
    }
    let ty = keys.parsed("type", "must be `bool`, `int`, `double` or `string`", |text| {
        [Type::Bool, Type::Int, Type::Double, Type::String].into_iter().find(|ty| ty.name() == text)
    })?;
    let max = keys.integer("max_bytes", 1..=u64::try_from(VALUE_BYTES_MAX).unwrap_or(4_096))?;
    let signal =
        SignalName::parse(signal).map_err(|error| keys.bad("", format_args!("is not accepted: {error}")))?;
    keys.finish()?;
    Ok(Field {
        signal,
        ty: ty.unwrap_or(Type::String),
        max_bytes: max.map_or(VALUE_BYTES_MAX, usize_of),
        from,
    })
}

/// A field name that extraction may read: hop-by-hop fields do not belong to the message, and ours are stripped.
fn header(name: &str) -> Option<String> {
    let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    let fits = (1..=64).contains(&name.len()) && name.bytes().all(token);
    (fits && !is_ours(name) && !HOP_BY_HOP.contains(&name)).then(|| name.to_owned())
}

/// The unescaped steps of a JSON pointer; at least one.
fn pointer(text: &str) -> Option<Vec<String>> {
    let steps: Vec<String> =
        text.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
    (steps.len() <= 16).then_some(steps)
}

/// Default longest body. Unit: bytes.
const BODY_MAX: usize = 65_536;
/// Largest longest body that an operator may set. Unit: bytes.
const BODY_MAX_MAX: u64 = 1 << 30;
