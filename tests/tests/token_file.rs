//! What `exec` keeps beside a program: a file that always holds a valid token, and the settings of
//! Appcircle's own command line; both in memory, and gone afterwards.

#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ac_cred_tests::{
    process::{Process, is_root_or_skips, skip},
    world::{Answer, Run, Running, World, eventually},
};
use rustix::process::Signal;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells where the file is, and waits.
const WAIT: &str = "echo \"$T\" >where; until [ -e stop ]; do sleep 0.05; done";

#[test]
fn the_file_is_private_in_memory_and_gone_afterwards() {
    let world = World::new();
    world.login("acme");
    let line = "umask 0; ac-cred exec acme --token-file T -- sh -c '\
                stat -c %a \"$T\" \"${T%/*}\" && stat -f -c %T \"$T\" && echo \"$T\" && cat \"$T\"; exit 9'";
    let output = world.shell(line).run();
    assert_eq!((output.code, &*output.stderr), (9, ""), "{output:?}");
    let lines: Vec<_> = output.stdout.lines().collect();
    let [file, directory, system, path, token] = lines[..] else {
        panic!("{output:?}");
    };
    assert_eq!((file, directory), ("600", "700"));
    assert!(["tmpfs", "ramfs"].contains(&system), "{system}");
    assert_eq!(token, world.get("acme"));
    assert!(output.stdout.ends_with(token), "no line feed ends it");
    assert!(!run_of(path).exists());
}

#[test]
fn the_file_holds_a_valid_token_as_long_as_the_program_runs() {
    let world = World::new();
    world.sim().set_lifetime(4);
    world.login("acme");
    let (running, path) = wait_beside(&world, &["exec", "acme", "--token-file", "T"]);
    let mut seen = BTreeSet::new();
    let has_seen_three = eventually(PATIENCE, || {
        let token = fs::read_to_string(&path).expect("there is always one");
        assert_eq!(world.call(&token).status, 200, "{token}");
        seen.insert(token);
        seen.len() == 3
    });
    assert!(has_seen_three, "{seen:?}");
    let names: Vec<_> = fs::read_dir(run_of(&path)).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "nothing is left beside it: {names:?}");
    world.write("stop", "");
    assert_eq!(running.wait().succeeded().stderr, "");
    assert!(!run_of(&path).exists());
}

#[test]
fn a_token_that_the_api_rejects_in_the_middle_of_a_run_is_replaced_in_the_file() {
    let world = World::new();
    // Long before it is renewed for its age, the token is looked at, after half of its life.
    world.sim().set_lifetime(24);
    world.login("acme");
    let (running, path) = wait_beside(&world, &["exec", "acme", "--token-file", "T"]);
    let first = fs::read_to_string(&path).expect("there is always one");
    let reject = world.ac_cred(["reject", "acme"]).stdin(&first).run();
    reject.succeeded();
    let second = world.get("acme");
    assert_ne!(first, second);
    let has_second = || fs::read_to_string(&path).expect("there is always one") == second;
    assert!(
        eventually(PATIENCE, has_second),
        "the file keeps the rejected one"
    );
    assert_eq!(world.call(&second).status, 200);
    world.write("stop", "");
    running.wait().succeeded();
}

#[test]
fn a_token_that_is_not_renewed_is_told_once_and_the_program_goes_on() {
    let world = World::new();
    world.sim().set_lifetime(4);
    let account = world.login("acme");
    let line = format!("exec ac-cred exec acme --token-file T -- sh -c '{WAIT}' 2>told");
    let running = world.shell(&line).spawn();
    world.sim().revoke(&account.key);
    let told = || fs::read_to_string(world.home().join("told")).unwrap_or_default();
    assert!(eventually(PATIENCE, || told().ends_with('\n')));
    world.write("stop", "");
    running.wait().succeeded();
    assert_eq!(told().lines().count(), 1, "{}", told());
    assert!(told().contains("is not renewed") && told().contains("run: ac-cred login acme"));
}

#[test]
fn signals_are_passed_on_and_the_end_is_the_programs() {
    let world = World::new();
    world.login("acme");
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        let script = format!("trap 'exit 42' {name}; {WAIT}");
        let (running, path) = beside(&world, &["exec", "acme", "--token-file", "T"], &script);
        running.signal(signal);
        assert_eq!(running.wait().code, 42, "{name}");
        assert!(!run_of(&path).exists(), "{name}");
    }
    let (running, path) = wait_beside(&world, &["exec", "acme", "--token-file", "T"]);
    running.signal(Signal::TERM);
    let output = running.wait();
    assert_eq!(output.code, -1, "it is ended by a signal: {output:?}");
    assert!(!run_of(&path).exists());
}

