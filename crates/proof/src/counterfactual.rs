//! Why an event was decided as it was, and the least that would have had to be different for a milder verdict.
//!
//! [`explain`] gives the path: what each condition came to in Σ and Σ⁻, which of its atoms decided it, which rules
//! decided the verdict. A counterfactual changes the fewest signals: the search is bounded by their number, a change of one
//! signal less is excluded by a proof before it is called the least, and what is found is replayed. The value
//! of a private device signal is never part of an answer, neither the one it has nor the one that it would need.

use crate::diff::{Obstacle, left};
use crate::effect::{applied, strictness};
use crate::encode::{Act, Decision, Encoder, fixed};
use crate::event::Event;
use crate::sat::{Found, Lit};
use crate::state::{Space, Subject, World, alike, atoms};
use glacis_compiler::Checked;
use glacis_compiler::Span;
use glacis_compiler::catalogue::{Birth, Privacy};
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind, Rule};
use glacis_compiler::full;
use glacis_compiler::reference::{Outcome, Snapshot, Whole, evaluate};
use glacis_policy::{Effect, Entry};
use glacis_wire::{Answer, Cause, Causes, Given, SignalName, Trust, Type, Value, Verdict};
use std::fmt;

/// How one event was decided.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What the policy says.
    pub decision: Whole,
    /// How each rule came out, in the order of the policy.
    pub rules: Vec<Path>,
    /// The rules that the verdict follows from; none of an `allow` that nothing asked to change.
    pub deciding: Vec<String>,
    /// The least change to any milder verdict.
    pub milder: Counterfactual,
    /// The least change to `allow`.
    pub allow: Counterfactual,
}

/// How one rule came out.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The rule's id.
    pub rule: String,
    /// Its condition in Σ.
    pub given: Outcome,
    /// Its condition in Σ⁻, where what is trusted too little is withheld.
    pub trusted: Outcome,
    /// With what it acts, if it does.
    pub acts: Option<Effect>,
    /// Its atoms, left to right.
    pub atoms: Vec<AtomPath>,
}

/// How one atom came out.
#[derive(Clone, Debug, PartialEq)]
pub struct AtomPath {
    /// Its text.
    pub text: String,
    /// In Σ.
    pub given: Outcome,
    /// In Σ⁻.
    pub trusted: Outcome,
    /// Whether what the condition came to follows from it.
    pub decides: bool,
}

/// The least change that makes a verdict milder.
#[derive(Clone, Debug, PartialEq)]
pub enum Counterfactual {
    /// No verdict is milder, or it is that already.
    Nothing,
    /// This change, and no change of fewer signals.
    Least(Change),
    /// This change; whether fewer signals would do could not be told.
    Some(Change, Obstacle),
    /// No change of signals does it.
    Impossible,
    /// Neither a change nor that there is none was found.
    Undetermined(Obstacle),
}

/// Signals that were different, and what would follow.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What would be different.
    pub flips: Vec<Flip>,
    /// The verdict that would follow.
    pub verdict: Verdict,
    /// Not public: it holds values of private signals.
    event: Event,
}

/// One signal that were different.
#[derive(Clone, Debug, PartialEq)]
pub enum Flip {
    /// A private signal of the device, by the conditions over it and what they would say.
    OnDevice {
        /// Text of each condition, and what it would come to.
        conditions: Vec<(String, Outcome)>,
    },
    /// Any other signal.
    Signal {
        /// The signal.
        signal: SignalName,
        /// What was said of it.
        was: Answer,
        /// What would be said of it.
        would_be: Answer,
    },
}

impl Change {
    /// What a policy says of the changed event.
    pub fn decide(&self, policy: &Checked) -> Whole {
        self.event.decide(policy)
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OnDevice { conditions } => {
                f.write_str("if on the device")?;
                for (at, (text, outcome)) in conditions.iter().enumerate() {
                    let and = if at == 0 { "" } else { " and" };
                    write!(f, "{and} `{text}` were {}", word(outcome))?;
                }
                Ok(())
            }
            Self::Signal { signal, would_be, .. } => write!(f, "if `{signal}` were {}", Shown(would_be)),
        }
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Value(Value::Bool(true)) => "true",
        Outcome::Value(_) => "false",
        Outcome::Error => "an error",
        Outcome::Interval(..) | Outcome::Unknown(_) => "unknown",
    }
}

