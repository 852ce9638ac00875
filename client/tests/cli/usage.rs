//! What is typed wrongly ends with exit code 2, and help is on stdout when it is asked for.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::world::{World, said};

#[test]
fn the_program_alone_shows_its_help_on_stderr() {
    let said = World::new().says(&[]);
    assert_eq!((said.code, said.stdout.as_str()), (2, ""));
    assert!(said.stderr.contains("Usage: ac-cred"), "{said:?}");
}

#[test]
fn help_and_version_are_on_stdout() {
    for words in [
        &["--help"][..],
        &["--version"],
        &["get", "--help"],
        &["help", "login"],
    ] {
        let said = World::new().says(words);
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{words:?}");
        assert!(said.stdout.contains("ac-cred"), "{said:?}");
    }
}

#[test]
fn a_mistake_is_one_line_or_json() {
    let world = World::new();
    world.says(&["get", "--fly"]).is_refused(2);
    world.says(&["get", "a/b"]).is_refused(2);
    let json = world.says(&["status", "--json", "--fly"]);
    json.is_refused(2);
    assert_eq!(
        json.stderr,
        "{\"version\":1,\"error\":\"usage\",\"message\":\"there is no option --fly\",\"hint\":\"ac-cred status --help\",\"retry_after\":null}\n"
    );
}

#[test]
fn what_is_not_utf_8_is_a_usage_error() {
    let world = World::new();
    let argument = OsStr::from_bytes(b"m\xffrker");
    let said = said(world.client(&["get"]).arg(argument));
    said.is_refused(2);
    assert!(!said.stderr.contains("rker"), "{said:?}");
}

#[test]
fn a_secret_on_the_command_line_is_not_repeated() {
    let world = World::new();
    for words in [
        &["login", "acme", "--token", "Marker9"][..],
        &["login", "acme", "--pak=Marker9"],
        &["login", "acme", "Marker9"],
        &["login", "--secret", "Marker9", "acme"],
    ] {
        let said = world.says(words);
        said.is_refused(2);
        assert!(!said.stderr.contains("Marker9"), "{said:?}");
        assert!(said.stderr.contains("delete that key"), "{said:?}");
    }
}
