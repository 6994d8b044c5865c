//! Rules that do not do what their author thinks: dead, contradictory, always true, said twice, or covered by others.
//!
//! Each fact is proven for every event, outage and trust of the device that there can be (see [`crate::state`] for what
//! is assumed of events), by the search for an event that contradicts it. Where an atom stands in the way of a proof
//! nothing is claimed; the question is named, with the atom. Analysis never says how a rule ought to be.

use crate::diff::Obstacle;
use crate::effect::strictness;
use crate::encode::{Act, Decision, Encoder};
use crate::event::Event;
use crate::sat::{Found, Lit};
use crate::state::{Space, Subject};
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind, Release, Rule};
use glacis_compiler::reference::{Outcome, evaluate};
use glacis_policy::{Effect, Obligation};
use glacis_wire::{Answer, SignalName, Value};
use std::collections::BTreeSet;
use std::fmt;

/// What was found out about the rules of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Analysis {
    /// What was proven, in the order of the rules.
    pub facts: Vec<Fact>,
    /// What could be neither proven nor refuted.
    pub open: Vec<Open>,
}

/// Something that holds of a rule for every event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The rule's id.
    pub rule: String,
    /// What holds.
    pub kind: Kind,
}

/// What can hold of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It never matches: its condition is never true, and it never closes to a match.
    Dead,
    /// Its condition is never true; it matches at most by how it closes.
    NeverTrue {
        /// Two parts of it that are never true together, or one that is never true.
        because: Vec<String>,
    },
    /// Its condition is true whenever all signals that it reads have values.
    AlwaysTrue,
    /// It acts exactly as another rule does.
    Duplicate {
        /// That rule, which stands before it.
        of: String,
    },
    /// Without it every decision and every duty is the same.
    Shadowed {
        /// Whenever it acts, one of these acts at least as strictly; empty if it takes scores or exemptions to see it.
        by: Vec<String>,
    },
}

impl Kind {
    /// The question that it answers.
    pub const fn question(&self) -> Question {
        match self {
            Self::Dead => Question::Dead,
            Self::NeverTrue { .. } => Question::NeverTrue,
            Self::AlwaysTrue => Question::AlwaysTrue,
            Self::Duplicate { .. } => Question::Duplicate,
            Self::Shadowed { .. } => Question::Shadowed,
        }
    }
}

/// A question without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The rule's id.
    pub rule: String,
    /// What was asked.
    pub question: Question,
    /// What stood in the way.
    pub obstacle: Obstacle,
}

/// What is asked of each rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether it ever matches.
    Dead,
    /// Whether its condition is ever true.
    NeverTrue,
    /// Whether its condition is always true.
    AlwaysTrue,
    /// Whether it acts as another rule does.
    Duplicate,
    /// Whether a decision depends on it.
    Shadowed,
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = &self.rule;
        match &self.kind {
            Kind::Dead => write!(f, "`{rule}` never matches"),
            Kind::NeverTrue { because } if because.is_empty() => {
                write!(f, "the condition of `{rule}` is never true")
            }
            Kind::NeverTrue { because } => {
                write!(f, "the condition of `{rule}` is never true: {}", because.join(" excludes "))
            }
            Kind::AlwaysTrue => write!(f, "the condition of `{rule}` is true whatever its signals say"),
            Kind::Duplicate { of } => write!(f, "`{rule}` does what `{of}` does"),
            Kind::Shadowed { by } if by.is_empty() => write!(f, "no decision depends on `{rule}`"),
            Kind::Shadowed { by } => {
                write!(f, "no decision depends on `{rule}`: covered by {}", by.join(", "))
            }
        }
    }
}

/// What holds of the rules of a policy.
pub fn analyse(subject: Subject<'_>) -> Analysis {
    let space = Space::of(&[subject]);
    let worlds = space.worlds().iter().map(|world| {
        let mut encoder = Encoder::new(&[subject], &space, *world);
        let acts = encoder.acts(0);
        let decision = encoder.decision(0, &acts, None).ok();
        Scene { encoder, acts, decision }
    });
    let incomplete: Vec<SignalName> = space.incomplete().cloned().collect();
    let mut analyst = Analyst {
        subject,
        worlds: worlds.collect(),
        incomplete,
        events: Vec::new(),
        analysis: Analysis::default(),
    };
    for (at, rule) in subject.checked.rules().iter().enumerate() {
        analyst.rule(at, rule);
    }
    // Proofs by constraints that no event satisfies would prove anything.
    if !analyst.worlds.iter_mut().all(|scene| scene.encoder.has_events()) {
        let facts = std::mem::take(&mut analyst.analysis.facts);
        let open = |fact: Fact| Open {
            rule: fact.rule,
            question: fact.kind.question(),
            obstacle: Obstacle::Contradiction,
        };
        analyst.analysis.open.extend(facts.into_iter().map(open));
    }
    analyst.analysis
}

