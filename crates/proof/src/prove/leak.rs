//! Non-leak: what leaves the device is what rules declare, and no slice holds more than its zone may read.
//!
//! A disclosure has one layout, fixed by the device slice: two bits a release node, always all, and the declared values.
//! So it is enough to look at the slice: each node is computed from private device signals and constants alone, or, where
//! all rules that read it say `vs_request` and the policy ends the search by a budget, from values of the request as well;
//! each is read by a rule that declares it, and no rule reads more nodes than it declares; each value is declared and not private; the
//! device decides early only by rules that permit it, on a declared node. Then the text: what a device holds of rules
//! whose text is not the device's are revealed parts, and the edge holds nothing of rules that are hidden from it.

use super::agree::{node_signals, slots_below};
use super::compose::Composed;
use super::term::Terms;
use super::{Place, Scene, Theorem, range};
use glacis_compiler::catalogue::{Birth, Privacy, Signal};
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::{Hidden, Slice, Source};
use glacis_wire::{SignalName, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// Adds whatever is told beyond what was declared.
pub(super) fn check(scene: Scene<'_>, terms: &Terms<'_>, composed: &Composed, leak: &mut Theorem) {
    let readers = readers(scene, leak);
    nodes(scene, &readers, leak);
    values(scene, leak);
    early(scene, composed, leak);
    texts(scene, &readers, leak);
    for zone in Zone::ALL {
        leftovers(scene, zone, leak);
    }
    let edge = scene.slice(Zone::Edge);
    for rule in scene.policy.rules().iter().filter(|rule| rule.is_hidden()) {
        if edge.rules().iter().any(|own| own.reason == rule.id) {
            let at = Place::rule(Zone::Edge, &rule.id);
            leak.refute(at.reason(
                "the rule",
                "that the edge holds it".to_owned(),
                "that it is hidden".to_owned(),
            ));
        }
    }
    let hidden = scene.slice(Zone::Device).hidden();
    let told = (hidden.score, hidden.unavailable);
    leak.expect(Place::of(Zone::Device), "points and outages", &told, &((0, 0), Hidden::NONE.unavailable));
    leak.checked.atoms = composed.releases.iter().flatten().map(|release| terms.atoms(*release).len()).sum();
}

/// By release node the rules that read it.
type Readers<'a> = BTreeMap<u16, Vec<&'a Rule>>;

/// Which rules read which nodes, in any trusted slice; no rule may read more than it declares, ranges aside.
fn readers<'a>(scene: Scene<'a>, leak: &mut Theorem) -> Readers<'a> {
    let mut readers = Readers::new();
    for zone in [Zone::Edge, Zone::Cloud] {
        let slice = scene.slice(zone);
        for own in slice.rules() {
            let Some(rule) = scene.policy.rules().iter().find(|rule| rule.id == own.reason) else { continue };
            leak.checked.rules += 1;
            let read = nodes_below(slice, own.root);
            let declared = match &rule.release {
                Release::Verdict => 1,
                Release::Nodes { nodes, .. } => *nodes,
                Release::Nothing | Release::Undisclosed => 0,
            };
            let counted = range::counted(scene, rule, &read);
            if counted > declared {
                let at = Place::rule(zone, &rule.id);
                let count = |nodes: usize| format!("{nodes} release nodes");
                leak.refute(at.reason("what it reads of the device", count(counted), count(declared)));
            }
            for node in read {
                let readers = readers.entry(node).or_default();
                if !readers.iter().any(|known| known.id == rule.id) {
                    readers.push(rule);
                }
            }
        }
    }
    readers
}

/// The release nodes that a condition reads.
fn nodes_below(slice: &Slice, root: u32) -> BTreeSet<u16> {
    let slots = slots_below(slice, root).into_iter().filter_map(|slot| slice.slots().get(usize::from(slot)));
    let node = |source: Source| match source {
        Source::Node(node) => Some(node),
        _ => None,
    };
    slots.filter_map(|slot| node(slot.source)).collect()
}

fn nodes(scene: Scene<'_>, readers: &Readers<'_>, leak: &mut Theorem) {
    let (device, at) = (scene.slice(Zone::Device), Place::of(Zone::Device));
    let layout = scene.compiled.layout();
    leak.expect(
        at,
        "how many nodes and values leave",
        &device.layout(),
        &(layout.nodes.len(), layout.values.len()),
    );
    for (nth, _) in (0..).zip(&device.parts().releases) {
        let subject = format!("release node {nth}");
        if !readers.contains_key(&nth) {
            leak.refute(at.reason(
                &subject,
                "that it leaves".to_owned(),
                "no rule that declares it".to_owned(),
            ));
        }
        let Some(signals) = node_signals(scene, nth) else {
            let unknown = "a signal that the policy does not read".to_owned();
            leak.refute(at.reason(&subject, unknown, "device signals".to_owned()));
            continue;
        };
        leak.checked.classes += signals.len();
        let readers = readers.get(&nth).map_or(&[][..], Vec::as_slice);
        let searched = readers.iter().all(|rule| rule.release.is_vs_request()) && has_budget(scene);
        let foreign = |signal: &&&Signal| match signal.birth {
            Birth::Device => false,
            Birth::Request => !searched,
            Birth::Edge | Birth::Cloud => true,
        };
        if !signals.iter().any(|signal| signal.birth == Birth::Device) {
            let bytes = "no signal of the device".to_owned();
            leak.refute(at.reason(&subject, bytes, "device signals".to_owned()));
        }
        for signal in signals.iter().filter(foreign) {
            let bytes = format!("`{}`, which is no device signal", signal.name);
            leak.refute(at.reason(&subject, bytes, "device signals".to_owned()));
        }
    }
}

