//! What is known of organizations: listed, shown, chosen, renamed, forgotten, and their tokens
//! replaced.

#![cfg(unix)]

use std::{fs, time::Duration};

use ac_cred_tests::{auth_sim::Fault, world::World};
use serde_json::{Value, json};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn they_are_listed_one_a_line_with_and_without_a_daemon() {
    let world = World::new();
    let list = |words: &[&str]| {
        let output = world.ac_cred(["list"]).args(words).run();
        output.succeeded().stdout.clone()
    };
    assert_eq!(list(&[]), "");
    assert_eq!(
        list(&["--json"]),
        "{\"version\":1,\"daemon\":null,\"organizations\":[]}\n"
    );
    assert!(world.daemons().is_empty(), "list started a daemon");
    world.login("team");
    world.login("acme");
    let names = json!([{"organization": "acme"}, {"organization": "team"}]);
    for runs in [true, false] {
        assert_eq!(list(&[]), "acme\nteam\n");
        let listed = world.ac_cred(["list", "--json"]).run().json();
        assert_eq!(
            (&listed["version"], &listed["organizations"]),
            (&json!(1), &names)
        );
        assert_eq!(listed["daemon"].is_object(), runs, "{listed}");
        world.stop();
    }
    assert!(world.daemons().is_empty());
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn without_a_daemon_the_status_is_what_the_settings_say() {
    let world = World::new();
    let status = || world.ac_cred(["status", "--json"]).run();
    let nothing = "{\"version\":1,\"daemon\":null,\"organizations\":[]}\n";
    assert_eq!(status().succeeded().stdout, nothing);
    let account = world.login("acme");
    world.stop();
    let url = world.sim().url();
    let expected = format!(
        concat!(
            r#"{{"version":1,"daemon":null,"organizations":[{{"organization":"acme","#,
            r#""organization_id":"{}","default":true,"kind":"personal-access-key","#,
            r#""store":"memory","auth_url":"{}","api_url":"{}","#,
            r#""token":null,"last_exchange":null,"last_error":null,"credential_expires_at":null}}]}}"#,
            "\n"
        ),
        account.organization_id, url, url
    );
    assert_eq!(status().succeeded().stdout, expected);
    let table = world.ac_cred(["status"]).run().succeeded().stdout.clone();
    assert!(table.contains("acme"), "{table}");
    assert!(table.contains("no daemon is running"), "{table}");
    assert!(world.daemons().is_empty(), "status started a daemon");
}

#[test]
fn the_status_is_to_the_letter() {
    let world = World::new();
    let account = world.login("acme");
    let output = world.ac_cred(["status", "--json"]).run();
    let status = output.succeeded().json();
    let (daemon, known) = (&status["daemon"], &status["organizations"][0]);
    let token = &known["token"];
    let expected = format!(
        concat!(
            r#"{{"version":1,"daemon":{{"version":"{}","pid":{},"socket":"{}","uptime":{},"#,
            r#""locked":false}},"organizations":[{{"organization":"acme","organization_id":"{}","#,
            r#""default":{},"kind":"personal-access-key","store":"memory","auth_url":"{}","#,
            r#""api_url":"{}","token":{{"expires_at":{},"expires_in":{},"lifetime":3600}},"#,
            r#""last_exchange":{{"at":{},"outcome":"ok"}},"last_error":null,"credential_expires_at":null}}]}}"#,
            "\n"
        ),
        env!("CARGO_PKG_VERSION"),
        world.daemons()[0],
        world.socket().display(),
        daemon["uptime"],
        account.organization_id,
        known["default"],
        world.sim().url(),
        world.sim().url(),
        token["expires_at"],
        token["expires_in"],
        known["last_exchange"]["at"],
    );
    assert_eq!(output.stdout, expected);
    assert!(daemon["uptime"].as_u64().unwrap() < 60);
    let life = token["expires_in"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&life), "{life}");
    for time in [&token["expires_at"], &known["last_exchange"]["at"]] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    assert!(!output.stdout.contains("marker"), "{output:?}");
}

#[test]
fn the_status_says_the_same_with_and_without_a_daemon() {
    let world = World::new();
    world.login("acme");
    let known = |status: &Value| {
        let mut known = status["organizations"].clone();
        for organization in known.as_array_mut().unwrap() {
            organization["token"] = Value::Null;
            organization["last_exchange"] = Value::Null;
        }
        known
    };
    let with = known(&world.status());
    world.stop();
    assert_eq!(known(&world.status()), with);
}

