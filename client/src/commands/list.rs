//! `list`: prints the names of the organizations.

use ac_cred_proto::message::{List, Name};
use ac_cred_proto::{Org, Request, Response};
use serde::Serialize;

use crate::call::{Call, Reach};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::Failure;
use crate::{output, settings_file};

pub(super) fn run(list: &cli::List, reach: Reach) -> Result<(), Failure> {
    let responses = Call::new(reach, USUAL_WAIT).answers(&Request::List(List {}), is_name)?;
    let names = match responses {
        Some(responses) => names(responses),
        None => settings_file::read()?.organizations.into_keys().collect(),
    };
    if list.json {
        return output::json(&Printed::of(names));
    }
    output::lines(names.iter().map(Org::as_str))
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
    organizations: Vec<Name>,
}

impl Printed {
    fn of(names: Vec<Org>) -> Self {
        let name = |organization| Name { organization };
        Self {
            version: 1,
            organizations: names.into_iter().map(name).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_json_are_as_documented() {
        let names = vec![Org::parse("acme").unwrap()];
        assert_eq!(
            serde_json::to_string(&Printed::of(names)).unwrap(),
            r#"{"version":1,"organizations":[{"organization":"acme"}]}"#
        );
    }
}
