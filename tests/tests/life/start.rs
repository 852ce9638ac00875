//! How the daemon starts: with nothing of its caller's, and only where and from where it may.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use ac_cred_proto::endpoint::log_path;
use ac_cred_tests::{
    process::{Foreground, Process, is_root_or_skips, skip},
    world::{Run, World},
};

use rustix::process::getuid;

use super::{Resting, as_stranger, copy, directory_of_stranger, mode, open_to_strangers, text};

/// What a hostile or careless environment may hold.
pub(super) const POISON: [(&str, &str); 11] = [
    ("HTTPS_PROXY", "http://127.0.0.1:1"),
    ("https_proxy", "http://127.0.0.1:1"),
    ("ALL_PROXY", "http://127.0.0.1:1"),
    ("all_proxy", "http://127.0.0.1:1"),
    ("SSL_CERT_FILE", "/nonexistent"),
    ("SSL_CERT_DIR", "/nonexistent"),
    ("LD_LIBRARY_PATH", "/nonexistent"),
    ("RUST_LOG", "trace"),
    ("RUST_BACKTRACE", "full"),
    ("AC_ANYTHING", "poison"),
    ("XDG_RUNTIME_DIR", "/nonexistent"),
];

/// The variable by which TLS libraries are told to write their keys, and where.
const KEY_LOG: (&str, &str) = ("SSLKEYLOGFILE", "keys.log");

