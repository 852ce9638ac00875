//! `list`: prints the names of the organizations.

use ac_cred_proto::message::{DaemonStatus, List, Name};
use ac_cred_proto::{Org, Request, Response};
use serde::Serialize;

use super::status::Known;
use crate::call::{Call, Reach};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::Failure;
use crate::{output, settings_file};

pub(super) fn run(list: &cli::List, reach: Reach) -> Result<(), Failure> {
    if list.json {
        return output::json(&Printed::of(Known::ask(reach, None)?));
    }
    let responses = Call::new(reach, USUAL_WAIT).answers(&Request::List(List {}), is_name)?;
    let runs = responses.is_some();
    let names = match responses {
        Some(responses) => names(responses),
        None => settings_file::read()?.organizations.into_keys().collect(),
    };
    output::lines(names.iter().map(Org::as_str))?;
    if !runs {
        output::note("no daemon is running: this is what the settings say");
    }
    Ok(())
}

/// Whether an answer belongs to a sequence of names.
pub(super) fn is_name(response: &Response) -> bool {
    matches!(response, Response::Name(_))
}

/// The names in a sequence of answers.
pub(super) fn names(responses: Vec<Response>) -> Vec<Org> {
    let name = |response| {
        if let Response::Name(name) = response {
            Some(name.organization)
        } else {
            None
        }
    };
    responses.into_iter().filter_map(name).collect()
}

/// The names as `list --json` prints them.
#[derive(Serialize)]
struct Printed {
    version: u8,
    daemon: Option<DaemonStatus>,
    organizations: Vec<Name>,
}

impl Printed {
    fn of(known: Known) -> Self {
        let organizations = known.organizations.into_iter();
        Self {
            version: 1,
            daemon: known.daemon,
            organizations: organizations
                .map(|known| Name {
                    organization: known.organization,
                })
                .collect(),
        }
    }
}
