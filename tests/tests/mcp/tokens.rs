//! Tokens: one of the moment in every request, a new one where it is refused, and what a client is
//! told while there is none.

use std::time::Duration;

use ac_cred_tests::{mcp_sim::McpSim, world::World};
use serde_json::{Value, json};

use crate::client::{Client, PATIENCE, error, text};
use crate::{connected, log_in, logged_in};

/// The remedy that a client shows its person.
const REMEDY: &str = "run: ac-cred login acme";

#[test]
fn a_revoked_token_is_replaced_and_the_client_sees_no_refusal() {
    let (world, mcp, mut client) = connected();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    let before = world.get("acme");
    mcp.revoke_tokens();
    for id in 2..=9 {
        client.call(id, "hello");
    }
    for id in 2..=9 {
        assert!(text(&client.answer(id)).starts_with("hello"), "call {id}");
    }
    assert!(mcp.refusals() > 0, "the token was not refused");
    assert_ne!(world.get("acme"), before);
    assert_eq!(
        world.sim().exchange_count(),
        2,
        "one renewal for all of them"
    );
    assert_eq!(mcp.seen_of("initialize").len(), 1, "the session goes on");
}

#[test]
fn a_token_that_was_renewed_elsewhere_is_used_at_once() {
    let (world, mcp, mut client) = connected();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    world
        .ac_cred(["get", "acme", "--refresh"])
        .run()
        .succeeded();
    let renewed = world.get("acme");
    assert_eq!(text(&client.hello(2)), "hello, call 2");
    assert_eq!(mcp.seen_of("tools/call")[1].token, renewed);
    assert_eq!(mcp.refusals(), 0);
}

#[test]
fn the_stream_of_the_server_survives_a_rotation() {
    let (_world, mcp, mut client) = connected();
    assert!(mcp.wait_for_listeners(1, PATIENCE));
    mcp.revoke_tokens();
    mcp.end_streams();
    assert!(mcp.wait_for_seen(PATIENCE, |seen| seen.verb == "GET" && seen.status == 401));
    assert!(
        mcp.wait_for_listeners(1, PATIENCE),
        "nobody listens any more"
    );
    mcp.say(json!({ "jsonrpc": "2.0", "method": "notifications/x" }));
    client.receive(|message| message["method"] == "notifications/x");
}

#[test]
fn a_server_that_refuses_every_token_costs_one_renewal_for_each_request() {
    let (world, mcp, mut client) = connected();
    assert!(mcp.wait_for_listeners(1, PATIENCE));
    mcp.refuse_all(true);
    let answer = client.hello(1);
    assert!(
        error(&answer).contains("refused the session token of acme"),
        "{answer}"
    );
    assert!(error(&answer).ends_with(REMEDY), "{answer}");
    assert_eq!(mcp.seen_of("tools/call").len(), 2);
    assert_eq!(world.sim().exchange_count(), 2);
    mcp.refuse_all(false);
    assert_eq!(text(&client.hello(2)), "hello, call 1");
}

/// The bridge answers for a server that it may not ask yet.
fn is_told_the_remedy(client: &mut Client) {
    let answer = client.initialize();
    assert_eq!(
        answer["result"]["serverInfo"]["name"], "ac-cred",
        "{answer}"
    );
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    for (id, method) in [(1, "tools/list"), (2, "tools/call"), (3, "prompts/list")] {
        client.request(id, method, &json!({ "name": "hello" }));
        let answer = client.answer(id);
        assert!(error(&answer).ends_with(REMEDY), "{method}: {answer}");
    }
    client.request(4, "ping", &json!({}));
    assert_eq!(client.answer(4)["result"], json!({}));
}

/// The client is told that there may be tools now, and uses them.
fn heals(client: &mut Client) {
    for list in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{list}/list_changed");
        client.receive(|message| message["method"] == method);
    }
    client.request(10, "tools/list", &json!({}));
    assert_eq!(client.answer(10)["result"]["tools"][0]["name"], "hello");
    assert_eq!(text(&client.hello(11)), "hello, call 1");
}

