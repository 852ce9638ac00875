//! The MCP server simulator as a program: try the bridge and real MCP clients without an account.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
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
`listening on URL` on stdout when it is ready, and reports each request on stderr, with a number for
its token. It serves until its stdin closes, or until it is killed.";

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
    /// Serve until killed, whatever stdin does
    #[arg(long)]
    ignore_stdin: bool,
}

fn main() -> ExitCode {
    match serve(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("mcp-sim: {error}"));
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
    let tokens = Mutex::new(Vec::new());
    sim.observe(Box::new(move |seen| {
        let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = number(&mut tokens, &seen.token);
        say(&format!(
            "{} {} {} token {token}",
            seen.verb, seen.method, seen.status
        ));
    }));
    writeln!(io::stdout().lock(), "listening on {}", sim.url())?;
    if arguments.ignore_stdin {
        loop {
            thread::park();
        }
    }
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop)
}

/// The number of a token, from 1 in the order in which they were seen; 0 is none.
fn number(tokens: &mut Vec<String>, token: &str) -> usize {
    if token.is_empty() {
        return 0;
    }
    let known = tokens.iter().position(|known| known == token);
    let index = known.unwrap_or_else(|| {
        tokens.push(token.to_owned());
        tokens.len() - 1
    });
    index + 1
}

/// Tells a person; without a stderr there is nobody left to tell.
fn say(line: &str) {
    writeln!(io::stderr(), "{line}").ok();
}