/// One world of the policy.
struct Scene<'a> {
    encoder: Encoder<'a>,
    acts: Vec<Act>,
    decision: Option<Decision>,
}

struct Analyst<'a> {
    subject: Subject<'a>,
    worlds: Vec<Scene<'a>>,
    incomplete: Vec<SignalName>,
    /// Some events that were found.
    events: Vec<Event>,
    analysis: Analysis,
}

impl<'a> Analyst<'a> {
    fn rule(&mut self, at: usize, rule: &Rule) {
        if self.is_dead(at, rule) {
            return self.found(rule, Kind::Dead);
        }
        if let Some(of) = self.duplicated(at, rule) {
            self.found(rule, Kind::Duplicate { of });
        }
        if self.is_shadowed(at, rule) {
            let by = self.covering(at, rule);
            self.found(rule, Kind::Shadowed { by });
        }
    }

    /// Whether a rule never matches; on the way, whether its condition is never or always true.
    fn is_dead(&mut self, at: usize, rule: &Rule) -> bool {
        let policy = self.subject.checked;
        let is_true =
            |event: &Event| evaluate(policy, &rule.when, &event.snapshot, false, event.outage) == TRUE;
        let never = self.ask(rule, Question::NeverTrue, |scene| Some(scene.written(rule)), &is_true);
        // A strict rule whose condition is true matches, unless nothing of it is disclosed.
        let believed = !rule.effect.is_lenient() && rule.release != Release::Undisclosed;
        if never != Some(false) || !believed {
            let matches = |event: &Event| event.decide(policy).matched.contains(&rule.id);
            let dead = self.ask(rule, Question::Dead, |scene| Some(scene.acts.get(at)?.matched), &matches);
            if dead == Some(true) {
                return true;
            }
        }
        if never == Some(true) {
            let because = self.excluded(&rule.when);
            self.found(rule, Kind::NeverTrue { because });
        }
        let names = rule.when.readings();
        let fails = |event: &Event| {
            let valued = |name: &SignalName| {
                event.snapshot.answers.get(name).is_some_and(|given| matches!(given.answer, Answer::Value(_)))
            };
            !event.outage && names.iter().all(|(name, _)| valued(name)) && !is_true(event)
        };
        let always = self.ask(rule, Question::AlwaysTrue, |scene| scene.not_true_though_known(rule), &fails);
        if always == Some(true) {
            self.found(rule, Kind::AlwaysTrue);
        }
        false
    }

    fn is_shadowed(&mut self, at: usize, rule: &Rule) -> bool {
        let policy = self.subject.checked;
        let others = policy.rules().iter().filter(|other| other.id != rule.id);
        let without = policy.with_rules(others.cloned().collect());
        let matters = |event: &Event| {
            let (full, less) = (event.decide(policy), event.decide(&without));
            (full.verdict, full.obligations) != (less.verdict, less.obligations)
        };
        self.ask(rule, Question::Shadowed, |scene| scene.matters(at), &matters) == Some(true)
    }

    fn found(&mut self, rule: &Rule, kind: Kind) {
        self.analysis.facts.push(Fact { rule: rule.id.clone(), kind });
    }

