//! What opens the encrypted file: a passphrase or an age identity, wherever either comes from; the
//! `age` of others opens it too.

#![cfg(target_os = "linux")]

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use ac_cred_tests::{
    process::{Foreground, has_program_or_skips, is_root_or_skips},
    world::{Account, Answer, Run, World, timed},
};

/// The variable that names a file with the passphrase.
const VARIABLE: &str = "AC_CRED_PASSPHRASE_FILE";

/// An identity as `age-keygen` writes it, of nobody.
const IDENTITY: &str = "\
# created: 2026-01-01T00:00:00Z
# public key: age1urge0k00qjg3kdne0aftnpz8fdazq4fr8g95sh8hm0wpxql3fu6sgkqypp
AGE-SECRET-KEY-1DNV62V5ZKP95C4G5J5NN7WJU87X5FUYYAW8RG52UM4G7A97EH89SHXM3FT
";

/// A world with one organization whose credential is in the encrypted file.
struct Encrypted {
    world: World,
    acme: Account,
}

impl Encrypted {
    fn with_passphrase(passphrase: &str) -> Self {
        let this = Self::new();
        let file = this.world.write("passphrase", passphrase);
        this.login(&["--store", "file", "--passphrase-file"])
            .args([file])
            .run()
            .succeeded();
        this
    }

    fn with_identity() -> Self {
        let this = Self::new();
        let file = this.world.write("key.txt", IDENTITY);
        this.login(&["--identity"]).args([file]).run().succeeded();
        this
    }

    fn new() -> Self {
        let world = World::new();
        let acme = world.account("acme");
        Self { world, acme }
    }

    fn login(&self, more: &[&str]) -> Run {
        self.world.login_with("acme", &self.acme.key).args(more)
    }

    fn passphrase(&self, words: &[&str], file: &PathBuf) -> Run {
        self.world.ac_cred(words).args([file])
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.world.credentials_path()).expect("a login has written it")
    }

    /// A daemon that starts knows no passphrase.
    fn start_anew(&self) {
        self.world.stop();
    }
}

#[test]
fn an_identity_opens_the_file_without_a_person_in_every_later_daemon() {
    let file = Encrypted::with_identity();
    let world = &file.world;
    assert_eq!(world.status()["organizations"][0]["store"], "file");
    file.start_anew();
    world.get("acme");
    assert_eq!(world.status()["daemon"]["locked"], false);
    world.ac_cred(["lock"]).run().succeeded();
    world.ac_cred(["get", "acme"]).run().refused(6);
    world.ac_cred(["unlock"]).run().succeeded();
    world.get("acme");
    let other = world.account("other");
    world
        .login_with("other", &other.key)
        .args(["--store", "file"])
        .run()
        .succeeded();
    world.get("other");
}

#[test]
fn an_identity_that_is_unsafe_missing_or_another_is_refused_and_nothing_changes() {
    let file = Encrypted::with_identity();
    let world = &file.world;
    let before = file.bytes();
    file.start_anew();
    let key = world.home().join("key.txt");
    world.shell("chmod 640 key.txt").run().succeeded();
    let output = world.ac_cred(["get", "acme"]).run();
    output.refused(6).says("key.txt is open to others");
    let output = world.ac_cred(["unlock", "--identity", "key.txt"]).run();
    output.refused(6).says("chmod 600");
    fs::rename(&key, world.home().join("elsewhere")).expect("it is one's own");
    let output = world.ac_cred(["get", "acme"]).run();
    output.refused(6).says("key.txt does not exist");
    symlink("elsewhere", &key).expect("a link can be made");
    let output = world.ac_cred(["unlock", "--identity", "key.txt"]).run();
    output.refused(6).says("is a symbolic link");
    let foreign = IDENTITY.replace(
        "AGE-SECRET-KEY-1DNV62V5ZKP95C4G5J5NN7WJU87X5FUYYAW8RG52UM4G7A97EH89SHXM3FT",
        "AGE-SECRET-KEY-1UW5HA4VJVFQ3R9E6T84Z7CLSCQLDGJ74V6SS7UM5SXRRH6QKDL0QN5P0G0",
    );
    world.write("foreign", foreign);
    let output = world.ac_cred(["unlock", "--identity", "foreign"]).run();
    output.refused(6);
    let passphrase = world.write("passphrase", "any");
    let output = file.passphrase(&["unlock", "--passphrase-file"], &passphrase);
    output
        .run()
        .refused(6)
        .says("run: ac-cred unlock --identity FILE");
    world.shell("chmod 600 elsewhere").run().succeeded();
    let output = world.ac_cred(["unlock", "--identity", "elsewhere"]).run();
    output.succeeded();
    world.get("acme");
    assert_eq!(file.bytes(), before);
}

