//! What `ac-cred-mcp` does as the client does: it takes the same words, reaches the same daemon and
//! speaks to a person in the same way.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use ac_cred_proto::message::{Destination, Lease};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::{Denial, ErrorCode, Org};

pub use crate::cli::McpClient;
pub use crate::core_dump::forbid as forbid_core_dump;

use crate::call::{Call, Reach};
use crate::cli::{self, Command, Which};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, usage};
use crate::usage::Typed;
use crate::{launch, organization, output};

/// What the bridge's program is asked to do.
#[derive(Debug)]
pub enum Task {
    /// Be an MCP server for this organization, at another URL than its own where one is given.
    Serve(Chosen, Option<String>),
    /// Make an MCP client use Appcircle.
    SetUp(Setup),
}

/// Which client is made to use Appcircle, and how.
#[derive(Debug)]
pub struct Setup {
    /// The client.
    pub client: McpClient,
    /// The organization.
    pub chosen: Chosen,
    /// How it gets its tokens.
    pub way: Way,
    /// What is done to its file.
    pub deed: Deed,
}

/// How a client gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It runs the bridge.
    Bridge,
    /// It runs a command that prints headers.
    Helper,
}

/// What is done to a client's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing: what would go into it is printed.
    Print,
    /// The entry is added to it.
    Write,
    /// The entry is taken out of it.
    Remove,
}

/// The organization that the words chose, or left to the environment and the daemon.
#[derive(Clone, Debug)]
pub struct Chosen(Which);

/// A token, and where it may be sent.
#[derive(Debug)]
pub struct Passage {
    /// The token with its life.
    pub lease: Lease,
    /// Where it may be sent.
    pub destination: Destination,
}

/// Takes the words after the program's name, which are those of the client.
///
/// # Errors
///
/// The exit code, where a person has been told what there is to be told.
pub fn task(words: &[OsString]) -> Result<Task, process::ExitCode> {
    let failure = match crate::usage::parse(words) {
        Typed::Command(Command::Mcp(mcp)) => return Ok(Task::Serve(Chosen(mcp.which), mcp.url)),
        Typed::Command(Command::Setup(setup)) => return Ok(Task::SetUp(setup.into())),
        Typed::Command(_) => usage("this is the MCP bridge")
            .hint("ac-cred mcp --help")
            .into(),
        Typed::Help(help) => match output::text(&help) {
            Ok(()) => return Err(ExitCode::Done.into()),
            Err(failure) => failure,
        },
        Typed::Nothing(help) => Failure::NothingTyped(help),
        Typed::Wrong(denial) => denial.into(),
    };
    output::failure(&failure, false);
    Err(failure.exit_code().into())
}

/// Asks the daemon for a token and for where it may be sent; a `refused` token is replaced.
///
/// It blocks for `wait` at most, and starts a daemon where there is none and it may.
///
/// # Errors
///
/// A [`Denial`] of the daemon, or one that says why it could not be asked.
pub fn passage(
    organization: Option<&Org>,
    refused: Option<&SessionToken>,
    may_start: bool,
    wait: Duration,
) -> Result<Passage, Denial> {
    let reach = Reach {
        starts: may_start,
        repeats: true,
        becomes_another: false,
    };
    let (lease, destination) = Call::new(reach, wait).passage(organization, refused)?;
    Ok(Passage { lease, destination })
}

/// Asks the daemon where an organization's tokens may be sent; as [`passage`] does.
///
/// # Errors
///
/// The same.
pub fn destination(organization: Option<&Org>, wait: Duration) -> Result<Destination, Denial> {
    let reach = Reach {
        starts: true,
        repeats: true,
        becomes_another: false,
    };
    crate::destination::of(&Call::new(reach, wait), organization)
}

impl From<cli::Setup> for Setup {
    fn from(said: cli::Setup) -> Self {
        Self {
            client: said.client,
            chosen: Chosen(said.which),
            way: if said.way.helper {
                Way::Helper
            } else {
                Way::Bridge
            },
            deed: match (said.deed.write, said.deed.remove) {
                (true, _) => Deed::Write,
                (false, true) => Deed::Remove,
                (false, false) => Deed::Print,
            },
        }
    }
}

impl Chosen {
    /// The organization that the words or the environment name.
    ///
    /// # Errors
    ///
    /// A [`Denial`] where what names it cannot be used.
    pub fn named(&self) -> Result<Option<Org>, Denial> {
        organization::said(self.0.clone())
    }
}

/// Prints a text.
///
/// # Errors
///
/// A [`Denial`] where nobody reads it.
pub fn print(text: &str) -> Result<(), Denial> {
    output::text(text).map_err(|failure| {
        if let Failure::Denied(denial) = failure {
            denial
        } else {
            Denial::new(ErrorCode::Internal, "nobody reads the output")
        }
    })
}

/// The program `ac-cred` beside this one.
///
/// # Errors
///
/// The system's, where this program cannot be located.
pub fn client_program() -> io::Result<PathBuf> {
    launch::beside_this_program("ac-cred")
}

/// Tells a person on stderr why something failed, or what was done, in one line.
pub fn tell(why: &str) {
    output::note(why);
}

/// Tells a person why the program ends, and with which exit code it does.
#[must_use]
pub fn end(denial: Denial) -> process::ExitCode {
    let failure = Failure::from(denial);
    output::failure(&failure, false);
    failure.exit_code().into()
}
