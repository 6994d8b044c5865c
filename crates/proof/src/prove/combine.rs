//! The lemma of combination and finality: the engine itself, on every combination of the policy's own effects.
//!
//! For each zone a small slice is made with the policy's methods and score classes and the summary of hidden rules that
//! the zone's slice carries, and one rule for each kind of effect that its rules have or close to: hard and soft block,
//! each challenge, exempt, points up to a class, one more and one less. Each of them is unmatched, matched or open. What `eval` says is compared with the
//! two ends over all completions, by a model of DESIGN §4.1 that knows nothing of the engine; hidden rules count as open
//! ones with the strongest that their summary admits. Kinds are enough: a second rule of a kind adds nothing but points,
//! and points act through their sum alone, which is tried on both sides of each class.
//!
//! The second half closes one rule with each of the policy's effects and entries, for every answer, trust and set of
//! causes (`closing`).

mod closing;
mod model;

use super::{Place, Scene, Theorem};
use crate::effect::strictness;
use glacis_policy::{
    Close, Effect, Entry, Input, Inputs, Node, Obligation, Obligations, Outcome, Parts, Reading, Rule,
    Scratch, Slice, Slot, Source,
};
use glacis_wire::{Cause, Method, SignalName, Trust, Type, Verdict, Zone};
use model::{Ends, Model};

/// Adds every combination that the engine decides otherwise.
pub(super) fn check(scene: Scene<'_>, finality: &mut Theorem) {
    for zone in Zone::ALL {
        for points in points(scene, zone) {
            match points {
                Ok(points) => combination(scene, zone, &points, finality),
                Err(at_least) => finality.leave_open(
                    Place::of(zone)
                        .open("a score class", format!("{at_least} is not within reach of one rule")),
                ),
            }
        }
        closing::check(scene, zone, finality);
    }
}

/// Points to try: up to each class, one more and one less; none where no rule has any.
fn points(scene: Scene<'_>, zone: Zone) -> Vec<Result<Vec<i32>, i64>> {
    let slice = scene.slice(zone);
    let hidden = slice.hidden();
    let scores = slice.rules().iter().any(|rule| matches!(rule.effect, Effect::Score(_)));
    if !scores && (hidden.score, hidden.unavailable.score) == ((0, 0), 0) {
        return vec![Ok(Vec::new())];
    }
    let classes = slice.parts().classes.iter();
    let mut all: Vec<_> = classes
        .map(|class| {
            let below = i32::try_from(class.at_least.saturating_sub(1)).map_err(|_| class.at_least)?;
            Ok(vec![below, 1, -1])
        })
        .collect();
    if all.is_empty() {
        all.push(Ok(vec![1, -1]));
    }
    all
}

/// The kinds of effects that rules of a slice have or close to.
fn kinds(slice: &Slice) -> Vec<Effect> {
    let entry = |entry: &Entry| match entry {
        Entry::Milder(effect) => Some(*effect),
        Entry::Skip | Entry::Match => None,
    };
    let of = |rule: &Rule| {
        let entries = rule.unknown.iter().chain([&rule.error]).filter_map(entry);
        [rule.effect].into_iter().chain(entries).collect::<Vec<_>>()
    };
    let mut kinds: Vec<Effect> = Vec::new();
    for effect in slice.rules().iter().flat_map(of) {
        if !matches!(effect, Effect::Score(_)) && !kinds.contains(&effect) {
            kinds.push(effect);
        }
    }
    kinds
}

/// Unmatched, matched, open.
const STATES: usize = 3;

