//! `subjects/helper.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/helper.rs"]
mod helper;

libfuzzer_sys::fuzz_target!(|data: &[u8]| helper::run(data));
