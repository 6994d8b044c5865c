//! Policies, the corpus, and files made for one test.

use glacis_backtest::{Backtest, BacktestError, Events, Label, Options, Policy, Report};
use glacis_cloud::CloudLimits;
use glacis_cloud::replay::Replay;
use glacis_wire::{Answer, Timestamp, Verdict};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn policy(name: &str) -> Policy {
    Policy::read(&root().join("policies").join(name)).unwrap_or_else(|error| panic!("{error}"))
}

/// A file of the corpus; `None` (said aloud) where there is no corpus, which is a failure in CI.
#[expect(clippy::disallowed_methods, reason = "tests find the corpus through the environment")]
pub(crate) fn corpus(file: &str) -> Option<PathBuf> {
    let default = || root().join("../shared/data");
    let path = std::env::var_os("GLACIS_DATA").map_or_else(default, PathBuf::from).join(file);
    if let Err(error) = std::fs::metadata(&path) {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no data at {}: {error}", path.display());
        println!("skipped: data: {file} is not there ({error})");
        return None;
    }
    Some(path)
}

pub(crate) const CARDS: &str = "card-transactions/transactions.csv.gz";
pub(crate) const AGENTS: &str = "user-agents/user-agents.jsonl.gz";

/// The card transactions as text records, header first.
pub(crate) fn card_rows() -> Option<Vec<Vec<String>>> {
    let file = std::fs::File::open(corpus(CARDS)?).unwrap();
    let text = flate2::read::MultiGzDecoder::new(file);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text);
    let row = |row: Result<csv::StringRecord, csv::Error>| row.unwrap().iter().map(str::to_owned).collect();
    Some(reader.records().map(row).collect())
}

/// A file in a folder that goes away with the test.
pub(crate) struct Scratch(tempfile::TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub(crate) fn csv(&self, name: &str, rows: &[Vec<String>]) -> PathBuf {
        let mut writer = csv::Writer::from_path(self.path(name)).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        writer.flush().unwrap();
        self.path(name)
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub(crate) fn backtest(policy: &Policy, file: &Path, options: Options) -> Result<Report, BacktestError> {
    let mapping = policy.mapping(None, None)?;
    Backtest::new(policy.clone(), mapping, file, options)?.run(|_| {})
}

/// What one event came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decided {
    pub(crate) line: u64,
    pub(crate) received: Timestamp,
    pub(crate) label: Label,
    pub(crate) edge: Option<Verdict>,
    pub(crate) cloud: Verdict,
    /// Features and list tests, by name.
    pub(crate) answers: Vec<(String, Answer)>,
}

/// Every decision of a file, one by one.
pub(crate) fn decisions(policy: &Policy, file: &Path) -> Result<Vec<Decided>, BacktestError> {
    let mut replay = Replay::new(policy.compiled(), &CloudLimits::default())?;
    let (mapping, event) = (policy.mapping(None, None)?, policy.compiled().event());
    let mut events = Events::open(file, mapping, event, replay.policy(), replay.window_max())?;
    let mut all = Vec::new();
    while let Some(event) = events.next_event()? {
        let replayed = replay.decide(&event.facts)?;
        all.push(Decided {
            line: event.line,
            received: event.facts.received,
            label: event.label,
            edge: replayed.edge,
            cloud: replayed.cloud,
            answers: replayed.answers().map(|(name, answer)| (name.to_string(), answer.clone())).collect(),
        });
        replay.take(&event.facts);
        events.done(event);
    }
    Ok(all)
}
