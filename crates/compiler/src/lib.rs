//! CEL text to types to slices, and the reference interpreter that is the oracle.
//!
//! [`compile`] takes a signal catalogue, a policy and its cases as text and gives a [`Compiled`] policy or every
//! reason why there is none ([`Diagnostics`]: file, line, column, what is wrong, what to write). On the way:
//!
//! 1. reading: strict TOML, conditions in a subset of CEL with CEL's own grammar;
//! 2. checking: names, types, and the semantic rules of DESIGN §4.1–4.3, giving [`Checked`], the typed source tree;
//! 3. cutting: constants folded, release nodes found and shared, three [`glacis_policy::Slice`]s laid out.
//!
//! [`mod@reference`] runs the typed source tree itself. It is the executable form of DESIGN §4.2 and shares nothing
//! with the engine but plain vocabulary, so the two can be compared for ever.
//!
//! [`full`] is all of core CEL, checked and interpreted: what conditions are a part of.
//!
//! This crate reads no clock, file, socket, environment or randomness, and uses no cryptography: the caller
//! hashes [`Compiled::canonical`] and passes the digest to [`Compiled::slices`].

mod canonical;
pub mod cases;
pub mod catalogue;
mod cel;
mod check;
pub mod checked;
pub mod codes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod cut;
pub mod diagnostic;
mod fold;
mod format;
pub mod full;
mod label;
pub mod plan;
mod read;
pub mod reference;
mod render;
mod source;
#[cfg(test)]
mod tests;

pub use cases::{Case, CaseResult};
pub use catalogue::{Catalogue, FeatureDef, ListTest};
pub use checked::Checked;
pub use cut::{Layout, NodeInfo, PlanInfo, node_name};
pub use diagnostic::{Diagnostic, Diagnostics, Span};
pub use format::format;
pub use label::bits::{Released, ReleasedItem, ReleasedKind};
pub use read::model::inline;
pub use source::Source;

use cut::Cut;
use glacis_policy::{Binding, Owner, Parts};
use glacis_wire::{AppName, Digest, EventName, PolicyDigest, Zone};
use source::{Finding, Findings};

/// Compiles a policy.
///
/// ```
/// use glacis_compiler::{Source, compile};
/// let catalogue = Source { name: "signals.toml", text: r#"
///     [signal.amount]
///     type = "int"
///     zone = "request"
///     privacy = "pseudonymous"
///     purpose = ["fraud-prevention"]
///     retention = "30d"
///     cost = 1
/// "# };
/// let policy = Source { name: "policy.toml", text: r#"
///     [policy]
///     name = "transfer"
///     event = "payment.transfer"
///     purpose = "fraud-prevention"
///     combine = "strictest"
///     methods = ["otp"]
///     if_error = "match"
///     [[rule]]
///     id = "large"
///     when = "amount > 1000"
///     effect = "challenge(opt)"
/// "# };
/// let diagnostics = compile(catalogue, policy, None).unwrap_err();
/// assert!(diagnostics.to_string().contains("policy.toml:12:14: `opt` is not one of the policy's methods"));
/// assert!(diagnostics.to_string().contains("did you mean `otp`?"));
/// ```
pub fn compile(
    catalogue: Source<'_>,
    policy: Source<'_>,
    cases: Option<Source<'_>>,
) -> Result<Compiled, Diagnostics> {
    let mut findings = Findings::default();
    let compiled = build(catalogue, policy, cases, &mut findings);
    let warnings = findings.finish()?;
    match compiled {
        Some(compiled) => Ok(Compiled { warnings, ..compiled }),
        None => Err(Diagnostics(Vec::new())),
    }
}

fn build(
    catalogue: Source<'_>,
    policy: Source<'_>,
    cases: Option<Source<'_>>,
    findings: &mut Findings,
) -> Option<Compiled> {
    let signals = read::catalogue::read(catalogue, findings)?;
    let tree = read::policy::tree(&policy, findings)?;
    let raw = read::policy::read(policy, &tree, findings)?;
    // A broken catalogue would make every use of the broken signal a finding of its own.
    if findings.failed() && signals_failed(findings, &catalogue) {
        return None;
    }
    let checked = check::check(&raw, &signals, findings);
    let cut = if findings.failed() { None } else { cut::cut(&checked, &policy, findings) };
    if let Some(cut) = &cut {
        label::bits::check(&checked, cut, raw.budget.as_ref(), &policy, findings);
    }
    let cases =
        cases.filter(|_| !findings.failed()).map(|cases| read::cases::read(cases, &checked, findings));
    let canonical =
        canonical::encode(&checked).and_then(|bytes| Ok((bytes, canonical::catalogue(&signals)?)));
    let (canonical, catalogue) = match canonical {
        Ok(canonical) => canonical,
        Err(error) => {
            let finding = Finding::new(Span::default(), "G4017", error.to_string());
            findings.error(&policy, "", finding);
            return None;
        }
    };
    Some(Compiled {
        checked,
        signals,
        cut: cut?,
        canonical,
        catalogue,
        cases: cases.unwrap_or_default(),
        warnings: Vec::new(),
    })
}

