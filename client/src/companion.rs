//! Becoming the program beside this one that does what a client which starts fast cannot link.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::Command;

use ac_cred_proto::{Denial, ErrorCode};

use crate::launch;

/// The bridge's program.
const PROGRAM: &str = "ac-cred-mcp";

/// Becomes the bridge, with the words that this program was called with.
pub(crate) fn become_bridge() -> Result<(), Denial> {
    let path = launch::beside_this_program(PROGRAM)
        .map_err(|error| refused(format!("this program cannot be located: {error}")))?;
    if !path.is_file() {
        let shown = path.display();
        return Err(refused(format!(
            "the MCP bridge is not installed: there is no {shown}"
        )));
    }
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let mut command = Command::new(path);
    command.args(words);
    replace_by(command)
}

fn unstartable(error: &io::Error) -> Denial {
    refused(format!("{PROGRAM} cannot be started: {error}"))
}

fn refused(why: String) -> Denial {
    Denial::new(ErrorCode::Internal, why)
}

#[cfg(unix)]
fn replace_by(mut command: Command) -> Result<(), Denial> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(unstartable(&error))
}

/// Runs the bridge as a child, because a Windows process cannot become another program.
#[cfg(windows)]
fn replace_by(mut command: Command) -> Result<(), Denial> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(refused(format!("{PROGRAM} ended: {status}"))),
        Err(error) => Err(unstartable(&error)),
    }
}