fn combination(scene: Scene<'_>, zone: Zone, points: &[i32], finality: &mut Theorem) {
    let points = points.iter().map(|points| Effect::Score(*points));
    let effects: Vec<Effect> = kinds(scene.slice(zone)).into_iter().chain(points).collect();
    let passed: Vec<Option<Method>> = std::iter::once(None).chain(Method::ALL.map(Some)).collect();
    let cases = STATES.saturating_pow(u32::try_from(effects.len()).unwrap_or(u32::MAX));
    let all = cases.saturating_mul(2 * passed.len());
    if finality.checked.cases.saturating_add(all) > scene.limits.cases_max {
        let limit = format!("more than {} combinations of effects", scene.limits.cases_max);
        return finality.leave_open(Place::of(zone).open("how effects combine", limit));
    }
    let Some(slice) = synthetic(scene, zone, &effects) else {
        let why = "no slice can be made of its methods, classes and summary".to_owned();
        return finality.leave_open(Place::of(zone).open("how effects combine", why));
    };
    finality.checked.cases += all;
    for passed in passed {
        let model = Model { scene, classes: &slice.parts().classes, hidden: slice.hidden(), passed };
        for close in [Close::Open, Close::CloudUnavailable] {
            if zone != Zone::Edge && close == Close::CloudUnavailable {
                continue;
            }
            run(&slice, &effects, &model, close, finality);
        }
    }
}

/// Runs every combination.
fn run(slice: &Slice, effects: &[Effect], model: &Model<'_>, close: Close, finality: &mut Theorem) {
    let zone = slice.zone();
    let ends = model.ends(effects, close == Close::CloudUnavailable);
    if let Some(effect) = against_order(&ends, effects) {
        let subject = format!("{effect}, which matches as well");
        let (bytes, policy) =
            ("a verdict on its wrong side", "stricter by strict rules, milder by lenient ones");
        return finality.refute(Place::of(zone).reason(&subject, bytes.to_owned(), policy.to_owned()));
    }
    let mut scratch = Scratch::for_slice(slice);
    let mut slots = Vec::with_capacity(effects.len());
    for (case, _) in ends.iter().enumerate() {
        slots.clear();
        slots.extend(digits(case, effects.len()).map(input));
        let inputs = Inputs { slots: &slots, passed: model.passed, close };
        let outcome = glacis_policy::eval(slice, &inputs, &mut scratch);
        // What a zone knows of a rule is not always what its signal says.
        let known = digits(case, effects.len()).zip(effects);
        let known = known.map(|(state, effect)| known_as(zone, close, state, *effect));
        let (mut number, mut step, mut hard, mut owed) = (0, 1, false, Obligations::NONE);
        for (state, effect) in known.zip(effects) {
            number += step * state;
            step *= STATES;
            hard |= state == 1 && *effect == Effect::Block;
            owed = if state == 1 { owed.union(duty(*effect)) } else { owed };
        }
        let Some(want) = ends.get(number) else { continue };
        if !agrees(model, zone, &outcome, (*want, hard, owed)) {
            return refute(model, (zone, effects, case), (&outcome, *want), finality);
        }
    }
}

/// An effect that makes a verdict milder although it is strict, or stricter although it is lenient.
fn against_order(ends: &[Ends], effects: &[Effect]) -> Option<Effect> {
    let wrong = |case: usize, before: &Ends| {
        let places = digits(case, effects.len()).zip(effects).scan(1, |step, (state, effect)| {
            let here = *step;
            *step *= STATES;
            Some((state, effect, here))
        });
        places.filter(|(state, ..)| *state == 0).find_map(|(_, effect, step)| {
            let after = ends.get(case + step)?;
            let grows = before.mildest <= after.mildest && before.strictest <= after.strictest;
            let shrinks = before.mildest >= after.mildest && before.strictest >= after.strictest;
            (!if effect.is_lenient() { shrinks } else { grows }).then_some(*effect)
        })
    };
    ends.iter().enumerate().find_map(|(case, before)| wrong(case, before))
}

fn refute(
    model: &Model<'_>,
    (zone, effects, case): (Zone, &[Effect], usize),
    (outcome, want): (&Outcome, Ends),
    finality: &mut Theorem,
) {
    let states = effects.iter().zip(digits(case, effects.len())).filter(|(_, state)| *state > 0);
    let named =
        states.map(|(effect, state)| format!("{effect} {}", if state == 1 { "matched" } else { "open" }));
    let subject = format!("{} with {:?} passed", named.collect::<Vec<_>>().join(", "), model.passed);
    let policy = format!("{:?} to {:?}", model.verdict_of(want.mildest), model.verdict_of(want.strictest));
    finality.refute(Place::of(zone).reason(&subject, format!("{outcome:?}"), policy));
}

