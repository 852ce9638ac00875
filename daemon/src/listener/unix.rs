//! The endpoint on Unix: a socket of mode 0600 in a directory of mode 0700.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::{self, DirectoryFacts, Facts, SOCKET_VARIABLE};
use ac_cred_proto::{Denial, ErrorCode};
use interprocess::local_socket::tokio::{Listener as SocketListener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;

use super::refused;
use crate::audit::Caller;

/// The file whose lock makes a daemon the only one.
const LOCK_NAME: &str = "daemon.lock";

/// Which socket was put at the path.
pub(super) struct Place {
    inode: Option<(u64, u64)>,
}

impl Place {
    /// Removes the socket, if it is still the one that was put there.
    pub(super) fn leave(&self, path: &Path) {
        if self.inode.is_some() && inode(path) == self.inode {
            // A socket that stays behind is taken over by the next daemon.
            fs::remove_file(path).ok();
        }
    }
}

/// Where this user's daemon may listen, the best place first.
///
/// # Errors
///
/// A [`Denial`] when there is no place.
pub fn find() -> Result<Vec<PathBuf>, Denial> {
    endpoint::candidates(&Facts {
        uid: uid(),
        socket_variable: std::env::var_os(SOCKET_VARIABLE),
        directory_owner: &|path| {
            fs::symlink_metadata(path)
                .ok()
                .filter(fs::Metadata::is_dir)
                .map(|found| found.uid())
        },
        temporary_directory: &temporary_directory,
        home: &|| {
            nix::unistd::User::from_uid(nix::unistd::geteuid())
                .ok()
                .flatten()
                .map(|user| user.dir)
        },
    })
}

/// macOS has a temporary directory for each user, named by the system, not by the environment.
fn temporary_directory() -> Option<PathBuf> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let asked = std::process::Command::new("/usr/bin/getconf")
        .arg("DARWIN_USER_TEMP_DIR")
        .output()
        .ok()?;
    let named = String::from_utf8(asked.stdout).ok()?;
    Some(PathBuf::from(named.trim_end())).filter(|path| path.is_absolute())
}

fn uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path)
        .ok()
        .map(|found| (found.dev(), found.ino()))
}

/// Makes and verifies the directory, and opens the lock in it.
pub(super) fn lock(path: &Path) -> Result<File, Denial> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .and_then(|()| fs::symlink_metadata(directory))
        .map_err(|error| refused(directory, &error))
        .and_then(|found| {
            let facts = DirectoryFacts {
                is_directory: found.is_dir(),
                owner: found.uid(),
                mode: found.mode(),
            };
            endpoint::verify_directory(directory, facts, uid())
        })?;
    let lock = directory.join(LOCK_NAME);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0))
        .open(&lock)
        .map_err(|error| refused(&lock, &error))
}

/// Binds beside the path and renames onto it, so that a caller finds the old socket or the new one.
pub(super) fn bind(path: &Path) -> Result<(SocketListener, Place), Denial> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket()) {
        let shown = path.display();
        return Err(Denial::new(
            ErrorCode::UnsafeFiles,
            format!("{shown} is there and is not a socket"),
        )
        .hint(format!("ls -l '{shown}'")));
    }
    let temporary = path.with_file_name("new");
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(refused(&temporary, &error));
        }
        Ok(()) | Err(_) => {}
    }
    let listener = listen(&temporary).map_err(|error| refused(path, &error))?;
    fs::rename(&temporary, path).map_err(|error| refused(path, &error))?;
    Ok((listener, Place { inode: inode(path) }))
}

fn listen(path: &Path) -> io::Result<SocketListener> {
    let options = || -> io::Result<ListenerOptions<'_>> {
        Ok(ListenerOptions::new()
            .name(path.to_fs_name::<GenericFilePath>()?)
            .reclaim_name(false))
    };
    match options()?.mode(0o600).create_tokio() {
        // macOS has no mode for sockets: the directory is what keeps others out there.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => options()?.create_tokio(),
        listener => listener,
    }
}

/// Who the peer is.
pub(super) fn caller(stream: &Stream) -> Caller {
    let Ok(peer) = stream.peer_creds() else {
        return Caller::default();
    };
    Caller {
        uid: peer.euid(),
        pid: peer.pid().and_then(|pid| pid.try_into().ok()),
    }
}

/// Whether the peer is of this daemon's user; root is not.
pub(super) fn is_own(stream: &Stream) -> bool {
    stream.peer_creds().ok().and_then(|peer| peer.euid()) == Some(uid())
}
