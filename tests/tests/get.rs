//! `get`: a token and a line feed, one exchange for all, and the true reason where there is none.

#![cfg(unix)]

use std::time::Duration;

use ac_cred_tests::{
    auth_sim::Fault,
    world::{World, eventually, timed},
};
use serde_json::Value;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn it_prints_the_token_and_a_line_feed_and_nothing_else() {
    let world = World::new();
    world.login("acme");
    let output = world.ac_cred(["get", "acme"]).run();
    let issued = world.sim().issued_tokens();
    assert_eq!(output.succeeded().stdout, format!("{}\n", issued[0].token));
    assert_eq!(output.stderr, "");
    for words in [
        &["get", "acme", "--format", "token"][..],
        &["get", "acme", "-q"],
    ] {
        assert_eq!(world.ac_cred(words).run(), output);
    }
}

#[test]
fn its_json_has_the_documented_fields_in_the_documented_order() {
    let world = World::new();
    let account = world.login("acme");
    let output = world.ac_cred(["get", "acme", "--format", "json"]).run();
    let lease = output.succeeded().json();
    let token = &world.sim().issued_tokens()[0];
    let expected = format!(
        concat!(
            r#"{{"version":1,"organization":"acme","organization_id":"{}","access_token":"{}","#,
            r#""token_type":"Bearer","expires_at":{},"expires_in":{},"api_url":"{}"}}"#,
            "\n"
        ),
        account.organization_id,
        token.token,
        lease["expires_at"],
        lease["expires_in"],
        world.sim().url()
    );
    assert_eq!(output.stdout, expected);
    assert_eq!(output.stderr, "");
    let life = lease["expires_in"].as_u64().unwrap();
    assert!((3_500..=3_600).contains(&life), "{life}");
    let end = lease["expires_at"].as_str().unwrap();
    assert!(end.ends_with('Z') && end.len() == 20, "{end}");
}

#[test]
fn an_opaque_token_without_a_lifetime_lives_five_minutes() {
    let world = World::new();
    world.sim().issue_opaque_tokens();
    world.sim().omit_expires_in();
    world.login("acme");
    let output = world.ac_cred(["get", "acme", "--format", "json"]).run();
    let lease = output.succeeded().json();
    assert_eq!(lease["organization_id"], Value::Null);
    let life = lease["expires_in"].as_u64().unwrap();
    assert!((240..=300).contains(&life), "{life}");
}

