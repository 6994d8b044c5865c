//! The verdict of a complete assignment, as DESIGN §4.1 writes it, and the two ends over all completions.
//!
//! Verdict = max(hard block, exempt ? allow : max(soft effects, score class)). The ends are found by trying both values of
//! each open rule; nothing here uses that the verdict grows with strict rules and shrinks with lenient ones.

use super::{STATES, Scene, digits};
use glacis_policy::{Effect, Hidden, ScoreClass};
use glacis_wire::{Method, Verdict};

/// Ranks of the mildest and of the strictest verdict: allow 0, the methods in their order, block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) mildest: usize,
    pub(super) strictest: usize,
}

impl Ends {
    fn union(self, other: Self) -> Self {
        Self { mildest: self.mildest.min(other.mildest), strictest: self.strictest.max(other.strictest) }
    }
}

/// What combines effects.
pub(super) struct Model<'a> {
    pub(super) scene: Scene<'a>,
    pub(super) classes: &'a [ScoreClass],
    pub(super) hidden: &'a Hidden,
    pub(super) passed: Option<Method>,
}

impl Model<'_> {
    /// The ends of every combination of states.
    pub(super) fn ends(&self, effects: &[Effect], outage: bool) -> Vec<Ends> {
        let cases = STATES.pow(u32::try_from(effects.len()).unwrap_or(0));
        let hidden = self.hidden_completions(outage);
        let mut all: Vec<Ends> = Vec::with_capacity(cases);
        for case in 0..cases {
            let open = digits(case, effects.len()).position(|state| state == 2);
            let step = |at: usize| STATES.pow(u32::try_from(at).unwrap_or(0));
            // A case with an open rule is that with it unmatched and that with it matched, both of lower numbers.
            let both = open.and_then(|at| {
                let (unmatched, matched) = (all.get(case - 2 * step(at))?, all.get(case - step(at))?);
                Some(unmatched.union(*matched))
            });
            all.push(both.unwrap_or_else(|| {
                let matched =
                    effects.iter().zip(digits(case, effects.len())).filter(|(_, state)| *state == 1);
                self.over_hidden(&matched.map(|(effect, _)| *effect).collect::<Vec<_>>(), &hidden)
            }));
        }
        all
    }

    /// What hidden rules may come to, as effects and points.
    fn hidden_completions(&self, outage: bool) -> Vec<(Vec<Effect>, i64)> {
        if outage {
            let closed = self.hidden.unavailable;
            let effects = closed.block.then_some(Effect::Block).into_iter().chain(closed.soft).collect();
            return vec![(effects, closed.score)];
        }
        let effects: Vec<Effect> = [
            self.hidden.block.then_some(Effect::Block),
            self.hidden.soft,
            self.hidden.exempt.then_some(Effect::Exempt),
        ]
        .into_iter()
        .flatten()
        .collect();
        let mut all = Vec::new();
        for subset in 0..1_usize << effects.len() {
            let chosen: Vec<Effect> = effects
                .iter()
                .enumerate()
                .filter(|(at, _)| subset >> at & 1 == 1)
                .map(|(_, effect)| *effect)
                .collect();
            for points in [self.hidden.score.0, 0, self.hidden.score.1] {
                all.push((chosen.clone(), points));
            }
        }
        all
    }

    fn over_hidden(&self, matched: &[Effect], hidden: &[(Vec<Effect>, i64)]) -> Ends {
        let mut ends: Option<Ends> = None;
        for (more, points) in hidden {
            let rank = self.rank_of(&[matched, more].concat(), *points);
            let here = Ends { mildest: rank, strictest: rank };
            ends = Some(ends.map_or(here, |ends| ends.union(here)));
        }
        ends.unwrap_or(Ends { mildest: 0, strictest: 0 })
    }

    /// The rank of the verdict of a complete assignment.
    fn rank_of(&self, effects: &[Effect], points: i64) -> usize {
        if effects.contains(&Effect::Block) {
            return self.block();
        }
        if effects.contains(&Effect::Exempt) {
            return 0;
        }
        let mut score = points;
        let mut rank = 0;
        for effect in effects {
            match effect {
                Effect::Score(more) => score += i64::from(*more),
                soft => rank = rank.max(self.soft(*soft)),
            }
        }
        let reached = self.classes.iter().filter(|class| score >= class.at_least);
        reached.fold(rank, |rank, class| rank.max(self.soft(class.effect)))
    }

    /// The rank of a soft effect, without a challenge that what was passed answers.
    fn soft(&self, effect: Effect) -> usize {
        let place = |wanted| self.scene.policy.methods().iter().position(|method| *method == wanted);
        match effect {
            Effect::Challenge(method) => {
                let asked = place(method).map_or(0, |at| at + 1);
                let passed = self.passed.and_then(place).map_or(0, |at| at + 1);
                if passed >= asked { 0 } else { asked }
            }
            _ => self.block(),
        }
    }

    fn block(&self) -> usize {
        self.scene.policy.methods().len() + 1
    }

    /// The verdict of a rank.
    pub(super) fn verdict_of(&self, rank: usize) -> Option<Verdict> {
        match rank.checked_sub(1) {
            None => Some(Verdict::Allow),
            Some(at) if rank < self.block() => {
                self.scene.policy.methods().get(at).map(|method| Verdict::Challenge(*method))
            }
            Some(_) => Some(Verdict::Block),
        }
    }
}