/// Whether a session ends the search of whoever makes requests.
fn has_budget(scene: Scene<'_>) -> bool {
    scene.policy.budget().is_some_and(|budget| budget.per_session.is_some())
}

fn values(scene: Scene<'_>, leak: &mut Theorem) {
    let (device, at) = (scene.slice(Zone::Device), Place::of(Zone::Device));
    let layout: BTreeSet<&SignalName> = scene.compiled.layout().values.iter().collect();
    let mut seen = BTreeSet::new();
    for slot in &device.parts().values {
        let Some(slot) = device.slots().get(usize::from(*slot)) else { continue };
        let declares = |rule: &&Rule| match &rule.release {
            Release::Nodes { values, .. } => values.contains(&slot.name),
            Release::Nothing | Release::Verdict | Release::Undisclosed => false,
        };
        let declared = scene.policy.rules().iter().any(|rule| declares(&rule));
        let signal = scene.policy.signals().get(&slot.name);
        let private =
            signal.is_none_or(|signal| signal.privacy == Privacy::Private || signal.birth != Birth::Device);
        if !declared || private || !layout.contains(&slot.name) || !seen.insert(&slot.name) {
            let subject = format!("the value `{}`", slot.name);
            leak.refute(at.reason(
                &subject,
                "that it leaves".to_owned(),
                "that no rule releases it".to_owned(),
            ));
        }
    }
}

/// The device decides early only where a rule permits it, and by what it releases.
fn early(scene: Scene<'_>, composed: &Composed, leak: &mut Theorem) {
    let device = scene.slice(Zone::Device);
    for own in device.rules() {
        let at = Place::rule(Zone::Device, &own.reason);
        let rule = scene.policy.rules().iter().find(|rule| rule.id == own.reason);
        let permits = rule.is_some_and(|rule| rule.release == Release::Verdict);
        leak.expect(at, "whether its text is the device's", &rule.map(|rule| rule.text), &Some(Zone::Device));
        leak.expect(at, "whether the device may decide by it", &own.device_final, &permits);
        let [(_, condition), ..] = composed.held(Zone::Device, &own.reason) else { continue };
        let released = condition.is_some_and(|condition| composed.releases.contains(&Some(condition)));
        leak.expect(at, "whether its condition is released", &released, &true);
    }
}

/// What a device can read of rules whose text is not its own: the parts that they reveal.
fn texts(scene: Scene<'_>, readers: &Readers<'_>, leak: &mut Theorem) {
    for (node, rules) in readers {
        let Some(signals) = node_signals(scene, *node) else { continue };
        // A rule that the device may read as a whole, or that reveals the part, is enough: it is one text.
        let reveals = |rule: &&Rule| {
            let own = |signal: &&&Signal| signal.birth == Birth::Device;
            let revealed = |signal: &&Signal| rule.reveal.contains(&signal.name);
            rule.text == Zone::Device || signals.iter().filter(own).all(revealed)
        };
        for rule in rules.iter().filter(|rule| !reveals(rule)) {
            let at = Place::rule(Zone::Device, &rule.id);
            let bytes = format!("release node {node} of it");
            leak.refute(at.reason("its text", bytes, "that the device may not read it".to_owned()));
        }
    }
}

/// Slots, nodes, models and calls that nothing of the slice needs say something of what is elsewhere.
fn leftovers(scene: Scene<'_>, zone: Zone, leak: &mut Theorem) {
    let (slice, at) = (scene.slice(zone), Place::of(zone));
    let parts = slice.parts();
    let roots = parts.rules.iter().map(|rule| rule.root).chain(parts.releases.iter().copied());
    let mut needed = vec![false; parts.nodes.len()];
    let mut below: Vec<u32> = roots.collect();
    let mut slots: BTreeSet<u16> = parts.values.iter().copied().collect();
    let (mut calls, mut models) = (BTreeSet::new(), BTreeSet::new());
    while let Some(node) = below.pop() {
        let Some(place) = usize::try_from(node).ok() else { continue };
        let Some(seen) = needed.get_mut(place).filter(|seen| !**seen) else { continue };
        *seen = true;
        match parts.nodes.get(place) {
            Some(glacis_policy::Node::Read(slot) | glacis_policy::Node::Has(slot)) => {
                slots.insert(*slot);
            }
            Some(glacis_policy::Node::Score(call)) => {
                calls.insert(*call);
                let call = parts.calls.get(usize::from(*call));
                slots.extend(call.into_iter().flat_map(|call| &call.slots));
                models.extend(call.map(|call| call.model));
            }
            Some(node) => below.extend(node.parts()),
            None => {}
        }
    }
    leak.checked.rows += needed.len();
    let nodes = needed.iter().filter(|needed| **needed).count();
    leak.expect(at, "nodes that nothing reads", &(needed.len() - nodes), &0);
    leak.expect(at, "slots that nothing reads", &(parts.slots.len() - slots.len()), &0);
    leak.expect(at, "calls that nothing reads", &(parts.calls.len() - calls.len()), &0);
    leak.expect(at, "models that nothing asks", &(parts.models.len() - models.len()), &0);
}
