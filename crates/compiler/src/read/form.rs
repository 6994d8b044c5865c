//! Strict reading of one TOML table: every key is accepted by name or reported with the nearest accepted one.
//!
//! [`parse`] turns a document into a plain tree with a span at every node; [`Form`] reads one table of it. A
//! getter that finds the wrong kind of value reports it and yields nothing, so that one pass finds all mistakes.

use crate::diagnostic::{Span, Spanned, accepted, suggest};
use crate::source::{Finding, Findings, Source, TextMap};
use toml_edit::{Document, Item as TomlItem, TableLike, Value as TomlValue};

/// A table with its entries in order of appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
    pub(crate) span: Span,
}

/// One key of a table.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Spanned<String>,
    pub(crate) item: Item,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) span: Span,
    pub(crate) data: Data,
}

/// What TOML can say.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Array(Vec<Item>),
    Table(Table),
    Tables(Vec<Table>),
    Date,
}

impl Data {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Double(_) => "a number with a fraction",
            Self::Text(_) => "a string",
            Self::Array(_) => "an array",
            Self::Table(_) => "a table",
            Self::Tables(_) => "an array of tables",
            Self::Date => "a date",
        }
    }
}

/// Reads a whole document; a document that is not TOML is one finding.
pub(crate) fn parse(source: &Source<'_>, findings: &mut Findings) -> Option<Table> {
    if source.text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; at most {FILE_BYTES_MAX} are read", source.text.len());
        findings.error(source, "", Finding::new(Span::default(), "G1001", message));
        return None;
    }
    match Document::parse(source.text) {
        Ok(document) => Some(Table {
            entries: entries(document.as_table()),
            span: Span::new(0, source.text.lines().next().map_or(0, str::len)),
        }),
        Err(error) => {
            let span = error.span().map_or(Span::default(), |range| Span::new(range.start, range.end));
            let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
            findings.error(source, "", Finding::new(span, "G1002", message));
            None
        }
    }
}

fn entries(table: &dyn TableLike) -> Vec<Entry> {
    let entry = |(key, item): (&str, &TomlItem)| {
        let span = table.key(key).and_then(toml_edit::Key::span);
        let item = convert(item)?;
        let span = span.map_or(item.span, |range| Span::new(range.start, range.end));
        Some(Entry { key: Spanned { value: key.to_owned(), span }, item })
    };
    table.iter().filter_map(entry).collect()
}

fn convert(item: &TomlItem) -> Option<Item> {
    let span = item.span().map_or(Span::default(), |range| Span::new(range.start, range.end));
    let data = match item {
        TomlItem::None => return None,
        TomlItem::Value(value) => return Some(convert_value(value)),
        TomlItem::Table(table) => Data::Table(Table { entries: entries(table), span }),
        TomlItem::ArrayOfTables(tables) => Data::Tables(
            tables
                .iter()
                .map(|table| Table {
                    entries: entries(table),
                    span: table.span().map_or(span, |range| Span::new(range.start, range.end)),
                })
                .collect(),
        ),
    };
    Some(Item { span, data })
}

fn convert_value(value: &TomlValue) -> Item {
    let span = value.span().map_or(Span::default(), |range| Span::new(range.start, range.end));
    let data = match value {
        TomlValue::Boolean(value) => Data::Bool(*value.value()),
        TomlValue::Integer(value) => Data::Int(*value.value()),
        TomlValue::Float(value) => Data::Double(*value.value()),
        TomlValue::String(value) => Data::Text(value.value().clone()),
        TomlValue::Datetime(_) => Data::Date,
        TomlValue::Array(items) => Data::Array(items.iter().map(convert_value).collect()),
        TomlValue::InlineTable(table) => Data::Table(Table { entries: entries(table), span }),
    };
    Item { span, data }
}

/// One table being read.
#[derive(Clone, Debug)]
pub(crate) struct Form<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) table: &'a Table,
    /// Where in the document, for findings.
    pub(crate) path: String,
}

impl<'a> Form<'a> {
    pub(crate) fn new(source: Source<'a>, table: &'a Table, path: impl Into<String>) -> Self {
        Self { source, table, path: path.into() }
    }

    /// Reports every key outside of `accepted`.
    pub(crate) fn only(&self, accepted: &[&str], findings: &mut Findings) {
        for entry in &self.table.entries {
            let key = entry.key.value.as_str();
            if !accepted.contains(&key) {
                let finding = Finding::new(entry.key.span, "G1003", format!("unknown key `{key}`"));
                self.report(finding.maybe_help(suggest(key, accepted.iter().copied())), findings);
            }
        }
    }

    pub(crate) fn report(&self, finding: Finding, findings: &mut Findings) {
        findings.error(&self.source, &self.path, finding);
    }

