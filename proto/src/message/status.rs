//! What `status` tells of the daemon and of an organization.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::denial::{Denial, ErrorCode};
use crate::org::Org;
use crate::settings::{Kind, Store};
use crate::time::Timestamp;

/// What is known of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonStatus {
    /// The version of its package.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// The endpoint on which it listens.
    pub socket: String,
    /// How long it has run, in seconds, time asleep included.
    pub uptime: u64,
    /// Whether credentials are out of reach until a person unlocks them.
    pub locked: bool,
}

/// What is known of one organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizationStatus {
    /// The alias.
    pub organization: Org,
    /// The GUID by which Appcircle knows it.
    pub organization_id: Option<String>,
    /// Whether it is the one that is meant when none is named.
    pub default: bool,
    /// The kind of its credential.
    pub kind: Kind,
    /// Where its credential rests.
    pub store: Store,
    /// The base of the Auth API.
    pub auth_url: String,
    /// The base of the API.
    pub api_url: String,
    /// The token that is held.
    pub token: Option<TokenStatus>,
    /// The last exchange since the daemon started.
    pub last_exchange: Option<LastExchange>,
    /// Why the last exchange gave no token, in words, when it gave none.
    pub last_error: Option<Denial>,
    /// When its credential ends, where that is known.
    pub credential_expires_at: Option<Timestamp>,
}

/// The life of a token that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenStatus {
    /// When it ends.
    pub expires_at: Timestamp,
    /// The life it has left, in seconds.
    pub expires_in: u32,
    /// The life it had when it came, in seconds.
    pub lifetime: u32,
}

/// When and how the last exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastExchange {
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
}

/// How an exchange ended: `ok`, or the name of an [`ErrorCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a token.
    Ok,
    /// Without one.
    Failed(ErrorCode),
}

impl Outcome {
    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed(code) => code.as_str(),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let failed = || {
            ErrorCode::ALL
                .iter()
                .find(|code| code.as_str() == name)
                .map(|&code| Self::Failed(code))
        };
        if name == Self::Ok.as_str() {
            Some(Self::Ok)
        } else {
            failed()
        }
        .ok_or_else(|| D::Error::custom("not the outcome of an exchange"))
    }
}
