//! Rules and policies over the rails of their conditions: who acts how strictly, and what verdict follows.
//!
//! Each rule gets a literal for every strictness: that it acts at least so. The verdict follows from those by the words
//! of DESIGN §4.2, and a rule can be left out of it, so that policies that share rules share their constraints.

use super::{Encoder, Out, Rails};
use crate::effect::{applied, strictness};
use crate::sat::Lit;
use glacis_compiler::Checked;
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::{Effect, Entry, Obligation};
use glacis_wire::{Cause, Verdict};

/// What one rule does.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// `levels[k]`: it acts, with strictness of at least `k + 1`.
    pub(crate) levels: Vec<Lit>,
    /// It matches, by its condition or by how it closes.
    pub(crate) matched: Lit,
}

/// What a policy says.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// Exactly one of these holds: the verdict if no method was passed.
    pub(crate) verdicts: Vec<(Verdict, Lit)>,
    /// For each duty whether it starts.
    pub(crate) duties: Vec<(Obligation, Lit)>,
}

/// Points come to more different sums than the encoding takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LimitReached;

impl Encoder<'_> {
    /// What each rule of a policy does.
    pub(crate) fn acts(&mut self, side: usize) -> Vec<Act> {
        let Some(policy) = self.subjects.get(side).map(|subject| subject.checked) else { return Vec::new() };
        policy.rules().iter().map(|rule| self.act(side, policy, rule)).collect()
    }

    fn act(&mut self, side: usize, policy: &Checked, rule: &Rule) -> Act {
        let [given, trusted] = self.planes_of(side, rule);
        let top = top(policy);
        if rule.effect.is_lenient() {
            let matched = trusted.yes;
            return Act { levels: vec![matched; top], matched };
        }
        let undecided: Vec<Lit> = trusted.unknown.iter().map(|rail| !*rail).collect();
        let failed = self.sat.all(undecided.into_iter().chain([!trusted.yes, !trusted.no]));
        let acts = |level: usize, entry: Entry| {
            applied(policy, rule.effect, entry).is_some_and(|effect| strictness(policy, effect) >= level)
        };
        let mut levels = Vec::new();
        for level in 1..=top {
            let mut ways = Vec::new();
            if strictness(policy, rule.effect) >= level {
                ways.push(given.yes);
            }
            if acts(level, rule.error) {
                ways.push(failed);
            }
            for (cause, rail) in Cause::ALL.iter().zip(trusted.unknown) {
                if acts(level, rule.entry(*cause)) {
                    ways.push(rail);
                }
            }
            levels.push(self.sat.any(ways));
        }
        let matched = levels.first().copied().unwrap_or(given.yes);
        Act { levels, matched }
    }

    /// A rule's condition in Σ and Σ⁻, or what stands for it.
    fn planes_of(&mut self, side: usize, rule: &Rule) -> [Rails; 2] {
        if let Some(cause) = fixed(rule, self.world.outage) {
            return [self.constant(Out::unknown(cause)); 2];
        }
        [false, true].map(|trusted| self.condition(side, &rule.when, trusted))
    }

    /// What a policy says whose rules do this; the rule at `without` left out.
    pub(crate) fn decision(
        &mut self,
        side: usize,
        acts: &[Act],
        without: Option<usize>,
    ) -> Result<Decision, LimitReached> {
        let Some(policy) = self.subjects.get(side).map(|subject| subject.checked) else {
            return Err(LimitReached);
        };
        let rules = policy.rules().iter().zip(acts).enumerate();
        let rules: Vec<(&Rule, &Act)> =
            rules.filter(|(at, _)| Some(*at) != without).map(|(_, pair)| pair).collect();
        let soft = self.soft(policy, &rules)?;
        let reached = |level: usize| soft.get(level - 1).copied();
        let top = top(policy);
        let hard = rules.iter().filter(|(rule, _)| rule.effect == Effect::Block);
        let hard: Vec<Lit> = hard.filter_map(|(_, act)| act.levels.get(top - 1)).copied().collect();
        let hard = self.sat.any(hard);
        let exempt = rules.iter().filter(|(rule, _)| rule.effect == Effect::Exempt);
        let exempt: Vec<Lit> = exempt.map(|(_, act)| act.matched).collect();
        let exempt = self.sat.any(exempt);
        let never = self.sat.of(false);
        let mut exactly = |level: usize, next: usize| {
            let (least, more) = (reached(level).unwrap_or(never), reached(next).unwrap_or(never));
            self.sat.all([!hard, !exempt, least, !more])
        };
        let blocks = policy.rank(Verdict::Block);
        let soft_block = exactly(blocks, blocks + 1);
        let mut verdicts = Vec::new();
        for method in policy.methods() {
            let level = policy.rank(Verdict::Challenge(*method));
            verdicts.push((Verdict::Challenge(*method), exactly(level, level + 1)));
        }
        verdicts.push((Verdict::Block, self.sat.any([hard, soft_block])));
        let milder: Vec<Lit> = verdicts.iter().map(|(_, literal)| !*literal).collect();
        verdicts.push((Verdict::Allow, self.sat.all(milder)));
        let duties = Obligation::ALL.map(|duty| {
            let bound = rules.iter().filter(|(rule, _)| rule.obligations.contains(duty));
            let bound: Vec<Lit> = bound.map(|(_, act)| act.matched).collect();
            (duty, self.sat.any(bound))
        });
        Ok(Decision { verdicts, duties: duties.to_vec() })
    }

    /// For each strictness: some soft effect or score class is at least so strict. A hard block counts no further
    /// than its milder entries.
    fn soft(&mut self, policy: &Checked, rules: &[(&Rule, &Act)]) -> Result<Vec<Lit>, LimitReached> {
        let points: Vec<(i64, Lit)> = rules
            .iter()
            .filter_map(|(rule, act)| match rule.effect {
                Effect::Score(points) => Some((i64::from(points), act.matched)),
                _ => None,
            })
            .collect();
        let mut classes = Vec::new();
        for class in policy.classes() {
            let reached = self.sat.at_least(&points, class.at_least).ok_or(LimitReached)?;
            classes.push((strictness(policy, class.effect), reached));
        }
        let levels = (1..top(policy)).map(|level| {
            let acting =
                rules.iter().filter(|(rule, _)| !matches!(rule.effect, Effect::Exempt | Effect::Score(_)));
            let acting = acting.filter_map(|(_, act)| act.levels.get(level - 1)).copied();
            let classes = classes.iter().filter(|(strict, _)| *strict >= level).map(|(_, reached)| *reached);
            let all: Vec<Lit> = acting.chain(classes).collect();
            self.sat.any(all)
        });
        Ok(levels.collect())
    }
}

/// Why the whole condition of a rule is unknown, whatever its signals say: hidden in an outage, or undisclosed.
pub(crate) fn fixed(rule: &Rule, outage: bool) -> Option<Cause> {
    if outage && rule.is_hidden() {
        return Some(Cause::Unavailable);
    }
    (rule.release == Release::Undisclosed).then_some(Cause::Withheld)
}

/// Strictness of a hard block, which nothing exceeds.
fn top(policy: &Checked) -> usize {
    strictness(policy, Effect::Block)
}
