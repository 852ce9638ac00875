//! `use`, `logout` and `rename`: what is known of organizations changes, no secret is asked for.

use ac_cred_proto::message::{Logout, Rename, Use};
use ac_cred_proto::project_file::FILE_NAME;
use ac_cred_proto::{Denial, ErrorCode, Org, Request};

use super::list::{is_name, names};
use super::status::Known;
use crate::call::{Call, Reach, no_daemon_runs};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::Failure;
use crate::{approvals, organization, output, project_file};

/// Where a person deletes a key at Appcircle.
const DELETE_THERE: &str = "Appcircle is not told: delete the key there, under \
    My Organization > Security > Personal Access Key, or API keys";

/// Makes an organization the default, or that of this directory, or trusts a file that does.
pub(super) fn choose(chosen: cli::Use, reach: Reach) -> Result<(), Failure> {
    let Some(organization) = chosen.organization else {
        return approve();
    };
    if chosen.here {
        return choose_here(&organization, reach);
    }
    let line = format!("{organization} is the default organization");
    Call::new(reach, USUAL_WAIT).done(&Request::Use(Use { organization }))?;
    output::note(&line);
    Ok(())
}

/// Writes the file of this directory, and approves it.
fn choose_here(organization: &Org, reach: Reach) -> Result<(), Failure> {
    // Who mistypes a name is told now, and not at the next get.
    Known::ask(reach, Some(organization))?;
    let file = project_file::write_here(organization)?;
    approvals::approve(&file)?;
    let path = file.path.display();
    output::note(&format!(
        "{organization} is the organization here and below, by {path}"
    ));
    Ok(())
}

/// Trusts the nearest file with what it names.
fn approve() -> Result<(), Failure> {
    let file = project_file::nearest()?.ok_or_else(|| {
        let message = format!("there is no {FILE_NAME} here or above");
        Denial::new(ErrorCode::NoOrganizationChosen, message).hint("ac-cred use --here ORG")
    })?;
    approvals::approve(&file)?;
    let (path, organization) = (file.path.display(), &file.organization);
    output::note(&format!("{path} is approved: it names {organization}"));
    Ok(())
}

/// Changes an alias.
pub(super) fn rename(rename: cli::Rename, reach: Reach) -> Result<(), Failure> {
    let cli::Rename { old, new } = rename;
    let line = format!("{old} is called {new}");
    Call::new(reach, USUAL_WAIT).done(&Request::Rename(Rename { old, new }))?;
    output::note(&line);
    Ok(())
}

/// Forgets one organization or all.
pub(super) fn forget(logout: cli::Logout, reach: Reach) -> Result<(), Failure> {
    let organization = if logout.all {
        None
    } else {
        organization::said(logout.which)?
    };
    let request = Request::Logout(Logout {
        organization,
        all: logout.all,
    });
    let responses = Call::new(reach, USUAL_WAIT)
        .answers(&request, is_name)?
        .ok_or_else(no_daemon_runs)?;
    output::note(&farewell(&names(responses)));
    Ok(())
}

fn farewell(forgotten: &[Org]) -> String {
    if forgotten.is_empty() {
        return "no organization is known here".to_owned();
    }
    let names: Vec<_> = forgotten.iter().map(Org::as_str).collect();
    format!("{} forgotten; {DELETE_THERE}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_names_what_is_forgotten_and_where_to_delete_the_key() {
        let names: Vec<_> = ["acme", "beta"]
            .map(|name| Org::parse(name).unwrap())
            .into();
        assert_eq!(
            farewell(&names),
            "acme, beta forgotten; Appcircle is not told: delete the key there, under \
             My Organization > Security > Personal Access Key, or API keys"
        );
        assert_eq!(farewell(&[]), "no organization is known here");
    }
}
