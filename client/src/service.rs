//! The files by which the service manager of the system knows the daemon: where they are, and what
//! stands in them.

use std::path::{Path, PathBuf};
#[cfg(any(target_os = "linux", target_os = "macos"))]
use std::process::{Command, Stdio};

use ac_cred_proto::Denial;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod absent;
#[cfg(target_os = "macos")]
mod launchd;
#[cfg(target_os = "linux")]
mod systemd;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) use absent::{NAME, files, forget, forgotten, keeping, know, opening, read_log};
#[cfg(target_os = "macos")]
pub(crate) use launchd::{NAME, files, forget, forgotten, keeping, know, opening, read_log};
#[cfg(target_os = "linux")]
pub(crate) use systemd::{NAME, files, forget, forgotten, keeping, know, opening, read_log};

/// Stands in every file that is ours to replace and to remove.
pub(crate) const MARK: &str = "Written by: ac-cred daemon install";

/// A file of the service manager.
#[derive(Debug)]
pub(crate) struct ServiceFile {
    /// Where it belongs.
    pub(crate) path: PathBuf,
    /// What stands in it.
    pub(crate) text: String,
}

/// What the service manager makes of a service that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "no service manager is asked there")
)]
pub(crate) enum Keeping {
    /// It listens for callers.
    Listens,
    /// It does not, before the next session.
    Later,
    /// It has given up; what to type to be told why.
    Failed(String),
}

/// What the daemon of a service is given besides its program.
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(
    not(any(target_os = "linux", target_os = "macos")),
    expect(dead_code, reason = "no service is told of it there")
)]
pub(crate) struct Setting<'a> {
    /// Where it listens, if not where the service manager keeps the sockets of a user.
    pub(crate) socket: Option<&'a Path>,
    /// The file with the passphrase.
    pub(crate) passphrase_file: Option<&'a Path>,
}

/// Where the service manager is to open the socket, if not where it keeps those of a user; launchd
/// keeps none, and needs the directory to be there.
#[cfg(target_os = "macos")]
pub(crate) fn socket(_said: Option<PathBuf>) -> Result<Option<PathBuf>, Denial> {
    crate::endpoint::prepared().map(Some)
}

/// Where the service manager is to open the socket, if not where it keeps those of a user.
#[cfg(not(target_os = "macos"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "a directory may have to be made elsewhere"
)]
pub(crate) fn socket(said: Option<PathBuf>) -> Result<Option<PathBuf>, Denial> {
    Ok(said)
}

/// Whether the service manager's program did what it was told; what it says is not shown.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn is_done(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
