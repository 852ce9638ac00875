//! The README's first command: it shows the main job, and leaves nothing behind, however it ends.

#![cfg(unix)]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use ac_cred_tests::world::{Output, Run, World, daemons_below};

#[test]
fn the_main_job_is_shown_and_nothing_is_left() {
    let world = World::new();
    let output = demo(&world).env("AC_CRED_BIN_DIR", world.programs()).run();
    let shown = &output.succeeded().stdout;
    assert_eq!(output.stderr, "");
    for part in [
        "$ ac-cred login acme --stdin ",
        "logged in to acme",
        "$ ac-cred get acme\n  eyJ",
        "\n  200 [{",
        "exchanges at the Auth API: 1.",
        "$ ac-cred status\n",
        "$ ac-cred daemon stop\n  ac-cred: the daemon is stopped\n",
        "Nothing is left",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown}");
    let longest = shown.lines().map(str::len).max();
    assert!(longest < Some(250), "a whole token is shown: {shown}");
    nothing_is_left(shown);
}

#[test]
fn a_step_that_fails_is_told_and_nothing_is_left() {
    let world = World::new();
    let shown = with_step(&world, "get", "exit 5", "that ended with exit code 5");
    nothing_is_left(&shown);
}

#[test]
fn an_interruption_ends_it_and_nothing_is_left() {
    let world = World::new();
    let shown = with_step(
        &world,
        "get",
        "kill -INT $PPID; exec \"$real\" \"$@\"",
        "interrupted",
    );
    nothing_is_left(&shown);
}

#[test]
fn programs_that_are_missing_are_told() {
    let world = World::new();
    let output = demo(&world).env("AC_CRED_BIN_DIR", world.home()).run();
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.starts_with("demo: "), "{output:?}");
}

fn demo(world: &World) -> Run {
    world.program(env!("CARGO_BIN_EXE_demo"))
}

/// What it shows when one of its commands does something else.
#[track_caller]
fn with_step(world: &World, command: &str, instead: &str, why: &str) -> String {
    let programs = world.home().join("bin");
    let real = world.programs().join("ac-cred");
    let script = format!(
        "#!/bin/sh\nreal='{}'\n[ \"$1\" = {command} ] && {{ echo at \"$AC_CRED_SOCKET\" >&2; {instead}; }}\n\
         exec \"$real\" \"$@\"\n",
        real.display()
    );
    write_program(&programs.join("ac-cred"), &script);
    let output = demo(world).env("AC_CRED_BIN_DIR", &programs).run();
    let Output {
        code,
        stdout,
        stderr,
    } = output;
    assert_eq!(code, 1, "{stdout}{stderr}");
    assert_eq!(stderr, format!("demo: {why}\n"), "{stdout}");
    assert!(!stdout.contains("Nothing is left"), "{stdout}");
    stdout
}

/// Written by another process, so that no other test's child holds the program open.
fn write_program(path: &Path, text: &str) {
    let line = "mkdir -p \"${0%/*}\" && printf %s \"$1\" >\"$0\" && chmod 700 \"$0\"";
    let written = Command::new("/bin/sh")
        .args(["-c", line])
        .arg(path)
        .arg(text)
        .status();
    assert!(written.is_ok_and(|status| status.success()));
}

/// Fails unless the directory of the socket that was shown has gone, with every daemon in it.
#[track_caller]
fn nothing_is_left(shown: &str) {
    let socket = shown
        .split_whitespace()
        .find(|word| word.ends_with("/run/v1.sock"));
    let socket = PathBuf::from(socket.expect("the socket is shown"));
    let directory = socket.parent().and_then(Path::parent);
    let directory = directory.expect("it is the directory of a directory");
    assert!(!directory.exists(), "{}", directory.display());
    assert!(daemons_below(directory).is_empty());
}
