//! What a proof costs: the rule sets of `glacis-compiler`'s example `engine`, compiled and proven.
//!
//! Variant A: each rule is a conjunction of 2 to 4 of {int, double, string in a list of 8 to 31, prefix, bool} over 60
//! signals. Variant B: 30 % of the rules with `||`, `!` or `?:`, a tenth with an atom that no table knows. Variant W: each rule is as
//! wide as a plan indexes, 16 conjunctions of 4. One core; times are of one run, and memory is the peak of the process, so that one size a run tells most.
//!
//! `cargo run --release -p glacis-proof --example prove -- B 2000`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "an example measures, and stops where it cannot"
)]

#[path = "../../compiler/examples/bench/mod.rs"]
mod bench;

use bench::{Random, atom, catalogue, effect, policy};
use glacis_compiler::{Compiled, Source, compile};
use glacis_policy::Binding;
use glacis_proof::prove::{Limits, prove};
use glacis_wire::PolicyDigest;
use std::time::Instant;

/// As wide as a plan indexes: 16 terms, 64 literals.
fn wide(random: &mut Random) -> String {
    let term = |random: &mut Random| (0..4).map(|_| atom(random)).collect::<Vec<_>>().join(" && ");
    (0..16).map(|_| format!("({})", term(random))).collect::<Vec<_>>().join(" || ")
}

fn build(variant: char, rules: usize) -> Compiled {
    let mut random = Random(42);
    let rules = match variant {
        'W' => (0..rules).map(|_| (vec![wide(&mut random)], effect(&mut random))).collect(),
        _ => bench::rules(&mut random, variant, rules),
    };
    let (catalogue, policy) = (catalogue(), policy(&rules));
    let source = |name, text| Source { name, text };
    compile(source("signals.toml", &catalogue), source("policy.toml", &policy), None).unwrap()
}

fn measure(variant: char, rules: usize) {
    let compiled = build(variant, rules);
    let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32])));
    let before = peak_mb();
    let start = Instant::now();
    let proof = prove(&compiled, slices.each_ref().map(Vec::as_slice), Limits::default());
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{variant} {rules:>5} rules: {seconds:>7.2} s, peak {} MB ({before} MB before), proven: {}",
        peak_mb(),
        proof.is_proven()
    );
    for theorem in &proof.theorems {
        println!("    {}: {:?}", theorem.claim.name(), theorem.checked);
    }
    for open in proof.open().take(3) {
        println!("    open: {open}");
    }
    for reason in proof.refuted().take(3) {
        println!("    refuted: {reason}");
    }
}

/// Peak of resident memory; 0 where the system does not say.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1_024)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(rules) = arguments.get(2) {
        return measure(arguments[1].chars().next().unwrap(), rules.parse().unwrap());
    }
    for variant in ['A', 'B'] {
        for rules in [20, 200, 2_000] {
            measure(variant, rules);
        }
    }
}
