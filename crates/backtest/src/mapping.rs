//! `events.toml`: how columns of a file become events of a policy.
//!
//! ```toml
//! late = "0s"                # how far rows may be out of order; they are sorted within it
//! [time]
//! column = "datetime"
//! format = "datetime"        # or "rfc3339", "unix-s", "unix-ms"; or instead of both: each = "1s"
//! [id]
//! column = "id"              # an event counts once by it; without it every row counts
//! [label]
//! column = "fraud"           # what `--label` is when it is not given
//! positive = ["True"]
//! negative = ["False"]
//! never = ["reason"]         # columns that follow from the label: no signal may be read from them either
//! [signal.amount]
//! column = "amount"
//! decimals = 2               # 12.34 in the file is 1234 in the policy
//! [signal.channel]
//! value = "web"              # the same for every event
//! [list.mules]
//! items = ["p-17"]           # in the list from the beginning
//! ```
//!
//! What a policy may read is a signal, and a signal is mapped here or it is `unknown(withheld)`: so no rule can read
//! a label or an id, because a mapping that names one is refused. Signals of a device and features are not mapped.

use crate::error::BacktestError;
use crate::time::TimeFormat;
use crate::value::Spelling;
use glacis_compiler::Compiled;
use glacis_compiler::catalogue::{Birth, Origin, Signal};
use glacis_wire::limits::{PRINCIPAL_BYTES_MAX, VALUE_BYTES_MAX};
use glacis_wire::{Answer, SignalName, Type};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    late: Option<String>,
    time: RawTime,
    id: Option<RawId>,
    #[serde(default)]
    label: RawLabel,
    #[serde(default)]
    signal: BTreeMap<String, RawSignal>,
    #[serde(default)]
    list: BTreeMap<String, RawList>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTime {
    column: Option<String>,
    format: Option<TimeFormat>,
    each: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawId {
    column: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLabel {
    column: Option<String>,
    positive: Option<Vec<String>>,
    negative: Option<Vec<String>>,
    #[serde(default)]
    never: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSignal {
    column: Option<String>,
    value: Option<String>,
    decimals: Option<u32>,
    #[serde(default)]
    map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    items: Vec<String>,
}

/// Where the time of an event comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeFrom {
    Column {
        at: usize,
        format: TimeFormat,
    },
    /// Row n happens n steps after the first; for files without times.
    Each(Duration),
}

/// Which cells of the label column mean what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelFrom {
    pub(crate) at: usize,
    pub(crate) column: String,
    pub(crate) positive: Vec<String>,
    /// `None`: everything that is not positive and not empty.
    pub(crate) negative: Option<Vec<String>>,
}

/// Where a signal's cell comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum From {
    Column(usize),
    Constant(Answer),
}

/// What a signal is to the facts of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Principal,
    Field,
    Observed,
}

/// One signal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SignalFrom {
    pub(crate) signal: SignalName,
    pub(crate) role: Role,
    pub(crate) from: From,
    pub(crate) spelling: Spelling,
    /// What a row is not used for where the cell cannot be read.
    pub(crate) bad: String,
}

/// A checked mapping from one kind of file to one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// Columns that are read; everything else refers to them by place.
    pub(crate) columns: Vec<String>,
    pub(crate) late: Duration,
    pub(crate) time: TimeFrom,
    pub(crate) id: Option<usize>,
    pub(crate) label: LabelFrom,
    pub(crate) signals: Vec<SignalFrom>,
    pub(crate) lists: Vec<(String, Vec<String>)>,
    /// Signals that the policy reads of the request and no column supplies.
    pub(crate) unsupplied: Vec<SignalName>,
}

impl Mapping {
    /// Reads a mapping for `policy`; `label` is the column of the label where it is not the declared one.
    pub fn read(
        file: &str,
        text: &str,
        policy: &Compiled,
        label: Option<&str>,
    ) -> Result<Self, BacktestError> {
        let raw: Raw = toml::from_str(text)
            .map_err(|error| BacktestError::mapping(file, error.to_string().trim_end()))?;
        Draft { file, policy, columns: Vec::new() }.finish(raw, label)
    }

