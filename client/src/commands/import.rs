//! `login --import`: takes what another program knows of an installation, and tells what of a secret
//! rests there.

use ac_cred_proto::settings::{CLOUD_API_URL, CLOUD_AUTH_URL};
use ac_cred_proto::{Denial, ErrorCode, Org};

use crate::appcircle_cli::{CliFile, Installation, OpenTo};
use crate::{cli, output, secret_input};

/// Fills in the addresses that were not typed with those of the official CLI's file.
///
/// That file has no credential, but the session token of its last login: the key is asked for as
/// always.
pub(super) fn from_appcircle_cli(said: &mut cli::Login, organization: &Org) -> Result<(), Denial> {
    let file = CliFile::read()?;
    let installation = file.installation(organization)?;
    let open_to = file.open_to();
    if open_to == OpenTo::Writers && !is_trusted(said, &installation) {
        return Err(changeable(&file, organization));
    }
    said.auth_url = said.auth_url.take().or(installation.auth_url);
    said.api_url = said.api_url.take().or(installation.api_url);
    let path = file.path().display();
    let mut lines = vec![format!(
        "the key goes to {}, as {path} says of {}",
        said.auth_url.as_deref().unwrap_or(CLOUD_AUTH_URL),
        installation.name
    )];
    if !installation.others.is_empty() {
        let others = installation.others.join(", ");
        let line = format!("it knows {others} as well: a login of that name takes its addresses");
        lines.push(line);
    }
    if said.imported.tighten && open_to != OpenTo::Nobody {
        file.tighten()?;
        lines.push(format!("only you can read {path} now"));
    } else if file.holds_a_token() && open_to != OpenTo::Nobody {
        lines.push(format!(
            "{path} holds a session token in plain text, and others can read it; run: chmod 600 \
             '{path}'"
        ));
    }
    if !said.quiet {
        for line in &lines {
            output::note(line);
        }
    }
    Ok(())
}

/// Whether the addresses may be followed although others can have changed them: they are
/// Appcircle's own, were typed as well, or a person reads them before the key is asked for.
fn is_trusted(said: &cli::Login, installation: &Installation) -> bool {
    let is = |found: &Option<String>, own: &str| {
        let found = found.as_deref().unwrap_or(own);
        found.trim_end_matches('/') == own
    };
    let is_own =
        is(&installation.auth_url, CLOUD_AUTH_URL) && is(&installation.api_url, CLOUD_API_URL);
    let is_typed = said.auth_url.is_some() && said.api_url.is_some();
    let is_read = secret_input::is_terminal() && !said.stdin && !said.quiet && said.from.is_none();
    is_own || is_typed || is_read
}

fn changeable(file: &CliFile, organization: &Org) -> Denial {
    let message = format!(
        "others can have changed {}, so its addresses are followed only where a person reads them \
         before the key is asked for",
        file.path().display()
    );
    Denial::new(ErrorCode::UnsafeFiles, message).hint(format!(
        "ac-cred login {organization} --auth-url URL --api-url URL"
    ))
}
