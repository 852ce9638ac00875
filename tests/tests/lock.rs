//! `lock` and `unlock`: what is locked is not served, not exchanged, and not lost.

#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use ac_cred_tests::world::{Account, PATIENCE, Run, World, eventually};

/// The variable that names a file with the passphrase.
const VARIABLE: &str = "AC_CRED_PASSPHRASE_FILE";

/// A world with one organization in the encrypted file.
struct Locking {
    world: World,
    passphrase: PathBuf,
    acme: Account,
}

impl Locking {
    fn new() -> Self {
        let world = World::new();
        let passphrase = world.write("passphrase", world.secrets().fresh("passphrase"));
        let acme = world.account("acme");
        let login = world.login_with("acme", &acme.key);
        in_file(login, &passphrase).run().succeeded();
        Self {
            world,
            passphrase,
            acme,
        }
    }

    fn lock(&self) {
        let lock = self.world.ac_cred(["lock"]).run();
        lock.succeeded().says("until ac-cred unlock");
    }

    fn unlock(&self) -> Run {
        let unlock = self.world.ac_cred(["unlock", "--passphrase-file"]);
        unlock.args([&self.passphrase])
    }

    fn exchanges(&self) -> usize {
        self.world.sim().exchange_count()
    }
}

fn in_file(login: Run, passphrase: &Path) -> Run {
    login
        .args(["--store", "file", "--passphrase-file"])
        .args([passphrase])
}

#[test]
fn what_is_locked_is_neither_served_nor_exchanged_until_it_is_unlocked() {
    let locking = Locking::new();
    let world = &locking.world;
    assert_eq!(world.status()["daemon"]["locked"], false);
    world.get("acme");
    locking.lock();
    locking.lock();
    for words in [
        &["get", "acme"][..],
        &["get", "acme", "--refresh"],
        &["reject", "acme"],
    ] {
        let output = world.ac_cred(words).run();
        output.refused(6).says("run: ac-cred unlock");
    }
    let output = world.ac_cred(["get", "--format", "json"]).run();
    assert_eq!(output.refused(6).error()["error"], "locked");
    let status = world.status();
    assert_eq!(status["daemon"]["locked"], true);
    assert!(status["organizations"][0]["token"].is_null());
    assert_eq!(locking.exchanges(), 1);
    locking.unlock().run().succeeded();
    world.get("acme");
    assert_eq!(locking.exchanges(), 2);
    assert_eq!(world.status()["daemon"]["locked"], false);
}

#[test]
fn a_wrong_passphrase_does_not_end_a_lock() {
    let locking = Locking::new();
    let world = &locking.world;
    locking.lock();
    let wrong = world.write("wrong", "not the passphrase");
    let unlock = world.ac_cred(["unlock", "--passphrase-file"]).args([wrong]);
    unlock.run().refused(6);
    world.ac_cred(["get", "acme"]).run().refused(6);
    locking.unlock().run().succeeded();
    world.get("acme");
}

#[test]
fn not_even_a_daemon_that_knows_a_passphrase_file_serves_before_it_is_asked() {
    let locking = Locking::new();
    let world = &locking.world;
    world.stop();
    let start = world.ac_cred(["daemon", "start"]);
    start.env(VARIABLE, &locking.passphrase).run().succeeded();
    world.get("acme");
    locking.lock();
    world.ac_cred(["get", "acme"]).run().refused(6);
    world.ac_cred(["unlock"]).run().succeeded();
    world.get("acme");
}

#[test]
fn what_rests_in_memory_only_is_not_lost_without_a_yes() {
    let locking = Locking::new();
    let world = &locking.world;
    world.login("brief");
    let lock = world.ac_cred(["lock"]).run();
    lock.refused(2)
        .says("the credential of brief")
        .says("ac-cred lock --yes");
    world.get("brief");
    world.get("acme");
    assert_eq!(world.status()["daemon"]["locked"], false);
    world.ac_cred(["lock", "--yes"]).run().succeeded();
    locking.unlock().run().succeeded();
    world.get("acme");
    let lost = world.ac_cred(["get", "brief"]).run();
    lost.refused(4).says("ac-cred login brief");
}

