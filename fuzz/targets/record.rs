//! `subjects/record.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/record.rs"]
mod record;

libfuzzer_sys::fuzz_target!(|data: &[u8]| record::run(data));
