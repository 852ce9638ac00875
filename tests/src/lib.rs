//! What the tests of the whole product share: the simulators of the Auth API and of the MCP server, a
//! blocking HTTPS client, and a world in which the real programs run.

pub mod auth_sim;
pub mod https;
#[cfg(target_os = "linux")]
pub mod keyring;
pub mod mcp_sim;
#[cfg(target_os = "linux")]
pub mod process;
pub mod source;
pub mod tunnel_proxy;
#[cfg(unix)]
pub mod world;
