//! What each command does: it asks the daemon, or the settings, and says what came of it.

mod daemon;
mod get;
mod list;
mod lock;
mod login;
mod organizations;
mod reject;
mod status;
mod unlock;
mod which;

use crate::call::Reach;
use crate::cli::{Command, Daemon};
use crate::failure::Failure;

/// Does what was typed.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let reach = reach(&command);
    match command {
        Command::Login(login) => login::run(*login, reach),
        Command::Get(get) => get::run(get, reach),
        Command::List(list) => list::run(&list, reach),
        Command::Status(status) => status::run(status, reach),
        Command::Use(chosen) => organizations::choose(chosen, reach),
        Command::Which(which) => which::run(&which, reach),
        Command::Reject(reject) => reject::run(reject, reach),
        Command::Logout(logout) => organizations::forget(logout, reach),
        Command::Rename(rename) => organizations::rename(rename, reach),
        Command::Lock(lock) => lock::run(&lock, reach),
        Command::Unlock(unlock) => unlock::run(&unlock, reach),
        Command::Daemon(Daemon::Run) => Err(daemon::run().into()),
        Command::Daemon(Daemon::Start) => daemon::start(),
        Command::Daemon(Daemon::Stop) => daemon::stop(),
    }
}

/// What each command may do to get its answer: the one table of it.
fn reach(command: &Command) -> Reach {
    let (starts, repeats) = match command {
        Command::Get(get) => (!get.no_start, true),
        Command::Reject(_) => (true, true),
        Command::List(_) | Command::Status(_) | Command::Which(_) | Command::Lock(_) => {
            (false, true)
        }
        // A file is written by this program.
        Command::Use(chosen) => (!chosen.here, chosen.here),
        Command::Login(_) | Command::Logout(_) | Command::Rename(_) | Command::Unlock(_) => {
            (true, false)
        }
        // These begin or end it themselves.
        Command::Daemon(_) => (false, false),
    };
    Reach { starts, repeats }
}
