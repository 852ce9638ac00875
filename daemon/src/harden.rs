//! What the process gives up before it holds a secret: its caller's environment, core dumps, being
//! traced, new privileges.

use std::ffi::{OsStr, OsString};

/// The variables that may reach the daemon; none of them steers where a secret is sent.
const ALLOWED: &[&str] = &[
    "AC_CRED_PASSPHRASE_FILE",
    "AC_CRED_SOCKET",
    "CREDENTIALS_DIRECTORY",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "PATH",
    "TERM",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// What of an environment may reach the daemon.
pub fn allowed(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    let is_allowed = |name: &OsStr| ALLOWED.iter().any(|allowed| name == *allowed);
    environment
        .into_iter()
        .filter(move |(name, _)| is_allowed(name))
}

/// What of an environment may reach the daemon, if anything else is in it.
#[must_use]
pub fn cleaned(environment: &[(OsString, OsString)]) -> Option<Vec<(OsString, OsString)>> {
    let clean: Vec<_> = allowed(environment.iter().cloned()).collect();
    (clean.len() < environment.len()).then_some(clean)
}

/// From now on a panic is told by its place in the program alone, as its message may hold anything.
pub fn tell_panics_by_place() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.unwrap_or_else(|| "an unknown place".to_owned());
        tracing::error!(
            "a fault of the daemon's own, which is worth a report: it panicked at {place}"
        );
    }));
}

/// Starts this program anew when its environment holds what must not reach it; libraries have read
/// the old one by then only as far as the loader goes.
///
/// # Errors
///
/// What the system says when the program cannot be started anew.
#[cfg(unix)]
pub fn leave_environment() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let environment: Vec<_> = std::env::vars_os().collect();
    let Some(cleaned) = cleaned(&environment) else {
        return Ok(());
    };
    let program = std::env::current_exe()?;
    Err(std::process::Command::new(program)
        .args(std::env::args_os().skip(1))
        .env_clear()
        .envs(cleaned)
        .exec())
}

/// Windows needs its variables to find its own libraries.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn leave_environment() -> std::io::Result<()> {
    Ok(())
}

/// Gives up core dumps, being traced by others of the same user, and new privileges; files are made
/// for the user alone; as many descriptors as the system allows may be open.
///
/// # Errors
///
/// What the system says when it refuses one of the first three.
#[cfg(unix)]
pub fn give_up_privileges() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // A caller may have blocked the signals that end the daemon.
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o077));
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        rustix::thread::set_no_new_privs(true)?;
    }
    raise_limit(Resource::Nofile);
    Ok(())
}

/// Nothing of the kind is done on other systems.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn give_up_privileges() -> std::io::Result<()> {
    Ok(())
}

/// Raises a limit as far as the system allows.
#[cfg(unix)]
fn raise_limit(resource: rustix::process::Resource) {
    use rustix::process::{Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(resource).maximum;
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // A sandbox may forbid it; the limit that is there then holds.
    setrlimit(resource, raised).ok();
}

/// How many descriptors may be open.
#[cfg(unix)]
#[must_use]
pub fn descriptor_limit() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX)
}

/// Windows sets no such limit.
#[cfg(not(unix))]
#[must_use]
pub fn descriptor_limit() -> usize {
    usize::MAX
}

/// Leaves the caller's session, directory and limits, so that neither its end nor what it allowed
/// itself ends the daemon.
///
/// # Errors
///
/// What the system says.
#[cfg(unix)]
pub fn leave_session() -> std::io::Result<()> {
    use rustix::process::Resource;
    rustix::process::setsid()?;
    for resource in [
        Resource::As,
        Resource::Cpu,
        Resource::Data,
        Resource::Fsize,
        Resource::Memlock,
    ] {
        raise_limit(resource);
    }
    std::env::set_current_dir("/")
}

/// A detached process has no session on Windows.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn leave_session() -> std::io::Result<()> {
    Ok(())
}

/// Lets go of the pipe on which readiness was told.
///
/// # Errors
///
/// What the system says.
#[cfg(unix)]
pub fn leave_stdout() -> std::io::Result<()> {
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

/// Lets go of what standard input leads to.
///
/// # Errors
///
/// What the system says.
#[cfg(unix)]
pub fn leave_stdin() -> std::io::Result<()> {
    let nowhere = std::fs::File::open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdin(nowhere)?)
}

/// The pipe stays open on Windows; its reader reads one line.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn leave_stdout() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(names: &[&str]) -> Vec<(OsString, OsString)> {
        names
            .iter()
            .map(|name| (OsString::from(name), OsString::from("x")))
            .collect()
    }

    #[test]
    fn a_clean_environment_stays_and_another_is_cut_down() {
        assert_eq!(cleaned(&pairs(&["HOME", "AC_CRED_SOCKET"])), None);
        let poisoned = [
            "HTTPS_PROXY",
            "HOME",
            "SSL_CERT_FILE",
            "LD_PRELOAD",
            "SSLKEYLOGFILE",
            "RUST_LOG",
        ];
        assert_eq!(cleaned(&pairs(&poisoned)), Some(pairs(&["HOME"])));
    }
}
