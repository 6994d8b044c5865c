//! Translation validation: that the three slices of a policy, byte by byte as they are signed and loaded, mean the
//! policy as it was read and typed.
//!
//! [`prove`] states four theorems, each with what was looked at and a result: proven, refuted with the reasons, or not
//! proven with what stood in the way.
//!
//! - *Equality*: every rule is in the slices that have to hold it; its condition over the device's release nodes and
//!   values is the source condition in all four outcomes, causes included (`compose`, over `rails`); slots and entries are
//!   the catalogue's and the policy's; what the rows of a plan say of a rule is what its arena says (`table`).
//! - *Finality*: the engine combines effects as DESIGN §4.1 says and settles only what no completion changes, tried on
//!   every combination of the policy's own effects (`combine`); what a slice tells of hidden rules covers them (`hidden`).
//! - *Gain nothing*: no disclosure makes a verdict milder than withholding would (`gain`).
//! - *Non-leak*: what leaves the device is what rules declare, and a slice holds no more of others than it must (`leak`).
//!
//! *Refuted* means that the bytes do not say what the policy says, as normal forms: a compiler that wrote another atom
//! that happens to mean the same would be refuted too. *Not proven* names the limit. Nothing is sampled, nothing is
//! assumed: what is not compared is not proven.
//!
//! Trusted: the parser and the checker that made the typed tree, the reference interpreter on constants, this module, and
//! that the engine computes what its loaded data says, which the equality soak holds it to. This module must not call
//! what folds, cuts, places or indexes.

mod agree;
mod arena;
mod combine;
mod compose;
mod gain;
mod hidden;
mod leak;
mod lookup;
mod rails;
mod range;
mod show;
mod source;
mod table;
mod term;

use glacis_compiler::Compiled;
use glacis_compiler::checked::{Checked, Rule};
use glacis_policy::Slice;
use glacis_wire::Zone;
use lookup::Lookups;
use std::fmt;
use term::Terms;

/// What a proof may cost; beyond, it is not proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most nodes of the decision diagrams of one rule.
    pub nodes_max: usize,
    /// Most states of one slot that one rule tells apart.
    pub states_max: usize,
    /// Most pairs of states of two automata.
    pub walk_max: usize,
    /// Most combinations of effects.
    pub cases_max: usize,
}

impl Default for Limits {
    /// Some hundred megabytes at most, nearly all of them for one rule at a time.
    fn default() -> Self {
        Self { nodes_max: 1 << 17, states_max: 1 << 14, walk_max: 1 << 20, cases_max: 1 << 23 }
    }
}

/// What a theorem claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The slices say what the policy says.
    Equality,
    /// What a zone settles, no later zone would have decided otherwise.
    Finality,
    /// No disclosure makes a verdict milder than withholding.
    GainNothing,
    /// What leaves the device, and what slices tell, is what was declared.
    NonLeak,
}

impl Claim {
    /// Every claim.
    pub const ALL: [Self; 4] = [Self::Equality, Self::Finality, Self::GainNothing, Self::NonLeak];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equality => "equality",
            Self::Finality => "finality",
            Self::GainNothing => "gain-nothing",
            Self::NonLeak => "non-leak",
        }
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rules, once a slice.
    pub rules: usize,
    /// Atoms of conditions.
    pub atoms: usize,
    /// Classes of slots.
    pub classes: usize,
    /// Rows of plans.
    pub rows: usize,
    /// Tables of patterns, networks and zones.
    pub tables: usize,
    /// Nodes of decision diagrams.
    pub nodes: usize,
    /// Combinations of effects.
    pub cases: usize,
}

/// Why something is refuted: where, and what it says instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The slice.
    pub zone: Option<Zone>,
    /// The rule, by its id.
    pub rule: Option<String>,
    /// The atom, slot, class or field that is meant.
    pub subject: String,
    /// What the bytes say.
    pub bytes: String,
    /// What the policy says.
    pub policy: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.zone, self.rule.as_deref())?;
        write!(f, "{}: the bytes say {}, the policy says {}", self.subject, self.bytes, self.policy)
    }
}

