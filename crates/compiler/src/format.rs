//! The one way to write `policy.toml`, `signals.toml` and `cases.toml`: order of keys, spaces, blank lines, columns.
//!
//! Formatting changes no meaning: values, comments, the order of tables and the text of conditions stay as they are. A key
//! that this module does not know stays behind those that it knows. What the author wrote over several lines with comments
//! in it is his, and left alone. Formatting twice is formatting once.
//!
//! It reads text and gives text; it does not say whether the text is a policy.

use crate::diagnostic::Diagnostics;
use crate::read::form;
use crate::source::{Findings, Source};
use std::collections::BTreeMap;
use toml_edit::{Array, DocumentMut, InlineTable, Item, RawString, Table, Value};

/// Formats one file.
///
/// ```
/// use glacis_compiler::{Source, format};
/// let text = "[[rule]]\neffect=\"block\"   # at once\nid='hooked'\nwhen = \"app.hooked\"\n";
/// let shown = format(Source { name: "policy.toml", text }).unwrap();
/// assert_eq!(shown, "[[rule]]\nid = 'hooked'\nwhen = \"app.hooked\"\neffect = \"block\" # at once\n");
/// ```
///
/// # Errors
/// The text is no TOML, or too long to be read.
pub fn format(source: Source<'_>) -> Result<String, Diagnostics> {
    let text = source.text.replace("\r\n", "\n");
    let source = Source { name: source.name, text: &text };
    let mut findings = Findings::default();
    form::parse(&source, &mut findings);
    findings.finish()?;
    // INVARIANT: one parser reads both; what it took once it takes again.
    let mut document: DocumentMut = text.parse().unwrap_or_default();
    let end = lines(document.trailing().as_str().unwrap_or_default());
    document.set_trailing("");
    let mut is_first = true;
    whole(document.as_table_mut(), &mut Vec::new(), &mut is_first);
    let blank = !is_first && end.first().is_some_and(String::is_empty);
    let end = joined(&end, blank);
    // Nothing but one line end stands behind the last line.
    let end = end.trim_end();
    document.set_trailing(if end.is_empty() { String::new() } else { format!("{end}\n") });
    Ok(document.to_string())
}

/// One table with all that is in it. `path` is where it stands; `is_first`: nothing was written before it.
fn whole(table: &mut Table, path: &mut Vec<String>, is_first: &mut bool) {
    if let Some(order) = order_of(path) {
        table.sort_values_by(|a, _, b, _| place(order, a.get()).cmp(&place(order, b.get())));
    }
    let mut own = Vec::new();
    settle(table, "", &mut own);
    *is_first &= own.is_empty();
    align(table, &mut suffixes(own).into_iter());
    for (mut key, item) in table.iter_mut() {
        path.push(key.get().to_owned());
        match item {
            Item::Table(inner) if !inner.is_dotted() => {
                key.leaf_decor_mut().clear();
                key.dotted_decor_mut().clear();
                header(inner, is_first);
                whole(inner, path, is_first);
            }
            Item::ArrayOfTables(tables) => {
                key.leaf_decor_mut().clear();
                key.dotted_decor_mut().clear();
                for inner in tables.iter_mut() {
                    header(inner, is_first);
                    whole(inner, path, is_first);
                }
            }
            Item::None | Item::Value(_) | Item::Table(_) => {}
        }
        path.pop();
    }
}

/// The lines before a header and the comment behind it.
fn header(table: &mut Table, is_first: &mut bool) {
    // A table that only holds others has no line of its own.
    if table.is_implicit() {
        return;
    }
    let above = lines(text(table.decor().prefix()));
    let behind = comment(text(table.decor().suffix()));
    table.decor_mut().set_prefix(joined(&above, !*is_first));
    table.decor_mut().set_suffix(if behind.is_empty() { behind } else { format!(" {behind}") });
    *is_first = false;
}

/// A key with its value, for the column of its comment.
#[derive(Debug)]
struct Line {
    /// Characters of key and value; `None`: over several lines.
    width: Option<usize>,
    comment: String,
    /// A blank line or a comment stands before it.
    begins: bool,
}

