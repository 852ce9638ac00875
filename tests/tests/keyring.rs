//! The store in the keyring of the system: a real Secret Service on a bus of the test's own, and
//! every way in which one is locked, hangs or goes away.

#![cfg(target_os = "linux")]

use std::{fs, thread, time::Duration};

use ac_cred_tests::{
    keyring::{Keyring, OnBus},
    world::{Account, PATIENCE, Run, World, eventually, timed},
};
use rustix::process::{Pid, Signal, kill_process};

/// More than a call with `--wait 2s` takes, and less than it would take without.
const IN_TIME: Duration = Duration::from_secs(4);

/// A world with one organization in the keyring.
struct Desk {
    keyring: Keyring,
    world: World,
    acme: Account,
}

impl Desk {
    /// Nothing where there is no keyring to be had; the test then says that it is skipped.
    fn new() -> Option<Self> {
        let world = World::new();
        let keyring = Keyring::start(&world)?;
        let acme = world.account("acme");
        let desk = Self {
            keyring,
            world,
            acme,
        };
        desk.login("acme", &desk.acme.key).run().succeeded();
        Some(desk)
    }

    /// A login that does not say where the credential shall rest.
    fn login(&self, alias: &str, key: &str) -> Run {
        self.world.login_with(alias, key).on(&self.keyring)
    }

    fn run(&self, words: &[&str]) -> Run {
        self.world.ac_cred(words).on(&self.keyring)
    }

    fn get(&self, words: &[&str]) -> Run {
        self.run(&[&["get"], words].concat())
    }

    fn store_of(&self, number: usize) -> String {
        let status = self.world.status();
        let store = status["organizations"][number]["store"].as_str();
        store.unwrap_or_default().to_owned()
    }
}

#[test]
fn a_credential_rests_in_the_keyring_where_one_answers_and_nothing_else_is_said() {
    let Some(desk) = Desk::new() else { return };
    let world = &desk.world;
    assert_eq!(desk.store_of(0), "keyring");
    world.stop();
    desk.get(&["acme"]).run().succeeded();
    assert_eq!(world.sim().exchange_count(), 2);
    assert!(!world.credentials_path().exists());
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    assert!(settings.contains("store = \"keyring\""), "{settings}");
    assert!(!settings.contains(&desk.acme.key), "{settings}");
}

#[test]
fn what_a_credential_is_bound_to_is_in_the_keyring_with_it() {
    let Some(desk) = Desk::new() else { return };
    let settings = fs::read_to_string(desk.world.settings_path()).unwrap();
    let redirected = format!("{settings}allow_http = true\n");
    desk.world.write(".config/ac-cred/config.toml", redirected);
    let get = desk.get(&["acme", "--format", "json"]).run();
    assert_eq!(get.refused(6).error()["error"], "binding_changed");
    assert_eq!(desk.world.sim().exchange_count(), 1);
    let confirm = desk.run(&["login", "acme", "--from", "acme"]);
    confirm.run().succeeded();
    desk.get(&["acme"]).run().succeeded();
}

#[test]
fn a_rename_takes_the_item_along_and_a_logout_removes_it() {
    let Some(desk) = Desk::new() else { return };
    let world = &desk.world;
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    desk.run(&["rename", "acme", "b"]).run().succeeded();
    desk.get(&["b", "--refresh"]).run().succeeded();
    let other = world.account("other");
    desk.login("other", &other.key).run().succeeded();
    desk.run(&["logout", "b"]).run().succeeded();
    desk.get(&["other", "--refresh"]).run().succeeded();
    for name in ["acme", "b"] {
        let again = settings.replace("acme", name);
        world.write(".config/ac-cred/config.toml", again);
        let get = desk.get(&[name]).run();
        get.refused(4).says(&format!("ac-cred login {name}"));
    }
}

#[test]
fn a_locked_keyring_is_told_at_once_while_tokens_that_are_held_are_served() {
    let Some(mut desk) = Desk::new() else { return };
    desk.get(&["acme"]).run().succeeded();
    desk.keyring.lock();
    look_at_what_is_locked(&desk);
    desk.keyring.start_locked();
    look_at_what_is_locked(&desk);
    desk.keyring.end_keyring();
    desk.keyring.start_unlocked();
    desk.get(&["acme", "--refresh"]).run().succeeded();
}

