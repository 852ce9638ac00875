//! What `lock`, `unlock` and `store` are told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What `lock` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred lock
  ac-cred lock --yes    also what rests in memory only, which is lost

Credentials, tokens and the passphrase are dropped from the daemon's memory. Until
ac-cred unlock, get ends with 6. What rests in the encrypted file stays there.")]
pub(crate) struct Lock {
    /// Lose the credentials that rest in memory only
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// What `unlock` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred unlock                                 ask for the passphrase
  ac-cred unlock --passphrase-file ~/.passphrase
  ac-cred unlock --identity ~/.config/age/key.txt

The file must belong to you or root and be readable by nobody else. AC_CRED_PASSPHRASE_FILE
names it as well. The path of an identity is remembered, so that it is said once.")]
pub(crate) struct Unlock {
    /// Read the passphrase from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Open it with the age identity in this file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    pub(crate) identity: Option<PathBuf>,
}

/// What is to be changed about where credentials rest.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  ac-cred store passphrase")]
pub(crate) enum Store {
    /// Change what opens the encrypted file
    Passphrase(StorePassphrase),
}

/// What `store passphrase` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred store passphrase                                  ask for the new one, twice
  ac-cred store passphrase --new-passphrase-file ~/.new
  ac-cred store passphrase --identity ~/.config/age/key.txt  an age identity from now on

The old passphrase is asked for where the file is locked.")]
pub(crate) struct StorePassphrase {
    /// Read the old passphrase from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Read the new passphrase from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
    /// Have the age identity in this file open it, in place of a passphrase
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_file")]
    pub(crate) identity: Option<PathBuf>,
}
