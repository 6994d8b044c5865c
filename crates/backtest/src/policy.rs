//! A policy folder: `policy.toml`, its catalogue, its `cases.toml`, and for backtests `events.toml`.
//!
//! The catalogue is the folder's own `signals.toml`, or else the one beside the folder, which several policies may
//! share. Cases are compiled with the policy, so that a backtest never runs one that could not be published.

use crate::error::BacktestError;
use crate::mapping::Mapping;
use glacis_compiler::{Compiled, Source, compile, inline};
use std::path::{Path, PathBuf};

/// A compiled policy and where it came from.
#[derive(Clone, Debug)]
pub struct Policy {
    folder: PathBuf,
    compiled: Compiled,
}

impl Policy {
    /// Reads and compiles a folder.
    pub fn read(folder: &Path) -> Result<Self, BacktestError> {
        let own = folder.join("signals.toml");
        let catalogue = if own.is_file() { own } else { folder.join("..").join("signals.toml") };
        let (policy, cases) = (folder.join("policy.toml"), folder.join("cases.toml"));
        let model = |file: &str| {
            let path = folder.join(file);
            std::fs::read(&path).map_err(|cause| BacktestError::File { path, cause })
        };
        let (signals_text, policy_text) = (text(&catalogue)?, inline(&text(&policy)?, model)?);
        let cases_text = if cases.is_file() { Some(text(&cases)?) } else { None };
        let (signals_name, policy_name, cases_name) = (name(&catalogue), name(&policy), name(&cases));
        let source = |name, text| Source { name, text };
        let cases = cases_text.as_deref().map(|text| source(&*cases_name, text));
        let compiled =
            compile(source(&signals_name, &signals_text), source(&policy_name, &policy_text), cases)
                .map_err(|found| BacktestError::Policy(found.to_string()))?;
        Ok(Self { folder: folder.to_owned(), compiled })
    }

    /// What the compiler made of it.
    pub const fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Reads the mapping: `events.toml` of the folder where no other is named.
    pub fn mapping(&self, file: Option<&Path>, label: Option<&str>) -> Result<Mapping, BacktestError> {
        let path = file.map_or_else(|| self.folder.join("events.toml"), Path::to_owned);
        Mapping::read(&name(&path), &text(&path)?, &self.compiled, label)
    }
}

fn text(path: &Path) -> Result<String, BacktestError> {
    std::fs::read_to_string(path).map_err(|cause| BacktestError::File { path: path.to_owned(), cause })
}

fn name(path: &Path) -> String {
    path.display().to_string()
}
