//! Every reason why a command fails has its exit code, one line on stderr, and the same in JSON.

#![cfg(unix)]

use std::{fs, os::unix::fs::PermissionsExt};

use ac_cred_tests::{
    auth_sim::Fault,
    world::{Output, World},
};
use serde_json::Value;

const JSON: [&str; 4] = ["get", "acme", "--format", "json"];

#[test]
fn usage_is_two() {
    let world = World::new();
    assert_error(&get(&world, &["--fly"]), "usage", 2);
    assert_error(&get(&world, &["--min-ttl", "long"]), "usage", 2);
    world.ac_cred(["fly"]).run().refused(2);
    let nothing = world.ac_cred([""; 0]).run();
    assert_eq!((nothing.code, &*nothing.stdout), (2, ""));
}

#[test]
fn an_unknown_organization_and_none_chosen_are_three() {
    let world = World::new();
    assert_error(&get(&world, &[]), "unknown_organization", 3);
    let unnamed = world.ac_cred(["get", "--format=json"]).run();
    assert_error(&unnamed, "no_organization_chosen", 3);
}

#[test]
fn a_credential_that_is_gone_is_four() {
    let world = World::new();
    world.login("acme");
    world.stop();
    let output = get(&world, &[]);
    assert_error(&output, "login_required", 4);
    assert_eq!(output.error()["hint"], "ac-cred login acme");
}

#[test]
fn a_refused_credential_is_four() {
    let world = World::new();
    let account = world.login("acme");
    world.sim().revoke(&account.key);
    let output = get(&world, &["--refresh"]);
    assert_error(&output, "credential_refused", 4);
    assert_eq!(output.error()["hint"], "ac-cred login acme");
}

#[test]
fn an_auth_api_that_does_not_answer_well_is_five() {
    let world = World::new();
    world.login("acme");
    let sim = world.sim();
    sim.fail_next(1, Fault::status(503));
    assert_error(&get(&world, &["--refresh"]), "auth_api_bad_answer", 5);
    sim.fail_next(1, Fault::status(429));
    let patient = ["--refresh", "--wait", "20s"];
    assert_error(&get(&world, &patient), "rate_limited", 5);
    sim.refuse_connections();
    let output = get(&world, &patient);
    assert_error(&output, "auth_api_unreachable", 5);
    assert!(output.error()["retry_after"].is_u64(), "{output:?}");
}

#[test]
fn a_life_that_no_token_has_is_five() {
    let world = World::new();
    world.login("acme");
    let output = get(&world, &["--min-ttl", "2h"]);
    assert_error(&output, "token_too_short", 5);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_login_that_another_one_overtakes_is_busy_and_five() {
    let world = World::new();
    let account = world.account("acme");
    let log_in = || {
        let run = world.login_with("acme", &account.key);
        run.args(["--store", "memory"])
    };
    let gate = world.sim().hold();
    let first = log_in().spawn();
    assert!(gate.wait_for(1, std::time::Duration::from_secs(30)));
    let second = log_in().spawn();
    assert!(gate.wait_for(2, std::time::Duration::from_secs(30)));
    gate.release();
    first.wait().refused(5).says("came after this login");
    second.wait().succeeded();
}

#[test]
fn a_token_of_another_organization_is_six() {
    let world = World::new();
    world.login("acme");
    let other = "99999999-9999-4999-8999-999999999999";
    world.sim().fail_next(1, Fault::other_organization(other));
    assert_error(&get(&world, &["--refresh"]), "wrong_organization", 6);
}

#[test]
fn a_locked_store_is_six() {
    let world = World::new();
    let account = world.account("acme");
    world.write("passphrase", "open sesame");
    let words = ["--store", "file", "--passphrase-file", "passphrase"];
    world
        .login_with("acme", &account.key)
        .args(words)
        .run()
        .succeeded();
    world.stop();
    let output = get(&world, &[]);
    assert_error(&output, "locked", 6);
    assert_eq!(output.error()["hint"], "ac-cred unlock");
}

#[test]
fn settings_that_are_broken_or_unsafe_are_six() {
    let world = World::new();
    world.login("acme");
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    world.write(".config/ac-cred/config.toml", "default = \n");
    assert_error(&get(&world, &[]), "store_unreadable", 6);
    world.write(".config/ac-cred/config.toml", settings);
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(world.settings_path(), mode(0o666)).unwrap();
    assert_error(&get(&world, &[]), "unsafe_files", 6);
    fs::set_permissions(world.settings_path(), mode(0o644)).unwrap();
    get(&world, &[]).succeeded();
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn settings_that_differ_from_the_credentials_binding_are_six() {
    let world = World::new();
    world.login("acme");
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    let changed = settings.replace("auth_url = \"https://127", "auth_url = \"https://128");
    world.write(".config/ac-cred/config.toml", changed);
    let output = get(&world, &[]);
    assert_error(&output, "binding_changed", 6);
    assert_eq!(output.error()["hint"], "ac-cred login acme --from acme");
}

#[test]
fn no_daemon_is_seven() {
    let world = World::new();
    assert_error(&get(&world, &["--no-start"]), "daemon_unreachable", 7);
    let relative = world.ac_cred(JSON).env("AC_CRED_SOCKET", "v1.sock").run();
    assert_error(&relative, "daemon_unreachable", 7);
}

#[test]
fn an_endpoint_that_others_can_enter_is_six() {
    let world = World::new();
    let directory = world.home().join("run");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let output = get(&world, &[]);
    assert_error(&output, "unsafe_files", 6);
    let hint = format!("chmod 700 '{}'", directory.display());
    assert_eq!(output.error()["hint"], hint);
    assert!(world.daemons().is_empty());
    let mode = fs::metadata(&directory).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755, "it was repaired silently");
}

#[test]
fn an_output_that_cannot_be_written_is_one() {
    let world = World::new();
    world.login("acme");
    let output = world
        .shell("ac-cred get acme --format json >/dev/full")
        .run();
    assert_error(&output, "internal", 1);
}

fn get(world: &World, words: &[&str]) -> Output {
    world.ac_cred(JSON).args(words).run()
}

/// Fails unless the one line on stderr is this error, with every field in the documented order.
#[track_caller]
fn assert_error(output: &Output, error: &str, code: i32) {
    let found = output.refused(code).error();
    assert_eq!(found["error"], error, "{output:?}");
    let expected = format!(
        r#"{{"version":1,"error":"{error}","message":{},"hint":{},"retry_after":{}}}"#,
        found["message"], found["hint"], found["retry_after"]
    );
    assert_eq!(output.stderr.trim_end(), expected);
    let message = found["message"].as_str().unwrap_or_default();
    assert!(!message.is_empty() && !message.ends_with('.'), "{message}");
    assert!(matches!(found["hint"], Value::Null | Value::String(_)));
}
