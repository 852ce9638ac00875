//! Everything that crosses the socket: requests, answers and what they are made of.
//!
//! Every request is an object with one key in JSON, so that a JSON connection begins with `{`.
//! Times to wait are in milliseconds, lives of tokens in whole seconds, points in time
//! [`Timestamp`]s.

pub use self::audit::{Asked, Audit, Audited};
pub use self::check::{Check, Checked, Server, Step};
pub use self::destination::{Destination, DestinationOf};
pub use self::event::{Event, EventKind, Watch};
pub use self::login::{Login, Move, SaidSettings};
pub use self::status::{DaemonStatus, LastExchange, OrganizationStatus, Outcome, TokenStatus};

mod audit;
mod check;
mod destination;
mod event;
mod login;
mod status;

use serde::{Deserialize, Serialize};

use crate::denial::Denial;
use crate::org::Org;
use crate::secret::{Passphrase, SessionToken};
use crate::settings::{Kind, Store};
use crate::time::Timestamp;

/// How long a caller waits when it does not say: 8 seconds, in milliseconds.
pub const DEFAULT_WAIT_MS: u32 = 8_000;

fn default_wait_ms() -> u32 {
    DEFAULT_WAIT_MS
}

/// What a client asks of the daemon.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// A session token; answered by [`Response::Lease`].
    Get(Get),
    /// Prove a credential by one exchange and store it; answered by [`Response::LoggedIn`], or by
    /// [`Response::LoginNeeds`] when it brings neither a credential nor another organization's.
    Login(Box<Login>),
    /// Forget credential, token and settings; answered by a [`Response::Name`] for each
    /// organization forgotten, then [`Response::End`].
    Logout(Logout),
    /// Change an alias; answered by [`Response::Done`].
    Rename(Rename),
    /// Choose the default organization; answered by [`Response::Done`].
    Use(Use),
    /// Replace a token that the API answered with 401; answered by [`Response::Lease`] without
    /// another use than its life, once a newer token is there.
    Reject(Reject),
    /// The aliases; answered by a [`Response::Name`] each, then [`Response::End`].
    List(List),
    /// What is known; answered by [`Response::Daemon`], a [`Response::Organization`] for each
    /// organization asked about, then [`Response::End`].
    Status(Status),
    /// Open the encrypted store; answered by [`Response::Done`].
    Unlock(Unlock),
    /// End the daemon; answered by [`Response::Done`] when the daemon takes no new callers.
    Stop(Stop),
    /// Drop every secret from memory until [`Request::Unlock`]; answered by [`Response::Done`].
    Lock(Lock),
    /// Where an organization's tokens may be sent; answered by [`Response::Destination`].
    Destination(DestinationOf),
    /// Encrypt the store anew, so that something else opens it; answered by [`Response::Done`].
    ChangePassphrase(ChangePassphrase),
    /// What changes, as it changes; answered by a [`Response::Event`] each, until the connection or
    /// the daemon ends, then [`Response::End`].
    Watch(Watch),
    /// Who asked for what; answered by a [`Response::Audited`] each, the oldest first, then
    /// [`Response::End`].
    Audit(Audit),
    /// Whether servers can be reached, asked without a credential; answered by a
    /// [`Response::Checked`] for each server, then [`Response::End`].
    Check(Check),
    /// Move a credential to another store; answered by [`Response::LoggedIn`].
    Move(Move),
    /// Let the program at the daemon's place go on in its stead, with everything that it holds;
    /// answered by [`Response::Done`] once that serves.
    Restart(Restart),
}

/// Asks for a session token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// The organization's alias or GUID; without it the default or the only one.
    #[serde(default)]
    pub organization: Option<Org>,
    /// The life that the token must have, in seconds; without it a life that is safe to begin with
    /// is wished for.
    #[serde(default)]
    pub min_ttl: Option<u32>,
    /// Whether the token must be a new one.
    #[serde(default)]
    pub refresh: bool,
    /// How long the caller waits for an answer, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}

/// Forgets one organization, or all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// The organization's alias or GUID; without it the default or the only one.
    #[serde(default)]
    pub organization: Option<Org>,
    /// Whether all organizations are meant.
    #[serde(default)]
    pub all: bool,
}

/// Changes an alias.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The alias that is known.
    pub old: Org,
    /// The alias that it shall have.
    pub new: Org,
}

/// Chooses the default organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// The alias or GUID.
    pub organization: Org,
}

