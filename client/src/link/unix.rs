//! A connection over a Unix socket whose every call ends with the deadline.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use ac_cred_proto::{Denial, ErrorCode};
use interprocess::local_socket::traits::{Stream as _, StreamCommon as _};
use interprocess::local_socket::{PeerCreds, Stream};
use interprocess::os::unix::uds_local_socket::Stream as UnixStream;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::deadline::Deadline;
use crate::endpoint;

/// How much later than its deadline a call may end, so that the socket's timeouts are set again
/// only after a wait and a quick answer costs no system call for them.
const SLACK: Duration = Duration::from_millis(50);

/// A connected socket, and the timeouts that are set on it.
pub(super) struct Wire {
    stream: Stream,
    timeout: Duration,
}

impl Wire {
    /// Connects and waits while the daemon's queue of callers is full; `None` when nobody listens.
    pub(super) fn connect(path: &Path, fuse: Deadline) -> io::Result<Option<Self>> {
        // A path that is too long for a socket has none.
        let Ok(address) = SocketAddrUnix::new(path) else {
            return Ok(None);
        };
        let timeout = fuse.left();
        if timeout.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let socket = closed_in_children()?;
        set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
        set_socket_timeout(&socket, Timeout::Recv, Some(timeout))?;
        loop {
            match rustix::net::connect(&socket, &address) {
                Ok(()) | Err(Errno::ISCONN) => break,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(error) => return Err(error.into()),
            }
        }
        let stream = Stream::UdSocket(UnixStream::from(socket));
        Ok(Some(Self { stream, timeout }))
    }

    /// Refuses a daemon of somebody else, who would be handed a secret.
    pub(super) fn verify_peer(&self, path: &Path) -> Result<(), Denial> {
        let owner = self.peer().and_then(|peer| peer.euid());
        if owner == Some(endpoint::uid()) {
            return Ok(());
        }
        let owner = owner.map_or_else(
            || "a user who cannot be told".to_owned(),
            |owner| format!("user id {owner}"),
        );
        let shown = path.display();
        Err(Denial::new(
            ErrorCode::UnsafeFiles,
            format!("the process that listens on {shown} belongs to {owner}, not to you"),
        )
        .hint(format!("ls -l '{shown}'")))
    }

    #[cfg(target_os = "linux")]
    pub(super) fn peer_pid(&self) -> Option<u32> {
        self.peer()?.pid()?.try_into().ok()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], fuse: Deadline) -> io::Result<usize> {
        loop {
            self.heed(fuse)?;
            match self.stream.read(buffer) {
                Err(error) if is_only_late(&error) => {}
                done => return done,
            }
        }
    }

    pub(super) fn write_all(&mut self, mut bytes: &[u8], fuse: Deadline) -> io::Result<()> {
        while !bytes.is_empty() {
            self.heed(fuse)?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if is_only_late(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the socket's timeouts end with the deadline.
    fn heed(&mut self, fuse: Deadline) -> io::Result<()> {
        let left = fuse.left();
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.timeout.saturating_sub(left) > SLACK {
            self.stream.set_recv_timeout(Some(left))?;
            self.stream.set_send_timeout(Some(left))?;
            self.timeout = left;
        }
        Ok(())
    }

    fn peer(&self) -> Option<PeerCreds> {
        self.stream.peer_creds().ok()
    }
}

/// Whether a call ended by a timeout or a signal, so that only the deadline decides.
fn is_only_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(not(target_vendor = "apple"))]
fn closed_in_children() -> io::Result<OwnedFd> {
    use rustix::net::{SocketFlags, socket_with};

    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        flags,
        None,
    )?)
}

#[cfg(target_vendor = "apple")]
fn closed_in_children() -> io::Result<OwnedFd> {
    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::net::socket;

    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}