/// What was not proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The slice.
    pub zone: Option<Zone>,
    /// The rule, by its id.
    pub rule: Option<String>,
    /// What is not covered.
    pub what: String,
    /// Why, with the limit.
    pub limit: String,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        place(f, self.zone, self.rule.as_deref())?;
        write!(f, "{}: {}", self.what, self.limit)
    }
}

fn place(f: &mut fmt::Formatter<'_>, zone: Option<Zone>, rule: Option<&str>) -> fmt::Result {
    if let Some(zone) = zone {
        write!(f, "{} slice: ", zone.name())?;
    }
    rule.map_or(Ok(()), |rule| write!(f, "rule `{rule}`: "))
}

/// How a theorem came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Proven,
    /// It does not hold.
    Refuted,
    /// Something was not covered.
    NotProven,
}

impl Standing {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Refuted => "refuted",
            Self::NotProven => "not proven",
        }
    }
}

/// One theorem, with what was done for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theorem {
    /// What it claims.
    pub claim: Claim,
    /// How much was looked at.
    pub checked: Counts,
    /// Why it does not hold: the first [`REASONS_MAX`].
    pub refuted: Vec<Reason>,
    /// What was not covered: the first [`REASONS_MAX`].
    pub open: Vec<Open>,
}

impl Theorem {
    const fn new(claim: Claim) -> Self {
        let checked = Counts { rules: 0, atoms: 0, classes: 0, rows: 0, tables: 0, nodes: 0, cases: 0 };
        Self { claim, checked, refuted: Vec::new(), open: Vec::new() }
    }

    /// Its result.
    pub const fn standing(&self) -> Standing {
        match (self.refuted.is_empty(), self.open.is_empty()) {
            (false, _) => Standing::Refuted,
            (true, false) => Standing::NotProven,
            (true, true) => Standing::Proven,
        }
    }

    fn refute(&mut self, reason: Reason) {
        if self.refuted.len() < REASONS_MAX {
            self.refuted.push(reason);
        }
    }

    fn leave_open(&mut self, open: Open) {
        if self.open.len() < REASONS_MAX {
            self.open.push(open);
        }
    }

    /// Refutes unless both are equal.
    fn expect<T: PartialEq + fmt::Debug>(&mut self, at: Place<'_>, subject: &str, bytes: &T, policy: &T) {
        if bytes != policy {
            self.refute(at.reason(subject, format!("{bytes:?}"), format!("{policy:?}")));
        }
    }
}

/// Most reasons of one theorem that are kept.
pub const REASONS_MAX: usize = 64;

/// The theorems of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// One a claim, in the order of [`Claim::ALL`].
    pub theorems: Vec<Theorem>,
}

impl Proof {
    /// Whether all of them hold.
    pub fn is_proven(&self) -> bool {
        self.theorems.iter().all(|theorem| theorem.standing() == Standing::Proven)
    }

    /// Every reason against it.
    pub fn refuted(&self) -> impl Iterator<Item = &Reason> {
        self.theorems.iter().flat_map(|theorem| &theorem.refuted)
    }

    /// Why it is not proven, in a line; `None` if it is.
    pub fn why_not(&self) -> Option<String> {
        self.refuted().map(ToString::to_string).chain(self.open().map(ToString::to_string)).next()
    }

    /// Everything that is not covered.
    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.theorems.iter().flat_map(|theorem| &theorem.open)
    }
}

