//! `subjects/frame.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/frame.rs"]
mod frame;

libfuzzer_sys::fuzz_target!(|data: &[u8]| frame::run(data));
