//! Combination and finality (DESIGN §4.1, §4.2).
//!
//! Verdict = max(hard block, exempt ? allow : max(soft effects, score class)). It grows with every strict rule
//! and shrinks with every lenient one, so over all assignments of open rules, taken as independent, the mildest
//! verdict is where open lenient rules match and open strict ones do not, and the strictest is the reverse.
//! Hidden rules count as open ones with the strongest effects that their summary admits; in an outage they
//! count as closed to what the summary says. A passed method removes challenges up to it, wherever they come from.
//!
//! A zone is final where both ends are one verdict. A device may only finalise a hard block, or start a
//! challenge that is the mildest end; an exempt that is still open makes that end `allow`, and so forbids it.

use super::Outcome;
use super::input::{Close, Inputs};
use super::rule::RuleState;
use super::scratch::Scratch;
use crate::mutant::{Faults, Mutant};
use crate::tree::{Effect, Hidden, HiddenClosed, Slice};
use glacis_wire::{Method, Verdict, Zone};

/// What the states in `scratch` come to.
pub(super) fn outcome<F: Faults>(
    faults: F,
    slice: &Slice,
    inputs: &Inputs<'_>,
    scratch: &Scratch,
) -> Outcome {
    let combine = Combine { faults, slice, passed: inputs.passed };
    let mut range = Range::default();
    let mut seen = 0;
    for (at, state) in scratch.live() {
        match state {
            // Points add up; of anything else a second time says nothing new.
            RuleState::Matched { effect } => {
                let (mark, points) = weight(effect);
                let points = if faults.has(Mutant::CreditDropped) { points.max(0) } else { points };
                range.mildest.score += points;
                range.strictest.score += points;
                if seen & mark != mark {
                    combine.matched(&mut range, effect);
                    seen |= mark;
                }
            }
            RuleState::Open => {
                if let Some(rule) = slice.rules().get(at) {
                    combine.open(&mut range, rule.effect);
                }
            }
            RuleState::Unmatched => {}
        }
    }
    if slice.zone() != Zone::Device && inputs.close == Close::CloudUnavailable {
        combine.hidden_closed(&mut range, &slice.hidden().unavailable);
    } else {
        combine.hidden_open(&mut range, slice.hidden());
    }
    let (mildest, strictest) = (combine.verdict(&range.mildest), combine.verdict(&range.strictest));
    let settled = match slice.zone() {
        Zone::Device if faults.has(Mutant::DeviceSettlesChallenge) && mildest != Verdict::Allow => {
            Some(mildest)
        }
        Zone::Device => range.mildest.block.then_some(Verdict::Block),
        Zone::Edge | Zone::Cloud => (mildest == strictest).then_some(mildest),
    };
    let starts = combine.starts(slice.zone(), &range.mildest, mildest);
    Outcome { settled, mildest, strictest, obligations: scratch.owed, starts }
}

/// A bit for an effect that says nothing new when it comes again, or points.
fn weight(effect: Effect) -> (u32, i64) {
    match effect {
        Effect::Score(points) => (0, i64::from(points)),
        Effect::Block => (1, 0),
        Effect::SoftBlock => (2, 0),
        Effect::Exempt => (4, 0),
        Effect::Challenge(method) => (8 << (method as u8), 0),
    }
}

const _: () = assert!(Method::ALL.len() <= 29, "a bit for each method");

/// The effects of one assignment, added up.
#[derive(Clone, Copy, Debug)]
struct Sum {
    block: bool,
    soft: Verdict,
    exempt: bool,
    score: i64,
}

impl Default for Sum {
    fn default() -> Self {
        Self { block: false, soft: Verdict::Allow, exempt: false, score: 0 }
    }
}

/// The two extreme assignments.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    mildest: Sum,
    strictest: Sum,
}

/// Adds effects under one policy and one passed method.
#[derive(Clone, Copy)]
struct Combine<'a, F> {
    faults: F,
    slice: &'a Slice,
    passed: Option<Method>,
}

