//! The daemon that starts its successor and hands everything over.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ac_cred_proto::{Denial, ErrorCode};
use data_encoding::BASE64;
use interprocess::local_socket::tokio::Stream;
use interprocess::os::unix::uds_local_socket::tokio::Stream as UnixSocketStream;
use tokio::sync::mpsc;

use crate::credential_store::CredentialStores;
use crate::handover::wire::Wire;
use crate::handover::words::{
    DaemonState, HeldCredential, Moved, Nothing, Ready, Said, SlotState, Told, UnderWay,
    UnsavedSettings,
};
use crate::handover::{Estate, Parting, Relay, not_replaced};
use crate::listener::{Handles, Listener};
use crate::{harden, version};

/// How long a successor may take for each word that is waited for, and to read what it is sent.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The argument that makes a program a successor.
const TAKE_OVER: &str = "--take-over";

/// A connection on its way to a successor.
#[derive(Debug)]
pub struct Passenger(pub(super) OwnedFd);

impl TryFrom<Stream> for Passenger {
    type Error = io::Error;

    fn try_from(stream: Stream) -> io::Result<Self> {
        let Stream::UdSocket(stream) = stream;
        Ok(Self(stream.try_into()?))
    }
}

impl TryFrom<Passenger> for Stream {
    type Error = io::Error;

    fn try_from(passenger: Passenger) -> io::Result<Self> {
        Ok(Self::UdSocket(UnixSocketStream::try_from(passenger.0)?))
    }
}

/// The program that would succeed this one, and what it would be handed.
#[derive(Clone, Debug)]
pub struct Succession(Option<Arc<Start>>);

#[derive(Debug)]
struct Start {
    program: PathBuf,
    socket: PathBuf,
    words: Vec<OsString>,
    handles: Handles,
}

impl Succession {
    /// No program can succeed this one.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// The program that runs, as it stands at its place by then, with the endpoint of `listener` and
    /// these words.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn of(listener: &Listener, words: Vec<OsString>) -> io::Result<Self> {
        Ok(Self(Some(Arc::new(Start {
            program: std::env::current_exe()?,
            socket: listener.path().to_owned(),
            words,
            handles: listener.handles()?,
        }))))
    }

    /// Starts the successor and waits until it may be told everything; this blocks.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when the program is not safe, does not start or is older; nothing is left of it.
    pub fn begin(&self) -> Result<Candidate, Denial> {
        let start = self
            .0
            .as_ref()
            .ok_or_else(|| not_replaced("this daemon cannot be replaced"))?;
        let shown = start.program.display();
        verify(&start.program)?;
        let failed = |error: io::Error| not_replaced(format!("{shown} cannot be started: {error}"));
        let (near, far) = UnixStream::pair().map_err(failed)?;
        let child = command(start).stdin(OwnedFd::from(far)).spawn();
        let mut candidate = Candidate {
            start: Arc::clone(start),
            wire: Wire::from(near),
            child: Some(child.map_err(failed)?),
        };
        candidate
            .wire
            .set_patience(Some(PATIENCE))
            .map_err(failed)?;
        match candidate.word()? {
            Said::Ready(Ready { version }) if !version::is_not_older(&version) => {
                Err(not_replaced(format!(
                    "{shown} is older than the daemon that runs, which is version {}",
                    version::number()
                )))
            }
            Said::Ready(_) if candidate.can_be_dumped() => {
                Err(not_replaced(format!("{shown} can be traced by others")))
            }
            Said::Ready(_) => Ok(candidate),
            Said::Serving(_) => Err(candidate.silent()),
        }
    }
}

/// Whether only the user and root can have put the program there.
fn verify(program: &Path) -> Result<(), Denial> {
    let user = rustix::process::geteuid().as_raw();
    let directory = program.parent().unwrap_or(Path::new("/"));
    for path in [directory, program] {
        let shown = path.display();
        let found = fs::metadata(path)
            .map_err(|error| not_replaced(format!("{shown} cannot be read: {error}")))?;
        if found.uid() != user && found.uid() != 0 {
            let why = format!("{shown} belongs to user id {}, not to you", found.uid());
            return Err(Denial::new(ErrorCode::UnsafeFiles, why).hint(format!("ls -ld '{shown}'")));
        }
        if found.mode() & 0o022 != 0 {
            let why = format!(
                "others can change {shown} (mode {:04o})",
                found.mode() & 0o7777
            );
            return Err(
                Denial::new(ErrorCode::UnsafeFiles, why).hint(format!("chmod go-w '{shown}'"))
            );
        }
    }
    Ok(())
}

/// The program with what this one was told, but for what was meant for this process alone.
fn command(start: &Start) -> Command {
    let mut command = Command::new(&start.program);
    command
        .arg(TAKE_OVER)
        .arg("--socket")
        .arg(&start.socket)
        .args(&start.words)
        .env_clear()
        .envs(inherited_variables())
        .current_dir("/")
        .stdout(Stdio::null());
    command
}

fn inherited_variables() -> impl Iterator<Item = (OsString, OsString)> {
    let of_this_process = ["LISTEN_FDNAMES", "LISTEN_FDS", "LISTEN_PID", "WATCHDOG_PID"];
    let variables = harden::allowed(std::env::vars_os());
    variables.filter(move |(name, _)| !of_this_process.iter().any(|own| name == *own))
}

