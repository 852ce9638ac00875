//! The files by which the service manager of the system knows the daemon: where they are, and what
//! stands in them.

use std::path::{Path, PathBuf};

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod absent;
#[cfg(target_os = "macos")]
mod launchd;
#[cfg(target_os = "linux")]
mod systemd;

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(crate) use absent::{NAME, files, forget, know, read_log};
#[cfg(target_os = "macos")]
pub(crate) use launchd::{NAME, files, forget, know, read_log};
#[cfg(target_os = "linux")]
pub(crate) use systemd::{NAME, files, forget, know, read_log};

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
