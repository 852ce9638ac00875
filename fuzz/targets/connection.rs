//! `subjects/connection.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/connection.rs"]
mod connection;

libfuzzer_sys::fuzz_target!(|data: &[u8]| connection::run(data));
