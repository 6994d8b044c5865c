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
    let infix = match op {
        Op::And => Some(" && ".to_owned()),
        Op::Or => Some(" || ".to_owned()),
        Op::Binary(op) => Some(format!(" {} ", op.symbol())),
        _ => None,
    };
    let name = match op {
        Op::Not => "!".to_owned(),
        Op::Neg => "-".to_owned(),
        Op::Convert(ty) => format!("{ty:?}").to_lowercase(),
        Op::MomentPart(part) | Op::SpanPart(part) => part.function().to_owned(),
        _ if infix.is_some() => String::new(),
        other => format!("{other:?}").to_lowercase(),
    };
    out.push_str(&name);
    out.push('(');
    for (nth, operand) in operands.iter().enumerate() {
        if nth > 0 {
            out.push_str(infix.as_deref().unwrap_or(", "));
        }
        write(terms, *operand, out);
    }
    out.push(')');
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
