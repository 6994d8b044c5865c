//! Terms as text, for the reasons of a refutation.
//!
//! Close to how conditions are written, but not meant to be read back: chains are in the order of their normal form,
//! tables have numbers, and what is long is cut. No value of an event is ever here, only literals of the policy.

use super::term::{Leaf, Op, Term, TermId, Terms};
use glacis_wire::Value;

/// The text of a term, at most [`TEXT_MAX`] characters.
pub(super) fn text(terms: &Terms<'_>, at: TermId) -> String {
    let mut out = String::new();
    write(terms, at, &mut out);
    cut(out)
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TEXT_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

fn write(terms: &Terms<'_>, at: TermId, out: &mut String) {
    // Long enough: the rest is cut in any case.
    if out.len() > 4 * TEXT_MAX {
        return;
    }
    match terms.get(at) {
        Some(Term::Const(_)) => out.push_str(&terms.value(at).map(literal).unwrap_or_default()),
        Some(Term::Read(of)) => out.push_str(&leaf(of)),
        Some(Term::Has(of)) => out.push_str(&format!("has({})", leaf(of))),
        Some(Term::Score(model, inputs)) => {
            let inputs: Vec<String> = inputs.iter().map(leaf).collect();
            out.push_str(&format!("model {model}({})", inputs.join(", ")));
        }
        Some(Term::Told(condition, _)) => {
            out.push_str("what the device tells of ");
            write(terms, *condition, out);
        }
        Some(Term::Table(table)) => out.push_str(&format!("table {table}")),
        Some(Term::Apply(op, operands)) => apply(terms, *op, operands, out),
        None => {}
    }
}

fn leaf(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Signal(name) => name.to_string(),
        Leaf::Slot(slot) => format!("slot {slot}"),
    }
}

fn apply(terms: &Terms<'_>, op: Op, operands: &[TermId], out: &mut String) {
    let (name, between) = match op {
        Op::And => ("", " && ".to_owned()),
        Op::Or => ("", " || ".to_owned()),
        Op::Binary(op) => ("", format!(" {} ", op.symbol())),
        _ => (function(op), ", ".to_owned()),
    };
    out.push_str(name);
    out.push('(');
    for (nth, operand) in operands.iter().enumerate() {
        match (op, nth) {
            (_, 0) => {}
            (Op::If, 1) => out.push_str(" ? "),
            (Op::If, _) => out.push_str(" : "),
            _ => out.push_str(&between),
        }
        write(terms, *operand, out);
    }
    out.push(')');
}

const fn function(op: Op) -> &'static str {
    match op {
        Op::Not => "!",
        Op::Neg => "-",
        Op::Size => "size",
        Op::StartsWith => "startsWith",
        Op::EndsWith => "endsWith",
        Op::Contains => "contains",
        Op::Matches => "matches",
        Op::Within => "inCIDR",
        Op::MomentPart(part) | Op::SpanPart(part) => part.function(),
        Op::Convert(ty) => ty.name(),
        Op::Index => "item",
        Op::Find => "place",
        Op::And | Op::Or | Op::If | Op::Binary(_) => "",
    }
}

/// A literal, as it is written.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Double(value) => format!("{value:?}"),
        Value::String(value) => cut(format!("{value:?}")),
        Value::Uint(value) => format!("{value}u"),
        Value::Bytes(value) => cut(format!("b{value:?}")),
        Value::Timestamp(value) => format!("timestamp({} us)", value.as_us()),
        Value::Duration(value) => format!("duration({} us)", value.as_us()),
        Value::List(items) => {
            let shown: Vec<String> = items.iter().take(ITEMS_MAX).map(literal).collect();
            let rest = if items.len() > ITEMS_MAX { ", …" } else { "" };
            format!("[{}{rest}]", shown.join(", "))
        }
    }
}

/// Characters of one text. Unit: characters.
const TEXT_MAX: usize = 160;
/// Items of a list that are shown.
const ITEMS_MAX: usize = 4;
