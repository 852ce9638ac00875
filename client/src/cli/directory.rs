//! What `use` and `which` are told.

use ac_cred_proto::Org;
use clap::Args;

/// What `use` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred use acme          what is meant where nothing else is said
  ac-cred use --here acme   write .ac-cred.toml: acme is meant in this directory and below
  ac-cred use --approve     trust the .ac-cred.toml that came with a repository

Such a file names an organization and does nothing else. One that names another than you
approved is refused until you approve it again.")]
pub(crate) struct Use {
    /// The organization's name or GUID
    #[arg(value_name = "ORG", required_unless_present = "approve")]
    pub(crate) organization: Option<Org>,
    /// Write it to .ac-cred.toml in this directory
    #[arg(long)]
    pub(crate) here: bool,
    /// Trust the nearest .ac-cred.toml, here or above
    #[arg(long, conflicts_with_all = ["organization", "here"])]
    pub(crate) approve: bool,
}

/// What `which` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred which          the name on stdout, the reason on stderr
  ac-cred which --json   both for programs

It is what get would use in this directory with this environment.")]
pub(crate) struct ShowWhich {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
