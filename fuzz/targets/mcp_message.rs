//! `subjects/mcp_message.rs` under libFuzzer.

#![no_main]

#[path = "../subjects/mcp_message.rs"]
mod mcp_message;

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_message::run(data));
