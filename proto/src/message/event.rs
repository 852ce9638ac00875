//! What a watcher is told of tokens as they come and go.

use serde::{Deserialize, Serialize};

use crate::denial::ErrorCode;
use crate::org::Org;
use crate::time::Timestamp;

/// Asks to be told what changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// The alias or GUID of the organization to hear of; all, where none is named.
    #[serde(default)]
    pub organization: Option<Org>,
}

/// Something that has changed; it holds no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What has changed.
    pub event: EventKind,
    /// The organization it is about; `None` where it is about the daemon.
    pub organization: Option<Org>,
    /// When the token that is held ends.
    pub expires_at: Option<Timestamp>,
    /// The life that the token has left, in seconds.
    pub expires_in: Option<u32>,
    /// Why a person is needed.
    pub error: Option<ErrorCode>,
    /// The same for people: one sentence in lower case without a full stop.
    pub message: Option<String>,
    /// The command to type next.
    pub hint: Option<String>,
}

impl Event {
    /// An event that says no more than its kind.
    #[must_use]
    pub fn new(event: EventKind, organization: Option<Org>) -> Self {
        Self {
            event,
            organization,
            expires_at: None,
            expires_in: None,
            error: None,
            message: None,
            hint: None,
        }
    }
}

/// What can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// What was the case has been told; from here on, what changes is.
    Watching,
    /// A token is held, with its whole life before it or, at the beginning, with what is left.
    Renewed,
    /// The token that is held has less than a quarter of its life left.
    Expiring,
    /// The token is not held any more; the next one who asks brings a new one.
    Expired,
    /// No token can be had before a person logs in.
    LoginNeeded,
    /// The organization is not known any more.
    LoggedOut,
    /// Credentials are out of reach until a person unlocks them.
    Locked,
    /// Credentials are within reach again.
    Unlocked,
}

impl EventKind {
    /// Every kind, in the order of the wire.
    pub const ALL: &[Self] = &[
        Self::Watching,
        Self::Renewed,
        Self::Expiring,
        Self::Expired,
        Self::LoginNeeded,
        Self::LoggedOut,
        Self::Locked,
        Self::Unlocked,
    ];
}
