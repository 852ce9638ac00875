//! The daemons that were started in a world: found by the place of their socket, never by name.

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// How long a daemon that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// The ids of the processes with a `--socket` below this directory.
#[must_use]
pub fn below(directory: &Path) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .flatten()
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .filter(|&pid| socket_of(pid).is_some_and(|socket| socket.starts_with(directory)))
        .collect()
}

/// The path behind `--socket` in a command line.
fn socket_of(pid: u32) -> Option<PathBuf> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|&byte| byte == 0);
    words.find(|word| *word == b"--socket")?;
    words
        .next()
        .map(|path| PathBuf::from(std::ffi::OsStr::from_bytes(path)))
}

/// Asks every daemon with a `--socket` below this directory to end, and kills those that do not.
pub fn end_below(directory: &Path) {
    for signal in [Signal::TERM, Signal::KILL] {
        let pids = below(directory);
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            let Some(process) = process(pid) else {
                continue;
            };
            kill_process(process, signal).ok();
            wait_for_end(pid, GRACE).ok();
        }
    }
}

fn process(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Waits until a process has ended; false when it has not by then.
#[cfg(target_os = "linux")]
pub(super) fn wait_for_end(pid: u32, deadline: Duration) -> io::Result<bool> {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        process::{PidfdFlags, pidfd_open},
    };

    let Some(pid) = process(pid) else {
        return Ok(true);
    };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(rustix::io::Errno::SRCH) => return Ok(true),
        Err(error) => return Err(error.into()),
    };
    let deadline = Timespec::try_from(deadline).map_err(io::Error::other)?;
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    Ok(poll(&mut ended, Some(&deadline))? > 0)
}

/// Where a stranger's end cannot be waited for, it is not.
#[cfg(not(target_os = "linux"))]
pub(super) fn wait_for_end(_pid: u32, _deadline: Duration) -> io::Result<bool> {
    Ok(false)
}
