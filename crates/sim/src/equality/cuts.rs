//! Invariant 1 over cuts: every legal placement of one policy, and every pair of versions of it.
//!
//! A cut says which zones may hold a rule (`text`) and where it closes (`place`). Each rule is tried with each of them;
//! what the compiler takes is legal, and the product over the rules is run zone by zone against the whole. Without an
//! outage the verdict must not depend on the cut at all: that is compared across cuts, not with the same interpreter
//! on the same side.
//!
//! Where a device still runs another version of the policy, a zone that runs this one takes its disclosure for
//! `unknown(version)`; a disclosure is of the same version exactly where its digest is.

use super::run::Engine;
use super::snapshot::{self, Device};
use super::{Divergence, KEPT_MAX, Refused, Scene, World, equal, policy};
use crate::rng::Rng;
use glacis_compiler::reference::whole;
use glacis_wire::{Cause, Verdict};
use std::collections::BTreeSet;

/// What [`cuts`] found.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// The seed.
    pub seed: u64,
    /// Policies whose cuts were all run.
    pub policies: u64,
    /// Distinct legal cuts: their slices differ.
    pub cuts: u64,
    /// Most cuts of one policy.
    pub most: u64,
    /// Pairs of versions that were run.
    pub versions: u64,
    /// Events that were run.
    pub cases: u64,
    /// Events in which something differed.
    pub diverged: u64,
    /// The first of them.
    pub divergences: Vec<Divergence>,
}

/// Most rules of a policy whose cuts are all run: the product over them is.
const RULES_MAX: usize = 3;
/// Events of each cut and of each pair of versions.
const CASES: u64 = 6;
/// Versions in the history of a policy.
const VERSIONS: usize = 3;

/// Runs every legal cut and every pair of versions of `policies` random policies.
pub fn cuts(seed: u64, policies: u64) -> Cuts {
    let mut found = Cuts { seed, ..Cuts::default() };
    let mut rng = Rng::new(seed).part("cuts");
    while found.policies < policies {
        let policy_seed = rng.word();
        let mut draft = policy::draw(&mut Rng::new(policy_seed));
        draft.rules.truncate(RULES_MAX);
        match World::of(policy_seed, draft) {
            Ok(world) => {
                found.policies += 1;
                every_cut(&world, &mut found);
                every_pair(world, &mut rng, &mut found);
            }
            Err(Refused::ByCompiler(_)) => {}
            Err(Refused::Broken { what, policy }) => {
                found.diverge(Divergence { policy_seed, case: 0, what, policy, event: String::new() });
                found.policies += 1;
            }
        }
    }
    found
}

impl Cuts {
    fn diverge(&mut self, divergence: Divergence) {
        self.diverged += 1;
        if self.divergences.len() < KEPT_MAX {
            self.divergences.push(divergence);
        }
    }
}

fn every_cut(world: &World, found: &mut Cuts) {
    let legal = legal(world);
    let mut seen: BTreeSet<Vec<Vec<u8>>> = BTreeSet::new();
    // The verdict of each event without an outage, by the first cut.
    let mut verdicts: Vec<Option<Verdict>> = Vec::new();
    let mut at = vec![0; legal.len()];
    loop {
        let mut draft = world.draft.clone();
        for ((rule, options), at) in draft.rules.iter_mut().zip(&legal).zip(&at) {
            if let Some((text, place)) = options.get(*at) {
                rule.put(text.as_deref(), place.as_deref());
            }
        }
        if let Ok(mut cut) = World::of(world.seed, draft)
            && seen.insert(cut.slices().to_vec())
        {
            run_cut(&mut cut, &mut verdicts, found);
        }
        if !advance(&mut at, &legal) {
            break;
        }
    }
    found.cuts += seen.len() as u64;
    found.most = found.most.max(seen.len() as u64);
}

/// The next of all combinations; false after the last.
fn advance<T>(at: &mut [usize], legal: &[Vec<T>]) -> bool {
    for (at, options) in at.iter_mut().zip(legal) {
        *at += 1;
        if *at < options.len() {
            return true;
        }
        *at = 0;
    }
    false
}

/// A rule's `text` and `place`; `None` leaves it out.
type Placement = (Option<String>, Option<String>);

