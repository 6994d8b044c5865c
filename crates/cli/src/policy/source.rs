//! A policy folder: `policy.toml`, `cases.toml` where there is one, and the catalogue that they are written for.
//!
//! The catalogue is `signals.toml` of the folder or of the folder above, or the file that the user names. Files are
//! read whole and bounded; compiling them does no I/O.

use crate::codes::Code;
use crate::error::CliError;
use clap::Args;
use glacis_cloud::policy::{PolicySource, SOURCE_BYTES_MAX, SOURCE_NAME_BYTES_MAX, SourceFile};
use glacis_compiler::{Compiled, Diagnostics, Source, compile, inline};
use glacis_model::format::MODEL_BYTES_MAX;
use glacis_serve::release::PolicyFiles;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Which policies.
#[derive(Debug, Args)]
pub(crate) struct Folders {
    /// Folders with policy.toml
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// The catalogue; signals.toml in DIR or above it where this is not given
    #[arg(long, value_name = "FILE")]
    signals: Option<PathBuf>,
}

/// One file with the name that diagnostics use.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl TextFile {
    fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }
}

/// The texts of one policy.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) name: String,
    pub(crate) catalogue: TextFile,
    pub(crate) policy: TextFile,
    pub(crate) cases: Option<TextFile>,
}

impl Folders {
    /// The folders, as they were named.
    pub(crate) fn dirs(&self) -> &[PathBuf] {
        &self.dirs
    }

    /// The catalogue that was named.
    pub(crate) fn catalogue(&self) -> Option<&Path> {
        self.signals.as_deref()
    }

    /// Reads them all.
    pub(crate) fn read(&self) -> Result<Vec<Folder>, CliError> {
        self.dirs.iter().map(|dir| Folder::read(dir, self.signals.as_deref())).collect()
    }
}

impl Folder {
    /// Reads the folder `dir`.
    pub(crate) fn read(dir: &Path, signals: Option<&Path>) -> Result<Self, CliError> {
        let missing = |what: &str| CliError::new(Code::PolicyFolder, format!("{}: {what}", dir.display()));
        if !dir.is_dir() {
            return Err(missing("no such folder"));
        }
        let policy =
            read(&dir.join("policy.toml"))?.ok_or_else(|| missing("there is no policy.toml in it"))?;
        let text = inline(&policy.text, |file| read_model(&dir.join(file)))?;
        let policy = TextFile { text, ..policy };
        let catalogue = match signals {
            Some(file) => read(file)?.ok_or_else(|| {
                CliError::new(Code::PolicyFolder, format!("{}: no such file", file.display()))
            })?,
            None => {
                let own = read(&dir.join("signals.toml"))?;
                let above = || read(&dir.join("..").join("signals.toml"));
                let found = own.map_or_else(above, |own| Ok(Some(own)))?;
                found.ok_or_else(|| {
                    missing("there is no signals.toml in it or above it")
                        .help("name the catalogue with --signals FILE")
                })?
            }
        };
        let cases = read(&dir.join("cases.toml"))?;
        Ok(Self { name: dir.display().to_string(), catalogue, policy, cases })
    }

    /// With the cases of another file.
    pub(crate) fn with_cases(self, file: &Path) -> Result<Self, CliError> {
        let found = read(file)?;
        let missing = || CliError::new(Code::PolicyFolder, format!("{}: no such file", file.display()));
        Ok(Self { cases: Some(found.ok_or_else(missing)?), ..self })
    }

    /// As a publish carries it, read back.
    pub(crate) fn of_source(source: &PolicySource) -> Self {
        let file = |file: &SourceFile| TextFile { name: file.name.0.clone(), text: file.text.0.clone() };
        Self {
            name: source.policy.name.0.clone(),
            catalogue: file(&source.catalogue),
            policy: file(&source.policy),
            cases: source.cases.as_ref().map(file),
        }
    }

    /// As they are published. Names keep their last two parts: where the files are on this machine is nobody's
    /// business there.
    pub(crate) fn to_files(&self) -> PolicyFiles {
        let file = |file: &TextFile| (short_name(&file.name), file.text.clone());
        PolicyFiles {
            catalogue: file(&self.catalogue),
            policy: file(&self.policy),
            cases: self.cases.as_ref().map(file),
        }
    }

    /// Compiles; nothing but the texts decides the outcome.
    pub(crate) fn compile(&self) -> Result<Compiled, Diagnostics> {
        compile(self.catalogue.source(), self.policy.source(), self.cases.as_ref().map(TextFile::source))
    }

    /// The text of the file that a diagnostic is about.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        let files = [Some(&self.catalogue), Some(&self.policy), self.cases.as_ref()];
        files.into_iter().flatten().find(|file| file.name == name).map(|file| file.text.as_str())
    }
}

fn short_name(name: &str) -> String {
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != "..").collect();
    let last = parts.len().saturating_sub(2);
    let short = parts.iter().skip(last).copied().collect::<Vec<_>>().join("/");
    short.chars().take(SOURCE_NAME_BYTES_MAX / 4).collect()
}

/// The bytes of a model that a policy names.
fn read_model(path: &Path) -> Result<Vec<u8>, CliError> {
    let fail = |why: String| CliError::new(Code::PolicyFolder, format!("{}: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| fail(error.to_string()))?;
    let limit = u64::try_from(MODEL_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| fail(error.to_string()))?;
    // The text that carries it has its own limit, and says so.
    if bytes.len() > MODEL_BYTES_MAX {
        return Err(fail(format!("longer than {MODEL_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// The file, or `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<TextFile>, CliError> {
    let fail = |why: String| CliError::new(Code::PolicyFolder, format!("{}: {why}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error.to_string())),
    };
    let limit = u64::try_from(SOURCE_BYTES_MAX).unwrap_or(u64::MAX);
    let mut text = String::new();
    let read = file.take(limit.saturating_add(1)).read_to_string(&mut text);
    read.map_err(|error| fail(error.to_string()))?;
    if text.len() > SOURCE_BYTES_MAX {
        return Err(fail(format!("longer than {SOURCE_BYTES_MAX} bytes")));
    }
    Ok(Some(TextFile { name: path.display().to_string(), text }))
}
