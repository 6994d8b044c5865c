//! Random policies, as the equality soak draws them, are proven as they are compiled.
//!
//! A case is named by its seed. What is refused by the compiler is not counted, and must be seldom.

use crate::drafts;
use crate::support::{proof, reasons, slices};

fn run(seeds: std::ops::Range<u64>) {
    let (mut proven, mut refused) = (0, 0);
    for seed in seeds {
        let Some((compiled, text)) = drafts::compiled(seed) else {
            refused += 1;
            continue;
        };
        let proof = proof(&compiled, &slices(&compiled));
        assert!(proof.is_proven(), "seed {seed}\n{}\n{text}", reasons(&proof));
        proven += 1;
    }
    assert!(proven > 4 * refused, "{proven} proven, {refused} refused by the compiler");
}

#[test]
fn random_policies_are_proven() {
    run(0..50);
}

/// A constant below a pattern that only folding sees, and conditions larger than any diagram.
#[test]
fn policies_that_were_not_proven_are() {
    [4_706, 5_263, 8_536].into_iter().for_each(|seed| run(seed..seed + 1));
}

/// Takes minutes: `cargo test --release -p glacis-proof -- --ignored`.
#[test]
#[ignore = "the long form of the test above"]
fn many_random_policies_are_proven() {
    run(50..10_050);
}