/// Says that the API answered 401.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// The organization's alias or GUID; without it the default or the only one.
    #[serde(default)]
    pub organization: Option<Org>,
    /// The token that was refused; without it the one that the daemon would have handed out.
    #[serde(default)]
    pub token: Option<SessionToken>,
    /// How long the caller waits for an answer, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}

/// Asks for the aliases.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {}

/// Asks what is known of one organization, or of all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// The organization's alias or GUID; without it all.
    #[serde(default)]
    pub organization: Option<Org>,
}

/// Opens the encrypted store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unlock {
    /// The passphrase; without it the daemon reads the file that its own environment names.
    #[serde(default)]
    pub passphrase: Option<Passphrase>,
    /// Whether the passphrase or the identity may become that of a store that is not there yet.
    #[serde(default)]
    pub create: bool,
    /// The absolute path of a file with the age identity that opens the store, in place of a
    /// passphrase; the daemon remembers it.
    #[serde(default)]
    pub identity: Option<String>,
}

/// Ends the daemon.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {}

/// Drops every secret from memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Whether credentials that rest in memory only may be lost; refused where there are any and
    /// this is not said.
    #[serde(default)]
    pub forget_memory: bool,
}

/// Has something else open the encrypted store, which has to be open.
///
/// Without either it asks whether that could be done, and changes nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePassphrase {
    /// The new passphrase.
    #[serde(default)]
    pub passphrase: Option<Passphrase>,
    /// The absolute path of a file with the age identity that shall open it from now on.
    #[serde(default)]
    pub identity: Option<String>,
}

/// Replaces the daemon by the program at its place.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {}

/// What the daemon answers.
///
/// No variant holds a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// A session token with the life it has left.
    Lease(Box<Lease>),
    /// A credential has proved itself and is stored.
    LoggedIn(LoggedIn),
    /// What a login needs besides its credential.
    LoginNeeds(LoginNeeds),
    /// What was asked for is done.
    Done(Done),
    /// An alias; more may follow.
    Name(Name),
    /// What is known of the daemon; organizations follow.
    Daemon(DaemonStatus),
    /// What is known of one organization; more may follow.
    Organization(Box<OrganizationStatus>),
    /// The end of a sequence.
    End(End),
    /// A refusal; nothing follows.
    Denied(Denial),
    /// Where an organization's tokens may be sent.
    Destination(Box<Destination>),
    /// What has changed; more may follow.
    Event(Box<Event>),
    /// Who asked for what, and what came of it; more may follow.
    Audited(Box<Audited>),
    /// What was found of one server; more may follow.
    Checked(Box<Checked>),
}

/// A session token with the life it has left.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The alias of its organization.
    pub organization: Org,
    /// The GUID of its organization, where the token names it.
    pub organization_id: Option<String>,
    /// The token, to be sent as `Authorization: Bearer …`.
    pub access_token: SessionToken,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The life it has left, in seconds.
    pub expires_in: u32,
    /// The base of the API that it is for.
    pub api_url: String,
    /// What the caller should tell its person.
    pub warning: Option<Warning>,
    /// When the credential that it was exchanged for ends, where that is known.
    pub credential_expires_at: Option<Timestamp>,
}

/// What is wrong although a token was handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// The Auth API refused the credential: this token is the last one.
    CredentialRefused,
    /// The credential ends within two weeks; told once a day.
    CredentialExpires,
}

/// A credential has proved itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedIn {
    /// The alias.
    pub organization: Org,
    /// The GUID of the organization, where the token names it.
    pub organization_id: Option<String>,
    /// Where the credential rests.
    pub store: Store,
    /// The base of the API, which a self-hosted installation has to set.
    pub api_url: String,
    /// The life of the token that proved the credential, in seconds.
    pub expires_in: u32,
    /// Why the settings could not be written to their file, when they live in memory only.
    pub settings_not_saved: Option<String>,
}

/// What a login needs besides its credential.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginNeeds {
    /// The kind of credential that the login would bring.
    pub kind: Kind,
    /// Whether the store has to be unlocked first.
    pub passphrase: PassphraseNeed,
}

/// Whether a passphrase has to be given before a credential can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassphraseNeed {
    /// The store is open, or has none.
    Nothing,
    /// The passphrase of the store that is there.
    Existing,
    /// A new passphrase for a store that is not there yet.
    New,
}

/// What was asked for is done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {}

/// One alias of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The alias.
    pub organization: Org,
}

/// The end of a sequence.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {}