/// Whether the engine's answer is the two ends, settles only what they agree on, and owes what has matched.
fn agrees(
    model: &Model<'_>,
    zone: Zone,
    outcome: &Outcome,
    (want, hard, owed): (Ends, bool, Obligations),
) -> bool {
    let rank = |verdict: Verdict| scene_rank(model.scene, verdict);
    let settled = match zone {
        // A device settles nothing but a hard block.
        Zone::Device => hard.then_some(Verdict::Block),
        Zone::Edge | Zone::Cloud => {
            (want.mildest == want.strictest).then(|| model.verdict_of(want.mildest)).flatten()
        }
    };
    let starts = match model.verdict_of(want.mildest) {
        Some(Verdict::Challenge(method)) if zone == Zone::Device => Some(method),
        _ => None,
    };
    (rank(outcome.mildest), rank(outcome.strictest)) == (want.mildest, want.strictest)
        && outcome.settled == settled
        && outcome.starts == starts
        && outcome.obligations == owed
        && (!hard || want.mildest == rank(Verdict::Block))
}

fn scene_rank(scene: Scene<'_>, verdict: Verdict) -> usize {
    // One rank less than `Checked::rank`, which leaves room for methods that the policy does not name.
    match verdict {
        Verdict::Block => scene.policy.methods().len() + 1,
        other => scene.policy.rank(other),
    }
}

/// What a zone makes of the signal of a rule: a device only hard facts, an edge that closes nothing open.
const fn known_as(zone: Zone, close: Close, state: usize, effect: Effect) -> usize {
    match (zone, state) {
        (Zone::Device, 1) if effect.is_lenient() => 2,
        (Zone::Device, 0) if !effect.is_lenient() => 2,
        (Zone::Edge, 2) if matches!(close, Close::CloudUnavailable) => 0,
        (_, state) => state,
    }
}

/// The duty of the rule of an effect, so that duties are told apart.
const fn duty(effect: Effect) -> Obligations {
    match effect {
        Effect::Block => Obligations::of(Obligation::Review),
        Effect::Exempt => Obligations::of(Obligation::Notify),
        Effect::SoftBlock | Effect::Challenge(_) | Effect::Score(_) => Obligations::NONE,
    }
}

const fn input(state: usize) -> Input<'static> {
    let reading = match state {
        0 => Reading::Bool(false),
        1 => Reading::Bool(true),
        _ => Reading::PENDING,
    };
    Input { reading, trust: Trust::Proven }
}

/// The states of each rule in a case.
fn digits(mut case: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |_| {
        let digit = case % STATES;
        case /= STATES;
        digit
    })
}

/// A slice with one rule an effect, each the value of its own slot, that closes as skip.
fn synthetic(scene: Scene<'_>, zone: Zone, effects: &[Effect]) -> Option<Slice> {
    let like = scene.slice(zone).parts();
    let mut parts = Parts::empty(like.event.clone(), zone, like.binding.clone());
    parts.methods.clone_from(&like.methods);
    parts.classes.clone_from(&like.classes);
    parts.hidden = like.hidden;
    for (at, effect) in (0..).zip(effects) {
        parts.slots.push(slot(zone, &format!("rule.s{at}"), Trust::Claimed)?);
        parts.nodes.push(Node::Read(u16::try_from(at).ok()?));
        parts.rules.push(Rule {
            reason: format!("s{at}"),
            effect: *effect,
            root: at,
            unknown: [Entry::Skip; Cause::ALL.len()],
            error: Entry::Skip,
            obligations: duty(*effect),
            device_final: zone == Zone::Device,
        });
    }
    Slice::try_new(&parts).ok()
}

fn slot(zone: Zone, name: &str, min_trust: Trust) -> Option<Slot> {
    let source = if zone == Zone::Device { Source::Device } else { Source::Cloud };
    Some(Slot { name: SignalName::parse(name).ok()?, source, ty: Type::Bool, min_trust, aggregate: false })
}

