//! `deny.toml` against every package of every lock file: licences, bans, sources. Nothing is downloaded.
//!
//! Licences and sources are checked of everything in a lock file; a ban is about what is built, with all features.
//! The file has the form of cargo-deny (`licenses`, `bans`, `sources`), of which this reads the part that
//! needs no advisory database. A key that is not understood is an error: a typo must not switch a rule off.

mod spdx;

use crate::error::Failure;
use crate::files;
use crate::metadata::{Metadata, Package};
use crate::options::Options;
use std::collections::BTreeSet;
use std::path::Path;
use toml_edit::{DocumentMut, Item, TableLike};

/// Help text.
pub(crate) const ABOUT: &str = "check licences, banned crates and sources of everything in the lock files\n\
    Reads deny.toml; covers the workspace and, where they exist, fuzz/ and bench/.";

/// Runs the check on every workspace of the repository.
pub(crate) fn run(options: Options) -> Result<bool, Failure> {
    options.finish()?;
    let root = files::root()?;
    let path = root.join("deny.toml");
    let text = std::fs::read_to_string(&path).map_err(Failure::doing("cannot read deny.toml"))?;
    let rules = Rules::parse(&text)?;
    let mut found = Vec::new();
    for (folder, spared) in WORKSPACES {
        let manifest: &Path = &root.join(folder);
        if manifest.join("Cargo.toml").is_file() {
            let metadata = Metadata::load(manifest)?;
            let place = if folder.is_empty() { "workspace" } else { folder };
            println!("deny: {place}: {} packages", metadata.packages.len());
            found.extend(rules.sparing(spared).check(&metadata));
        }
    }
    found.sort();
    found.dedup();
    found.iter().for_each(|violation| println!("deny: {violation}"));
    println!("deny: {} violations", found.len());
    Ok(found.is_empty())
}

/// Folders with a lock file of their own, and banned crates that one of them may link.
const WORKSPACES: &[(&str, &[&str])] = &[
    ("", &[]),
    ("fuzz", &[]),
    // Of one peer: its HTTP client brings ring, its JavaScript engine bindgen on systems other than ours. Nothing that
    // ships is built from this lock file.
    ("bench", &["ring", "bindgen", "clang-sys"]),
    ("oracle/cel", &[]),
];

/// What deny.toml says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    licenses: BTreeSet<String>,
    exceptions: Vec<(String, String)>,
    bans: Vec<Ban>,
    registries: Vec<String>,
}

/// A crate that must not be linked, except below one of its wrappers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ban {
    name: String,
    wrappers: Vec<String>,
    reason: String,
}