impl<F: Faults> Combine<'_, F> {
    fn matched(self, range: &mut Range, effect: Effect) {
        self.add(&mut range.mildest, effect);
        self.add(&mut range.strictest, effect);
    }

    fn open(self, range: &mut Range, effect: Effect) {
        match effect {
            Effect::Exempt if self.faults.has(Mutant::OpenExemptIgnored) => {}
            effect if effect.is_lenient() => self.add(&mut range.mildest, effect),
            _ if self.faults.has(Mutant::OpenRuleIgnored) => {}
            effect => self.add(&mut range.strictest, effect),
        }
    }

    fn hidden_open(self, range: &mut Range, hidden: &Hidden) {
        let seen = |mutant| !self.faults.has(mutant);
        range.strictest.block |= hidden.block && seen(Mutant::HiddenBlockIgnored);
        if let Some(effect) = hidden.soft.filter(|_| seen(Mutant::HiddenSoftIgnored)) {
            self.add(&mut range.strictest, effect);
        }
        range.mildest.exempt |= hidden.exempt && seen(Mutant::HiddenExemptIgnored);
        if seen(Mutant::HiddenScoreIgnored) {
            range.mildest.score += hidden.score.0;
            range.strictest.score += hidden.score.1;
        }
    }

    fn hidden_closed(self, range: &mut Range, closed: &HiddenClosed) {
        if self.faults.has(Mutant::OutageForgetsHidden) {
            return;
        }
        for sum in [&mut range.mildest, &mut range.strictest] {
            sum.block |= closed.block;
            if let Some(effect) = closed.soft {
                self.add(sum, effect);
            }
            sum.score += closed.score;
        }
    }

    fn add(self, sum: &mut Sum, effect: Effect) {
        match effect {
            Effect::Block => sum.block = true,
            Effect::SoftBlock if self.faults.has(Mutant::SoftBlockIsHard) => sum.block = true,
            Effect::Exempt => sum.exempt = true,
            Effect::Score(..0) if self.faults.has(Mutant::CreditDropped) => {}
            Effect::Score(points) => sum.score += i64::from(points),
            Effect::SoftBlock | Effect::Challenge(_) => {
                sum.soft = self.stricter(sum.soft, self.soft(effect, self.passed));
            }
        }
    }

    fn verdict(self, sum: &Sum) -> Verdict {
        match sum {
            Sum { block: true, exempt, .. } if !(*exempt && self.faults.has(Mutant::ExemptLiftsBlock)) => {
                Verdict::Block
            }
            Sum { exempt: true, .. } => Verdict::Allow,
            Sum { soft, score, .. } => self.stricter(*soft, self.class(*score)),
        }
    }

    /// The strictest class that the sum reaches.
    fn class(self, score: i64) -> Verdict {
        let passed = self.passed.filter(|_| !self.faults.has(Mutant::PassedKeepsClass));
        let short = i64::from(self.faults.has(Mutant::ClassOffByOne));
        let reached = self.slice.parts().classes.iter().filter(|class| score - short >= class.at_least);
        reached.fold(Verdict::Allow, |verdict, class| self.stricter(verdict, self.soft(class.effect, passed)))
    }

    /// A soft effect as a verdict, without a challenge that `passed` answers.
    fn soft(self, effect: Effect, passed: Option<Method>) -> Verdict {
        match effect {
            Effect::SoftBlock => Verdict::Block,
            Effect::Challenge(method) if self.answers(passed, method) => Verdict::Allow,
            Effect::Challenge(method) => Verdict::Challenge(method),
            Effect::Block | Effect::Exempt | Effect::Score(_) => Verdict::Allow,
        }
    }

    /// Whether a passed method answers a challenge of `asked`: it is of the policy's methods and not below.
    fn answers(self, passed: Option<Method>, asked: Method) -> bool {
        let Some(passed) = passed else { return false };
        if self.faults.has(Mutant::PassedRemovesAll) {
            return true;
        }
        if self.faults.has(Mutant::PassedRemovesOnlyItself) {
            return passed == asked;
        }
        let known = self.slice.method_rank(passed).is_some();
        known && self.rank(Verdict::Challenge(passed)) >= self.rank(Verdict::Challenge(asked))
    }

    fn stricter(self, a: Verdict, b: Verdict) -> Verdict {
        if self.rank(b) > self.rank(a) { b } else { a }
    }

    fn rank(self, verdict: Verdict) -> u8 {
        match verdict {
            Verdict::Challenge(method) if self.faults.has(Mutant::MethodsByCode) => method as u8 + 1,
            verdict => self.slice.rank(verdict),
        }
    }

    /// The challenge that a device may start: the mildest end, if it is one.
    fn starts(self, zone: Zone, mildest: &Sum, verdict: Verdict) -> Option<Method> {
        let started = if self.faults.has(Mutant::DeviceIgnoresExempt) && !mildest.block {
            self.stricter(mildest.soft, self.class(mildest.score))
        } else {
            verdict
        };
        match started {
            Verdict::Challenge(method) if zone == Zone::Device => Some(method),
            _ => None,
        }
    }
}