    /// The column of the label.
    pub fn label(&self) -> &str {
        &self.label.column
    }
}

/// A mapping while it is checked.
struct Draft<'a> {
    file: &'a str,
    policy: &'a Compiled,
    columns: Vec<String>,
}

impl Draft<'_> {
    fn wrong(&self, why: impl Into<String>) -> BacktestError {
        BacktestError::mapping(self.file, why)
    }

    fn column(&mut self, name: &str) -> usize {
        let known = self.columns.iter().position(|column| column == name);
        known.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })
    }

    fn finish(mut self, raw: Raw, label: Option<&str>) -> Result<Mapping, BacktestError> {
        let declared = raw.label.column.clone();
        let name = label.or(declared.as_deref()).ok_or_else(|| {
            self.wrong("no column is the label: name one with `--label` or as `column` of `[label]`")
        })?;
        // The declared label stays one when the command line names another.
        let mut forbidden: BTreeMap<&str, &str> =
            raw.label.never.iter().map(|column| (&**column, "follows from the label")).collect();
        forbidden.extend(declared.as_deref().map(|column| (column, "is a label")));
        forbidden.insert(name, "is the label");
        forbidden.extend(raw.id.as_ref().map(|id| (&*id.column, "is the id")));
        let mut signals = Vec::new();
        for (signal, from) in &raw.signal {
            signals.push(self.signal(signal, from, &forbidden)?);
        }
        let time = self.time(&raw.time, &forbidden)?;
        if raw.id.as_ref().is_some_and(|id| id.column == name) {
            return Err(self.wrong(format!("column `{name}` cannot be both id and label")));
        }
        let id = raw.id.as_ref().map(|id| self.column(&id.column));
        let late = raw.late.as_deref().map_or(Some(Duration::ZERO), duration);
        let late = late.filter(|late| *late <= LATE_MAX).ok_or_else(|| {
            self.wrong("`late` must be a whole number with s, m, h or d, at most 1d: \"30s\"")
        })?;
        let is_declared = declared.as_deref() == Some(name);
        let positive = raw.label.positive.filter(|_| is_declared);
        let label = LabelFrom {
            at: self.column(name),
            column: name.to_owned(),
            positive: positive.unwrap_or_else(|| POSITIVE.map(str::to_owned).to_vec()),
            negative: raw.label.negative.filter(|_| is_declared),
        };
        let lists = self.lists(raw.list)?;
        let unsupplied = self.unsupplied(&signals);
        Ok(Mapping { columns: self.columns, late, time, id, label, signals, lists, unsupplied })
    }

    fn time(&mut self, raw: &RawTime, forbidden: &BTreeMap<&str, &str>) -> Result<TimeFrom, BacktestError> {
        match (&raw.column, raw.format, &raw.each) {
            (Some(column), Some(format), None) => {
                if let Some(why) = forbidden.get(&**column) {
                    return Err(self.wrong(format!("column `{column}` {why} and cannot be the time")));
                }
                Ok(TimeFrom::Column { at: self.column(column), format })
            }
            (None, None, Some(each)) => {
                let step = duration(each).filter(|step| !step.is_zero() && *step <= LATE_MAX);
                let step = step.ok_or_else(|| self.wrong("`each` must be a time of at most 1d: \"1s\""))?;
                Ok(TimeFrom::Each(step))
            }
            _ => Err(self.wrong("`[time]` has either `column` and `format`, or `each` alone")),
        }
    }

    fn signal(
        &mut self,
        name: &str,
        raw: &RawSignal,
        forbidden: &BTreeMap<&str, &str>,
    ) -> Result<SignalFrom, BacktestError> {
        let declared = self.policy.signals().signals().iter().find(|(known, _)| known.as_str() == name);
        let Some((signal, declared)) = declared else {
            return Err(self.wrong(format!("the catalogue has no signal `{name}`")));
        };
        let role = role(declared).ok_or_else(|| {
            let why = "no file holds it: only signals of zone `request` or `edge` that are not built in";
            self.wrong(format!("signal `{name}` cannot be mapped; {why}"))
        })?;
        if declared.ty.element().is_some() {
            return Err(self.wrong(format!("signal `{name}` is a list; only scalars are read from cells")));
        }
        let most = if role == Role::Principal { PRINCIPAL_BYTES_MAX } else { VALUE_BYTES_MAX };
        let spelling = Spelling {
            ty: declared.ty,
            max_bytes: declared.max_bytes.unwrap_or(most).min(most),
            decimals: raw.decimals,
            map: raw.map.clone(),
        };
        if raw.decimals.is_some_and(|decimals| declared.ty != Type::Int || decimals > 9) {
            return Err(self.wrong(format!("`decimals` of `{name}`: an int and at most 9, or none")));
        }
        let from = match (&raw.column, &raw.value) {
            (Some(column), None) => {
                if let Some(why) = forbidden.get(&**column) {
                    let why = format!("column `{column}` {why} and cannot be the signal `{name}`");
                    return Err(self.wrong(format!("{why}: a rule that reads it would measure itself")));
                }
                From::Column(self.column(column))
            }
            (None, Some(value)) => {
                let mut answer = Answer::Missing;
                if !spelling.read(value.as_bytes(), &mut answer) {
                    let ty = declared.ty.name();
                    return Err(self.wrong(format!("`value` of `{name}` is no {ty} of this signal")));
                }
                From::Constant(answer)
            }
            _ => return Err(self.wrong(format!("signal `{name}` has either a `column` or a `value`"))),
        };
        let bad = format!("value of `{name}`");
        Ok(SignalFrom { signal: signal.clone(), role, from, spelling, bad })
    }

    fn lists(&self, raw: BTreeMap<String, RawList>) -> Result<Vec<(String, Vec<String>)>, BacktestError> {
        let known = self.policy.signals().lists();
        if let Some(odd) = raw.keys().find(|name| !known.contains_key(*name)) {
            return Err(self.wrong(format!("the catalogue has no list `{odd}`")));
        }
        Ok(raw.into_iter().map(|(name, list)| (name, list.items)).collect())
    }

    /// What the rules read, directly or by a feature or list test, of the request, and the mapping leaves out.
    fn unsupplied(&self, signals: &[SignalFrom]) -> Vec<SignalName> {
        let mut read: BTreeSet<&SignalName> = self.policy.checked().signals().keys().collect();
        let features = self.policy.features().iter();
        read.extend(features.flat_map(|feature| feature.key.iter().chain(&feature.of)));
        read.extend(self.policy.lists().iter().map(|test| &test.key));
        let declared = self.policy.signals().signals();
        let mappable = |name: &&&SignalName| declared.get(**name).is_some_and(|s| role(s).is_some());
        let supplied = |name: &SignalName| signals.iter().any(|from| from.signal == *name);
        read.iter().filter(mappable).filter(|name| !supplied(name)).map(|name| (*name).clone()).collect()
    }
}

fn role(signal: &Signal) -> Option<Role> {
    match (&signal.origin, signal.birth) {
        (Origin::Principal, _) => Some(Role::Principal),
        (Origin::Observed, Birth::Request) => Some(Role::Field),
        (Origin::Observed, Birth::Edge) => Some(Role::Observed),
        _ => None,
    }
}

/// A whole number and `s`, `m`, `h` or `d`.
fn duration(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let count: u64 = plain.then(|| digits.parse().ok()).flatten()?;
    count.checked_mul(unit).map(Duration::from_secs)
}

/// Cells that mean yes where nothing else is declared.
const POSITIVE: [&str; 5] = ["true", "True", "TRUE", "1", "yes"];
/// Longest disorder that is sorted, and longest step between made-up times.
const LATE_MAX: Duration = Duration::from_secs(86_400);
