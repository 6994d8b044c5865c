//! The layer table of the workspace against `cargo metadata`: an arrow that is not in the table is an error.
//!
//! The table is STYLE §2, as data. Development dependencies are free, except that nothing may see `cli`. A crate
//! that the table does not name is an error too, so that a new crate begins with a decision.

use crate::error::Failure;
use crate::files;
use crate::metadata::{Kind, Metadata, Package};
use crate::options::Options;
use std::collections::{BTreeMap, BTreeSet};

/// Help text.
pub(crate) const ABOUT: &str = "compare the dependencies of the crates with the layer table\n\
    Fails on an edge that the table does not allow, on a crate that it does not name, on a crypto library\n\
    named outside `seal`, and on a pure crate that reaches a clock, randomness, files or sockets.";

/// Runs the check on this workspace.
pub(crate) fn run(options: Options) -> Result<bool, Failure> {
    options.finish()?;
    let violations = check(&Metadata::load(&files::root()?)?);
    violations.iter().for_each(|violation| println!("layers: {violation}"));
    println!("layers: {} violations", violations.len());
    Ok(violations.is_empty())
}

/// All violations, sorted.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut found = BTreeSet::new();
    for package in metadata.members() {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == short(&package.name)) else {
            found.insert(format!("`{}` is not in the layer table", package.name));
            continue;
        };
        edges(package, layer, &mut found);
        crypto(package, &mut found);
        if layer.pure {
            purity(metadata, package, &mut found);
        }
    }
    found.into_iter().collect()
}

/// One row of the table.
#[derive(Debug)]
struct Layer {
    name: &'static str,
    may_use: &'static [&'static str],
    /// Reads no clock, randomness, file or socket (invariant 3), so may not even link what does.
    pure: bool,
}

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use, pure: false }
}

const fn pure(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use, pure: true }
}

const LAYERS: &[Layer] = &[
    pure("wire", &[]),
    pure("model", &["wire"]),
    layer("seal", &["wire"]),
    layer("host", &["wire"]),
    pure("policy", &["wire", "model"]),
    pure("compiler", &["wire", "policy", "model"]),
    pure("proof", &["wire", "policy", "compiler", "model"]),
    pure("attest", &["wire", "policy", "seal"]),
    layer("dtx", &["wire", "seal", "host", "model"]),
    layer("ledger", &["wire", "seal", "host"]),
    layer("sdk", &["wire", "policy", "seal", "dtx", "host"]),
    layer("edge", &["wire", "policy", "seal", "attest", "ledger", "host"]),
    layer("cloud", &["wire", "policy", "seal", "attest", "ledger", "host", "compiler", "proof"]),
    layer("hosts", &["wire", "seal", "edge"]),
    layer("backtest", &["wire", "policy", "seal", "compiler", "cloud"]),
    layer("serve", &["wire", "seal", "attest", "host", "compiler", "edge", "hosts", "cloud"]),
    layer("sim", ALL_BELOW_SIM),
    layer("ffi", &["wire", "seal", "dtx", "host", "sdk"]),
    layer("jni", &["sdk"]),
    layer("cli", ALL_BELOW_CLI),
    layer("e2e", ALL_BELOW_CLI),
    layer("corpus", &["wire", "host", "sdk"]),
    layer("xtask", &[]),
];

const ALL_BELOW_SIM: &[&str] = &[
    "wire", "model", "seal", "host", "policy", "compiler", "proof", "attest", "dtx", "ledger", "sdk", "edge",
    "cloud",
];
const ALL_BELOW_CLI: &[&str] = &[
    "wire", "model", "seal", "host", "policy", "compiler", "proof", "attest", "dtx", "ledger", "sdk", "edge",
    "hosts", "cloud", "sim", "backtest", "serve",
];

/// Libraries that do cryptography; only `seal` names one.
const CRYPTO: &[&str] = &[
    "aws-lc-rs",
    "aws-lc-sys",
    "aws-lc-fips-sys",
    "ring",
    "openssl",
    "boring",
    "p256",
    "ecdsa",
    "ed25519-dalek",
    "x25519-dalek",
    "rsa",
    "sha1",
    "sha2",
    "sha3",
    "hmac",
    "hkdf",
    "aes",
    "aes-gcm",
    "chacha20poly1305",
    "blake3",
    "hpke",
    "ml-dsa",
];

/// Crates that reach the world outside; no pure crate links one, not even at a distance.
const WORLDLY: &[&str] = &[
    "glacis-host",
    "tokio",
    "mio",
    "socket2",
    "hyper",
    "hyper-util",
    "axum",
    "rusqlite",
    "libsqlite3-sys",
    "getrandom",
    "rand",
    "rand_core",
    "time",
    "chrono",
    "tempfile",
    "rustix",
    "nix",
];

/// Features that make a crate reach the world outside: its clock and the machine's zone files.
const WORLDLY_FEATURES: &[(&str, &str)] =
    &[("jiff", "std"), ("jiff", "tz-system"), ("jiff", "tzdb-zoneinfo"), ("jiff", "tzdb-concatenated")];

fn edges(package: &Package, layer: &Layer, found: &mut BTreeSet<String>) {
    for dependency in &package.dependencies {
        let Some(to) = dependency.name.strip_prefix(PREFIX) else { continue };
        let development = dependency.kind == Kind::Dev && to != "cli";
        if !development && !layer.may_use.contains(&to) {
            found.insert(format!("`{}` must not depend on `{}`", package.name, dependency.name));
        }
    }
}

fn crypto(package: &Package, found: &mut BTreeSet<String>) {
    let names = package.dependencies.iter().map(|dependency| dependency.name.as_str());
    for name in names.filter(|name| CRYPTO.contains(name) && short(&package.name) != "seal") {
        found.insert(format!("`{}` names the crypto library `{name}`; only glacis-seal may", package.name));
    }
}

fn purity(metadata: &Metadata, package: &Package, found: &mut BTreeSet<String>) {
    let by_name: BTreeMap<&str, &Package> = metadata.packages.iter().map(|p| (p.name.as_str(), p)).collect();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = linked(package).collect();
    while let Some(name) = open.pop() {
        if !seen.insert(name) {
            continue;
        }
        if WORLDLY.contains(&name) {
            found.insert(format!("`{}` is pure but links `{name}`", package.name));
        }
        let Some(reached) = by_name.get(name) else { continue };
        let worldly = |(crate_name, feature): &&(&str, &str)| {
            *crate_name == name && reached.in_force.iter().any(|asked| asked == feature)
        };
        for (_, feature) in WORLDLY_FEATURES.iter().filter(worldly) {
            found.insert(format!("`{}` is pure but links `{name}` with feature `{feature}`", package.name));
        }
        open.extend(linked(reached));
    }
}

/// What a package links: its own `[dependencies]`, as far as they were resolved for some platform.
fn linked(package: &Package) -> impl Iterator<Item = &str> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == Kind::Normal);
    normal
        .map(|dependency| dependency.name.as_str())
        .filter(|name| package.resolved.iter().any(|to| to == name))
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

const PREFIX: &str = "glacis-";

#[cfg(test)]
mod tests;