/// A successor that has been started and not been told anything; it is killed when it is dropped.
#[derive(Debug)]
pub struct Candidate {
    start: Arc<Start>,
    wire: Wire,
    child: Option<Child>,
}

impl Candidate {
    fn word(&mut self) -> Result<Said, Denial> {
        match self.wire.receive() {
            Ok(Some(said)) => Ok(said),
            Ok(None) => Err(self.silent()),
            Err(error) => {
                tracing::warn!("the successor said nothing: {error}");
                Err(self.silent())
            }
        }
    }

    fn silent(&self) -> Denial {
        let shown = self.start.program.display();
        not_replaced(format!("{shown} did not take over"))
    }

    /// Whether other processes of this user could read its memory; of root's this cannot be told.
    #[cfg(target_os = "linux")]
    fn can_be_dumped(&self) -> bool {
        let user = rustix::process::geteuid().as_raw();
        let pid = self.child.as_ref().map_or(0, Child::id);
        let owner = fs::metadata(format!("/proc/{pid}/environ")).map(|found| found.uid());
        user != 0 && owner.is_ok_and(|owner| owner == user)
    }

    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, reason = "other systems do not show it")]
    fn can_be_dumped(&self) -> bool {
        false
    }

    /// Tells the successor everything and waits until it serves; this blocks.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when it does not serve; nothing is left of it then, and nothing has changed here.
    pub fn give(mut self, estate: Estate, stores: &CredentialStores) -> Result<Relay, Denial> {
        if let Err(error) = self.tell(estate, stores) {
            tracing::warn!("the successor was not told everything: {error}");
            return Err(self.silent());
        }
        match self.word()? {
            Said::Serving(_) => Ok(self.relay()),
            Said::Ready(_) => Err(self.silent()),
        }
    }

    fn tell(&mut self, estate: Estate, stores: &CredentialStores) -> io::Result<()> {
        let start = Arc::clone(&self.start);
        let daemon = daemon_state(&estate, start.handles.owns_socket, stores)?;
        let handles = [start.handles.socket.as_fd(), start.handles.lock.as_fd()];
        self.wire.send(&Told::Daemon(Box::new(daemon)), &handles)?;
        for (organization, settings) in estate.settings {
            let settings = Box::new(settings);
            let unsaved = UnsavedSettings {
                organization,
                settings,
            };
            self.wire.send(&Told::Settings(unsaved), &[])?;
        }
        for (organization, record) in stores.memory().records().map_err(io::Error::other)? {
            let held = HeldCredential {
                organization,
                credential: record.credential,
                bound_to: record.binding,
            };
            self.wire.send(&Told::Credential(held), &[])?;
        }
        for (organization, slot) in estate.slots {
            let state = Box::new(SlotState { organization, slot });
            self.wire.send(&Told::Slot(state), &[])?;
        }
        for (attempt, organization) in estate.under_way {
            let under_way = UnderWay {
                attempt,
                organization,
            };
            self.wire.send(&Told::UnderWay(under_way), &[])?;
        }
        self.wire.send(&Told::Whole(Nothing {}), &[])
    }

    /// The way to the successor, which is not killed any more.
    fn relay(mut self) -> Relay {
        let (partings, mut leaving) = mpsc::unbounded_channel();
        let process = Arc::new(Process::of(self.child.take()));
        std::thread::spawn(move || {
            while let Some(parting) = leaving.blocking_recv() {
                part(&mut self.wire, parting);
            }
        });
        Relay { partings, process }
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn daemon_state(
    estate: &Estate,
    owns_socket: bool,
    stores: &CredentialStores,
) -> io::Result<DaemonState> {
    let file = stores.file();
    Ok(DaemonState {
        owns_socket,
        last_number: estate.last_number,
        last_used: estate.last_used,
        warned: estate.warned.clone(),
        default: estate.default.clone(),
        passphrase: file.known_passphrase().map_err(io::Error::other)?,
        is_shut: file.is_shut(),
        wrong_passphrases: file.wrong_in_a_row(),
    })
}

fn part(wire: &mut Wire, parting: Parting) {
    let sent = match parting {
        Parting::Connection(passenger, unanswered) => {
            let moved = Moved {
                unread: BASE64.encode(&unanswered.bytes),
                asked: unanswered.asked,
            };
            wire.send(&Told::Connection(moved), &[passenger.0.as_fd()])
        }
        Parting::Exchanged(exchanged) => wire.send(&Told::Exchanged(exchanged), &[]),
        Parting::Audited(entry) => wire.send(&Told::Audited(entry), &[]),
        Parting::Last(arrived) => {
            arrived.send(()).ok();
            Ok(())
        }
    };
    // What cannot be handed over is closed, and its caller asks again.
    if let Err(error) = sent {
        tracing::warn!("the successor took no more: {error}");
    }
}

/// The process of a successor that serves.
#[derive(Debug)]
pub(super) struct Process {
    pid: Option<u32>,
    child: Mutex<Option<Child>>,
}

impl Process {
    fn of(child: Option<Child>) -> Self {
        Self {
            pid: child.as_ref().map(Child::id),
            child: Mutex::new(child),
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    pub(super) fn wait(&self) {
        let child = self
            .child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut child) = child {
            child.wait().ok();
        }
    }

    pub(super) fn end(&self) {
        use rustix::process::{Pid, Signal, kill_process};
        let pid = self.pid.and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended by itself.
            kill_process(pid, Signal::TERM).ok();
        }
    }
}
