//! What all three slices say alike: whose they are, of which event and policy, in which order methods and classes come.
//!
//! Also what each slot of a trusted slice is: its signal, where that is born, its type, trust and kind, as the catalogue
//! declares it; of a slot that the device fills, as the release node or value that stands behind it. What conditions make
//! of slots is not for here.

use super::{Place, Scene, Theorem};
use glacis_compiler::catalogue::{Birth, Signal};
use glacis_policy::{Slice, Slot, Source};
use glacis_wire::{Trust, Type, Zone};
use std::collections::BTreeSet;

/// Adds what differs.
pub(super) fn check(scene: Scene<'_>, equality: &mut Theorem) {
    let cloud = scene.slice(Zone::Cloud);
    for zone in Zone::ALL {
        let (slice, at) = (scene.slice(zone), Place::of(zone));
        equality.expect(at, "its zone", &slice.zone(), &zone);
        equality.expect(at, "its event", slice.event(), scene.policy.event());
        equality.expect(at, "its methods", &slice.methods(), &scene.policy.methods());
        equality.expect(at, "its binding", slice.binding(), cloud.binding());
        equality.expect(at, "its app", &slice.binding().app.as_ref(), &scene.policy.app());
        // Points and classes stay away from a device; what they could do is in its summary.
        let classes = if zone == Zone::Device { &[] } else { scene.policy.classes() };
        equality.expect(at, "its score classes", &slice.parts().classes.as_slice(), &classes);
        for (nth, slot) in slice.slots().iter().enumerate() {
            check_slot(scene, zone, (nth, slot), equality);
        }
    }
    for (what, why) in &scene.lookups.unclear {
        equality.leave_open(Place::NOWHERE.open(what, (*why).to_owned()));
    }
    equality.checked.tables = scene.lookups.count();
}

/// What a slot has to be.
type Slotted = (Source, Type, Trust, bool);

fn check_slot(scene: Scene<'_>, zone: Zone, (nth, slot): (usize, &Slot), equality: &mut Theorem) {
    let (at, subject) = (Place::of(zone), format!("slot {nth} `{}`", slot.name));
    let bytes = (slot.source, slot.ty, slot.min_trust, slot.aggregate);
    match wanted(scene, slot) {
        Some(wanted) => equality.expect(at, &subject, &bytes, &wanted),
        None => equality.refute(at.reason(&subject, format!("{bytes:?}"), "no such input".to_owned())),
    }
    let same = scene.slice(zone).slots().iter().filter(|other| other.name == slot.name).count();
    equality.expect(at, &subject, &same, &1);
}

fn wanted(scene: Scene<'_>, slot: &Slot) -> Option<Slotted> {
    let device = scene.slice(Zone::Device);
    match slot.source {
        Source::Node(node) => {
            // Its trust is the device's; of a value of the request the receiver has its own.
            let signals = node_signals(scene, node)?.into_iter();
            let own = signals.filter(|signal| signal.birth == Birth::Device);
            let trusts: BTreeSet<Trust> = own.map(|signal| signal.min_trust).collect();
            // A node of several trusts has none that its receiver could apply.
            let trust = trusts.first().copied().filter(|_| trusts.len() == 1)?;
            Some((slot.source, Type::Bool, trust, false))
        }
        Source::Value(value) => {
            let behind = *device.parts().values.get(usize::from(value))?;
            let behind = device.slots().get(usize::from(behind))?;
            let signal = scene.policy.signals().get(&behind.name).filter(|_| behind.name == slot.name)?;
            Some((slot.source, signal.ty, signal.min_trust, signal.is_aggregate()))
        }
        Source::Device | Source::Request | Source::Edge | Source::Cloud => {
            let signal = scene.policy.signals().get(&slot.name)?;
            Some((source_of(signal.birth), signal.ty, signal.min_trust, signal.is_aggregate()))
        }
    }
}

const fn source_of(birth: Birth) -> Source {
    match birth {
        Birth::Device => Source::Device,
        Birth::Request => Source::Request,
        Birth::Edge => Source::Edge,
        Birth::Cloud => Source::Cloud,
    }
}

/// The signals that a release node of the device slice reads, as the catalogue has them.
pub(super) fn node_signals(scene: Scene<'_>, node: u16) -> Option<Vec<&Signal>> {
    let device = scene.slice(Zone::Device);
    let root = *device.parts().releases.get(usize::from(node))?;
    let slots = slots_below(device, root);
    let signal = |slot: &u16| {
        let slot = device.slots().get(usize::from(*slot))?;
        scene.policy.signals().get(&slot.name)
    };
    slots.iter().map(signal).collect()
}

/// The slots that a node of an arena reads, and what is below it.
pub(super) fn slots_below(slice: &Slice, root: u32) -> BTreeSet<u16> {
    use glacis_policy::Node;
    let (mut found, mut seen, mut below) = (BTreeSet::new(), BTreeSet::new(), vec![root]);
    while let Some(at) = below.pop() {
        if !seen.insert(at) {
            continue;
        }
        let node = usize::try_from(at).ok().and_then(|at| slice.nodes().get(at));
        match node {
            Some(Node::Read(slot) | Node::Has(slot)) => {
                found.insert(*slot);
            }
            Some(Node::Score(call)) => {
                let call = slice.parts().calls.get(usize::from(*call));
                found.extend(call.into_iter().flat_map(|call| &call.slots));
            }
            Some(node) => below.extend(node.parts()),
            None => {}
        }
    }
    found
}
