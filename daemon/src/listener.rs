//! The endpoint: a private directory, one daemon at a time, and callers of the same user only.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use ac_cred_proto::{Denial, ErrorCode};
use interprocess::local_socket::tokio::{Listener as SocketListener, Stream, prelude::*};

use crate::audit::Caller;

#[cfg(unix)]
#[path = "listener/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "listener/windows.rs"]
mod system;

pub use system::find;

/// Who is at the other end of a connection, as far as the system tells.
#[must_use]
pub fn caller(stream: &Stream) -> Caller {
    system::caller(stream)
}

/// The endpoint of this daemon, its own until it is dropped.
pub struct Listener {
    socket: SocketListener,
    place: system::Place,
    path: PathBuf,
    /// Held for life: the system lets go of it when the process ends, however it ends.
    _lock: File,
}

impl Listener {
    /// Takes the endpoint at `path`.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when its directory is not private, when another daemon has it, or when the
    /// system refuses.
    pub fn bind(path: &Path) -> Result<Self, Denial> {
        let lock = system::lock(path)?;
        if let Err(error) = lock.try_lock() {
            return Err(match error {
                std::fs::TryLockError::WouldBlock => taken(path),
                std::fs::TryLockError::Error(error) => refused(path, &error),
            });
        }
        let (socket, place) = system::bind(path)?;
        Ok(Self {
            socket,
            place,
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection of this user; connections of others are closed unread.
    ///
    /// # Errors
    ///
    /// What the system says; the next call may succeed.
    pub async fn accept(&self) -> io::Result<Stream> {
        loop {
            let stream = self.socket.accept().await?;
            if system::is_own(&stream) {
                return Ok(stream);
            }
            tracing::warn!("a connection of another user was closed");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.place.leave(&self.path);
    }
}

fn taken(path: &Path) -> Denial {
    Denial::new(
        ErrorCode::DaemonUnreachable,
        format!("another ac-credd serves {}", path.display()),
    )
    .hint("ac-cred status")
}

/// What a person is told when the system refuses the endpoint.
fn refused(path: &Path, error: &io::Error) -> Denial {
    Denial::new(
        ErrorCode::DaemonUnreachable,
        format!("the socket {} cannot be made: {error}", path.display()),
    )
}
