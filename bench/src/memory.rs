//! How much memory a process has for itself.

use std::fs;
use std::io;

/// The proportional set size of a process in KiB: what it has alone, and its part of what is shared.
///
/// # Errors
///
/// When the system does not tell, as of a process that may not be traced unless root asks.
pub(crate) fn pss(pid: u32) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
