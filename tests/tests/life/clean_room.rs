//! A daemon that is started from the worst of places: nothing of the place stays with it.

use std::{fs, path::Path};

use ac_cred_tests::{
    process::{Process, skip},
    world::{PATIENCE, Run},
};
use rustix::process::Signal;

use super::{
    Resting, mode_of,
    start::{POISON, check_descriptors},
};

/// Everything below is refused a private mode, a directory, free numbers for descriptors, time, room
/// and signals.
const WORST_PLACE: &str = "umask 0
    mkdir gone && cd gone && rmdir \"$HOME/gone\"
    for number in {3..202}; do eval \"exec $number<>/dev/zero\"; done
    ulimit -S -n 256; ulimit -S -t 60; ulimit -S -f 0; ulimit -S -v 500000; ulimit -S -d 400000
    ulimit -S -s 1024; ulimit -l 0
    trap '' HUP INT QUIT TERM USR1 USR2 ALRM PIPE CHLD XCPU XFSZ";

/// What a daemon may still use up as much of as the system lets anybody.
const LIMITS: [&str; 5] = [
    "Max cpu time",
    "Max file size",
    "Max data size",
    "Max open files",
    "Max address space",
];

#[test]
fn a_daemon_from_the_worst_of_places_has_nothing_of_it() {
    let resting = Resting::new();
    let daemon = start(&resting);
    let status = |name: &str| daemon.line("status", name).unwrap();
    assert_eq!(status("Umask:"), "0077");
    assert_eq!(status("SigBlk:"), "0000000000000000");
    let ignored = u64::from_str_radix(&status("SigIgn:"), 16).unwrap();
    for signal in [
        Signal::HUP,
        Signal::INT,
        Signal::TERM,
        Signal::CHILD,
        Signal::XFSZ,
    ] {
        let is_ignored = ignored >> (signal.as_raw() - 1) & 1 == 1;
        assert!(!is_ignored, "{signal:?} is ignored");
    }
    for name in LIMITS {
        let limits = daemon.line("limits", name).unwrap();
        let mut limits = limits.split(' ');
        assert_eq!(limits.next(), limits.next(), "{name}");
    }
    assert_eq!(daemon.group_and_session().unwrap(), (daemon.0, daemon.0));
    match daemon.directory() {
        Ok(directory) => assert_eq!(directory, Path::new("/")),
        Err(_) => skip("the system does not show the daemon's directory"),
    }
    match daemon.variables() {
        Ok(names) => assert!(
            POISON
                .iter()
                .all(|(name, _)| !names.contains(&(*name).to_owned())),
            "{names:?}"
        ),
        Err(_) => skip("the system does not show the daemon's environment"),
    }
    check_descriptors(&resting.world);
}

#[test]
fn what_a_daemon_from_the_worst_of_places_writes_is_its_users_alone() {
    let resting = Resting::new();
    start(&resting);
    let world = &resting.world;
    let account = world.account("other");
    let login = world.login_with("other", &account.key);
    login.args(["--store", "file"]).run().succeeded();
    let run = world.socket();
    let run = run.parent().unwrap();
    let written = fs::read_dir(run).unwrap();
    let mut written: Vec<_> = written.map(|entry| entry.unwrap().path()).collect();
    assert!(written.len() > 1, "{written:?}");
    written.extend([world.credentials_path(), world.settings_path()]);
    for path in written {
        assert_eq!(mode_of(&path) & 0o7177, 0, "{}", path.display());
    }
    for path in [world.credentials_path(), world.settings_path()] {
        assert_eq!(mode_of(path.parent().unwrap()), 0o700, "{}", path.display());
    }
}

#[test]
fn a_daemon_from_the_worst_of_places_serves_runs_commands_and_ends_when_it_is_told() {
    let resting = Resting::new();
    let world = &resting.world;
    let account = world.account("by-command");
    let key = world.write("key", &account.key);
    let login = world.login_at_simulator("by-command");
    let login = login.args(["--store", "command", "--", "cat"]).args([key]);
    login.run().succeeded();
    world.stop();
    let daemon = start(&resting);
    for alias in ["acme", "by-command"] {
        let token = world.get(alias);
        assert_eq!(world.call(&token).status, 200, "{alias}");
    }
    daemon.signal(Signal::TERM).unwrap();
    assert!(world.wait_for_end(daemon.0, PATIENCE));
    assert!(!world.socket().exists());
}

#[test]
fn a_shell_in_the_worst_of_places_has_its_token() {
    let resting = Resting::new();
    let line = "out=$(env --block-signal ac-cred get acme <&- 2>&-) && printf %s \"$out\"";
    let output = in_worst_place(&resting, line).run();
    assert_eq!(resting.world.call(&output.succeeded().stdout).status, 200);
    assert_eq!(resting.world.daemons().len(), 1);
}

#[test]
fn a_daemon_that_may_write_nothing_says_so_and_lives() {
    let resting = Resting::new();
    let world = &resting.world;
    let line = "ulimit -n 64; ulimit -f 0; exec ac-cred daemon start";
    let run = world.in_path("/bin/bash").args(["-c", line]);
    resting.unlocking(run).run().succeeded();
    let daemon = world.daemon_pid();
    let token = world.get("acme");
    let account = world.account("other");
    let login = world.login_with("other", &account.key);
    login.args(["--store", "file"]).run().refused(6);
    assert_eq!(world.daemon_pid(), daemon);
    assert_eq!(world.get("acme"), token);
    let list = world.ac_cred(["list"]).run();
    assert_eq!(list.succeeded().stdout, "acme\n");
}

/// Starts the daemon there, with its standard streams closed and every signal blocked.
fn start(resting: &Resting) -> Process {
    let line = "exec env --block-signal ac-cred daemon start <&- >&- 2>&-";
    in_worst_place(resting, line).run().succeeded();
    let daemons = resting.world.daemons();
    assert_eq!(daemons.len(), 1, "{daemons:?}");
    Process(daemons[0])
}

fn in_worst_place(resting: &Resting, line: &str) -> Run {
    let script = format!("{WORST_PLACE}\n{line}");
    let run = resting.world.in_path("/bin/bash").args(["-c", &script]);
    let run = POISON
        .iter()
        .fold(resting.unlocking(run), |run, (name, value)| {
            run.env(name, value)
        });
    run.current_dir(resting.world.home())
}
