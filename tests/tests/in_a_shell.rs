//! `ac-cred` where people type it: in pipes, substitutions and redirections.

#![cfg(unix)]

use std::time::Duration;

use ac_cred_tests::world::World;

/// Says the exit code on stderr, where a pipe has another one.
const CODE: &str = "echo \"code $?\" >&2";

#[test]
fn a_pipe_gets_the_token() {
    let world = World::new();
    world.login("acme");
    let line = format!("{{ ac-cred get acme; {CODE}; }} | cat");
    let output = world.shell(&line).run();
    assert_eq!(output.stdout.trim_end(), world.get("acme"));
    assert_eq!(output.stderr, "code 0\n");
}

#[test]
fn a_reader_that_has_left_is_no_success_and_no_text() {
    let world = World::new();
    world.login("acme");
    for format in ["token", "json"] {
        let line = format!(
            "rm -f go; mkfifo go; {{ read _ <go; ac-cred get acme --format {format}; {CODE}; }} | \
             {{ exec <&-; echo >go; }}"
        );
        assert_eq!(world.shell(&line).run().stderr, "code 1\n");
    }
}

#[test]
fn a_full_disk_is_told() {
    let world = World::new();
    world.login("acme");
    for words in [
        "get acme",
        "get acme --format json",
        "list",
        "status",
        "--help",
    ] {
        let output = world.shell(&format!("ac-cred {words} >/dev/full")).run();
        output.refused(1).says("stdout");
    }
}

#[test]
fn a_closed_stdout_is_told() {
    let world = World::new();
    world.login("acme");
    for closing in [">&-", "<&- >&-"] {
        let output = world.shell(&format!("ac-cred get acme {closing}")).run();
        output.refused(1).says("stdout");
    }
}

#[test]
fn a_closed_stderr_or_stdin_changes_nothing() {
    let world = World::new();
    world.login("acme");
    let token = format!("{}\n", world.get("acme"));
    for redirection in ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"] {
        let get = |name| {
            world
                .shell(&format!("ac-cred get {name} {redirection}"))
                .run()
        };
        assert_eq!(get("acme").succeeded().stdout, token, "{redirection}");
        let unknown = get("nobody");
        assert_eq!((unknown.code, &*unknown.stdout), (3, ""), "{redirection}");
    }
}

#[test]
fn a_daemon_can_be_started_with_everything_closed() {
    let world = World::new();
    let output = world.shell("ac-cred daemon start <&- >&- 2>&-").run();
    assert_eq!((output.code, &*output.stdout, &*output.stderr), (0, "", ""));
    assert_eq!(world.daemons().len(), 1);
    world.login("acme");
    world.get("acme");
}

#[test]
fn a_daemon_ends_by_a_signal_that_its_starter_had_blocked() {
    let world = World::new();
    let blocking = "env --block-signal=TERM --ignore-signal=TERM ac-cred daemon start";
    world.shell(blocking).run().succeeded();
    let pid = world.daemon_pid().unwrap();
    world.shell(&format!("kill -TERM {pid}")).run().succeeded();
    assert!(world.wait_for_end(pid, Duration::from_secs(10)));
}

#[test]
fn a_substitution_returns_with_the_token_although_it_started_the_daemon() {
    let world = World::new();
    let account = world.account("acme");
    let passphrase = world.write("passphrase", "open sesame");
    let variable = "AC_CRED_PASSPHRASE_FILE";
    let login = world.login_with("acme", &account.key);
    login
        .args(["--store", "file"])
        .env(variable, &passphrase)
        .run()
        .succeeded();
    world.stop();
    assert!(world.daemons().is_empty());
    let line = "out=$(ac-cred get acme 3>kept 4<kept) && printf 'got %s' \"$out\"";
    let output = world.shell(line).env(variable, &passphrase).run();
    let issued = world.sim().issued_tokens();
    let expected = format!("got {}", issued.last().unwrap().token);
    assert_eq!(output.succeeded().stdout, expected);
    assert_eq!(world.daemons().len(), 1);
}

#[test]
fn a_token_in_a_variable_reaches_a_program() {
    let world = World::new();
    world.login("acme");
    world.write("release.sh", "printf %s \"$AC_ACCESS_TOKEN\"");
    let line = "AC_ACCESS_TOKEN=$(ac-cred get acme) sh release.sh";
    let output = world.shell(line).run();
    assert_eq!(output.succeeded().stdout, world.get("acme"));
}
