//! What genuine evidence is worth: tier and trust, by policies of the project's own language.
//!
//! Every verifier fills in [`Facts`] and decides nothing from them. Three policies under `policies/appraisal` say what
//! each of tier `hardware`, tier `strong` and trust `attested` must earn; their slices are in this crate, compiled, and run
//! by `glacis_policy` as any zone runs one. A fact that is missing, unknown or of a word that no policy knows counts against
//! the evidence, and so does a slice that cannot be run: then nothing is earned. Which rules stood in the way is in
//! [`Standing::kept_by`].

mod facts;
mod policy;
#[cfg(test)]
mod tests;

pub use facts::{AppIdentity, BootState, Facts, KeyPlace};
use glacis_seal::sha256_parts;
use glacis_wire::{Digest, PolicyDigest, Tier, Trust};
use policy::Policies;
use std::sync::LazyLock;

/// What a policy of the appraisal can let evidence earn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Goal {
    /// Trust `attested`.
    Attested,
    /// Tier `hardware`.
    Hardware,
    /// Tier `strong`, for what has earned `hardware`.
    Strong,
}

impl Goal {
    /// Every goal.
    pub const ALL: [Self; 3] = [Self::Attested, Self::Hardware, Self::Strong];

    /// The name of its policy's folder, and of the tier or trust.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Attested => "attested",
            Self::Hardware => "hardware",
            Self::Strong => "strong",
        }
    }
}

/// A rule that kept evidence from a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// From what.
    pub from: Goal,
    /// The rule's id in that policy, or [`NO_POLICY`].
    pub rule: &'static str,
}

/// `GOAL/RULE`, as `glacis attest explain` takes it.
impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.from.name(), self.rule)
    }
}

/// In the place of a rule where the policy of a goal cannot be run.
pub const NO_POLICY: &str = "no-policy";

/// What facts are worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `Software` at least: evidence that is genuine is a device's.
    pub tier: Tier,
    /// `Attested` or `Claimed`.
    pub trust: Trust,
    /// The rules that kept it from more, goal by goal in the order of the policies. No more than the policies have rules.
    pub kept_by: Vec<Kept>,
}

impl Standing {
    /// What these facts are worth.
    pub fn of(facts: &Facts) -> Self {
        Self::by(POLICIES.as_ref(), facts)
    }

    fn by(policies: Option<&'static Policies>, facts: &Facts) -> Self {
        let Some(policies) = policies else {
            let kept_by = Goal::ALL.map(|from| Kept { from, rule: NO_POLICY }).to_vec();
            return Self { tier: Tier::Software, trust: Trust::Claimed, kept_by };
        };
        let mut kept_by = Vec::new();
        let [attested, hardware, strong] = policies.earned(facts, &mut kept_by);
        let tier = match (hardware, strong) {
            (false, _) => Tier::Software,
            (true, false) => Tier::Hardware,
            (true, true) => Tier::Strong,
        };
        Self { tier, trust: if attested { Trust::Attested } else { Trust::Claimed }, kept_by }
    }
}

/// One policy of this build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What it lets evidence earn.
    pub goal: Goal,
    /// SHA-256 of its canonical form, as `glacis policy check` shows it.
    pub digest: PolicyDigest,
    /// Ids of its rules, in its order.
    pub rules: Vec<&'static str>,
}

/// The policies of this build; none if they cannot be run, and then nothing is earned.
pub fn in_force() -> Vec<InForce> {
    POLICIES.iter().flat_map(Policies::in_force).collect()
}

/// Names the policies of this build as one: `urn:glacis:appraisal:` and the first 16 bytes, in hexadecimal, of SHA-256 over
/// their digests in the order of [`Goal::ALL`]. None if they cannot be run.
pub fn policy_id() -> Option<String> {
    POLICIES.as_ref().map(|policies| {
        let digests = policies.in_force().map(|policy| policy.digest);
        let digests: Vec<PolicyDigest> = digests.collect();
        let parts: Vec<&[u8]> = digests.iter().map(|digest| digest.as_bytes().as_slice()).collect();
        let id: Digest = sha256_parts(&parts);
        let short = id.as_bytes().first_chunk::<16>().map(|bytes| glacis_seal::text::hex(bytes));
        format!("urn:glacis:appraisal:{}", short.unwrap_or_default())
    })
}

/// The shipped slices, in the order of [`Goal::ALL`]: made by the compiler from `policies/appraisal`, and kept equal to it by
/// `standing::shipped_slices_are_what_the_policies_compile_to`.
const SHIPPED: [&[u8]; 3] =
    [include_bytes!("attested.bin"), include_bytes!("hardware.bin"), include_bytes!("strong.bin")];

static POLICIES: LazyLock<Option<Policies>> = LazyLock::new(|| Policies::load(SHIPPED).ok());
