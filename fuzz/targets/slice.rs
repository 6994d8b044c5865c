//! A slice of a policy from any bytes, run over any answers.
//!
//! The check itself is `glacis_fuzz::slice`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::slice::run(data));
