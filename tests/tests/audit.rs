//! `audit`: who asked for what, with what outcome, and never a secret.

#![cfg(target_os = "linux")]

use std::io::Write;

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
    let shell = std::fs::canonicalize("/bin/sh").expect("there is a shell");
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
