//! Every message of `wire`: what decodes, encodes to the same bytes.
//!
//! The check itself is `glacis_fuzz::wire`, so that it can be read, tested and replayed without the fuzzer; this
//! file only ties it to libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| glacis_fuzz::wire::run(data));