#[test]
fn the_status_tells_how_the_last_exchange_ended() {
    let world = World::new();
    let account = world.login("acme");
    world.login("team");
    world
        .sim()
        .only_credential(&account.key)
        .fail_next(1, Fault::status(503));
    world.ac_cred(["reject", "acme"]).run().refused(5);
    let acme = world.ac_cred(["status", "acme", "--json"]).run();
    let acme = acme.succeeded().json();
    assert_eq!(acme["organizations"].as_array().unwrap().len(), 1);
    let acme = &acme["organizations"][0];
    assert_eq!(acme["token"], Value::Null);
    assert_eq!(acme["last_exchange"]["outcome"], "auth_api_bad_answer");
    let table = world.ac_cred(["status"]).run().succeeded().stdout.clone();
    assert!(table.contains("auth api bad answer"), "{table}");
    assert!(
        !table.contains("marker") && !table.contains('\u{1b}'),
        "{table}"
    );
    let short = world.ac_cred(["status", "team", "--short"]).run();
    let short = short.succeeded().stdout.clone();
    assert!(
        short.starts_with("team ") && short.ends_with("m\n"),
        "{short}"
    );
    assert_eq!(world.sim().exchange_count(), 3);
}

#[test]
fn the_default_is_chosen_and_shown() {
    let world = World::new();
    world.login("acme");
    let team = world.login("team");
    world.ac_cred(["use", "team"]).run().succeeded();
    let default = |status: &Value, name: &str| {
        let known = status["organizations"].as_array().unwrap();
        let known = known.iter().find(|known| known["organization"] == name);
        known.unwrap()["default"].clone()
    };
    for _ in 0..2 {
        let status = world.status();
        assert_eq!(default(&status, "acme"), json!(false));
        assert_eq!(default(&status, "team"), json!(true));
        world.stop();
    }
    world.ac_cred(["logout", "team"]).run().succeeded();
    assert_eq!(world.sim().exchange_count_for(&team.key), 1);
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    assert!(!settings.contains("team"), "{settings}");
}

#[test]
fn a_token_survives_a_new_name() {
    let world = World::new();
    let account = world.login("acme");
    let token = world.get("acme");
    world.ac_cred(["use", "acme"]).run().succeeded();
    world
        .ac_cred(["rename", "acme", "acme-old"])
        .run()
        .succeeded();
    assert_eq!(world.get("acme-old"), token);
    let unnamed = world.ac_cred(["get"]).run().succeeded().stdout.clone();
    assert_eq!(unnamed.trim_end(), token);
    world.ac_cred(["get", "acme"]).run().refused(3);
    assert_eq!(world.sim().exchange_count(), 1);
    let refresh = world.ac_cred(["get", "acme-old", "--refresh"]).run();
    refresh.succeeded();
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
}

