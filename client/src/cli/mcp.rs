//! What `mcp` is told; the program beside this one does it.

use clap::Args;

use super::Which;

/// What `mcp` is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  ac-cred mcp acme
  ac-cred setup claude    makes Claude Code run it

An MCP server on standard input and output. What it is sent goes to the organization's MCP server,
with a session token of the moment in every request; it needs no restart when a token expires, or
after a login.")]
pub(crate) struct Mcp {
    #[command(flatten)]
    pub(crate) which: Which,
    /// Another MCP server on a host of the organization's
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
}
