//! The plan of a compiled policy: where each rule runs and why, what each zone holds and can read, what leaves the
//! device and whether it has to, what all of that costs.
//!
//! A [`Plan`] is plain data about decisions that the compiler has taken, for people ([`std::fmt::Display`]) and for
//! whoever makes JSON of it. `place` says why a rule is where it is, `reveal` what a slice tells its reader, `minimal`
//! what could be left out. Shares of recorded events come from the caller.
//!
//! What must not be here: a decision. Whoever changes where a rule runs does so in the cut, and the plan follows.

mod minimal;
mod place;
mod reveal;
mod show;
#[cfg(test)]
mod tests;

use crate::Compiled;
use crate::catalogue::{Birth, Origin, Privacy};
use crate::checked::{Budget, Release};
use crate::label::bits::{self, ReleasedKind};
use glacis_policy::Source;
use glacis_wire::{SignalName, Trust, Zone};
use std::collections::BTreeSet;

/// The plan of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The policy's name.
    pub policy: String,
    /// The event that it decides.
    pub event: String,
    /// What its signals are used for.
    pub purpose: String,
    /// Its rules, in the order of the file.
    pub rules: Vec<RulePlan>,
    /// What device, edge and cloud hold.
    pub slices: Vec<SlicePlan>,
    /// What leaves the device.
    pub releases: Vec<ReleasePlan>,
    /// Bits that one request tells, by privacy category, the most private first.
    pub bits: Vec<(Privacy, u64)>,
    /// What `[policy.budget]` allows.
    pub budget: Option<Budget>,
    /// The reviewed exceptions that rules rest on.
    pub exceptions: Vec<String>,
    /// What could be left out.
    pub spare: Spare,
    /// Who decided recorded events, if there are any.
    pub shares: Vec<Share>,
}

/// Where one rule runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePlan {
    /// Its id.
    pub id: String,
    /// What it does.
    pub effect: String,
    /// The zones that hold it, in their order.
    pub zones: Vec<Zone>,
    /// The zone in which it closes at the latest.
    pub closes: Zone,
    /// What makes it false at the edge already, where it closes in the cloud: this condition being false.
    pub false_early: Option<String>,
    /// Why it is there and nowhere else.
    pub why: Vec<Why>,
}

/// One reason for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What kind of reason.
    pub kind: WhyKind,
    /// The zone that it is about.
    pub zone: Zone,
    /// In words.
    pub text: String,
}

/// The kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyKind {
    /// Where its signals are known.
    Availability,
    /// What must stay on the device.
    Privacy,
    /// Who may read it.
    Secrecy,
    /// Who is believed.
    Trust,
    /// The policy says so.
    Declared,
}

impl WhyKind {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Availability => "availability",
            Self::Privacy => "privacy",
            Self::Secrecy => "secrecy",
            Self::Trust => "trust",
            Self::Declared => "declared",
        }
    }
}

/// What one zone holds, and with it whoever reads its slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePlan {
    /// Which zone.
    pub zone: Zone,
    /// The rules in it: id, effect, duties, and what they close to.
    pub rules: Vec<String>,
    /// What it says of the policy as a whole: methods in their order, score classes.
    pub settings: Vec<String>,
    /// The conditions in it, as text.
    pub conditions: Vec<String>,
    /// The constants in them, each once.
    pub constants: Vec<String>,
    /// The signals that it reads, under the names that the slice gives them.
    pub signals: Vec<String>,
    /// The models in it, whole.
    pub models: Vec<String>,
    /// What it says of rules that are not in it.
    pub hidden: Vec<String>,
    /// Its size. Unit: bytes.
    pub bytes: usize,
    /// Most that one evaluation costs. Unit: abstract steps.
    pub cost: u64,
    /// What its zone allows. Unit: abstract steps.
    pub cost_max: u64,
}

/// One thing that leaves the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePlan {
    /// How it leaves.
    pub form: ReleaseForm,
    /// The signals that it tells of.
    pub signals: Vec<SignalName>,
    /// The values of the request that it compares them with: it is adaptive, and told in full by every request.
    pub requests: Vec<SignalName>,
    /// The most private of them.
    pub privacy: Privacy,
    /// What it tells at most. Unit: bits.
    pub bits: u64,
    /// The rules that it serves.
    pub rules: Vec<String>,
    /// Below this trust of the session it excuses nothing.
    pub min_trust: Trust,
}

/// How something leaves the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseForm {
    /// As yes or no to this condition.
    Node(String),
    /// As the range in which a signal lies, by these conditions.
    Range {
        /// The conditions.
        nodes: Vec<String>,
        /// How many ranges they tell apart.
        ranges: u64,
    },
    /// As it is.
    Value,
}

/// What could be left out without any decision changing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spare {
    /// Signals that the catalogue declares and no slice, feature or list test of this policy reads.
    pub unused: Vec<SignalName>,
    /// Values that leave the device and that no zone reads.
    pub unneeded: Vec<SignalName>,
    /// Release nodes without which every rule comes out alike: all of them together can go, and then no other one.
    pub nodes: Vec<String>,
    /// Release nodes of rules with too many parts to try all their outcomes; they count as needed.
    pub untried: Vec<String>,
}

