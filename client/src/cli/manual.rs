//! What `completions` and `man` are told.

use std::path::PathBuf;

use clap::Args;

/// The shells for which there are completions.
pub(crate) const SHELLS: [&str; 4] = ["bash", "zsh", "fish", "powershell"];

/// What `completions` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred completions bash > ~/.local/share/bash-completion/completions/ac-cred
  ac-cred completions zsh > \"${fpath[1]}/_ac-cred\"
  ac-cred completions fish > ~/.config/fish/completions/ac-cred.fish
  ac-cred completions powershell | Out-String | Invoke-Expression

Names of organizations are asked of ac-cred list as they are typed.")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = SHELLS)]
    pub(crate) shell: String,
}

/// What `man` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred man | man -l -
  ac-cred man daemon start | man -l -
  ac-cred man --dir /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// The command that the page is about; without it the page of the program
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// Write every page into this directory
    #[arg(long, conflicts_with = "command")]
    pub(crate) dir: Option<PathBuf>,
}
