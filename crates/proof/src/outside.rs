//! What a change of a policy changes besides its decisions: what leaves the device, which zone holds what, what it costs.
//!
//! Two policies that decide alike may yet tell the edge something else, or put a rule where another zone reads it. This
//! compares what the compiler laid out and what the slices say as they are loaded; it compiles and cuts nothing, and it
//! says nothing of decisions, which are [`crate::diff`]'s matter.

use glacis_compiler::catalogue::Birth;
use glacis_compiler::{Compiled, NodeInfo};
use glacis_policy::{Binding, Slice};
use glacis_wire::{PolicyDigest, SignalName, Zone};
use std::collections::{BTreeMap, BTreeSet};

/// What two compiled policies differ in besides their decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Release nodes of the first policy only, and of the second only.
    pub nodes: Changes<NodeInfo>,
    /// Values that leave the device in one of them only.
    pub values: Changes<SignalName>,
    /// Device signals that only one of them reads.
    pub collected: Changes<SignalName>,
    /// Rules that other zones hold than before; rules of one policy only are not among them.
    pub moved: Vec<Moved>,
    /// Zones whose slices cost something else.
    pub costs: Vec<Cost>,
}

/// What is in one of two policies only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes<T> {
    /// In the first only.
    pub removed: Vec<T>,
    /// In the second only.
    pub added: Vec<T>,
}

impl<T> Default for Changes<T> {
    fn default() -> Self {
        Self { removed: Vec::new(), added: Vec::new() }
    }
}

impl<T> Changes<T> {
    /// Whether both have the same.
    pub const fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// A rule that other zones hold than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The rule's id.
    pub rule: String,
    /// Zones whose slices held it.
    pub before: BTreeSet<Zone>,
    /// Zones whose slices hold it.
    pub after: BTreeSet<Zone>,
}

/// What the slice of a zone costs before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The zone.
    pub zone: Zone,
    /// Most abstract steps of one evaluation.
    pub steps: [u64; 2],
    /// Size of the slice. Unit: bytes.
    pub bytes: [usize; 2],
}

impl Outside {
    /// Whether nothing leaves, moves or costs otherwise.
    pub const fn is_empty(&self) -> bool {
        let Self { nodes, values, collected, moved, costs } = self;
        nodes.is_empty() && values.is_empty() && collected.is_empty() && moved.is_empty() && costs.is_empty()
    }
}

/// What two compiled policies differ in besides their decisions.
pub fn outside(before: &Compiled, after: &Compiled) -> Outside {
    let (first, second) = (before.layout(), after.layout());
    let [here, there] = [before, after].map(laid_out);
    let moved = here.zones.iter().filter_map(|(rule, before)| {
        let after = there.zones.get(rule).filter(|after| *after != before)?;
        Some(Moved { rule: rule.clone(), before: before.clone(), after: after.clone() })
    });
    let costs = Zone::ALL.into_iter().filter_map(|zone| {
        let (first, second) = (here.costs.get(&zone)?, there.costs.get(&zone)?);
        (first != second).then_some(Cost { zone, steps: [first.0, second.0], bytes: [first.1, second.1] })
    });
    Outside {
        nodes: changes(&first.nodes, &second.nodes),
        values: changes(&first.values, &second.values),
        collected: changes(&collected(before), &collected(after)),
        moved: moved.collect(),
        costs: costs.collect(),
    }
}

fn changes<T: Clone + PartialEq>(before: &[T], after: &[T]) -> Changes<T> {
    let only = |these: &[T], those: &[T]| these.iter().filter(|one| !those.contains(one)).cloned().collect();
    Changes { removed: only(before, after), added: only(after, before) }
}

/// The device signals that a policy reads.
fn collected(compiled: &Compiled) -> Vec<SignalName> {
    let signals = compiled.checked().signals().values();
    let device = signals.filter(|signal| signal.birth == Birth::Device);
    device.map(|signal| signal.name.clone()).collect()
}

/// What the slices of a policy say.
#[derive(Default)]
struct LaidOut {
    /// Zones by rule.
    zones: BTreeMap<String, BTreeSet<Zone>>,
    /// Steps and bytes by zone.
    costs: BTreeMap<Zone, (u64, usize)>,
}

fn laid_out(compiled: &Compiled) -> LaidOut {
    let mut found = LaidOut::default();
    // The digest is of fixed size and says nothing of rules: any will do.
    let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([0; PolicyDigest::LEN])));
    for (zone, bytes) in Zone::ALL.into_iter().zip(slices) {
        // INVARIANT: the compiler loaded these slices.
        let Ok(slice) = Slice::load(&bytes) else { continue };
        for rule in slice.rules() {
            found.zones.entry(rule.reason.clone()).or_default().insert(zone);
        }
        found.costs.insert(zone, (slice.steps_max(), bytes.len()));
    }
    found
}
