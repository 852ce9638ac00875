//! `subjects/jwt.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/jwt.rs"]
mod jwt;

libfuzzer_sys::fuzz_target!(|data: &[u8]| jwt::run(data));
