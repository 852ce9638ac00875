//! A world for one test: a home, an endpoint, a simulated Auth API, and the real programs in it.
//!
//! Nothing of the person who runs the test is seen or changed, so worlds may exist side by side.
//! When a world is dropped, the daemons that were started in it end, and its directory is removed.
//!
//! ```no_run
//! use ac_cred_tests::world::World;
//!
//! let world = World::new();
//! world.login("acme");
//! let token = world.ac_cred(["get", "acme"]).run().succeeded().stdout.clone();
//! assert_eq!(world.call(token.trim()).status, 200);
//! assert_eq!(world.sim().exchange_count(), 1);
//! ```

mod connection;
mod daemon;
mod programs;
mod run;
mod secrets;
mod terminal;
mod time;

use std::{
    ffi::{OsStr, OsString},
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use ac_cred_proto::frame::Encoding;
use serde_json::Value;
use tempfile::TempDir;

pub use self::{
    connection::Connection,
    daemon::{below as daemons_below, end_below as end_daemons_below},
    programs::cargo,
    run::{Output, PATIENCE, Run, Running},
    secrets::Secrets,
    terminal::Answer,
    time::{eventually, timed},
};
use crate::{
    auth_sim::{AuthSim, Options},
    https,
};

/// The address by which programs are told that there is no session bus: no test asks the keyring of
/// the person who runs it.
const NO_BUS: &str = "disabled:";

/// A home, an endpoint, a simulated Auth API, and the programs.
pub struct World {
    sim: AuthSim,
    secrets: Secrets,
    accounts: AtomicU32,
    programs: &'static Path,
    directory: TempDir,
}

/// A credential that the simulator knows, and the organization it is for.
#[derive(Clone, Debug)]
pub struct Account {
    /// The alias that the organization has, or shall have, here; its tokens carry it too.
    pub alias: String,
    /// The personal access key.
    pub key: String,
    /// The GUID of the organization.
    pub organization_id: String,
}

/// Making one, and where things are in it.
impl World {
    /// A world with a simulator whose tokens live for an hour.
    ///
    /// # Panics
    /// If the programs cannot be built, or the machine has no room for a world.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::with_options(Options::default())
    }

    /// A world with a simulator that starts with these options.
    ///
    /// # Panics
    /// If the programs cannot be built, or the machine has no room for a world.
    #[must_use]
    #[track_caller]
    pub fn with_options(options: Options) -> Self {
        match Self::try_new(options) {
            Ok(world) => world,
            Err(error) => run::fail(&error),
        }
    }

    /// A world with a simulator that starts with these options.
    ///
    /// # Errors
    /// If the programs cannot be built, or the machine has no room for a world.
    pub fn try_new(options: Options) -> io::Result<Self> {
        let programs = programs::directory()?;
        // A socket's path has at most 107 bytes, so the directory's is short.
        let directory = tempfile::Builder::new()
            .prefix("ac-cred-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in("/tmp")?;
        let sim = AuthSim::try_start(options)?;
        fs::write(directory.path().join("ca.pem"), sim.ca_pem())?;
        fs::create_dir(directory.path().join("run"))?;
        fs::set_permissions(directory.path().join("run"), Permissions::from_mode(0o700))?;
        Ok(Self {
            sim,
            secrets: Secrets::new(),
            accounts: AtomicU32::new(0),
            programs,
            directory,
        })
    }

    /// The simulated Auth API.
    #[must_use]
    pub fn sim(&self) -> &AuthSim {
        &self.sim
    }

    /// The maker of its secrets.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The directory that is the home of its programs; what a test writes there vanishes with it.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    /// The endpoint that its programs are told of.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.home().join("run/v1.sock")
    }

    /// The settings file.
    #[must_use]
    pub fn settings_path(&self) -> PathBuf {
        self.home().join(".config/ac-cred/config.toml")
    }

    /// The encrypted file of credentials.
    #[must_use]
    pub fn credentials_path(&self) -> PathBuf {
        self.home().join(".local/share/ac-cred/credentials.age")
    }

    /// The PEM file with the simulator's certificate authority.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.home().join("ca.pem")
    }

    /// The directory of `ac-cred` and `ac-credd`.
    #[must_use]
    pub fn programs(&self) -> &Path {
        self.programs
    }

    /// Writes a file that only this user can read below the home.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a directory can be made in the home");
        }
        fs::write(&path, content).expect("a file can be written in the home");
        fs::set_permissions(&path, Permissions::from_mode(0o600))
            .expect("the mode of one's own file can be set");
        path
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Running programs.
impl World {
    /// `ac-cred` with these words.
    pub fn ac_cred<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Run {
        self.program(self.programs.join("ac-cred")).args(words)
    }

    /// Copies a program by another process: what this one has open for writing while another test
    /// starts a program cannot be started for a moment.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[track_caller]
    pub fn copy_program(&self, from: &Path, to: &Path) {
        let copied = self.program("cp").args([from, to]).run();
        copied.succeeded();
    }

    /// A line of a POSIX shell that finds `ac-cred` in its path.
    pub fn shell(&self, line: &str) -> Run {
        self.in_path("/bin/sh").args(["-c", line])
    }

