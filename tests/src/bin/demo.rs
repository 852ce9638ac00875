//! The main job without an account: log in once, get a session token anywhere.
//!
//! The real programs run against a simulated Auth API in a directory of their own; nothing of them
//! is left at the end.

#[cfg(unix)]
#[path = "demo/run.rs"]
mod run;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(unix))]
fn main() -> std::io::Result<()> {
    Err(std::io::Error::other("the demonstration runs on Unix only"))
}
