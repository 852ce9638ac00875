//! What can be typed. The help is the manual, and parsing looks at nothing but the words.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ac_cred_proto::Org;
use ac_cred_proto::settings::{self, EndpointVersion, Kind};
use ac_cred_proto::time::Timestamp;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::audit::Audit;
pub(crate) use self::directory::{ShowWhich, Use};
pub(crate) use self::doctor::Doctor;
pub(crate) use self::exec::{Exec, Program};
pub(crate) use self::manual::{Completions, Man, SHELLS};
pub use self::mcp::McpClient;
pub(crate) use self::mcp::{Mcp, Setup};
pub(crate) use self::store::{Lock, Store, StoreMove, StorePassphrase, Unlock};
pub(crate) use self::token::{Format, Get, Shell};
use crate::words::duration;

mod audit;
mod directory;
mod doctor;
mod exec;
mod manual;
mod mcp;
mod store;
mod token;

/// How long `get` and `reject` wait unless told otherwise, and every command that is not told.
pub(crate) const USUAL_WAIT: Duration = Duration::from_secs(8);

/// Appcircle session tokens: log in once, get a token anywhere
#[derive(Debug, Parser)]
#[command(
    name = "ac-cred",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  ac-cred login acme                           store the key of an organization
  ac-cred get acme                             print a session token
  ac-cred exec acme -- ./release.sh            run a program with it

Which organization: the argument, then --org, then AC_CRED_ORG, then the nearest
.ac-cred.toml (ac-cred use --here ORG), then the default (ac-cred use ORG), then the
only one. ac-cred which says which one it is, and why.

Exit codes: 0 done, 1 internal, 2 usage, 3 no such organization or none chosen,
4 a person must log in, 5 the Auth API did not answer well, 6 refused here, 7 no daemon."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Store a credential and prove it with one exchange
    Login(Box<Login>),
    /// Print a session token
    Get(Get),
    /// Run a program with a session token
    Exec(Exec),
    /// Print the names of the organizations, one a line
    List(List),
    /// Show what is known and how long it lives
    Status(Status),
    /// Choose the default organization, or that of this directory
    Use(Use),
    /// Print the organization that is meant here, and say why
    Which(ShowWhich),
    /// Replace a token that the API answered with 401
    Reject(Reject),
    /// Forget an organization's credential, token and settings
    Logout(Logout),
    /// Change an organization's name
    Rename(Rename),
    /// Drop every secret from memory
    Lock(Lock),
    /// Open the encrypted file of credentials
    Unlock(Unlock),
    /// Move a credential to another store, or change what opens the encrypted file
    #[command(subcommand, arg_required_else_help = true)]
    Store(Store),
    /// Give MCP clients a fresh token in every request
    Mcp(Mcp),
    /// Make an MCP client use Appcircle
    Setup(Setup),
    /// Show who asked for what, and what came of it
    Audit(Audit),
    /// Run, start, stop or restart the daemon
    #[command(subcommand, arg_required_else_help = true)]
    Daemon(Daemon),
    /// Check everything that can be wrong, and say what mends it
    Doctor(Doctor),
    /// Print a script that completes in a shell
    Completions(Completions),
    /// Print a man page, or write all of them
    Man(Man),
}

/// The organization that a command is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Which {
    /// The organization's name or GUID
    #[arg(value_name = "ORG")]
    pub(crate) argument: Option<Org>,
    /// The same, for programs that add an option to a command
    #[arg(long = "org", value_name = "ORG")]
    pub(crate) option: Option<Org>,
}

/// What `login` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred login acme                         ask for the Personal Access Key
  ac-cred login acme --store file            keep it in the encrypted file
  ac-cred login acme --identity ~/.config/age/key.txt  the same, opened by an age identity
  ac-cred login acme --store command -- op read op://ci/appcircle/key
  op read op://ci/appcircle/key | ac-cred login acme --stdin --store memory
  ac-cred login ci --kind api-key --name deploy --organization-id GUID
  ac-cred login team --from acme --sub-organization GUID
  ac-cred login acme --import appcircle-cli  at the addresses of the official CLI's file
  ac-cred login onprem --auth-url https://auth.example.com --api-url https://api.example.com

