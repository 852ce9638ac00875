//! What a look at the servers finds.

use serde::{Deserialize, Serialize};

use super::default_wait_ms;
use crate::denial::Denial;
use crate::org::Org;
use crate::time::Timestamp;

/// Asks whether the servers of one organization, or of all, and the keyring can be reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The organization's alias or GUID; without it all.
    #[serde(default)]
    pub organization: Option<Org>,
    /// How long the caller waits for all answers, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}

/// What was found of one server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checked {
    /// What the server is for.
    pub server: Server,
    /// An organization that needs it.
    pub organization: Org,
    /// How many others need it, reached in the same way.
    pub others: u32,
    /// Its host, with its port where that is unusual; what it is called where it has none.
    pub host: String,
    /// How far its clock is ahead of this machine's, in seconds, where it tells the time.
    pub ahead: Option<i32>,
    /// Why it cannot be used, when it cannot.
    pub problem: Option<Denial>,
    /// On which step the way to it ended, where that is known.
    pub step: Option<Step>,
    /// Who signed its certificate, as the certificate says.
    pub signer: Option<String>,
    /// When its certificate ends.
    pub certificate_ends: Option<Timestamp>,
}

/// A step on the way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Its name is looked up.
    Dns,
    /// The proxy of its organization is asked for it.
    Proxy,
    /// It shows a certificate.
    Tls,
}

impl Step {
    /// Every step, in the order of the wire.
    pub const ALL: &[Self] = &[Self::Dns, Self::Proxy, Self::Tls];
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// Exchanges credentials.
    Auth,
    /// Is called with session tokens.
    Api,
    /// Speaks the Model Context Protocol.
    Mcp,
    /// The keyring of the system, which is reached over no network.
    Keyring,
}

impl Server {
    /// Every server, in the order of the wire.
    pub const ALL: &[Self] = &[Self::Auth, Self::Api, Self::Mcp, Self::Keyring];

    /// Its name in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Api => "api",
            Self::Mcp => "mcp",
            Self::Keyring => "keyring",
        }
    }
}
