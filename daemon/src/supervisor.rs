//! What systemd is told: that the daemon serves, that it lives, that it ends, who goes on.

use crate::policy::Span;

/// The service manager that waits for news, where there is one.
#[derive(Debug, Default)]
pub struct Supervisor {
    #[cfg(unix)]
    socket: Option<std::os::unix::net::UnixDatagram>,
    beat: Option<Span>,
}

impl Supervisor {
    /// The one that the environment names, or none.
    #[cfg(unix)]
    #[must_use]
    pub fn of_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connected(&name).ok());
        let is_for_this =
            std::env::var("WATCHDOG_PID").map_or(true, |pid| pid == std::process::id().to_string());
        let limit = std::env::var("WATCHDOG_USEC")
            .ok()
            .and_then(|microseconds| microseconds.parse::<u64>().ok());
        Self {
            beat: limit
                .filter(|_| is_for_this && socket.is_some())
                .map(|microseconds| Span((microseconds / 2_000).max(1))),
            socket,
        }
    }

    /// None.
    #[cfg(not(unix))]
    #[must_use]
    pub fn of_environment() -> Self {
        Self::default()
    }

    /// How often it wants a sign of life.
    #[must_use]
    pub fn beat(&self) -> Option<Span> {
        self.beat
    }

    /// Whether there is one.
    #[cfg(unix)]
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// There is none.
    #[cfg(not(unix))]
    #[must_use]
    pub fn is_there(&self) -> bool {
        false
    }

    /// Tells it, and does not wait for it.
    pub fn tell(&self, news: &str) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(news.as_bytes())
        {
            tracing::warn!("the service manager was not told: {error}");
        }
        #[cfg(not(unix))]
        let _ = news;
    }
}

/// A socket that leads to a path, or to a name that begins with `@`.
#[cfg(unix)]
fn connected(name: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::unix::ffi::OsStrExt as _;

    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    match name.as_bytes().split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', rest)) => {
            use std::os::linux::net::SocketAddrExt as _;
            socket.connect_addr(&std::os::unix::net::SocketAddr::from_abstract_name(rest)?)?;
        }
        Some((b'/', _)) => socket.connect(name)?,
        _ => return Err(std::io::ErrorKind::InvalidInput.into()),
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
