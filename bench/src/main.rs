//! Measures `ac-cred` and `ac-credd` beside a small static C client and server, and beside the peers
//! that this machine has.
//!
//! Every program is run in turns with the others, so that all meet the same noise: the ratios of one
//! run can be trusted, the times of two runs cannot be compared.

mod count;
mod load;
mod machine;
mod measure;
mod memory;
mod peers;
mod plot;
mod processes;
mod provider;
mod report;
mod rig;
mod sample;
mod subject;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The daemon's own allocator, as its library is measured in this program.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Measures ac-cred beside its peers and writes docs/speed.md and docs/speed.svg
///
/// Build first: cargo build --release && .ci/dist
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many rounds each program is run in
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How often each program is run in a round
    #[arg(long, default_value_t = 200)]
    times: usize,
    /// Print the page and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Count the instructions of the hot path, and fail where they are 5 % over the baseline
    Count {
        /// Keep what is counted as the baseline
        #[arg(long)]
        record: bool,
    },
    /// Be the daemon that is measured
    #[command(hide = true)]
    Subject { directory: PathBuf, count: usize },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Command::Count { record }) => count::run(&dist("ac-cred"), *record),
        Some(Command::Subject { directory, count }) => {
            subject::serve(directory, *count).map(|()| true)
        }
        None => all(&arguments).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody may be reading any more.
            writeln!(io::stderr(), "ac-cred-bench: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn all(arguments: &Arguments) -> io::Result<()> {
    let (page, picture) = measure::page(arguments.rounds, arguments.times)?;
    say(page.text())?;
    if !arguments.dry_run {
        let docs = root().join("docs");
        std::fs::create_dir_all(&docs)?;
        std::fs::write(docs.join("speed.md"), page.text())?;
        std::fs::write(docs.join("speed.svg"), picture)?;
    }
    Ok(())
}

/// The top of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// A program as it is released for Linux.
fn dist(name: &str) -> PathBuf {
    target().join("dist").join(name)
}

/// Where cargo has built this.
fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors()
        .nth(2)
        .unwrap_or(Path::new("target"))
        .to_owned()
}

/// Prints a line.
fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}
