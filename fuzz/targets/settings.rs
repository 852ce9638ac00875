//! `subjects/settings.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| settings::run(data));
