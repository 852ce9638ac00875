//! `subjects/answer.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/answer.rs"]
mod answer;

libfuzzer_sys::fuzz_target!(|data: &[u8]| answer::run(data));
