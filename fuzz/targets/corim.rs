//! Reference values: manifests, modules, concise evidence, queries.
//!
//! The check itself is `glacis_fuzz::results`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::results::corim(data));
