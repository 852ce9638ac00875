//! A program that needs company: `exec` stays beside it, keeps its files fresh, and removes them.
//!
//! The files lie in memory, which only Linux promises of a directory.

#[cfg(target_os = "linux")]
mod keeper;
#[cfg(target_os = "linux")]
mod official_settings;
#[cfg(target_os = "linux")]
mod parent;
#[cfg(target_os = "linux")]
mod private_directory;
#[cfg(target_os = "linux")]
mod start;

use std::process::Command;
use std::time::Duration;

use ac_cred_proto::message::{Destination, Lease};

use crate::call::Reach;
use crate::failure::Failure;
use crate::lease::Wish;

/// What a program needs while it runs.
#[derive(Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is kept in memory here")
)]
pub(crate) struct Attention {
    /// The variable that names a file with the token.
    pub(crate) token_file: Option<String>,
    /// Whether it reads the settings of Appcircle's own command line.
    pub(crate) is_official_cli: bool,
    /// What is asked for when the token is to be renewed.
    pub(crate) wish: Wish,
    /// How that reaches the daemon.
    pub(crate) reach: Reach,
    /// How long it may take.
    pub(crate) wait: Duration,
    /// Whether nothing is said.
    pub(crate) quiet: bool,
}

/// Removes what runs that were killed have left.
pub(crate) fn sweep() {
    #[cfg(target_os = "linux")]
    private_directory::sweep();
}

/// Runs a program to its end.
#[cfg(target_os = "linux")]
pub(crate) fn run(
    mut command: Command,
    attention: &Attention,
    lease: Lease,
    destination: &Destination,
) -> Result<(), Failure> {
    let signals = parent::Signals::held_back()?;
    let mut keeper = keeper::Keeper::new(attention, lease, destination)?;
    keeper.lay_out(&mut command)?;
    let end = parent::run(&command, &signals, &mut keeper);
    // What was kept is gone before anybody learns of the end.
    drop(keeper);
    match end {
        Ok(end) => parent::end_like(end),
        Err(error) => Err(crate::child::unstarted(&command, &error)),
    }
}

/// Refuses what needs files in memory.
#[cfg(not(target_os = "linux"))]
pub(crate) fn run(
    _: Command,
    attention: &Attention,
    lease: Lease,
    _: &Destination,
) -> Result<(), Failure> {
    use crate::failure::usage;

    let organization = &lease.organization;
    let denial = if attention.is_official_cli {
        usage("appcircle reads its token from a file of its own, which cannot be replaced here")
            .hint(format!(
                "appcircle config set AC_ACCESS_TOKEN \"$(ac-cred get {organization})\""
            ))
    } else {
        usage("there are no files in memory here, and a token is not written anywhere else")
            .hint(format!("ac-cred get {organization}"))
    };
    Err(denial.into())
}
