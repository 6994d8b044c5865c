//! What a change of a policy changes: a proof that it is nothing, or an event that shows it.
//!
//! [`diff`] encodes both policies over the same events and searches for one of which they say something else. What is
//! found is replayed through the reference interpreter and shown with both decisions; if there is none, and nothing was
//! left open in the search, the policies are equal. Otherwise the answer is `undetermined`, with the atoms in the way.
//! It must never say `equal` where an abstraction could hide a difference, nor `differs` without a replay.

use crate::encode::{Act, Decision, Encoder, LimitReached};
use crate::event::Event;
use crate::sat::{Found, Lit};
use crate::state::{Space, Subject, World};
use glacis_compiler::Checked;
use glacis_compiler::checked::Rule;
use glacis_compiler::reference::{Snapshot, Whole};
use glacis_wire::{Method, SignalName, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What was found out about two policies.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// Verdict, method and obligations, for every event, passed method and outage.
    pub decision: Finding,
    /// The rules that match, by id.
    pub reasons: Finding,
    /// What is written differently.
    pub rules: RuleChanges,
}

/// One of three answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// The same for every event.
    Equal,
    /// Not the same for this event.
    Differs(Box<Witness>),
    /// Neither was shown.
    Undetermined(Obstacle),
}

/// An event of which two policies say something else.
#[derive(Clone, Debug, PartialEq)]
pub struct Witness {
    /// The event.
    pub event: Event,
    /// What the first policy says of it.
    pub before: Whole,
    /// What the second says.
    pub after: Whole,
}

/// What stood in the way of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// These atoms would have to say what no value that was tried makes them say.
    Atoms(Vec<String>),
    /// So many classes that not all intervals between them were asked about.
    Intervals(Vec<SignalName>),
    /// The search is larger than its limit.
    Limit,
    /// A difference was found and its replay did not show it: a fault of this crate.
    Replay,
    /// The constraints hold of no event at all: a fault of this crate.
    Contradiction,
    /// The policies decide different events.
    OtherEvent,
}

/// What is written differently, by rule id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleChanges {
    /// In the second policy only.
    pub added: Vec<String>,
    /// In the first policy only.
    pub removed: Vec<String>,
    /// In both, and not the same.
    pub changed: Vec<String>,
    /// Methods or score classes are not the same.
    pub combination: bool,
}

impl RuleChanges {
    /// Whether both policies say the same in the same words, whatever the order of their rules.
    pub const fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() && !self.combination
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Atoms(atoms) => {
                write!(f, "not told what values these can take together: {}", atoms.join("; "))
            }
            Self::Intervals(signals) => {
                let names: Vec<&str> = signals.iter().map(SignalName::as_str).collect();
                write!(f, "too many intervals of {}", names.join(", "))
            }
            Self::Limit => f.write_str("the search is larger than its limit"),
            Self::Replay => f.write_str("a difference was found that its replay does not show"),
            Self::Contradiction => f.write_str("the constraints contradict each other"),
            Self::OtherEvent => f.write_str("the policies decide different events"),
        }
    }
}

/// What the change from one policy to another changes.
pub fn diff(before: Subject<'_>, after: Subject<'_>) -> Diff {
    let rules = rule_changes(before.checked, after.checked);
    let undetermined = |obstacle| Finding::Undetermined(obstacle);
    if before.checked.event() != after.checked.event() {
        let other = || undetermined(Obstacle::OtherEvent);
        return Diff { decision: other(), reasons: other(), rules };
    }
    if rules.is_empty() && reads_alike(before.checked, after.checked) {
        return Diff { decision: Finding::Equal, reasons: Finding::Equal, rules };
    }
    let space = Space::of(&[before, after]);
    let mut decision = Answer::new(&space);
    let mut reasons = Answer::new(&space);
    for world in space.worlds() {
        if decision.is_settled() && reasons.is_settled() {
            break;
        }
        let Ok(mut pair) = Pair::new(before, after, &space, *world) else {
            decision.obstacles.push(Obstacle::Limit);
            reasons.obstacles.push(Obstacle::Limit);
            continue;
        };
        let (wanted, others) = (pair.decisions_differ(), pair.reasons_differ());
        decision.look(&mut pair, wanted, decisions_differ);
        reasons.look(&mut pair, others, reasons_differ);
    }
    Diff { decision: decision.finding(), reasons: reasons.finding(), rules }
}

