//! The facts about this user on Unix.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use ac_cred_proto::Denial;
use ac_cred_proto::endpoint::{
    DirectoryFacts, Facts, SOCKET_VARIABLE, candidates, verify_directory,
};
use nix::unistd::{Uid, User};
use rustix::net::SocketAddrUnix;

/// The user for whom the process acts.
pub(crate) fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Leaves out what needs another process or the password database, which may be a network away.
pub(super) fn near() -> Vec<PathBuf> {
    found(&|| None, &|| None).unwrap_or_default()
}

pub(super) fn all() -> Result<Vec<PathBuf>, Denial> {
    found(&temporary_directory, &home)
}

pub(super) fn is_private(path: &Path) -> Result<bool, Denial> {
    let Some(directory) = path.parent() else {
        return Ok(false);
    };
    let Ok(found) = fs::symlink_metadata(directory) else {
        return Ok(false);
    };
    let facts = DirectoryFacts {
        is_directory: found.is_dir(),
        owner: found.uid(),
        mode: found.mode(),
    };
    verify_directory(directory, facts, uid()).map(|()| true)
}

pub(super) fn directory(path: &Path) -> Option<PathBuf> {
    path.parent().map(Path::to_owned)
}

pub(super) fn home() -> Option<PathBuf> {
    let user = User::from_uid(Uid::from_raw(uid())).ok().flatten()?;
    Some(user.dir)
}

pub(super) fn user_name() -> Option<String> {
    let user = User::from_uid(Uid::from_raw(uid())).ok().flatten()?;
    Some(user.name)
}

/// Makes the directory of a candidate where there is none; what is there stays as it is.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    SocketAddrUnix::new(path)?;
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    if fs::symlink_metadata(directory).is_ok() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

fn found(
    temporary_directory: &dyn Fn() -> Option<PathBuf>,
    home: &dyn Fn() -> Option<PathBuf>,
) -> Result<Vec<PathBuf>, Denial> {
    candidates(&Facts {
        uid: uid(),
        socket_variable: env::var_os(SOCKET_VARIABLE),
        directory_owner: &directory_owner,
        temporary_directory,
        home,
    })
}

fn directory_owner(path: &Path) -> Option<u32> {
    let found = fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| found.uid())
}

/// The directory that macOS keeps for each user; `TMPDIR` would say what its environment says.
#[cfg(target_os = "macos")]
fn temporary_directory() -> Option<PathBuf> {
    let asked = std::process::Command::new("/usr/bin/getconf")
        .arg("DARWIN_USER_TEMP_DIR")
        .output()
        .ok()?;
    let path = PathBuf::from(String::from_utf8(asked.stdout).ok()?.trim_end());
    path.is_absolute().then_some(path)
}

#[cfg(not(target_os = "macos"))]
fn temporary_directory() -> Option<PathBuf> {
    None
}
