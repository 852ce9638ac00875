//! `get`: prints a session token.

use ac_cred_proto::message::Lease;

use crate::call::{Call, Reach};
use crate::cli::{Format, Get, Shell};
use crate::failure::{Failure, usage};
use crate::lease::{self, Wish};
use crate::{organization, output, token_format};

pub(super) fn run(get: Get, reach: Reach) -> Result<(), Failure> {
    let shell = shell(&get)?;
    let wish = Wish {
        organization: organization::said(get.which)?,
        min_ttl: get.min_ttl,
        refresh: get.refresh,
    };
    let lease = lease::ask(&Call::new(reach, get.wait), &wish)?;
    print(&lease, get.format, shell)?;
    if !get.quiet {
        if output::is_terminal() {
            output::note("the token is on the screen; -q prints it without this line");
        }
        lease::tell_warning(&lease);
    }
    Ok(())
}

fn shell(get: &Get) -> Result<Shell, Failure> {
    match get.shell {
        Some(_) if get.format != Format::Env => {
            Err(usage("--shell goes with --format env").hint("ac-cred get --help"))?
        }
        said => Ok(said.unwrap_or(Shell::Posix)),
    }
}

fn print(lease: &Lease, format: Format, shell: Shell) -> Result<(), Failure> {
    match token_format::pieces(format, shell) {
        Some(pieces) => output::token(&lease.access_token, pieces),
        None => output::lease(lease),
    }
}
