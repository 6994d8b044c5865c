//! Answers of a TPM, also of one that is hostile.
//!
//! The check itself is `glacis_fuzz::tpm_response`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::tpm_response::run(data));
