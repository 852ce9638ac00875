//! What can be typed to run a program with a token.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Which;
use crate::words::{duration, variable, whole_seconds};

/// What `exec` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred exec acme -- ./release.sh
  ac-cred exec acme -- appcircle build profile list
  ac-cred exec acme --env HURL_VARIABLE_token -- hurl release.hurl
  ac-cred exec acme --token-file TOKEN_FILE -- ./long-build.sh

CMD finds the token in AC_ACCESS_TOKEN and APPCIRCLE_ACCESS_TOKEN, and the addresses of the API
and the Auth API in AC_API_ENDPOINT and AC_AUTH_ENDPOINT. ac-cred becomes CMD; only with
--token-file, and for appcircle, it stays beside CMD, to keep a file fresh and remove it.

A token in the environment runs out while a long build goes on; the one in the file does not:
read it each time. appcircle reads no variable, but a file of its own: it gets one for this run.

The exit code is CMD's; 127 if there is no CMD, 126 if it cannot be run. Where there is no token,
CMD is not started.")]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) which: Which,
    /// A variable that holds the token as well; can be given several times
    #[arg(long = "env", value_name = "NAME", value_parser = variable)]
    pub(crate) variables: Vec<String>,
    /// A variable that names a file in memory, which holds a valid token as long as CMD runs
    #[arg(long, value_name = "VAR", value_parser = variable)]
    pub(crate) token_file: Option<String>,
    /// What CMD is, where its name does not say so
    #[arg(long = "for", value_name = "PROGRAM", value_enum)]
    pub(crate) program: Option<Program>,
    /// The life that the token must have [default: 5 minutes are wished for, not demanded]
    #[arg(long, value_name = "DURATION", value_parser = whole_seconds)]
    pub(crate) min_ttl: Option<u32>,
    /// How long to wait for the token
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "8s")]
    pub(crate) wait: Duration,
    /// Do not start a daemon
    #[arg(long)]
    pub(crate) no_start: bool,
    /// Say nothing on stderr while there is a token
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The program and its arguments, behind --
    #[arg(value_name = "CMD", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

/// A program that gets its token in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    AppcircleCli,
}
