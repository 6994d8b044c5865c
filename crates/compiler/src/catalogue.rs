//! The catalogue: what a signal, a list and a feature is, as `signals.toml` declares it.
//!
//! Everything here is checked data; reading it from text is `read::catalogue`. Which causes of not knowing can
//! reach a signal is decided here and nowhere else: [`Signal::causes`].

use glacis_wire::{Cause, EventName, SignalName, Trust, Type};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where a signal is born.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Birth {
    /// In the app's process.
    Device,
    /// In the bytes of the request, extracted by the edge.
    Request,
    /// At the edge.
    Edge,
    /// In the cloud.
    Cloud,
}

impl Birth {
    /// Every birth zone.
    pub const ALL: [Self; 4] = [Self::Device, Self::Request, Self::Edge, Self::Cloud];

    /// The name in catalogues.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Request => "request",
            Self::Edge => "edge",
            Self::Cloud => "cloud",
        }
    }

    /// The highest trust that a producer in this zone can earn today: a device process is at best attested
    /// (values out of verified evidence or a measured trustlet are not built yet).
    pub const fn trust_max(self) -> Trust {
        match self {
            Self::Device => Trust::Attested,
            Self::Request | Self::Edge | Self::Cloud => Trust::Proven,
        }
    }
}

/// How private a signal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Privacy {
    /// May leave as it is.
    Public,
    /// Says something about a pseudonym.
    Pseudonymous,
    /// Stays where it is born, but for declared release nodes.
    Private,
}

impl Privacy {
    /// Every label.
    pub const ALL: [Self; 3] = [Self::Public, Self::Pseudonymous, Self::Private];

    /// The name in catalogues.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Pseudonymous => "pseudonymous",
            Self::Private => "private",
        }
    }
}

/// What a signal is computed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Observed where it is born.
    Observed,
    /// The user, as the route's declared source names it.
    Principal,
    /// Made by every edge itself; cannot be declared.
    BuiltIn,
    /// A window over past events; its definition is in [`Catalogue::features`].
    Feature,
    /// Whether `key` is in `list`.
    ListTest {
        /// The list.
        list: String,
        /// The signal that is looked up.
        key: SignalName,
    },
}

/// One signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: SignalName,
    /// Its type.
    pub ty: Type,
    /// Where it is born.
    pub birth: Birth,
    /// What it is computed from.
    pub origin: Origin,
    /// How private it is.
    pub privacy: Privacy,
    /// What it may be used for.
    pub purpose: Vec<String>,
    /// How long it may be kept.
    pub retention: Duration,
    /// Below this trust of its producer, its answers count as withheld where that is exculpating.
    pub min_trust: Trust,
    /// Longest string value, or longest item of a list of strings. Unit: bytes.
    pub max_bytes: Option<usize>,
    /// Most items of a list value.
    pub max_items: Option<usize>,
    /// Price of one reading. Unit: abstract steps. Range: 1..=10_000.
    pub cost: u64,
}

impl Signal {
    /// The causes by which this signal can be unknown to the zone that closes a rule.
    ///
    /// | signal | causes |
    /// |---|---|
    /// | device | `withheld` (the device does not say, or is not trusted enough), `absent` (the route declares that it has no device zone), `version` (the disclosure is for another policy); `denied` unless public |
    /// | request | none: a field that is not there is `missing`, a request that cannot be read is refused |
    /// | the principal | `withheld` (there is no principal) |
    /// | built-in edge signal | none: an edge always knows them |
    /// | other edge signal | `unavailable` (our outage) |
    /// | cloud signal, list test | `unavailable`; list test on the principal: `withheld` |
    /// | feature | `unavailable`, `inexact` (an interval that does not decide); `denied` unless public; keyed by or counting the principal: `withheld` |
    ///
    pub fn causes(&self, catalogue: &Catalogue) -> Vec<Cause> {
        let mut causes = match (self.birth, &self.origin) {
            (_, Origin::BuiltIn) | (Birth::Request, Origin::Observed) => Vec::new(),
            (_, Origin::Principal) => vec![Cause::Withheld],
            (Birth::Device, _) => vec![Cause::Withheld, Cause::Absent, Cause::Version],
            (Birth::Cloud, Origin::Feature) => vec![Cause::Unavailable, Cause::Inexact],
            (Birth::Request | Birth::Edge | Birth::Cloud, _) => vec![Cause::Unavailable],
        };
        if self.consent_applies() {
            causes.push(Cause::Denied);
        }
        let keys = catalogue.keys(self);
        let principal = |key: &&SignalName| {
            catalogue.signals.get(*key).is_some_and(|signal| signal.origin == Origin::Principal)
        };
        if keys.iter().any(principal) {
            causes.push(Cause::Withheld);
        }
        causes
    }

