//! What `audit` is told.

use ac_cred_proto::Org;
use clap::Args;

/// What `audit` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred audit          who asked for what, the oldest first
  ac-cred audit acme     the same of one organization
  ac-cred audit --json   the same for programs

The daemon remembers the last 1,000 since it started, in memory only, and never what was handed out.
A process id may be another process's by now.")]
pub(crate) struct Audit {
    /// The organization's name
    #[arg(value_name = "ORG")]
    pub(crate) organization: Option<Org>,
    /// Print JSON for programs
    #[arg(long)]
    pub(crate) json: bool,
}
