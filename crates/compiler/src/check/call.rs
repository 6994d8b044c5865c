//! Types of calls: the functions that conditions have, and why any other call is refused.
//!
//! What a function needs ahead must be a literal: patterns, networks and time zones become tables of the slice, and
//! whether they can is found here, where they stand.

use super::expr::{Checker, Result, kind, path};
use crate::cel::ast::{Ast, AstKind};
use crate::cel::lex::unsupported;
use crate::checked::{Expr, ExprKind};
use crate::cut::automaton::{self, Refusal};
use crate::cut::{networks, zone};
use crate::diagnostic::{Span, Spanned, suggest};
use crate::full;
use crate::source::Finding;
use glacis_policy::{TimePart, is_convertible};
use glacis_wire::Type;
use glacis_wire::limits::{NAME_BYTES_MAX, VALUE_BYTES_MAX};

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        ast: &Ast,
        receiver: Option<&Ast>,
        name: &Spanned<String>,
        args: &[Ast],
    ) -> Result<Expr> {
        match (name.value.as_str(), receiver, args) {
            (_, Some(receiver), _) if path(receiver).as_deref() == Some("model") => {
                self.score(ast, name, args)
            }
            ("has", None, [arg]) => {
                let signal = match &arg.kind {
                    AstKind::Name(_) | AstKind::Field(..) => self.resolve(arg)?,
                    _ => return Err(Finding::new(arg.span, "G3008", "`has` takes the name of a signal")),
                };
                let name = signal.name.clone();
                self.signals.insert(name.clone(), signal);
                Ok(self.done(ExprKind::Has(name), Type::Bool, ast))
            }
            ("size", None, [arg]) | ("size", Some(arg), []) => self.size(ast, arg),
            ("startsWith" | "endsWith" | "contains", Some(receiver), [arg]) => {
                let who = format!("`{}`", name.value);
                let text = Box::new(self.want(receiver, Type::String, &who)?);
                let part = Box::new(self.want(arg, Type::String, &who)?);
                let kind = match name.value.as_str() {
                    "startsWith" => ExprKind::StartsWith(text, part),
                    "endsWith" => ExprKind::EndsWith(text, part),
                    _ => ExprKind::Contains(text, part),
                };
                Ok(self.done(kind, Type::Bool, ast))
            }
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                self.matches(ast, text, pattern)
            }
            ("inCIDR", Some(text), [networks]) => self.in_networks(ast, text, networks),
            ("timestamp" | "duration", None, [arg]) => self.time(ast, name, arg),
            ("int" | "uint" | "double" | "bool" | "string" | "bytes", None, [arg]) => {
                self.convert(ast, name, arg)
            }
            ("exists" | "all" | "exists_one" | "existsOne", Some(range), [variable, body]) => {
                let unrolled = self.unroll(ast, name, range, variable, body)?;
                self.expr(&unrolled, None)
            }
            (word, Some(receiver), [] | [_]) if let Some(part) = part(word) => {
                self.time_part(ast, part, receiver, args.first())
            }
            _ => Err(no_such_call(receiver.is_some(), name, args.len())),
        }
    }

    fn size(&mut self, ast: &Ast, arg: &Ast) -> Result<Expr> {
        if let AstKind::Call { receiver: Some(range), name, args } = &arg.kind
            && let ("filter", [variable, body]) = (name.value.as_str(), args.as_slice())
        {
            let unrolled = self.unroll(ast, name, range, variable, body)?;
            return self.expr(&unrolled, None);
        }
        let inner = self.expr(arg, None)?;
        if !matches!(inner.ty, Type::String | Type::Bytes) && inner.ty.element().is_none() {
            let message = format!("`size` takes a string, bytes or a list, not {}", kind(inner.ty));
            return Err(Finding::new(arg.span, "G3002", message));
        }
        Ok(self.done(ExprKind::Size(Box::new(inner)), Type::Int, ast))
    }

    fn matches(&mut self, ast: &Ast, text: &Ast, pattern: &Ast) -> Result<Expr> {
        let text = self.want(text, Type::String, "`matches`")?;
        let pattern_text = literal_text(pattern, "the pattern of `matches`", VALUE_BYTES_MAX)?;
        match automaton::build(pattern_text) {
            Ok(_) => {}
            Err(Refusal::Pattern) => {
                let finding = Finding::new(pattern.span, "G3015", "this is no regular expression of RE2");
                let help = "no look-around and no back references; a backslash in quotes is written twice, or the \
                            text as r'…'";
                return Err(finding.help(help));
            }
            Err(Refusal::Size) => {
                let message = "this regular expression needs a table that is too large";
                let finding = Finding::new(pattern.span, "G3016", message);
                let help = "large counted repetitions and `.*` before them multiply; say less, or use startsWith, \
                            endsWith and contains";
                return Err(finding.help(help));
            }
        }
        Ok(self.done(ExprKind::Matches(Box::new(text), pattern_text.to_owned()), Type::Bool, ast))
    }

    fn in_networks(&mut self, ast: &Ast, text: &Ast, arg: &Ast) -> Result<Expr> {
        let text = self.want(text, Type::String, "`inCIDR`")?;
        let items = match &arg.kind {
            AstKind::List(items) if !items.is_empty() => items.as_slice(),
            _ => std::slice::from_ref(arg),
        };
        let mut all = Vec::new();
        for item in items {
            let network = literal_text(item, "a network of `inCIDR`", NAME_BYTES_MAX)?;
            if full::Network::parse(network).is_none() {
                let finding = Finding::new(item.span, "G3017", format!("`{network}` is no network"));
                let help = "write an address whose bits behind the prefix are zero: \"10.0.0.0/8\", \"2001:db8::/32\"";
                return Err(finding.help(help));
            }
            all.push(network.to_owned());
        }
        if networks::build(&all).is_none() {
            return Err(Finding::new(arg.span, "G3017", "these are too many networks"));
        }
        Ok(self.done(ExprKind::InNetworks(Box::new(text), all), Type::Bool, ast))
    }

    /// `timestamp("…")`, `timestamp(seconds)` and `duration("…")`.
    fn time(&mut self, ast: &Ast, name: &Spanned<String>, arg: &Ast) -> Result<Expr> {
        let (ty, example) = match name.value.as_str() {
            "timestamp" => (Type::Timestamp, "2026-11-30T09:00:00Z, years 1 to 9999"),
            _ => (Type::Duration, "1h30m, -1.5s or 250ms"),
        };
        let AstKind::Text(text) = &arg.kind else {
            let inner = self.expr(arg, None)?;
            return match inner.ty {
                own if own == ty => Ok(inner),
                Type::Int if ty == Type::Timestamp => {
                    Ok(self.done(ExprKind::Convert(Box::new(inner)), ty, ast))
                }
                Type::String => Err(not_literal(arg.span, &format!("the text of `{}`", name.value))),
                other => {
                    let message = format!("`{}` takes text, not {}", name.value, kind(other));
                    Err(Finding::new(arg.span, "G3002", message))
                }
            };
        };
        let Some(value) = full::time_value(ty, text) else {
            let finding = Finding::new(arg.span, "G3019", format!("`{text}` is no {}", name.value));
            return Err(finding.help(format!("write {example}; nothing finer than a microsecond")));
        };
        Ok(self.done(ExprKind::Literal(value), ty, ast))
    }

    fn convert(&mut self, ast: &Ast, name: &Spanned<String>, arg: &Ast) -> Result<Expr> {
        let inner = self.expr(arg, None)?;
        let scalars = Type::ALL.into_iter().filter(|ty| ty.element().is_none());
        let to = scalars.into_iter().find(|ty| ty.name() == name.value).unwrap_or(inner.ty);
        if inner.ty == to {
            return Ok(inner);
        }
        // A zone holds no reader of decimal fractions, which is as large as all other conversions together.
        let is_read = (inner.ty, to) == (Type::String, Type::Double);
        if is_read && !inner.readings().is_empty() {
            let finding = unsupported(name.span, "the double of a text that is not constant");
            return Err(finding.help("make the signal a double, or compare its whole number: `int(text)`"));
        }
        if is_read || is_convertible(inner.ty, to) {
            return Ok(self.done(ExprKind::Convert(Box::new(inner)), to, ast));
        }
        if to == Type::String && inner.ty.element().is_none() {
            let finding = unsupported(name.span, &format!("text of {}", kind(inner.ty)));
            return Err(finding.help("a zone builds no text; compare the value itself"));
        }
        let message = format!("`{}` does not take {}", name.value, kind(inner.ty));
        Err(Finding::new(arg.span, "G3002", message))
    }

    fn time_part(&mut self, ast: &Ast, part: TimePart, receiver: &Ast, zone: Option<&Ast>) -> Result<Expr> {
        let inner = self.expr(receiver, None)?;
        let spans = inner.ty == Type::Duration && part.is_of_spans() && zone.is_none();
        if let (Type::Duration, true, Some(zone)) = (inner.ty, part.is_of_spans(), zone) {
            return Err(Finding::new(zone.span, "G3002", "a duration is in no time zone"));
        }
        if inner.ty != Type::Timestamp && !spans {
            let what = if part.is_of_spans() { "a timestamp or a duration" } else { "a timestamp" };
            let message = format!("`{}` takes {what}, not {}", part.function(), kind(inner.ty));
            return Err(Finding::new(receiver.span, "G3002", message));
        }
        let name = zone.map(|zone| literal_text(zone, "a time zone", NAME_BYTES_MAX)).transpose()?;
        if let (Some(name), Some(arg)) = (name, zone)
            && zone::build(name).is_none()
        {
            let finding = Finding::new(arg.span, "G3018", format!("`{name}` is no time zone"));
            return Err(finding
                .help("write a name of the IANA database, \"Europe/Berlin\", or an offset, \"+02:00\""));
        }
        let kind = ExprKind::TimePart(part, Box::new(inner), name.map(str::to_owned));
        Ok(self.done(kind, Type::Int, ast))
    }
}

