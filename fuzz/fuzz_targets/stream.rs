//! Feeds the target `stream` from libFuzzer; see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::stream::run(bytes));
