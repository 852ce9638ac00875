//! Starting the daemon: one of all callers starts it, the others wait for it.
//!
//! Only the `ac-credd` beside this program is started, or the one at a path fixed at build time,
//! with an environment that holds nothing but what is listed here.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{self, Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use ac_cred_proto::{Denial, frame};

use crate::deadline::{Deadline, within};
use crate::endpoint;
use crate::failure::no_daemon;
use crate::link::Link;

/// The daemon's program.
pub(crate) const PROGRAM: &str = "ac-credd";
/// What the daemon says once it listens.
const READY: &str = "ready";
/// The variable that names the file with the passphrase.
pub(crate) const PASSPHRASE_FILE_VARIABLE: &str = "AC_CRED_PASSPHRASE_FILE";

/// The variables that every daemon inherits: where the home, the keyring and the passphrase are.
#[cfg(unix)]
const INHERITED: &[&str] = &["HOME", "DBUS_SESSION_BUS_ADDRESS", "CREDENTIALS_DIRECTORY"];
/// The variables that every daemon inherits: who the user is, and where the system is.
#[cfg(windows)]
const INHERITED: &[&str] = &[
    "USERPROFILE",
    "USERNAME",
    "USERDOMAIN",
    "APPDATA",
    "LOCALAPPDATA",
    "SystemRoot",
    "TEMP",
];
/// What a daemon in the foreground inherits besides: its terminal and its service manager.
const INHERITED_IN_FOREGROUND: &[&str] = &[
    "TERM",
    "NO_COLOR",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Connects to a daemon that this caller, or another one at the same time, has started.
pub(crate) fn start(deadline: Deadline) -> Result<Link, Denial> {
    let socket = endpoint::prepared()?;
    let _lock = launch_lock(&socket, deadline)?;
    if let Some(link) = Link::open(&socket, deadline)? {
        return Ok(link);
    }
    let started = start_listening(&socket, deadline);
    // A daemon that somebody started by hand at the same time does as well.
    match Link::open(&socket, deadline)? {
        Some(link) => Ok(link),
        None => Err(started
            .err()
            .unwrap_or_else(|| no_daemon("the daemon ended as soon as it had started"))),
    }
}

/// The same by a process of its own: whoever starts a daemon gives up the descriptors that it has
/// from its caller, and they may be for the program that this process becomes.
pub(crate) fn start_apart(deadline: Deadline) -> Result<Link, Denial> {
    let started = env::current_exe().and_then(|program| {
        Command::new(program)
            .args(["daemon", "start"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    });
    if let Ok(mut starter) = started {
        within(deadline.left(), move || starter.wait());
    }
    match Link::find(deadline)? {
        Some(link) => Ok(link),
        // The true reason is found out here.
        None => start(deadline),
    }
}

/// Becomes the daemon; returns only the reason why that failed.
pub(crate) fn become_daemon() -> Denial {
    let command = endpoint::prepared().and_then(|socket| {
        let mut command = daemon(&socket)?;
        command.envs(inherited(INHERITED_IN_FOREGROUND));
        Ok(command)
    });
    match command {
        Ok(command) => replace_by(command),
        Err(denial) => denial,
    }
}

/// Waits until no other caller is starting a daemon; the lock ends with the file.
fn launch_lock(socket: &Path, deadline: Deadline) -> Result<File, Denial> {
    let path = endpoint::directory(socket)
        .unwrap_or_default()
        .join("launch.lock");
    let refused =
        |error: io::Error| no_daemon(format!("{} cannot be locked: {error}", path.display()));
    let file = private_file(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(refused(error)),
        Err(TryLockError::WouldBlock) => {
            within(deadline.left(), move || file.lock().map(|()| file))
                .ok_or_else(|| {
                    no_daemon("another call is starting the daemon, and it takes too long")
                })?
                .map_err(refused)
        }
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Starts the daemon, and once more where it was killed before it said anything.
fn start_listening(socket: &Path, deadline: Deadline) -> Result<(), Denial> {
    for _ in 0..2 {
        if spawn(socket, deadline)? {
            return Ok(());
        }
    }
    Err(no_daemon("the daemon ended before it was ready").hint("ac-cred daemon run"))
}

/// Starts the daemon and waits until it listens, or says why it does not; false where it ended without
/// a word.
fn spawn(socket: &Path, deadline: Deadline) -> Result<bool, Denial> {
    let mut command = daemon(socket)?;
    command
        .arg("--on-demand")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    #[cfg(unix)]
    close_fds::set_fds_cloexec(3, &[]);
    let mut child = command.spawn().map_err(|error| unstartable(&error))?;
    let Some(stdout) = child.stdout.take() else {
        return Ok(false);
    };
    let line = within(deadline.left(), move || first_line(stdout))
        .ok_or_else(|| no_daemon("the daemon did not start in time"))?;
    if line.trim_end() == READY {
        return Ok(true);
    }
    // Who is told that the daemon did not start finds none that is still ending.
    within(deadline.left(), move || child.wait());
    serde_json::from_str(&line).map_or(Ok(false), Err)
}

/// What the daemon says first; nothing when it ends without a word.
fn first_line(stdout: ChildStdout) -> String {
    let limit = u64::try_from(frame::MAX_LENGTH).unwrap_or(u64::MAX);
    let mut line = String::new();
    BufReader::new(stdout.take(limit)).read_line(&mut line).ok();
    line
}

fn unstartable(error: &io::Error) -> Denial {
    no_daemon(format!("{PROGRAM} cannot be started: {error}"))
}

/// The daemon with nothing of the caller's but what it is meant to have.
fn daemon(socket: &Path) -> Result<Command, Denial> {
    let mut command = Command::new(program()?);
    command
        .arg("--socket")
        .arg(socket)
        .env_clear()
        .envs(inherited(INHERITED))
        .current_dir(if cfg!(windows) { r"C:\" } else { "/" });
    #[cfg(unix)]
    command.env("PATH", "/usr/bin:/bin");
    if let Some(file) = env::var_os(PASSPHRASE_FILE_VARIABLE) {
        // The daemon's directory is another one.
        let file = path::absolute(&file).unwrap_or_else(|_| file.into());
        command.env(PASSPHRASE_FILE_VARIABLE, file);
    }
    Ok(command)
}

fn inherited<'a>(names: &'a [&'a str]) -> impl Iterator<Item = (&'a str, std::ffi::OsString)> {
    names
        .iter()
        .filter_map(|&name| env::var_os(name).map(|value| (name, value)))
}

/// The path of the daemon's program.
pub(crate) fn program() -> Result<PathBuf, Denial> {
    let path = match option_env!("AC_CRED_DAEMON") {
        Some(fixed) => PathBuf::from(fixed),
        None => beside_this_program(PROGRAM)
            .map_err(|error| no_daemon(format!("this program cannot be located: {error}")))?,
    };
    if path.is_file() {
        Ok(path)
    } else {
        let shown = path.display();
        Err(no_daemon(format!(
            "the daemon is not installed: there is no {shown}"
        )))
    }
}

/// Where a program of this name is that was installed together with this one.
pub(crate) fn beside_this_program(name: &str) -> io::Result<PathBuf> {
    let program = env::current_exe()?;
    // The file of a program that was replaced while it runs has another name, in the same directory.
    let program = fs::canonicalize(&program).unwrap_or(program);
    let mut name = OsStr::new(name).to_owned();
    name.push(env::consts::EXE_SUFFIX);
    Ok(program.with_file_name(name))
}

/// Keeps the caller's descriptors from the daemon, except the sockets that systemd hands over.
#[cfg(unix)]
fn replace_by(mut command: Command) -> Denial {
    use std::os::unix::process::CommandExt as _;

    let is_mine = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    let handed_over: i32 = env::var("LISTEN_FDS")
        .ok()
        .filter(|_| is_mine)
        .and_then(|count| count.parse().ok())
        .filter(|count| (0..=1_024).contains(count))
        .unwrap_or(0);
    let kept: Vec<i32> = (3..3 + handed_over).collect();
    close_fds::set_fds_cloexec(3, &kept);
    unstartable(&command.exec())
}

/// Runs the daemon as a child, because a Windows process cannot become another program.
#[cfg(windows)]
fn replace_by(mut command: Command) -> Denial {
    match command.status() {
        Ok(status) => no_daemon(format!("the daemon ended: {status}")),
        Err(error) => unstartable(&error),
    }
}
