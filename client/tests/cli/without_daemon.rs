//! `list` and `status` work without a daemon, and never start one.

use crate::world::{World, said};

const TWO: &str = "
default = 'beta'
[organizations.acme]
store = 'file'
[organizations.beta]
store = 'memory'
";

#[test]
fn the_settings_are_listed() {
    let world = World::new();
    world.write_settings(TWO);
    let list = world.says(&["list"]);
    assert_eq!((list.code, list.stdout.as_str()), (0, "acme\nbeta\n"));
    assert_eq!(
        world.says(&["list", "--json"]).stdout,
        "{\"version\":1,\"daemon\":null,\"organizations\":[{\"organization\":\"acme\"},{\"organization\":\"beta\"}]}\n"
    );
}

#[test]
fn the_status_says_that_no_daemon_runs() {
    let world = World::new();
    world.write_settings(TWO);
    let json = world.says(&["status", "--json"]);
    assert_eq!(json.code, 0, "{json:?}");
    assert!(
        json.stdout.starts_with(
            "{\"version\":1,\"daemon\":null,\"organizations\":[{\"organization\":\"acme\""
        ),
        "{json:?}"
    );
    let table = world.says(&["status"]);
    assert!(table.stdout.contains("* beta"), "{table:?}");
    assert!(
        table.stdout.ends_with("no daemon is running\n"),
        "{table:?}"
    );
    assert_eq!(world.says(&["status", "--short"]).stdout, "beta\n");
    let one = world.says(&["status", "acme"]);
    assert!(!one.stdout.contains("beta"), "{one:?}");
    world.says(&["status", "other"]).is_refused(3);
}

#[test]
fn no_settings_are_empty_settings() {
    let world = World::new();
    for (words, expected) in [
        (&["list"][..], ""),
        (
            &["list", "--json"],
            "{\"version\":1,\"daemon\":null,\"organizations\":[]}\n",
        ),
        (
            &["status", "--json"],
            "{\"version\":1,\"daemon\":null,\"organizations\":[]}\n",
        ),
        (&["status", "--short"], ""),
    ] {
        let said = world.says(words);
        assert_eq!(
            (said.code, said.stdout.as_str()),
            (0, expected),
            "{words:?}"
        );
        let said_so = words == ["list"];
        assert_eq!(said.stderr.contains("no daemon is running"), said_so);
    }
    assert!(!world.socket().exists());
}

#[test]
fn broken_settings_are_refused_with_line_and_column() {
    let world = World::new();
    let path = world.write_settings("[organizations.acme]\nstore = 'shelf'\n");
    for words in [&["list"][..], &["status"]] {
        let said = world.says(words);
        said.is_refused(6);
        let place = format!("{}: line 2, column 9: ", path.display());
        assert!(said.stderr.contains(&place), "{said:?}");
    }
    let json = world.says(&["status", "--json"]);
    json.is_refused(6);
    assert!(
        json.stderr
            .starts_with("{\"version\":1,\"error\":\"store_unreadable\","),
        "{json:?}"
    );
}

#[test]
fn the_configuration_directory_of_the_environment_is_not_asked() {
    let world = World::new();
    let elsewhere = World::new();
    elsewhere.write_settings(TWO);
    let list = said(
        world
            .client(&["list"])
            .env("XDG_CONFIG_HOME", elsewhere.home().join(".config")),
    );
    assert_eq!((list.code, list.stdout.as_str()), (0, ""));
}

#[test]
fn a_daemon_that_does_not_run_is_stopped_already() {
    let world = World::new();
    let said = world.says(&["daemon", "stop"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""));
    assert_eq!(said.stderr, "ac-cred: no daemon is running\n");
}