    /// Reports that `key` is missing, at the table's head.
    pub(crate) fn missing(&self, key: &str, help: &str, findings: &mut Findings) {
        let finding = Finding::new(self.table.span, "G1004", format!("`{key}` is missing"));
        self.report(finding.help(help), findings);
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.table.entries.iter().find(|entry| entry.key.value == key)
    }

    fn wrong_kind(&self, entry: &Entry, want: &str, findings: &mut Findings) {
        let message = format!("`{}` must be {want}, not {}", entry.key.value, entry.item.data.kind());
        self.report(Finding::new(entry.item.span, "G1005", message), findings);
    }

    /// Reads `key` by `pick`; a value that `pick` refuses is reported as not being `want`.
    fn read<T>(
        &self,
        key: &str,
        want: &str,
        findings: &mut Findings,
        pick: impl FnOnce(&'a Data) -> Option<T>,
    ) -> Option<Spanned<T>> {
        let entry = self.entry(key)?;
        let value = pick(&entry.item.data);
        if value.is_none() {
            self.wrong_kind(entry, want, findings);
        }
        value.map(|value| Spanned { value, span: entry.item.span })
    }

    pub(crate) fn text(&self, key: &str, findings: &mut Findings) -> Option<Spanned<&'a str>> {
        self.read(key, "a string", findings, |data| match data {
            Data::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(crate) fn bool(&self, key: &str, findings: &mut Findings) -> Option<Spanned<bool>> {
        self.read(key, "`true` or `false`", findings, |data| match data {
            Data::Bool(value) => Some(*value),
            _ => None,
        })
    }

    /// An integer within `range`.
    pub(crate) fn int(
        &self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
        findings: &mut Findings,
    ) -> Option<Spanned<i64>> {
        let found = self.read(key, "an integer", findings, |data| match data {
            Data::Int(value) => Some(*value),
            _ => None,
        })?;
        if range.contains(&found.value) {
            return Some(found);
        }
        let message =
            format!("`{key}` must be from {} to {}, not {}", range.start(), range.end(), found.value);
        self.report(Finding::new(found.span, "G1006", message), findings);
        None
    }

    /// An array of strings.
    pub(crate) fn texts(&self, key: &str, findings: &mut Findings) -> Option<Spanned<Vec<Spanned<&'a str>>>> {
        self.read(key, "an array of strings", findings, |data| match data {
            Data::Array(items) => items
                .iter()
                .map(|item| match &item.data {
                    Data::Text(text) => Some(Spanned { value: text.as_str(), span: item.span }),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// A table, inline or not.
    pub(crate) fn table(&self, key: &str, findings: &mut Findings) -> Option<Form<'a>> {
        let found = self.read(key, "a table", findings, |data| match data {
            Data::Table(table) => Some(table),
            _ => None,
        })?;
        Some(self.inner(key, found.value))
    }

    /// An array of tables; an array of inline tables reads alike.
    pub(crate) fn tables(&self, key: &str, findings: &mut Findings) -> Vec<Form<'a>> {
        let found =
            self.read(key, &format!("an array of tables, `[[{key}]]`"), findings, |data| match data {
                Data::Tables(tables) => Some(tables.iter().collect::<Vec<_>>()),
                Data::Array(items) => items
                    .iter()
                    .map(|item| match &item.data {
                        Data::Table(table) => Some(table),
                        _ => None,
                    })
                    .collect(),
                _ => None,
            });
        found.map_or(Vec::new(), |tables| tables.value.iter().map(|table| self.inner(key, table)).collect())
    }

    /// One of `words`, by its name.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&'static str, T)],
        findings: &mut Findings,
    ) -> Option<Spanned<T>> {
        let text = self.text(key, findings)?;
        let found = self.pick(text, key, words, findings)?;
        Some(Spanned { value: found, span: text.span })
    }

    /// The one of `words` that `text` names.
    pub(crate) fn pick<T: Copy>(
        &self,
        text: Spanned<&str>,
        what: &str,
        words: &[(&'static str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let found = words.iter().find(|(name, _)| *name == text.value).map(|(_, word)| *word);
        if found.is_none() {
            let finding =
                Finding::new(text.span, "G1007", format!("`{}` is not a value of `{what}`", text.value));
            let names = || words.iter().map(|(name, _)| *name);
            let all = || (!words.is_empty()).then(|| accepted(names()));
            self.report(finding.maybe_help(suggest(text.value, names()).or_else(all)), findings);
        }
        found
    }

    /// The map from a decoded string that stands at `span` back to the file.
    pub(crate) fn text_map(&self, text: Spanned<&str>) -> TextMap {
        let raw = self.source.text.get(text.span.start..text.span.end).unwrap_or("");
        TextMap::new(raw, text.span.start, text.value)
    }

    fn inner(&self, key: &str, table: &'a Table) -> Form<'a> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Form { source: self.source, table, path }
    }
}

/// LIMIT: bytes of one TOML file.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;
