//! Gain nothing: for fixed bytes of the request and fixed trusted inputs, no disclosure of the device makes the verdict
//! milder than withholding every value below its `min_trust`.
//!
//! Withholding makes Σ equal to Σ⁻. A lenient rule reads Σ⁻ alone, so disclosing changes nothing of it; a strict rule that
//! is true over Σ does all that it can; otherwise it closes by Σ⁻ as well, which is the same. What is left to show: where
//! a condition is true over Σ⁻ it is true over Σ, so that what is disclosed cannot hide a match (by induction over
//! connectives, each tried on all outcomes); that a lenient rule closes as skip; and that what a device can provoke instead
//! of withholding (`denied`, `version`, an error) closes at least as strictly. That the engine closes rules so, never
//! stricter than their effect, and that verdicts grow with strict rules and shrink with lenient ones, is tried in `combine`.

use super::compose::Composed;
use super::rails::Rails;
use super::{Place, Scene, Theorem};
use crate::bdd::{Bdd, Function, TooLarge};
use crate::effect::{applied, strictness};
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::Entry;
use glacis_wire::{Cause, Zone};
use std::collections::BTreeSet;

/// Adds every rule by which a disclosure could gain.
pub(super) fn check(scene: Scene<'_>, composed: &Composed, gain: &mut Theorem) {
    learning_keeps_what_is_known(gain);
    for rule in scene.policy.rules() {
        if rule.release == Release::Undisclosed {
            continue;
        }
        for zone in [Zone::Edge, Zone::Cloud] {
            for (nth, _) in composed.held(zone, &rule.id) {
                let Some(own) = scene.slice(zone).rules().get(*nth) else { continue };
                gain.checked.rules += 1;
                entries(scene, Place::rule(zone, &rule.id), rule, own, gain);
            }
        }
    }
}

/// What the bytes close a rule to.
fn entries(scene: Scene<'_>, at: Place<'_>, rule: &Rule, own: &glacis_policy::Rule, gain: &mut Theorem) {
    if own.effect.is_lenient() {
        let closes = own.unknown.iter().chain([&own.error]).all(|entry| *entry == Entry::Skip);
        gain.expect(at, "whether a rule that makes a verdict milder closes as skip", &closes, &true);
        return;
    }
    let rank = |entry: Entry| {
        applied(scene.policy, own.effect, entry).map_or(0, |effect| strictness(scene.policy, effect))
    };
    let reached = reached(scene, rule);
    if !reached.contains(&code(Cause::Withheld)) {
        return;
    }
    let entry = |cause: Cause| own.unknown.get(usize::from(code(cause))).copied().unwrap_or(Entry::Match);
    let floor = rank(entry(Cause::Withheld));
    let provoked =
        [Cause::Denied, Cause::Version].into_iter().filter(|cause| reached.contains(&code(*cause)));
    let provoked = provoked.map(|cause| (cause.name(), entry(cause)));
    for (name, entry) in provoked.chain([("an error", own.error)]) {
        if rank(entry) < floor {
            let subject = format!("its entry for {name}");
            let policy = format!("nothing milder than {:?}, as withholding", own.unknown.first());
            gain.refute(at.reason(&subject, format!("{entry:?}"), policy));
        }
    }
}

const fn code(cause: Cause) -> u8 {
    cause as u8
}

/// The causes for which a signal of a rule can be unknown.
fn reached(scene: Scene<'_>, rule: &Rule) -> BTreeSet<u8> {
    let readings = rule.when.readings();
    let signals = readings.iter().filter_map(|(name, _)| scene.policy.signals().get(*name));
    signals.flat_map(|signal| signal.causes(scene.compiled.signals())).map(code).collect()
}

/// Whether what is known of a condition stays where more is known of its atoms, by induction over connectives: for
/// each of them, all outcomes of its operands, and all that these can become when what is not known of them is told.
///
/// An atom that reads what is trusted too little is over Σ⁻ what it is over Σ, or is not known (a score may be known from
/// what is left of its inputs, and then stays): operators are strict, or absorb as connectives do.
fn learning_keeps_what_is_known(gain: &mut Theorem) {
    let connectives: [(&str, usize, Connective); 3] = [
        ("!", 1, |_, operands| Ok(operand(operands, 0).not())),
        ("&&", 2, |bdd, operands| operand(operands, 0).and(bdd, operand(operands, 1))),
        ("?:", 3, |bdd, operands| {
            operand(operands, 0).choose(bdd, operand(operands, 1), operand(operands, 2))
        }),
    ];
    let mut bdd = Bdd::new(CONSTANTS_MAX);
    for (name, count, apply) in connectives {
        let cases = OUTCOMES.len().pow(u32::try_from(count).unwrap_or(0));
        for before in (0..cases).map(|case| outcomes(case, count)) {
            for after in (0..cases).map(|case| outcomes(case, count)) {
                if !before.iter().zip(&after).all(|(before, after)| learns(*before, *after)) {
                    continue;
                }
                gain.checked.cases += 1;
                let kept = apply(&mut bdd, &before)
                    .and_then(|before| Ok(learns(before, apply(&mut bdd, &after)?)))
                    .unwrap_or(false);
                gain.expect(Place::NOWHERE, &format!("whether `{name}` keeps what is known"), &kept, &true);
            }
        }
    }
}

type Connective = fn(&mut Bdd, &[Rails]) -> Result<Rails, TooLarge>;

/// True, false, unknown, anything else.
const OUTCOMES: [Rails; 4] = [
    Rails::of(true),
    Rails::of(false),
    Rails { t: Function::FALSE, f: Function::FALSE, u: Function::TRUE },
    Rails { t: Function::FALSE, f: Function::FALSE, u: Function::FALSE },
];
/// Constants need no nodes but two.
const CONSTANTS_MAX: usize = 8;

/// Whether an outcome can become another when more is known: what is known stays.
fn learns(before: Rails, after: Rails) -> bool {
    let known = (before.t, before.f) != (Function::FALSE, Function::FALSE);
    !known || (before.t, before.f) == (after.t, after.f)
}

fn outcomes(mut case: usize, count: usize) -> Vec<Rails> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.extend(OUTCOMES.get(case % OUTCOMES.len()));
        case /= OUTCOMES.len();
    }
    all
}

fn operand(operands: &[Rails], at: usize) -> Rails {
    operands.get(at).copied().unwrap_or(Rails::of(false))
}