    /// Whether no event is as `against` describes; notes the question and gives `None` if that cannot be told.
    fn ask(
        &mut self,
        rule: &Rule,
        question: Question,
        against: impl FnMut(&mut Scene<'a>) -> Option<Lit>,
        refutes: &dyn Fn(&Event) -> bool,
    ) -> Option<bool> {
        // Events that answered other questions often answer one about a single condition as well.
        let cheap = matches!(question, Question::NeverTrue | Question::AlwaysTrue);
        if cheap && self.events.iter().any(refutes) {
            return Some(false);
        }
        let found = self.never(against, refutes);
        match found {
            Ok(never) => Some(never),
            Err(obstacle) => {
                self.analysis.open.push(Open { rule: rule.id.clone(), question, obstacle });
                None
            }
        }
    }

    /// Whether a literal of each world holds for no event; where there is none, that is not known. An event of values that
    /// are not listed is believed only if it `refutes` in a replay.
    fn never(
        &mut self,
        mut literal: impl FnMut(&mut Scene<'a>) -> Option<Lit>,
        refutes: &dyn Fn(&Event) -> bool,
    ) -> Result<bool, Obstacle> {
        let mut obstacle = None;
        for scene in &mut self.worlds {
            let Some(literal) = literal(scene) else {
                obstacle = Some(Obstacle::Limit);
                continue;
            };
            if literal == scene.encoder.sat.of(false) {
                continue;
            }
            match scene.encoder.search(&[literal], true) {
                Found::Some => {
                    let outage = scene.encoder.world.outage;
                    let event =
                        scene.encoder.event().map(|snapshot| Event { snapshot, passed: None, outage });
                    self.events.extend(event.filter(|_| self.events.len() < EVENTS_MAX));
                    return Ok(false);
                }
                Found::Limit => obstacle = Some(Obstacle::Limit),
                Found::None => match scene.look_further(literal, refutes) {
                    Ok(true) => {}
                    Ok(false) => return Ok(false),
                    Err(found) => obstacle = Some(found),
                },
            }
        }
        if obstacle.is_none() && !self.incomplete.is_empty() {
            obstacle = Some(Obstacle::Intervals(self.incomplete.clone()));
        }
        obstacle.map_or(Ok(true), Err)
    }

    /// One or two parts of a conjunction that are never true, or never together.
    fn excluded(&mut self, when: &Expr) -> Vec<String> {
        let parts = conjuncts(when);
        let parts: Vec<&Expr> = parts.into_iter().take(PARTS_MAX).collect();
        for (at, first) in parts.iter().enumerate() {
            for second in parts.iter().skip(at) {
                let together = self.never(
                    |scene| {
                        let rails = [first, second].map(|part| scene.encoder.condition(0, part, false).yes);
                        Some(scene.encoder.sat.all(rails))
                    },
                    &NOTHING,
                );
                if together == Ok(true) {
                    let mut texts = vec![first.to_string(), second.to_string()];
                    texts.dedup();
                    return texts;
                }
            }
        }
        Vec::new()
    }

    /// The first rule before this one that does the same.
    fn duplicated(&mut self, at: usize, rule: &Rule) -> Option<String> {
        let reads = |rule: &Rule| -> BTreeSet<SignalName> {
            rule.when.readings().into_iter().map(|(name, _)| name.clone()).collect()
        };
        let rules = self.subject.checked.rules();
        let own = reads(rule);
        for (other_at, other) in rules.iter().enumerate().take(at) {
            if other.effect != rule.effect || other.obligations != rule.obligations || reads(other) != own {
                continue;
            }
            let same = self.never(|scene| scene.act_differently(at, other_at), &NOTHING);
            if same == Ok(true) {
                return Some(other.id.clone());
            }
        }
        None
    }

    /// Rules of which one acts at least as strictly whenever this one does.
    fn covering(&mut self, at: usize, rule: &Rule) -> Vec<String> {
        let rules = self.subject.checked.rules();
        let top = strictness(self.subject.checked, rule.effect);
        let mut names = BTreeSet::new();
        for scene in &mut self.worlds {
            let levels =
                (0..top).map(|level| scene.level(at, level, |other| rules.get(other).is_some_and(compares)));
            let duties: Vec<Obligation> = rule.obligations.iter().collect();
            let duties = duties.into_iter().map(|duty| {
                scene.level(at, 0, |other| {
                    rules.get(other).is_some_and(|other| other.obligations.contains(duty))
                })
            });
            let claims: Vec<_> =
                if compares(rule) { levels.chain(duties).collect() } else { duties.collect() };
            for (own, others) in claims {
                let Some(by) = scene.core(own, &others) else { return Vec::new() };
                names.extend(by);
            }
        }
        let named = names.into_iter().filter_map(|at| rules.get(at));
        named.map(|rule| rule.id.clone()).collect()
    }
}

/// Whether the effect of a rule is stricter or milder than that of another.
fn compares(rule: &Rule) -> bool {
    rule.effect.is_soft() || rule.effect == Effect::Block
}

/// The rules that might cover one, each with the literal that it does not act.
type Others = Vec<(usize, Lit)>;

/// Refutes nothing: for questions of which only the proof is wanted.
const NOTHING: fn(&Event) -> bool = |_| false;

impl Scene<'_> {
    /// Whether there is no event either among values that are not listed.
    fn look_further(&mut self, literal: Lit, refutes: &dyn Fn(&Event) -> bool) -> Result<bool, Obstacle> {
        let aside = self.encoder.sat.variable();
        let mut obstacle = None;
        // LIMIT: so many choices are set aside for which no values could be made.
        for _ in 0..GUESSES_MAX {
            match self.encoder.search(&[literal, aside], false) {
                Found::None => break,
                Found::Limit => return Err(Obstacle::Limit),
                Found::Some => {}
            }
            let snapshot = self.encoder.realised();
            let event =
                snapshot.map(|snapshot| Event { snapshot, passed: None, outage: self.encoder.world.outage });
            if event.is_some_and(|event| refutes(&event)) {
                return Ok(false);
            }
            obstacle = Some(Obstacle::Atoms(self.encoder.guessed()));
            self.encoder.set_aside(aside);
        }
        obstacle.map_or(Ok(true), Err)
    }

    /// That a condition as it is written is true in Σ.
    fn written(&mut self, rule: &Rule) -> Lit {
        self.encoder.condition(0, &rule.when, false).yes
    }

    /// That a condition is not true although each of its signals has a value.
    fn not_true_though_known(&mut self, rule: &Rule) -> Option<Lit> {
        let yes = self.written(rule);
        let names: BTreeSet<SignalName> =
            rule.when.readings().into_iter().map(|(name, _)| name.clone()).collect();
        let known: Vec<Lit> = names
            .iter()
            .map(|name| self.encoder.in_state(name, |answer| matches!(answer, Answer::Value(_))))
            .collect();
        // In an outage what the cloud says is not known.
        if self.encoder.world.outage {
            return Some(self.encoder.sat.of(false));
        }
        Some(self.encoder.sat.all(known.into_iter().chain([!yes])))
    }

    /// That a decision is another one without a rule.
    fn matters(&mut self, at: usize) -> Option<Lit> {
        let whole = self.decision.clone()?;
        let without = self.encoder.decision(0, &self.acts, Some(at)).ok()?;
        let verdicts = whole.verdicts.iter().zip(&without.verdicts).map(|((_, a), (_, b))| (*a, *b));
        let duties = whole.duties.iter().zip(&without.duties).map(|((_, a), (_, b))| (*a, *b));
        let pairs: Vec<(Lit, Lit)> = verdicts.chain(duties).collect();
        let ways: Vec<Lit> = pairs.into_iter().map(|(a, b)| self.encoder.sat.differ(a, b)).collect();
        Some(self.encoder.sat.any(ways))
    }

    fn act_differently(&mut self, one: usize, other: usize) -> Option<Lit> {
        let (one, other) = (self.acts.get(one)?, self.acts.get(other)?);
        let pairs: Vec<(Lit, Lit)> = one.levels.iter().copied().zip(other.levels.iter().copied()).collect();
        let ways: Vec<Lit> = pairs.into_iter().map(|(a, b)| self.encoder.sat.differ(a, b)).collect();
        Some(self.encoder.sat.any(ways))
    }

    /// That a rule acts at least so, and for each other that is wanted that it does not.
    fn level(&self, at: usize, level: usize, wanted: impl Fn(usize) -> bool) -> (Lit, Others) {
        let never = self.encoder.sat.of(false);
        let literal = |act: &Act| act.levels.get(level).copied().unwrap_or(never);
        let own = self.acts.get(at).map_or(never, literal);
        let others = self.acts.iter().enumerate().filter(|(other, _)| *other != at && wanted(*other));
        (own, others.map(|(other, act)| (other, !literal(act))).collect())
    }

    /// Some of the others of which one always acts when `own` holds: none of them can be left out.
    fn core(&mut self, own: Lit, others: &Others) -> Option<Vec<usize>> {
        let mut kept = others.clone();
        let mut assumed = |kept: &Others| {
            let all: Vec<Lit> = [own].into_iter().chain(kept.iter().map(|(_, literal)| *literal)).collect();
            (self.encoder.search(&all, false) == Found::None).then(|| self.encoder.sat.core())
        };
        let core = assumed(&kept)?;
        kept.retain(|(_, literal)| core.contains(literal));
        for (at, _) in kept.clone().into_iter().take(CORE_MAX) {
            let fewer: Others = kept.iter().filter(|(other, _)| *other != at).copied().collect();
            if assumed(&fewer).is_some() {
                kept = fewer;
            }
        }
        Some(kept.into_iter().map(|(at, _)| at).collect())
    }
}

/// The parts of a conjunction.
fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Binary(BinaryOp::And, a, b) => [conjuncts(a), conjuncts(b)].concat(),
        _ => vec![expr],
    }
}

/// LIMIT: parts of one conjunction that are compared with each other.
const PARTS_MAX: usize = 12;
/// LIMIT: rules of which is asked whether they are needed to cover one.
const CORE_MAX: usize = 32;
/// LIMIT: guesses of one search for which no values could be made.
const GUESSES_MAX: usize = 8;
/// LIMIT: events that are kept for other questions.
const EVENTS_MAX: usize = 64;
const TRUE: Outcome = Outcome::Value(Value::Bool(true));