/// The part of a time that a function asks for.
fn part(function: &str) -> Option<TimePart> {
    TimePart::ALL.into_iter().find(|part| part.function() == function)
}

/// A text that must be known ahead.
fn literal_text<'a>(ast: &'a Ast, what: &str, bytes_max: usize) -> Result<&'a str> {
    match &ast.kind {
        AstKind::Text(text) if text.len() <= bytes_max => Ok(text),
        AstKind::Text(text) => {
            let message = format!("a string of {} bytes; at most {bytes_max}", text.len());
            Err(Finding::new(ast.span, "G3001", message))
        }
        _ => Err(not_literal(ast.span, what)),
    }
}

fn not_literal(span: Span, what: &str) -> Finding {
    let finding = Finding::new(span, "G3014", format!("{what} must be a literal"));
    finding.help("it is compiled ahead, so it cannot depend on a signal")
}

/// Why a call is not one of the functions that conditions have.
fn no_such_call(method: bool, name: &Spanned<String>, count: usize) -> Finding {
    let word = name.value.as_str();
    if method && matches!(word, "map" | "filter") {
        let finding = unsupported(name.span, &format!("`{word}`"));
        return finding
            .help("a zone builds no list; count with size(list.filter(x, …)), or ask with exists and all");
    }
    if let Some((_, usage)) = FUNCTIONS.iter().find(|(known, _)| *known == word) {
        let message = format!("`{word}` is not called like this with {count} arguments");
        return Finding::new(name.span, "G3008", message).help(format!("write `{usage}`"));
    }
    if CEL_FUNCTIONS.contains(&word) {
        return unsupported(name.span, &format!("`{word}`"));
    }
    let finding = Finding::new(name.span, "G3008", format!("there is no function `{word}`"));
    finding.maybe_help(suggest(word, FUNCTIONS.iter().map(|(known, _)| *known)))
}

