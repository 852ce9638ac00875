//! What `mcp` and `setup` are told; the program beside this one does it.

use clap::{Args, ValueEnum};

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

/// What `setup` is told.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = "\
Examples:
  ac-cred setup claude                print what goes into Claude Code's configuration
  ac-cred setup codex acme --helper   a command for the headers in place of the bridge
  ac-cred setup vscode acme --write   show the change, and make it
  ac-cred setup vscode --remove       take it back

Only the entry appcircle is touched. The file as it was is kept beside it, with
.ac-cred-backup behind its name.")]
pub(crate) struct Setup {
    /// The MCP client
    #[arg(value_enum)]
    pub(crate) client: McpClient,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) way: Way,
    #[command(flatten)]
    pub(crate) deed: Deed,
}

/// How the client gets its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(crate) struct Way {
    /// Let the client run ac-cred mcp (the default)
    #[arg(long)]
    pub(crate) bridge: bool,
    /// Let the client run ac-cred get for its headers; claude and codex only
    #[arg(long)]
    pub(crate) helper: bool,
}

/// What is done to the client's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
#[group(multiple = false)]
pub(crate) struct Deed {
    /// Show the change to the client's file, and make it
    #[arg(long)]
    pub(crate) write: bool,
    /// Show what takes the change back, and do it
    #[arg(long)]
    pub(crate) remove: bool,
}

/// The clients whose configuration is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names are those of the clients")]
pub enum McpClient {
    Claude,
    Codex,
    Gemini,
    Cursor,
    Vscode,
    Windsurf,
    Zed,
    Copilot,
}
