//! The fields of RFC 9421 signatures and content digests.
//!
//! The check itself is `glacis_fuzz::httpsig`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::httpsig::run(data));
