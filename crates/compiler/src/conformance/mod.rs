//! CEL conformance cases: read from JSON, run in either profile, counted by scope.
//!
//! The format is one object a file (`{file, origin, sections: [{name, tests}]}`) with the fields of cel-spec's simple
//! tests in proto JSON; docs/reference/cel.md describes it. Cases of origin `cel-spec` have a value to compare; cases
//! of origin `cel-go` say whether an expression parses and checks, and with what type.
//!
//! In profile [`Profile::Full`] a case passes or fails. In [`Profile::Slice`] a case may also be refused when it is
//! compiled, which is what a subset is for; a result that differs is a failure in both. Nothing here reads files.

mod case;
mod full;
mod slice;

pub use case::{Case, CorpusError, show};

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Which language runs the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// All of core CEL, in the reference interpreter.
    Full,
    /// The subset that policies use.
    Slice,
}

impl Profile {
    /// Runs one case.
    pub fn run(self, case: &Case) -> Verdict {
        match self {
            Self::Full => full::run(case),
            Self::Slice => slice::run(case),
        }
    }
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As CEL says.
    Pass,
    /// The profile does not compile it; the code says why.
    Refused(&'static str),
    /// It came out otherwise.
    Fail {
        /// What CEL says.
        want: String,
        /// What came out.
        got: String,
    },
}

impl Verdict {
    fn compare(want: String, got: String) -> Self {
        if want == got { Self::Pass } else { Self::Fail { want, got } }
    }
}

/// Counts of one scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that came out as CEL says.
    pub pass: usize,
    /// Cases that came out otherwise.
    pub fail: usize,
    /// Cases that the profile does not compile.
    pub refused: usize,
}

/// What became of many cases.
#[derive(Debug, Default)]
pub struct Report {
    scopes: BTreeMap<String, Counts>,
    failures: Vec<Json>,
    refused: Vec<(String, &'static str)>,
}

impl Report {
    /// Runs cases and adds what became of them.
    pub fn add(&mut self, cases: &[Case], profile: Profile) {
        for case in cases {
            let counts = self.scopes.entry(case.scope().to_owned()).or_default();
            match profile.run(case) {
                Verdict::Pass => counts.pass += 1,
                Verdict::Refused(code) => {
                    counts.refused += 1;
                    if case.scope() == "core" {
                        self.refused.push((case.id(), code));
                    }
                }
                Verdict::Fail { want, got } => {
                    counts.fail += 1;
                    self.failures.push(json!({
                        "scope": case.scope(),
                        "file": case.file(),
                        "name": case.name(),
                        "expr": case.expr(),
                        "want": want,
                        "got": got,
                    }));
                }
            }
        }
    }

    /// Counts by scope.
    pub const fn scopes(&self) -> &BTreeMap<String, Counts> {
        &self.scopes
    }

    /// Counts of one scope; zeros where it has no case.
    pub fn scope(&self, name: &str) -> Counts {
        self.scopes.get(name).copied().unwrap_or_default()
    }

    /// Failed cases: scope, file, name, expression, what was wanted and what came out.
    pub fn failures(&self) -> &[Json] {
        &self.failures
    }

    /// Refused cases of scope `core` by `file/section/name`, with the code of the refusal; in the order run.
    pub fn refused(&self) -> &[(String, &'static str)] {
        &self.refused
    }

    /// Everything as one object: counts by scope, and `failures`.
    pub fn json(&self) -> Json {
        let counts =
            |counts: &Counts| json!({ "pass": counts.pass, "fail": counts.fail, "refused": counts.refused });
        let mut object: serde_json::Map<String, Json> =
            self.scopes.iter().map(|(scope, found)| (scope.clone(), counts(found))).collect();
        object.entry("core").or_insert_with(|| counts(&Counts::default()));
        object.insert("failures".to_owned(), Json::Array(self.failures.clone()));
        Json::Object(object)
    }
}