#[test]
fn an_identity_is_for_the_encrypted_file_only() {
    let file = Encrypted::new();
    file.world.write("key.txt", IDENTITY);
    let login = file.login(&["--store", "memory", "--identity", "key.txt"]);
    login
        .run()
        .refused(2)
        .says("--identity is for --store file");
    let login = file.login(&["--passphrase-file", "x", "--identity", "key.txt"]);
    login.run().refused(2);
}

#[test]
fn a_new_passphrase_opens_the_file_and_the_old_one_no_longer() {
    let file = Encrypted::with_passphrase("old one");
    let world = &file.world;
    let new = world.write("new", "new one");
    let change = ["store", "passphrase", "--new-passphrase-file"];
    file.passphrase(&change, &new).run().succeeded();
    world.get("acme");
    file.start_anew();
    let old = world.home().join("passphrase");
    let unlock = ["unlock", "--passphrase-file"];
    let output = file.passphrase(&unlock, &old).run();
    output.refused(6).says("the passphrase does not open");
    file.passphrase(&unlock, &new).run().succeeded();
    world.get("acme");
}

#[test]
fn at_a_terminal_the_old_passphrase_is_asked_for_where_it_is_locked_and_the_new_one_twice() {
    let file = Encrypted::with_passphrase("old one");
    let world = &file.world;
    let typed = |again: &'static str| {
        [
            (
                "Passphrase of the encrypted file",
                Answer::Hidden("old one"),
            ),
            ("New passphrase", Answer::Hidden("marker new")),
            ("The same again", Answer::Hidden(again)),
        ]
    };
    let before = file.bytes();
    file.start_anew();
    let output = world.at_terminal("ac-cred store passphrase", &typed("marker other"));
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stdout.contains("differ"), "{output:?}");
    assert_eq!(file.bytes(), before);
    file.start_anew();
    let output = world.at_terminal("ac-cred store passphrase", &typed("marker new"));
    let shown = &output.succeeded().stdout;
    assert!(shown.contains("the new passphrase opens"), "{shown}");
    assert!(!shown.contains("marker"), "{shown}");
    let output = world.at_terminal("ac-cred store passphrase", &typed("marker new")[1..]);
    output.succeeded();
    file.start_anew();
    let new = world.write("new", "marker new");
    let unlock = file.passphrase(&["unlock", "--passphrase-file"], &new);
    unlock.run().succeeded();
    world.get("acme");
}

#[test]
fn the_file_goes_over_to_an_identity_and_back() {
    let file = Encrypted::with_passphrase("old one");
    let world = &file.world;
    world.write("key.txt", IDENTITY);
    let change = ["store", "passphrase", "--identity", "key.txt"];
    world.ac_cred(change).run().succeeded();
    file.start_anew();
    world.get("acme");
    let new = world.write("new", "new one");
    let change = ["store", "passphrase", "--new-passphrase-file"];
    file.passphrase(&change, &new).run().succeeded();
    file.start_anew();
    world.ac_cred(["get", "acme"]).run().refused(6);
    let unlock = file.passphrase(&["unlock", "--passphrase-file"], &new);
    unlock.run().succeeded();
    world.get("acme");
}

#[test]
fn what_cannot_be_changed_is_told_and_stays() {
    let file = Encrypted::with_passphrase("old one");
    let world = &file.world;
    let before = file.bytes();
    let output = world.ac_cred(["store", "passphrase"]).run();
    output
        .refused(2)
        .says("run: ac-cred store passphrase --new-passphrase-file FILE");
    let new = world.write("new", "new one");
    file.start_anew();
    let change = ["store", "passphrase", "--new-passphrase-file"];
    let output = file.passphrase(&change, &new).run();
    output.refused(6).says("is locked");
    let wrong = ["--passphrase-file", "new"];
    let output = file.passphrase(&change, &new).args(wrong).run();
    output.refused(6).says("the passphrase does not open");
    world.write("bad", "");
    let old = ["--passphrase-file", "passphrase"];
    let output = file.passphrase(&change, &"bad".into()).args(old).run();
    output.refused(6);
    assert_eq!(file.bytes(), before);
    let empty = World::new();
    empty.write("new", "new one");
    let output = empty.ac_cred(change).args(["new"]).run();
    output.refused(6).says("there is no encrypted file");
}

