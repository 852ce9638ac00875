//! A keyring of a test's own: a real `gnome-keyring-daemon` on a session bus that nobody else has.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::{
    process::skip,
    world::{PATIENCE, Run, World, eventually},
};

/// The variable that names the session bus.
pub const ADDRESS_VARIABLE: &str = "DBUS_SESSION_BUS_ADDRESS";

/// What the keyring is unlocked with.
const PASSWORD: &str = "of the keyring\n";

/// The collection that an unlock makes.
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";

/// A bus and a keyring in the directory of a world; both end with it.
pub struct Keyring {
    directory: PathBuf,
    bus: Child,
    daemon: Option<Child>,
}

impl Keyring {
    /// An unlocked keyring; nothing where the programs are missing, which the test says.
    ///
    /// # Panics
    /// If they are there and do not start.
    #[must_use]
    pub fn start(world: &World) -> Option<Self> {
        let needed = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon"];
        let missing = needed
            .iter()
            .find(|name| !Path::new("/usr/bin").join(name).exists());
        if let Some(missing) = missing {
            skip(&format!("there is no {missing}; .ci/run installs it"));
            return None;
        }
        let directory = world.home().join("desktop");
        fs::create_dir(&directory).expect("the home has none");
        let mut keyring = Self {
            bus: start_bus(&directory),
            directory,
            daemon: None,
        };
        keyring.start_unlocked();
        Some(keyring)
    }

    /// The socket of the bus.
    #[must_use]
    pub fn bus(&self) -> PathBuf {
        self.directory.join("bus")
    }

    /// The address of the bus.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix:path={}", self.bus().display())
    }

    /// Starts the keyring again after an end.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_unlocked(&mut self) {
        self.start_keyring(&["--unlock"], PASSWORD);
    }

    /// Ends the keyring and starts it anew, locked, as at a login without a password.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_locked(&mut self) {
        self.end_keyring();
        self.start_keyring(&[], "");
    }

    /// Locks it, as a person or a screen lock does.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn lock(&self) {
        let service = "org.freedesktop.Secret.Service.Lock";
        let collection = format!("array:objpath:{COLLECTION}");
        let told = self.send(&[
            "--dest=org.freedesktop.secrets",
            "/org/freedesktop/secrets",
            service,
            &collection,
        ]);
        assert!(told.contains("path"), "{told}");
    }

    /// Ends the keyring; the bus stays, and starts no other.
    pub fn end_keyring(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            end(daemon);
        }
        self.daemon = None;
    }

    /// The process of the keyring.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Child::id)
    }

    /// Ends the bus.
    pub fn end_bus(&mut self) {
        end(&mut self.bus);
        fs::remove_file(self.bus()).ok();
    }

    /// Ends the bus, and listens in its place.
    ///
    /// # Panics
    /// If that cannot be done.
    #[must_use]
    pub fn replace_bus(&mut self) -> UnixListener {
        self.end_bus();
        UnixListener::bind(self.bus()).expect("the place is free")
    }

    fn start_keyring(&mut self, words: &[&str], input: &str) {
        let runtime = self.directory.join("runtime");
        let child = self
            .program("gnome-keyring-daemon")
            .args(["--foreground", "--components=secrets"])
            .arg(format!("--control-directory={}", runtime.display()))
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("it is installed");
        let mut stdin = child.stdin.take().expect("it was asked for");
        std::io::Write::write_all(&mut stdin, input.as_bytes()).expect("it reads its password");
        drop(stdin);
        self.daemon = Some(child);
        let is_there = || {
            let owner = "org.freedesktop.DBus.NameHasOwner";
            let name = "string:org.freedesktop.secrets";
            self.send(&["--dest=org.freedesktop.DBus", "/", owner, name])
                .contains("true")
        };
        assert!(eventually(PATIENCE, is_there), "the keyring does not start");
    }

    /// What the bus answers.
    fn send(&self, words: &[&str]) -> String {
        let mut command = self.program("dbus-send");
        command.args(["--session", "--print-reply"]).args(words);
        let output = command.output().expect("it is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(Path::new("/usr/bin").join(name));
        command
            .env_clear()
            .env("HOME", &self.directory)
            .env("XDG_RUNTIME_DIR", self.directory.join("runtime"))
            .env(ADDRESS_VARIABLE, self.address());
        command
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        self.end_keyring();
        end(&mut self.bus);
    }
}

/// A run that knows the bus.
pub trait OnBus {
    /// The same with the address of the bus, which a daemon that it starts inherits.
    #[must_use]
    fn on(self, keyring: &Keyring) -> Self;
}

impl OnBus for Run {
    fn on(self, keyring: &Keyring) -> Self {
        self.env(ADDRESS_VARIABLE, keyring.address())
    }
}

fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

/// A bus that starts no services by itself; it is there once it has told its address.
fn start_bus(directory: &Path) -> Child {
    let runtime = directory.join("runtime");
    fs::create_dir(&runtime).expect("the directory is new");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(&runtime, private).expect("it is one's own");
    let configuration = directory.join("bus.conf");
    let text = format!(
        "<busconfig><type>session</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
         <policy context=\"default\"><allow send_destination=\"*\"/><allow own=\"*\"/>\
         <allow receive_sender=\"*\"/></policy></busconfig>",
        directory.join("bus").display()
    );
    fs::write(&configuration, text).expect("the directory is one's own");
    let mut bus = Command::new("/usr/bin/dbus-daemon")
        .env_clear()
        .args([
            "--nofork",
            "--nopidfile",
            "--print-address",
            "--config-file",
        ])
        .arg(configuration)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it is installed");
    let told: Option<ChildStdout> = bus.stdout.take();
    let mut line = String::new();
    let mut told = BufReader::new(told.expect("it was asked for"));
    told.read_line(&mut line).expect("it tells its address");
    assert!(line.starts_with("unix:path="), "the bus says: {line}");
    bus
}
