//! Starts a child as the caller of this process would have: signals that are held back here are
//! not held back from it.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::process::Command;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use rustix::process::Pid;

/// Starts a command with these signals held back and no others.
pub(super) fn start(command: &Command, held_back: &SigSet) -> io::Result<Pid> {
    let program = text(command.get_program().as_bytes().to_vec())?;
    let mut words = vec![program.clone()];
    for argument in command.get_args() {
        words.push(text(argument.as_bytes().to_vec())?);
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigmask(held_back)?;
    // What Rust's runtime ignores.
    attributes.set_sigdefault(&SigSet::from_iter([Signal::SIGPIPE]))?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    let actions = PosixSpawnFileActions::init()?;
    let environment = environment(command)?;
    let pid = posix_spawnp(&program, &actions, &attributes, &words, &environment)?;
    Pid::from_raw(pid.as_raw()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The caller's environment with what the command changes.
fn environment(command: &Command) -> io::Result<Vec<CString>> {
    let mut variables: BTreeMap<OsString, OsString> = env::vars_os().collect();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => variables.insert(name.to_owned(), value.to_owned()),
            None => variables.remove(name),
        };
    }
    let pairs = variables.into_iter().map(|(name, value)| {
        let mut pair = name.into_vec();
        pair.push(b'=');
        pair.extend(value.into_vec());
        text(pair)
    });
    pairs.collect()
}

fn text(bytes: Vec<u8>) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}
