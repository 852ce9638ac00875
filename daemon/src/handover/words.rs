//! What a daemon and its successor tell each other: one JSON object a message, with no field unknown.
//!
//! Only an equal or a newer version succeeds, so that a field which is added needs a default and
//! none is ever taken away.

use std::collections::BTreeMap;

use ac_cred_proto::Org;
use ac_cred_proto::message::Audited;
use ac_cred_proto::secret::{Credential, Passphrase};
use ac_cred_proto::settings::OrgSettings;
use serde::{Deserialize, Serialize};

use crate::auth_api::target::Binding;
use crate::policy::Moment;
use crate::policy::slot::{Attempt, Carried, Failure, Grant};

/// What the daemon tells its successor: the state up to [`Told::Whole`], then what comes later.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The daemon itself; the socket and the lock come with it as descriptors.
    Daemon(Box<DaemonState>),
    /// Settings that live in memory only.
    Settings(UnsavedSettings),
    /// A credential that rests in memory.
    Credential(HeldCredential),
    /// What is held and remembered for an organization.
    Slot(Box<SlotState>),
    /// An exchange under way; its end follows as [`Told::Exchanged`].
    UnderWay(UnderWay),
    /// The state is whole.
    Whole(Nothing),
    /// A connection; its descriptor comes with it.
    Connection(Moved),
    /// The end of an exchange that was under way.
    Exchanged(Box<Exchanged>),
    /// What is remembered of a request.
    Audited(Box<Audited>),
}

/// What a successor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It can be neither dumped nor traced, and may be told everything.
    Ready(Ready),
    /// It serves.
    Serving(Nothing),
}

/// Nothing more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A successor that may be told everything.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The version of its package.
    pub version: String,
}

/// What is held that belongs to no organization.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonState {
    /// Whether the socket was made by a daemon, not by a service manager.
    pub owns_socket: bool,
    /// The last number that was given to a caller or an exchange.
    pub last_number: u64,
    /// When somebody used the daemon.
    pub last_used: Option<Moment>,
    /// When a person was told of a credential that ends soon.
    pub warned: BTreeMap<Org, Moment>,
    /// The default organization, where it is known in memory only.
    pub default: Option<Org>,
    /// The passphrase of the encrypted file.
    pub passphrase: Option<Passphrase>,
    /// Whether a person has locked the stores.
    pub is_shut: bool,
    /// How many wrong passphrases in a row were given.
    pub wrong_passphrases: u32,
}

/// Settings of an organization that live in memory only.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsavedSettings {
    /// The alias.
    pub organization: Org,
    /// Its settings.
    pub settings: Box<OrgSettings>,
}

/// A credential that rests in memory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldCredential {
    /// The alias of its organization.
    pub organization: Org,
    /// The credential.
    pub credential: Credential,
    /// What it is bound to.
    pub bound_to: Binding,
}

/// What is held and remembered for an organization.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotState {
    /// The alias.
    pub organization: Org,
    /// Its slot.
    pub slot: Carried,
}

/// An exchange under way.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnderWay {
    /// Its stamp.
    pub attempt: Attempt,
    /// The organization for which it is.
    pub organization: Org,
}

/// A connection that a successor goes on with.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moved {
    /// What was read from it and not answered, in base64.
    pub unread: String,
    /// When the first request in it was asked, where it was read as a whole.
    pub asked: Option<Moment>,
}

/// The end of an exchange.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchanged {
    /// Its stamp.
    pub attempt: Attempt,
    /// What it brought.
    pub result: Outcome,
}

/// What an exchange brought.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A token.
    Granted(Grant),
    /// None.
    Failed(Failure),
}

impl From<Result<Grant, Failure>> for Outcome {
    fn from(result: Result<Grant, Failure>) -> Self {
        match result {
            Ok(grant) => Self::Granted(grant),
            Err(failure) => Self::Failed(failure),
        }
    }
}

impl From<Outcome> for Result<Grant, Failure> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Granted(grant) => Ok(grant),
            Outcome::Failed(failure) => Err(failure),
        }
    }
}
