//! The endpoint: a private directory, one daemon at a time, and callers of the same user only.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::OwnedFd;
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

#[cfg(unix)]
pub use system::Handles;
pub use system::{HandedOver, find, handed_over};

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
    lock: File,
}

impl Listener {
    /// Takes the endpoint at `path`.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when its directory is not private, when another daemon has it, or when the
    /// system refuses.
    pub fn bind(path: &Path) -> Result<Self, Denial> {
        let lock = only_lock(path)?;
        let (socket, place) = system::bind(path)?;
        Ok(Self {
            socket,
            place,
            path: path.to_owned(),
            lock,
        })
    }

    /// Takes the socket that a service manager has opened.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when it is not a listening socket at a place of this user's alone, or another
    /// daemon has that.
    pub fn adopt(socket: HandedOver) -> Result<Self, Denial> {
        system::verify(&socket)?;
        let path = system::place_of(&socket)?;
        let lock = only_lock(&path)?;
        let (socket, place) = system::take(socket, &path, false)?;
        Ok(Self {
            socket,
            place,
            path,
            lock,
        })
    }

    /// Whether a service manager has opened it.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.place.is_adopted()
    }

    /// Looks whether callers still find this endpoint at its place, and puts it there again where
    /// nothing is.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when the place is another's now, or cannot be had again.
    pub fn keep_place(&mut self) -> Result<(), Denial> {
        if self.place.is_held(&self.path) {
            return Ok(());
        }
        let again = self.place.again(&self.path, &self.lock)?;
        if let Some(lock) = again.lock {
            self.lock = lock;
        }
        (self.socket, self.place) = (again.socket, again.place);
        tracing::warn!(socket = %self.path.display(), "the socket was gone, and is there again");
        Ok(())
    }

    /// Goes on with the socket and the lock of the daemon before this one.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when they are not what they should be.
    #[cfg(unix)]
    pub fn succeed(
        (socket, lock): (OwnedFd, OwnedFd),
        path: &Path,
        owns_socket: bool,
    ) -> Result<Self, Denial> {
        system::verify(&socket)?;
        let (socket, place) = system::take(socket, path, owns_socket)?;
        Ok(Self {
            socket,
            place,
            path: path.to_owned(),
            lock: lock.into(),
        })
    }

    /// What another process needs to go on with the endpoint.
    ///
    /// # Errors
    ///
    /// What the system says.
    #[cfg(unix)]
    pub fn handles(&self) -> io::Result<Handles> {
        self.place.handles(&self.socket, &self.lock)
    }

    /// Takes the endpoint from where callers find it; those who have connected stay.
    pub fn close_door(&self) {
        self.place.leave(&self.path);
    }

    /// The next connection of this user that is there already.
    pub async fn accept_waiting(&self) -> Option<Stream> {
        tokio::select! {
            biased;
            accepted = self.accept() => accepted.ok(),
            () = std::future::ready(()) => None,
        }
    }

    /// Leaves the endpoint to a successor, so that it stays when this is dropped.
    pub fn leave_to_successor(&mut self) {
        self.place.give_up();
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

/// The lock of an endpoint that no other daemon has.
fn only_lock(path: &Path) -> Result<File, Denial> {
    let lock = system::lock(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(taken(path)),
        Err(std::fs::TryLockError::Error(error)) => Err(refused(path, &error)),
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
