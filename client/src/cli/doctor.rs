//! What `doctor` is told.

use clap::Args;

/// What `doctor` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred doctor          what is well, what is not, and the command that mends it
  ac-cred doctor --json   the same for programs

It starts the daemon, which asks every server for its head; no credential is sent. It ends
with 0 when nothing has to be mended, else with the exit code of the first failure.")]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
