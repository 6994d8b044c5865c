//! What a key store is worth, on what that rests, and the choice of one that is worth enough.
//!
//! A store says of itself what it can; a verifier believes what evidence supports. [`choose`] takes what a policy demands
//! ("at least hardware") and the stores that a device has, and gives one of them or says what each was missing. It never
//! falls back to less.

use crate::keys::{KeyError, KeyStore};
use glacis_wire::Tier;
use std::fmt;
use std::sync::Arc;

/// What a key store claims of itself; believed only as far as evidence supports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// The best tier that keys of this store can support.
    pub tier: Tier,
    /// Whether the private key can leave the store for someone who controls the process or its files.
    pub exportable: bool,
    /// Whether the store itself verifies the user; otherwise the app's word is taken.
    pub verifies_user: bool,
    /// What one key says about one device.
    pub uniqueness: Uniqueness,
    /// Who stands for all this.
    pub basis: Basis,
}

/// What a back end knows about "one device, one key", weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Uniqueness {
    /// Nothing.
    None,
    /// An estimate by the platform.
    Estimate,
    /// Hardware guarantees it.
    Hardware,
}

impl Uniqueness {
    /// The name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Estimate => "estimate",
            Self::Hardware => "hardware",
        }
    }
}

/// On what a store's claim rests, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// On nothing that a third party could check.
    Nothing,
    /// On the word of the operator, who configured it.
    Declared,
    /// On evidence that a verifier can check.
    Attested,
}

impl Basis {
    /// The name in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Declared => "declared",
            Self::Attested => "attested",
        }
    }
}

impl Protection {
    /// What keeping keys in the memory of this process is worth.
    pub const SOFTWARE: Self = Self {
        tier: Tier::Software,
        exportable: true,
        verifies_user: false,
        uniqueness: Uniqueness::None,
        basis: Basis::Nothing,
    };

    /// By what one store is better than another.
    const fn rank(&self) -> (Tier, Basis) {
        (self.tier, self.basis)
    }
}

/// What a policy demands of a key store; the default demands nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// At least this tier.
    pub tier: Tier,
    /// The private key must not be able to leave.
    pub non_exportable: bool,
    /// The store itself must verify the user.
    pub verifies_user: bool,
    /// At least this.
    pub uniqueness: Uniqueness,
    /// At least this.
    pub basis: Basis,
}

impl Default for Requirement {
    fn default() -> Self {
        Self {
            tier: Tier::None,
            non_exportable: false,
            verifies_user: false,
            uniqueness: Uniqueness::None,
            basis: Basis::Nothing,
        }
    }
}

impl Requirement {
    /// At least this tier, nothing else.
    pub fn at_least(tier: Tier) -> Self {
        Self { tier, ..Self::default() }
    }

    /// What `protection` lacks, in words; empty if it is enough.
    pub fn lacking(&self, protection: &Protection) -> Vec<String> {
        let mut lacking = Vec::new();
        if protection.tier < self.tier {
            lacking.push(format!("its tier is {}, not {}", protection.tier.name(), self.tier.name()));
        }
        if self.non_exportable && protection.exportable {
            lacking.push("its keys can leave it".to_owned());
        }
        if self.verifies_user && !protection.verifies_user {
            lacking.push("it does not verify the user".to_owned());
        }
        if protection.uniqueness < self.uniqueness {
            let (has, wanted) = (protection.uniqueness.name(), self.uniqueness.name());
            lacking.push(format!("its uniqueness is {has}, not {wanted}"));
        }
        if protection.basis < self.basis {
            let (has, wanted) = (protection.basis.name(), self.basis.name());
            lacking.push(format!("its claim rests on {has}, not {wanted}"));
        }
        lacking
    }

    /// A store that is enough, with what it protects; else what is missing.
    fn fit(&self, opened: Result<Arc<dyn KeyStore>, KeyError>) -> Result<Fit, String> {
        let store = opened.map_err(|error| error.to_string())?;
        let protection = store.protection();
        let lacking = self.lacking(&protection);
        if lacking.is_empty() { Ok((store, protection)) } else { Err(lacking.join(", ")) }
    }
}

/// A store that is enough.
type Fit = (Arc<dyn KeyStore>, Protection);

/// A store that a device may have.
pub struct Candidate {
    /// As the configuration calls it.
    pub name: String,
    /// The store, or why it cannot be used.
    pub store: Result<Arc<dyn KeyStore>, KeyError>,
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Candidate({}, usable: {})", self.name, self.store.is_ok())
    }
}

/// The best of `candidates` that satisfies `requirement`: of the highest tier, of these with the firmest basis, of these
/// the first.
///
/// # Errors
/// If none does; the error names what was missing in each.
pub fn choose(candidates: Vec<Candidate>, requirement: &Requirement) -> Result<Chosen, ChoiceError> {
    let mut missing = Vec::new();
    let mut best: Option<Chosen> = None;
    for Candidate { name, store } in candidates {
        match requirement.fit(store) {
            Err(what) => missing.push((name, what)),
            Ok((store, protection)) => {
                if best.as_ref().is_none_or(|best| best.protection.rank() < protection.rank()) {
                    best = Some(Chosen { name, store, protection });
                }
            }
        }
    }
    best.ok_or(ChoiceError { missing })
}

/// A store that cannot be open beside another one, as where all would work on one vault.
pub struct Offer<'a> {
    /// As the configuration calls it.
    pub name: String,
    /// Opens it; more than once if it is chosen.
    pub open: Box<dyn Fn() -> Result<Arc<dyn KeyStore>, KeyError> + 'a>,
}

impl fmt::Debug for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Offer({})", self.name)
    }
}

/// As [`choose`], with one store open at a time.
///
/// # Errors
/// As [`choose`]; also if the chosen one does not open again.
pub fn choose_of_offers(offers: &[Offer<'_>], requirement: &Requirement) -> Result<Chosen, ChoiceError> {
    let mut missing = Vec::new();
    let mut best: Option<(&Offer<'_>, Protection)> = None;
    for offer in offers {
        // Closed again before the next is opened.
        match requirement.fit((offer.open)()).map(|(_closed, protection)| protection) {
            Err(what) => missing.push((offer.name.clone(), what)),
            Ok(protection) => {
                if best.as_ref().is_none_or(|(_, best)| best.rank() < protection.rank()) {
                    best = Some((offer, protection));
                }
            }
        }
    }
    let Some((offer, protection)) = best else { return Err(ChoiceError { missing }) };
    match (offer.open)() {
        Ok(store) => Ok(Chosen { name: offer.name.clone(), store, protection }),
        Err(error) => {
            missing.push((offer.name.clone(), error.to_string()));
            Err(ChoiceError { missing })
        }
    }
}

/// The store that was chosen.
pub struct Chosen {
    /// As the configuration calls it.
    pub name: String,
    /// The store.
    pub store: Arc<dyn KeyStore>,
    /// What it was chosen for.
    pub protection: Protection,
}

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chosen({}, {:?})", self.name, self.protection)
    }
}

/// No store is worth what the policy demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChoiceError {
    missing: Vec<(String, String)>,
}

impl ChoiceError {
    /// Each store with what it was missing.
    pub fn missing(&self) -> &[(String, String)] {
        &self.missing
    }
}

impl fmt::Display for ChoiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no key store is good enough: ")?;
        if self.missing.is_empty() {
            return f.write_str("there is none");
        }
        let mut first = true;
        for (name, what) in &self.missing {
            let between = if first { "" } else { "; " };
            write!(f, "{between}`{name}`: {what}")?;
            first = false;
        }
        Ok(())
    }
}

impl std::error::Error for ChoiceError {}