/// What a daemon in the foreground may have of its caller's environment.
const FOR_FOREGROUND: [&str; 14] = [
    "AC_CRED_PASSPHRASE_FILE",
    "AC_CRED_SOCKET",
    "CREDENTIALS_DIRECTORY",
    "DBUS_SESSION_BUS_ADDRESS",
    "HOME",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "NO_COLOR",
    "PATH",
    "TERM",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

#[test]
fn a_shell_has_its_token_while_the_daemon_that_was_started_for_it_lives() {
    let resting = Resting::new();
    let line = "out=$(ac-cred get acme) && printf '<%s>' \"$out\"";
    // It is over when nobody holds the shell's stdout and stderr any more.
    let output = resting.unlocking(resting.world.shell(line)).run();
    let printed = &output.succeeded().stdout;
    let token = printed.trim_start_matches('<').trim_end_matches('>');
    assert_eq!(resting.world.call(token).status, 200, "{output:?}");
    assert_eq!(resting.world.daemons().len(), 1);
}

#[test]
fn the_daemon_holds_no_descriptor_of_its_callers() {
    let resting = Resting::new();
    let world = &resting.world;
    world.write("read-by-caller", "x");
    let line =
        "exec 3<read-by-caller 4>written-by-caller 5<&0 6>&1 9>also-written; ac-cred get acme";
    let run = resting.unlocking(world.shell(line)).stdin("of the caller");
    run.run().succeeded();
    check_descriptors(world);
}

/// Checks that every descriptor of the daemon is its own.
pub(super) fn check_descriptors(world: &World) {
    let Ok(descriptors) = daemon(world).descriptors() else {
        return skip("the system does not show the daemon's descriptors");
    };
    let lock = world.socket().with_file_name("daemon.lock");
    let log = log_path(&world.socket());
    for (number, target) in &descriptors {
        let shown = text(target);
        let is_right = match number {
            0..=2 => shown == "/dev/null",
            _ => {
                [&lock, &log].contains(&target)
                    || shown.starts_with("socket:")
                    || shown.starts_with("anon_inode:")
            }
        };
        assert!(is_right, "descriptor {number} leads to {shown}");
    }
    assert!(descriptors.len() > 3, "{descriptors:?}");
}

#[test]
fn the_daemon_has_nothing_of_its_callers_environment_but_what_it_needs() {
    let resting = Resting::new();
    let world = &resting.world;
    let keys = world.home().join(KEY_LOG.1);
    let mut get = resting.get().env(KEY_LOG.0, &keys);
    for (name, value) in POISON {
        get = get.env(name, value);
    }
    get.run().succeeded();
    assert_eq!(world.sim().exchange_count(), 2, "the login's, and one");
    assert!(!keys.exists(), "the keys of TLS were written");
    match daemon(world).variables() {
        Ok(mut names) => {
            names.sort();
            let known = [
                "AC_CRED_PASSPHRASE_FILE",
                "DBUS_SESSION_BUS_ADDRESS",
                "HOME",
                "PATH",
            ];
            assert_eq!(names, known);
        }
        Err(_) => skip("the system does not show the daemon's environment"),
    }
}

#[test]
fn a_daemon_in_the_foreground_is_not_steered_by_its_environment_either() {
    let resting = Resting::new();
    let world = &resting.world;
    let keys = world.home().join(KEY_LOG.1);
    let mut more: Vec<_> = POISON.map(|(name, value)| (name, OsStr::new(value))).into();
    more.extend([(KEY_LOG.0, keys.as_os_str()), resting.unlocks()]);
    for (program, words) in [("ac-credd", &[][..]), ("ac-cred", &["daemon", "run"])] {
        let exchanges = world.sim().exchange_count();
        let daemon = Foreground::start(world, program, words, &more);
        assert_eq!(daemon.first_line(), "ready", "{program}");
        world.get("acme");
        assert_eq!(world.sim().exchange_count(), exchanges + 1, "{program}");
        assert!(!keys.exists(), "the keys of TLS were written");
        match daemon.process().variables() {
            Ok(names) => {
                let is_foreign = |name: &&String| !FOR_FOREGROUND.contains(&name.as_str());
                let foreign: Vec<_> = names.iter().filter(is_foreign).collect();
                assert!(foreign.is_empty(), "{program} has {foreign:?}");
            }
            Err(_) => skip("the system does not show the daemon's environment"),
        }
        world.stop();
    }
}

#[test]
fn the_daemon_leaves_its_callers_session_and_directory_and_gives_up_what_it_can() {
    let resting = Resting::new();
    resting.get().run().succeeded();
    let daemon = daemon(&resting.world);
    let pid = daemon.0;
    assert_eq!(daemon.group_and_session().unwrap(), (pid, pid));
    assert_eq!(daemon.line("status", "Umask:").unwrap(), "0077");
    assert_eq!(daemon.line("status", "NoNewPrivs:").unwrap(), "1");
    let core = daemon.line("limits", "Max core file size").unwrap();
    assert!(core.starts_with("0 0 "), "{core}");
    match daemon.directory() {
        Ok(directory) => assert_eq!(directory, Path::new("/")),
        Err(_) => skip("the system does not show the daemon's directory"),
    }
}

#[test]
fn the_daemon_can_be_neither_dumped_nor_traced_by_its_user() {
    let world = World::new();
    // Of root's processes nothing can be told: what the system shows of them is root's anyhow.
    let start = if getuid().is_root() {
        let client = open_to_strangers(&world);
        let directory = directory_of_stranger(&world, "run-of-stranger");
        let run = as_stranger(&world, &client).args(["daemon", "start"]);
        run.env("AC_CRED_SOCKET", directory.join("v1.sock"))
    } else {
        world.ac_cred(["daemon", "start"])
    };
    start.run().succeeded();
    let [pid] = world.daemons()[..] else {
        panic!("not one daemon: {:?}", world.daemons());
    };
    let shown = fs::metadata(Process(pid).path("environ")).unwrap();
    assert_eq!(shown.uid(), 0, "it is its user's to see");
    let ids = Process(pid).line("status", "Uid:").unwrap();
    assert!(!ids.split(' ').any(|id| id == "0"), "{ids}");
}

#[test]
fn the_key_of_what_rests_in_memory_is_kept_out_of_swap() {
    let world = World::new();
    let start = world.ac_cred(["daemon", "start"]);
    start.run().succeeded();
    let daemon = Process(world.daemon_pid().unwrap());
    let limit = daemon.line("limits", "Max locked memory").unwrap();
    if limit.starts_with("0 ") {
        return skip("no memory may be locked here");
    }
    assert_ne!(daemon.line("status", "VmLck:").unwrap(), "0 kB");
}

#[test]
fn only_the_daemon_beside_the_client_is_started() {
    let world = World::new();
    let client = copy(&world, "ac-cred");
    let trap = world.write("trap/ac-credd", "#!/bin/sh\n>trapped\n");
    mode(&trap, 0o755);
    let beside = client.with_file_name("ac-credd");
    for words in [
        &["get", "acme"][..],
        &["daemon", "start"],
        &["daemon", "run"],
    ] {
        let run = world.program(&client).args(words);
        let output = run.env("PATH", trap.parent().unwrap()).run();
        output.refused(7).says(text(&beside));
    }
    assert!(!world.home().join("trapped").exists());
}

#[test]
fn without_a_place_for_a_socket_the_variable_is_named() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    let client = open_to_strangers(&world);
    for words in [
        &["get", "acme"][..],
        &["daemon", "start"],
        &["daemon", "run"],
    ] {
        let run = as_stranger(&world, &client).args(words);
        let output = run.env_remove("AC_CRED_SOCKET").env_remove("HOME").run();
        output.refused(7).says("AC_CRED_SOCKET");
    }
}

