//! What `lock`, `unlock` and `store` are told.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ac_cred_proto::{Org, settings};
use clap::{Args, Subcommand};

use crate::words::duration;

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
  ac-cred store move acme --to keyring
  ac-cred store passphrase")]
pub(crate) enum Store {
    /// Move an organization's credential to another store
    Move(StoreMove),
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

/// What `store move` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ac-cred store move acme --to keyring
  ac-cred store move acme --to file
  ac-cred store move acme --to command -- pass show appcircle/acme

It proves itself by an exchange, and is removed where it was only after it was read back where
it goes.")]
pub(crate) struct StoreMove {
    /// The organization's name or GUID
    #[arg(value_name = "ORG")]
    pub(crate) organization: Org,
    /// Where it shall rest: keyring, file, command or memory
    #[arg(long, value_name = "STORE")]
    pub(crate) to: settings::Store,
    /// Read the passphrase of the encrypted file from this file
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// How long to wait for the Auth API
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub(crate) wait: Duration,
    /// With --to command, the program that prints the credential, and its arguments
    #[arg(last = true, value_name = "PROGRAM", num_args = 1..)]
    pub(crate) command: Vec<OsString>,
}
