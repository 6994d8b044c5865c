//! An expression of the profile `full`: parsed, checked, run, or refused with a place.
//!
//! The check itself is `glacis_fuzz::cel`, so that it can be read, tested and replayed without the fuzzer; this file
//! only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::cel::run(data));
