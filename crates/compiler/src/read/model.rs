//! Reads `[[model]]` of a policy file: the models that its conditions may ask.
//!
//! A policy is one text that is signed, published and compiled again elsewhere, so its models are in it: `data` holds
//! the bytes as base64. In a folder, `file` names them instead, and whoever reads the folder puts their bytes in its
//! place ([`inline`]) before anything is compiled.

use super::form::{Data, Form, Table, parse};
use super::policy::identifier;
use crate::diagnostic::{Span, Spanned};
use crate::full::{bytes_of, text_of};
use crate::source::{Finding, Findings, Source};
use glacis_model::{Kind, Model};
use glacis_policy::load::limits::MODELS_MAX;
use glacis_wire::limits::NAME_BYTES_MAX;

/// One model, loaded.
#[derive(Clone, Debug)]
pub(crate) struct RawModel {
    pub(crate) name: Spanned<String>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) features: Vec<Feature>,
}

/// What one feature takes.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    pub(crate) name: String,
    /// It compares whole numbers.
    pub(crate) whole: bool,
}

/// Every model of the file that is one.
pub(crate) fn read(form: &Form<'_>, findings: &mut Findings) -> Vec<RawModel> {
    let tables = form.tables("model", findings);
    if let Some(over) = tables.get(MODELS_MAX) {
        let message = format!("{} models; at most {MODELS_MAX}", tables.len());
        form.report(Finding::new(over.table.span, "G4017", message), findings);
        return Vec::new();
    }
    let mut models: Vec<RawModel> = Vec::new();
    for table in &tables {
        let Some(model) = read_one(table, findings) else { continue };
        if models.iter().any(|before| before.name.value == model.name.value) {
            let message = format!("model `{}` is defined twice", model.name.value);
            table.report(Finding::new(model.name.span, "G4002", message), findings);
        }
        models.push(model);
    }
    models
}

fn read_one(form: &Form<'_>, findings: &mut Findings) -> Option<RawModel> {
    form.only(&["name", "file", "data"], findings);
    if form.entry("name").is_none() {
        form.missing("name", "conditions ask it as `model.name(…)`", findings);
    }
    let name =
        form.text("name", findings).and_then(|name| identifier(form, name, NAME_BYTES_MAX, findings))?;
    if !name.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        || name.value.starts_with(|first: char| first.is_ascii_digit())
    {
        let message = format!("`{}` cannot be written in a condition", name.value);
        let finding = Finding::new(name.span, "G1019", message);
        form.report(finding.help("use a-z, 0-9 and `_`, and begin with a letter"), findings);
        return None;
    }
    if let Some(file) = form.entry("file") {
        let finding =
            Finding::new(file.item.span, "G4041", "the file of a model is read with its folder only");
        let help = "keep it in the policy's folder and compile that, or give the bytes as `data`, in base64";
        form.report(finding.help(help), findings);
        return None;
    }
    if form.entry("data").is_none() {
        form.missing("file", "name the file that `glacis model import` wrote", findings);
    }
    let data = form.text("data", findings)?;
    let refuse = |message: String, findings: &mut Findings| {
        let finding = Finding::new(data.span, "G4041", message);
        form.report(finding.help("make it with `glacis model import`"), findings);
    };
    let Some(bytes) = bytes_of(data.value) else {
        refuse(format!("the data of model `{}` is not base64", name.value), findings);
        return None;
    };
    match Model::load(&bytes) {
        Ok(model) if model.features().next().is_none() => {
            refuse(format!("model `{}` reads no feature", name.value), findings);
            None
        }
        Ok(model) => {
            let feature = |of: glacis_model::Feature<'_>| Feature {
                name: of.name.to_owned(),
                whole: of.kind == Kind::Int,
            };
            let features = model.features().map(feature).collect();
            Some(RawModel { name, features, bytes })
        }
        Err(error) => {
            refuse(format!("model `{}`: {error}", name.value), findings);
            None
        }
    }
}

/// A policy file with the bytes of its models in place of the names of their files; lines stay where they are.
/// `read` gives the bytes of a file by the name that the policy gives it.
///
/// # Errors
/// The first that `read` gives. What is wrong with the text itself is found when it is compiled.
pub fn inline<E>(policy: &str, mut read: impl FnMut(&str) -> Result<Vec<u8>, E>) -> Result<String, E> {
    let source = Source { name: "policy.toml", text: policy };
    let Some(root) = parse(&source, &mut Findings::default()) else { return Ok(policy.to_owned()) };
    let mut text = policy.to_owned();
    // From the end, so that what is found stays where it is.
    for (key, value, file) in files(&root).into_iter().rev() {
        let bytes = read(file)?;
        text.replace_range(value.start..value.end, &format!("\"{}\"", text_of(&bytes)));
        text.replace_range(key.start..key.end, "data");
    }
    Ok(text)
}

/// Key, value and content of each `file` of a model, in the order of the text.
fn files(root: &Table) -> Vec<(Span, Span, &str)> {
    let models = root.entries.iter().filter(|entry| entry.key.value == "model");
    let tables = models.flat_map(|entry| match &entry.item.data {
        Data::Tables(tables) => tables.iter().collect(),
        Data::Array(items) => items.iter().filter_map(table_of).collect(),
        _ => Vec::new(),
    });
    let entries = tables.flat_map(|table: &Table| &table.entries);
    let mut found: Vec<_> = entries
        .filter_map(|entry| match &entry.item.data {
            Data::Text(file) if entry.key.value == "file" && is_plain(file) => {
                Some((entry.key.span, entry.item.span, file.as_str()))
            }
            _ => None,
        })
        .collect();
    found.sort_by_key(|(key, ..)| key.start);
    found
}

/// A file of the folder itself; any other name stays, and is refused.
fn is_plain(file: &str) -> bool {
    !file.is_empty() && !file.starts_with('.') && !file.contains(['/', '\\', '\0'])
}

const fn table_of(item: &super::form::Item) -> Option<&Table> {
    match &item.data {
        Data::Table(table) => Some(table),
        _ => None,
    }
}
