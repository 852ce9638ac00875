//! A session token from the daemon, for the commands that hand it on.

use ac_cred_proto::message::{Get, Lease, Warning};
use ac_cred_proto::{Denial, Org, Request, Response};

use crate::call::{Call, beside_the_question};
use crate::deadline::wall_clock;
use crate::words::ends;
use crate::{destination, output};

/// What a caller wants of a token.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// The organization, where the caller says one.
    pub(crate) organization: Option<Org>,
    /// The life that the token must have, in seconds.
    pub(crate) min_ttl: Option<u32>,
    /// Whether the token must be a new one.
    pub(crate) refresh: bool,
}

/// A token that may go where the caller is about to send it, as far as that is known.
pub(crate) fn ask(call: &Call, wish: &Wish) -> Result<Lease, Denial> {
    destination::verify(call, wish.organization.as_ref())?;
    let response = call.answer(|wait_ms| {
        Request::Get(Get {
            organization: wish.organization.clone(),
            min_ttl: wish.min_ttl,
            refresh: wish.refresh,
            wait_ms,
        })
    })?;
    let Response::Lease(lease) = response else {
        return Err(beside_the_question());
    };
    Ok(*lease)
}

/// Tells what is wrong although there is a token.
pub(crate) fn tell_warning(lease: &Lease) {
    if let Some(warning) = lease.warning {
        output::note(&in_words(warning, lease));
    }
}

fn in_words(warning: Warning, lease: &Lease) -> String {
    let organization = &lease.organization;
    match warning {
        Warning::CredentialExpires => {
            let end = lease.credential_expires_at;
            let when = end.map_or_else(|| "expires soon".to_owned(), |end| ends(end, wall_clock()));
            format!("the credential of {organization} {when}; run: ac-cred login {organization}")
        }
        Warning::CredentialRefused => format!(
            "this token is the last one, because the Auth API refused the credential of \
             {organization}; run: ac-cred login {organization}"
        ),
    }
}