The key is asked for without echo, or read with --stdin; never put it into the command line.
With --store command nothing is kept: the daemon runs the command behind -- when it needs the
key, without a shell or a terminal, and takes the first line that it prints.
On a known organization what is not said stays as it is, and the stored key is replaced only
after the new one has proved itself.")]
pub(crate) struct Login {
    /// The name to give the organization: 1 to 64 letters, digits, '.', '_' or '-'
    #[arg(value_name = "ORG")]
    pub(crate) organization: Option<Org>,
    /// The kind of credential: personal-access-key (the default), personal-access-token or api-key
    #[arg(long)]
    pub(crate) kind: Option<Kind>,
    /// The name of the API key
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The organization that tokens must be of; an api-key needs it
    #[arg(long, value_name = "GUID")]
    pub(crate) organization_id: Option<String>,
    /// The sub-organization that tokens must be of
    #[arg(long, value_name = "GUID")]
    pub(crate) sub_organization: Option<String>,
    /// Use the stored credential of another organization
    #[arg(long, value_name = "ORG", conflicts_with = "stdin")]
    pub(crate) from: Option<Org>,
    /// The Auth API, where it is not Appcircle's cloud
    #[arg(long, value_name = "URL")]
    pub(crate) auth_url: Option<String>,
    /// The API, where it is not Appcircle's cloud
    #[arg(long, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// The MCP server
    #[arg(long, value_name = "URL")]
    pub(crate) mcp_url: Option<String>,
    /// A PEM file with the only certificate authorities to trust
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The proxy through which the Auth API is reached
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
    /// Reach the Auth API without TLS; the credential can then be read on its way
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub(crate) allow_http: Option<bool>,
    /// The version of the token endpoint, v1, v2 or v3, where the kind's own is not meant
    #[arg(long, value_name = "VERSION")]
    pub(crate) endpoint_version: Option<EndpointVersion>,
    /// Where the credential rests: keyring (the default where one answers), file (encrypted),
    /// command (nowhere: it is run each time) or memory (until the daemon stops)
    #[arg(long)]
    pub(crate) store: Option<settings::Store>,
    /// When the credential expires, such as 2026-09-21: you are told in the last two weeks
    #[arg(long, value_name = "DATE")]
    pub(crate) expires: Option<Timestamp>,
    /// Make this the default organization
    #[arg(long)]
    pub(crate) default: bool,
    /// Read the credential from standard input
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Read the passphrase of the encrypted file from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Have the age identity in this file open the encrypted file, in place of a passphrase
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) identity: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) imported: Imported,
    /// How long to wait for the Auth API
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(crate) wait: Duration,
    /// Say nothing when it succeeds
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// With --store command, the program that prints the credential, and its arguments
    #[arg(
        last = true,
        value_name = "PROGRAM",
        num_args = 1..,
        requires = "store",
        conflicts_with_all = ["stdin", "from"]
    )]
    pub(crate) command: Vec<OsString>,
}

/// What `login` is told of another program's settings.
#[derive(Debug, Args)]
pub(crate) struct Imported {
    /// Take the addresses of an installation from another program's settings
    #[arg(long, value_enum, value_name = "PROGRAM")]
    pub(crate) import: Option<Import>,
    /// Have nobody else read or change the file that is imported
    #[arg(long, requires = "import")]
    pub(crate) tighten: bool,
}

/// Whose settings can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Import {
    /// Appcircle's official command line client
    AppcircleCli,
}

/// What `list` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred list
  ac-cred list --json")]
