//! What this program is when the daemon starts it a second time: the one that asks the keyring, or
//! the one that leaves its session and becomes another program.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use crate::child::Order;
use crate::credential_store::keyring;
use crate::harden;

/// The first word for one that asks the keyring; the operation and the organization follow.
const ASK_KEYRING: &str = "--ask-keyring";

/// The first word for one that becomes another program, whose words follow.
const BECOME: &str = "--become";

/// Another run of this program that asks the keyring.
pub fn asking_keyring(operation: &str, user: &str) -> Order {
    this_program().args([ASK_KEYRING, operation, user])
}

/// Another run of this program that leads a session without a terminal and becomes `program`.
#[cfg(unix)]
pub fn becoming(program: &OsStr) -> Order {
    this_program().args([OsStr::new(BECOME), program])
}

/// Windows gives a program no console that the daemon does not have.
#[cfg(not(unix))]
pub fn becoming(program: &OsStr) -> Order {
    Order::new(program)
}

/// This program, also where an upgrade has put another into its place.
fn this_program() -> Order {
    if cfg!(target_os = "linux") {
        return Order::new("/proc/self/exe");
    }
    // Without a name nothing is started, and that is told.
    Order::new(std::env::current_exe().unwrap_or_default())
}

/// Does what the daemon started this run for; nothing when a person or a client has started it.
#[must_use]
pub fn run() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let first = words.next()?;
    if first == ASK_KEYRING {
        // What is not hardened does not see a secret.
        let is_hardened = prepare().is_ok();
        return Some(
            is_hardened
                .then(|| keyring::answer(words))
                .map_or(ExitCode::FAILURE, ExitCode::from),
        );
    }
    (first == BECOME).then(|| become_another(words))
}

/// Gives up what the daemon gave up, and ends with it.
fn prepare() -> std::io::Result<()> {
    end_with_daemon()?;
    harden::give_up_privileges()
}

/// Nobody waits any more for what a daemon asked that has ended.
#[cfg(target_os = "linux")]
fn end_with_daemon() -> std::io::Result<()> {
    let signal = Some(rustix::process::Signal::KILL);
    Ok(rustix::process::set_parent_process_death_signal(signal)?)
}

/// Other systems have no such signal; it ends by its own.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn end_with_daemon() -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn become_another(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    use std::io::Write as _;
    use std::os::unix::process::CommandExt as _;
    let led = end_with_daemon().and_then(|()| Ok(rustix::process::setsid()?));
    let failed = match led {
        Ok(_) => {
            let program = words.next().unwrap_or_default();
            std::process::Command::new(program).args(words).exec()
        }
        Err(error) => error,
    };
    // The daemon reads it; one that does not listen cannot be told.
    writeln!(std::io::stderr(), "it cannot be started: {failed}").ok();
    ExitCode::FAILURE
}

#[cfg(not(unix))]
fn become_another(_words: impl Iterator<Item = OsString>) -> ExitCode {
    ExitCode::FAILURE
}