#[test]
fn a_key_at_the_terminal_reaches_the_program_once() {
    let world = World::new();
    world.login("acme");
    let script = "trap \"echo interrupted\" INT; echo ready; read a; read b; exit 3";
    let line = format!("ac-cred exec acme --token-file T -- bash -c '{script}'; echo code $?");
    let answers = [
        ("ready", Answer::Shown("\u{3}")),
        ("interrupted", Answer::Shown("\n")),
    ];
    let output = world.at_terminal(&line, &answers);
    assert!(output.stdout.contains("code 3"), "{output:?}");
    assert_eq!(
        output.stdout.matches("interrupted").count(),
        1,
        "{output:?}"
    );
}

#[test]
fn a_stop_at_the_terminal_stops_both_until_they_go_on() {
    let world = World::new();
    world.login("acme");
    // Job control gives the run a group of its own, as an interactive shell does.
    let script = r#"set -m
        ac-cred exec acme --token-file T -- sh -c 'echo $$ >child; exec sleep 60' &
        until [ -s child ]; do sleep 0.05; done
        stopped() { grep -q '^State:.T' "/proc/$1/status"; }
        child=$(cat child)
        kill -TSTP $!
        until stopped $! && stopped $child; do sleep 0.05; done
        kill -CONT $!
        while stopped $! || stopped $child; do sleep 0.05; done
        kill -TERM $!
        wait $!
        echo "code $?""#;
    let run = world.in_path("/bin/bash").args(["-c", script]);
    assert!(run.run().stdout.contains("code 143"));
}

#[test]
fn what_a_killed_run_leaves_is_swept_by_the_next_and_others_stay() {
    let world = World::new();
    world.login("acme");
    let (other, others_path) = wait_beside(&world, &["exec", "acme", "--token-file", "T"]);
    for words in [
        &["exec", "acme", "--", "true"][..],
        &["exec", "acme", "--token-file", "T", "--", "true"],
    ] {
        let script = "echo \"$T\" >where; echo $$ >child; exec sleep 60 >quiet 2>&1";
        let (running, path) = beside(&world, &["exec", "acme", "--token-file", "T"], script);
        let child = child_in(&world.home().join("child"));
        running.signal(Signal::KILL);
        assert_eq!(running.wait().code, -1);
        assert!(path.exists(), "nobody could tidy");
        world.ac_cred(words).run().succeeded();
        assert!(!run_of(&path).exists());
        assert!(others_path.exists());
        child.signal(Signal::KILL).unwrap();
    }
    world.write("stop", "");
    other.wait().succeeded();
}

#[test]
fn a_program_that_is_killed_leaves_nothing() {
    let world = World::new();
    world.login("acme");
    let script = "echo \"$T\" >where; echo $$ >child; exec sleep 60";
    let (running, path) = beside(&world, &["exec", "acme", "--token-file", "T"], script);
    child_in(&world.home().join("child"))
        .signal(Signal::KILL)
        .unwrap();
    assert_eq!(running.wait().code, -1);
    assert!(!run_of(&path).exists());
    let words = ["exec", "acme", "--token-file", "T", "--", "nosuch"];
    world.ac_cred(words).run().refused(127);
}

#[test]
fn without_a_private_directory_in_memory_there_is_no_file_and_no_program() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    world.login("acme");
    for (setting, said) in [
        ("mkdir disk && mount --bind disk /dev/shm", "in memory"),
        ("chmod 777 /dev/shm", "in memory"),
        ("mkdir -m 755 /dev/shm/ac-cred-runs-0", "others can enter"),
        ("ln -s . /dev/shm/ac-cred-runs-0", "is not a directory"),
        (
            "mkdir -m 700 /dev/shm/ac-cred-runs-0 && chown 12345 /dev/shm/ac-cred-runs-0",
            "belongs to user id 12345",
        ),
    ] {
        let line = format!(
            "mount -t tmpfs -o mode=1777 none /dev/shm && mount -t tmpfs none /run && {setting} \
             || exit 99; ac-cred exec acme --token-file T -- touch started"
        );
        let run = world.in_path("/usr/bin/unshare");
        let output = run.args(["--mount", "/bin/sh", "-c", &line]).run();
        if [1, 99].contains(&output.code) {
            return skip("no file system can be mounted here");
        }
        output.refused(6).says(said);
        assert!(!world.home().join("started").exists());
    }
}

#[test]
fn a_variable_that_has_a_meaning_holds_no_path() {
    let world = World::new();
    for name in ["AC_ACCESS_TOKEN", "AC_API_ENDPOINT", "AC_CRED_SOCKET", "X"] {
        let words = ["exec", "acme", "--env", "X", "--token-file", name];
        let run = world.ac_cred(words).args(["--", "true"]);
        run.run().refused(2).says("--token-file");
    }
}

