//! A daemon is started where there is none: the one beside the client, once, with nothing of the
//! caller's.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::world::{CLIENT, TOKEN, World, leased, said, serve, what_was_said};

/// Writes down what it was started with, then does what the test has written down.
///
/// The descriptors are listed by a command of its own, as a pipe would add the shell's own to them.
const DAEMON: &str = r#"#!/bin/sh
ls "/proc/$$/fd" >"$HOME/descriptors"
{
    echo "started: $*"
    echo "directory: $(pwd)"
    sed 's/^/descriptor: /' "$HOME/descriptors"
    env | sed 's/^/variable: /'
} >>"$HOME/seen"
. "$HOME/behaviour"
"#;

/// Listens as soon as it is said: the test's own socket is moved into its place.
const LISTEN: &str = r#"mv "$HOME/early.sock" "$HOME/v1.sock"
"#;

/// A client with a daemon beside it.
struct Installed {
    directory: TempDir,
}

impl Installed {
    fn new() -> Self {
        let directory =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory can be made");
        let installed = Self { directory };
        fs::hard_link(CLIENT, installed.client()).expect("the client can be linked");
        installed
    }

    /// Written by another process, so that no other test's child holds the program open.
    fn with_daemon(self) -> Self {
        let written = Command::new("sh")
            .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 700 \"$0\""])
            .arg(self.directory.path().join("ac-credd"))
            .arg(DAEMON)
            .status();
        assert!(written.is_ok_and(|status| status.success()));
        self
    }

    fn client(&self) -> PathBuf {
        self.directory.path().join("ac-cred")
    }
}

impl World {
    fn behaves(&self, script: &str) {
        fs::write(self.home().join("behaviour"), script).expect("a file can be written");
    }

    fn seen(&self) -> Vec<String> {
        let seen = fs::read_to_string(self.home().join("seen")).unwrap_or_default();
        seen.lines().map(str::to_owned).collect()
    }

    /// A socket that the started daemon moves to the endpoint.
    fn early_listener(&self) -> UnixListener {
        UnixListener::bind(self.home().join("early.sock")).expect("the path is free")
    }
}

#[test]
fn the_daemon_is_started_and_asked() {
    let (world, installed) = (World::new(), Installed::new().with_daemon());
    world.behaves(&format!("{LISTEN}echo ready"));
    serve(world.early_listener(), vec![vec![], vec![leased()]]);
    let said = said(&mut world.run(installed.client(), &["get"]));
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.stdout, format!("{TOKEN}\n"));
    let started = format!("started: --socket {} --on-demand", world.socket().display());
    assert_eq!(world.seen()[0], started);
}

