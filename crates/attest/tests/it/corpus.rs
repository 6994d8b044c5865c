//! The corpus of real evidence: found through `$GLACIS_VECTORS`, absent in a plain clone, required in CI.

use std::path::PathBuf;

/// A file of the corpus; `None` (said aloud) where there is no corpus, which is a failure in CI.
#[expect(clippy::disallowed_methods, reason = "tests find the corpus through the environment")]
pub(crate) fn bytes(file: &str) -> Option<Vec<u8>> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("GLACIS_VECTORS").map_or_else(default, PathBuf::from).join(file);
    match std::fs::read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no corpus: {file}: {error}");
            println!("skipped: no corpus ({file}: {error})");
            None
        }
    }
}

/// A text of the corpus.
pub(crate) fn text(file: &str) -> Option<String> {
    bytes(file).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// The certificates of a PEM file, one behind the other.
pub(crate) fn chain(file: &str) -> Option<Vec<Vec<u8>>> {
    Some(glacis_attest::pem::certificates(&text(file)?).unwrap())
}

/// Every file below a folder of the corpus, by its path in the corpus, sorted.
#[expect(clippy::disallowed_methods, reason = "tests find the corpus through the environment")]
pub(crate) fn files(folder: &str) -> Vec<String> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let root = std::env::var_os("GLACIS_VECTORS").map_or_else(default, PathBuf::from);
    let mut found = Vec::new();
    let mut open = vec![root.join(folder)];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