    /// Whether it sums up many events, so that it may be known to lie in an interval only.
    pub fn is_aggregate(&self) -> bool {
        self.origin == Origin::Feature
    }

    /// Whether the cloud's consent record can deny it: what is learned about a person, but for public values.
    fn consent_applies(&self) -> bool {
        let learned = self.birth == Birth::Device || self.origin == Origin::Feature;
        learned && self.privacy != Privacy::Public
    }
}

/// One list of the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListDef {
    /// Its name, without `list.`.
    pub name: String,
    /// Type of its items.
    pub of: Type,
    /// Label of a test against it.
    pub privacy: Privacy,
    /// What it may be used for.
    pub purpose: Vec<String>,
    /// How long an item may be kept.
    pub retention: Duration,
    /// Price of one test. Unit: abstract steps.
    pub cost: u64,
}

/// `key in list.name` of one policy: a Boolean signal of the cloud.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListTest {
    /// The list, without `list.`.
    pub list: String,
    /// The signal that is looked up.
    pub key: SignalName,
    /// The name of the Boolean: `list.mules(payee)`.
    pub signal: SignalName,
}

/// How a feature sums up events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeatureKind {
    /// Number of events.
    Count,
    /// Sum of a field.
    Sum,
    /// Number of distinct values of a field.
    Distinct,
}

/// Which events count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counts {
    /// Every event that was decided, whatever the verdict.
    Attempts,
}

/// The exact definition of a feature (DESIGN §8): every zone and every replay computes the same value from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureDef {
    /// The signal that carries it.
    pub signal: SignalName,
    /// How it sums up.
    pub kind: FeatureKind,
    /// Events that it looks at.
    pub event: EventName,
    /// What must be equal between the past event and this one.
    pub key: Vec<SignalName>,
    /// The field that is summed or told apart.
    pub of: Option<SignalName>,
    /// How far back.
    pub window: Duration,
    /// How long after its receipt an event may still arrive and count.
    pub lateness: Duration,
    /// Whether the event being decided counts.
    pub include_self: bool,
    /// Which events count.
    pub counts: Counts,
}

/// A reviewed exception: one signal or list may be used for one purpose that it does not state. It holds for the rules
/// that name it, and is part of the policy's canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declassifier {
    /// Its name.
    pub name: String,
    /// What it is about: a signal, a feature, or `list.NAME`.
    pub signal: String,
    /// The purpose that it adds.
    pub purpose: String,
    /// Why that is right.
    pub reason: String,
    /// Who looked at it.
    pub reviewed_by: String,
    /// On which day: `YYYY-MM-DD`.
    pub reviewed_on: String,
}

/// Everything that policies may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    pub(crate) signals: BTreeMap<SignalName, Signal>,
    pub(crate) lists: BTreeMap<String, ListDef>,
    pub(crate) features: BTreeMap<SignalName, FeatureDef>,
    pub(crate) declassifiers: BTreeMap<String, Declassifier>,
}

impl Catalogue {
    /// Declared, built-in and computed signals by name.
    pub const fn signals(&self) -> &BTreeMap<SignalName, Signal> {
        &self.signals
    }

    /// Lists by name, without `list.`.
    pub const fn lists(&self) -> &BTreeMap<String, ListDef> {
        &self.lists
    }

    /// Feature definitions by signal.
    pub const fn features(&self) -> &BTreeMap<SignalName, FeatureDef> {
        &self.features
    }

    /// Reviewed exceptions by name.
    pub const fn declassifiers(&self) -> &BTreeMap<String, Declassifier> {
        &self.declassifiers
    }

    /// The signals that a computed signal is looked up by or counts.
    pub(crate) fn keys<'a>(&'a self, signal: &'a Signal) -> Vec<&'a SignalName> {
        match &signal.origin {
            Origin::ListTest { key, .. } => vec![key],
            Origin::Feature => {
                let feature = self.features.get(&signal.name);
                feature.map_or(Vec::new(), |feature| feature.key.iter().chain(&feature.of).collect())
            }
            Origin::Observed | Origin::Principal | Origin::BuiltIn => Vec::new(),
        }
    }
}
