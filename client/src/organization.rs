//! Which organization a command means, as far as its caller and its directory say.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use ac_cred_proto::{Denial, ErrorCode, Org};

use crate::cli::Which;
use crate::failure::usage;
use crate::project_file::ProjectFile;
use crate::{approvals, project_file};

/// The environment variable that names the organization.
pub(crate) const VARIABLE: &str = "AC_CRED_ORG";

/// An organization that was named, and by what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Its alias or GUID.
    pub(crate) organization: Org,
    /// What named it.
    pub(crate) by: By,
}

/// What named an organization.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The command line.
    Words,
    /// The environment.
    Variable,
    /// The file at this path, which the user has approved.
    File(PathBuf),
}

/// The organization that is named; without any, the daemon knows the default.
pub(crate) fn said(which: Which) -> Result<Option<Org>, Denial> {
    Ok(choice(which)?.map(|choice| choice.organization))
}

/// The argument, then the option, then the environment, then the nearest file.
pub(crate) fn choice(which: Which) -> Result<Option<Choice>, Denial> {
    if let Some(organization) = which.argument.or(which.option) {
        let by = By::Words;
        return Ok(Some(Choice { organization, by }));
    }
    if let Some(organization) = from_variable(env::var_os(VARIABLE))? {
        let by = By::Variable;
        return Ok(Some(Choice { organization, by }));
    }
    project_file::nearest()?.map(from_file).transpose()
}

/// An empty variable is one that is not set.
fn from_variable(value: Option<OsString>) -> Result<Option<Org>, Denial> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    Org::parse(&value.to_string_lossy())
        .map(Some)
        .map_err(|error| usage(format!("{VARIABLE} cannot be used: {error}")))
}

/// A repository chooses nothing before its user has agreed.
fn from_file(file: ProjectFile) -> Result<Choice, Denial> {
    if approvals::is_approved(&file)? {
        return Ok(Choice {
            organization: file.organization,
            by: By::File(file.path),
        });
    }
    let message = format!(
        "{} names {}, and you have not approved that",
        file.path.display(),
        file.organization
    );
    Err(Denial::new(ErrorCode::NotApproved, message).hint("ac-cred use --approve"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(name: &str) -> Org {
        Org::parse(name).unwrap()
    }

    #[test]
    fn the_argument_comes_before_the_option() {
        let which = Which {
            argument: Some(org("a")),
            option: Some(org("b")),
        };
        assert_eq!(said(which).unwrap(), Some(org("a")));
        let which = Which {
            argument: None,
            option: Some(org("b")),
        };
        assert_eq!(said(which).unwrap(), Some(org("b")));
    }

    #[test]
    fn a_variable_that_holds_no_name_is_refused_and_not_repeated() {
        assert_eq!(from_variable(None).unwrap(), None);
        assert_eq!(from_variable(Some("".into())).unwrap(), None);
        assert_eq!(
            from_variable(Some("acme".into())).unwrap(),
            Some(org("acme"))
        );
        let denial = from_variable(Some("marker secret".into())).unwrap_err();
        assert!(denial.message.starts_with("AC_CRED_ORG cannot be used: "));
        assert!(!denial.message.contains("marker"));
    }
}
