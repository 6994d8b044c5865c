//! A PATH without cmake, clang, node and pkg-config, to prove that nothing needs them.
//!
//! A folder of links to every program of the real PATH, except the hidden ones. The build of all steps uses it,
//! since build scripts run once for all of them.

use crate::error::Failure;
use crate::install::is_executable;
use crate::process::variable;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The folder of links; removed when dropped.
#[derive(Debug)]
pub(super) struct Hidden {
    folder: PathBuf,
}

impl Hidden {
    /// Links every program of PATH that is not hidden; the first of a name wins, as in PATH.
    pub(super) fn build() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("glacis-path-{}", std::process::id()));
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(Failure::doing("cannot empty the folder of links"))?;
        }
        std::fs::create_dir(&folder).map_err(Failure::doing("cannot make the folder of links"))?;
        let hidden = Self { folder };
        hidden.refresh()?;
        Ok(hidden)
    }

    /// Links what has come since.
    pub(super) fn refresh(&self) -> Result<(), Failure> {
        for dir in std::env::split_paths(&variable("PATH").unwrap_or_default()) {
            self.link_all(&dir)?;
        }
        Ok(())
    }

    /// The value of PATH, after looking that the hidden programs cannot be found in it.
    pub(super) fn value(&self) -> Result<OsString, Failure> {
        let found = HIDDEN.iter().find(|name| self.folder.join(name).symlink_metadata().is_ok());
        match found {
            Some(name) => Err(Failure::new(format!("`{name}` should be hidden but is not"))),
            None if is_executable(&self.folder.join("cc")) => Ok(self.folder.clone().into_os_string()),
            None => Err(Failure::new("PATH has no C compiler (`cc`)")),
        }
    }

    fn link_all(&self, dir: &Path) -> Result<(), Failure> {
        let Ok(entries) = dir.read_dir() else { return Ok(()) };
        for entry in entries.flatten() {
            let (name, from) = (entry.file_name(), entry.path());
            let to = self.folder.join(&name);
            if !is_hidden(&name.to_string_lossy()) && is_executable(&from) && to.symlink_metadata().is_err() {
                symlink(&from, &to).map_err(Failure::doing("cannot link a program"))?;
            }
        }
        Ok(())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Whether a program is one of the hidden ones, with a version or a target in its name or without.
fn is_hidden(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    HIDDEN.contains(&name)
        || HIDDEN.contains(&stem)
        || name.starts_with("clang")
        || name.ends_with("-pkg-config")
}

const HIDDEN: &[&str] = &[
    "cmake",
    "cmake3",
    "ctest",
    "cpack",
    "clang",
    "clang++",
    "clang-cpp",
    "node",
    "nodejs",
    "npm",
    "npx",
    "pkg-config",
    "pkgconf",
    "protoc",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_programs_are_gone_and_the_others_are_there() {
        let hidden = Hidden::build().unwrap();
        let path = PathBuf::from(hidden.value().unwrap());
        assert!(is_executable(&path.join("cc")) && is_executable(&path.join("cat")));
        assert!(
            !path.join("cmake").exists() && !path.join("node").exists() && !path.join("pkg-config").exists()
        );
        drop(hidden);
        assert!(!path.exists());
    }

    #[test]
    fn versions_and_targets_in_a_name_do_not_bring_a_program_back() {
        for name in [
            "clang-19",
            "clang++",
            "cmake",
            "x86_64-linux-gnu-pkg-config",
            "pkgconf",
            "node",
            "nodejs",
            "node22",
        ] {
            assert!(is_hidden(name), "{name}");
        }
        for name in ["cc", "g++", "gcc-12", "ar", "ld", "make", "git"] {
            assert!(!is_hidden(name), "{name}");
        }
    }
}
