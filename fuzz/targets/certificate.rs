//! `subjects/certificate.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/certificate.rs"]
mod certificate;

libfuzzer_sys::fuzz_target!(|data: &[u8]| certificate::run(data));
