//! What the test modules share: sources, a small policy maker, a seeded generator.

use glacis_compiler::{Compiled, Diagnostics, Source, compile};
use glacis_wire::PolicyDigest;
use std::path::PathBuf;

/// The repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compiles texts under short names.
pub(crate) fn compile_texts(
    signals: &str,
    policy: &str,
    cases: Option<&str>,
) -> Result<Compiled, Diagnostics> {
    compile(
        Source { name: "signals.toml", text: signals },
        Source { name: "policy.toml", text: policy },
        cases.map(|text| Source { name: "cases.toml", text }),
    )
}

/// Any digest: the tests of this crate never hash.
pub(crate) fn digest() -> PolicyDigest {
    PolicyDigest::new([7; PolicyDigest::LEN])
}