#[test]
fn without_a_home_or_with_one_that_is_read_only_a_login_lasts_as_long_as_the_daemon() {
    if !is_root_or_skips() {
        return;
    }
    for home in [None, Some("/")] {
        let world = World::new();
        let stranger = Stranger::new(&world, home);
        let output = stranger.log_in("acme", "memory").run();
        output.succeeded().says("until the daemon stops");
        let get = stranger.ac_cred(&["get", "acme"]).run();
        let token = get.succeeded().stdout.trim_end();
        assert_eq!(world.call(token).status, 200, "{home:?}");
        stranger.ac_cred(&["daemon", "stop"]).run().succeeded();
        assert!(world.daemons().is_empty());
    }
}

#[test]
fn a_home_of_somebody_else_is_refused_and_left_as_it_is() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    let home = world.home().join("of-somebody-else");
    fs::create_dir(&home).unwrap();
    mode(&home, 0o700);
    let stranger = Stranger::new(&world, home.to_str());
    for store in ["memory", "file"] {
        let login = stranger.log_in("acme", store).run();
        login.refused(6).says(&home.to_string_lossy());
    }
    for words in [
        &["get", "acme"][..],
        &["list"],
        &["status"],
        &["logout", "--all"],
    ] {
        let output = stranger.ac_cred(words).run();
        output.refused(6).says("permission denied");
    }
    assert_eq!(
        fs::read_dir(&home).unwrap().count(),
        0,
        "something was written"
    );
}

/// A user without a name, a bus or a runtime directory, who says where the socket is.
struct Stranger<'a> {
    world: &'a World,
    client: PathBuf,
    socket: PathBuf,
    home: Option<&'a str>,
}

impl<'a> Stranger<'a> {
    fn new(world: &'a World, home: Option<&'a str>) -> Self {
        Self {
            world,
            client: open_to_strangers(world),
            socket: directory_of_stranger(world, "run-of-stranger").join("v1.sock"),
            home,
        }
    }

    fn ac_cred(&self, words: &[&str]) -> Run {
        let run = as_stranger(self.world, &self.client).args(words);
        let run = run.env("AC_CRED_SOCKET", &self.socket);
        match self.home {
            Some(home) => run.env("HOME", home),
            None => run.env_remove("HOME"),
        }
    }

    fn log_in(&self, alias: &str, store: &str) -> Run {
        let key = self.world.account(alias).key;
        let login = self.ac_cred(&["login", alias, "--stdin", "--store", store]);
        let login = login.args(["--auth-url", &self.world.sim().url(), "--ca-file"]);
        login.args([self.world.ca_file()]).stdin(key)
    }
}

fn daemon(world: &World) -> Process {
    Process(world.daemon_pid().expect("a daemon runs"))
}