fn look_at_what_is_locked(desk: &Desk) {
    let (output, took) = timed(|| desk.get(&["acme", "--refresh", "--format", "json"]).run());
    let error = output.refused(6).error();
    assert_eq!(error["error"], "locked", "{error}");
    assert!(took < IN_TIME, "{took:?}");
    desk.get(&["acme"]).run().succeeded();
    let key = desk.world.account("new").key;
    let before = desk.world.sim().exchange_count();
    for words in [&[][..], &["--store", "keyring"]] {
        let login = desk.login("new", &key).args(words).run();
        login.refused(6).says("the keyring is locked");
    }
    assert_eq!(desk.world.sim().exchange_count(), before);
}

#[test]
fn a_logout_that_cannot_remove_the_item_says_so_and_serves_no_token_of_it() {
    let Some(desk) = Desk::new() else { return };
    desk.get(&["acme"]).run().succeeded();
    desk.keyring.lock();
    let logout = desk.run(&["logout", "acme"]).run();
    logout.refused(6).says("the keyring is locked");
    assert_eq!(desk.store_of(0), "keyring");
    desk.get(&["acme"]).run().refused(6);
}

#[test]
fn a_bus_that_takes_calls_and_never_answers_holds_up_nobody() {
    let Some(mut desk) = Desk::new() else { return };
    desk.get(&["acme"]).run().succeeded();
    let brief = desk.world.account("brief");
    let memory = desk.login("brief", &brief.key);
    memory.args(["--store", "memory"]).run().succeeded();
    let _silent = desk.keyring.replace_bus();
    let hanging = desk.get(&["acme", "--refresh"]).spawn();
    assert!(eventually(PATIENCE, || is_asked(&desk)));
    let ((), took) = timed(|| {
        desk.get(&["brief", "--refresh"]).run().succeeded();
        desk.get(&["acme"]).run().succeeded();
        desk.run(&["status"]).run().succeeded();
    });
    assert!(took < IN_TIME, "{took:?}");
    let impatient = desk.get(&["acme", "--refresh", "--wait", "2s"]);
    let (output, took) = timed(|| impatient.run());
    output.refused(6).says("keyring");
    assert!(took < IN_TIME, "{took:?}");
    hanging.wait().refused(6).says("keyring");
    assert!(
        eventually(PATIENCE, || !is_asked(&desk)),
        "nobody goes on to ask"
    );
    let login = desk.login("new", &brief.key).args(["--wait", "2s"]);
    let (output, took) = timed(|| login.run());
    output.refused(6).says("--store memory");
    assert!(took < IN_TIME, "{took:?}");
}

#[test]
fn a_daemon_that_waits_for_the_keyring_ends_all_the_same() {
    let Some(mut desk) = Desk::new() else { return };
    let _silent = desk.keyring.replace_bus();
    let hanging = desk.get(&["acme", "--refresh", "--wait", "2s"]).spawn();
    assert!(eventually(PATIENCE, || is_asked(&desk)));
    let daemon = desk.world.daemon_pid().unwrap();
    desk.run(&["daemon", "stop"]).run().succeeded();
    hanging.wait().refused(6);
    assert!(desk.world.wait_for_end(daemon, PATIENCE));
    assert!(
        eventually(PATIENCE, || !is_asked(&desk)),
        "its helper outlives it"
    );
}

#[test]
fn a_bus_that_goes_in_the_middle_of_a_call_is_told() {
    let Some(mut desk) = Desk::new() else { return };
    let leaving = desk.keyring.replace_bus();
    let gone = thread::spawn(move || drop(leaving.accept()));
    let output = desk.get(&["acme", "--refresh"]).run();
    output.refused(6).says("ac-cred login acme --store file");
    gone.join().unwrap();
    desk.keyring.end_bus();
    let output = desk.get(&["acme", "--refresh"]).run();
    output.refused(6).says("no keyring answers here");
}

#[test]
fn a_keyring_that_stops_in_the_middle_of_a_call_is_told() {
    let Some(mut desk) = Desk::new() else { return };
    let keyring = desk.keyring.pid().unwrap();
    let keyring = Pid::from_raw(keyring.try_into().unwrap()).unwrap();
    kill_process(keyring, Signal::STOP).unwrap();
    let hanging = desk.get(&["acme", "--refresh"]).spawn();
    assert!(eventually(PATIENCE, || is_asked(&desk)));
    desk.keyring.end_keyring();
    hanging.wait().refused(6);
    let output = desk.get(&["acme", "--refresh"]).run();
    output.refused(6).says("no keyring answers here");
}