#[test]
fn the_official_command_line_works_and_the_users_settings_stay_as_they_are() {
    let world = World::new();
    world.login("acme");
    let own = ".config/@appcircle/cli-nodejs/config.json";
    let settings = r#"{"current":"default","envs":{"default":{"AC_ACCESS_TOKEN":"old"}}}"#;
    world.write(own, settings);
    let alone = official(&world, &[]).env("AC_ACCESS_TOKEN", world.get("acme"));
    let alone = alone.run();
    assert_ne!(
        alone.stdout, "200\n",
        "the variable alone would do: {alone:?}"
    );
    for setting in [world.home().join(".config"), PathBuf::new()] {
        let output = official(&world, &["exec", "acme", "--"]).env("XDG_CONFIG_HOME", setting);
        assert_eq!(output.run().succeeded().stdout, "200\n");
    }
    let after = fs::read_to_string(world.home().join(own)).unwrap();
    assert_eq!(after, settings);
}

#[test]
fn the_settings_of_the_official_command_line_are_private_fresh_and_gone_afterwards() {
    let world = World::new();
    world.sim().set_lifetime(4);
    world.login("acme");
    world.write(".config/other/settings", "of another program");
    world.write(".config/@appcircle/other/settings", "of a third");
    let script = "T=$XDG_CONFIG_HOME/@appcircle/cli-nodejs/config.json; \
                  cat $XDG_CONFIG_HOME/other/settings $XDG_CONFIG_HOME/@appcircle/other/settings \
                  >others; stat -c %a \"$T\" \"${XDG_CONFIG_HOME%/*}\" >modes; "
        .to_owned()
        + WAIT;
    let words = ["exec", "acme", "--for", "appcircle-cli"];
    let (running, path) = beside(&world, &words, &script);
    let read = |name: &str| fs::read_to_string(world.home().join(name)).unwrap();
    assert_eq!(read("others"), "of another programof a third");
    assert_eq!(read("modes"), "600\n700\n");
    let mut seen = BTreeSet::new();
    let is_renewed = eventually(PATIENCE, || {
        let text = fs::read_to_string(&path).expect("there are always some");
        let settings: serde_json::Value = serde_json::from_str(&text).unwrap();
        let own = &settings["envs"][settings["current"].as_str().unwrap()];
        assert_eq!(own["API_HOSTNAME"], world.sim().url());
        assert_eq!(own["AUTH_HOSTNAME"], world.sim().url());
        let token = own["AC_ACCESS_TOKEN"].as_str().unwrap();
        assert_eq!(world.call(token).status, 200);
        seen.insert(token.to_owned());
        seen.len() == 2
    });
    assert!(is_renewed, "{seen:?}");
    running.signal(Signal::TERM);
    assert_eq!(running.wait().code, -1);
    let run = path.ancestors().nth(4).unwrap();
    assert!(!run.exists(), "{}", run.display());
    assert_eq!(read(".config/other/settings"), "of another program");
}

/// The stand-in for Appcircle's own command line, behind these words of `ac-cred`.
fn official(world: &World, words: &[&str]) -> Run {
    let program = env!("CARGO_BIN_EXE_appcircle");
    let command = [program, "build", "profile", "list"];
    let run = match words {
        [] => world.program(program).args(&command[1..]),
        words => world.ac_cred(words).args(command),
    };
    run.env("NODE_EXTRA_CA_CERTS", world.ca_file())
}

/// A run beside which the test goes on, and the path of its file.
fn wait_beside(world: &World, words: &[&str]) -> (Running, PathBuf) {
    beside(world, words, WAIT)
}

/// The same with another script, which writes the path of its file to `where`.
fn beside(world: &World, words: &[&str], script: &str) -> (Running, PathBuf) {
    let place = world.home().join("where");
    fs::remove_file(&place).ok();
    let run = world.ac_cred(words).args(["--", "sh", "-c", script]);
    let running = run.spawn();
    let read = || fs::read_to_string(&place).unwrap_or_default();
    assert!(eventually(PATIENCE, || read().ends_with('\n')));
    (running, PathBuf::from(read().trim_end()))
}

/// The directory of a run, from the path of its file.
fn run_of(path: impl AsRef<Path>) -> PathBuf {
    let run = path.as_ref().parent();
    run.expect("a file is in a directory").to_owned()
}

fn child_in(file: &Path) -> Process {
    let read = || fs::read_to_string(file).unwrap_or_default();
    assert!(eventually(PATIENCE, || read().ends_with('\n')));
    let child = Process(read().trim_end().parse().expect("it is a process id"));
    fs::remove_file(file).expect("it was read");
    child
}