/// Puts keys and values of one table, and of the dotted ones in it, into form; their comments come later.
fn settle(table: &mut Table, before: &str, own: &mut Vec<Line>) {
    for (mut key, item) in table.iter_mut() {
        let name = format!("{before}{}", key.display_repr());
        match item {
            Item::Table(inner) if inner.is_dotted() => {
                key.dotted_decor_mut().clear();
                settle(inner, &format!("{name}."), own);
            }
            Item::Value(value) => {
                let above = lines(text(key.leaf_decor().prefix()));
                let blank = !own.is_empty() && above.first().is_some_and(String::is_empty);
                let prefix = joined(&above, blank);
                let begins = !prefix.is_empty();
                key.leaf_decor_mut().set_prefix(prefix);
                key.leaf_decor_mut().set_suffix(" ");
                key.dotted_decor_mut().clear();
                let comment = comment(text(value.decor().suffix()));
                let before = name.chars().count() + " = ".len();
                tidy(value, before);
                value.decor_mut().set_prefix("");
                value.decor_mut().set_suffix("");
                let shown = value.to_string();
                value.decor_mut().set_prefix(" ");
                let width = (!shown.contains('\n')).then(|| before + shown.chars().count());
                own.push(Line { width, comment, begins });
            }
            Item::None | Item::Table(_) | Item::ArrayOfTables(_) => {}
        }
    }
}

/// Comments with the spaces before them: in lines that follow each other they stand in one column.
fn suffixes(own: Vec<Line>) -> Vec<String> {
    let mut run = 0;
    let mut runs = Vec::with_capacity(own.len());
    let mut columns: BTreeMap<usize, usize> = BTreeMap::new();
    let mut was_long = false;
    for line in &own {
        // A value over several lines has a run of its own: its comment stands behind its last line.
        run += usize::from(line.begins || line.width.is_none() || was_long);
        was_long = line.width.is_none();
        runs.push(run);
        if let Some(width) = line.width.filter(|_| !line.comment.is_empty()) {
            let column = columns.entry(run).or_default();
            *column = width.max(*column);
        }
    }
    let suffix = |(line, run): (Line, usize)| {
        let column = columns.get(&run).copied().unwrap_or(0);
        let space = column.saturating_sub(line.width.unwrap_or(column)) + 1;
        if line.comment.is_empty() { String::new() } else { " ".repeat(space) + &line.comment }
    };
    own.into_iter().zip(runs).map(suffix).collect()
}

/// Hands the comments back, in the order in which [`settle`] took them.
fn align(table: &mut Table, suffixes: &mut impl Iterator<Item = String>) {
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) if inner.is_dotted() => align(inner, suffixes),
            Item::Value(value) => value.decor_mut().set_suffix(suffixes.next().unwrap_or_default()),
            Item::None | Item::Table(_) | Item::ArrayOfTables(_) => {}
        }
    }
}

/// Spaces inside an array or inline table. `before` characters stand before it on its line.
fn tidy(value: &mut Value, before: usize) {
    if !has_comments(value) {
        flat(value);
    }
    if let Value::Array(array) = value
        && before + array.to_string().trim().chars().count() > WIDTH_MAX
        && !array.is_empty()
    {
        tall(array);
    }
}

/// Whether an array or inline table has comments inside, which belong to lines.
fn has_comments(value: &Value) -> bool {
    let raw = |raw: Option<&RawString>| text(raw).contains('#');
    match value {
        Value::Array(array) => {
            let inner =
                |item: &Value| raw(item.decor().prefix()) || raw(item.decor().suffix()) || has_comments(item);
            raw(Some(array.trailing())) || array.iter().any(inner)
        }
        Value::InlineTable(table) => {
            let inner = |(key, item): (&str, &Value)| {
                let leaf = table.key(key).map(toml_edit::Key::leaf_decor);
                leaf.is_some_and(|decor| raw(decor.prefix()) || raw(decor.suffix()))
                    || raw(item.decor().prefix())
                    || raw(item.decor().suffix())
                    || has_comments(item)
            };
            raw(Some(table.trailing())) || table.iter().any(inner)
        }
        _ => false,
    }
}

/// On one line: `[a, b]`, `{ a = 1 }`.
fn flat(value: &mut Value) {
    match value {
        Value::Array(array) => {
            array.fmt();
            array.iter_mut().for_each(flat);
        }
        Value::InlineTable(table) => flat_table(table),
        _ => {}
    }
}