/// An answer in a sentence.
struct Shown<'a>(&'a Answer);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Answer::Value(Value::Bool(value)) => write!(f, "{value}"),
            Answer::Value(Value::Int(value)) => write!(f, "{value}"),
            Answer::Value(Value::Uint(value)) => write!(f, "{value}"),
            Answer::Value(Value::Double(value)) => write!(f, "{value}"),
            Answer::Value(Value::String(value)) => write!(f, "{value:?}"),
            Answer::Value(Value::Timestamp(value)) => write!(f, "{}", full::Timestamp::from(*value)),
            Answer::Value(Value::Duration(value)) => write!(f, "{}", full::Duration::from(*value)),
            Answer::Value(Value::Bytes(_) | Value::List(_)) => f.write_str("another"),
            Answer::Interval(_) => f.write_str("known to lie between other ends"),
            Answer::Missing => f.write_str("missing"),
            Answer::Error => f.write_str("an error"),
            Answer::Unknown(_) => f.write_str("unknown"),
        }
    }
}

/// How an event was decided, and what would have made the verdict milder.
pub fn explain(subject: Subject<'_>, event: &Event) -> Explanation {
    let policy = subject.checked;
    let decision = event.decide(policy);
    let rules: Vec<Path> = policy.rules().iter().map(|rule| path(policy, rule, event)).collect();
    let deciding = deciding(policy, &rules, decision.verdict);
    let mut search = Search::new(subject, event);
    let rank = policy.rank(decision.verdict);
    let milder = search.least(&decision, rank);
    let allow = match &milder {
        Counterfactual::Least(change) | Counterfactual::Some(change, _)
            if change.verdict != Verdict::Allow =>
        {
            search.least(&decision, 1)
        }
        other => other.clone(),
    };
    Explanation { decision, rules, deciding, milder, allow }
}

fn path(policy: &Checked, rule: &Rule, event: &Event) -> Path {
    let at = |expr: &Expr, trusted| evaluate(policy, expr, &event.snapshot, trusted, event.outage);
    let stand_in = fixed(rule, event.outage).map(|cause| Outcome::Unknown(Causes::of(cause)));
    let [given, trusted] =
        [false, true].map(|trusted| stand_in.clone().unwrap_or_else(|| at(&rule.when, trusted)));
    let decisive =
        if given == TRUE && !rule.effect.is_lenient() { (&given, false) } else { (&trusted, true) };
    let decides = deciders(&rule.when, decisive.0, &|expr| at(expr, decisive.1));
    let atoms = atoms(&rule.when).into_iter().map(|atom| AtomPath {
        text: atom.to_string(),
        given: at(atom, false),
        trusted: at(atom, true),
        decides: stand_in.is_none() && decides.contains(&atom.span),
    });
    let acts = acts(policy, rule, &given, &trusted);
    Path { rule: rule.id.clone(), atoms: atoms.collect(), given, trusted, acts }
}

/// Places of the atoms from which it follows what a condition came to.
fn deciders(expr: &Expr, outcome: &Outcome, at: &dyn Fn(&Expr) -> Outcome) -> Vec<Span> {
    let alike = |part: &Expr| {
        let own = at(part);
        let follows = std::mem::discriminant(&own) == std::mem::discriminant(outcome)
            && (own == *outcome || matches!(own, Outcome::Unknown(_)));
        if follows { deciders(part, &own, at) } else { Vec::new() }
    };
    match &expr.kind {
        ExprKind::Not(a) => deciders(a, &at(a), at),
        ExprKind::Binary(BinaryOp::And | BinaryOp::Or, a, b) => [alike(a), alike(b)].concat(),
        ExprKind::If(condition, yes, no) if expr.ty == Type::Bool => {
            let own = at(condition);
            let branch = match &own {
                Outcome::Value(Value::Bool(true)) => deciders(yes, outcome, at),
                Outcome::Value(_) => deciders(no, outcome, at),
                _ => Vec::new(),
            };
            [deciders(condition, &own, at), branch].concat()
        }
        _ => vec![expr.span],
    }
}

