//! How a rule closes: the engine on one rule with each of the policy's own effects and entries.
//!
//! The rule is one Boolean slot that asks for trust. Every answer (true, false, missing, error, unknown for every set of
//! causes) from a producer that is trusted and from one that is not gives an outcome over Σ and one over Σ⁻; what the
//! engine makes of the two is compared with DESIGN §4.2: strict rules believe what makes them true and ask for trust in
//! what makes them false, lenient ones use Σ⁻ alone and close as skip.

use super::{Place, Scene, Theorem, slot, strength};
use crate::effect::applied;
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::{Close, Effect, Entry, Input, Inputs, Node, Parts, Reading, RuleState, Scratch, Slice};
use glacis_wire::{Cause, Causes, Trust, Zone};

/// Effect, entries by cause, entry of an error.
type Kind = (Effect, [Entry; Cause::ALL.len()], Entry);

pub(super) fn check(scene: Scene<'_>, zone: Zone, finality: &mut Theorem) {
    if zone == Zone::Device {
        return;
    }
    let mut kinds: Vec<Kind> = Vec::new();
    for rule in scene.rules_of(zone).filter(|rule| rule.release != Release::Undisclosed) {
        let kind = kind(rule);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for kind in kinds {
        let Some(slice) = synthetic(scene, zone, kind) else {
            let why = "no slice can be made of its entries".to_owned();
            finality.leave_open(Place::of(zone).open("how rules close", why));
            continue;
        };
        let mut scratch = Scratch::for_slice(&slice);
        for reading in readings() {
            for trust in [Trust::Claimed, Trust::Proven] {
                finality.checked.cases += 1;
                let inputs = Inputs { slots: &[Input { reading, trust }], passed: None, close: Close::Here };
                glacis_policy::eval(&slice, &inputs, &mut scratch);
                let found = scratch.rules().first().copied();
                let want = closes(scene, kind, reading, trust);
                if found != Some(want) {
                    let subject = format!("a rule with {} that is {reading:?}, {}", kind.0, trust.name());
                    finality.refute(Place::of(zone).reason(
                        &subject,
                        format!("{found:?}"),
                        format!("{want:?}"),
                    ));
                }
            }
        }
    }
}

const fn kind(rule: &Rule) -> Kind {
    (rule.effect, rule.unknown, rule.error)
}

fn readings() -> Vec<Reading<'static>> {
    let mut all = vec![Reading::Bool(true), Reading::Bool(false), Reading::Missing, Reading::Error];
    for set in 1..1_usize << Cause::ALL.len() {
        let chosen = Cause::ALL.into_iter().enumerate().filter(|(at, _)| set >> at & 1 == 1);
        let causes = chosen.fold(Causes::NONE, |causes, (_, cause)| causes.union(Causes::of(cause)));
        all.push(Reading::Unknown(causes));
    }
    all
}

/// What the specification makes of an answer.
fn closes(scene: Scene<'_>, (effect, unknown, error): Kind, given: Reading<'_>, trust: Trust) -> RuleState {
    let trusted = if trust < MIN_TRUST { Reading::Unknown(Causes::of(Cause::Withheld)) } else { given };
    let matched = |effect: Option<Effect>| match effect {
        Some(effect) => RuleState::Matched { effect },
        None => RuleState::Unmatched,
    };
    if effect.is_lenient() {
        return matched((trusted == Reading::Bool(true)).then_some(effect));
    }
    if given == Reading::Bool(true) {
        return matched(Some(effect));
    }
    matched(match trusted {
        Reading::Bool(_) => None,
        Reading::Unknown(causes) => {
            let entries = Cause::ALL.into_iter().zip(unknown).filter(|(cause, _)| causes.contains(*cause));
            let applied = entries.map(|(_, entry)| applied(scene.policy, effect, entry));
            applied.max_by_key(|effect| strength(scene, *effect)).flatten()
        }
        _ => applied(scene.policy, effect, error),
    })
}

fn synthetic(scene: Scene<'_>, zone: Zone, (effect, unknown, error): Kind) -> Option<Slice> {
    let like = scene.slice(zone).parts();
    let mut parts = Parts::empty(like.event.clone(), zone, like.binding.clone());
    parts.methods.clone_from(&like.methods);
    parts.slots.push(slot(zone, "rule.s0", MIN_TRUST)?);
    parts.nodes.push(Node::Read(0));
    parts.rules.push(glacis_policy::Rule {
        reason: "s0".to_owned(),
        effect,
        root: 0,
        unknown,
        error,
        obligations: glacis_policy::Obligations::NONE,
        device_final: false,
    });
    Slice::try_new(&parts).ok()
}

const MIN_TRUST: Trust = Trust::Attested;
