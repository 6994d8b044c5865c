//! The shipped policies, compiled once for a run.
//!
//! The very texts under `policies/` are built into the binary, so the demo needs no files and decides by what an
//! operator would publish.

use crate::check::principals;
use glacis_cloud::policy::digest_of;
use glacis_compiler::{Compiled, Diagnostics, Source, compile};
use glacis_wire::{EventName, PolicyDigest, SignalName, Verdict};
use std::collections::{BTreeMap, BTreeSet};

/// One policy as its author wrote it.
#[derive(Clone, Copy, Debug)]
pub struct PolicyText {
    /// File name of the policy in diagnostics.
    pub policy_name: &'static str,
    /// `policy.toml`
    pub policy: &'static str,
    /// File name of its cases in diagnostics.
    pub cases_name: &'static str,
    /// `cases.toml`
    pub cases: &'static str,
}

/// The catalogue of the shipped policies.
pub const SIGNALS: &str = include_str!("../../../policies/signals.toml");
/// Its name in diagnostics.
pub const SIGNALS_NAME: &str = "policies/signals.toml";
/// The shipped policies.
pub const SHIPPED: [PolicyText; 2] = [
    PolicyText {
        policy_name: "policies/view/policy.toml",
        policy: include_str!("../../../policies/view/policy.toml"),
        cases_name: "policies/view/cases.toml",
        cases: include_str!("../../../policies/view/cases.toml"),
    },
    PolicyText {
        policy_name: "policies/transfer/policy.toml",
        policy: include_str!("../../../policies/transfer/policy.toml"),
        cases_name: "policies/transfer/cases.toml",
        cases: include_str!("../../../policies/transfer/cases.toml"),
    },
];

/// Compiled policies by event.
#[derive(Debug)]
pub struct Policies(BTreeMap<EventName, (PolicyDigest, Compiled)>);

impl Policies {
    /// Compiles the shipped ones.
    ///
    /// # Errors
    /// Never in a build whose tests passed.
    pub fn shipped() -> Result<Self, Diagnostics> {
        let mut policies = BTreeMap::new();
        for text in SHIPPED {
            let source = |name, text| Source { name, text };
            let cases = source(text.cases_name, text.cases);
            let compiled =
                compile(source(SIGNALS_NAME, SIGNALS), source(text.policy_name, text.policy), Some(cases))?;
            let digest = digest_of(&compiled);
            policies.insert(compiled.event().clone(), (digest, compiled));
        }
        Ok(Self(policies))
    }

    /// The policy of an event.
    pub fn of(&self, event: &EventName) -> Option<(PolicyDigest, &Compiled)> {
        self.0.get(event).map(|(digest, compiled)| (*digest, compiled))
    }

    /// Every policy.
    pub fn all(&self) -> impl Iterator<Item = (PolicyDigest, &Compiled)> {
        self.0.values().map(|(digest, compiled)| (*digest, compiled))
    }

    /// The signals that name the user.
    pub fn principals(&self) -> BTreeSet<SignalName> {
        self.0.values().flat_map(|(_, compiled)| principals(compiled)).collect()
    }

    /// How strict a verdict is in the policy of `event`; 0 is allow.
    pub fn rank(&self, event: &EventName, verdict: Verdict) -> usize {
        self.0.get(event).map_or(0, |(_, compiled)| compiled.checked().rank(verdict))
    }

    /// Whether the rule behind `reason` asks what vouches for the device.
    pub fn reads_tier(&self, event: &EventName, reason: &str) -> bool {
        let rules = self.0.get(event).map(|(_, compiled)| compiled.checked().rules());
        let rule = rules.unwrap_or_default().iter().find(|rule| rule.id == reason);
        rule.is_some_and(|rule| {
            rule.when.readings().iter().any(|(signal, _)| signal.as_str() == "device.tier")
        })
    }
}
