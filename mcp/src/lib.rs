//! `ac-cred-mcp`: an MCP server on stdio that passes everything on to an organization's MCP server,
//! with the session token of the moment in every request.
//!
//! What a client says is not changed: a line is posted as it is, and what the server answers, as
//! JSON or as a stream of events, is a line again.
//! The bridge knows three things of the protocol besides: how a session begins and is lost, which
//! answer belongs to which request, and what a cancelled request is.
//!
//! `setup` writes the bridge into the configuration of MCP clients.

pub mod bridge;
pub mod event_stream;
pub mod exchange;
pub mod http;
pub mod lines;
pub mod mask;
pub mod message;
pub mod relay;
pub mod route;
pub mod session;
pub mod setup;
pub mod trouble;