pub(crate) struct List {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `status` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred status           a table of all organizations
  ac-cred status --json    the same for programs
  ac-cred status --short   one line for a shell's prompt, such as: acme 59m; of the
                           organization that is meant here

It never starts a daemon: without one it shows the settings.")]
pub(crate) struct Status {
    /// The organization's name or GUID; without it all are shown
    #[arg(value_name = "ORG")]
    pub(crate) organization: Option<Org>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print one short line, or nothing when no organization is meant
    #[arg(long, conflicts_with = "json")]
    pub(crate) short: bool,
}

/// What `reject` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred reject acme                       the token that get printed last was refused
  printf %s \"$token\" | ac-cred reject acme  this token was refused

One exchange replaces the token for all callers.")]
pub(crate) struct Reject {
    #[command(flatten)]
    pub(crate) which: Which,
    /// How long the whole call may take
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "8s")]
    pub(crate) wait: Duration,
}

/// What `logout` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred logout acme
  ac-cred logout --all

Appcircle is not told: delete the key there as well.")]
pub(crate) struct Logout {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Forget every organization
    #[arg(long, conflicts_with_all = ["argument", "option"])]
    pub(crate) all: bool,
}

/// What `rename` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred rename acme acme-old")]
pub(crate) struct Rename {
    /// The name that is known
    pub(crate) old: Org,
    /// The name that it shall have
    pub(crate) new: Org,
}

/// What `daemon` is told.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  ac-cred daemon start
  ac-cred daemon stop
  ac-cred daemon restart    after an upgrade

Most commands start the daemon by themselves.")]
pub(crate) enum Daemon {
    /// Become the daemon, in the foreground
    #[command(after_help = "\
Examples:
  ac-cred daemon run    until Ctrl-C; for a service manager, or to see what it says")]
    Run,
    /// Start the daemon unless one runs
    #[command(after_help = "\
Examples:
  ac-cred daemon start")]
    Start,
    /// Stop the daemon, and wait until it is gone
    #[command(after_help = "\
Examples:
  ac-cred daemon stop

Credentials that rest in memory are forgotten.")]
    Stop,
    /// Replace the daemon by the version that is installed, without losing anything
    #[command(after_help = "\
Examples:
  ac-cred daemon restart    after an upgrade

The daemon starts the ac-credd that is at its place by now and hands over everything:
credentials, tokens, the passphrase, and the callers who wait. Nobody has to log in or unlock
again. Where the new one does not start, is older, or could have been changed by others, the
old one serves on. Without a daemon one is started.")]
    Restart,
    /// Have the service manager keep the daemon: systemd, or launchd on macOS
    #[command(after_help = "\
Examples:
  ac-cred daemon install

Writes a socket and a service for this user, and nothing that needs root. The daemon then starts
with the first call and ends while nothing is held. What AC_CRED_SOCKET and
AC_CRED_PASSPHRASE_FILE say now is written down. With loginctl enable-linger it also runs while
nobody is logged in.")]
    Install,
    /// Undo what install has done
    #[command(after_help = "\
Examples:
  ac-cred daemon uninstall

Files that somebody else has written stay.")]
    Uninstall,
    /// Show what the daemon has said
    #[command(after_help = "\
Examples:
  ac-cred daemon logs
  ac-cred daemon logs --lines 20

It is in the journal once the daemon is installed as a service, else in a file beside the socket
that is private and never grows long. No secret is ever in it.")]
    Logs(Logs),
}

/// What `daemon logs` is told.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Logs {
    /// Show the last N lines only
    #[arg(long, short = 'n', value_name = "N", default_value_t = 200)]
    pub(crate) lines: u32,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn check(command: &clap::Command) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
            for inner in command.get_subcommands() {
                check(inner);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn every_line_of_the_help_begins_large_and_ends_without_a_full_stop() {
        fn check(what: &str, text: Option<&clap::builder::StyledStr>) {
            let text = text.map(ToString::to_string).unwrap_or_default();
            let begins_large = text.starts_with(|first: char| !first.is_lowercase());
            assert!(begins_large && !text.ends_with('.'), "{what}: {text:?}");
        }
        fn walk(command: &clap::Command) {
            check(command.get_name(), command.get_about());
            for argument in command.get_arguments() {
                check(argument.get_id().as_str(), argument.get_help());
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }
}
