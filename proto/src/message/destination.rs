//! Where an organization's tokens may be sent.

use serde::{Deserialize, Serialize};

use crate::org::Org;

/// Asks where an organization's tokens may be sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationOf {
    /// The organization's alias or GUID; without it the default or the only one.
    #[serde(default)]
    pub organization: Option<Org>,
}

/// Where an organization's tokens may be sent, and how that is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The alias.
    pub organization: Org,
    /// The base of the Auth API.
    pub auth_url: String,
    /// The base of the API.
    pub api_url: String,
    /// The MCP server; none is known of an installation whose settings name none.
    pub mcp_url: Option<String>,
    /// The absolute path of a PEM file with the only certificate authorities to trust.
    pub ca_file: Option<String>,
    /// The proxy to go through.
    pub proxy: Option<String>,
}
