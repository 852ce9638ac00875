//! The store that stores nothing: a command of the person's prints the credential, here also the
//! real `pass` with the real `gpg`.

#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ac_cred_tests::{
    process::{Foreground, skip},
    world::{Account, PATIENCE, Run, World, eventually, timed},
};
use serde_json::Value;

/// More than a call with `--wait 1s` takes, and less than a command may.
const IN_TIME: Duration = Duration::from_secs(4);

/// A world with a key in a file of its person's.
struct Desk {
    world: World,
    acme: Account,
    key: PathBuf,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        let acme = world.account("acme");
        let key = world.write("key", format!("{}\nuser: me\n", acme.key));
        Self { world, acme, key }
    }

    /// A login with a command.
    fn login(&self, alias: &str, command: &[&str]) -> Run {
        let login = self.world.login_at_simulator(alias);
        login.args(["--store", "command", "--"]).args(command)
    }

    /// A login with a line of a shell in the home, where `$key` is the path of the file.
    fn login_by(&self, line: &str) -> Run {
        self.login_to("acme", line)
    }

    fn login_to(&self, alias: &str, line: &str) -> Run {
        let line = format!("key='{}'; {line}", self.key.display());
        self.login(alias, &["sh", "-c", &line])
    }

    fn get(&self, words: &[&str]) -> Run {
        self.world.ac_cred(["get", "acme"]).args(words)
    }

    /// What the daemon keeps of commands.
    fn commands_path(&self) -> PathBuf {
        self.world
            .credentials_path()
            .with_file_name("commands.json")
    }
}

#[test]
fn a_command_is_run_when_a_credential_is_needed_and_nothing_of_it_is_kept() {
    let desk = Desk::new();
    let world = &desk.world;
    let key = desk.key.to_string_lossy().into_owned();
    desk.login("acme", &["cat", &key]).run().succeeded();
    assert_eq!(world.status()["organizations"][0]["store"], "command");
    world.get("acme");
    world.stop();
    world.get("acme");
    assert_eq!(world.sim().exchange_count(), 2);
    let kept = fs::read_to_string(desk.commands_path()).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    let command = &kept["commands"]["acme"]["command"];
    assert_eq!(*command, serde_json::json!(["/usr/bin/cat", key]));
    for path in [desk.commands_path(), world.settings_path()] {
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains(&desk.acme.key), "{text}");
    }
    world.ac_cred(["rename", "acme", "b"]).run().succeeded();
    world.ac_cred(["get", "b", "--refresh"]).run().succeeded();
    world.ac_cred(["logout", "b"]).run().succeeded();
    let kept = fs::read_to_string(desk.commands_path()).unwrap();
    assert!(!kept.contains(&key), "{kept}");
}

#[test]
fn pass_and_gpg_give_what_they_keep() {
    let desk = Desk::new();
    let missing = ["pass", "gpg", "gpgconf"].into_iter().find(|name| {
        let program = Path::new("/usr/bin").join(name);
        !program.exists()
    });
    if let Some(missing) = missing {
        return skip(&format!("there is no {missing}; .ci/run installs it"));
    }
    let script = "mkdir -m 700 .gnupg && \
        gpg --batch --quiet --passphrase '' --quick-generate-key me@example.com && \
        pass init me@example.com && pass insert --multiline appcircle/acme <key";
    let run = desk.world.shell(script).run();
    assert_eq!(run.code, 0, "{run:?}");
    let login = desk.login("acme", &["pass", "show", "appcircle/acme"]);
    login.run().succeeded();
    desk.get(&["--refresh"]).run().succeeded();
    let kept = fs::read_dir(desk.world.home().join(".password-store/appcircle"));
    for entry in kept.unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    let get = desk.get(&["--refresh"]).run();
    get.refused(6).says("is not in the password store");
    desk.world.shell("gpgconf --kill all").run().succeeded();
}

#[test]
fn a_command_has_no_terminal_no_input_and_nothing_of_the_callers_environment() {
    let desk = Desk::new();
    let world = &desk.world;
    let daemon = Foreground::start(world, "ac-cred", &["daemon", "run"], &[]);
    let line = "env >seen; cat >input; ps -o pid=,sid=,tty= -p $$ >session; cat \"$key\"";
    let login = desk.login_by(line);
    login.env("MARKER", "poison").run().succeeded();
    let text = |name: &str| fs::read_to_string(world.home().join(name)).unwrap();
    assert_eq!(text("input"), "");
    let session = text("session");
    let session: Vec<&str> = session.split_whitespace().collect();
    assert_eq!((session[0], session[2]), (session[1], "?"), "{session:?}");
    let seen = text("seen");
    let names = seen.lines().filter_map(|line| line.split_once('='));
    let mut names: Vec<&str> = names.map(|(name, _)| name).collect();
    // The shell's own.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.retain(|name| *name != "XDG_RUNTIME_DIR");
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH"], "{seen}");
    assert!(seen.contains(&format!("HOME={}\n", world.home().display())));
    world.stop();
    assert!(daemon.end(world).0.success());
}

