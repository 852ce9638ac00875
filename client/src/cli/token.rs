//! What can be typed to get a token.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Which;
use crate::words::{duration, whole_seconds};

/// What `get` is told.
#[derive(Debug, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  ac-cred get                      the token of the default or only organization
  ac-cred get acme --min-ttl 30m   a token that lives at least half an hour, or exit 5
  ac-cred get acme --format json   the token, its life and the API's address
  ac-cred get acme --format header | curl -H @- https://api.appcircle.io/...
  eval \"$(ac-cred get acme --format env)\"
  ac-cred get acme --format env --shell fish | source

token    the token
json     the token, its life and the API's address
header   Authorization: Bearer TOKEN, for curl -H @-
headers  the same as a JSON object, for the header helpers of MCP clients
curl     the same as a line of curl's settings, for curl -K -
env      a command that puts the token into AC_ACCESS_TOKEN

It never asks a question. On failure it prints nothing on stdout.")]
pub(crate) struct Get {
    #[command(flatten)]
    pub(crate) which: Which,
    /// What to print, see below
    #[arg(long, value_enum, default_value_t = Format::Token)]
    pub(crate) format: Format,
    /// The shell that reads --format env [default: posix]
    #[arg(long, value_enum)]
    pub(crate) shell: Option<Shell>,
    /// The life that the token must have [default: 5 minutes are wished for, not demanded]
    #[arg(long, value_name = "DURATION", value_parser = whole_seconds)]
    pub(crate) min_ttl: Option<u32>,
    /// Demand a new token
    #[arg(long)]
    pub(crate) refresh: bool,
    /// How long the whole call may take
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "8s")]
    pub(crate) wait: Duration,
    /// Do not start a daemon
    #[arg(long)]
    pub(crate) no_start: bool,
    /// Say nothing on stderr when it succeeds
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How a token is printed; the option's help says what each is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Token,
    Json,
    Header,
    Headers,
    Curl,
    Env,
}

/// Whose command `--format env` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Posix,
    Fish,
    Powershell,
    GithubActions,
}
