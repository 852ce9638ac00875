//! `get`: prints a session token.

use ac_cred_proto::message::{Get, Warning};
use ac_cred_proto::{Org, Request, Response};

use crate::call::{Call, Reach, beside_the_question};
use crate::cli::{self, Format};
use crate::failure::Failure;
use crate::{organization, output};

pub(super) fn run(get: cli::Get, reach: Reach) -> Result<(), Failure> {
    let organization = organization::said(get.which)?;
    let response = Call::new(reach, get.wait).answer(|wait_ms| {
        Request::Get(Get {
            organization: organization.clone(),
            min_ttl: get.min_ttl,
            refresh: get.refresh,
            wait_ms,
        })
    })?;
    let Response::Lease(lease) = response else {
        return Err(beside_the_question().into());
    };
    match get.format {
        Format::Token => output::token(&lease.access_token)?,
        Format::Json => output::lease(&lease)?,
    }
    if !get.quiet {
        if output::is_terminal() {
            output::note("the token is on the screen; -q prints it without this line");
        }
        if let Some(warning) = lease.warning {
            output::note(&in_words(warning, &lease.organization));
        }
    }
    Ok(())
}

fn in_words(warning: Warning, organization: &Org) -> String {
    match warning {
        Warning::CredentialRefused => format!(
            "this token is the last one, because the Auth API refused the credential of \
             {organization}; run: ac-cred login {organization}"
        ),
    }
}
