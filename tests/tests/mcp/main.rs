//! `ac-cred mcp`: the bridge between a client on stdio and an MCP server, which meets a fresh token
//! in every request.

#![cfg(target_os = "linux")]

mod client;
mod hostile;
mod messages;
mod sessions;
mod tokens;
mod urls;

use ac_cred_tests::{mcp_sim::McpSim, world::World};

use client::Client;

/// A world in which `acme` is logged in, its MCP server, and a client with a session.
fn connected() -> (World, McpSim, Client) {
    let (world, mcp) = logged_in();
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    (world, mcp, client)
}

/// A world in which `acme` is logged in, and its MCP server.
fn logged_in() -> (World, McpSim) {
    let (world, mcp) = (World::new(), McpSim::start());
    log_in(&world, "acme", &mcp.url());
    (world, mcp)
}

/// Logs an organization in with an MCP server.
fn log_in(world: &World, alias: &str, mcp_url: &str) {
    let account = world.account(alias);
    let login = world.login_with(alias, account.key);
    let login = login.args(["--store", "memory", "--mcp-url", mcp_url]);
    login.run().succeeded();
}
