//! What each command does: it asks the daemon, or the settings, and says what came of it.

mod audit;
mod daemon;
mod doctor;
mod exec;
mod get;
mod import;
mod list;
mod lock;
mod login;
mod logs;
mod manual;
mod organizations;
mod reject;
mod relocation;
mod service;
mod status;
mod store;
mod unlock;
mod which;

use std::path::{self, Path};

use ac_cred_proto::Denial;

use crate::call::Reach;
use crate::cli::{Command, Daemon, Store};
use crate::companion;
use crate::failure::{Failure, usage};

/// Does what was typed.
pub(crate) fn run(command: Command) -> Result<(), Failure> {
    let reach = reach(&command);
    match command {
        Command::Login(login) => login::run(*login, reach),
        Command::Get(get) => get::run(get, reach),
        Command::Exec(exec) => exec::run(exec, reach),
        Command::List(list) => list::run(&list, reach),
        Command::Status(status) => status::run(status, reach),
        Command::Use(chosen) => organizations::choose(chosen, reach),
        Command::Which(which) => which::run(&which, reach),
        Command::Reject(reject) => reject::run(reject, reach),
        Command::Logout(logout) => organizations::forget(logout, reach),
        Command::Rename(rename) => organizations::rename(rename, reach),
        Command::Lock(lock) => lock::run(&lock, reach),
        Command::Unlock(unlock) => unlock::run(&unlock, reach),
        Command::Store(Store::Passphrase(change)) => store::change_passphrase(&change, reach),
        Command::Doctor(doctor) => doctor::run(&doctor, reach),
        Command::Completions(completions) => manual::complete(&completions),
        Command::Man(man) => manual::show(&man),
        Command::Audit(audit) => audit::run(audit, reach),
        Command::Mcp(_) | Command::Setup(_) => Ok(companion::become_bridge()?),
        Command::Store(Store::Move(wanted)) => relocation::run(&wanted, reach),
        Command::Daemon(Daemon::Run) => Err(daemon::run().into()),
        Command::Daemon(Daemon::Start) => daemon::start(),
        Command::Daemon(Daemon::Stop) => daemon::stop(),
        Command::Daemon(Daemon::Restart) => daemon::restart(),
        Command::Daemon(Daemon::Install) => service::install(),
        Command::Daemon(Daemon::Uninstall) => service::uninstall(),
        Command::Daemon(Daemon::Logs(logs)) => logs::logs(logs.lines),
    }
}

/// What each command may do to get its answer: the one table of it.
fn reach(command: &Command) -> Reach {
    let (starts, repeats) = match command {
        Command::Get(get) => (!get.no_start, true),
        Command::Exec(exec) => (!exec.no_start, true),
        Command::Reject(_) | Command::Doctor(_) => (true, true),
        Command::List(_)
        | Command::Status(_)
        | Command::Which(_)
        | Command::Audit(_)
        | Command::Lock(_) => (false, true),
        // A file is written by this program.
        Command::Use(chosen) => (!chosen.here, chosen.here),
        Command::Login(_)
        | Command::Logout(_)
        | Command::Rename(_)
        | Command::Unlock(_)
        | Command::Store(_) => (true, false),
        // These begin or end it themselves, need none, or are another program's.
        Command::Daemon(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Mcp(_)
        | Command::Setup(_) => (false, false),
    };
    Reach {
        starts,
        repeats,
        becomes_another: matches!(command, Command::Exec(_)),
    }
}

/// The daemon has another working directory, so it is told the whole path.
fn absolute(option: &str, file: &Path) -> Result<String, Denial> {
    path::absolute(file)
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .ok_or_else(|| usage(format!("the path of {option} is empty or not UTF-8")))
}
