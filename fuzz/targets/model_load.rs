//! A model of any bytes, scored at any inputs.
//!
//! The check itself is `glacis_fuzz::model_load`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::model_load::run(data));
