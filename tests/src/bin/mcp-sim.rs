//! The MCP server simulator as a program: try the bridge and real MCP clients without an account.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
};

use ac_cred_tests::mcp_sim::{Manner, McpSim};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  mcp-sim --revoke-every 1
      every token is refused once a tool was called with it; then, elsewhere:
      ac-cred login acme --from acme --mcp-url URL
      ac-cred mcp acme

It takes any bearer token that it has not refused yet, listens at 127.0.0.1 alone, says
`listening on URL` on stdout when it is ready, and serves until its stdin closes. Then it says how
many requests it has seen, and how many of them it refused for their token.";

/// Simulates an MCP server on this machine.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// The port to listen at; 0 takes one that is free
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// Refuse every token seen so far after each N calls of a tool
    #[arg(long, value_name = "N")]
    revoke_every: Option<usize>,
    /// Answer with streams of events in place of single messages
    #[arg(long)]
    events: bool,
}

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without a stderr there is nobody left to tell.
            writeln!(io::stderr(), "mcp-sim: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> io::Result<()> {
    let sim = McpSim::try_start(arguments.port, None)?;
    if arguments.events {
        sim.set_manner(Manner::Events);
    }
    if let Some(calls) = arguments.revoke_every {
        sim.revoke_every(calls);
    }
    writeln!(io::stdout().lock(), "listening on {}", sim.url())?;
    io::copy(&mut io::stdin().lock().take(u64::MAX), &mut io::sink())?;
    let (seen, refused) = (sim.seen().len(), sim.refusals());
    writeln!(
        io::stdout().lock(),
        "{seen} requests, {refused} refused for their token"
    )
}