    /// A line of a shell at a terminal, where each question gets the answer that stands beside it;
    /// stdout has everything that the terminal showed.
    ///
    /// # Panics
    /// If it cannot be started, or says nothing for a minute before its end.
    #[must_use]
    #[track_caller]
    pub fn at_terminal(&self, line: &str, answers: &[(&str, Answer<'_>)]) -> Output {
        // A terminal controls only who leads a session.
        let words = ["--ctty", "--wait", "/bin/bash", "-c", line];
        let run = self.in_path("/usr/bin/setsid").args(words);
        match run.env("TERM", "xterm").converse(answers) {
            Ok(output) => output,
            Err(error) => run::fail(&error),
        }
    }

    /// A program that finds `ac-cred` in its path.
    pub fn in_path(&self, program: impl AsRef<OsStr>) -> Run {
        let mut path = OsString::from(self.programs);
        path.push(":/usr/bin:/bin");
        self.program(program).env("PATH", path)
    }

    /// Any program, in the environment that every program of this world has.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Run {
        Run::new(program)
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .env("AC_CRED_SOCKET", self.socket())
            .env("DBUS_SESSION_BUS_ADDRESS", NO_BUS)
            .current_dir(self.home())
    }

    /// The token that `ac-cred get ALIAS` prints.
    ///
    /// # Panics
    /// If it prints none.
    #[track_caller]
    pub fn get(&self, alias: &str) -> String {
        let output = self.ac_cred(["get", alias]).run();
        let line = &output.succeeded().stdout;
        line.strip_suffix('\n')
            .expect("a token ends its line")
            .to_owned()
    }

    /// What `ac-cred status --json` prints.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> Value {
        self.ac_cred(["status", "--json"]).run().succeeded().json()
    }

    /// Calls the simulated API with a token.
    ///
    /// # Panics
    /// If the simulator does not answer.
    #[must_use]
    pub fn call(&self, token: &str) -> https::Answer {
        let url = format!("{}/build/v2/profiles", self.sim.url());
        let header = format!("Bearer {token}");
        let headers = [("Authorization", &*header)];
        https::get(&url, Some(&self.sim.ca_pem()), &headers).expect("the simulator answers")
    }
}

/// Logging in.
impl World {
    /// A new personal access key that the simulator takes, for a new organization.
    pub fn account(&self, alias: &str) -> Account {
        let number = self.accounts.fetch_add(1, Ordering::Relaxed) + 1;
        let organization_id = format!("{number:08x}-0000-4000-8000-000000000000");
        let key = self.secrets.fresh("key");
        let added = self.sim.add_personal_access_key(&key, &organization_id);
        added.named(alias);
        Account {
            alias: alias.to_owned(),
            key,
            organization_id,
        }
    }

    /// `ac-cred login ALIAS --stdin` at the simulator, with this on standard input.
    pub fn login_with(&self, alias: &str, credential: impl AsRef<[u8]>) -> Run {
        let login = self.login_at_simulator(alias).args(["--stdin"]);
        login.stdin(credential)
    }

    /// `ac-cred login ALIAS` at the simulator, which is yet to be told where the credential is.
    pub fn login_at_simulator(&self, alias: &str) -> Run {
        self.ac_cred(["login", alias, "--auth-url"])
            .args([self.sim.url(), "--api-url".to_owned(), self.sim.url()])
            .args(["--ca-file".into(), self.ca_file()])
    }

    /// A new account that is logged in, with its credential in the daemon's memory.
    ///
    /// # Panics
    /// If the login fails.
    #[track_caller]
    pub fn login(&self, alias: &str) -> Account {
        let account = self.account(alias);
        self.login_with(alias, &account.key)
            .args(["--store", "memory"])
            .run()
            .succeeded();
        account
    }
}

/// The daemon.
impl World {
    /// The id of the daemon's process, as `ac-cred status` tells it.
    #[must_use]
    #[track_caller]
    pub fn daemon_pid(&self) -> Option<u32> {
        let pid = self.status()["daemon"]["pid"].as_u64()?;
        u32::try_from(pid).ok()
    }

    /// The ids of every daemon that runs with a socket in this world, answering or not.
    #[must_use]
    pub fn daemons(&self) -> Vec<u32> {
        daemon::below(self.home())
    }

    /// Ends the daemon by `ac-cred daemon stop`.
    ///
    /// # Panics
    /// If that fails.
    #[track_caller]
    pub fn stop(&self) {
        self.ac_cred(["daemon", "stop"]).run().succeeded();
    }

    /// Waits until a process has ended; false when it has not by then.
    ///
    /// # Panics
    /// If the system does not let processes be waited for.
    #[must_use]
    pub fn wait_for_end(&self, pid: u32, deadline: Duration) -> bool {
        daemon::wait_for_end(pid, deadline).expect("a process can be waited for")
    }

    /// A connection that speaks frames.
    ///
    /// # Panics
    /// If no daemon listens.
    #[must_use]
    pub fn connect(&self) -> Connection {
        self.connect_in(Encoding::Binary)
    }

    /// A connection that speaks JSON lines.
    ///
    /// # Panics
    /// If no daemon listens.
    #[must_use]
    pub fn connect_json(&self) -> Connection {
        self.connect_in(Encoding::Json)
    }

    fn connect_in(&self, encoding: Encoding) -> Connection {
        Connection::open(&self.socket(), encoding).expect("a daemon listens")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        daemon::end_below(self.home());
    }
}