/// Whether the signed slices of device, edge and cloud mean the policy. Total over any bytes.
///
/// ```
/// # use glacis_compiler::{Source, compile};
/// # use glacis_policy::Binding;
/// # use glacis_wire::PolicyDigest;
/// # let catalogue = Source { name: "signals.toml", text: "[signal.amount]\ntype = \"int\"\nzone = \"request\"\nprivacy = \"public\"\npurpose = [\"x\"]\nretention = \"1d\"\ncost = 1\n" };
/// # let policy = Source { name: "policy.toml", text: "[policy]\nname = \"a\"\nevent = \"a.b\"\npurpose = \"x\"\ncombine = \"strictest\"\nmethods = [\"otp\"]\nif_error = \"match\"\n[[rule]]\nid = \"large\"\nwhen = \"amount > 1000\"\neffect = \"challenge(otp)\"\n" };
/// use glacis_proof::prove::{Limits, prove};
/// let compiled = compile(catalogue, policy, None).unwrap();
/// let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32])));
/// let proof = prove(&compiled, slices.each_ref().map(Vec::as_slice), Limits::default());
/// assert!(proof.is_proven());
/// ```
pub fn prove(compiled: &Compiled, slices: [&[u8]; 3], limits: Limits) -> Proof {
    let [mut equality, mut finality, mut gain, mut leak] = Claim::ALL.map(Theorem::new);
    let mut loaded = Vec::new();
    for (zone, bytes) in Zone::ALL.into_iter().zip(slices) {
        match Slice::load(bytes) {
            Ok(slice) => loaded.push(slice),
            Err(error) => {
                let reason = Place::of(zone).reason("the slice", error.to_string(), "a slice".to_owned());
                [&mut equality, &mut finality, &mut gain, &mut leak]
                    .into_iter()
                    .for_each(|theorem| theorem.refute(reason.clone()));
            }
        }
    }
    if let Ok(slices) = <[Slice; 3]>::try_from(loaded) {
        let policy = compiled.checked();
        let lookups = Lookups::new(policy, &slices, limits.walk_max);
        let scene = Scene { compiled, policy, slices: &slices, lookups: &lookups, limits };
        agree::check(scene, &mut equality);
        let mut terms = Terms::new(policy);
        let composed = compose::Composed::new(scene, &mut terms);
        compose::check(scene, &terms, &composed, &mut equality);
        for zone in [Zone::Edge, Zone::Cloud] {
            table::check(scene, zone, &mut equality);
        }
        combine::check(scene, &mut finality);
        hidden::check(scene, &mut finality);
        gain::check(scene, &composed, &mut gain);
        leak::check(scene, &terms, &composed, &mut leak);
    }
    Proof { theorems: vec![equality, finality, gain, leak] }
}

/// What a proof is about.
#[derive(Clone, Copy)]
struct Scene<'a> {
    compiled: &'a Compiled,
    policy: &'a Checked,
    slices: &'a [Slice; 3],
    lookups: &'a Lookups,
    limits: Limits,
}

impl<'a> Scene<'a> {
    fn slice(self, zone: Zone) -> &'a Slice {
        let [device, edge, cloud] = self.slices;
        match zone {
            Zone::Device => device,
            Zone::Edge => edge,
            Zone::Cloud => cloud,
        }
    }

    /// The rules that a zone has to hold as conditions or closed, of edge and cloud.
    fn rules_of(self, zone: Zone) -> impl Iterator<Item = &'a Rule> {
        self.policy.rules().iter().filter(move |rule| zone == Zone::Cloud || !rule.is_hidden())
    }
}

/// Where a reason is.
#[derive(Clone, Copy)]
struct Place<'a> {
    zone: Option<Zone>,
    rule: Option<&'a str>,
}

impl<'a> Place<'a> {
    const NOWHERE: Self = Self { zone: None, rule: None };

    const fn of(zone: Zone) -> Self {
        Self { zone: Some(zone), rule: None }
    }

    const fn rule(zone: Zone, rule: &'a str) -> Self {
        Self { zone: Some(zone), rule: Some(rule) }
    }

    fn reason(self, subject: &str, bytes: String, policy: String) -> Reason {
        Reason {
            zone: self.zone,
            rule: self.rule.map(str::to_owned),
            subject: subject.to_owned(),
            bytes,
            policy,
        }
    }

    fn open(self, what: &str, limit: String) -> Open {
        Open { zone: self.zone, rule: self.rule.map(str::to_owned), what: what.to_owned(), limit }
    }
}
