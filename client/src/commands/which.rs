//! `which`: prints the organization that `get` would use here, and says why.

use std::path::Path;

use ac_cred_proto::message::{DaemonStatus, OrganizationStatus};
use ac_cred_proto::{Denial, ErrorCode, Org};
use serde::Serialize;

use super::status::Known;
use crate::call::Reach;
use crate::cli::{ShowWhich, Which};
use crate::failure::{Failure, visible};
use crate::organization::{self, By, Choice, VARIABLE};
use crate::{output, settings_file};

pub(super) fn run(which: &ShowWhich, reach: Reach) -> Result<(), Failure> {
    let choice = organization::choice(Which::default())?;
    let known = Known::ask(reach, choice.as_ref().map(|choice| &choice.organization))?;
    let is_only = choice.is_none() && known.organizations.len() == 1;
    let mut organizations = known.organizations.into_iter();
    let meant = organizations
        .find(|known| choice.is_some() || known.default)
        .ok_or_else(none_chosen)?;
    let reason = Reason::of(choice.as_ref(), is_only);
    if which.json {
        return output::json(&Printed::of(known.daemon, &meant, &reason));
    }
    output::text(&format!("{}\n", meant.organization))?;
    output::note(&reason.in_words());
    if known.daemon.is_none() {
        output::note("no daemon is running: this is what the settings say");
    }
    Ok(())
}

/// Why nothing is meant, as the settings tell it.
fn none_chosen() -> Denial {
    let refused = settings_file::read().and_then(|settings| settings.choose(None).map(drop));
    refused.err().unwrap_or_else(|| {
        let message = "no organization is chosen among several";
        Denial::new(ErrorCode::NoOrganizationChosen, message).hint("ac-cred use ORG")
    })
}

/// Why an organization is meant.
enum Reason<'a> {
    Variable,
    File(&'a Path),
    Default,
    Only,
}

impl<'a> Reason<'a> {
    fn of(choice: Option<&'a Choice>, is_only: bool) -> Self {
        match choice.map(|choice| &choice.by) {
            Some(By::File(path)) => Self::File(path),
            Some(By::Variable | By::Words) => Self::Variable,
            None if is_only => Self::Only,
            None => Self::Default,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Variable => "variable",
            Self::File(_) => "file",
            Self::Default => "default",
            Self::Only => "only",
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Variable => format!("because {VARIABLE} says so"),
            Self::File(path) => format!("because {} says so", path.display()),
            Self::Default => "because it is the default".to_owned(),
            Self::Only => "because it is the only one".to_owned(),
        }
    }
}

/// The organization as `which --json` prints it.
#[derive(Serialize)]
struct Printed<'a> {
    version: u8,
    daemon: Option<DaemonStatus>,
    organization: &'a Org,
    organization_id: Option<&'a str>,
    reason: &'static str,
    file: Option<String>,
}

impl<'a> Printed<'a> {
    fn of(
        daemon: Option<DaemonStatus>,
        meant: &'a OrganizationStatus,
        reason: &Reason<'_>,
    ) -> Self {
        Self {
            version: 1,
            daemon,
            organization: &meant.organization,
            organization_id: meant.organization_id.as_deref(),
            reason: reason.name(),
            file: match reason {
                Reason::File(path) => Some(visible(&path.to_string_lossy())),
                Reason::Variable | Reason::Default | Reason::Only => None,
            },
        }
    }
}
