//! What is measured: the C client and server, and the real programs with a simulated Auth API.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ac_cred_proto::Org;
use ac_cred_proto::frame::Encoding;
use ac_cred_tests::auth_sim::{AuthSim, Fault, Options};
use tempfile::TempDir;

use crate::load::Question;
use crate::measure::told;
use crate::memory::pss;
use crate::processes::Contender;
use crate::sample::timed;
use crate::subject::TOKEN_LENGTH;
use crate::{dist, root};

/// The organization for which the simulated Auth API gives tokens.
const ORGANIZATION: &str = "7a3f0000-0000-4000-8000-000000000000";

/// A process that ends with this.
#[derive(Debug)]
pub(crate) struct Server(Child);

impl Server {
    /// Starts a program that says `ready`.
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let server = Self(child);
        if line == "ready\n" {
            Ok(server)
        } else {
            Err(io::Error::other(format!(
                "{command:?} does not start: {line}"
            )))
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn directory() -> io::Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("ac-cred-")
        .tempdir_in("/tmp")?;
    fs::create_dir(directory.path().join("run"))?;
    private(&directory.path().join("run"), 0o700)?;
    Ok(directory)
}

fn private(path: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmod(
        path,
        rustix::fs::Mode::from_bits_truncate(mode),
    )?)
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("run").join("v1.sock")
}

/// The static C client, and its server.
pub(crate) struct Yardstick {
    directory: TempDir,
    _server: Server,
}

impl Yardstick {
    /// Compiles both, and starts the server.
    pub(crate) fn start() -> io::Result<Self> {
        let directory = directory()?;
        for name in ["client", "server"] {
            let source = root()
                .join("bench/yardstick")
                .join(name)
                .with_extension("c");
            let status = Command::new("cc")
                .args(["-O2", "-static", "-o"])
                .arg(directory.path().join(name))
                .arg(source)
                .status()?;
            if !status.success() {
                return Err(io::Error::other("the C compiler failed"));
            }
        }
        let mut server = Command::new(directory.path().join("server"));
        let server = Server::start(server.arg(socket(directory.path())))?;
        Ok(Self {
            directory,
            _server: server,
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    pub(crate) fn contender(&self) -> Contender {
        let client = self.directory.path().join("client");
        Contender::new("static C client", [client, self.socket()])
    }
}

/// A request for the token of the real programs.
pub(crate) fn question(encoding: Encoding) -> io::Result<Question> {
    Question::get(&Org::parse("acme").map_err(io::Error::other)?, encoding)
}

/// The real programs, logged in over TLS.
pub(crate) struct Real {
    sim: AuthSim,
    home: Home,
    daemon: Server,
    /// Its memory right after the exchange.
    pub(crate) after_exchange: String,
}

impl Real {
    /// Starts the daemon and logs in with one exchange.
    pub(crate) fn start() -> io::Result<Self> {
        let sim = AuthSim::try_start(Options::default())?;
        sim.add_personal_access_key("key", ORGANIZATION);
        let token = "x".repeat(TOKEN_LENGTH);
        let body =
            format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":86400}}"#);
        sim.fail_always(Fault::answer(
            200,
            &[("Content-Type", "application/json")],
            body,
        ));
        let home = Home::new(&sim, None)?;
        let daemon = home.daemon()?;
        home.log_in(&sim, "memory")?;
        home.call(&["get", "acme"])?;
        let after_exchange = told(pss(daemon.pid()));
        Ok(Self {
            sim,
            home,
            daemon,
            after_exchange,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.home.directory.path())
    }

    /// A build of the client, to be timed.
    pub(crate) fn get(&self, name: &str, client: &Path) -> Contender {
        Contender::new(name, [client.as_os_str(), "get".as_ref(), "acme".as_ref()])
            .env("AC_CRED_SOCKET", self.socket())
            .env("HOME", self.home.directory.path())
    }

    /// Another home, whose credential rests in the encrypted file.
    pub(crate) fn with_encrypted_file(&self) -> io::Result<Home> {
        let home = Home::new(&self.sim, Some("correct horse battery staple\n"))?;
        home.log_in(&self.sim, "file")?;
        Ok(home)
    }
}

/// The memory of a daemon that has done nothing yet.
pub(crate) fn idle() -> io::Result<String> {
    let directory = directory()?;
    let mut command = Command::new(dist("ac-credd"));
    command
        .arg("--socket")
        .arg(socket(directory.path()))
        .env_clear()
        .env("HOME", directory.path());
    let daemon = Server::start(&mut command)?;
    Ok(told(pss(daemon.pid())))
}

/// A home with its own daemon.
pub(crate) struct Home {
    directory: TempDir,
    passphrase: Option<PathBuf>,
}

impl Home {
    fn new(sim: &AuthSim, passphrase: Option<&str>) -> io::Result<Self> {
        let directory = directory()?;
        fs::write(directory.path().join("ca.pem"), sim.ca_pem())?;
        let passphrase = match passphrase {
            Some(text) => {
                let path = directory.path().join("passphrase");
                fs::write(&path, text)?;
                private(&path, 0o600)?;
                Some(path)
            }
            None => None,
        };
        Ok(Self {
            directory,
            passphrase,
        })
    }

    fn daemon(&self) -> io::Result<Server> {
        let mut command = Command::new(dist("ac-credd"));
        command
            .arg("--socket")
            .arg(socket(self.directory.path()))
            .env_clear()
            .env("HOME", self.directory.path());
        Server::start(&mut command)
    }

    fn log_in(&self, sim: &AuthSim, store: &str) -> io::Result<()> {
        let url = sim.url();
        let words = format!(
            "login acme --stdin --store {store} --auth-url {url} --api-url {url} --ca-file ca.pem"
        );
        self.call(&words.split(' ').collect::<Vec<_>>()).map(drop)
    }

    /// Runs the client, with the key to read if it wants to, and says how long it took.
    pub(crate) fn call(&self, words: &[&str]) -> io::Result<Duration> {
        let mut command = Command::new(dist("ac-cred"));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.directory.path())
            .env("AC_CRED_SOCKET", socket(self.directory.path()))
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(path) = &self.passphrase {
            command.env("AC_CRED_PASSPHRASE_FILE", path);
        }
        let (time, output) = timed(|| {
            let mut child = command.spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // One who reads nothing may have ended already.
                stdin.write_all(b"key").ok();
            }
            child.wait_with_output()
        });
        let output = output?;
        if output.status.success() {
            Ok(time)
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(io::Error::other(format!(
                "ac-cred {}: {said}",
                words.join(" ")
            )))
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // There may be no daemon any more.
        self.call(&["daemon", "stop"]).ok();
    }
}