/// Functions of conditions and how they are written.
const FUNCTIONS: &[(&str, &str)] = &[
    ("has", "has(signal)"),
    ("size", "size(x)"),
    ("startsWith", "text.startsWith(part)"),
    ("endsWith", "text.endsWith(part)"),
    ("contains", "text.contains(part)"),
    ("matches", "text.matches(\"pattern\")"),
    ("inCIDR", "address.inCIDR(\"10.0.0.0/8\")"),
    ("timestamp", "timestamp(\"2026-11-30T09:00:00Z\")"),
    ("duration", "duration(\"1h30m\")"),
    ("int", "int(x)"),
    ("uint", "uint(x)"),
    ("double", "double(x)"),
    ("bool", "bool(text)"),
    ("string", "string(bytes)"),
    ("bytes", "bytes(text)"),
    ("exists", "list.exists(x, x > 0)"),
    ("all", "list.all(x, x > 0)"),
    ("exists_one", "list.exists_one(x, x > 0)"),
    ("existsOne", "list.existsOne(x, x > 0)"),
    ("getFullYear", "at.getFullYear(\"Europe/Berlin\")"),
    ("getMonth", "at.getMonth(\"Europe/Berlin\")"),
    ("getDate", "at.getDate(\"Europe/Berlin\")"),
    ("getDayOfMonth", "at.getDayOfMonth(\"Europe/Berlin\")"),
    ("getDayOfWeek", "at.getDayOfWeek(\"Europe/Berlin\")"),
    ("getDayOfYear", "at.getDayOfYear(\"Europe/Berlin\")"),
    ("getHours", "at.getHours(\"Europe/Berlin\")"),
    ("getMinutes", "at.getMinutes(\"Europe/Berlin\")"),
    ("getSeconds", "at.getSeconds(\"Europe/Berlin\")"),
    ("getMilliseconds", "at.getMilliseconds(\"Europe/Berlin\")"),
];
/// Functions of CEL's standard library that conditions do not have.
const CEL_FUNCTIONS: &[&str] = &["type", "dyn", "cel"];
