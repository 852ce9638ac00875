//! How a credential comes to where it rests.

use serde::{Deserialize, Serialize};

use super::default_wait_ms;
use crate::argv::Argv;
use crate::org::Org;
use crate::secret::Credential;
use crate::settings::{EndpointVersion, Kind, Store};
use crate::time::Timestamp;

/// Brings a credential, the command that prints one, or the settings to use another organization's
/// with.
///
/// Without any of these it asks what such a login would need, and changes nothing: a client asks
/// this before it asks a person for the secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The alias, new or known.
    pub organization: Org,
    /// The credential.
    #[serde(default)]
    pub credential: Option<Credential>,
    /// The organization whose stored credential is to be used.
    #[serde(default)]
    pub from: Option<Org>,
    /// The settings that are said; what is not said stays as it is, or as Appcircle's cloud has it.
    #[serde(default)]
    pub settings: SaidSettings,
    /// Whether this becomes the default organization.
    #[serde(default)]
    pub make_default: bool,
    /// How long the caller waits for an answer, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
    /// What prints the credential, for [`Store::Command`]; its program is an absolute path.
    #[serde(default)]
    pub command: Option<Argv>,
}

/// The settings that a person said at login, each as in the settings file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaidSettings {
    /// The kind of the credential.
    pub kind: Option<Kind>,
    /// Where the credential is to rest.
    pub store: Option<Store>,
    /// The base of the Auth API.
    pub auth_url: Option<String>,
    /// The base of the API.
    pub api_url: Option<String>,
    /// The MCP server.
    pub mcp_url: Option<String>,
    /// The name of the API key.
    pub name: Option<String>,
    /// The GUID of the organization that tokens must be of.
    pub organization_id: Option<String>,
    /// The GUID of the sub-organization that tokens must be of.
    pub sub_organization: Option<String>,
    /// The version of the token endpoint.
    pub endpoint_version: Option<EndpointVersion>,
    /// The absolute path of a PEM file with the only certificate authorities to trust.
    pub ca_file: Option<String>,
    /// The proxy through which the Auth API is reached.
    pub proxy: Option<String>,
    /// Whether the Auth API may be reached without TLS.
    pub allow_http: Option<bool>,
    /// When the credential ends.
    pub expires: Option<Timestamp>,
}

/// Moves a credential to another store: it is stored there, read back, and only then removed where
/// it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// The organization's alias or GUID; without it the default or the only one.
    #[serde(default)]
    pub organization: Option<Org>,
    /// Where the credential shall rest.
    pub to: Store,
    /// What prints the credential, for [`Store::Command`]; its program is an absolute path.
    #[serde(default)]
    pub command: Option<Argv>,
    /// How long the caller waits for an answer, in milliseconds.
    #[serde(default = "default_wait_ms")]
    pub wait_ms: u32,
}
