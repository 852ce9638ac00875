//! `subjects/dispatcher.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/dispatcher.rs"]
mod dispatcher;

libfuzzer_sys::fuzz_target!(|data: &[u8]| dispatcher::run(data));
