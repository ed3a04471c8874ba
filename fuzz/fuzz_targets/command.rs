//! Feeds the target `command` from libFuzzer; see fuzz/README.md.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::command::run(bytes));