/// Whether a replay shows a difference in verdict, method or obligations.
fn decisions_differ(before: &Whole, after: &Whole) -> bool {
    before.verdict != after.verdict || before.obligations != after.obligations
}

fn reasons_differ(before: &Whole, after: &Whole) -> bool {
    let set = |whole: &Whole| whole.matched.iter().cloned().collect::<BTreeSet<_>>();
    set(before) != set(after)
}

/// What is known so far about one question.
struct Answer<'s> {
    space: &'s Space,
    witness: Option<Witness>,
    obstacles: Vec<Obstacle>,
}

impl<'s> Answer<'s> {
    fn new(space: &'s Space) -> Self {
        let left_out: Vec<SignalName> = space.incomplete().cloned().collect();
        let obstacle = (!left_out.is_empty()).then_some(Obstacle::Intervals(left_out));
        Self { space, witness: None, obstacles: obstacle.into_iter().collect() }
    }

    const fn is_settled(&self) -> bool {
        self.witness.is_some()
    }

    /// Searches one world for an event that `wanted` describes and `shows` confirms.
    fn look(&mut self, pair: &mut Pair<'_>, wanted: Lit, shows: fn(&Whole, &Whole) -> bool) {
        if self.is_settled() {
            return;
        }
        match pair.encoder.search(&[wanted], true) {
            Found::Some => {
                match pair.encoder.event().and_then(|found| pair.witness(found, self.space, shows)) {
                    Some(witness) => self.witness = Some(witness),
                    None => self.obstacles.push(Obstacle::Replay),
                }
            }
            Found::Limit => self.obstacles.push(Obstacle::Limit),
            Found::None => self.look_further(pair, wanted, shows),
        }
    }

    /// Searches among values that are not listed: there is no event, or one is put together, or something is in the way.
    fn look_further(&mut self, pair: &mut Pair<'_>, wanted: Lit, shows: fn(&Whole, &Whole) -> bool) {
        let aside = pair.encoder.sat.variable();
        // LIMIT: so many choices are set aside for which no values could be made.
        for _ in 0..GUESSES_MAX {
            match pair.encoder.search(&[wanted, aside], false) {
                // A proof by constraints that no event satisfies would prove anything.
                Found::None if pair.encoder.has_events() => return,
                Found::None => return self.obstacles.push(Obstacle::Contradiction),
                Found::Limit => return self.obstacles.push(Obstacle::Limit),
                Found::Some => {
                    let made = pair.encoder.realised();
                    self.witness = made.and_then(|made| pair.witness(made, self.space, shows));
                    if self.is_settled() {
                        return;
                    }
                    self.obstacles.push(Obstacle::Atoms(pair.encoder.guessed()));
                    pair.encoder.set_aside(aside);
                }
            }
        }
    }

    fn finding(self) -> Finding {
        match (self.witness, self.obstacles.into_iter().next()) {
            (Some(witness), _) => Finding::Differs(Box::new(witness)),
            (None, Some(obstacle)) => Finding::Undetermined(obstacle),
            (None, None) => Finding::Equal,
        }
    }
}

/// Two policies in one world.
struct Pair<'a> {
    encoder: Encoder<'a>,
    policies: [&'a Checked; 2],
    acts: [Vec<Act>; 2],
    decisions: [Decision; 2],
    world: World,
}

impl<'a> Pair<'a> {
    fn new(
        before: Subject<'a>,
        after: Subject<'a>,
        space: &Space,
        world: World,
    ) -> Result<Self, LimitReached> {
        let mut encoder = Encoder::new(&[before, after], space, world);
        let acts = [0, 1].map(|side| encoder.acts(side));
        let [first, second] = &acts;
        let decisions = [encoder.decision(0, first, None)?, encoder.decision(1, second, None)?];
        Ok(Self { encoder, policies: [before.checked, after.checked], acts, decisions, world })
    }

