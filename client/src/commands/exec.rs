//! `exec`: runs a program with a session token.

use ac_cred_proto::Denial;

use crate::attended::{self, Attention};
use crate::call::{Call, Reach};
use crate::cli::Exec;
use crate::failure::{Failure, usage};
use crate::lease::{self, Wish};
use crate::{child, destination, official_cli, organization};

pub(super) fn run(exec: Exec, reach: Reach) -> Result<(), Failure> {
    check_variables(&exec)?;
    let is_official_cli = official_cli::is_meant(exec.program, &exec.command);
    let wish = Wish {
        organization: organization::said(exec.which)?,
        min_ttl: exec.min_ttl,
        refresh: false,
    };
    let call = Call::new(reach, exec.wait);
    let lease = lease::ask(&call, &wish)?;
    let destination = destination::of(&call, Some(&lease.organization))?;
    if !exec.quiet {
        lease::tell_warning(&lease);
    }
    let command = child::command(&exec.command, &lease, &destination, &exec.variables);
    if exec.token_file.is_none() && !is_official_cli {
        attended::sweep();
        return child::become_program(command);
    }
    let attention = Attention {
        token_file: exec.token_file,
        is_official_cli,
        // The same organization, whatever becomes the default meanwhile.
        wish: Wish {
            organization: Some(lease.organization.clone()),
            ..wish
        },
        reach,
        wait: exec.wait,
        quiet: exec.quiet,
    };
    attended::run(command, &attention, lease, &destination)
}

/// Refuses names that mean something else.
fn check_variables(exec: &Exec) -> Result<(), Denial> {
    let refused = |option: &str| {
        let message = format!("{option} names a variable that has a meaning of its own");
        Err(usage(message).hint("ac-cred exec --help"))
    };
    if exec.variables.iter().any(|name| child::is_reserved(name)) {
        return refused("--env");
    }
    match &exec.token_file {
        Some(name)
            if child::is_reserved(name)
                || child::TOKEN_VARIABLES.contains(&&**name)
                || exec.variables.contains(name) =>
        {
            refused("--token-file")
        }
        Some(_) | None => Ok(()),
    }
}