/// The effect with which a rule acts whose condition came to this.
fn acts(policy: &Checked, rule: &Rule, given: &Outcome, trusted: &Outcome) -> Option<Effect> {
    if rule.effect.is_lenient() {
        return (*trusted == TRUE).then_some(rule.effect);
    }
    let applied = |entry: Entry| applied(policy, rule.effect, entry);
    match trusted {
        _ if *given == TRUE => Some(rule.effect),
        Outcome::Value(_) | Outcome::Interval(..) => None,
        Outcome::Error => applied(rule.error),
        Outcome::Unknown(causes) => {
            let entries = causes.iter().filter_map(|cause| applied(rule.entry(cause)));
            entries.max_by_key(|effect| strictness(policy, *effect))
        }
    }
}

/// The rules that a verdict follows from.
fn deciding(policy: &Checked, rules: &[Path], verdict: Verdict) -> Vec<String> {
    let acting = |wanted: &dyn Fn(Effect) -> bool| -> Vec<String> {
        let acting = rules.iter().filter(|path| path.acts.is_some_and(wanted));
        acting.map(|path| path.rule.clone()).collect()
    };
    let hard = acting(&|effect| effect == Effect::Block);
    if !hard.is_empty() {
        return hard;
    }
    if verdict == Verdict::Allow {
        return acting(&|effect| effect == Effect::Exempt);
    }
    let rank = policy.rank(verdict);
    let soft = acting(&|effect| effect.is_soft() && strictness(policy, effect) == rank);
    if soft.is_empty() { acting(&|effect| matches!(effect, Effect::Score(1..))) } else { soft }
}

/// What a change is to bring about.
struct Goal {
    /// The verdict is `allow`.
    allow: Lit,
    /// The verdict is mild enough.
    wanted: Lit,
    /// Its rank is below this.
    below: usize,
}

/// The space around one event.
struct Search<'a> {
    subject: Subject<'a>,
    event: Event,
    space: Space,
    world: World,
    encoder: Encoder<'a>,
    decision: Option<Decision>,
    incomplete: Vec<SignalName>,
    /// For each signal that it is as it was, and that it has some value.
    signals: Vec<(SignalName, Lit, Lit)>,
}

impl<'a> Search<'a> {
    fn new(subject: Subject<'a>, event: &Event) -> Self {
        let mut event = event.clone();
        let mut space = Space::of(&[subject]);
        for name in subject.checked.signals().keys() {
            // What is not said is withheld by nobody in particular (`Snapshot`).
            let withheld = || Given { answer: Answer::unknown(Cause::Withheld), trust: Trust::Claimed };
            let given = event.snapshot.answers.entry(name.clone()).or_insert_with(withheld);
            space.include(name, given);
        }
        let world = event.world(&space);
        let mut encoder = Encoder::new(&[subject], &space, world);
        let acts: Vec<Act> = encoder.acts(0);
        let decision = encoder.decision(0, &acts, None).ok();
        let names: Vec<SignalName> = space.signals().cloned().collect();
        let signals = names.into_iter().map(|name| {
            let now = event.snapshot.answers.get(&name).map(|given| &given.answer);
            let same = now.map_or(encoder.sat.of(true), |now| encoder.answered(&name, now));
            let valued = encoder.in_state(&name, |answer| matches!(answer, Answer::Value(_)));
            (name, same, valued)
        });
        let signals = signals.collect();
        let incomplete = space.incomplete().cloned().collect();
        Self { subject, event, space, world, encoder, decision, incomplete, signals }
    }