/// The events that one zone decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which zone.
    pub zone: Zone,
    /// How many it decided.
    pub decided: u64,
    /// Of so many.
    pub events: u64,
}

impl Plan {
    /// The plan of a compiled policy.
    pub fn new(compiled: &Compiled) -> Self {
        let checked = &compiled.checked;
        let released = compiled.released();
        let mut categories = Privacy::ALL;
        categories.reverse();
        Self {
            policy: checked.name.clone(),
            event: checked.event.to_string(),
            purpose: checked.purpose.clone(),
            rules: place::rules(compiled),
            slices: Zone::ALL.iter().filter_map(|zone| reveal::slice(compiled, *zone)).collect(),
            releases: released.items.iter().map(|item| release(compiled, item)).collect(),
            bits: categories.map(|privacy| (privacy, released.bits_of(privacy))).to_vec(),
            budget: checked.budget,
            exceptions: checked
                .declassifiers
                .iter()
                .map(|known| {
                    format!(
                        "{}: {} for {}, reviewed by {} on {}: {}",
                        known.name,
                        known.signal,
                        known.purpose,
                        known.reviewed_by,
                        known.reviewed_on,
                        known.reason
                    )
                })
                .collect(),
            spare: spare(compiled),
            shares: Vec::new(),
        }
    }

    /// Adds who decided recorded events: a zone and a number of events, as often as the caller likes.
    #[must_use]
    pub fn with_shares(self, decided: impl IntoIterator<Item = (Zone, u64)>) -> Self {
        let mut shares = Zone::ALL.map(|zone| Share { zone, decided: 0, events: 0 });
        for (zone, count) in decided {
            for share in &mut shares {
                share.events = share.events.saturating_add(count);
                if share.zone == zone {
                    share.decided = share.decided.saturating_add(count);
                }
            }
        }
        Self { shares: shares.to_vec(), ..self }
    }
}

fn release(compiled: &Compiled, item: &crate::ReleasedItem) -> ReleasePlan {
    let (cut, checked) = (&compiled.cut, &compiled.checked);
    let text = |at: &usize| cut.layout.nodes.get(*at).map_or(String::new(), |node| node.text.clone());
    let trust = item.signals.iter().filter_map(|name| checked.signals.get(name));
    let (form, rules) = match &item.kind {
        ReleasedKind::Node(at) => (ReleaseForm::Node(text(at)), bits::served(checked, cut, &[*at])),
        ReleasedKind::Range { nodes, ranges } => {
            let form = ReleaseForm::Range { nodes: nodes.iter().map(text).collect(), ranges: *ranges };
            (form, bits::served(checked, cut, nodes))
        }
        ReleasedKind::Value => {
            let sends = |release: &Release| match release {
                Release::Nodes { values, .. } => item.signals.iter().all(|name| values.contains(name)),
                _ => false,
            };
            let rules = checked.rules.iter().filter(|rule| sends(&rule.release));
            (ReleaseForm::Value, rules.map(|rule| rule.id.as_str()).collect())
        }
    };
    ReleasePlan {
        form,
        signals: item.signals.clone(),
        requests: item.requests.clone(),
        privacy: item.privacy,
        bits: item.bits,
        rules: rules.into_iter().map(str::to_owned).collect(),
        min_trust: trust.map(|signal| signal.min_trust).max().unwrap_or(Trust::Claimed),
    }
}

/// Minimisation: what is collected and not used, sent and not needed.
fn spare(compiled: &Compiled) -> Spare {
    let slots = || compiled.cut.parts.iter().flat_map(|parts| &parts.slots);
    let mut used: BTreeSet<&SignalName> = slots().map(|slot| &slot.name).collect();
    let computed = compiled.checked.signals.values().filter(|signal| used.contains(&signal.name));
    let keys: Vec<&SignalName> = computed.flat_map(|signal| compiled.signals.keys(signal)).collect();
    used.extend(keys);
    let collected = compiled.signals.signals.values().filter(|signal| {
        matches!(signal.birth, Birth::Device | Birth::Request | Birth::Edge)
            && signal.origin != Origin::BuiltIn
    });
    let read =
        |name: &SignalName| slots().any(|slot| slot.name == *name && matches!(slot.source, Source::Value(_)));
    let (nodes, untried) = minimal::spare(compiled);
    let text = |at: usize| compiled.cut.layout.nodes.get(at).map(|node| node.text.clone());
    Spare {
        unused: collected.map(|signal| &signal.name).filter(|name| !used.contains(name)).cloned().collect(),
        unneeded: compiled.cut.layout.values.iter().filter(|name| !read(name)).cloned().collect(),
        nodes: nodes.into_iter().filter_map(text).collect(),
        untried: untried.into_iter().filter_map(text).collect(),
    }
}
