//! The exit codes: one for each thing that a caller can do next.

use std::process;

use ac_cred_proto::ErrorCode;

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// What was asked for is done.
    Done,
    /// A fault of ac-cred, or of what reads its output.
    Internal,
    /// The command was typed wrongly.
    Usage,
    /// No such organization, or none chosen.
    Organization,
    /// A person must log in.
    Login,
    /// The Auth API did not answer well; another try may help.
    AuthApi,
    /// Refused on this machine: a file, a lock or a setting has to be mended.
    RefusedHere,
    /// No daemon answers.
    NoDaemon,
}

impl ExitCode {
    /// The number that a shell sees.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Organization => 3,
            Self::Login => 4,
            Self::AuthApi => 5,
            Self::RefusedHere => 6,
            Self::NoDaemon => 7,
        }
    }
}

impl From<ErrorCode> for ExitCode {
    fn from(error: ErrorCode) -> Self {
        match error {
            ErrorCode::Internal => Self::Internal,
            ErrorCode::Usage => Self::Usage,
            ErrorCode::UnknownOrganization | ErrorCode::NoOrganizationChosen => Self::Organization,
            ErrorCode::LoginRequired | ErrorCode::CredentialRefused => Self::Login,
            ErrorCode::AuthApiUnreachable
            | ErrorCode::AuthApiBadAnswer
            | ErrorCode::RateLimited
            | ErrorCode::TokenTooShort
            | ErrorCode::Busy => Self::AuthApi,
            ErrorCode::WrongOrganization
            | ErrorCode::Locked
            | ErrorCode::StoreUnreadable
            | ErrorCode::UnsafeFiles
            | ErrorCode::NotApproved
            | ErrorCode::BindingChanged => Self::RefusedHere,
            ErrorCode::DaemonUnreachable => Self::NoDaemon,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_exit_code_that_is_documented() {
        let documented = [
            ("usage", 2),
            ("unknown_organization", 3),
            ("no_organization_chosen", 3),
            ("login_required", 4),
            ("credential_refused", 4),
            ("auth_api_unreachable", 5),
            ("auth_api_bad_answer", 5),
            ("rate_limited", 5),
            ("token_too_short", 5),
            ("wrong_organization", 6),
            ("locked", 6),
            ("store_unreadable", 6),
            ("unsafe_files", 6),
            ("not_approved", 6),
            ("binding_changed", 6),
            ("daemon_unreachable", 7),
            ("busy", 5),
            ("internal", 1),
        ];
        assert_eq!(ErrorCode::ALL.len(), documented.len());
        for (&error, (name, number)) in ErrorCode::ALL.iter().zip(documented) {
            assert_eq!(error.as_str(), name);
            assert_eq!(ExitCode::from(error).number(), number, "{name}");
        }
        assert_eq!(ExitCode::Done.number(), 0);
    }
}
