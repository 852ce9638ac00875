//! The endpoint on Unix: a socket of mode 0600 in a directory of mode 0700.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _,
};
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::{self, DirectoryFacts, Facts, SOCKET_VARIABLE};
use ac_cred_proto::{Denial, ErrorCode};
use interprocess::local_socket::tokio::{Listener as SocketListener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions};
use interprocess::os::unix::local_socket::ListenerOptionsExt as _;

pub use self::activation::handed_over;
use super::refused;
use crate::audit::Caller;

mod activation;

/// The file whose lock makes a daemon the only one.
const LOCK_NAME: &str = "daemon.lock";

/// How many callers may wait to be accepted at a socket that was opened elsewhere; the system has a
/// limit of its own.
const BACKLOG: i32 = 4_096;

/// Which socket is at the path, and whose it is.
pub(super) struct Place {
    inode: Option<(u64, u64)>,
    /// Whether it is this daemon's to remove.
    is_own: bool,
}

/// A socket that a service manager has opened.
pub type HandedOver = OwnedFd;

/// An endpoint at its old place.
pub(super) struct Again {
    pub(super) socket: SocketListener,
    pub(super) place: Place,
    /// The lock, where the old one was gone too.
    pub(super) lock: Option<File>,
}

/// An endpoint on its way to another process.
#[derive(Debug)]
pub struct Handles {
    /// The socket.
    pub socket: OwnedFd,
    /// The lock, which is held as long as any process has it.
    pub lock: OwnedFd,
    /// Whether the socket was made by a daemon, which removes it at its end.
    pub owns_socket: bool,
}

impl Place {
    /// What another process needs to go on with it.
    pub(super) fn handles(&self, socket: &SocketListener, lock: &File) -> io::Result<Handles> {
        let SocketListener::UdSocket(socket) = socket;
        Ok(Handles {
            socket: socket.as_fd().try_clone_to_owned()?,
            lock: lock.as_fd().try_clone_to_owned()?,
            owns_socket: self.is_own,
        })
    }

    /// Whether a service manager has opened it.
    pub(super) fn is_adopted(&self) -> bool {
        !self.is_own
    }

    /// Whether callers find it.
    pub(super) fn is_held(&self, path: &Path) -> bool {
        self.inode.is_some() && inode(path) == self.inode
    }

    /// Binds again where nothing is; another daemon that has started meanwhile is left alone.
    pub(super) fn again(&self, path: &Path, lock: &File) -> Result<Again, Denial> {
        let shown = path.display();
        let lost = |why: &str| Denial::new(ErrorCode::UnsafeFiles, format!("{shown} {why}"));
        if self.is_adopted() {
            return Err(lost("is not the socket any more that was handed over"));
        }
        if fs::symlink_metadata(path).is_ok() {
            return Err(lost("is not the daemon's socket any more"));
        }
        // Without its directory it has no place: its user has left, or somebody tidies.
        if path.parent().is_none_or(|directory| !directory.is_dir()) {
            return Err(lost("is gone with its directory"));
        }
        let newly_locked = if lock_is_at(path, lock) {
            None
        } else {
            Some(super::only_lock(path)?)
        };
        let (socket, place) = bind(path)?;
        Ok(Again {
            socket,
            place,
            lock: newly_locked,
        })
    }

    /// Leaves the socket where it is.
    pub(super) fn give_up(&mut self) {
        self.is_own = false;
    }

    /// Removes the socket, if it is still the one that was put there.
    pub(super) fn leave(&self, path: &Path) {
        if self.is_own && self.inode.is_some() && inode(path) == self.inode {
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

/// Whether the lock that is held is the one that other daemons find.
fn lock_is_at(path: &Path, lock: &File) -> bool {
    let found = inode(&path.with_file_name(LOCK_NAME));
    let held = lock.metadata().ok().map(|held| (held.dev(), held.ino()));
    found.is_some() && found == held
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
    let place = Place {
        inode: inode(path),
        is_own: true,
    };
    Ok((listener, place))
}

/// Whether a socket that another process has opened is one at which a daemon can listen.
pub(super) fn verify(socket: &OwnedFd) -> Result<(), Denial> {
    use rustix::net::sockopt::socket_type;
    use rustix::net::{AddressFamily, SocketType, getsockname};

    let is_local =
        getsockname(socket).is_ok_and(|address| address.address_family() == AddressFamily::UNIX);
    let is_right = is_local && socket_type(socket) == Ok(SocketType::STREAM);
    if !is_right {
        return Err(wrong("is not a stream socket of this machine"));
    }
    // Only Linux tells; elsewhere accepting fails.
    #[cfg(target_os = "linux")]
    if rustix::net::sockopt::socket_acceptconn(socket) != Ok(true) {
        return Err(wrong("does not listen"));
    }
    Ok(())
}

/// The place of a socket that another process has opened, which is this user's alone.
pub(super) fn place_of(socket: &OwnedFd) -> Result<PathBuf, Denial> {
    let address = rustix::net::getsockname(socket).ok();
    let address = address.and_then(|address| rustix::net::SocketAddrUnix::try_from(address).ok());
    let path = address
        .as_ref()
        .and_then(rustix::net::SocketAddrUnix::path_bytes);
    let path = path
        .map(|bytes| PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
        .filter(|path| path.is_absolute())
        .ok_or_else(|| wrong("has no absolute path"))?;
    let shown = path.display();
    let elsewhere = || wrong(&format!("is not at its path {shown}"));
    let found = fs::symlink_metadata(&path).map_err(|_| elsewhere())?;
    if !found.file_type().is_socket() || found.uid() != uid() {
        return Err(elsewhere());
    }
    if found.mode() & 0o077 != 0 {
        let denial = wrong(&format!("is open to others at {shown}"));
        return Err(denial.hint(format!("chmod 600 '{shown}'")));
    }
    Ok(path)
}

fn wrong(why: &str) -> Denial {
    let message = format!("the socket that was handed over {why}");
    Denial::new(ErrorCode::UnsafeFiles, message)
}

/// Goes on with a socket that was verified.
pub(super) fn take(
    socket: OwnedFd,
    path: &Path,
    is_own: bool,
) -> Result<(SocketListener, Place), Denial> {
    // Anew, so that the system names this process as the one at the other end.
    rustix::net::listen(&socket, BACKLOG).map_err(|error| refused(path, &error.into()))?;
    let listener = interprocess::os::unix::uds_local_socket::tokio::Listener::try_from(socket)
        .map_err(|error| refused(path, &error))?;
    let place = Place {
        inode: inode(path),
        is_own,
    };
    Ok((SocketListener::UdSocket(listener), place))
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
