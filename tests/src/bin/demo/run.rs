//! The demonstration: its steps, each shown as it happens, and its farewell.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use ac_cred_tests::{
    auth_sim::Options,
    https,
    world::{Run, World},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};

/// How often the token is asked for.
const TIMES: usize = 3;
/// The API that the token is for.
const PATH: &str = "/build/v2/profiles";

pub(crate) fn main() -> ExitCode {
    match demonstrate().and_then(|home| check_farewell(&home)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // Nobody may be reading any more.
            drop(writeln!(io::stderr(), "demo: {why}"));
            ExitCode::FAILURE
        }
    }
}

/// The steps, in a world that ends with them; returns where its files were.
fn demonstrate() -> io::Result<PathBuf> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&interrupted))?;
    }
    say("Building ac-cred and ac-credd, and starting a simulated Auth API …\n")?;
    let world = World::try_new(Options::default())?;
    let demo = Demo { world, interrupted };
    let key = demo.world.account("acme").key;
    demo.log_in(&key)?;
    demo.call_with(&demo.get()?)?;
    for _ in 1..TIMES {
        demo.get()?;
    }
    demo.count_exchanges()?;
    demo.run(&["status"], |run| run)?;
    demo.run(&["daemon", "stop"], |run| run)?;
    demo.expect(demo.world.daemons().is_empty(), "a daemon still runs")?;
    Ok(demo.world.home().to_owned())
}

fn check_farewell(home: &Path) -> io::Result<()> {
    if home.exists() {
        let left = home.display();
        return Err(io::Error::other(format!("{left} is left")));
    }
    say("\nNothing is left: no process, no file.\n")
}

struct Demo {
    world: World,
    interrupted: Arc<AtomicBool>,
}

impl Demo {
    /// The key is made up, and goes to standard input as a real one would.
    fn log_in(&self, key: &str) -> io::Result<()> {
        let url = self.world.sim().url();
        let words = format!(
            "login acme --stdin --store memory --auth-url {url} --api-url {url} --ca-file ca.pem"
        );
        let words: Vec<&str> = words.split(' ').collect();
        self.run(&words, |run| run.stdin(key)).map(drop)
    }

    fn get(&self) -> io::Result<String> {
        let printed = self.run(&["get", "acme"], |run| run)?;
        Ok(printed.trim_end().to_owned())
    }

    fn call_with(&self, token: &str) -> io::Result<()> {
        let sim = self.world.sim();
        show_command(&format!("GET {PATH}   with that token"))?;
        let header = format!("Bearer {token}");
        let url = format!("{}{PATH}", sim.url());
        let headers = [("Authorization", header.as_str())];
        let answer = https::get(&url, Some(&sim.ca_pem()), &headers)?;
        say(&format!("  {} {}\n", answer.status, answer.text()))?;
        self.expect(answer.status == 200, "the API refused the token")
    }

    fn count_exchanges(&self) -> io::Result<()> {
        let count = self.world.sim().exchange_count();
        say(&format!(
            "\n=> The token was asked for {TIMES} times; exchanges at the Auth API: {count}.\n"
        ))?;
        self.expect(count == 1, "there should have been one exchange")
    }

    /// Runs `ac-cred`, and shows what was typed and what it said.
    fn run(&self, words: &[&str], prepare: impl FnOnce(Run) -> Run) -> io::Result<String> {
        show_command(&format!("ac-cred {}", words.join(" ")))?;
        let run = prepare(self.world.ac_cred(words));
        let output = run.try_run()?;
        for line in output.stdout.lines().chain(output.stderr.lines()) {
            say(&format!("  {}\n", shortened(line)))?;
        }
        let code = output.code;
        self.expect(code == 0, &format!("that ended with exit code {code}"))?;
        Ok(output.stdout)
    }

    fn expect(&self, is_right: bool, otherwise: &str) -> io::Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err(io::Error::other("interrupted"))
        } else if is_right {
            Ok(())
        } else {
            Err(io::Error::other(otherwise))
        }
    }
}

/// A token with its middle left out; any other line as it is.
fn shortened(line: &str) -> String {
    let is_token = line.starts_with("eyJ") && line.matches('.').count() == 2;
    let ends = line
        .get(..12)
        .zip(line.get(line.len().saturating_sub(12)..));
    match ends {
        Some((start, end)) if is_token => format!("{start}…{end}"),
        Some(_) | None => line.to_owned(),
    }
}

fn show_command(line: &str) -> io::Result<()> {
    if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        say(&format!("\n\u{1b}[1m$ {line}\u{1b}[0m\n"))
    } else {
        say(&format!("\n$ {line}\n"))
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    written.and_then(|()| stdout.flush())
}
