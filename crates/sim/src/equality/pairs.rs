//! Invariant 2 by brute force: two devices that agree on public values and declared releases show the same bytes, of
//! the same length, and the same early verdict or prompt.
//!
//! What is released is said by the reference interpreter, not by the engine that is tested: each node of the layout is
//! compiled again as the condition of a rule of its own, and evaluated on the typed source. Only pairs that differ in
//! something private count.

use super::policy::Draft;
use super::run::{Early, Engine, Event};
use super::snapshot::{Device, Domain};
use super::{Divergence, KEPT_MAX, Refused, World};
use crate::rng::Rng;
use glacis_compiler::catalogue::{Birth, Privacy};
use glacis_compiler::checked::Checked;
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_compiler::{Layout, Source, compile};
use glacis_wire::{Answer, Encode, Given, SignalName, Trust, Value};
use std::fmt::Write as _;

/// What [`pairs`] found.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// The seed.
    pub seed: u64,
    /// Pairs that differ in private values and agree on all that may be seen.
    pub pairs: u64,
    /// Pairs that were drawn.
    pub drawn: u64,
    /// Policies that they are of.
    pub policies: u64,
    /// Pairs that can be told apart from outside.
    pub leaks: u64,
    /// The first of them.
    pub divergences: Vec<Divergence>,
}

/// Devices that are drawn for each policy, and others beside each.
const DEVICES: u64 = 16;
const OTHERS: u64 = 8;

/// Compares pairs of random devices of random policies until `wanted` of them agreed on all that may be seen.
pub fn pairs(seed: u64, wanted: u64) -> Pairs {
    let mut found = Pairs { seed, ..Pairs::default() };
    let mut rng = Rng::new(seed).part("pairs");
    while found.pairs < wanted {
        let policy_seed = rng.word();
        let world = match World::draw(policy_seed) {
            Ok(world) => world,
            Err(Refused::ByCompiler(_)) => continue,
            Err(Refused::Broken { what, policy }) => {
                found.keep(Divergence { policy_seed, case: 0, what, policy, event: String::new() });
                continue;
            }
        };
        let releases = Releases::of(&world.draft, world.compiled.layout());
        found.policies += 1;
        of_policy(world, releases, &mut found);
    }
    found
}

impl Pairs {
    fn keep(&mut self, divergence: Divergence) {
        self.leaks += 1;
        // A policy without a view of its releases would never end the loop.
        self.pairs += 1;
        if self.divergences.len() < KEPT_MAX {
            self.divergences.push(divergence);
        }
    }
}

fn of_policy(mut world: World, releases: Result<Releases, String>, found: &mut Pairs) {
    let diverge = |world: &World, case, what: String, event: String| Divergence {
        policy_seed: world.seed,
        case,
        what,
        policy: world.draft.policy(),
        event,
    };
    let releases = match releases {
        Ok(releases) => releases,
        Err(what) => return found.keep(diverge(&world, 0, what, String::new())),
    };
    for case in 0..DEVICES {
        let mut rng = Rng::new(world.seed).part("pair").part(&case.to_string());
        let trust = if rng.chance(50) { Trust::Claimed } else { Trust::Attested };
        let base = world.domain.snapshot(&mut rng, world.compiled.checked(), Device::Runs(trust));
        let (seen, released) = (shown(&mut world, &base, trust), releases.seen(&base));
        for _ in 0..OTHERS {
            found.drawn += 1;
            let other = world.domain.changed(&mut rng, world.compiled.checked(), (&base, trust));
            if other == base || releases.seen(&other) != released {
                continue;
            }
            found.pairs += 1;
            let again = shown(&mut world, &other, trust);
            if again != seen {
                let event = format!("{:?}\n{:?}", base.answers, other.answers);
                found.keep(diverge(&world, case, format!("{seen:?} and {again:?}"), event));
            }
        }
    }
}

/// What an observer of one device sees: the bytes of its disclosure, and whether it decides or prompts early.
type Shown = Result<(Vec<u8>, String), String>;

fn shown(world: &mut World, snapshot: &Snapshot, trust: Trust) -> Shown {
    let event = Event { snapshot, device: Device::Runs(trust), passed: None, outage: false };
    let Early { disclosed, settled, started } = world.zones.device(Engine::Sound, &event)?;
    let bytes = disclosed.to_bytes().map_err(|error| error.to_string())?;
    Ok((bytes, format!("{settled:?} {started:?}")))
}

