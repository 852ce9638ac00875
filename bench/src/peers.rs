//! The peers that can be set up without a screen, an account or a person: each with one entry, and
//! asked for it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use ac_cred_tests::world::{self, PATIENCE};
use tempfile::TempDir;

use crate::machine::first_line;
use crate::processes::Contender;
use crate::provider;

/// What `git credential-cache` is told and asked.
const GIT_QUESTION: &str = "protocol=https\nhost=example.com\nusername=me\n\n";
const GIT_ENTRY: &str = "protocol=https\nhost=example.com\nusername=me\npassword=secret\n\n";

/// A bus that starts nothing by itself: it would start a second keyring, which is locked.
const BUS: &str = r#"<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen>
<auth>EXTERNAL</auth><policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"#;

/// Starts one peer.
type Start = fn(&mut Peers) -> io::Result<()>;

/// The peers that run, until this is dropped.
pub(crate) struct Peers {
    pub(crate) contenders: Vec<Contender>,
    /// The daemons that can be weighed: a name and a process.
    pub(crate) daemons: Vec<(&'static str, u32)>,
    /// Versions of those that run.
    pub(crate) versions: Vec<String>,
    /// Which peers are missing, and why.
    pub(crate) missing: Vec<String>,
    children: Vec<Child>,
    directory: TempDir,
}

impl Peers {
    /// Starts what can be started.
    pub(crate) fn start() -> io::Result<Self> {
        let mut peers = Self {
            contenders: Vec::new(),
            daemons: Vec::new(),
            versions: Vec::new(),
            missing: Vec::new(),
            children: Vec::new(),
            directory: tempfile::Builder::new()
                .prefix("peers-")
                .tempdir_in("/tmp")?,
        };
        let starts: [(&str, Start); 4] = [
            ("git credential-cache", Self::git),
            ("oidc-token", Self::oidc),
            ("ssh-add -l", Self::ssh),
            ("secret-tool lookup", Self::secret_service),
        ];
        for (name, start) in starts {
            if let Err(error) = start(&mut peers) {
                peers.missing.push(format!("{name}: {error}"));
            }
        }
        Ok(peers)
    }

    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn contender(&self, name: &str, words: &[&str]) -> Contender {
        Contender::new(name, words.iter().map(OsString::from))
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
    }

    fn git(&mut self) -> io::Result<()> {
        let socket = self.place("git").join("socket");
        fs::create_dir(self.place("git"))?;
        rustix::fs::chmod(
            self.place("git"),
            rustix::fs::Mode::from_bits_truncate(0o700),
        )?;
        let option = format!("--socket={}", socket.display());
        let words = ["git", "credential-cache", &option, "get"];
        let get = self
            .contender("git credential-cache", &words)
            .stdin(GIT_QUESTION);
        let store = [
            "git",
            "credential-cache",
            "--timeout=86400",
            &option,
            "store",
        ];
        feed(&self.contender("git", &store), GIT_ENTRY)?;
        self.daemons.extend(
            processes_with(&socket.display().to_string()).map(|pid| ("git credential-cache", pid)),
        );
        self.versions.extend(first_line("git", &["--version"]));
        self.contenders.push(get);
        Ok(())
    }

    /// An agent that has its token from a provider of its own.
    fn oidc(&mut self) -> io::Result<()> {
        let issuer = provider::start()?;
        fs::create_dir_all(self.place(".config/oidc-agent"))?;
        let socket = self.place("oidc-socket");
        let socket_text = socket.display().to_string();
        let words = ["oidc-agent", "--console", "-a", &socket_text];
        let agent = self.contender("oidc-agent", &words);
        let temporary = self.directory.path().to_owned();
        let process = agent.env("TMPDIR", temporary).command()?.spawn();
        self.children.push(process.map_err(is_missing)?);
        wait_for(&socket)?;
        let words = [
            "oidc-gen bench --manual --client-id=id --client-secret=secret --rt=refresh",
            "--redirect-uri=http://localhost:8080 --scope=openid --flow=refresh",
            "--pw-env=PASSWORD --confirm-default --prompt=none",
            "--iss",
            &issuer,
        ]
        .join(" ");
        let make = self.contender("oidc-gen", &words.split(' ').collect::<Vec<_>>());
        let make = make.env("PASSWORD", "password");
        feed(&make.env("OIDC_SOCK", &socket), "")?;
        let pids = processes_with(&socket_text);
        self.daemons.extend(pids.map(|pid| ("oidc-agent", pid)));
        let get = self.contender("oidc-token", &["oidc-token", "bench"]);
        self.contenders.push(get.env("OIDC_SOCK", &socket));
        self.versions
            .extend(first_line("oidc-token", &["--version"]));
        Ok(())
    }

