//! A file of XGBoost or LightGBM: imported, or refused with a place.
//!
//! The check itself is `glacis_fuzz::model_import`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::model_import::run(data));
