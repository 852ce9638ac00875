//! The endpoint on Windows: a named pipe that only its owner may open. Type-checked, not yet run.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::SOCKET_VARIABLE;
use ac_cred_proto::{Denial, ErrorCode, WIRE_VERSION};
use interprocess::local_socket::tokio::{Listener as SocketListener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions};
use interprocess::os::windows::local_socket::ListenerOptionsExt as _;
use interprocess::os::windows::security_descriptor::SecurityDescriptor;
use widestring::u16cstr;

use super::refused;
use crate::audit::Caller;

/// No service manager hands pipes over.
pub enum HandedOver {}

/// None.
///
/// # Errors
///
/// None.
pub fn handed_over() -> Result<Option<HandedOver>, Denial> {
    Ok(None)
}

/// An endpoint at its old place.
pub(super) struct Again {
    pub(super) socket: SocketListener,
    pub(super) place: Place,
    pub(super) lock: Option<File>,
}

pub(super) fn verify(socket: &HandedOver) -> Result<(), Denial> {
    match *socket {}
}

pub(super) fn place_of(socket: &HandedOver) -> Result<PathBuf, Denial> {
    match *socket {}
}

pub(super) fn take(
    socket: HandedOver,
    _path: &Path,
    _is_own: bool,
) -> Result<(SocketListener, Place), Denial> {
    match socket {}
}

/// Nothing stays behind a pipe.
pub(super) struct Place;

impl Place {
    /// A pipe is gone with its last handle.
    pub(super) fn leave(&self, _path: &Path) {}

    /// The same.
    pub(super) fn give_up(&mut self) {}

    /// No service manager opens pipes.
    pub(super) fn is_adopted(&self) -> bool {
        false
    }

    /// A pipe's name is its own as long as it is open.
    pub(super) fn is_held(&self, _path: &Path) -> bool {
        true
    }

    pub(super) fn again(&self, path: &Path, _lock: &File) -> Result<Again, Denial> {
        let (socket, place) = bind(path)?;
        Ok(Again {
            socket,
            place,
            lock: None,
        })
    }
}

/// Where this user's daemon listens.
///
/// # Errors
///
/// A [`Denial`] when the system does not name the user.
pub fn find() -> Result<Vec<PathBuf>, Denial> {
    if let Some(said) = std::env::var_os(SOCKET_VARIABLE) {
        return Ok(vec![PathBuf::from(said)]);
    }
    let user = std::env::var("USERNAME").map_err(|_| {
        Denial::new(
            ErrorCode::DaemonUnreachable,
            format!("USERNAME is not set; set {SOCKET_VARIABLE}"),
        )
    })?;
    Ok(vec![PathBuf::from(format!(
        r"\\.\pipe\ac-cred-v{WIRE_VERSION}-{user}"
    ))])
}

/// Opens the lock in the user's own application data.
pub(super) fn lock(path: &Path) -> Result<File, Denial> {
    let data = std::env::var_os("LOCALAPPDATA")
        .map(PathBuf::from)
        .ok_or_else(|| Denial::new(ErrorCode::DaemonUnreachable, "LOCALAPPDATA is not set"))?;
    let directory = data.join("ac-cred");
    fs::create_dir_all(&directory).map_err(|error| refused(&directory, &error))?;
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let lock = directory.join(format!("{name}.lock"));
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&lock)
        .map_err(|error| refused(&lock, &error))
}

/// Makes the first instance of the pipe, for its owner alone.
pub(super) fn bind(path: &Path) -> Result<(SocketListener, Place), Denial> {
    let listen = || {
        let owner_only = SecurityDescriptor::deserialize(u16cstr!("D:P(A;;GA;;;OW)"))?;
        ListenerOptions::new()
            .name(path.to_fs_name::<GenericFilePath>()?)
            .security_descriptor(owner_only)
            .create_tokio()
    };
    listen()
        .map(|listener| (listener, Place))
        .map_err(|error| refused(path, &error))
}

/// Nobody: the caller has no uid, and its process is not asked for.
pub(super) fn caller(_stream: &Stream) -> Caller {
    Caller::default()
}

/// The pipe's security descriptor has let nobody else in.
pub(super) fn is_own(_stream: &Stream) -> bool {
    true
}
