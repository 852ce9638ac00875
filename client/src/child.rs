//! The program that `exec` runs: what it finds in its environment, and how it is started.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Command;

use ac_cred_proto::message::{Destination, Lease};

use crate::failure::Failure;

/// The variables that hold the token.
pub(crate) const TOKEN_VARIABLES: [&str; 2] = ["AC_ACCESS_TOKEN", "APPCIRCLE_ACCESS_TOKEN"];
/// The variable that holds the base of the API.
const API_VARIABLE: &str = "AC_API_ENDPOINT";
/// The variable that holds the base of the Auth API.
const AUTH_VARIABLE: &str = "AC_AUTH_ENDPOINT";
/// How the variables of ac-cred itself begin.
const OWN_VARIABLES: &str = "AC_CRED_";

/// Whether a variable has a meaning of its own, so that it can hold no token.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == API_VARIABLE || name == AUTH_VARIABLE || name.starts_with(OWN_VARIABLES)
}

/// A program with its caller's environment, the token, and where it is for.
pub(crate) fn command(
    words: &[OsString],
    lease: &Lease,
    destination: &Destination,
    more_variables: &[String],
) -> Command {
    let (program, arguments) = words.split_first().expect("the parser demands a program");
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(API_VARIABLE, &destination.api_url)
        .env(AUTH_VARIABLE, &destination.auth_url);
    for name in TOKEN_VARIABLES
        .into_iter()
        .chain(more_variables.iter().map(String::as_str))
    {
        command.env(name, lease.access_token.expose());
    }
    command
}

/// Becomes the program; returns only the reason why that failed.
#[cfg(unix)]
pub(crate) fn become_program(mut command: Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt as _;

    let error = command.exec();
    Err(unstarted(&command, &error))
}

/// Runs the program to its end, because a Windows process cannot become another one.
#[cfg(windows)]
pub(crate) fn become_program(mut command: Command) -> Result<(), Failure> {
    match command.status() {
        // A process of ours can end with a byte only.
        Ok(status) => ended(
            status
                .code()
                .map_or(1, |code| u8::try_from(code).unwrap_or(1)),
        ),
        Err(error) => Err(unstarted(&command, &error)),
    }
}

/// What a program ended with, as the end of this process.
#[cfg(any(target_os = "linux", windows))]
pub(crate) fn ended(code: u8) -> Result<(), Failure> {
    match code {
        0 => Ok(()),
        code => Err(Failure::ProgramEnded(code)),
    }
}

/// Why a program could not be started, with the exit code that a shell has for that.
pub(crate) fn unstarted(command: &Command, error: &io::Error) -> Failure {
    let program = Path::new(command.get_program());
    let shown = program.display();
    if error.kind() != io::ErrorKind::NotFound {
        Failure::NotExecutable(format!("{shown} cannot be run: {error}"))
    } else if program.components().count() > 1 {
        Failure::NotFound(format!("there is no {shown}, or not what runs it"))
    } else {
        Failure::NotFound(format!("there is no command {shown}"))
    }
}
