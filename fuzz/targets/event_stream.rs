//! `subjects/event_stream.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/event_stream.rs"]
mod event_stream;

libfuzzer_sys::fuzz_target!(|data: &[u8]| event_stream::run(data));
