//! A strict view of one TOML table: every key is asked for by name, every other key is an error that names file,
//! line, column and the nearest accepted key. Values are checked where they are read, so an error can point at
//! them; nothing is defaulted silently except by the caller.

use std::fmt;
use std::ops::Range;
use toml_edit::{Document, Item, TableLike};

/// What is wrong with a configuration file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    file: String,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
}

impl ConfigError {
    /// One-based line and column of the first offending character.
    pub const fn position(&self) -> (usize, usize) {
        (self.line, self.column)
    }

    /// The nearest accepted key, where a key was not accepted.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; did you mean `{help}`?"))
    }
}

impl std::error::Error for ConfigError {}

/// The text that positions refer to.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its name in errors.
    pub file: &'a str,
    /// What it holds.
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// The document, to make a [`Keys::root`] of.
    pub fn parse(self) -> Result<Document<&'a str>, ConfigError> {
        Document::parse(self.text).map_err(|error| self.error(error.span(), error.message().trim()))
    }

    /// An error at this place.
    pub fn error(self, span: Option<Range<usize>>, message: impl Into<String>) -> ConfigError {
        let start = span.map_or(0, |span| span.start).min(self.text.len());
        let before = self.text.get(..start).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        ConfigError { file: self.file.to_owned(), line, column, message: message.into(), help: None }
    }
}

/// One table, its place in the file and the keys asked for so far.
pub struct Keys<'a> {
    source: Source<'a>,
    table: &'a dyn TableLike,
    span: Option<Range<usize>>,
    path: String,
    asked: Vec<&'static str>,
}

impl fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> Keys<'a> {
    /// The whole document.
    pub fn root(source: Source<'a>, document: &'a Document<&'a str>) -> Self {
        let table: &dyn TableLike = document.as_table();
        Self { source, table, span: None, path: String::new(), asked: Vec::new() }
    }

    fn named(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn item(&mut self, key: &'static str) -> Option<&'a Item> {
        self.asked.push(key);
        self.table.get(key)
    }

    /// An error at the value of `key`, or at the table where there is none.
    pub fn bad(&self, key: &str, rule: impl fmt::Display) -> ConfigError {
        let span = self.table.get(key).and_then(Item::span).or_else(|| self.span.clone());
        self.source.error(span, format!("`{}` {rule}", self.named(key)))
    }

    /// A string.
    pub fn text(&mut self, key: &'static str) -> Result<Option<&'a str>, ConfigError> {
        match self.item(key) {
            None => Ok(None),
            Some(item) => item.as_str().map(Some).ok_or_else(|| self.bad(key, "must be a string")),
        }
    }

    /// A list of strings.
    pub fn texts(&mut self, key: &'static str) -> Result<Option<Vec<&'a str>>, ConfigError> {
        let Some(item) = self.item(key) else { return Ok(None) };
        let texts = item.as_array().and_then(|array| array.iter().map(toml_edit::Value::as_str).collect());
        texts.map(Some).ok_or_else(|| self.bad(key, "must be a list of strings"))
    }

    /// `true` where the key is there; it says nothing else.
    pub fn flag(&mut self, key: &'static str) -> Result<bool, ConfigError> {
        match self.item(key) {
            None => Ok(false),
            Some(item) if item.as_bool() == Some(true) => Ok(true),
            Some(_) => Err(self.bad(key, "must be `true` where it is there")),
        }
    }

    /// What must be there.
    pub fn need<T>(&self, key: &str, value: Option<T>) -> Result<T, ConfigError> {
        value.ok_or_else(|| self.source.error(self.span.clone(), format!("`{}` is missing", self.named(key))))
    }

    /// A string that `parse` accepts; `rule` says what it must be.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        match self.text(key)? {
            None => Ok(None),
            Some(text) => parse(text).map(Some).ok_or_else(|| self.bad(key, rule)),
        }
    }

    /// A whole number of this range.
    pub fn integer(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        let Some(item) = self.item(key) else { return Ok(None) };
        let value = item.as_integer().and_then(|value| u64::try_from(value).ok());
        value.filter(|value| range.contains(value)).map(Some).ok_or_else(|| {
            self.bad(key, format_args!("must be an integer in {}..={}", range.start(), range.end()))
        })
    }

    fn view(&self, key: &str, item: &'a Item) -> Result<Self, ConfigError> {
        let table = item.as_table_like().ok_or_else(|| self.bad(key, "must be a table"))?;
        Ok(Self { source: self.source, table, span: item.span(), path: self.named(key), asked: Vec::new() })
    }

    /// A table.
    pub fn table(&mut self, key: &'static str) -> Result<Option<Self>, ConfigError> {
        match self.item(key) {
            None => Ok(None),
            Some(item) => self.view(key, item).map(Some),
        }
    }

    /// A table whose keys are names chosen by the operator.
    pub fn entries(&mut self, key: &'static str) -> Result<Vec<(&'a str, Self)>, ConfigError> {
        let Some(inner) = self.table(key)? else { return Ok(Vec::new()) };
        inner.table.iter().map(|(name, item)| Ok((name, inner.view(name, item)?))).collect()
    }

    /// An array of tables.
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, ConfigError> {
        let Some(item) = self.item(key) else { return Ok(Vec::new()) };
        let tables = item.as_array_of_tables().ok_or_else(|| self.bad(key, "must be [[tables]]"))?;
        let view = |table: &'a toml_edit::Table| Self {
            source: self.source,
            table,
            span: table.span(),
            path: self.named(key),
            asked: Vec::new(),
        };
        Ok(tables.iter().map(view).collect())
    }

    /// Requires that every key was asked for.
    pub fn finish(self) -> Result<(), ConfigError> {
        let Some((key, _)) = self.table.iter().find(|(key, _)| !self.asked.contains(key)) else {
            return Ok(());
        };
        let span = self.table.key(key).and_then(toml_edit::Key::span);
        let mut error = self.source.error(span, format!("unknown key `{}`", self.named(key)));
        error.help = nearest(key, &self.asked).map(ToOwned::to_owned);
        Err(error)
    }
}

/// The accepted key with the smallest edit distance, if that is at most a third of its length plus one.
fn nearest<'k>(key: &str, accepted: &[&'k str]) -> Option<&'k str> {
    let best = accepted.iter().map(|candidate| (distance(key, candidate), *candidate)).min()?;
    (best.0 <= best.1.len() / 3 + 1).then_some(best.1)
}

/// Levenshtein distance over bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (y, above) in b.bytes().zip(row.iter().skip(1)) {
            left = (corner + usize::from(x != y)).min(above + 1).min(left + 1);
            corner = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