    fn ssh(&mut self) -> io::Result<()> {
        let (socket, key) = (self.place("ssh-socket"), self.place("key"));
        let socket_text = socket.display().to_string();
        let agent = self.contender("ssh-agent", &["ssh-agent", "-D", "-a", &socket_text]);
        let process = agent.command()?.spawn()?;
        self.daemons.push(("ssh-agent", process.id()));
        self.children.push(process);
        wait_for(&socket)?;
        let key_text = key.display().to_string();
        let make = [
            "ssh-keygen",
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            &key_text,
        ];
        feed(&self.contender("ssh-keygen", &make), "")?;
        let add = self.contender("ssh-add", &["ssh-add", &key_text]);
        feed(&add.env("SSH_AUTH_SOCK", &socket), "")?;
        let list = self.contender("ssh-add -l", &["ssh-add", "-l"]);
        self.contenders.push(list.env("SSH_AUTH_SOCK", &socket));
        self.versions.extend(first_line("ssh", &["-V"]));
        Ok(())
    }

    /// A session bus and a keyring of their own.
    fn secret_service(&mut self) -> io::Result<()> {
        let config = self.place("bus.conf");
        fs::write(&config, BUS)?;
        let config = format!("--config-file={}", config.display());
        let words = ["dbus-daemon", &config, "--nofork", "--print-address"];
        let mut bus = self.contender("dbus-daemon", &words).command()?;
        let mut bus = bus.stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        if let Some(stdout) = bus.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        self.children.push(bus);
        let address = address.trim_end();
        let words = [
            "gnome-keyring-daemon",
            "--foreground",
            "--components=secrets",
            "--unlock",
        ];
        let keyring = self.contender("gnome-keyring-daemon", &words);
        let keyring = keyring
            .env("DBUS_SESSION_BUS_ADDRESS", address)
            .env("XDG_RUNTIME_DIR", self.directory.path());
        let mut process = keyring.command()?.stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = process.stdin.take() {
            stdin.write_all(b"password")?;
        }
        self.daemons.push(("gnome-keyring-daemon", process.id()));
        self.children.push(process);
        let store = ["secret-tool", "store", "--label=bench", "service", "bench"];
        let store = self.contender("secret-tool", &store);
        eventually(|| {
            feed(
                &store.clone().env("DBUS_SESSION_BUS_ADDRESS", address),
                "secret",
            )
        })?;
        let look = self.contender(
            "secret-tool lookup",
            &["secret-tool", "lookup", "service", "bench"],
        );
        self.contenders
            .push(look.env("DBUS_SESSION_BUS_ADDRESS", address));
        self.versions
            .extend(first_line("gnome-keyring-daemon", &["--version"]));
        Ok(())
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        let socket = format!("--socket={}", self.place("git").join("socket").display());
        let exit = ["git", "credential-cache", &socket, "exit"];
        // What has ended by itself needs no end.
        feed(&self.contender("git", &exit), "").ok();
        for child in &mut self.children {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Runs a program with something to read, which has to succeed.
fn feed(contender: &Contender, text: &str) -> io::Result<()> {
    // Not a pipe: a daemon that the program leaves behind would keep it open.
    let mut said = tempfile::tempfile()?;
    let mut command = contender.command()?;
    command.stdin(file_with(text)?).stderr(said.try_clone()?);
    if command.status().map_err(is_missing)?.success() {
        return Ok(());
    }
    let mut words = String::new();
    said.rewind()?;
    said.read_to_string(&mut words)?;
    let name = &contender.name;
    Err(io::Error::other(format!("{name} failed: {}", words.trim())))
}

/// The same error in words where a program is not there.
fn is_missing(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        io::Error::other("it is not installed")
    } else {
        error
    }
}

/// The processes whose command line holds this word.
fn processes_with(word: &str) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(move |pid| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words
            .split(|&byte| byte == 0)
            .any(|one| one == word.as_bytes())
    })
}

/// A file that holds this text and is read from its beginning.
pub(crate) fn file_with(text: &str) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

fn wait_for(path: &Path) -> io::Result<()> {
    eventually(|| fs::symlink_metadata(path).map(drop))
}

/// Tries for a while what another process has to be ready for; the last failure, if it never is.
fn eventually(mut attempt: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut last = Ok(());
    let is_ready = || {
        last = attempt();
        last.is_ok()
    };
    if world::eventually(PATIENCE, is_ready) {
        return Ok(());
    }
    last
}