#[test]
fn a_command_that_fails_is_told_in_its_own_words() {
    let desk = Desk::new();
    let cases = [
        (
            "echo first >&2; printf 'no \\033[31msuch key\\n' >&2; exit 3",
            "failed: no [31msuch key",
        ),
        ("exit 3", "failed: exit status: 3"),
        ("kill -9 $$", "failed: signal: 9"),
        ("exec cat /dev/zero", "failed: it printed too much"),
        ("true", "printed no credential: it is empty"),
        ("echo no key here", "printed no credential"),
        (
            "cat \"$key\"; cat \"$key\" >&2; exit 1",
            "failed: exit status: 1",
        ),
    ];
    for (number, (line, said)) in cases.into_iter().enumerate() {
        // Of each its own: between two exchanges for one lies a second.
        let output = desk.login_to(&format!("acme-{number}"), line).run();
        output.refused(6).says(said);
        assert!(!output.stderr.contains(&desk.acme.key), "{output:?}");
    }
    assert_eq!(desk.world.sim().exchange_count(), 0);
    assert!(!desk.commands_path().exists() && !desk.world.settings_path().exists());
    let refused = desk.login("acme", &["echo", "another-key"]).run();
    refused.refused(4);
}

#[test]
fn a_command_that_does_not_end_holds_up_nobody() {
    let desk = Desk::new();
    let world = &desk.world;
    let gate = world.home().join("gate");
    let line = "[ ! -e gate ] || cat gate; cat \"$key\"";
    let login = desk.login_by(line);
    login.run().succeeded();
    world.get("acme");
    let made = world.program("/usr/bin/mkfifo").args([&gate]).run();
    made.succeeded();
    let hanging = desk.get(&["--refresh"]).spawn();
    let (output, took) = timed(|| desk.get(&["--refresh", "--wait", "1s"]).run());
    output.refused(6).says("its command did not print");
    assert!(took < IN_TIME, "{took:?}");
    world.login("brief");
    world
        .ac_cred(["get", "brief", "--refresh"])
        .run()
        .succeeded();
    world.get("acme");
    // The writer's end opens as soon as the command waits at the other.
    fs::write(&gate, "").unwrap();
    fs::remove_file(&gate).unwrap();
    hanging.wait().succeeded();
}

#[test]
fn a_command_ends_with_the_daemon_that_waits_for_it() {
    let desk = Desk::new();
    let world = &desk.world;
    let line = "[ ! -e gate ] || { echo $$ >waits; exec cat gate; }; cat \"$key\"";
    let login = desk.login_by(line);
    login.run().succeeded();
    let gate = world.home().join("gate");
    let made = world.program("/usr/bin/mkfifo").args([gate]).run();
    made.succeeded();
    let hanging = desk.get(&["--refresh", "--wait", "1s"]).spawn();
    let waits = || fs::read_to_string(world.home().join("waits")).unwrap_or_default();
    assert!(eventually(PATIENCE, || !waits().is_empty()));
    world.stop();
    hanging.wait().refused(6);
    let pid = waits().trim().parse().unwrap();
    assert!(world.wait_for_end(pid, PATIENCE), "the command goes on");
}

#[test]
fn settings_that_differ_from_those_of_the_login_are_refused_until_they_are_confirmed() {
    let desk = Desk::new();
    let world = &desk.world;
    desk.login_by("cat \"$key\"").run().succeeded();
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    let redirected = format!("{settings}allow_http = true\n");
    world.write(".config/ac-cred/config.toml", redirected);
    let get = desk.get(&["--format", "json"]).run();
    assert_eq!(get.refused(6).error()["error"], "binding_changed");
    let confirm = world.ac_cred(["login", "acme", "--from", "acme"]);
    confirm.run().succeeded();
    world.get("acme");
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn a_command_is_said_in_whole_and_goes_with_its_store_alone() {
    let desk = Desk::new();
    let world = &desk.world;
    let key = &desk.acme.key;
    for (words, said) in [
        (&["--store", "command"][..], "-- PROGRAM"),
        (&["--store", "command", "--", key], "cannot be found"),
        (&["--store", "memory", "--", key], "goes with the store"),
        (&["--", key], "--store"),
        (
            &["--stdin", "--store", "command", "--", "cat"],
            "exclude each other",
        ),
    ] {
        let login = world.ac_cred(["login", "acme"]).args(words).stdin(key);
        let output = login.run();
        output.refused(2).says(said);
        assert!(!output.stderr.contains(&**key), "{output:?}");
    }
    let line =
        r#"{"login":{"organization":"acme","settings":{"store":"command"},"command":"cat"}}"#;
    world.ac_cred(["daemon", "start"]).run().succeeded();
    let answer = world.connect_json().ask_line(line);
    assert_eq!(answer["denied"]["error"], "usage", "{answer}");
    desk.login_by("cat \"$key\"").run().succeeded();
    let typed = world.login_with("acme", key).run();
    typed.refused(2).says("--store command -- PROGRAM");
    world.get("acme");
}

#[test]
fn others_may_neither_read_nor_change_which_command_is_run() {
    let desk = Desk::new();
    desk.login_by("cat \"$key\"").run().succeeded();
    let path = desk.commands_path();
    let with_mode = |mode| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(&path, mode).unwrap();
    };
    with_mode(0o660);
    let get = desk.get(&["--refresh"]).run();
    get.refused(6).says("chmod 600");
    with_mode(0o600);
    desk.get(&["--refresh"]).run().succeeded();
}
