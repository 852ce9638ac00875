//! `audit`: who asked for what, with what outcome, and never a secret.

#![cfg(target_os = "linux")]

use std::{fs, io::Write, os::unix::fs::PermissionsExt as _, path::Path};

use ac_cred_tests::{auth_sim::Fault, world::World};
use serde_json::Value;

fn entries(world: &World, words: &[&str]) -> Vec<Value> {
    let output = world.ac_cred(["audit", "--json"]).args(words).run();
    let printed = output.succeeded().json();
    assert_eq!(printed["version"], 1);
    printed["entries"].as_array().expect("a list").clone()
}

#[test]
fn who_asked_for_what_is_told_with_what_came_of_it() {
    let world = World::new();
    let account = world.login("acme");
    world.shell("ac-cred get acme; true").run().succeeded();
    world.sim().fail_next(1, Fault::status(503));
    let refused = world.ac_cred(["get", "acme", "--refresh"]).run();
    assert_eq!(refused.code, 5);
    world.ac_cred(["list"]).run().succeeded();
    world.ac_cred(["logout", "acme"]).run().succeeded();
    let told = entries(&world, &[]);
    let asked: Vec<(&str, &str, &str)> = told
        .iter()
        .map(|entry| {
            let text = |field: &str| entry[field].as_str().expect("it is told");
            (text("request"), text("organization"), text("outcome"))
        })
        .collect();
    assert_eq!(
        asked,
        [
            ("login", "acme", "ok"),
            ("get", "acme", "ok"),
            ("get", "acme", "auth_api_bad_answer"),
            ("logout", "acme", "ok"),
        ]
    );
    let program = told[1]["program"].as_str().expect("it was there");
    let shell = fs::canonicalize("/bin/sh").expect("there is a shell");
    assert_eq!(program, shell.to_str().expect("its path is text"));
    let uid = rustix::process::getuid().as_raw();
    assert!(told.iter().all(|entry| entry["uid"] == uid));
    assert!(told.iter().all(|entry| entry["pid"].is_u64()));
    let all = format!("{told:?}");
    assert!(!all.contains("eyJ") && !all.contains(&account.key), "{all}");
}

#[test]
fn one_organization_can_be_asked_about_and_people_get_a_table() {
    let world = World::new();
    world.login("acme");
    world.login("other");
    world.get("other");
    let told = entries(&world, &["other"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|entry| entry["organization"] == "other"));
    let output = world.ac_cred(["audit", "other"]).run();
    let lines: Vec<&str> = output.succeeded().stdout.lines().collect();
    assert!(lines[0].starts_with("TIME"), "{lines:?}");
    assert_eq!(lines.len(), 3);
    assert!(lines[2].contains(" get ") && lines[2].contains(" other "));
}

#[test]
fn a_program_that_asks_again_and_again_has_one_entry_with_its_number() {
    let world = World::new();
    world.login("acme");
    let mut connection = world.connect_json();
    for _ in 0..50 {
        connection.ask_line(r#"{"get":{"organization":"acme"}}"#);
    }
    let told = entries(&world, &[]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[1]["times"], 50);
    assert_eq!(told[1]["pid"], std::process::id());
    let own = std::env::current_exe().expect("a test has a program");
    assert_eq!(told[1]["program"], own.to_str().expect("its path is text"));
}

#[test]
fn what_the_audit_holds_is_bounded_and_gone_with_the_daemon() {
    let world = World::new();
    world.login("acme");
    for number in 0..1_100 {
        let mut connection = world.connect_json();
        let line = format!("{{\"get\":{{\"organization\":\"none-{number}\"}}}}\n");
        connection
            .stream()
            .write_all(line.as_bytes())
            .expect("the daemon reads");
        connection.receive().expect("the daemon answers");
    }
    assert_eq!(entries(&world, &[]).len(), 1_000);
    world.stop();
    let output = world.ac_cred(["audit"]).run();
    output.refused(7).says("no daemon is running");
    assert!(world.daemons().is_empty(), "it starts no daemon");
}

#[test]
fn a_file_that_the_settings_name_keeps_what_was_asked_beyond_the_daemon() {
    let world = World::new();
    let path = world.home().join("requests");
    asks_for_file(&world, &path);
    let account = world.login("acme");
    world.get("acme");
    world.stop();
    world.ac_cred(["get", "acme"]).run().refused(4);
    world.stop();
    let text = fs::read_to_string(&path).expect("the file is there");
    let told: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let asked: Vec<_> = told
        .iter()
        .map(|entry| [&entry["request"], &entry["outcome"]])
        .collect();
    assert_eq!(
        asked,
        [
            ["login", "ok"],
            ["get", "ok"],
            ["stop", "ok"],
            ["get", "login_required"],
            ["stop", "ok"],
        ]
    );
    assert!(!text.contains("eyJ") && !text.contains(&account.key));
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_daemon_that_cannot_keep_the_file_it_was_told_to_does_not_start() {
    let world = World::new();
    world.login("acme");
    world.stop();
    let path = world.write("requests", "");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is one's own");
    asks_for_file(&world, &path);
    let output = world.ac_cred(["daemon", "start"]).run();
    let mend = format!("is open to others; run: chmod 600 '{}'", path.display());
    output.refused(6).says(&mend);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is one's own");
    world.ac_cred(["daemon", "start"]).run().succeeded();
}

/// Has the settings name a file for what is asked.
fn asks_for_file(world: &World, path: &Path) {
    let settings = fs::read_to_string(world.settings_path()).unwrap_or_default();
    let named = format!("audit_file = '{}'\n{settings}", path.display());
    let directory = world
        .settings_path()
        .parent()
        .expect("it has one")
        .to_owned();
    fs::create_dir_all(directory).expect("a home can be written");
    fs::write(world.settings_path(), named).expect("settings can be written");
}