#[test]
fn without_a_keyring_nothing_is_stored_elsewhere_in_its_stead() {
    let world = World::new();
    let key = world.account("acme").key;
    let login = world.login_with("acme", &key).args(["--store", "keyring"]);
    login.run().refused(6).says("no keyring answers here");
    assert!(!world.settings_path().exists());
    assert_eq!(world.sim().exchange_count(), 0);
}

#[test]
fn a_bus_of_somebody_else_is_not_asked() {
    let Some(desk) = Desk::new() else { return };
    desk.world.stop();
    let bus = desk.keyring.bus();
    // Only root can give one away.
    if std::os::unix::fs::chown(&bus, Some(1_234_567), None).is_ok() {
        let output = desk.get(&["acme"]).run();
        output.refused(6).says("no session bus of yours");
    }
}

#[test]
fn a_move_proves_the_credential_and_leaves_it_in_one_place() {
    let Some(desk) = Desk::new() else { return };
    let world = &desk.world;
    let passphrase = world.write("passphrase", world.secrets().fresh("passphrase"));
    let passphrase = passphrase.to_string_lossy();
    let key = world.write("key", &desk.acme.key);
    let moves = |words: &[&str]| {
        let before = world.sim().exchange_count();
        let words = [&["store", "move", "acme", "--to"], words].concat();
        desk.run(&words).run().succeeded();
        assert_eq!(world.sim().exchange_count(), before + 1, "{words:?}");
        desk.get(&["acme", "--refresh"]).run().succeeded();
    };
    let is_in_keyring = |is_there: bool| {
        let settings = fs::read_to_string(world.settings_path()).unwrap();
        let elsewhere = settings.replace(&format!("\"{}\"", desk.store_of(0)), "\"keyring\"");
        world.write(".config/ac-cred/config.toml", elsewhere);
        let get = desk.get(&["acme", "--refresh"]).run();
        assert_eq!(get.code, if is_there { 0 } else { 4 }, "{get:?}");
        world.write(".config/ac-cred/config.toml", settings);
    };
    is_in_keyring(true);
    moves(&["file", "--passphrase-file", &passphrase]);
    assert_eq!(desk.store_of(0), "file");
    is_in_keyring(false);
    moves(&["command", "--", "cat", &key.to_string_lossy()]);
    assert_eq!(desk.store_of(0), "command");
    moves(&["keyring"]);
    is_in_keyring(true);
    moves(&["memory"]);
    is_in_keyring(false);
    moves(&["keyring"]);
    moves(&["keyring"]);
    is_in_keyring(true);
}

#[test]
fn a_move_that_does_not_come_to_its_end_changes_nothing() {
    let Some(desk) = Desk::new() else { return };
    let world = &desk.world;
    let refused = |words: &[&str], code| {
        let words = [&["store", "move", "acme", "--to"], words].concat();
        desk.run(&words).run().refused(code);
        assert_eq!(desk.store_of(0), "keyring", "{words:?}");
    };
    refused(&["command"], 2);
    refused(&["command", "--", "/bin/false"], 6);
    refused(&["command", "--", "/bin/echo", "another-key"], 4);
    refused(&["file"], 6);
    refused(&["memory", "--", "/bin/echo", "x"], 2);
    let nobody = desk.run(&["store", "move", "nobody", "--to", "memory"]);
    nobody.run().refused(3);
    let outage = world.sim().only_credential(&desk.acme.key);
    outage.fail_always(ac_cred_tests::auth_sim::Fault::status(503));
    refused(&["memory"], 5);
    drop(outage);
    let brief = world.account("brief");
    let memory = desk.login("brief", &brief.key);
    memory.args(["--store", "memory"]).run().succeeded();
    desk.keyring.lock();
    let words = ["store", "move", "brief", "--to", "keyring"];
    desk.run(&words).run().refused(6).says("locked");
    desk.get(&["brief", "--refresh"]).run().succeeded();
    assert_eq!(desk.store_of(1), "memory");
}

/// Whether a helper of the daemon asks the keyring now.
fn is_asked(desk: &Desk) -> bool {
    let asks = |line: Vec<u8>| {
        let mut words = line.split(|&byte| byte == 0);
        words.any(|word| word == b"--ask-keyring")
    };
    let bus = desk.keyring.address();
    let Ok(processes) = fs::read_dir("/proc") else {
        return false;
    };
    processes.flatten().any(|process| {
        let of_ours = || {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&bus)
        };
        fs::read(process.path().join("cmdline")).is_ok_and(asks) && of_ours()
    })
}
