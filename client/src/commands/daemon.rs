//! `daemon`: the daemon's life.

use std::time::Duration;

use ac_cred_proto::message::{Restart, Stop};
use ac_cred_proto::{Denial, Request, Response};

use crate::cli::USUAL_WAIT;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::link::{Broken, Link};
use crate::{launch, output};

/// How long a restart may take: the start of a program, what is being written, and the handover.
const RESTART: Duration = Duration::from_secs(30);

/// Becomes the daemon; returns only the reason why that failed.
pub(super) fn run() -> Denial {
    launch::become_daemon()
}

/// Starts the daemon unless one runs.
pub(super) fn start() -> Result<(), Failure> {
    let deadline = Deadline::after(USUAL_WAIT);
    if Link::find(deadline)?.is_some() {
        output::note("the daemon runs already");
    } else {
        launch::start(deadline)?;
        output::note("the daemon is started");
    }
    Ok(())
}

/// Stops the daemon and waits until nothing is left of it.
pub(super) fn stop() -> Result<(), Failure> {
    let deadline = Deadline::after(USUAL_WAIT);
    let Some(mut link) = Link::find(deadline)? else {
        output::note("no daemon is running");
        return Ok(());
    };
    let process = Process::of(&link);
    match end(&mut link) {
        Ok(()) | Err(Broken::Closed) => {}
        Err(broken) => return Err(Denial::from(broken).into()),
    }
    process.wait(deadline)?;
    output::note("the daemon is stopped");
    Ok(())
}

/// Lets the daemon be replaced by the version that is installed, or starts one where none runs.
pub(super) fn restart() -> Result<(), Failure> {
    let deadline = Deadline::after(RESTART);
    let Some(mut link) = Link::find(deadline)? else {
        launch::start(deadline)?;
        output::note("no daemon was running: one is started");
        return Ok(());
    };
    match link.ask(&Request::Restart(Restart {})) {
        Ok(Response::Done(_)) => {
            output::note("the daemon is restarted");
            Ok(())
        }
        Ok(_) => Err(Denial::from(Broken::Unasked).into()),
        Err(broken) => Err(Denial::from(broken).into()),
    }
}

/// Tells the daemon to end, and waits until it has closed the connection.
fn end(link: &mut Link) -> Result<(), Broken> {
    let Response::Done(_) = link.ask(&Request::Stop(Stop {}))? else {
        return Err(Broken::Unasked);
    };
    link.wait_for_close()
}

/// The daemon's process, where the system lets it be waited for.
struct Process {
    #[cfg(target_os = "linux")]
    handle: Option<std::os::fd::OwnedFd>,
}

#[cfg(target_os = "linux")]
impl Process {
    /// Takes hold of the process at the other end; behind a socket that a service manager opened
    /// the system names the manager, which stays.
    fn of(link: &Link) -> Self {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};

        let is_daemon = |pid: &i32| {
            std::fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|name| name.trim_end() == launch::PROGRAM)
        };
        let handle = link
            .peer_pid()
            .and_then(|pid| i32::try_from(pid).ok())
            .filter(is_daemon)
            .and_then(Pid::from_raw)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Self { handle }
    }

    /// Waits until the process has ended, or the time for it has.
    fn wait(&self, deadline: Deadline) -> Result<(), Denial> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        let Some(handle) = &self.handle else {
            return Ok(());
        };
        loop {
            let left = Timespec::try_from(deadline.left()).ok();
            let mut ended = [PollFd::new(handle, PollFlags::IN)];
            match poll(&mut ended, left.as_ref()) {
                Ok(0) => {
                    return Err(crate::failure::no_daemon(
                        "the daemon takes no callers, but its process has not ended in time",
                    ));
                }
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Process {
    fn of(_link: &Link) -> Self {
        Self {}
    }

    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "a process can be waited for elsewhere"
    )]
    fn wait(&self, _deadline: Deadline) -> Result<(), Denial> {
        Ok(())
    }
}
