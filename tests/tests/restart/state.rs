//! What a daemon holds is held by the next.

use std::fs;

use ac_cred_proto::{Request, endpoint::log_path, message::List};
use ac_cred_tests::{
    auth_sim::Fault,
    process::{Process, skip},
    world::World,
};

use super::restarted;

#[test]
fn tokens_and_credentials_in_memory_go_on_without_an_exchange() {
    let world = World::new();
    let accounts = ["acme", "other"].map(|alias| world.login(alias));
    let tokens = ["acme", "other"].map(|alias| world.get(alias));
    for _ in 0..3 {
        restarted(&world);
    }
    assert_eq!(["acme", "other"].map(|alias| world.get(alias)), tokens);
    assert_eq!(world.sim().exchange_count(), 2, "the logins'");
    let renewed = world.ac_cred(["get", "acme", "--refresh"]).run();
    assert_ne!(renewed.succeeded().stdout.trim_end(), tokens[0]);
    assert_eq!(world.sim().exchange_count_for(&accounts[0].key), 2);
    world.stop();
    assert!(!world.socket().exists());
    assert!(world.daemons().is_empty());
}

#[test]
fn a_passphrase_that_was_given_is_not_asked_for_again() {
    let world = World::new();
    let passphrase = world.write("passphrase", world.secrets().fresh("passphrase"));
    let account = world.account("acme");
    let login = world.login_with("acme", &account.key);
    let login = login.args(["--store", "file", "--passphrase-file"]);
    login.args([&passphrase]).run().succeeded();
    fs::remove_file(passphrase).unwrap();
    restarted(&world);
    assert!(!world.status()["daemon"]["locked"].as_bool().unwrap());
    let get = world.ac_cred(["get", "acme", "--refresh"]).run();
    get.succeeded();
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn what_a_person_has_locked_stays_locked() {
    let world = World::new();
    world.login("acme");
    world.ac_cred(["lock", "--yes"]).run().succeeded();
    restarted(&world);
    world.ac_cred(["get", "acme"]).run().refused(6);
    world.ac_cred(["unlock"]).run().succeeded();
    world.ac_cred(["get", "acme"]).run().refused(4);
}

#[test]
fn a_refused_credential_is_not_asked_about_again() {
    let world = World::new();
    let account = world.login("acme");
    world.sim().revoke(&account.key);
    world.ac_cred(["reject", "acme"]).run().refused(4);
    let exchanges = world.sim().exchange_count();
    restarted(&world);
    world.ac_cred(["get", "acme"]).run().refused(4);
    assert_eq!(world.sim().exchange_count(), exchanges);
}

#[test]
fn the_pause_after_a_failure_lasts() {
    let world = World::new();
    world.login("acme");
    world.sim().fail_always(Fault::retry_after(429, "300"));
    world.ac_cred(["reject", "acme"]).run().refused(5);
    let exchanges = world.sim().exchange_count();
    restarted(&world);
    let output = world.ac_cred(["get", "acme"]).run();
    output.refused(5);
    assert_eq!(world.sim().exchange_count(), exchanges);
}

#[test]
fn settings_that_cannot_be_written_go_on() {
    let world = World::new();
    // Where the directory would have to be there is a file.
    world.write(".config", "in the way");
    world.login("acme");
    let token = world.get("acme");
    restarted(&world);
    assert_eq!(world.get("acme"), token);
    let names = world.connect().ask_all(&Request::List(List {}));
    assert_eq!(names.len(), 2);
}

#[test]
fn the_next_daemon_has_given_up_what_the_first_had() {
    let world = World::new();
    world.login("acme");
    let first = Process(world.daemon_pid().unwrap());
    let traits = |process: Process| {
        let line = |file, name| process.line(file, name).unwrap();
        (
            line("status", "Umask:"),
            line("status", "NoNewPrivs:"),
            line("limits", "Max core file size"),
            process.directory().ok(),
            process.variables().ok(),
        )
    };
    let before = traits(first);
    let next = Process(restarted(&world));
    assert_eq!(traits(next), before);
    assert_eq!(next.group_and_session().unwrap(), (next.0, next.0));
    let Ok(descriptors) = next.descriptors() else {
        return skip("the system does not show the daemon's descriptors");
    };
    let own = [
        world.socket().with_file_name("daemon.lock"),
        log_path(&world.socket()),
    ];
    for (number, target) in descriptors {
        let shown = target.display().to_string();
        let is_right = match number {
            0..=2 => shown == "/dev/null",
            _ => {
                own.contains(&target)
                    || shown.starts_with("socket:")
                    || shown.starts_with("anon_inode:")
            }
        };
        assert!(is_right, "descriptor {number} leads to {shown}");
    }
}

#[test]
fn what_was_asked_before_is_remembered_after() {
    let world = World::new();
    world.login("acme");
    world.get("acme");
    let before = world.ac_cred(["audit", "--json"]).run().succeeded().json();
    assert!(!before.is_null());
    restarted(&world);
    let after = world.ac_cred(["audit", "--json"]).run().succeeded().json();
    assert_eq!(after, before);
}
