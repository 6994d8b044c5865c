//! The shipped policies are proven, as they are compiled.
//!
//! What changed in a compiler or a policy such that this fails would not be published either.

use crate::support::{compiled, file, proof, reasons, slices};
use glacis_proof::prove::Claim;

#[test]
fn shipped_policies_are_proven() {
    for (name, catalogue) in [
        ("view", "policies/signals.toml"),
        ("transfer", "policies/signals.toml"),
        ("protect", "policies/protect/signals.toml"),
        ("card-payment", "policies/card-payment/signals.toml"),
        ("user-agents", "policies/user-agents/signals.toml"),
    ] {
        let compiled = compiled(&file(catalogue), &file(&format!("policies/{name}/policy.toml")));
        let proof = proof(&compiled, &slices(&compiled));
        assert!(proof.is_proven(), "{name}\n{}", reasons(&proof));
        let claims: Vec<Claim> = proof.theorems.iter().map(|theorem| theorem.claim).collect();
        assert_eq!(claims, Claim::ALL);
        let equality = proof.theorems.first().unwrap();
        assert!(equality.checked.rules >= 2 * compiled.checked().rules().len() - 2, "{name}");
    }
}
