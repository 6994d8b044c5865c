//! Each rule, composed of what its slices hold, against the rule as it is written.
//!
//! A trusted slice reads what the device discloses through slots. Put in place of such a slot the condition of the
//! device's release node, or the signal of its declared value, and the rule is a condition over signals again, as the
//! source is. Both are compared as normal forms and, where these differ, in all four outcomes by decision diagram.
//!
//! What a disclosure loses is covered apart: a node travels as true, false, error or `unknown(withheld)`. A device knows
//! no other cause; where edge or cloud state one for all that a device says (`absent`, `version`, `denied`), each node has
//! to be unknown where all of its signals are, which is checked of its condition. A node that reads values of the request
//! as well is computed on the device's copies of them ([`Term::Told`]), and is the condition again only where the trusted
//! slice puts in what it knows of these values itself; such a node has to be strict, so that it is unknown where any
//! signal of the device is.

use super::agree::slots_below;
use super::arena::{self, Resolve};
use super::rails::{Rails, rails};
use super::term::{Leaf, Term, TermId, Terms};
use super::{Place, Scene, Theorem, show, source};
use crate::bdd::{Bdd, TooLarge};
use crate::effect::applied;
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::{Effect, Slice, Source};
use glacis_wire::{Cause, SignalName, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// The conditions of a policy and of its slices as terms over signals.
pub(super) struct Composed {
    /// One a rule of the policy.
    pub(super) written: Vec<Option<TermId>>,
    /// One a release node.
    pub(super) releases: Vec<Option<TermId>>,
    /// By zone and id: which rule of the slice it is, and its condition.
    held: [Held; 3],
}

/// Rules of a slice by id: where each is, and its condition.
type Held = BTreeMap<String, Vec<(usize, Option<TermId>)>>;

impl Composed {
    pub(super) fn new(scene: Scene<'_>, terms: &mut Terms<'_>) -> Self {
        let (policy, lookups) = (scene.policy, scene.lookups);
        let written =
            policy.rules().iter().map(|rule| source::add(policy, terms, lookups, &rule.when)).collect();
        let device = scene.slice(Zone::Device);
        let nodes = arena::add(device, terms, lookups, &OnDevice(device));
        let at = |nodes: &[Option<TermId>], root: u32| *nodes.get(usize::try_from(root).ok()?)?;
        let releases: Vec<_> = device.parts().releases.iter().map(|root| at(&nodes, *root)).collect();
        let held = Zone::ALL.map(|zone| {
            let slice = scene.slice(zone);
            let nodes = match zone {
                Zone::Device => nodes.clone(),
                _ => arena::add(slice, terms, lookups, &Trusted { slice, device, releases: &releases }),
            };
            let mut held = Held::new();
            for (nth, rule) in slice.rules().iter().enumerate() {
                held.entry(rule.reason.clone()).or_default().push((nth, at(&nodes, rule.root)));
            }
            held
        });
        Self { written, releases, held }
    }

    /// The rule of a slice with an id: where it is, and its condition.
    pub(super) fn held(&self, zone: Zone, id: &str) -> &[(usize, Option<TermId>)] {
        let [device, edge, cloud] = &self.held;
        let held = match zone {
            Zone::Device => device,
            Zone::Edge => edge,
            Zone::Cloud => cloud,
        };
        held.get(id).map_or(&[], Vec::as_slice)
    }
}

/// A device reads its signals.
struct OnDevice<'a>(&'a Slice);

impl Resolve for OnDevice<'_> {
    fn read(&self, terms: &mut Terms<'_>, slot: u16) -> Option<TermId> {
        Some(terms.leaf(Term::Read(self.leaf(slot)?)))
    }

    fn leaf(&self, slot: u16) -> Option<Leaf> {
        self.0.slots().get(usize::from(slot)).map(|slot| Leaf::Signal(slot.name.clone()))
    }
}

/// Edge and cloud read what the device discloses, and signals.
struct Trusted<'a> {
    slice: &'a Slice,
    device: &'a Slice,
    releases: &'a [Option<TermId>],
}