/// Whether a finding is about the catalogue.
fn signals_failed(findings: &Findings, catalogue: &Source<'_>) -> bool {
    findings.files().any(|file| file == catalogue.name)
}

/// A policy that passed every check, with everything that follows from it.
#[derive(Clone, Debug)]
pub struct Compiled {
    checked: Checked,
    signals: Catalogue,
    cut: Cut,
    canonical: Vec<u8>,
    /// Canonical bytes of the catalogue.
    catalogue: Vec<u8>,
    cases: Vec<Case>,
    warnings: Vec<Diagnostic>,
}

impl Compiled {
    /// The policy's name.
    pub fn name(&self) -> &str {
        self.checked.name()
    }

    /// The event that it decides.
    pub const fn event(&self) -> &EventName {
        self.checked.event()
    }

    /// The typed source tree, for [`mod@reference`].
    pub const fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Canonical bytes of the typed policy. The policy digest is their SHA-256.
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// The app whose devices run it; `None`: every app of the tenant.
    pub const fn app(&self) -> Option<&AppName> {
        self.checked.app()
    }

    /// Binds its slices to `owner`. `hash` is SHA-256, which this crate does not know.
    pub fn bind(&self, owner: Owner, hash: impl Fn(&[u8]) -> Digest) -> Binding {
        Binding {
            owner: Some(owner),
            app: self.app().cloned(),
            policy: PolicyDigest::new(*hash(&self.canonical).as_bytes()),
            catalogue: hash(&self.catalogue),
        }
    }

    /// Encoded slices of device, edge and cloud, bound so; each loads with [`Slice::load`](glacis_policy::Slice::load).
    ///
    /// A slice with [`Source`](glacis_policy::Source) `Node(i)` or `Value(i)` reads item `i` of
    /// [`layout`](Self::layout); every other slot is read by its signal's name.
    pub fn slices(&self, binding: &Binding) -> [Vec<u8>; 3] {
        Zone::ALL.map(|zone| {
            // INVARIANT: `compile` encoded and loaded these parts; only the binding, of fixed size, differs.
            self.parts(zone)
                .map(|parts| Parts { binding: binding.clone(), ..parts.clone() }.encode().unwrap_or_default())
                .unwrap_or_default()
        })
    }

    /// What a disclosure of this policy holds, in its order.
    pub const fn layout(&self) -> &Layout {
        &self.cut.layout
    }

    /// The policy in terms of what leaves the device: node `i` of [`layout`](Self::layout) is the Boolean signal that
    /// [`node_name`] names, and no private signal is read but by rules that let nothing out.
    pub fn beyond_device(&self) -> Checked {
        cut::beyond(&self.checked, &self.cut)
    }

    /// Definitions of the features that its rules read.
    pub fn features(&self) -> &[FeatureDef] {
        &self.checked.features
    }

    /// The list tests that its rules make.
    pub fn lists(&self) -> &[ListTest] {
        &self.checked.lists
    }

    /// The catalogue that it was compiled against.
    pub const fn signals(&self) -> &Catalogue {
        &self.signals
    }

    /// Most abstract steps that the slice of `zone` costs.
    pub fn cost(&self, zone: Zone) -> u64 {
        Zone::ALL.iter().zip(self.cut.costs).find(|(known, _)| **known == zone).map_or(0, |(_, cost)| cost)
    }

    /// How the slice of `zone` decides its rules, and which of them it has to compute.
    pub fn plan(&self, zone: Zone) -> Option<&PlanInfo> {
        Zone::ALL.iter().zip(&self.cut.plans).find(|(known, _)| **known == zone).map(|(_, plan)| plan)
    }

    /// What is legal but probably not meant.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// What one request tells of the device, in bits.
    pub fn released(&self) -> Released {
        label::bits::released(&self.checked, &self.cut)
    }

    /// The golden cases, as read.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Runs the golden cases through [`mod@reference`].
    pub fn run_cases(&self) -> Vec<CaseResult> {
        self.cases.iter().map(|case| cases::run(&self.checked, case)).collect()
    }

    fn parts(&self, zone: Zone) -> Option<&Parts> {
        self.cut.parts.iter().find(|parts| parts.zone == zone)
    }
}
