//! Where the daemon may listen, and whether only this user can enter there: the facts for the
//! decisions of [`ac_cred_proto::endpoint`].

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

use std::env;
use std::path::{Path, PathBuf};

use ac_cred_proto::Denial;
use ac_cred_proto::endpoint::SOCKET_VARIABLE;

use crate::failure::no_daemon;

#[cfg(unix)]
pub(crate) use unix::uid;

/// The candidates that cost nothing to find; those of [`searchable`] begin with them.
pub(crate) fn near() -> Vec<PathBuf> {
    system::near()
}

/// All candidates, the best first; at least one.
fn all() -> Result<Vec<PathBuf>, Denial> {
    system::all()
}

/// All candidates at which a daemon can be looked for: a user who has no place for one has none.
pub(crate) fn searchable() -> Result<Vec<PathBuf>, Denial> {
    match all() {
        Err(_) if env::var_os(SOCKET_VARIABLE).is_none() => Ok(Vec::new()),
        found => found,
    }
}

/// Whether the directory of a candidate is there; it is one that only this user can enter then.
pub(crate) fn is_private(path: &Path) -> Result<bool, Denial> {
    system::is_private(path)
}

/// The directory for files that belong to a candidate.
pub(crate) fn directory(path: &Path) -> Option<PathBuf> {
    system::directory(path)
}

/// The user's home as the system knows it, whatever the environment says.
pub(crate) fn home() -> Option<PathBuf> {
    system::home()
}

/// The name of the user, where the system keeps one.
pub(crate) fn user_name() -> Option<String> {
    system::user_name()
}

/// The best candidate at which a daemon can listen; its directory is there and private.
pub(crate) fn prepared() -> Result<PathBuf, Denial> {
    let mut obstacle = None;
    for path in all()? {
        match system::prepare(&path) {
            Ok(()) => {
                is_private(&path)?;
                return Ok(path);
            }
            Err(error) => {
                obstacle.get_or_insert_with(|| format!("{}: {error}", path.display()));
            }
        }
    }
    Err(no_daemon(format!(
        "there is no place for the daemon's socket ({}); set {SOCKET_VARIABLE} to a path in a \
         directory that only you can enter",
        obstacle.unwrap_or_default()
    )))
}