    /// That verdict, method or obligations are not the same, for some passed method or none.
    fn decisions_differ(&mut self) -> Lit {
        let [before, after] = self.policies;
        let [first, second] = self.decisions.clone();
        let mut ways = Vec::new();
        for (earlier, here) in &first.verdicts {
            for (later, there) in &second.verdicts {
                let differ =
                    passes().any(|passed| left(before, *earlier, passed) != left(after, *later, passed));
                if differ {
                    ways.push(self.encoder.sat.and(*here, *there));
                }
            }
        }
        for ((_, here), (_, there)) in first.duties.iter().zip(&second.duties) {
            ways.push(self.encoder.sat.differ(*here, *there));
        }
        self.encoder.sat.any(ways)
    }

    /// That not the same rules match.
    fn reasons_differ(&mut self) -> Lit {
        let mut matched: BTreeMap<&str, [Lit; 2]> = BTreeMap::new();
        let never = self.encoder.sat.of(false);
        for (side, (policy, acts)) in self.policies.iter().zip(&self.acts).enumerate() {
            for (rule, act) in policy.rules().iter().zip(acts) {
                let entry = matched.entry(&rule.id).or_insert([never; 2]);
                entry.iter_mut().skip(side).take(1).for_each(|literal| *literal = act.matched);
            }
        }
        let ways: Vec<Lit> =
            matched.values().map(|[here, there]| self.encoder.sat.differ(*here, *there)).collect();
        self.encoder.sat.any(ways)
    }

    /// The event that was found, if its replay shows what was looked for.
    fn witness(
        &self,
        snapshot: Snapshot,
        space: &Space,
        shows: fn(&Whole, &Whole) -> bool,
    ) -> Option<Witness> {
        let [before, after] = self.policies;
        let holds = |event: &Event| shows(&event.decide(before), &event.decide(after));
        let events =
            passes().map(|passed| Event { snapshot: snapshot.clone(), passed, outage: self.world.outage });
        let event = events.into_iter().find(holds)?.plain(space, self.world, holds);
        let (before, after) = (event.decide(before), event.decide(after));
        Some(Witness { event, before, after })
    }
}

/// No method, and each.
fn passes() -> impl Iterator<Item = Option<Method>> {
    std::iter::once(None).chain(Method::ALL.map(Some))
}

/// What is left of a verdict after a passed method: challenges up to it are answered.
pub(crate) fn left(policy: &Checked, verdict: Verdict, passed: Option<Method>) -> Verdict {
    let passed = passed.filter(|method| policy.methods().contains(method));
    let answered = passed.is_some_and(|method| {
        verdict != Verdict::Block && policy.rank(verdict) <= policy.rank(Verdict::Challenge(method))
    });
    if answered { Verdict::Allow } else { verdict }
}

/// What is written differently.
fn rule_changes(before: &Checked, after: &Checked) -> RuleChanges {
    let written = |policy: &Checked| -> BTreeMap<String, String> {
        policy.rules().iter().map(|rule| (rule.id.clone(), words(rule))).collect()
    };
    let (first, second) = (written(before), written(after));
    let missing = |these: &BTreeMap<String, String>, those: &BTreeMap<String, String>| {
        these.keys().filter(|id| !those.contains_key(*id)).cloned().collect()
    };
    let changed = first.iter().filter(|(id, words)| second.get(*id).is_some_and(|other| other != *words));
    RuleChanges {
        added: missing(&second, &first),
        removed: missing(&first, &second),
        changed: changed.map(|(id, _)| id.clone()).collect(),
        combination: before.methods() != after.methods() || before.classes() != after.classes(),
    }
}

/// Everything that a rule says, without places in its file.
fn words(rule: &Rule) -> String {
    let effects = format!("{:?} {:?} {:?} {:?}", rule.effect, rule.unknown, rule.error, rule.obligations);
    let places = format!("{:?} {:?} {:?} {:?}", rule.text, rule.place, rule.release, rule.reveal);
    format!("{} {effects} {places}", rule.when)
}

/// Whether signals and models are the same to both.
fn reads_alike(before: &Checked, after: &Checked) -> bool {
    before.signals() == after.signals() && before.models() == after.models()
}

/// LIMIT: guesses of one search for which no values could be made.
const GUESSES_MAX: usize = 24;
