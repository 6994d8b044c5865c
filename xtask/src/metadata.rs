//! What `cargo metadata` says, cut down to what the checkers ask.
//!
//! The checkers take a [`Metadata`], never a folder, so that their tests can plant a violation in memory.
//! Reading is strict: a missing field is a failure, never an empty answer.

use crate::error::Failure;
use crate::process::{Job, Show};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// All packages of one lock file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata {
    /// Every package.
    pub(crate) packages: Vec<Package>,
}

/// One package.
#[derive(Clone, Debug, Default)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// SPDX expression.
    pub(crate) license: Option<String>,
    /// Where it comes from; `None` for a member of the workspace.
    pub(crate) source: Option<String>,
    /// What its manifest asks for.
    pub(crate) dependencies: Vec<Dependency>,
    /// Names of the packages that it was resolved to (all kinds, all platforms).
    pub(crate) resolved: Vec<String>,
    /// Names of its features.
    pub(crate) features: Vec<String>,
}

/// One line of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// Package name.
    pub(crate) name: String,
    /// Which section it stands in.
    pub(crate) kind: Kind,
}

/// Section of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[dependencies]`
    Normal,
    /// `[build-dependencies]`
    Build,
    /// `[dev-dependencies]`
    Dev,
}

impl Metadata {
    /// Asks cargo, with all features and for all platforms.
    pub(crate) fn load(root: &Path) -> Result<Self, Failure> {
        let done = Job::cargo()
            .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
            .dir(root)
            .limit(Duration::from_secs(300))
            .show(Show::Nothing)
            .run()?;
        if !done.success {
            return Err(Failure::new(format!("{}\n{}", done.how, done.stderr.trim())));
        }
        Self::parse(&done.stdout)
    }

    /// From the JSON that cargo prints.
    pub(crate) fn parse(json: &str) -> Result<Self, Failure> {
        let all: Value = serde_json::from_str(json).map_err(Failure::doing("cargo metadata is not JSON"))?;
        let mut names = BTreeMap::new();
        for package in list(&all, "packages")? {
            names.insert(text(package, "id")?, text(package, "name")?);
        }
        let mut resolved: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in list(all.get("resolve").unwrap_or(&Value::Null), "nodes")? {
            let to = list(node, "dependencies")?.iter().filter_map(Value::as_str);
            let to = to.filter_map(|id| names.get(id).cloned()).collect();
            resolved.insert(text(node, "id")?, to);
        }
        let packages = list(&all, "packages")?;
        let packages = packages
            .iter()
            .map(|package| Package::parse(package, &mut resolved))
            .collect::<Result<_, _>>()?;
        Ok(Self { packages })
    }

    /// Members of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

impl Package {
    fn parse(json: &Value, resolved: &mut BTreeMap<String, Vec<String>>) -> Result<Self, Failure> {
        let optional = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
        let dependencies =
            list(json, "dependencies")?.iter().map(Dependency::parse).collect::<Result<_, _>>()?;
        let features = json.get("features").and_then(Value::as_object);
        Ok(Self {
            name: text(json, "name")?,
            version: text(json, "version")?,
            license: optional("license"),
            source: optional("source"),
            dependencies,
            resolved: resolved.remove(&text(json, "id")?).unwrap_or_default(),
            features: features.map(|features| features.keys().cloned().collect()).unwrap_or_default(),
        })
    }
}

impl Dependency {
    fn parse(json: &Value) -> Result<Self, Failure> {
        let kind = match json.get("kind").and_then(Value::as_str) {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        };
        Ok(Self { name: text(json, "name")?, kind })
    }
}

fn list<'a>(json: &'a Value, key: &str) -> Result<&'a Vec<Value>, Failure> {
    json.get(key)
        .and_then(Value::as_array)
        .ok_or_else(|| Failure::new(format!("cargo metadata has no list `{key}`")))
}

fn text(json: &Value, key: &str) -> Result<String, Failure> {
    let found = json.get(key).and_then(Value::as_str).map(str::to_owned);
    found.ok_or_else(|| Failure::new(format!("cargo metadata has no text `{key}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_keeps_its_sections_and_its_resolution() {
        let json = r#"{"packages":[
            {"id":"a 1","name":"a","version":"1.0.0","license":"MIT","source":null,
             "dependencies":[{"name":"b","kind":null},{"name":"b","kind":"dev"}],
             "targets":[{"kind":["lib"]}],"features":{"x":[]}},
            {"id":"b 2","name":"b","version":"2.0.0","license":null,"source":"registry+x","dependencies":[],"targets":[],"features":{}}],
            "resolve":{"nodes":[{"id":"a 1","dependencies":["b 2"]},{"id":"b 2","dependencies":[]}]}}"#;
        let metadata = Metadata::parse(json).unwrap();
        let a = &metadata.packages[0];
        assert_eq!(a.dependencies.len(), 2);
        assert_eq!(a.dependencies[1], Dependency { name: "b".into(), kind: Kind::Dev });
        assert_eq!(
            (a.resolved.as_slice(), a.features.as_slice()),
            (&["b".to_owned()][..], &["x".to_owned()][..])
        );
        assert_eq!(metadata.members().count(), 1);
    }

    #[test]
    fn a_missing_field_is_a_failure() {
        assert!(Metadata::parse(r#"{"packages":[{"id":"a"}],"resolve":{"nodes":[]}}"#).is_err());
        assert!(Metadata::parse("{}").is_err());
    }
}
