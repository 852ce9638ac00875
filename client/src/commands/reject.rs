//! `reject`: replaces a token that the API answered with 401.

use ac_cred_proto::message::Reject;
use ac_cred_proto::{Request, Response};

use crate::call::{Call, Reach, beside_the_question};
use crate::cli;
use crate::failure::Failure;
use crate::words::span;
use crate::{organization, output, secret_input};

pub(super) fn run(reject: cli::Reject, reach: Reach) -> Result<(), Failure> {
    let organization = organization::said(reject.which)?;
    let call = Call::new(reach, reject.wait);
    let token = secret_input::token_from_stdin()?;
    let response = call.answer(|wait_ms| {
        Request::Reject(Reject {
            organization: organization.clone(),
            token: token.clone(),
            wait_ms,
        })
    })?;
    let Response::Lease(lease) = response else {
        return Err(beside_the_question().into());
    };
    let life = span(lease.expires_in.into());
    output::note(&format!(
        "{} has a new token, valid for {life}",
        lease.organization
    ));
    Ok(())
}
