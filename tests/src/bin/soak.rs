//! Everything that goes wrong, at random and all at once, for as long as it is let: callers of every
//! kind, bad clients, faults of the Auth API, clocks that jump, and a daemon that is stopped in
//! between.
//!
//! It ends with counts, and fails where an answer was lost or wrong; `--seed` repeats its choices.

#[cfg(target_os = "linux")]
#[path = "soak/run.rs"]
mod run;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    run::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::io::Result<()> {
    Err(std::io::Error::other("this runs on Linux only"))
}