    /// The least change to a verdict below a rank.
    fn least(&mut self, now: &Whole, below: usize) -> Counterfactual {
        let policy = self.subject.checked;
        if now.verdict == Verdict::Allow {
            return Counterfactual::Nothing;
        }
        let Some(decision) = self.decision.clone() else {
            return Counterfactual::Undetermined(Obstacle::Limit);
        };
        let passed = self.event.passed;
        // With as few changes, `allow` is wanted rather than anything else that is milder.
        let [allow, wanted] = [1, below].map(|below| {
            let verdicts = decision.verdicts.iter();
            let milder = verdicts.filter(|(verdict, _)| policy.rank(left(policy, *verdict, passed)) < below);
            let milder: Vec<Lit> = milder.map(|(_, literal)| *literal).collect();
            self.encoder.sat.any(milder)
        });
        let goal = Goal { allow, wanted, below };
        let Some((size, mut change, obstacle)) = self.smallest(&goal) else {
            return self.without_change(&goal);
        };
        if let Some(nicer) = self.nicer(&goal, size) {
            change = nicer;
        }
        let left_out = || (!self.incomplete.is_empty()).then(|| Obstacle::Intervals(self.incomplete.clone()));
        match obstacle.or_else(left_out) {
            None => Counterfactual::Least(change),
            Some(obstacle) => Counterfactual::Some(change, obstacle),
        }
    }

    /// The smallest size for which a change was found, the change, and what kept smaller ones from being excluded.
    ///
    /// A larger bound allows whatever a smaller one does: sizes are doubled until there is a change, and then halved.
    fn smallest(&mut self, goal: &Goal) -> Option<(usize, Change, Option<Obstacle>)> {
        let most = self.signals.len();
        let (mut low, mut obstacle, mut best) = (1, None, None);
        let mut size = 1;
        while best.is_none() && low <= most {
            match self.attempt(goal, size.min(most)) {
                Ok(change) => best = Some(change),
                Err(found) => (low, obstacle) = (size.min(most) + 1, found),
            }
            size *= 2;
        }
        let mut best: Change = best?;
        while low < best.flips.len() {
            let middle = low.midpoint(best.flips.len() - 1);
            match self.attempt(goal, middle) {
                Ok(change) => best = change,
                Err(found) => (low, obstacle) = (middle + 1, found),
            }
        }
        Some((best.flips.len(), best, obstacle))
    }

    /// A change of at most so many signals; `Err(None)`: there is none.
    fn attempt(&mut self, goal: &Goal, most: usize) -> Result<Change, Option<Obstacle>> {
        let bound = self.at_most(most).ok_or(Some(Obstacle::Limit))?;
        let wanted = [goal.wanted, bound];
        let listed = self.encoder.search(&wanted, true) == Found::Some;
        let listed = listed.then(|| self.encoder.event()).flatten();
        if let Some(change) = listed.and_then(|found| self.change(found, goal.below)) {
            return Ok(change);
        }
        match self.encoder.search(&wanted, false) {
            Found::None => Err(None),
            Found::Limit => Err(Some(Obstacle::Limit)),
            Found::Some => {
                let made = self.encoder.realised().and_then(|made| self.change(made, goal.below));
                made.ok_or_else(|| Some(Obstacle::Atoms(self.encoder.guessed())))
            }
        }
    }

    /// Why no change was found.
    fn without_change(&mut self, goal: &Goal) -> Counterfactual {
        let found = self.encoder.search(&[goal.wanted], false);
        if !self.encoder.has_events() {
            return Counterfactual::Undetermined(Obstacle::Contradiction);
        }
        match found {
            Found::None if self.incomplete.is_empty() => Counterfactual::Impossible,
            Found::None => Counterfactual::Undetermined(Obstacle::Intervals(self.incomplete.clone())),
            Found::Some => Counterfactual::Undetermined(Obstacle::Atoms(self.encoder.guessed())),
            Found::Limit => Counterfactual::Undetermined(Obstacle::Limit),
        }
    }

    /// That at most so many signals are not as they were.
    fn at_most(&mut self, most: usize) -> Option<Lit> {
        let changed: Vec<(i64, Lit)> = self.signals.iter().map(|(_, same, _)| (1, !*same)).collect();
        let more = i64::try_from(most).ok()?.checked_add(1)?;
        self.encoder.sat.at_least(&changed, more).map(|more| !more)
    }

    /// A change of the same size that a person would rather hear of: to `allow`, and to values.
    fn nicer(&mut self, goal: &Goal, size: usize) -> Option<Change> {
        let bound = self.at_most(size)?;
        let signals = self.signals.clone();
        let valued: Vec<Lit> =
            signals.iter().map(|(_, same, valued)| self.encoder.sat.any([*same, *valued])).collect();
        for (wanted, more) in [(goal.allow, &valued[..]), (goal.wanted, &valued[..]), (goal.allow, &[])] {
            let all: Vec<Lit> = [wanted, bound].into_iter().chain(more.iter().copied()).collect();
            if self.encoder.search(&all, true) == Found::Some {
                return self.encoder.event().and_then(|found| self.change(found, goal.below));
            }
        }
        None
    }