#[test]
fn the_daemon_has_nothing_of_the_callers() {
    let (world, installed) = (World::new(), Installed::new().with_daemon());
    world.behaves(&format!("{LISTEN}echo ready"));
    serve(world.early_listener(), vec![vec![leased()]]);
    let script = "exec 7</dev/null 9</dev/null; \"$0\" get";
    let client = installed.client();
    let mut caller = world.run("sh", &["-c", script, client.to_str().unwrap()]);
    for name in ["HTTPS_PROXY", "SSL_CERT_FILE", "LD_PRELOAD", "RUST_LOG"] {
        caller.env(name, "");
    }
    caller.env("LANG", "tr_TR").env("AC_CRED_ORG", "acme");
    caller.env("AC_CRED_PASSPHRASE_FILE", "passphrase");
    let said = said(caller.current_dir(world.home()));
    assert_eq!(said.code, 0, "{said:?}");

    let seen = world.seen();
    assert!(seen.contains(&"directory: /".to_owned()), "{seen:?}");
    for descriptor in ["3", "4", "5", "6", "7", "8", "9"] {
        let line = format!("descriptor: {descriptor}");
        assert!(!seen.contains(&line), "{seen:?}");
    }
    let mut names: Vec<_> = seen
        .iter()
        .filter_map(|line| line.strip_prefix("variable: ")?.split('=').next())
        // The shell's own.
        .filter(|name| !["PWD", "OLDPWD", "_", "SHLVL"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["AC_CRED_PASSPHRASE_FILE", "HOME", "PATH"]);
    assert!(seen.contains(&"variable: PATH=/usr/bin:/bin".to_owned()));
    let file = world.home().join("passphrase");
    let file = format!("variable: AC_CRED_PASSPHRASE_FILE={}", file.display());
    assert!(seen.contains(&file), "{seen:?}");
}

#[test]
fn a_caller_does_not_wait_for_the_daemon_to_end() {
    let (world, installed) = (World::new(), Installed::new().with_daemon());
    world.behaves(&format!(
        "mkfifo \"$HOME/hold\"\n{LISTEN}echo ready\nread -r end <\"$HOME/hold\""
    ));
    serve(world.early_listener(), vec![vec![leased()]]);
    let said = said(&mut world.run(installed.client(), &["get"]));
    assert_eq!(said.stdout, format!("{TOKEN}\n"));
    let mut hold = File::options()
        .write(true)
        .open(world.home().join("hold"))
        .unwrap();
    hold.write_all(b"end\n").unwrap();
}

#[test]
fn callers_at_the_same_time_start_one_daemon() {
    const CALLERS: usize = 20;
    let (world, installed) = (World::new(), Installed::new().with_daemon());
    world.behaves(&format!("{LISTEN}echo ready"));
    let listener = world.early_listener();
    let children: Vec<_> = (0..CALLERS)
        .map(|_| {
            world
                .run(installed.client(), &["daemon", "start"])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let said = what_was_said(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    }
    drop(listener);
    let seen = world.seen();
    let starts = seen.iter().filter(|line| line.starts_with("started:"));
    assert_eq!(starts.count(), 1, "{seen:?}");
}

#[test]
fn a_daemon_that_does_not_come_up_says_why() {
    for (behaviour, code, expected) in [
        (
            r#"echo '{"error":"unsafe_files","message":"the store is open to others","hint":"chmod 700 x","retry_after":null}'"#,
            6,
            "ac-cred: the store is open to others; run: chmod 700 x\n",
        ),
        (
            "exit 3",
            7,
            "ac-cred: the daemon ended before it was ready; run: ac-cred daemon run\n",
        ),
        (
            "echo nonsense",
            7,
            "ac-cred: the daemon ended before it was ready; run: ac-cred daemon run\n",
        ),
        (
            "echo ready",
            7,
            "ac-cred: the daemon ended as soon as it had started\n",
        ),
    ] {
        let (world, installed) = (World::new(), Installed::new().with_daemon());
        world.behaves(behaviour);
        let said = said(&mut world.run(installed.client(), &["get"]));
        said.is_refused(code);
        assert_eq!(said.stderr, expected);
    }
}

#[test]
fn a_daemon_that_is_not_installed_is_looked_for_beside_the_client_only() {
    let (world, installed) = (World::new(), Installed::new());
    let elsewhere = Installed::new().with_daemon();
    let path = elsewhere.client();
    let mut client = world.run(installed.client(), &["get"]);
    let said = said(client.env("PATH", path.parent().unwrap()));
    said.is_refused(7);
    let place = installed.directory.path().join("ac-credd");
    let place = format!("there is no {}", place.display());
    assert!(said.stderr.contains(&place), "{said:?}");
    assert!(world.seen().is_empty());
}

#[test]
fn the_directory_of_the_endpoint_is_made_private() {
    use std::os::unix::fs::PermissionsExt as _;

    let (world, installed) = (World::new(), Installed::new().with_daemon());
    world.behaves("exit 1");
    let socket = world.home().join("a/b/v1.sock");
    let mut client = world.run(installed.client(), &["get"]);
    said(client.env("AC_CRED_SOCKET", &socket)).is_refused(7);
    for made in ["a", "a/b"] {
        let mode = fs::metadata(world.home().join(made)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o700, "{made}");
    }
    let lock = fs::metadata(world.home().join("a/b/launch.lock")).unwrap();
    assert_eq!(lock.permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_endpoint_that_cannot_be_made_is_refused_with_the_variable() {
    let (world, installed) = (World::new(), Installed::new().with_daemon());
    let mut client = world.run(installed.client(), &["get"]);
    let said = said(client.env("AC_CRED_SOCKET", "/proc/none/v1.sock"));
    said.is_refused(7);
    assert!(said.stderr.contains("AC_CRED_SOCKET"), "{said:?}");
}

#[test]
fn daemon_run_becomes_the_daemon() {
    let (world, installed) = (World::new(), Installed::new().with_daemon());
    world.behaves("exit 42");
    let mut client = world.run(installed.client(), &["daemon", "run"]);
    let said = said(client.env("NOTIFY_SOCKET", "/x").env("RUST_LOG", "trace"));
    assert_eq!(said.code, 42, "{said:?}");
    let seen = world.seen();
    assert_eq!(
        seen[0],
        format!("started: --socket {}", world.socket().display())
    );
    assert!(seen.contains(&"variable: NOTIFY_SOCKET=/x".to_owned()));
    assert!(!seen.iter().any(|line| line.contains("RUST_LOG")));
}
