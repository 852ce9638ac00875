//! The signals that end the daemon.

use std::io;

use tokio::sync::watch;

use crate::course::Course;

/// The signals of this process; SIGHUP does nothing, as the settings are read again by themselves.
#[cfg(unix)]
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Takes them from the system, and two more whatever the caller had ignored: programs that the
    /// daemon runs have an end that it learns of, and a file that may not grow is an error instead of
    /// the daemon's end.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn take() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let too_long = rustix::process::Signal::XFSZ.as_raw();
        for kind in [SignalKind::child(), SignalKind::from_raw(too_long)] {
            // What is installed stays when nobody listens.
            drop(signal(kind)?);
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT.
    pub async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {}
            }
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub struct Signals {}

#[cfg(not(unix))]
impl Signals {
    /// Nothing has to be taken.
    ///
    /// # Errors
    ///
    /// None.
    pub fn take() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for Ctrl-C.
    pub async fn end(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Signals {
    /// Sets the daemon on its way to its end at the first signal, and is done at the second.
    pub async fn heed(&mut self, course: watch::Sender<Course>) {
        self.end().await;
        course.send_if_modified(Course::end);
        self.end().await;
    }
}