/// The order in which a policy's entries and effects are compared, for the model of closing.
fn strength(scene: Scene<'_>, effect: Option<Effect>) -> usize {
    effect.map_or(0, |effect| strictness(scene.policy, effect))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::{Claim, Limits, Lookups};
    use glacis_compiler::{Compiled, Source, compile};
    use glacis_policy::{Binding, Hidden, ScoreClass};
    use glacis_wire::PolicyDigest;

    const CATALOGUE: &str = "[signal.a]\ntype = \"bool\"\nzone = \"edge\"\nprivacy = \"public\"\npurpose = [\"x\"]\n\
         retention = \"1d\"\ncost = 1\n";
    const POLICY: &str = "[policy]\nname = \"a\"\nevent = \"a.b\"\npurpose = \"x\"\ncombine = \"strictest\"\n\
         methods = [\"passkey\", \"otp\"]\nif_error = \"match\"\n[policy.if_unknown]\nunavailable = \"match\"\n\
         [[score_class]]\nat_least = 5\neffect = \"challenge(otp)\"\n\
         [[rule]]\nid = \"b\"\nwhen = \"a\"\neffect = \"block\"\n[[rule]]\nid = \"s\"\nwhen = \"a\"\neffect = \"score(5)\"\n\
         [[rule]]\nid = \"e\"\nwhen = \"a\"\neffect = \"exempt\"\ntext = \"cloud\"\n\
         [[rule]]\nid = \"c\"\nwhen = \"a\"\neffect = \"challenge(passkey)\"\n";

    fn compiled() -> Compiled {
        let source = |name, text| Source { name, text };
        compile(source("signals.toml", CATALOGUE), source("policy.toml", POLICY), None).unwrap()
    }

    fn scene_of(compiled: &Compiled) -> ([Slice; 3], Lookups) {
        let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32])));
        let slices = slices.map(|bytes| Slice::load(&bytes).unwrap());
        let lookups = Lookups::new(compiled.checked(), &slices, 1);
        (slices, lookups)
    }

    /// An engine that combined by another class, another order, another method passed or another summary would be seen.
    #[test]
    fn a_model_that_differs_in_one_thing_refutes_the_engine() {
        let compiled = compiled();
        let (slices, lookups) = scene_of(&compiled);
        let policy = compiled.checked();
        let limits = Limits::default();
        let scene = Scene { compiled: &compiled, policy, slices: &slices, lookups: &lookups, limits };
        let effects = [Effect::Block, Effect::Exempt, Effect::Challenge(Method::Passkey), Effect::Score(4)];
        let effects: Vec<Effect> = effects.into_iter().chain([Effect::Score(1), Effect::Score(-1)]).collect();
        let slice = synthetic(scene, Zone::Edge, &effects).unwrap();
        assert!(slice.hidden().exempt);
        let class = |at_least, effect| [ScoreClass { at_least, effect }];
        let sound = class(5, Effect::Challenge(Method::Otp));
        for (classes, hidden, passed, is_sound) in [
            (&sound, *slice.hidden(), None, true),
            (&class(4, Effect::Challenge(Method::Otp)), *slice.hidden(), None, false),
            (&class(5, Effect::SoftBlock), *slice.hidden(), None, false),
            (&sound, Hidden::NONE, None, false),
            (&sound, Hidden { block: true, ..*slice.hidden() }, None, false),
        ] {
            let model = Model { scene, classes, hidden: &hidden, passed };
            let mut finality = Theorem::new(Claim::Finality);
            run(&slice, &effects, &model, Close::Open, &mut finality);
            assert_eq!(finality.refuted.is_empty(), is_sound, "{classes:?} {hidden:?}");
        }
    }

    #[test]
    fn only_effects_that_occur_are_combined() {
        let compiled = compiled();
        let (slices, _) = scene_of(&compiled);
        let effects = |zone: usize| kinds(&slices[zone]);
        assert_eq!(effects(1), [Effect::Block, Effect::Challenge(Method::Passkey)]);
        assert_eq!(effects(2), [Effect::Block, Effect::Exempt, Effect::Challenge(Method::Passkey)]);
    }
}
