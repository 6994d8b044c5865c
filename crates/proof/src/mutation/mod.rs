//! How much golden cases say of a policy: what they cover, and which small changes of the policy they would notice.
//!
//! [`mutation`] changes one thing at a time (a threshold, an operator, a dropped part, an effect, an entry, a rule) and
//! runs the cases on what comes out. A change that no case notices survives; [`crate::diff`] then tells those that mean
//! nothing, which no case could notice, from those that a case is missing for, and gives the event that it would need.
//! Which changes are made is fixed by the policy and the limits alone: nothing is drawn by lot.

mod variants;

use crate::diff::{Finding, Obstacle, Witness, diff};
use crate::state::{Subject, atoms};
use glacis_compiler::Checked;
use glacis_compiler::cases::{Case, run};
use glacis_compiler::checked::Rule;
use glacis_compiler::reference::{Outcome, evaluate};
use glacis_policy::Effect;
use glacis_wire::{Cause, Value};
use std::fmt;

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Changes that are tried; of more, every so manieth.
    pub mutants_max: usize,
    /// Surviving changes that are proven to mean nothing, or given a witness.
    pub proofs_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { mutants_max: 1_000, proofs_max: 100 }
    }
}

/// What the cases of a policy say of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What they cover, in the order of the rules.
    pub rules: Vec<Coverage>,
    /// The changes that were tried.
    pub mutants: Vec<Mutant>,
    /// Changes that there are; more than were tried if the limit was reached.
    pub mutants_total: usize,
    /// Cases that do not hold, which cannot notice anything.
    pub failing: Vec<String>,
}

impl Report {
    /// Changes that a case noticed, and changes that one could notice. What is undetermined counts among the latter.
    pub fn score(&self) -> (usize, usize) {
        let count =
            |wanted: fn(&Fate) -> bool| self.mutants.iter().filter(|mutant| wanted(&mutant.fate)).count();
        let killed = count(|fate| matches!(fate, Fate::Killed { .. }));
        (killed, self.mutants.len() - count(|fate| *fate == Fate::Equivalent))
    }
}

/// What cases cover of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The rule's id.
    pub rule: String,
    /// Some case matches it.
    pub matched: bool,
    /// Some case does not.
    pub unmatched: bool,
    /// Its atoms, left to right.
    pub atoms: Vec<AtomCoverage>,
}

/// What cases cover of one atom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtomCoverage {
    /// Its text.
    pub text: String,
    /// It is true in some case.
    pub was_true: bool,
    /// It is false in some case.
    pub was_false: bool,
}

/// One change and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mutant {
    /// The rule that was changed.
    pub rule: String,
    /// What was changed.
    pub change: Change,
    /// What became of it.
    pub fate: Fate,
}

/// One small change of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The whole rule was left out.
    Dropped,
    /// A part of its condition became another.
    Part {
        /// Its text.
        from: String,
        /// The other's.
        to: String,
    },
    /// It had another effect.
    Effect(Effect),
    /// It closed otherwise for a cause.
    Unknown(Cause),
    /// It closed otherwise on an error.
    Error,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// A case noticed.
    Killed {
        /// The first case that did.
        case: String,
    },
    /// No case noticed, and this event is one that would.
    Survived(Box<Witness>),
    /// It changes no decision: no case could notice.
    Equivalent,
    /// No case noticed, and whether one could was not found out.
    Undetermined(Obstacle),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped => f.write_str("left out"),
            Self::Part { from, to } => write!(f, "`{to}` for `{from}`"),
            Self::Effect(effect) => write!(f, "effect `{effect}`"),
            Self::Unknown(cause) => write!(f, "another entry for `{}`", cause.name()),
            Self::Error => f.write_str("another entry for errors"),
        }
    }
}

/// What the cases of a policy cover and would notice.
pub fn mutation(subject: Subject<'_>, cases: &[Case], limits: Limits) -> Report {
    let policy = subject.checked;
    let (holding, failing): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| run(policy, case).holds());
    let all = all_changes(subject);
    let step = all.len().div_ceil(limits.mutants_max.max(1)).max(1);
    let mut report = Report {
        rules: policy.rules().iter().map(|rule| coverage(policy, rule, cases)).collect(),
        mutants: Vec::new(),
        mutants_total: all.len(),
        failing: failing.into_iter().map(|case| case.name.clone()).collect(),
    };
    let mut proofs = 0;
    for (at, change, rule) in all.into_iter().step_by(step) {
        let Some(old) = policy.rules().get(at) else { continue };
        let changed = changed(policy, at, rule);
        let noticed = holding.iter().find(|case| !run(&changed, case).holds());
        let fate = match noticed {
            Some(case) => Fate::Killed { case: case.name.clone() },
            None if proofs >= limits.proofs_max => Fate::Undetermined(Obstacle::Limit),
            None => {
                proofs += 1;
                survivor(subject, &changed)
            }
        };
        report.mutants.push(Mutant { rule: old.id.clone(), change, fate });
    }
    report
}

/// What becomes of a change that no case noticed.
fn survivor(subject: Subject<'_>, changed: &Checked) -> Fate {
    match diff(subject, Subject { checked: changed, ..subject }).decision {
        Finding::Equal => Fate::Equivalent,
        Finding::Differs(witness) => Fate::Survived(witness),
        Finding::Undetermined(obstacle) => Fate::Undetermined(obstacle),
    }
}

/// Every change of one thing: the place of the rule, and the rule after it (`None`: left out).
fn all_changes(subject: Subject<'_>) -> Vec<(usize, Change, Option<Rule>)> {
    let rules = subject.checked.rules().iter().enumerate();
    let changes = rules.flat_map(|(at, rule)| {
        let own = variants::of(subject, rule).into_iter().map(|(change, rule)| (change, Some(rule)));
        own.chain([(Change::Dropped, None)]).map(move |(change, rule)| (at, change, rule))
    });
    changes.collect()
}

fn changed(policy: &Checked, at: usize, rule: Option<Rule>) -> Checked {
    let mut rules = policy.rules().to_vec();
    rules.splice(at..(at + 1).min(policy.rules().len()), rule);
    policy.with_rules(rules)
}

fn coverage(policy: &Checked, rule: &Rule, cases: &[Case]) -> Coverage {
    let matches = |case: &Case| run(policy, case).whole.matched.contains(&rule.id);
    let matched: Vec<bool> = cases.iter().map(matches).collect();
    let atoms = atoms(&rule.when).into_iter().map(|atom| {
        let came_to = |wanted: bool| {
            let wanted = Outcome::Value(Value::Bool(wanted));
            cases.iter().any(|case| evaluate(policy, atom, &case.snapshot, false, case.outage) == wanted)
        };
        AtomCoverage { text: atom.to_string(), was_true: came_to(true), was_false: came_to(false) }
    });
    Coverage {
        rule: rule.id.clone(),
        matched: matched.contains(&true),
        unmatched: matched.contains(&false),
        atoms: atoms.collect(),
    }
}
