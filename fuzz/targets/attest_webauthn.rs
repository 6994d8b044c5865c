//! Registrations and assertions of Web Authentication.
//!
//! The check itself is `glacis_fuzz::evidence`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::evidence::webauthn(data));
