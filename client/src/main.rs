//! Prints Appcircle session tokens.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

/// Before its first byte musl's own has asked the system six times and touched five pages.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    ac_cred::run(&words)
}