impl Rules {
    /// Reads the file strictly.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let document: DocumentMut = text.parse().map_err(Failure::doing("deny.toml"))?;
        only(document.as_table(), &["licenses", "bans", "sources"], "deny.toml")?;
        let (licenses, bans, sources) =
            (table(&document, "licenses")?, table(&document, "bans")?, table(&document, "sources")?);
        only(licenses, &["allow", "exceptions"], "licenses")?;
        only(bans, &["deny"], "bans")?;
        only(sources, &["allow-registry"], "sources")?;
        let mut rules = Self {
            licenses: strings(licenses, "allow", "licenses")?.into_iter().collect(),
            registries: strings(sources, "allow-registry", "sources")?,
            ..Self::default()
        };
        for entry in entries(licenses, "exceptions")? {
            only(entry, &["crate", "allow", "reason"], "licenses.exceptions")?;
            let name = string(entry, "crate")?;
            string(entry, "reason")?;
            let allow = strings(entry, "allow", "licenses.exceptions")?;
            rules.exceptions.extend(allow.into_iter().map(|license| (name.clone(), license)));
        }
        for entry in entries(bans, "deny")? {
            only(entry, &["crate", "wrappers", "reason"], "bans.deny")?;
            let wrappers = if entry.contains_key("wrappers") {
                strings(entry, "wrappers", "bans.deny")?
            } else {
                vec![]
            };
            rules.bans.push(Ban {
                name: string(entry, "crate")?,
                wrappers,
                reason: string(entry, "reason")?,
            });
        }
        Ok(rules)
    }

    /// The same without the bans of some crates.
    fn sparing(&self, crates: &[&str]) -> Self {
        let bans = self.bans.iter().filter(|ban| !crates.contains(&ban.name.as_str()));
        Self { bans: bans.cloned().collect(), ..self.clone() }
    }

    /// All violations.
    pub(crate) fn check(&self, metadata: &Metadata) -> Vec<String> {
        let mut found = Vec::new();
        for package in &metadata.packages {
            found.extend(self.license(package));
            found.extend(self.source(package));
        }
        for ban in &self.bans {
            found.extend(self.banned(ban, metadata));
        }
        found
    }

    fn license(&self, package: &Package) -> Option<String> {
        let Package { name, version, .. } = package;
        let Some(expression) = &package.license else {
            return Some(format!("{name} {version} states no licence"));
        };
        let excepted = |license: &str| self.exceptions.iter().any(|(to, what)| to == name && what == license);
        let allowed = |license: &str| self.licenses.contains(license) || excepted(license);
        match spdx::satisfied(expression, &allowed) {
            Ok(true) => None,
            Ok(false) => Some(format!("{name} {version}: licence `{expression}` is not allowed")),
            Err(why) => Some(format!("{name} {version}: licence `{expression}` does not parse: {why}")),
        }
    }

    fn source(&self, package: &Package) -> Option<String> {
        let source = package.source.as_ref()?;
        let registry = source.strip_prefix("registry+").unwrap_or("");
        let known = self.registries.iter().any(|allowed| allowed == registry);
        (!known).then(|| format!("{} {}: source `{source}` is not allowed", package.name, package.version))
    }

    fn banned(&self, ban: &Ban, metadata: &Metadata) -> Vec<String> {
        let users = metadata.packages.iter().filter(|package| package.linked);
        let users = users.filter(|package| package.resolved.contains(&ban.name));
        let (mut inside, mut outside) = (false, Vec::new());
        for user in users {
            if ban.wrappers.contains(&user.name) {
                inside = true;
            } else {
                outside
                    .push(format!("`{}` is banned ({}), but `{}` uses it", ban.name, ban.reason, user.name));
            }
        }
        let present = metadata.packages.iter().any(|package| package.linked && package.name == ban.name);
        if present && !inside && outside.is_empty() {
            outside.push(format!("`{}` is banned ({})", ban.name, ban.reason));
        }
        outside
    }
}

fn table<'a>(document: &'a DocumentMut, key: &str) -> Result<&'a dyn TableLike, Failure> {
    let found = document.get(key).and_then(Item::as_table_like);
    found.ok_or_else(|| Failure::new(format!("deny.toml lacks [{key}]")))
}

fn only(table: &dyn TableLike, known: &[&str], place: &str) -> Result<(), Failure> {
    match table.iter().find(|(key, _)| !known.contains(key)) {
        None => Ok(()),
        Some((key, _)) => {
            Err(Failure::new(format!("deny.toml: {place} has no key `{key}`; known: {}", known.join(", "))))
        }
    }
}

fn entries<'a>(table: &'a dyn TableLike, key: &str) -> Result<Vec<&'a dyn TableLike>, Failure> {
    let wrong = || Failure::new(format!("deny.toml: `{key}` must be a list of tables"));
    match table.get(key) {
        None => Ok(Vec::new()),
        Some(Item::ArrayOfTables(tables)) => Ok(tables.iter().map(|table| table as &dyn TableLike).collect()),
        Some(item) => {
            let array = item.as_array().ok_or_else(wrong)?;
            array
                .iter()
                .map(|value| value.as_inline_table().map(|t| t as &dyn TableLike).ok_or_else(wrong))
                .collect()
        }
    }
}

fn string(table: &dyn TableLike, key: &str) -> Result<String, Failure> {
    let found = table.get(key).and_then(Item::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::new(format!("deny.toml: an entry lacks the text `{key}`")))
}

fn strings(table: &dyn TableLike, key: &str, place: &str) -> Result<Vec<String>, Failure> {
    let wrong = || Failure::new(format!("deny.toml: {place}.{key} must be a list of texts"));
    let array = table.get(key).and_then(Item::as_array).ok_or_else(wrong)?;
    array.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests;