#[test]
fn a_new_name_must_be_free() {
    let world = World::new();
    world.login("acme");
    world.login("team");
    let before = fs::read_to_string(world.settings_path()).unwrap();
    world.ac_cred(["rename", "acme", "team"]).run().refused(2);
    world.ac_cred(["rename", "acme", "-x"]).run().refused(2);
    assert_eq!(fs::read_to_string(world.settings_path()).unwrap(), before);
    world.get("team");
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn a_logout_forgets_and_says_that_appcircle_is_not_told() {
    let world = World::new();
    let account = world.login("acme");
    world.login("team");
    let output = world.ac_cred(["logout", "acme"]).run();
    output
        .succeeded()
        .says("acme")
        .says("Appcircle is not told");
    assert_eq!(output.stdout, "");
    world.ac_cred(["get", "acme"]).run().refused(3);
    let list = world.ac_cred(["list"]).run();
    assert_eq!(list.succeeded().stdout, "team\n");
    let settings = fs::read_to_string(world.settings_path()).unwrap();
    assert!(!settings.contains(&account.organization_id), "{settings}");
    assert_eq!(world.sim().exchange_count_for(&account.key), 1);
}

#[test]
fn a_logout_of_all_forgets_all() {
    let world = World::new();
    for alias in ["acme", "team"] {
        world.login(alias);
    }
    world
        .ac_cred(["logout"])
        .run()
        .refused(3)
        .says("acme, team");
    let output = world.ac_cred(["logout", "--all"]).run();
    output.succeeded().says("acme, team");
    let list = world.ac_cred(["list"]).run();
    assert_eq!(list.succeeded().stdout, "");
    let again = world.ac_cred(["logout", "--all"]).run();
    again.succeeded().says("no organization");
}

#[test]
fn a_logout_removes_the_credential_from_the_encrypted_file() {
    let world = World::new();
    world.write("passphrase", "open sesame");
    let words = ["--store", "file", "--passphrase-file", "passphrase"];
    let account = world.account("acme");
    let login = |alias: &str| {
        let run = world.login_with(alias, &account.key).args(words);
        run.run().succeeded();
    };
    login("acme");
    let with_one = fs::metadata(world.credentials_path()).unwrap().len();
    login("team");
    world.ac_cred(["logout", "team"]).run().succeeded();
    assert_eq!(
        fs::metadata(world.credentials_path()).unwrap().len(),
        with_one
    );
    world.stop();
    let unlock = ["unlock", "--passphrase-file", "passphrase"];
    world.ac_cred(unlock).run().succeeded();
    world.get("acme");
}

#[test]
fn a_result_that_comes_after_a_logout_is_discarded() {
    let world = World::new();
    let account = world.login("acme");
    let gate = world.sim().hold();
    let waiting = world.ac_cred(["get", "acme", "--refresh"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    world.ac_cred(["logout", "acme"]).run().succeeded();
    waiting.wait().refused(4);
    gate.release();
    assert!(world.sim().wait_for_answers(2, PATIENCE));
    world.ac_cred(["get", "acme"]).run().refused(3);
    let again = world.login_with("acme", &account.key);
    again.args(["--store", "memory"]).run().succeeded();
    let issued = world.sim().issued_tokens();
    assert_eq!(world.get("acme"), issued.last().unwrap().token);
    assert_eq!(issued.len(), 3);
}

#[test]
fn a_result_that_comes_after_a_new_login_is_discarded() {
    let world = World::new();
    let old = world.login("acme");
    let new = world.secrets().fresh("key");
    world
        .sim()
        .add_personal_access_key(&new, &old.organization_id);
    let gate = world.sim().hold_credential(&old.key);
    let waiting = world.ac_cred(["get", "acme", "--refresh"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    let login = world.login_with("acme", &new);
    login.args(["--store", "memory"]).run().succeeded();
    let served = waiting.wait().succeeded().stdout.clone();
    gate.release();
    assert!(world.sim().wait_for_answers(3, PATIENCE));
    let exchanges = world.sim().exchanges();
    let of_new = exchanges
        .iter()
        .find(|exchange| exchange.form["personalAccessKey"] == new);
    let of_new = of_new.and_then(|exchange| exchange.token.clone());
    assert_eq!(Some(world.get("acme")), of_new);
    assert_eq!(served.trim_end(), of_new.unwrap());
}

#[test]
fn a_rejected_token_is_replaced_by_one_exchange_for_all() {
    let world = World::new();
    world.login("acme");
    let old = world.get("acme");
    assert!(world.sim().revoke_token(&old));
    assert_eq!(world.call(&old).status, 401);
    let gate = world.sim().hold();
    let first = world.ac_cred(["reject", "acme"]).stdin(&old).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    let joined = world
        .ac_cred(["reject", "acme"])
        .stdin(format!("{old}\n"))
        .spawn();
    gate.release();
    for running in [first, joined] {
        let output = running.wait();
        output.succeeded().says("acme has a new token");
        assert_eq!(output.stdout, "");
        assert!(!output.stderr.contains("marker"), "{output:?}");
    }
    let new = world.get("acme");
    assert_eq!(world.call(&new).status, 200);
    for _ in 0..3 {
        let late = world.ac_cred(["reject", "acme"]).stdin(&old).run();
        late.succeeded();
    }
    assert_eq!(world.get("acme"), new);
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn without_a_token_on_standard_input_the_cached_one_is_rejected() {
    let world = World::new();
    world.login("acme");
    let old = world.get("acme");
    world.ac_cred(["reject"]).run().succeeded();
    assert_ne!(world.get("acme"), old);
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn what_can_be_no_token_is_refused_and_not_repeated() {
    let world = World::new();
    world.login("acme");
    let long = format!("marker{}", "x".repeat(20_000));
    for input in ["marker token", "marker\u{1b}[2J", &long] {
        let output = world.ac_cred(["reject", "acme"]).stdin(input).run();
        assert!(!output.refused(2).stderr.contains("marker"), "{output:?}");
    }
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn the_daemon_is_started_once_and_stops_when_it_is_told() {
    let world = World::new();
    let daemon = |word: &str| world.ac_cred(["daemon", word]).run();
    daemon("stop").succeeded().says("no daemon is running");
    daemon("start").succeeded().says("started");
    daemon("start").succeeded().says("runs already");
    let pid = world.daemon_pid().unwrap();
    assert_eq!(world.daemons(), [pid]);
    daemon("stop").succeeded().says("stopped");
    assert!(world.daemons().is_empty());
    assert!(!world.socket().exists());
    assert!(world.wait_for_end(pid, PATIENCE));
}