#[test]
fn without_an_encrypted_file_an_unlock_only_ends_the_lock() {
    let world = World::new();
    let account = world.login("brief");
    world.ac_cred(["lock", "--yes"]).run().succeeded();
    world.ac_cred(["get", "brief"]).run().refused(6);
    let login = || {
        world
            .login_with("brief", &account.key)
            .args(["--store", "memory"])
    };
    login().run().refused(6).says("ac-cred unlock");
    world.ac_cred(["unlock"]).run().succeeded();
    world.ac_cred(["get", "brief"]).run().refused(4);
    login().run().succeeded();
    world.get("brief");
}

#[test]
fn a_login_to_the_encrypted_file_unlocks_it() {
    let locking = Locking::new();
    let world = &locking.world;
    locking.lock();
    let login = world.login_with("acme", &locking.acme.key);
    in_file(login, &locking.passphrase).run().succeeded();
    world.get("acme");
}

#[test]
fn a_lock_answers_those_who_wait_and_drops_what_their_exchange_brings() {
    let locking = Locking::new();
    let world = &locking.world;
    let gate = world.sim().hold_credential(&locking.acme.key);
    let waiting = world.ac_cred(["get", "acme", "--refresh"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    locking.lock();
    waiting.wait().refused(6).says("ac-cred unlock");
    gate.release();
    world.ac_cred(["get", "acme"]).run().refused(6);
    assert!(world.status()["organizations"][0]["token"].is_null());
}

#[test]
fn a_login_that_is_proved_after_a_lock_stores_nothing() {
    let locking = Locking::new();
    let world = &locking.world;
    let key = world.account("other").key;
    let gate = world.sim().hold_credential(&key);
    let login = world.login_with("other", &key);
    let login = in_file(login, &locking.passphrase).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    locking.lock();
    gate.release();
    login.wait().refused(5);
    locking.unlock().run().succeeded();
    world.ac_cred(["get", "other"]).run().refused(3);
    world.get("acme");
}

#[test]
fn without_a_daemon_there_is_nothing_to_lock() {
    let world = World::new();
    let lock = world.ac_cred(["lock"]).run();
    lock.succeeded().says("no daemon is running");
    assert!(world.daemons().is_empty(), "lock started a daemon");
}

#[test]
fn a_logout_that_fails_half_way_does_not_leave_the_token_to_be_served() {
    let locking = Locking::new();
    let world = &locking.world;
    world.get("acme");
    let settings = fs::read(world.settings_path()).unwrap();
    let lock = world.settings_path().with_extension("lock");
    fs::remove_file(&lock).ok();
    fs::create_dir(&lock).unwrap();
    world.ac_cred(["logout", "acme"]).run().refused(6);
    let output = world.ac_cred(["get", "acme"]).run();
    output.refused(4).says("ac-cred login acme");
    assert_eq!(fs::read(world.settings_path()).unwrap(), settings);
    fs::remove_dir(&lock).unwrap();
    world.ac_cred(["logout", "acme"]).run().succeeded();
    world.ac_cred(["get", "acme"]).run().refused(3);
}

#[test]
fn a_daemon_that_nobody_uses_locks_itself_where_the_settings_say_so() {
    let locking = Locking::new();
    let world = &locking.world;
    world.login("brief");
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    fs::write(
        world.settings_path(),
        format!("lock_after = \"1s\"\n{settings}"),
    )
    .unwrap();
    let is_locked = || world.status()["daemon"]["locked"] == true;
    assert!(eventually(PATIENCE, is_locked));
    world.ac_cred(["get", "acme"]).run().refused(6);
    fs::write(world.settings_path(), settings).unwrap();
    locking.unlock().run().succeeded();
    world.get("acme");
    world.get("brief");
}
