//! Proofs of what is published: slices are taken only if they are proven to mean their sources.
//!
//! Compiling again and comparing bytes, as a publish is checked as well, shows that the publisher used this compiler. That
//! the compiler is right about this policy is shown here, by a checker that shares none of its code (`glacis-proof`).

use super::Publish;
use crate::error::{CloudError, CloudErrorKind};
use glacis_compiler::Compiled;
use glacis_policy::{Binding, Slice};
use glacis_proof::prove::{Limits, prove};
use glacis_seal::sha256;
use glacis_wire::message::Signed;
use glacis_wire::message::policy::Bundle;
use glacis_wire::{Decode as _, Digest, PolicyDigest};
use std::collections::BTreeSet;

/// Slices that were proven to mean their sources, of one publish.
///
/// A proof takes longer than a decision may wait, so who serves makes it before it takes the core's turn; what is not in
/// here is proven in that turn. It is looked up by the very bytes of the slices, which carry the digests of policy and
/// catalogue, so one of other sources is never taken for it.
#[derive(Clone, Debug, Default)]
pub struct Proofs(BTreeSet<[Digest; 3]>);

impl Proofs {
    /// Proves the slices of a publish whose signatures are still to be checked. What does not fit together is left out:
    /// the publish is refused for that.
    ///
    /// # Errors
    /// If a policy is refuted or not proven.
    pub fn of(publish: &Publish) -> Result<Self, CloudError> {
        let bundle = |signed: &Signed| Bundle::from_bytes(&signed.body).ok();
        let bundles: Vec<Bundle> = publish.bundles.iter().filter_map(bundle).collect();
        let mut proofs = Self::default();
        for source in publish.sources.iter() {
            let Ok(compiled) = source.compile() else { continue };
            let slice = |bundle: &Bundle| {
                let found = bundle.slices.iter().find(|slice| slice.event == *compiled.event());
                found.map(|slice| slice.slice.0.clone())
            };
            let slices: Vec<Vec<u8>> = bundles.iter().filter_map(slice).collect();
            let Ok(slices) = <[Vec<u8>; 3]>::try_from(slices) else { continue };
            // Slices of other sources would be refuted, and are refused for not being those of these.
            if compiled.slices(&bound(&slices)).as_slice() == slices.as_slice() {
                proofs.demand(&compiled, &slices)?;
            }
        }
        Ok(proofs)
    }

    /// Refuses slices that are not proven.
    pub(super) fn demand(&mut self, compiled: &Compiled, slices: &[Vec<u8>; 3]) -> Result<(), CloudError> {
        let key = slices.each_ref().map(|slice| sha256(slice));
        if self.0.contains(&key) {
            return Ok(());
        }
        let proof = prove(compiled, slices.each_ref().map(Vec::as_slice), Limits::default());
        if let Some(why) = proof.why_not() {
            let detail = format!("the policy of `{}` is not proven: {why}", compiled.event());
            return Err(CloudError::new(CloudErrorKind::NotProven, detail));
        }
        self.0.insert(key);
        Ok(())
    }
}

/// How the slices are bound, as they say; of bytes that are no slices, not at all.
fn bound(slices: &[Vec<u8>; 3]) -> Binding {
    let first = slices.first().and_then(|slice| Slice::load(slice).ok());
    let unbound = || Binding::unbound(PolicyDigest::new([0; PolicyDigest::LEN]));
    first.map_or_else(unbound, |slice| slice.binding().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use glacis_compiler::{Source, compile};

    const CATALOGUE: &str = "[signal.amount]\ntype = \"int\"\nzone = \"request\"\nprivacy = \"public\"\n\
        purpose = [\"test\"]\nretention = \"1d\"\ncost = 1\n";

    fn policy(threshold: u32) -> Compiled {
        let text = format!(
            "[policy]\nname = \"p\"\nevent = \"a.b\"\npurpose = \"test\"\ncombine = \"strictest\"\n\
             methods = [\"otp\"]\nif_error = \"match\"\n[[rule]]\nid = \"large\"\n\
             when = \"amount > {threshold}\"\neffect = \"challenge(otp)\"\n"
        );
        let catalogue = Source { name: "signals.toml", text: CATALOGUE };
        compile(catalogue, Source { name: "policy.toml", text: &text }, None).unwrap()
    }

    #[test]
    fn slices_of_another_policy_are_not_proven_and_proofs_are_kept_by_bytes() {
        let (one, other) = (policy(1_000), policy(1_001));
        let binding = Binding::unbound(PolicyDigest::new([1; PolicyDigest::LEN]));
        let mut proofs = Proofs::default();
        let refused = proofs.demand(&one, &other.slices(&binding)).unwrap_err();
        assert_eq!(refused.kind(), CloudErrorKind::NotProven);
        assert!(refused.to_string().contains("large"), "{refused}");
        assert!(proofs.0.is_empty());
        proofs.demand(&one, &one.slices(&binding)).unwrap();
        assert_eq!(proofs.0.len(), 1);
        assert!(proofs.demand(&other, &[const { Vec::new() }; 3]).is_err(), "what is no slice is not proven");
    }
}
