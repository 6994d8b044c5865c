//! Collateral: nothing unsigned is believed, what is signed is well formed or refused.
//!
//! The check itself is `glacis_fuzz::collateral`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::collateral::run(data));