    /// A change to an event, if its replay gives what was wanted.
    fn change(&self, snapshot: Snapshot, below: usize) -> Option<Change> {
        let event = self.nearest(Event { snapshot, ..self.event.clone() });
        let policy = self.subject.checked;
        let verdict = event.decide(policy).verdict;
        let flips = self.flips(&event);
        (policy.rank(verdict) < below).then_some(Change { flips, verdict, event })
    }

    /// The same change with values as near to what they were as the verdict allows.
    fn nearest(&self, event: Event) -> Event {
        let policy = self.subject.checked;
        let verdict = event.decide(policy).verdict;
        let mut event = event;
        for (name, was) in &self.event.snapshot.answers {
            let far = event.snapshot.answers.get(name).and_then(|given| distance(&was.answer, &given.answer));
            let Some(far) = far.filter(|far| *far > 0.0) else { continue };
            let states = self.space.states(name).iter();
            let mut nearer: Vec<(f64, &Answer)> = states
                .filter_map(|state| Some((distance(&was.answer, &state.answer)?, &state.answer)))
                .filter(|(near, _)| 0.0 < *near && *near < far)
                .collect();
            nearer.sort_by(|(a, _), (b, _)| a.total_cmp(b));
            for (_, answer) in nearer {
                let mut tried = event.clone();
                let given = self.space.given(name, answer.clone(), self.world);
                tried.snapshot.answers.insert(name.clone(), given);
                if tried.decide(policy).verdict == verdict {
                    event = tried;
                    break;
                }
            }
        }
        event
    }

    /// What is different in an event, without a value of a private device signal.
    fn flips(&self, event: &Event) -> Vec<Flip> {
        let mut flips = Vec::new();
        for (name, would_be) in &event.snapshot.answers {
            let was = self.event.snapshot.answers.get(name);
            if was.is_none_or(|was| alike(&was.answer, &would_be.answer)) {
                continue;
            }
            let signal = self.subject.checked.signals().get(name);
            let secret = signal
                .is_none_or(|signal| signal.birth == Birth::Device && signal.privacy == Privacy::Private);
            flips.extend(if secret {
                Some(Flip::OnDevice { conditions: self.conditions(name, event) })
            } else {
                was.map(|was| Flip::Signal {
                    signal: name.clone(),
                    was: was.answer.clone(),
                    would_be: would_be.answer.clone(),
                })
            });
        }
        flips
    }

    /// The atoms over a signal that would say something else.
    fn conditions(&self, name: &SignalName, event: &Event) -> Vec<(String, Outcome)> {
        let policy = self.subject.checked;
        let at = |expr: &Expr, event: &Event| evaluate(policy, expr, &event.snapshot, false, event.outage);
        let atoms = policy.rules().iter().flat_map(|rule| atoms(&rule.when));
        let mut found: Vec<(String, Outcome)> = Vec::new();
        for atom in atoms.filter(|atom| atom.readings().iter().any(|(read, _)| *read == name)) {
            let (was, would_be) = (at(atom, &self.event), at(atom, event));
            let text = atom.to_string();
            if was != would_be && found.iter().all(|(known, _)| *known != text) {
                found.push((text, would_be));
            }
        }
        found
    }
}

/// How far two numbers are apart.
fn distance(a: &Answer, b: &Answer) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "which of two is nearer is a matter of taste")]
    let number = |answer: &Answer| match answer {
        Answer::Value(Value::Int(value)) => Some(*value as f64),
        Answer::Value(Value::Uint(value)) => Some(*value as f64),
        Answer::Value(Value::Double(value)) => Some(*value),
        Answer::Value(Value::Timestamp(at)) => Some(at.as_us() as f64),
        Answer::Value(Value::Duration(span)) => Some(span.as_us() as f64),
        _ => None,
    };
    Some((number(a)? - number(b)?).abs())
}

const TRUE: Outcome = Outcome::Value(Value::Bool(true));
