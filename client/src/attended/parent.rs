//! A child that is run as if this process were it: signals are passed on, a stop is followed, and
//! the end is the same.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use ac_cred_proto::message::Lease;
use ac_cred_proto::{Denial, ErrorCode};
use nix::sys::signal::{self, SigSet, SigmaskHow};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, waitpid};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::keeper::Keeper;
use super::start::start;
use crate::child;
use crate::core_dump;
use crate::failure::Failure;

/// What is passed on, where it has not reached the child already.
const PASSED_ON: [signal::Signal; 9] = [
    signal::SIGHUP,
    signal::SIGINT,
    signal::SIGQUIT,
    signal::SIGTERM,
    signal::SIGUSR1,
    signal::SIGUSR2,
    signal::SIGWINCH,
    signal::SIGTSTP,
    signal::SIGCONT,
];
/// The sender of a signal that a key or a closed terminal has caused (sigaction(2)); those go to
/// the child as well.
const FROM_KERNEL: i32 = 0x80;
/// What a shell adds to the number of the signal that ended a program.
const ENDED_BY_SIGNAL: i32 = 128;

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// In a way that is not to be learnt, because the caller has the end of children ignored.
    Unknown,
}

/// Signals that wait until they are read.
pub(super) struct Signals {
    waiting: SignalFd,
    /// What was held back already, by the caller.
    held_before: SigSet,
}

impl Signals {
    /// Holds them back from now on, so that none ends this process before it has tidied.
    pub(super) fn held_back() -> Result<Self, Denial> {
        let mut held = SigSet::from_iter(PASSED_ON);
        held.add(signal::SIGCHLD);
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let held_before = held.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        held_before
            .and_then(|held_before| {
                Ok(Self {
                    waiting: SignalFd::with_flags(&held, flags)?,
                    held_before,
                })
            })
            .map_err(|error| {
                let message = format!("signals cannot be read: {error}");
                Denial::new(ErrorCode::Internal, message)
            })
    }
}

/// Runs a child to its end, and keeps its files meanwhile.
pub(super) fn run(
    command: &Command,
    signals: &Signals,
    keeper: &mut Keeper<'_>,
) -> io::Result<End> {
    let alarm = Alarm::new()?;
    let (answered, mut wake) = UnixStream::pair()?;
    wake.set_nonblocking(true)?;
    let child = start(command, &signals.held_before)?;
    alarm.ring_after(keeper.pause())?;
    let mut answer = None;
    loop {
        wait_for_any(signals, &alarm, &wake)?;
        pass_on(signals, child)?;
        if let Some(end) = follow(child)? {
            return Ok(end);
        }
        if alarm.has_rung() {
            answer = Some(ask(keeper, answered.try_clone()?)?);
        }
        if wake.read(&mut [0]).is_ok()
            && let Some(lease) = answer.take().and_then(|answer| answer.recv().ok())
        {
            alarm.ring_after(keeper.take(lease))?;
        }
    }
}

/// Asks for the token in a thread of its own: a slow Auth API delays no signal.
fn ask(
    keeper: &Keeper<'_>,
    mut answered: UnixStream,
) -> io::Result<Receiver<Result<Lease, Denial>>> {
    let question = keeper.question();
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        sender.send(question()).ok();
        answered.write_all(&[0]).ok();
    })?;
    Ok(receiver)
}

fn wait_for_any(signals: &Signals, alarm: &Alarm, wake: &UnixStream) -> io::Result<()> {
    let all = [signals.waiting.as_fd(), alarm.0.as_fd(), wake.as_fd()];
    let mut all = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
    match poll(&mut all, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn pass_on(signals: &Signals, child: Pid) -> io::Result<()> {
    while let Some(info) = signals.waiting.read_signal()? {
        let is_from_child = i32::try_from(info.ssi_pid) == Ok(child.as_raw_nonzero().get());
        let has_reached_child = info.ssi_code == FROM_KERNEL || is_from_child;
        let number = i32::try_from(info.ssi_signo).unwrap_or_default();
        let signal = Signal::from_named_raw(number).filter(|&signal| signal != Signal::CHILD);
        if let Some(signal) = signal.filter(|_| !has_reached_child) {
            // It may have ended just now.
            kill_process(child, signal).ok();
        }
    }
    Ok(())
}

/// Stops where the child was stopped at the terminal, and learns of its end.
fn follow(child: Pid) -> io::Result<Option<End>> {
    match waitpid(Some(child), WaitOptions::NOHANG | WaitOptions::UNTRACED) {
        Ok(Some((_, status))) if status.stopped() => {
            let at_terminal = [Signal::TSTP, Signal::TTIN, Signal::TTOU].map(Signal::as_raw);
            let signal = status.stopping_signal();
            if signal.is_some_and(|signal| at_terminal.contains(&signal)) {
                kill_process(getpid(), Signal::STOP)?;
            }
            Ok(None)
        }
        Ok(Some((_, status))) => Ok(Some(end_of(status))),
        Ok(None) => Ok(None),
        Err(Errno::CHILD) => Ok(Some(End::Unknown)),
        Err(error) => Err(error.into()),
    }
}

fn end_of(status: WaitStatus) -> End {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Code(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Unknown,
    }
}

/// Ends this process as the child has ended.
pub(super) fn end_like(end: End) -> Result<(), Failure> {
    match end {
        End::Code(code) => child::ended(u8::try_from(code).unwrap_or(u8::MAX)),
        End::Signal(number) => {
            die_by(number);
            child::ended(u8::try_from(ENDED_BY_SIGNAL + number).unwrap_or(u8::MAX))
        }
        End::Unknown => Err(Denial::new(
            ErrorCode::Internal,
            "how the program ended is not known, because the end of children is ignored here",
        )
        .into()),
    }
}

/// Ends by a signal, where it is not ignored; whoever waits for this process sees what it would
/// have seen of the child.
fn die_by(number: i32) {
    // This process holds a token: it leaves no picture of its memory.
    let leaves_nothing = core_dump::forbid().is_ok();
    if let Some(signal) = Signal::from_named_raw(number).filter(|_| leaves_nothing) {
        SigSet::all().thread_unblock().ok();
        kill_process(getpid(), signal).ok();
    }
}

/// Rings once, by a clock that goes on while the system sleeps.
struct Alarm(OwnedFd);

impl Alarm {
    fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(timerfd_create(TimerfdClockId::Boottime, flags)?))
    }

    fn ring_after(&self, pause: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(pause).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// Whether it has rung since it was asked last.
    fn has_rung(&self) -> bool {
        rustix::io::read(&self.0, &mut [0; 8]).is_ok()
    }
}
