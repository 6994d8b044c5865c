//! Gain nothing: for fixed bytes of the request and fixed trusted inputs, no disclosure of the device makes the verdict
//! milder than withholding every value below its `min_trust`.
//!
//! Withholding makes Σ equal to Σ⁻. A lenient rule reads Σ⁻ alone, so disclosing changes nothing of it; a strict rule that
//! is true over Σ does all that it can; otherwise it closes by Σ⁻ as well, which is the same. What is left to show, for
//! each rule: where its condition is true over Σ⁻ it is true over Σ, so that what is disclosed cannot hide a match; no
//! entry is stricter than the effect; and what a device can provoke instead of withholding (`denied`, `version`, an error)
//! closes at least as strictly. That verdicts grow with strict rules and shrink with lenient ones, and that the engine
//! closes rules so, is tried in `combine`.

use super::compose::{Composed, applied, strictness};
use super::rails::{Rails, rails};
use super::term::{Leaf, TermId, Terms};
use super::{Place, Scene, Theorem};
use crate::bdd::{Bdd, TooLarge};
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::{Effect, Entry};
use glacis_wire::{Cause, Trust, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Adds every rule by which a disclosure could gain.
pub(super) fn check(scene: Scene<'_>, terms: &Terms<'_>, composed: &Composed, gain: &mut Theorem) {
    for (rule, written) in scene.policy.rules().iter().zip(&composed.written) {
        if rule.release == Release::Undisclosed {
            continue;
        }
        for zone in [Zone::Edge, Zone::Cloud] {
            for (nth, root) in composed.held(zone, &rule.id) {
                let Some(own) = scene.slice(zone).rules().get(*nth) else { continue };
                gain.checked.rules += 1;
                entries(scene, Place::rule(zone, &rule.id), rule, own, gain);
                // Equality has compared the two; one that differs is looked at as well.
                if let Some(root) = root.filter(|root| zone == Zone::Cloud || Some(*root) != *written) {
                    condition(scene, terms, Place::rule(zone, &rule.id), root, gain);
                }
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
    let rank = |entry: Entry| applied(scene, own.effect, entry).map_or(0, |effect| strictness(scene, effect));
    for entry in own.unknown.iter().chain([&own.error]) {
        let exceeds = matches!((entry, own.effect), (Entry::Milder(_), effect) if !matches!(effect, Effect::Score(_)))
            && rank(*entry) > strictness(scene, own.effect);
        gain.expect(at, "whether an entry is stricter than the effect", &exceeds, &false);
    }
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

fn condition(scene: Scene<'_>, terms: &Terms<'_>, at: Place<'_>, root: TermId, gain: &mut Theorem) {
    if !is_low(scene, terms, root) {
        return;
    }
    let mut bdd = Bdd::new(scene.limits.nodes_max);
    gain.checked.atoms += terms.atoms(root).len();
    let found = is_monotone(scene, terms, &mut bdd, root);
    gain.checked.nodes += bdd.size();
    match found {
        Ok(true) => {}
        Ok(false) => {
            let what = "true over what is trusted and not over all".to_owned();
            gain.refute(at.reason("its condition", what, "that more answers hide no match".to_owned()));
        }
        Err(error) => gain.leave_open(at.open("its condition", error.to_string())),
    }
}

/// Whether a term reads something that can be trusted too little.
fn is_low(scene: Scene<'_>, terms: &Terms<'_>, root: TermId) -> bool {
    terms.leaves(root).into_iter().any(|leaf| match leaf {
        Leaf::Signal(name) => {
            scene.policy.signals().get(name).is_none_or(|signal| signal.min_trust > Trust::Claimed)
        }
        Leaf::Slot(_) => true,
    })
}

/// Whether the condition is true wherever it is over Σ⁻. There an atom that reads what is trusted too little is whatever
/// it is over Σ, or is not known: a score may still be known from what is left of its inputs, and is then the same.
fn is_monotone(scene: Scene<'_>, terms: &Terms<'_>, bdd: &mut Bdd, root: TermId) -> Result<bool, TooLarge> {
    let mut levels: BTreeMap<TermId, u32> = BTreeMap::new();
    for atom in terms.atoms(root) {
        let next = u32::try_from(4 * levels.len()).unwrap_or(u32::MAX);
        levels.insert(atom, next);
    }
    let level = |atom: TermId| levels.get(&atom).copied().unwrap_or(u32::MAX - 4);
    let mut given = |bdd: &mut Bdd, atom: TermId| Rails::free(bdd, level(atom));
    let whole = rails(terms, bdd, &mut BTreeMap::new(), &mut given, root)?;
    let mut trusted = |bdd: &mut Bdd, atom: TermId| {
        let atom_given = Rails::free(bdd, level(atom))?;
        if !is_low(scene, terms, atom) {
            return Ok(atom_given);
        }
        let (kept, open) = (bdd.variable(level(atom) + 2)?, bdd.variable(level(atom) + 3)?);
        let (t, f) = (bdd.and(atom_given.t, kept)?, bdd.and(atom_given.f, kept)?);
        let known = bdd.or(t, f)?;
        let not_known = bdd.not(known)?;
        Ok(Rails { t, f, u: bdd.and(not_known, open)? })
    };
    let earned = rails(terms, bdd, &mut BTreeMap::new(), &mut trusted, root)?;
    bdd.implies(earned.t, whole.t)
}
