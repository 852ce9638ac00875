//! What is remembered of those who asked; never what they were given.

use serde::{Deserialize, Serialize};

use super::status::Outcome;
use crate::org::Org;
use crate::time::Timestamp;

/// Asks who asked for what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// The alias of the organization that is meant; without it all.
    #[serde(default)]
    pub organization: Option<Org>,
}

/// Who asked for what, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audited {
    /// When it was answered, the last time.
    pub at: Timestamp,
    /// What was asked for.
    pub request: Asked,
    /// The organization it was about, as far as it is known.
    pub organization: Option<Org>,
    /// What came of it.
    pub outcome: Outcome,
    /// How often in a row the same process asked the same with the same outcome.
    pub times: u32,
    /// The user id of the caller, where the system tells.
    pub uid: Option<u32>,
    /// The id of the caller's process, where the system tells; another process may have it by now.
    pub pid: Option<u32>,
    /// The program that asked, or the one that ran `ac-cred`, where the system tells.
    pub program: Option<String>,
}

/// A request that is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A session token.
    Get,
    /// To store a credential.
    Login,
    /// To forget an organization.
    Logout,
    /// To change an alias.
    Rename,
    /// To choose the default.
    Use,
    /// To replace a token.
    Reject,
    /// To open the encrypted store.
    Unlock,
    /// To drop every secret from memory.
    Lock,
    /// To change what opens the encrypted store.
    ChangePassphrase,
    /// To end the daemon.
    Stop,
}

impl Asked {
    /// Every request that is remembered, in the order of the wire.
    pub const ALL: &[Self] = &[
        Self::Get,
        Self::Login,
        Self::Logout,
        Self::Rename,
        Self::Use,
        Self::Reject,
        Self::Unlock,
        Self::Lock,
        Self::ChangePassphrase,
        Self::Stop,
    ];

    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Rename => "rename",
            Self::Use => "use",
            Self::Reject => "reject",
            Self::Unlock => "unlock",
            Self::Lock => "lock",
            Self::ChangePassphrase => "change_passphrase",
            Self::Stop => "stop",
        }
    }
}
