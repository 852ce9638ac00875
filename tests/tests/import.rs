//! `login --import appcircle-cli`: the addresses of the official CLI's file, which everybody may
//! have changed, and a warning for the token in it.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
};

use ac_cred_tests::{
    process::is_root_or_skips,
    world::{Account, Answer, Output, Run, World},
};
use serde_json::json;

/// A world where the official CLI has been used at the simulator.
struct Imported {
    world: World,
    acme: Account,
}

impl Imported {
    fn new() -> Self {
        let world = World::new();
        let acme = world.account("acme");
        let this = Self { world, acme };
        this.write(&this.world.sim().url());
        this
    }

    fn path(&self) -> PathBuf {
        let place = ".config/@appcircle/cli-nodejs/config.json";
        self.world.home().join(place)
    }

    /// Writes the file as the official CLI does: everybody may read and change it.
    fn write(&self, url: &str) {
        let content = json!({ "current": "default", "envs": {
            "default": {
                "API_HOSTNAME": url, "AUTH_HOSTNAME": url, "AC_ACCESS_TOKEN": "eyJ.old.token"
            },
            "staging": { "AUTH_HOSTNAME": "https://auth.example.com" },
        } });
        self.write_text(&content.to_string());
        self.set_mode(0o666);
    }

    fn write_text(&self, text: &str) {
        self.world
            .write(".config/@appcircle/cli-nodejs/config.json", text);
    }

    fn set_mode(&self, mode: u32) {
        fs::set_permissions(self.path(), PermissionsExt::from_mode(mode)).expect("it is one's own");
    }

    fn mode(&self) -> u32 {
        let found = fs::metadata(self.path()).expect("it is there");
        found.permissions().mode() & 0o777
    }

    /// A login of a program, which has the key on standard input.
    fn login(&self, more: &[&str]) -> Run {
        let words = ["login", "acme", "--import", "appcircle-cli", "--stdin"];
        let login = self.world.ac_cred(words).stdin(&self.acme.key);
        let login = login.args(["--store", "memory", "--ca-file", "ca.pem"]);
        login.args(more)
    }

    /// A login of a person, who is asked for the key.
    fn at_terminal(&self, more: &str) -> Output {
        let line = format!(
            "ac-cred login acme --import appcircle-cli --store memory --ca-file ca.pem {more}"
        );
        let key = Answer::Hidden(&self.acme.key);
        let answers = [("Personal Access Key for acme", key)];
        self.world.at_terminal(&line, &answers)
    }
}

#[test]
fn a_person_reads_where_the_key_goes_before_it_is_asked_for() {
    let imported = Imported::new();
    let before = fs::read(imported.path()).unwrap();
    let output = imported.at_terminal("");
    let shown = &output.succeeded().stdout;
    let goes = format!("the key goes to {}", imported.world.sim().url());
    let (told, asked) = (shown.find(&goes), shown.find("Personal Access Key"));
    assert!(told.is_some() && told < asked, "{shown}");
    assert!(
        shown.contains("in plain text, and others can read it"),
        "{shown}"
    );
    assert!(shown.contains("it knows staging as well"), "{shown}");
    assert!(!shown.contains("eyJ.old"), "{shown}");
    imported.world.get("acme");
    assert_eq!(fs::read(imported.path()).unwrap(), before);
    assert_eq!(imported.mode(), 0o666, "nothing is changed unasked");
}

#[test]
fn the_file_is_tightened_where_that_is_asked_for_and_else_stays_as_it_is() {
    let imported = Imported::new();
    let before = fs::read(imported.path()).unwrap();
    let output = imported.at_terminal("--tighten");
    let shown = &output.succeeded().stdout;
    assert!(shown.contains("only you can read"), "{shown}");
    assert_eq!(imported.mode(), 0o600);
    assert_eq!(fs::read(imported.path()).unwrap(), before);
    let output = imported.login(&[]).run();
    assert!(
        !output.succeeded().stderr.contains("plain text"),
        "{output:?}"
    );
    let tighten = ["login", "acme", "--stdin", "--tighten"];
    imported.world.ac_cred(tighten).run().refused(2);
}

#[test]
fn without_a_person_no_address_is_followed_that_others_can_have_changed() {
    let imported = Imported::new();
    let output = imported.login(&[]).run();
    output.refused(6).says("others can have changed");
    imported.set_mode(0o644);
    imported.login(&[]).run().succeeded();
    imported.write("https://auth.example.com");
    let url = imported.world.sim().url();
    let typed = ["--auth-url", &*url, "--api-url", &*url];
    let output = imported.login(&typed).run();
    output.succeeded().says(&url);
    assert_eq!(imported.world.sim().exchange_count(), 2);
}

#[test]
fn the_place_of_the_file_is_the_official_clis_own() {
    let imported = Imported::new();
    imported.set_mode(0o600);
    let elsewhere = imported.world.home().join("elsewhere");
    fs::rename(imported.world.home().join(".config"), &elsewhere).unwrap();
    let output = imported.login(&[]).run();
    output
        .refused(6)
        .says("config.json cannot be used: no such file");
    let login = imported.login(&[]).env("XDG_CONFIG_HOME", &elsewhere);
    login.run().succeeded();
    let login = imported.login(&[]).env("XDG_CONFIG_HOME", "elsewhere");
    login.run().refused(6);
}

#[test]
fn what_is_no_such_file_is_refused_and_left_as_it_is() {
    let imported = Imported::new();
    let auth = |text: &str| json!({ "envs": { "default": { "AUTH_HOSTNAME": text } } }).to_string();
    for (text, code) in [
        ("", 6),
        ("marker", 6),
        ("{\"envs\":{}}", 6),
        (&*auth("https://marker\u{1b}[2J"), 6),
        (&*auth("https://marker\r\nX: y"), 6),
        (&*auth("http://marker.example.com"), 2),
        (&*auth("https://me:marker@auth.example.com"), 2),
        (&*auth("file:///marker"), 2),
        (&*auth("marker"), 2),
        (&*auth(&format!("https://{}", "marker".repeat(1_000))), 6),
    ] {
        imported.write_text(text);
        let output = imported.login(&["-q"]).run();
        output.refused(code);
        assert!(!output.stderr.contains("marker\u{1b}"), "{output:?}");
        assert_eq!(fs::read_to_string(imported.path()).unwrap(), text);
    }
    File::create(imported.path())
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    imported.login(&[]).run().refused(6).says("longer than");
    assert_eq!(imported.world.sim().exchange_count(), 0);
}

#[test]
fn a_link_a_fifo_a_directory_and_somebody_elses_file_are_refused() {
    let imported = Imported::new();
    let path = imported.path();
    imported.set_mode(0o600);
    if is_root_or_skips() {
        imported
            .world
            .shell("chown 65534 .config/@appcircle/cli-nodejs/config.json")
            .run()
            .succeeded();
        let output = imported.login(&[]).run();
        output.refused(6).says("belongs to somebody else");
    }
    let elsewhere = imported.world.home().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    imported
        .login(&["--tighten"])
        .run()
        .refused(6)
        .says("symbolic link");
    fs::remove_file(&path).unwrap();
    imported
        .world
        .program("/usr/bin/mkfifo")
        .args([&path])
        .run()
        .succeeded();
    imported
        .login(&[])
        .run()
        .refused(6)
        .says("not a regular file");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    imported
        .login(&[])
        .run()
        .refused(6)
        .says("not a regular file");
    assert_eq!(imported.world.sim().exchange_count(), 0);
}