/// What the compiler takes for each rule while the others stay as they are; combinations of legal ones are legal.
fn legal(world: &World) -> Vec<Vec<Placement>> {
    let (texts, places) = (["", "device", "edge", "cloud"], ["", "device", "edge", "cloud"]);
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let all = || texts.iter().flat_map(|text| places.iter().map(move |place| (named(text), named(place))));
    let fits = |at: usize, (text, place): &Placement| {
        let mut draft = world.draft.clone();
        if let Some(rule) = draft.rules.get_mut(at) {
            rule.put(text.as_deref(), place.as_deref());
        }
        World::of(world.seed, draft).is_ok()
    };
    (0..world.draft.rules.len()).map(|at| all().filter(|placement| fits(at, placement)).collect()).collect()
}

fn run_cut(cut: &mut World, verdicts: &mut Vec<Option<Verdict>>, found: &mut Cuts) {
    for case in 0..CASES {
        let scene = Scene::draw(cut, case);
        found.cases += 1;
        let outcome = equal(cut, &scene, Engine::Sound).and_then(|ran| {
            let place = usize::try_from(case).unwrap_or(usize::MAX);
            if verdicts.len() <= place {
                verdicts.push((!scene.outage).then_some(ran.verdict));
            }
            match verdicts.get(place) {
                Some(Some(first)) if *first != ran.verdict => {
                    Err(format!("another cut says {first:?}, this one {:?}", ran.verdict))
                }
                _ => Ok(()),
            }
        });
        if let Err(what) = outcome {
            found.diverge(cut.divergence(case, &scene, what));
        }
    }
}

/// A history: the same policy with rules dropped, one after the other. Each version's zones get the disclosure of each
/// version's device.
fn every_pair(world: World, rng: &mut Rng, found: &mut Cuts) {
    let mut history = vec![world];
    while history.len() < VERSIONS {
        let Some(mut draft) = history.last().map(|world| world.draft.clone()) else { break };
        if draft.rules.len() < 2 {
            break;
        }
        let dropped = usize::try_from(rng.below(draft.rules.len() as u64)).unwrap_or(0);
        draft.rules.remove(dropped);
        let version = u8::try_from(history.len()).unwrap_or(u8::MAX);
        match World::version(rng.word(), draft, version) {
            Ok(world) => history.push(world),
            Err(_) => break,
        }
    }
    for device in 0..history.len() {
        for zones in 0..history.len() {
            found.versions += 1;
            for case in 0..CASES {
                found.cases += 1;
                if let Err(what) = pair(&mut history, (device, zones), case)
                    && let Some(world) = history.get(zones)
                {
                    let scene = Scene::draw(world, case);
                    found.diverge(world.divergence(case, &scene, what));
                }
            }
        }
    }
}

/// One event: the device of one version, edge and cloud of another. A device that says nothing has no version.
fn pair(history: &mut [World], (of_device, of_zones): (usize, usize), case: u64) -> Result<(), String> {
    let scene = history.get(of_zones).map(|world| Scene::draw(world, case)).ok_or("no such version")?;
    let Device::Runs(_) = scene.device else { return Ok(()) };
    let mut event = scene.event(&scene.snapshot);
    let device = history.get_mut(of_device).ok_or("no such version")?;
    let disclosed = device.zones.device(Engine::Sound, &event)?.disclosed;
    let world = history.get_mut(of_zones).ok_or("no such version")?;
    let known = disclosed.policy == world.zones.policy();
    if known != (of_device == of_zones) {
        return Err("a disclosure of another version has this version's digest".to_owned());
    }
    if known {
        return equal(world, &scene, Engine::Sound).map(|_| ());
    }
    event.device = Device::Silent(Cause::Version);
    let mut snapshot = scene.snapshot.clone();
    snapshot::silence(world.compiled.checked(), &mut snapshot, Cause::Version);
    event.snapshot = &snapshot;
    let want = whole(world.compiled.checked(), &snapshot, event.passed, event.outage);
    let ran = world.zones.trusted(Engine::Sound, &event, None, None)?;
    if ran.verdict == want.verdict && ran.obligations == want.obligations {
        return Ok(());
    }
    Err(format!("versions: run {:?}, whole {:?}", ran.verdict, want.verdict))
}
