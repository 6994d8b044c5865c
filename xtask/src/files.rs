//! The tracked files of the repository: what git knows, without what it ignores.
//!
//! A checker sees the same files in a clean checkout and in a working tree. New files that are not ignored
//! count as tracked, so that a violation shows before the commit. Links are not followed.

use crate::error::Failure;
use crate::process::Job;
use std::path::{Path, PathBuf};

/// A file and its place in the repository.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// The text; `None` where it is not UTF-8.
    pub(crate) text: Option<String>,
}

impl SourceFile {
    /// A file in memory.
    #[cfg(test)]
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: Some(text.to_owned()) }
    }

    /// Whether this is Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether the whole file is test code, by its place.
    pub(crate) fn is_test(&self) -> bool {
        let mut parts = self.path.split('/').rev();
        let name = parts.next().unwrap_or("");
        name == "tests.rs" || parts.any(|part| part == "tests")
    }
}

/// Root of the workspace that this task belongs to.
pub(crate) fn root() -> Result<PathBuf, Failure> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(Path::to_path_buf).ok_or_else(|| Failure::new("the task has no workspace around it"))
}

/// Reads all tracked files below `root`.
pub(crate) fn tracked(root: &Path) -> Result<Vec<SourceFile>, Failure> {
    let listed = Job::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .dir(root)
        .run()
        .map_err(Failure::doing("git lists the files to check"))?;
    if !listed.success {
        return Err(Failure::new(format!("{}: {}", listed.how, listed.stderr.trim())));
    }
    let mut files = Vec::new();
    for path in listed.stdout.split('\0').map(str::trim).filter(|path| !path.is_empty()) {
        let full = root.join(path);
        let is_file = full.symlink_metadata().is_ok_and(|meta| meta.is_file());
        if is_file {
            let bytes = std::fs::read(&full).map_err(Failure::doing(format!("cannot read {path}")))?;
            files.push(SourceFile { path: path.to_owned(), text: String::from_utf8(bytes).ok() });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}