impl Resolve for Trusted<'_> {
    fn read(&self, terms: &mut Terms<'_>, slot: u16) -> Option<TermId> {
        match self.slice.slots().get(usize::from(slot))?.source {
            Source::Node(node) => {
                let condition = (*self.releases.get(usize::from(node))?)?;
                let copies = copies(self.device, node);
                Some(if copies.is_empty() { condition } else { terms.leaf(Term::Told(condition, copies)) })
            }
            _ => Some(terms.leaf(Term::Read(self.leaf(slot)?))),
        }
    }

    /// A release node has an outcome and no signal of its own.
    fn leaf(&self, slot: u16) -> Option<Leaf> {
        let slot = self.slice.slots().get(usize::from(slot))?;
        match slot.source {
            Source::Node(_) => None,
            Source::Value(value) => {
                let behind = *self.device.parts().values.get(usize::from(value))?;
                OnDevice(self.device).leaf(behind)
            }
            Source::Device | Source::Request | Source::Edge | Source::Cloud => {
                Some(Leaf::Signal(slot.name.clone()))
            }
        }
    }
}

/// The values of the request that a release node reads.
pub(super) fn copies(device: &Slice, node: u16) -> BTreeSet<SignalName> {
    let Some(root) = device.parts().releases.get(usize::from(node)) else { return BTreeSet::new() };
    let slots = slots_below(device, *root);
    let slots = slots.iter().filter_map(|slot| device.slots().get(usize::from(*slot)));
    slots.filter(|slot| slot.source == Source::Request).map(|slot| slot.name.clone()).collect()
}

/// Adds every rule that is not what the policy says.
pub(super) fn check(scene: Scene<'_>, terms: &Terms<'_>, composed: &Composed, equality: &mut Theorem) {
    for zone in Zone::ALL {
        let checker = Checker { scene, terms, composed, zone };
        for (rule, written) in scene.policy.rules().iter().zip(&composed.written) {
            checker.rule(rule, *written, equality);
        }
        for rule in scene.slice(zone).rules() {
            if !scene.policy.rules().iter().any(|known| known.id == rule.reason) {
                let at = Place::rule(zone, &rule.reason);
                equality.refute(at.reason("the rule", "that it exists".to_owned(), "nothing".to_owned()));
            }
        }
    }
    let device = scene.slice(Zone::Device);
    for (nth, release) in (0..).zip(&composed.releases) {
        let at = Place::of(Zone::Device);
        let is_adaptive = !copies(device, nth).is_empty();
        let follows = |release: TermId| {
            if is_adaptive { terms.is_strict(release) } else { terms.follows_its_signals(release) }
        };
        if !release.is_some_and(follows) {
            let subject = format!("release node {nth}");
            let what = "an outcome although nothing of it is known".to_owned();
            equality.refute(at.reason(&subject, what, "that it is unknown then".to_owned()));
        }
    }
}

struct Checker<'a> {
    scene: Scene<'a>,
    terms: &'a Terms<'a>,
    composed: &'a Composed,
    zone: Zone,
}