#[test]
fn a_client_that_starts_before_the_login_is_told_to_log_in_and_needs_no_restart() {
    let (world, mcp) = (World::new(), McpSim::start());
    let mut client = Client::start(&world, &["acme"]);
    is_told_the_remedy(&mut client);
    assert!(mcp.seen().is_empty());
    log_in(&world, "acme", &mcp.url());
    heals(&mut client);
    let (_, _, told) = client.end();
    assert_eq!(
        told.lines().count(),
        1,
        "the same trouble is told once: {told}"
    );
    assert!(told.contains(REMEDY), "{told}");
}

#[test]
fn a_client_without_any_organization_is_told_to_log_in() {
    let world = World::new();
    let mut client = Client::start(&world, &[]);
    client.initialize();
    let answer = client.hello(1);
    assert_eq!(
        error(&answer),
        "no organization is known here; run: ac-cred login ORG"
    );
    assert_eq!(answer["error"]["data"]["error"], "no_organization_chosen");
    assert_eq!(answer["error"]["data"]["hint"], "ac-cred login ORG");
}

#[test]
fn after_a_revocation_calls_say_what_to_do_and_work_again_after_a_login() {
    let (world, mcp) = (World::new(), McpSim::start());
    let account = world.account("acme");
    let login = |key: &str| {
        let login = world.login_with("acme", key);
        login
            .args(["--store", "memory", "--mcp-url", &mcp.url()])
            .run()
            .succeeded();
    };
    login(&account.key);
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    assert!(mcp.wait_for_listeners(1, PATIENCE));
    world.sim().revoke(&account.key);
    mcp.revoke_tokens();
    let answer = client.hello(1);
    assert!(error(&answer).ends_with(REMEDY), "{answer}");
    assert_eq!(answer["error"]["data"]["error"], "credential_refused");
    let key = world.secrets().fresh("key");
    world
        .sim()
        .add_personal_access_key(&key, &account.organization_id);
    login(&key);
    let answer = client.hello(2);
    assert_eq!(text(&answer), "hello, call 1", "{answer}");
    assert_eq!(
        mcp.seen_of("initialize").len(),
        1,
        "the session has gone on"
    );
}

#[test]
fn a_logout_takes_effect_at_once() {
    let (world, mcp, mut client) = connected();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    world.ac_cred(["logout", "acme"]).run().succeeded();
    let answer = client.hello(2);
    assert!(error(&answer).ends_with(REMEDY), "{answer}");
    log_in(&world, "acme", &mcp.url());
    assert!(text(&client.hello(3)).starts_with("hello"));
}

#[test]
fn the_organization_stays_the_one_that_was_meant_first() {
    let (world, mcp) = logged_in();
    let mut client = Client::start(&world, &[]);
    client.initialize();
    log_in(&world, "other", &mcp.url());
    world.ac_cred(["use", "other"]).run().succeeded();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    assert_eq!(mcp.seen_of("tools/call")[0].token, world.get("acme"));
}

#[test]
fn a_daemon_that_was_stopped_is_started_again() {
    let (world, mcp) = (World::new(), McpSim::start());
    world.ac_cred(["daemon", "start"]).run().succeeded();
    log_in(&world, "acme", &mcp.url());
    let mut client = Client::start(&world, &["acme"]);
    client.initialize();
    world.stop();
    let answer = client.hello(1);
    assert!(
        error(&answer).ends_with(REMEDY),
        "memory is gone with it: {answer}"
    );
    assert!(world.daemon_pid().is_some());
}

#[test]
fn a_server_that_is_down_is_reached_when_it_is_there_again() {
    let world = World::new();
    let mcp = McpSim::start();
    let url = mcp.url();
    let port = url
        .trim_end_matches("/mcp")
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    log_in(&world, "acme", &url);
    drop(mcp);
    let mut client = Client::start(&world, &["acme"]);
    let answer = client.initialize();
    assert_eq!(answer["result"]["serverInfo"]["name"], "ac-cred");
    let answer: Value = client.hello(1);
    assert!(error(&answer).contains("could not be reached"), "{answer}");
    let mcp = McpSim::try_start(port, None).unwrap();
    client.receive(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(text(&client.hello(2)), "hello, call 1");
    assert!(mcp.wait_for_listeners(1, Duration::from_secs(10)));
}
