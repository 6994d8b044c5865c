//! What all tests here need: policies from text, and their proofs.
//!
//! Proofs that come out otherwise than wanted are printed with all of their reasons; nothing here decides what is wanted.

use glacis_compiler::{Compiled, Source, compile};
use glacis_policy::Binding;
use glacis_proof::prove::{Limits, Proof, prove};
use glacis_wire::PolicyDigest;

/// A file of the repository.
pub(crate) fn file(path: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    std::fs::read_to_string(format!("{root}{path}")).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn compiled(catalogue: &str, policy: &str) -> Compiled {
    let source = |name, text| Source { name, text };
    compile(source("signals.toml", catalogue), source("policy.toml", policy), None)
        .unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn slices(compiled: &Compiled) -> [Vec<u8>; 3] {
    compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32])))
}

pub(crate) fn proof(compiled: &Compiled, slices: &[Vec<u8>; 3]) -> Proof {
    prove(compiled, slices.each_ref().map(Vec::as_slice), Limits::default())
}

/// Everything against a proof, a line each.
pub(crate) fn reasons(proof: &Proof) -> String {
    let refuted = proof.refuted().map(|reason| format!("refuted: {reason}\n"));
    refuted.chain(proof.open().map(|open| format!("open: {open}\n"))).collect()
}

/// As [`proof`], without the combinations of effects, which take most of the time of a small policy.
pub(crate) fn quick(compiled: &Compiled, slices: &[Vec<u8>; 3]) -> Proof {
    let limits = Limits { cases_max: 0, ..Limits::default() };
    prove(compiled, slices.each_ref().map(Vec::as_slice), limits)
}