#[test]
fn many_calls_cost_one_exchange() {
    let world = World::new();
    world.login("acme");
    world.stop();
    let account = world.login("team");
    let tokens: Vec<String> = (0..20).map(|_| world.get("team")).collect();
    let at_once: Vec<_> = (0..20)
        .map(|_| world.ac_cred(["get", "team"]).spawn())
        .collect();
    for running in at_once {
        assert_eq!(running.wait().succeeded().stdout.trim(), tokens[0]);
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(world.sim().exchange_count_for(&account.key), 1);
}

#[test]
fn a_demanded_life_is_had_or_refused() {
    let world = World::new();
    world.sim().set_lifetime(10);
    world.login("acme");
    let demanding = |life: &str| world.ac_cred(["get", "acme", "--min-ttl", life]).run();
    demanding("5s").succeeded();
    assert_eq!(world.sim().exchange_count(), 1);
    demanding("1h").refused(5).says("live 10 seconds");
    let is_older = || world.status()["organizations"][0]["token"]["expires_in"] != 10;
    assert!(eventually(PATIENCE, is_older));
    let token = demanding("10s").succeeded().stdout.clone();
    assert_eq!(token.trim(), world.sim().issued_tokens()[1].token);
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn a_refresh_is_a_new_token_and_a_second_lies_between_two() {
    let world = World::new();
    world.login("acme");
    let refresh = || world.ac_cred(["get", "acme", "--refresh"]).run();
    for number in [1, 2] {
        let token = refresh().succeeded().stdout.clone();
        assert_eq!(token.trim(), world.sim().issued_tokens()[number].token);
    }
    let exchanges = world.sim().exchanges();
    assert_eq!(exchanges.len(), 3);
    for pair in exchanges.windows(2) {
        let between = pair[1].after.saturating_sub(pair[0].after);
        assert!(between >= Duration::from_millis(990), "{between:?}");
    }
}

#[test]
fn a_refresh_never_falls_back_and_keeps_what_there_is() {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    world.sim().refuse_connections();
    let refresh = world.ac_cred(["get", "acme", "--refresh"]).run();
    refresh.refused(5).says("could not be reached");
    assert_eq!(world.get("acme"), token);
}

#[test]
fn a_call_ends_by_its_deadline_with_the_true_reason_and_cancels_nothing() {
    let world = World::new();
    world.login("acme");
    let gate = world.sim().hold();
    let words = ["get", "acme", "--refresh", "--wait", "1s"];
    let (output, time) = timed(|| world.ac_cred(words).run());
    output.refused(5).says("did not answer in time");
    assert!(time >= Duration::from_millis(900), "{time:?}");
    assert!(time < Duration::from_secs(6), "{time:?}");
    let old = world.get("acme");
    gate.release();
    assert!(eventually(PATIENCE, || world.get("acme") != old));
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn a_slow_organization_delays_no_other() {
    let world = World::new();
    let slow = world.login("slow");
    world.login("swift");
    let gate = world.sim().hold_credential(&slow.key);
    let waiting = world.ac_cred(["get", "slow", "--refresh"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    let words = ["get", "swift", "--refresh", "--wait", "5s"];
    world.ac_cred(words).run().succeeded();
    world.login("third");
    gate.release();
    waiting.wait().succeeded();
}

#[test]
fn without_a_daemon_and_the_leave_to_start_one_it_ends_with_seven() {
    let world = World::new();
    let output = world.ac_cred(["get", "acme", "--no-start"]).run();
    output.refused(7).says("ac-cred daemon start");
    assert!(world.daemons().is_empty());
}

#[test]
fn a_stale_token_is_served_and_renewed_behind() {
    let world = World::new();
    world.sim().set_lifetime(8);
    world.login("acme");
    let old = world.get("acme");
    let gate = world.sim().hold();
    let is_stale = || {
        let left = &world.status()["organizations"][0]["token"]["expires_in"];
        left.as_u64().unwrap() < 2
    };
    assert!(eventually(PATIENCE, is_stale));
    let output = world.ac_cred(["get", "acme", "--min-ttl", "0"]).run();
    assert_eq!(output.succeeded().stdout.trim(), old);
    assert!(gate.wait_for(1, PATIENCE));
    world.sim().set_lifetime(3_600);
    gate.release();
    assert!(eventually(PATIENCE, || world.get("acme") != old));
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn an_expired_token_is_replaced() {
    let world = World::new();
    world.sim().set_lifetime(2);
    world.login("acme");
    let old = world.get("acme");
    let is_gone = || world.status()["organizations"][0]["token"].is_null();
    assert!(eventually(PATIENCE, is_gone));
    world.sim().set_lifetime(3_600);
    let new = world.get("acme");
    assert_ne!(new, old);
    assert_eq!(world.call(&new).status, 200);
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn an_outage_is_not_felt_while_a_token_lives_and_ends_without_a_login() {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    world.sim().refuse_connections();
    assert_eq!(world.get("acme"), token);
    let reject = world.ac_cred(["reject", "acme"]).run();
    reject.refused(5);
    world.ac_cred(["get", "acme"]).run().refused(5);
    world.sim().listen_again();
    let words = ["get", "acme", "--wait", "30s"];
    let get = || world.ac_cred(words).run();
    assert!(eventually(PATIENCE, || get().code == 0));
}

#[test]
fn a_refused_credential_is_asked_once_and_its_last_token_is_served_with_a_warning() {
    let world = World::new();
    let account = world.login("acme");
    let token = world.get("acme");
    world.sim().revoke(&account.key);
    let refresh = world.ac_cred(["get", "acme", "--refresh"]).run();
    refresh.refused(4).says("Personal access key expired");
    refresh.says("run: ac-cred login acme");
    let output = world.ac_cred(["get", "acme"]).run();
    assert_eq!(output.succeeded().stdout.trim(), token);
    output.says("ac-cred login acme");
    assert_eq!(output.stderr.lines().count(), 1);
    let quiet = world.ac_cred(["get", "acme", "-q"]).run();
    assert_eq!((quiet.code, &*quiet.stderr), (0, ""));
    world.ac_cred(["reject", "acme"]).run().refused(4);
    for _ in 0..3 {
        world.ac_cred(["get", "acme"]).run().refused(4);
    }
    assert_eq!(world.sim().exchange_count(), 2);
    world.sim().restore(&account.key);
    world.ac_cred(["get", "acme"]).run().refused(4);
    world
        .ac_cred(["get", "acme", "--refresh"])
        .run()
        .succeeded();
    world.get("acme");
    assert_eq!(world.sim().exchange_count(), 3);
}

#[test]
fn a_server_that_asks_for_patience_gets_it() {
    let world = World::new();
    world.login("acme");
    world.sim().fail_next(1, Fault::retry_after(429, "30"));
    world.ac_cred(["reject", "acme"]).run().refused(5);
    let words = ["get", "acme", "--format", "json", "--wait", "2s"];
    let (output, time) = timed(|| world.ac_cred(words).run());
    let error = output.refused(5).error();
    assert_eq!(error["error"], "rate_limited");
    let pause = error["retry_after"].as_u64().unwrap();
    assert!((20..=30).contains(&pause), "{pause}");
    assert!(time < Duration::from_secs(2), "{time:?}");
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn a_token_of_another_organization_is_never_printed() {
    let world = World::new();
    world.login("acme");
    let foreign = "99999999-9999-4999-8999-999999999999";
    world.sim().fail_always(Fault::other_organization(foreign));
    let output = world.ac_cred(["get", "acme", "--refresh"]).run();
    output.refused(6).says(foreign);
    world.ac_cred(["reject", "acme"]).run().refused(6);
    let hasty = world.ac_cred(["get", "acme", "--wait", "1ms"]).run();
    hasty.refused(6).says(foreign);
    world.sim().heal();
    let get = || world.ac_cred(["get", "acme"]).run();
    assert!(eventually(PATIENCE, || get().code == 0));
    assert_eq!(world.call(get().stdout.trim()).status, 200);
}

#[test]
fn a_token_without_an_organization_is_served_without_one() {
    let world = World::new();
    world.login("acme");
    world.sim().omit_organization();
    let words = ["get", "acme", "--refresh", "--format", "json"];
    let lease = world.ac_cred(words).run().succeeded().json();
    assert_eq!(lease["organization_id"], Value::Null);
}

#[test]
fn a_servers_clock_ten_minutes_off_changes_nothing() {
    for offset in [-600, 600] {
        let world = World::new();
        world.sim().set_clock_offset(offset);
        world.sim().set_lifetime(300);
        world.login("acme");
        let words = ["get", "acme", "--format", "json"];
        let lease = world.ac_cred(words).run().succeeded().json();
        let life = lease["expires_in"].as_u64().unwrap();
        assert!((240..=300).contains(&life), "{offset}: {life}");
        world.get("acme");
        assert_eq!(world.sim().exchange_count(), 1);
    }
}