fn flat_table(table: &mut InlineTable) {
    table.sort_values_by(|a, _, b, _| place(&INLINE, a.get()).cmp(&place(&INLINE, b.get())));
    table.fmt();
    table.set_trailing("");
    table.set_trailing_comma(false);
    table.iter_mut().for_each(|(_, item)| flat(item));
}

/// An item a line.
fn tall(array: &mut Array) {
    for item in array.iter_mut() {
        item.decor_mut().set_prefix("\n  ");
        item.decor_mut().set_suffix("");
    }
    array.set_trailing_comma(true);
    array.set_trailing("\n");
}

fn text(raw: Option<&RawString>) -> &str {
    raw.and_then(RawString::as_str).unwrap_or_default()
}

/// The comment of a line, without the space around it.
fn comment(raw: &str) -> String {
    raw.trim().to_owned()
}

/// Whole lines of white space and comments, each trimmed; what stands before a key on its own line is no line.
fn lines(raw: &str) -> Vec<String> {
    let (whole, last) = raw.rsplit_once('\n').unwrap_or(("", raw));
    let all = if raw.contains('\n') { whole.split('\n').collect() } else { Vec::new() };
    let end = Some(last).filter(|last| !last.trim().is_empty());
    all.into_iter().chain(end).map(|line| line.trim().to_owned()).collect()
}

/// Lines as they are written: one blank line for many, none at the beginning but the one that is asked for.
fn joined(lines: &[String], blank: bool) -> String {
    let mut shown = if blank { "\n".to_owned() } else { String::new() };
    let mut was_blank = true;
    for line in lines {
        if !(line.is_empty() && was_blank) {
            shown.push_str(line);
            shown.push('\n');
        }
        was_blank = line.is_empty();
    }
    shown
}

/// Where a key stands; keys that are not in `order` come last, as they came.
fn place(order: &[&str], key: &str) -> usize {
    order.iter().position(|known| *known == key).unwrap_or(order.len())
}

/// The order of keys in the table at `path`, where there is one.
fn order_of(path: &[String]) -> Option<&'static [&'static str]> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["policy"] => Some(&POLICY),
        ["policy" | "rule", "if_unknown"] | ["rule", "release"] => Some(&INLINE),
        ["rule"] => Some(&RULE),
        ["score_class"] => Some(&["at_least", "effect"]),
        ["model"] => Some(&["name", "file", "data"]),
        ["signal", _] => Some(&SIGNAL),
        ["list", _] => Some(&LIST),
        ["feature", _] => Some(&FEATURE),
        ["case"] => Some(&CASE),
        _ => None,
    }
}

const POLICY: [&str; 8] = ["name", "event", "app", "purpose", "combine", "methods", "if_error", "if_unknown"];
const RULE: [&str; 12] = [
    "id",
    "when",
    "effect",
    "obligations",
    "text",
    "place",
    "reveal",
    "release",
    "lease",
    "danger_undisclosed",
    "if_unknown",
    "if_error",
];
const SIGNAL: [&str; 10] = [
    "type",
    "zone",
    "principal",
    "max_bytes",
    "max_items",
    "privacy",
    "purpose",
    "retention",
    "min_trust",
    "cost",
];
const LIST: [&str; 6] = ["of", "zone", "privacy", "purpose", "retention", "cost"];
const FEATURE: [&str; 12] = [
    "kind",
    "event",
    "key",
    "of",
    "window",
    "lateness",
    "include_self",
    "counts",
    "privacy",
    "purpose",
    "retention",
    "cost",
];
const CASE: [&str; 8] = ["name", "trust", "outage", "given", "passed", "verdict", "reasons", "obligations"];
/// Keys of inline tables: causes from what a device does to what happens to it, then those of a release.
const INLINE: [&str; 10] = [
    "withheld",
    "denied",
    "version",
    "inexact",
    "unavailable",
    "absent",
    "nodes",
    "values",
    "buckets",
    "vs_request",
];
/// Longest line of an array. Unit: characters. LIMIT of form only: an array beyond it takes a line an item.
const WIDTH_MAX: usize = 110;
