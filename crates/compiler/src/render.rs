//! A typed expression as condition text again, for layouts, plans and diagnostics.
//!
//! The text parses to the same tree, up to the balance of `&&` and `||` chains and the form of calls; a property
//! test holds it to that. Release nodes are told apart by this text, so it must not lose anything.

use crate::checked::{BinaryOp, Expr, ExprKind};
use crate::full;
use glacis_wire::Value;
use std::fmt::Write;

/// The text of an expression.
pub(crate) fn render(expr: &Expr) -> String {
    let mut out = String::new();
    write(expr, 0, &mut out);
    out
}

/// Appends `expr`, in parentheses if it binds looser than `power`.
fn write(expr: &Expr, power: u8, out: &mut String) {
    let own = power_of(expr);
    let wrapped = own < power;
    if wrapped {
        out.push('(');
    }
    match &expr.kind {
        ExprKind::Literal(value) => literal(value, out),
        ExprKind::List(items) => sequence("[", items, "]", out),
        ExprKind::Signal(name) => match list_test(name.as_str()) {
            Some((list, key)) => {
                let _ = write!(out, "{key} in {list}");
            }
            None => out.push_str(name.as_str()),
        },
        ExprKind::Has(name) => {
            let _ = write!(out, "has({name})");
        }
        ExprKind::Not(a) => {
            out.push('!');
            // `!!a` parses to `a`: a double negation keeps its parentheses.
            write(a, if matches!(a.kind, ExprKind::Not(_)) { PRIMARY + 1 } else { own }, out);
        }
        ExprKind::Neg(a) => {
            out.push('-');
            // `-1` is a literal and `--a` is `a`: what is negated keeps its parentheses.
            let kept = matches!(a.kind, ExprKind::Literal(_) | ExprKind::Neg(_));
            write(a, if kept { PRIMARY + 1 } else { own }, out);
        }
        ExprKind::Binary(op, a, b) => {
            let chains = matches!(op, BinaryOp::And | BinaryOp::Or);
            write(a, own, out);
            let _ = write!(out, " {} ", op.symbol());
            write(b, own + u8::from(!chains), out);
        }
        ExprKind::If(condition, yes, no) => choice(condition, [yes, no], out),
        ExprKind::Model(name, inputs) => {
            let _ = write!(out, "model.{name}");
            sequence("(", inputs, ")", out);
        }
        ExprKind::Size(a) => sequence("size(", std::slice::from_ref(a), ")", out),
        ExprKind::StartsWith(a, b) => method(a, "startsWith", b, out),
        ExprKind::EndsWith(a, b) => method(a, "endsWith", b, out),
        ExprKind::Contains(a, b) => method(a, "contains", b, out),
        ExprKind::Matches(a, pattern) => texts(a, "matches", std::slice::from_ref(pattern), out),
        ExprKind::InNetworks(a, networks) => in_networks(a, networks, out),
        ExprKind::TimePart(part, a, zone) => {
            let zone: Vec<String> = zone.iter().cloned().collect();
            texts(a, part.function(), &zone, out);
        }
        ExprKind::Convert(a) => {
            out.push_str(expr.ty.name());
            sequence("(", std::slice::from_ref(a), ")", out);
        }
        ExprKind::Index(a, b) => {
            write(a, PRIMARY, out);
            sequence("[", std::slice::from_ref(b), "]", out);
        }
        ExprKind::Pick { keys, values, key } => {
            entries(keys, values, out);
            sequence("[", std::slice::from_ref(key), "]", out);
        }
    }
    if wrapped {
        out.push(')');
    }
}

fn choice(condition: &Expr, [yes, no]: [&Expr; 2], out: &mut String) {
    write(condition, 1, out);
    out.push_str(" ? ");
    write(yes, 1, out);
    out.push_str(" : ");
    write(no, 0, out);
}

fn in_networks(address: &Expr, networks: &[String], out: &mut String) {
    if networks.len() == 1 {
        return texts(address, "inCIDR", networks, out);
    }
    write(address, PRIMARY, out);
    out.push_str(".inCIDR([");
    all_quoted(networks, out);
    out.push_str("])");
}

/// A map literal.
fn entries(keys: &[Expr], values: &[Expr], out: &mut String) {
    out.push('{');
    for (at, (key, value)) in keys.iter().zip(values).enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        write(key, 1, out);
        out.push_str(": ");
        write(value, 0, out);
    }
    out.push('}');
}

const UNARY: u8 = 6;
const PRIMARY: u8 = 7;

fn power_of(expr: &Expr) -> u8 {
    match &expr.kind {
        ExprKind::If(..) => 0,
        ExprKind::Binary(op, ..) => op.power(),
        ExprKind::Signal(name) if list_test(name.as_str()).is_some() => BinaryOp::In.power(),
        ExprKind::Not(_) | ExprKind::Neg(_) => UNARY,
        _ => PRIMARY,
    }
}

/// `list.mules(payee)` as (`list.mules`, `payee`).
fn list_test(name: &str) -> Option<(&str, &str)> {
    name.strip_suffix(')')?.split_once('(')
}

fn method(receiver: &Expr, name: &str, arg: &Expr, out: &mut String) {
    write(receiver, PRIMARY, out);
    let _ = write!(out, ".{name}");
    sequence("(", std::slice::from_ref(arg), ")", out);
}

/// A method whose arguments are texts.
fn texts(receiver: &Expr, name: &str, args: &[String], out: &mut String) {
    write(receiver, PRIMARY, out);
    let _ = write!(out, ".{name}(");
    all_quoted(args, out);
    out.push(')');
}

fn all_quoted(texts: &[String], out: &mut String) {
    for (at, text) in texts.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        quoted(text, out);
    }
}

fn sequence<E: std::borrow::Borrow<Expr>>(open: &str, items: &[E], close: &str, out: &mut String) {
    out.push_str(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        write(item.borrow(), 0, out);
    }
    out.push_str(close);
}

fn literal(value: &Value, out: &mut String) {
    let _ = match value {
        Value::Bool(value) => write!(out, "{value}"),
        Value::Int(value) => write!(out, "{value}"),
        Value::Double(value) if value.is_nan() => write!(out, "(0.0 / 0.0)"),
        Value::Double(value) if value.is_infinite() => {
            write!(out, "({}1.0 / 0.0)", if *value < 0.0 { "-" } else { "" })
        }
        Value::Double(value) => write!(out, "{value:?}"),
        Value::String(text) => {
            quoted(text, out);
            Ok(())
        }
        Value::Uint(value) => write!(out, "{value}u"),
        Value::Bytes(bytes) => {
            out.push_str("b\"");
            let done = bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"));
            out.push('"');
            done
        }
        Value::Timestamp(at) => write!(out, "timestamp(\"{}\")", full::Timestamp::from(*at)),
        Value::Duration(span) => write!(out, "duration(\"{}\")", full::Duration::from(*span)),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                literal(item, out);
            }
            out.push(']');
            Ok(())
        }
    };
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => {
                let _ = write!(out, "\\U{:08x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

impl std::fmt::Display for Expr {
    /// As condition text that parses to the same tree.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&render(self))
    }
}
