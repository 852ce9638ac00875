//! Why a request was refused: one closed list of reasons, and the words that go with one.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// What went wrong, as a program tells it apart; the heading of each says what its caller
        /// does next.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl ErrorCode {
            /// Every code, in the order of the wire.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code's name in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

error_codes! {
    /// Correct the request.
    Usage = "usage",
    /// Name an organization that is known, or log it in.
    UnknownOrganization = "unknown_organization",
    /// Say which organization is meant.
    NoOrganizationChosen = "no_organization_chosen",
    /// Log in: no credential rests here.
    LoginRequired = "login_required",
    /// Log in with another credential: the Auth API refused this one.
    CredentialRefused = "credential_refused",
    /// Try again later: the Auth API could not be reached or did not answer in time.
    AuthApiUnreachable = "auth_api_unreachable",
    /// Try again later: the Auth API answered what is neither a token nor a refusal.
    AuthApiBadAnswer = "auth_api_bad_answer",
    /// Try again after the time that the answer names.
    RateLimited = "rate_limited",
    /// Ask for less life: tokens do not live as long as was demanded.
    TokenTooShort = "token_too_short",
    /// Log in with a credential of the right organization.
    WrongOrganization = "wrong_organization",
    /// Unlock the store.
    Locked = "locked",
    /// Repair what keeps the credentials or the settings from being read.
    StoreUnreadable = "store_unreadable",
    /// Repair the owner or the mode of a file or directory.
    UnsafeFiles = "unsafe_files",
    /// Approve the file that chose the organization.
    NotApproved = "not_approved",
    /// Confirm the changed settings by a new login.
    BindingChanged = "binding_changed",
    /// Start the daemon, or find out why it does not answer.
    DaemonUnreachable = "daemon_unreachable",
    /// Try again: the daemon has too much to do.
    Busy = "busy",
    /// Report it: this is a fault of ac-cred.
    Internal = "internal",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A typed refusal, with what to tell a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    /// What went wrong.
    pub error: ErrorCode,
    /// What and why, for people: one sentence in lower case without a full stop.
    pub message: String,
    /// The next command to type.
    pub hint: Option<String>,
    /// Seconds after which another try may help.
    pub retry_after: Option<u32>,
}

impl Denial {
    /// A refusal without a hint.
    #[must_use]
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            error,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    /// The same with the next command to type.
    #[must_use]
    pub fn hint(mut self, command: impl Into<String>) -> Self {
        self.hint = Some(command.into());
        self
    }

    /// The same with the seconds after which another try may help.
    #[must_use]
    pub fn retry_after(mut self, seconds: Option<u32>) -> Self {
        self.retry_after = seconds;
        self
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; run: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Denial {}
