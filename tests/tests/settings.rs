//! The settings file: a person reads and edits it while the daemon runs, and no edit sends a
//! credential where it was not given for.

#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    time::Duration,
};

use ac_cred_tests::{
    auth_sim::{AuthSim, Tls},
    world::{World, eventually},
};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

const FILE: &str = ".config/ac-cred/config.toml";

#[test]
fn they_hold_no_secret_and_are_private() {
    let world = World::new();
    let account = world.login("acme");
    let text = text(&world);
    assert!(!text.contains("marker"), "{text}");
    assert!(text.contains(&account.organization_id), "{text}");
    let mode = |path: &str| {
        let found = fs::metadata(world.home().join(path)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!(mode(FILE), 0o600);
    assert_eq!(mode(".config/ac-cred"), 0o700);
}

#[test]
fn a_change_is_seen_by_the_daemon_at_once() {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    edit(
        &world,
        "api_url = \"https://127.0.0.1",
        "api_url = \"https://api.example",
    );
    let words = ["get", "acme", "--format", "json"];
    let lease = world.ac_cred(words).run().succeeded().json();
    let url = lease["api_url"].as_str().unwrap();
    assert!(url.starts_with("https://api.example"), "{url}");
    assert_eq!(lease["access_token"], token);
    assert_eq!(world.sim().exchange_count(), 1);
    edit(&world, "[organizations.acme]", "[organizations.renamed]");
    let list = world.ac_cred(["list"]).run();
    assert_eq!(list.succeeded().stdout, "renamed\n");
    world.ac_cred(["get", "acme"]).run().refused(3);
}

#[test]
fn what_cannot_be_understood_is_refused_with_line_and_column_until_it_is_mended() {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    let good = text(&world);
    let behind = format!("line {}, column 1", good.lines().count() + 2);
    for (broken, place) in [
        (
            good.replace("store = \"memory\"", "store = \"shelf\""),
            "line 3, column 9",
        ),
        (format!("{good}\nkey = 'marker'\n"), &*behind),
        (
            format!("default = 'acme'\ndefault = 'acme'\n{good}"),
            "line 2, column 1",
        ),
        ("[organizations.acme".to_owned(), "line 1, column 20"),
    ] {
        world.write(FILE, &broken);
        for words in [
            &["get", "acme"][..],
            &["list"],
            &["status"],
            &["status", "--json"],
            &["use", "acme"],
            &["rename", "acme", "new"],
            &["logout", "acme"],
            &["reject", "acme"],
        ] {
            let output = world.ac_cred(words).run();
            assert!(!output.refused(6).stderr.contains("marker"), "{output:?}");
            output.says(FILE).says(place);
        }
        let login = world.login_with("acme", "marker-other-key").run();
        login.refused(6).says(place);
        assert_eq!(text(&world), broken, "a refused command wrote");
        world.write(FILE, &good);
        assert_eq!(world.get("acme"), token);
    }
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn what_cannot_be_understood_is_refused_without_a_daemon_too() {
    let world = World::new();
    world.write(FILE, "[organizations.acme]\nstore = \"shelf\"\n");
    for words in [&["list"][..], &["status"], &["get"]] {
        let output = world.ac_cred(words).run();
        output.refused(6).says(FILE).says("line 2, column 9");
    }
}

#[test]
fn a_daemon_can_be_stopped_whatever_the_settings_hold() {
    let world = World::new();
    world.login("acme");
    world.write(FILE, "default = \n");
    world.ac_cred(["daemon", "stop"]).run().succeeded();
    assert!(world.daemons().is_empty());
}

#[test]
fn comments_and_order_stay_through_logins() {
    let world = World::new();
    let acme = world.login("acme");
    let commented = format!(
        "# mine\ndefault = \"acme\" # of course\n\n{}",
        text(&world).replace("store = \"memory\"", "store = \"memory\" # for now")
    );
    world.write(FILE, commented);
    world.login("team");
    let again = world.login_with("acme", &acme.key);
    again.run().succeeded();
    world.ac_cred(["rename", "team", "other"]).run().succeeded();
    world.ac_cred(["logout", "other"]).run().succeeded();
    let text = text(&world);
    for kept in [
        "# mine\n",
        "default = \"acme\" # of course\n",
        "store = \"memory\" # for now\n",
    ] {
        assert!(text.contains(kept), "{kept:?} is not in {text}");
    }
    assert!(!text.contains("team") && !text.contains("other"), "{text}");
}

#[test]
fn a_file_that_is_a_link_stays_one() {
    let world = World::new();
    let target = world.write("dotfiles/ac-cred.toml", "# mine\n");
    fs::create_dir_all(world.settings_path().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&target, world.settings_path()).unwrap();
    world.login("acme");
    let found = fs::symlink_metadata(world.settings_path()).unwrap();
    assert!(found.file_type().is_symlink());
    let text = fs::read_to_string(target).unwrap();
    assert!(text.starts_with("# mine\n"), "{text}");
    assert!(text.contains("[organizations.acme]"), "{text}");
}

#[test]
fn a_file_that_others_can_change_is_refused() {
    let world = World::new();
    world.login("acme");
    for mode in [0o666, 0o620, 0o602] {
        set_mode(&world, mode);
        let output = world.ac_cred(["get", "acme"]).run();
        output.refused(6).says("chmod 644");
        let login = world.login_with("team", "marker-key");
        login.args(["--store", "memory"]).run().refused(6);
    }
    set_mode(&world, 0o644);
    world.get("acme");
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_file_that_others_can_change_is_refused_without_a_daemon_too() {
    let world = World::new();
    world.login("acme");
    world.stop();
    set_mode(&world, 0o666);
    for words in [&["list"][..], &["status"], &["get", "acme"]] {
        world.ac_cred(words).run().refused(6).says("chmod 644");
    }
}

#[test]
fn a_changed_host_waits_for_a_person() {
    let world = World::new();
    let account = world.login("acme");
    let elsewhere = AuthSim::start();
    elsewhere.add_personal_access_key(&account.key, &account.organization_id);
    edit(
        &world,
        &format!("auth_url = \"{}\"", world.sim().url()),
        &format!("auth_url = \"{}\"", elsewhere.url()),
    );
    is_bound(&world, "auth_url");
    assert_eq!(elsewhere.connections(), 0);
    let ca_file = world.write("elsewhere.pem", elsewhere.ca_pem());
    let confirm = world.ac_cred(["login", "acme", "--from", "acme", "--ca-file"]);
    confirm.args([ca_file]).run().succeeded();
    world.get("acme");
    assert_eq!(elsewhere.exchange_count_for(&account.key), 1);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn changed_certificate_authorities_wait_for_a_person() {
    let world = World::new();
    world.login("acme");
    let both = format!("{}{}", world.sim().ca_pem(), AuthSim::start().ca_pem());
    let path = world.write("both.pem", both);
    edit(
        &world,
        &world.ca_file().to_string_lossy(),
        &path.to_string_lossy(),
    );
    is_bound(&world, "ca_file");
    confirmed(&world);
    let line = format!("ca_file = \"{}\"\n", path.display());
    edit(&world, &line, "");
    is_bound(&world, "ca_file");
}

#[test]
fn other_certificate_authorities_in_the_same_file_wait_for_a_person() {
    let world = World::new();
    world.login("acme");
    world.write("ca.pem", AuthSim::start().ca_pem());
    let output = world.ac_cred(["get", "acme", "--refresh"]).run();
    output.refused(6).says("ca_file");
    assert_eq!(world.sim().exchange_count(), 1);
    world.write("ca.pem", world.sim().ca_pem());
    let refresh = ["get", "acme", "--refresh"];
    world.ac_cred(refresh).run().succeeded();
}

#[test]
fn a_changed_proxy_waits_for_a_person() {
    let world = World::new();
    world.login("acme");
    let proxy = AuthSim::start();
    let line = format!(
        "store = \"memory\"\nproxy = \"http://127.0.0.1:{}\"",
        proxy.port()
    );
    edit(&world, "store = \"memory\"", &line);
    is_bound(&world, "proxy");
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn leave_to_do_without_tls_waits_for_a_person() {
    let world = World::new();
    world.login("acme");
    edit(
        &world,
        "store = \"memory\"",
        "store = \"memory\"\nallow_http = true",
    );
    is_bound(&world, "allow_http");
    confirmed(&world);
    world.sim().set_tls(Tls::Plain);
    edit(&world, "auth_url = \"https:", "auth_url = \"http:");
    is_bound(&world, "auth_url");
    confirmed(&world);
    world.get("acme");
}

#[test]
fn settings_that_come_back_need_no_person() {
    let world = World::new();
    world.login("acme");
    let before = text(&world);
    edit(
        &world,
        "auth_url = \"https://127.0.0.1",
        "auth_url = \"https://127.0.0.2",
    );
    is_bound(&world, "auth_url");
    world.write(FILE, before);
    let get = || world.ac_cred(["get", "acme"]).run();
    assert!(eventually(PATIENCE, || get().code == 0));
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_sent() {
    let world = World::new();
    world.login("acme");
    let good = text(&world);
    for (from, to) in [
        (
            "store = \"memory\"",
            "store = \"memory\"\norganization_id = \"acme\"",
        ),
        (
            "store = \"memory\"",
            "store = \"memory\"\nendpoint_version = \"v4\"",
        ),
        ("auth_url = \"https:", "auth_url = \"http:"),
        ("kind = \"personal-access-key\"", "kind = \"api-key\""),
    ] {
        edit(&world, from, to);
        let output = world.ac_cred(["get", "acme", "--refresh"]).run();
        assert!(matches!(output.code, 2 | 6), "{to}: {output:?}");
        assert_eq!(output.stdout, "");
        world.write(FILE, &good);
    }
    assert_eq!(world.sim().connections(), 1);
}

#[track_caller]
fn text(world: &World) -> String {
    fs::read_to_string(world.settings_path()).expect("somebody has logged in")
}

/// Changes the file as an editor does.
#[track_caller]
fn edit(world: &World, from: &str, to: &str) {
    let before = text(world);
    assert!(before.contains(from), "no {from:?} in {before}");
    world.write(FILE, before.replace(from, to));
}

fn set_mode(world: &World, mode: u32) {
    fs::set_permissions(world.settings_path(), Permissions::from_mode(mode))
        .expect("the file is the test's own");
}

/// Fails unless the credential is kept back because this setting differs.
#[track_caller]
fn is_bound(world: &World, setting: &str) {
    let before = world.sim().connections();
    for words in [&["get", "acme"][..], &["get", "acme", "--refresh"]] {
        let output = world.ac_cred(words).run();
        output.refused(6).says(setting);
        output.says("run: ac-cred login acme --from acme");
    }
    assert_eq!(world.sim().connections(), before);
}

#[track_caller]
fn confirmed(world: &World) {
    let words = ["login", "acme", "--from", "acme"];
    world.ac_cred(words).run().succeeded();
    world.get("acme");
}