#[test]
fn systemd_or_a_variable_hands_the_passphrase_over() {
    let file = Encrypted::with_passphrase("handed over");
    let world = &file.world;
    fs::create_dir(world.home().join("handed")).expect("a directory can be made");
    world.write("handed/ac-cred-passphrase", "handed over\n");
    let directory = world.home().join("handed");
    let named = world.home().join("passphrase");
    for (variable, value) in [("CREDENTIALS_DIRECTORY", &directory), (VARIABLE, &named)] {
        file.start_anew();
        let more = [(variable, value.as_os_str())];
        let daemon = Foreground::start(world, "ac-credd", &["--socket", "run/v1.sock"], &more);
        assert_eq!(daemon.first_line(), "ready");
        assert_eq!(world.status()["daemon"]["locked"], false, "{variable}");
        world.get("acme");
    }
    world.write("handed/ac-cred-passphrase", "another");
    let more = [("CREDENTIALS_DIRECTORY", directory.as_os_str())];
    let daemon = Foreground::start(world, "ac-credd", &["--socket", "run/v1.sock"], &more);
    let before = file.bytes();
    let output = world.ac_cred(["get", "acme"]).run();
    output.refused(6).says("the passphrase does not open");
    assert_eq!(file.bytes(), before);
    drop(daemon);
}

#[test]
fn a_passphrase_file_that_others_can_read_or_write_or_own_is_refused() {
    let file = Encrypted::with_passphrase("right one");
    let world = &file.world;
    let path = world.home().join("passphrase");
    for mode in ["640", "604", "660"] {
        world
            .shell(&format!("chmod {mode} passphrase"))
            .run()
            .succeeded();
        file.start_anew();
        let output = file.passphrase(&["unlock", "--passphrase-file"], &path);
        output.run().refused(6).says("is open to others");
        let start = world.ac_cred(["daemon", "start"]).env(VARIABLE, &path);
        file.start_anew();
        start.run().succeeded();
        let output = world.ac_cred(["get", "acme"]).run();
        output.refused(6).says("is open to others");
    }
    world.shell("chmod 600 passphrase").run().succeeded();
    if !is_root_or_skips() {
        return;
    }
    world.shell("chown 65534 passphrase").run().succeeded();
    let output = file.passphrase(&["unlock", "--passphrase-file"], &path);
    output.run().refused(6).says("belongs to");
    let output = world.ac_cred(["get", "acme"]).run();
    output.refused(6).says("belongs to somebody else");
}

#[test]
fn a_wrong_passphrase_waits_longer_each_time_and_keeps_nobody_else_waiting() {
    let file = Encrypted::with_passphrase("right one");
    let world = &file.world;
    file.start_anew();
    world.login("brief");
    let before = file.bytes();
    let wrong = world.write("wrong", "wrong one");
    let unlock = || file.passphrase(&["unlock", "--passphrase-file"], &wrong);
    let (_, first) = timed(|| unlock().run().refused(6).says("does not open").code);
    let (_, second) = timed(|| unlock().run().refused(6).code);
    assert!(first.as_millis() >= 500, "{first:?}");
    assert!(second.as_millis() >= 1_000, "{second:?}");
    let guess = unlock().spawn();
    let right = world.home().join("passphrase");
    world.get("brief");
    let output = file.passphrase(&["unlock", "--passphrase-file"], &right);
    output.run().succeeded();
    assert!(guess.wait().code == 6);
    world.get("acme");
    assert_eq!(file.bytes(), before);
}

#[test]
fn age_opens_the_file_with_the_passphrase() {
    if !has_program_or_skips("age") {
        return;
    }
    let file = Encrypted::with_passphrase("marker open sesame");
    let credentials = file.world.credentials_path();
    let line = format!("age --decrypt -o plain {}", credentials.display());
    let answers = [("Enter passphrase", Answer::Hidden("marker open sesame"))];
    file.world.at_terminal(&line, &answers).succeeded();
    file.assert_plain();
}

#[test]
fn age_opens_the_file_with_the_identity_and_what_age_wrote_is_opened() {
    if !has_program_or_skips("age") {
        return;
    }
    let file = Encrypted::with_identity();
    let world = &file.world;
    let credentials = world.credentials_path();
    let credentials = credentials.display();
    let line = format!("umask 077; age --decrypt -i key.txt -o plain {credentials}");
    world.shell(&line).run().succeeded();
    file.assert_plain();
    file.start_anew();
    let line = format!("umask 077; age --encrypt -i key.txt -o {credentials} plain");
    world.shell(&line).run().succeeded();
    world.get("acme");
}

impl Encrypted {
    /// Fails unless the file `plain` is the encrypted one's content.
    fn assert_plain(&self) {
        let plain = fs::read_to_string(self.world.home().join("plain"));
        let plain = plain.expect("age has written it");
        let content: serde_json::Value = serde_json::from_str(&plain).expect("it is JSON");
        assert_eq!(content["version"], 1);
        assert_eq!(content["credentials"]["acme"]["secret"], *self.acme.key);
    }
}
