//! What `cargo metadata` says, cut down to what the checkers ask.
//!
//! The checkers take a [`Metadata`], never a folder, so that their tests can plant a violation in memory.
//! Reading is strict: a missing field is a failure, never an empty answer.

use crate::error::Failure;
use crate::process::{Job, Show};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Names of the packages that it was resolved to (all kinds, all platforms), without optional ones that none of
    /// its features brings in: those stand in the lock file and are never built.
    pub(crate) resolved: Vec<String>,
    /// Whether a member of the workspace reaches it by `resolved`; what nobody reaches is never built.
    pub(crate) linked: bool,
    /// Names of its features.
    pub(crate) features: Vec<String>,
    /// Those of its features that somebody asks for.
    pub(crate) in_force: Vec<String>,
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
        let mut by_id = BTreeMap::new();
        for package in list(&all, "packages")? {
            by_id.insert(text(package, "id")?, package);
        }
        let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut in_force: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in list(all.get("resolve").unwrap_or(&Value::Null), "nodes")? {
            let id = text(node, "id")?;
            let package = by_id.get(&id).ok_or_else(|| Failure::new(format!("no package `{id}`")))?;
            let mut to = Vec::new();
            for target in list(node, "dependencies")?.iter().filter_map(Value::as_str) {
                let name = by_id.get(target).map(|package| text(package, "name")).transpose()?;
                if name.is_some_and(|name| brings_in(package, node, &name)) {
                    to.push(target.to_owned());
                }
            }
            let asked = node.get("features").and_then(Value::as_array).into_iter().flatten();
            in_force.insert(id.clone(), asked.filter_map(Value::as_str).map(str::to_owned).collect());
            edges.insert(id, to);
        }
        let linked = reached(&by_id, &edges);
        let name = |id: &String| by_id.get(id).and_then(|package| text(package, "name").ok());
        let packages = by_id.iter().map(|(id, package)| {
            let resolved = edges.get(id).map(|to| to.iter().filter_map(name).collect()).unwrap_or_default();
            let package = Package::parse(package, resolved, linked.contains(id))?;
            Ok(Package { in_force: in_force.remove(id).unwrap_or_default(), ..package })
        });
        Ok(Self { packages: packages.collect::<Result<_, Failure>>()? })
    }

    /// Members of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

impl Package {
    fn parse(json: &Value, resolved: Vec<String>, linked: bool) -> Result<Self, Failure> {
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
            resolved,
            linked,
            features: features.map(|features| features.keys().cloned().collect()).unwrap_or_default(),
            in_force: Vec::new(),
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

/// Whether the features in force at `node` bring dependency `name` of `package` in.
///
/// The lock file holds more: cargo's resolver of versions takes a weak `name?/feature` for a reason to resolve an
/// optional dependency, its resolver of features, which decides what is built, does not.
fn brings_in(package: &Value, node: &Value, name: &str) -> bool {
    let all = package.get("dependencies").and_then(Value::as_array);
    let mut lines = all
        .into_iter()
        .flatten()
        .filter(|line| line.get("name").and_then(Value::as_str) == Some(name))
        .peekable();
    if lines.peek().is_none() {
        return true;
    }
    let in_force = node.get("features").and_then(Value::as_array);
    let in_force: Vec<&str> = in_force.into_iter().flatten().filter_map(Value::as_str).collect();
    let asked: Vec<&str> = in_force
        .iter()
        .filter_map(|feature| package.get("features")?.get(*feature)?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    lines.any(|line| {
        let called = line.get("rename").and_then(Value::as_str).unwrap_or(name);
        let names_it = |entry: &&str| {
            let entry = entry.strip_prefix("dep:").unwrap_or(entry);
            entry.split('/').next() == Some(called)
        };
        line.get("optional").and_then(Value::as_bool) != Some(true)
            || in_force.contains(&called)
            || asked.iter().any(names_it)
    })
}

/// Ids that members of the workspace reach.
fn reached(by_id: &BTreeMap<String, &Value>, edges: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let is_member = |package: &&Value| package.get("source").is_none_or(Value::is_null);
    let mut open: Vec<String> =
        by_id.iter().filter(|(_, package)| is_member(package)).map(|(id, _)| id.clone()).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        open.extend(edges.get(&id).into_iter().flatten().filter(|to| !found.contains(*to)).cloned());
        found.insert(id);
    }
    found
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
    fn an_optional_dependency_that_no_feature_brings_in_is_not_linked() {
        // As in `rustls-webpki`: `alloc = ["ring?/alloc"]` puts `ring` into the lock file and not into the program.
        let json = |features: &str, in_force: &str| {
            format!(
                r#"{{"packages":[
                {{"id":"app","name":"app","version":"1.0.0","license":"MIT","source":null,
                  "dependencies":[{{"name":"pki","kind":null,"optional":false}}],"features":{{}}}},
                {{"id":"pki","name":"pki","version":"1.0.0","license":"MIT","source":"registry+x",
                  "dependencies":[{{"name":"ring","kind":null,"optional":true}}],"features":{features}}},
                {{"id":"ring","name":"ring","version":"1.0.0","license":"MIT","source":"registry+x",
                  "dependencies":[{{"name":"under","kind":null,"optional":false}}],"features":{{}}}},
                {{"id":"under","name":"under","version":"1.0.0","license":"MIT","source":"registry+x",
                  "dependencies":[],"features":{{}}}}],
                "resolve":{{"nodes":[{{"id":"app","dependencies":["pki"],"features":[]}},
                {{"id":"pki","dependencies":["ring"],"features":{in_force}}},
                {{"id":"ring","dependencies":["under"],"features":[]}},
                {{"id":"under","dependencies":[],"features":[]}}]}}}}"#
            )
        };
        for (features, in_force, want) in [
            (r#"{"alloc":["ring?/alloc"],"ring":["dep:ring"]}"#, r#"["alloc"]"#, false),
            (r#"{"alloc":["ring?/alloc"],"ring":["dep:ring"]}"#, r#"["alloc","ring"]"#, true),
            (r#"{"fast":["dep:ring"]}"#, r#"["fast"]"#, true),
            (r#"{"fast":["dep:ring"]}"#, "[]", false),
            (r#"{"fast":["ring/std"]}"#, r#"["fast"]"#, true),
        ] {
            let metadata = Metadata::parse(&json(features, in_force)).unwrap();
            let linked: Vec<&str> =
                metadata.packages.iter().filter(|p| p.linked).map(|p| p.name.as_str()).collect();
            let all = ["app", "pki", "ring", "under"];
            assert_eq!(linked, all[..if want { 4 } else { 2 }], "{features} {in_force}");
        }
    }

    #[test]
    fn a_missing_field_is_a_failure() {
        assert!(Metadata::parse(r#"{"packages":[{"id":"a"}],"resolve":{"nodes":[]}}"#).is_err());
        assert!(Metadata::parse("{}").is_err());
    }
}
