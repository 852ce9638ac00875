//! Which organization a command means, as far as its caller says.

use std::env;
use std::ffi::OsString;

use ac_cred_proto::{Denial, Org};

use crate::cli::Which;
use crate::failure::usage;

/// The environment variable that names the organization.
const VARIABLE: &str = "AC_CRED_ORG";

/// The argument, then the option, then the environment; without any, the daemon knows the default.
pub(crate) fn said(which: Which) -> Result<Option<Org>, Denial> {
    match which.argument.or(which.option) {
        Some(org) => Ok(Some(org)),
        None => from_variable(env::var_os(VARIABLE)),
    }
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