/// What a policy declares to let out, as the reference interpreter sees it.
struct Releases {
    /// A policy with one rule a node.
    nodes: Option<Checked>,
    values: Vec<SignalName>,
    /// Device signals that are not private: they may be told apart.
    public: Vec<SignalName>,
}

impl Releases {
    fn of(draft: &Draft, layout: &Layout) -> Result<Self, String> {
        let mut text = String::new();
        for (at, node) in layout.nodes.iter().enumerate() {
            let _ = write!(text, "[[rule]]\nid = \"n{at}\"\nwhen = '''{}'''\n", node.text);
            let one = if node.requests.is_empty() { "1" } else { "1, vs_request = true" };
            let _ = write!(text, "effect = \"block\"\ntext = \"device\"\nrelease = {{ nodes = {one} }}\n");
        }
        let searched = layout.nodes.iter().any(|node| !node.requests.is_empty());
        let text = draft.with_rules(&text, searched);
        let catalogue = Source { name: "signals.toml", text: &draft.catalogue };
        let compiled = (!layout.nodes.is_empty())
            .then(|| compile(catalogue, Source { name: "releases.toml", text: &text }, None))
            .transpose()
            .map_err(|diagnostics| format!("the text of a release node is no condition: {diagnostics}"))?;
        let nodes = compiled.as_ref().map(|compiled| compiled.checked().clone());
        let signals = compiled.iter().flat_map(|compiled| compiled.checked().signals().values());
        let public = signals.filter(|signal| signal.birth == Birth::Device);
        let public = public.filter(|signal| signal.privacy != Privacy::Private);
        let public = public.map(|signal| signal.name.clone()).collect();
        Ok(Self { nodes, values: layout.values.clone(), public })
    }

    /// Outcomes of the nodes and answers of the values, by name; unknown is one thing, and so is failing.
    fn seen(&self, snapshot: &Snapshot) -> Vec<String> {
        let answer = |name: &SignalName| {
            let answer = snapshot.answers.get(name).map(|given: &Given| given.answer.to_bytes());
            format!("{answer:?}")
        };
        let mut seen: Vec<String> = self.values.iter().chain(&self.public).map(answer).collect();
        if let Some(policy) = &self.nodes {
            let snapshot = &copied(policy, snapshot);
            let rules = policy.rules().iter();
            seen.extend(rules.map(|rule| match evaluate(policy, &rule.when, snapshot, false, false) {
                Outcome::Value(Value::Bool(value)) => value.to_string(),
                Outcome::Unknown(_) => "unknown".to_owned(),
                Outcome::Value(_) | Outcome::Interval(..) | Outcome::Error => "error".to_owned(),
            }));
        }
        seen
    }
}

/// The event as a device has it: a value of the request that it does not know has failed.
fn copied(policy: &Checked, snapshot: &Snapshot) -> Snapshot {
    let mut copied = snapshot.clone();
    for signal in policy.signals().values().filter(|signal| signal.birth == Birth::Request) {
        if let Some(given) = copied.answers.get_mut(&signal.name)
            && matches!(given.answer, Answer::Unknown(_))
        {
            given.answer = Answer::Error;
        }
    }
    copied
}

impl Domain {
    /// The same device with one to three of its signals drawn anew.
    fn changed(&self, rng: &mut Rng, policy: &Checked, (base, trust): (&Snapshot, Trust)) -> Snapshot {
        let fresh = self.snapshot(rng, policy, Device::Runs(trust));
        let device: Vec<&SignalName> = policy
            .signals()
            .values()
            .filter(|signal| signal.birth == Birth::Device)
            .map(|signal| &signal.name)
            .collect();
        let mut other = base.clone();
        for _ in 0..=rng.below(3) {
            if let Some(name) = rng.pick(&device)
                && let Some(given) = fresh.answers.get(*name)
            {
                other.answers.insert((*name).clone(), given.clone());
            }
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy that lets out one bit more than it says is found: a node is taken from what counts as declared.
    #[test]
    fn a_bit_that_is_not_declared_is_found() {
        let mut rng = Rng::new(11);
        let mut leaking = 0;
        for _ in 0..40 {
            let Ok(world) = World::draw(rng.word()) else { continue };
            let mut layout = world.compiled.layout().clone();
            if layout.nodes.pop().is_none() {
                continue;
            }
            let releases = Releases::of(&world.draft, &layout);
            let mut found = Pairs::default();
            of_policy(world, releases, &mut found);
            leaking += u64::from(found.leaks > 0);
        }
        assert!(leaking > 10, "{leaking}");
    }
}
