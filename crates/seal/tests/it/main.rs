//! The crate from outside: standards' vectors, and every primitive against wrong key, purpose, tenant, realm,
//! cut and flipped input.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test binary")]

mod decoders;
mod foreign;
mod primitives;
mod published;
mod rfc9421;
mod session;

use glacis_seal::Context;
use glacis_wire::{Realm, TenantId};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};
use std::hash::{BuildHasher, RandomState};

pub(crate) fn context(tenant: &str, realm: Realm) -> Context {
    Context::new(TenantId::parse(tenant).unwrap(), realm)
}

pub(crate) fn acme() -> Context {
    context("acme", Realm::Demo)
}

/// Contexts that differ from [`acme`] in one thing each.
pub(crate) fn others() -> [Context; 3] {
    [context("acme", Realm::Production), context("acm", Realm::Demo), context("acme2", Realm::Demo)]
}

/// Deterministic bytes for keys: a counter hashed by the crate under test.
pub(crate) fn entropy(seed: u8) -> impl FnMut(&mut [u8]) -> Result<(), ()> {
    let mut count = 0_u64;
    move |out: &mut [u8]| {
        for chunk in out.chunks_mut(32) {
            count += 1;
            let block = glacis_seal::sha256_parts(&[&[seed], &count.to_be_bytes()]);
            chunk.copy_from_slice(&block.as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Every way of damaging bytes that must be refused: each bit flipped, each proper prefix, one byte more.
pub(crate) fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let flips = (0..bytes.len() * 8).map(|bit| {
        let mut copy = bytes.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    });
    let cuts = (0..bytes.len()).map(|len| bytes[..len].to_vec());
    flips.chain(cuts).chain([[bytes, &[0]].concat()])
}

/// Runs a property under a fixed seed and a fresh one, which is printed.
pub(crate) fn property<S: Strategy>(strategy: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let fresh = RandomState::new().hash_one(0_u8);
    for seed in [0, fresh] {
        println!("seed {seed}");
        let config = Config {
            cases: cases(),
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config)
            .run(&strategy, &test)
            .map_err(|failure| format!("seed {seed}: {failure}"))
            .unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "a test may be asked for more cases")]
fn cases() -> u32 {
    std::env::var("GLACIS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

#[test]
fn the_library_builds_without_cmake_or_clang() {
    // What pulls them in are features; the workspace turns them off for everybody.
    let manifest = include_str!("../../../../Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("aws-lc-rs")).unwrap();
    assert!(
        line.contains("default-features = false") && !line.contains("bindgen") && !line.contains("fips"),
        "{line}"
    );
}