impl Checker<'_> {
    /// Whether the slice has to hold a rule.
    fn holds(&self, rule: &Rule) -> bool {
        match self.zone {
            Zone::Device => rule.release == Release::Verdict,
            Zone::Edge => !rule.is_hidden(),
            Zone::Cloud => true,
        }
    }

    fn rule(&self, rule: &Rule, written: Option<TermId>, equality: &mut Theorem) {
        let at = Place::rule(self.zone, &rule.id);
        let held = self.composed.held(self.zone, &rule.id);
        let closed =
            (rule.release == Release::Undisclosed).then(|| closed(self.scene, rule, Cause::Withheld));
        let wanted = usize::from(self.holds(rule) && closed != Some(None));
        if held.len() != wanted {
            let times = |count: usize| format!("that there are {count} of it");
            return equality.refute(at.reason("the rule", times(held.len()), times(wanted)));
        }
        let Some((nth, root)) = held.first() else { return };
        let Some(own) = self.scene.slice(self.zone).rules().get(*nth) else { return };
        equality.checked.rules += 1;
        equality.expect(at, "its obligations", &own.obligations, &rule.obligations);
        if let Some(Some(effect)) = closed {
            // Always `unknown(withheld)`: a rule that always matches with the effect to which that closes.
            equality.expect(at, "its effect", &own.effect, &effect);
            let always = root.and_then(|root| self.terms.truth(root));
            equality.expect(at, "its condition", &always, &Some(true));
            return;
        }
        equality.expect(at, "its effect", &own.effect, &rule.effect);
        equality.expect(at, "its entry for an error", &own.error, &rule.error);
        for (cause, (own, wanted)) in Cause::ALL.iter().zip(own.unknown.iter().zip(&rule.unknown)) {
            equality.expect(at, &format!("its entry for `{}`", cause.name()), own, wanted);
        }
        match (*root, written) {
            (Some(root), Some(written)) => self.condition(at, root, written, equality),
            (None, _) => {
                let what = "what no condition can be made of".to_owned();
                equality.refute(at.reason("its condition", what, self.text(written)));
            }
            (_, None) => equality
                .leave_open(at.open("its condition", "the source has a form that is not covered".to_owned())),
        }
    }

    fn text(&self, term: Option<TermId>) -> String {
        term.map_or_else(String::new, |term| show::text(self.terms, term))
    }

    fn condition(&self, at: Place<'_>, root: TermId, written: TermId, equality: &mut Theorem) {
        equality.checked.atoms += self.terms.atoms(written).len();
        if root == written {
            return;
        }
        let mut bdd = Bdd::new(self.scene.limits.nodes_max);
        let found = self.differ(&mut bdd, root, written);
        equality.checked.nodes += bdd.size();
        match found {
            Ok(None) => {}
            Ok(Some(example)) => self.refute(at, (root, written), &example, equality),
            Err(error) => equality.leave_open(at.open("its condition", error.to_string())),
        }
    }

    /// Atoms with their outcomes for which the two conditions differ.
    fn differ(
        &self,
        bdd: &mut Bdd,
        root: TermId,
        written: TermId,
    ) -> Result<Option<Vec<(TermId, String)>>, TooLarge> {
        let (mut levels, mut seen) = (BTreeMap::new(), BTreeMap::new());
        let mut atoms = |bdd: &mut Bdd, atom: TermId| {
            let next = u32::try_from(2 * levels.len()).unwrap_or(u32::MAX);
            Rails::free(bdd, *levels.entry(atom).or_insert(next))
        };
        let own = rails(self.terms, bdd, &mut seen, &mut atoms, root)?;
        let wanted = rails(self.terms, bdd, &mut seen, &mut atoms, written)?;
        let differ = own.differ(bdd, wanted)?;
        let Some(path) = bdd.example(differ) else { return Ok(None) };
        let value = |level: u32| path.iter().find(|(known, _)| *known == level).map(|(_, value)| *value);
        let named = levels.iter().filter_map(|(atom, level)| {
            let outcome = match (value(*level), value(level + 1)) {
                (None, None) => return None,
                (Some(true), value) => if value == Some(false) { "false" } else { "true" }.to_owned(),
                (_, Some(true)) => "unknown".to_owned(),
                _ => "an error, or unknown for another cause".to_owned(),
            };
            Some((*atom, outcome))
        });
        Ok(Some(named.collect()))
    }

    fn refute(
        &self,
        at: Place<'_>,
        (root, written): (TermId, TermId),
        example: &[(TermId, String)],
        equality: &mut Theorem,
    ) {
        let tables = [root, written].map(|term| self.terms.tables(term));
        if tables.iter().flatten().any(|table| self.scene.lookups.is_doubtful(*table)) {
            let why = "it looks into a table that could not be compared".to_owned();
            return equality.leave_open(at.open("its condition", why));
        }
        let (own, wanted) = (self.terms.atoms(root), self.terms.atoms(written));
        let foreign: Vec<TermId> = own.difference(&wanted).copied().collect();
        let lost: Vec<TermId> = wanted.difference(&own).copied().collect();
        if foreign.is_empty() && lost.is_empty() {
            let states = example.iter().map(|(atom, state)| format!("{} is {state}", self.text(Some(*atom))));
            let states: Vec<String> = states.take(8).collect();
            let subject = format!("its condition where {}", states.join(", "));
            return equality.refute(at.reason(&subject, self.text(Some(root)), self.text(Some(written))));
        }
        let list = |atoms: &[TermId]| {
            let texts: Vec<String> = atoms.iter().take(4).map(|atom| self.text(Some(*atom))).collect();
            if texts.is_empty() { "nothing in its place".to_owned() } else { texts.join(", ") }
        };
        equality.refute(at.reason("an atom of its condition", list(&foreign), list(&lost)));
    }
}

/// The effect to which a rule closes that is unknown for one cause; `None`: to nothing.
pub(super) fn closed(scene: Scene<'_>, rule: &Rule, cause: Cause) -> Option<Effect> {
    if rule.effect.is_lenient() {
        return None;
    }
    applied(scene.policy, rule.effect, rule.entry(cause))
}
