//! Attestation results: tokens, and claims that nobody signed.
//!
//! The check itself is `glacis_fuzz::results`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::results::ear(data));
