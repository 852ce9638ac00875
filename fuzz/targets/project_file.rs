//! `subjects/project_file.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/project_file.rs"]
mod project_file;

libfuzzer_sys::fuzz_target!(|data: &[u8]| project_file::run(data));
