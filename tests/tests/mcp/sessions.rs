//! How a session begins, is lost and ends.

use std::{fs, thread};

use ac_cred_tests::{mcp_sim::Manner, process::Process};
use rustix::process::Signal;
use serde_json::json;

use crate::client::{Client, PATIENCE, error, introduction, text};
use crate::{connected, logged_in};

#[test]
fn a_session_that_the_server_has_lost_is_begun_anew_and_nobody_notices() {
    let (_world, mcp, mut client) = connected();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    mcp.forget_sessions();
    for id in 2..=9 {
        client.call(id, "hello");
    }
    for id in 2..=9 {
        assert!(text(&client.answer(id)).starts_with("hello"), "call {id}");
    }
    assert_eq!(
        mcp.seen_of("initialize").len(),
        2,
        "one for all who missed it"
    );
    assert_eq!(mcp.sessions(), 1);
}

#[test]
fn a_client_that_only_listens_has_its_session_begun_anew_too() {
    let (_world, mcp, _client) = connected();
    assert!(mcp.wait_for_listeners(1, PATIENCE));
    let lost = mcp.seen_of("initialize").len();
    mcp.forget_sessions();
    mcp.end_streams();
    assert!(mcp.wait_for_seen(PATIENCE, |seen| seen.verb == "GET" && seen.status == 404));
    assert!(
        mcp.wait_for_listeners(1, PATIENCE),
        "nobody listens any more"
    );
    assert_eq!(mcp.seen_of("initialize").len(), lost + 1);
}

#[test]
fn a_server_that_keeps_no_session_is_not_asked_for_ever() {
    let (_world, mcp, mut client) = connected();
    mcp.keep_no_sessions();
    let answer = client.hello(1);
    assert_eq!(error(&answer), "the MCP server does not keep its sessions");
    assert_eq!(mcp.seen_of("initialize").len(), 2);
}

#[test]
fn a_server_that_does_not_hear_that_the_client_is_ready_is_told_again() {
    let (world, mcp) = logged_in();
    let mut client = Client::start(&world, &["acme"]);
    client.request(0, "initialize", &introduction());
    client.answer(0);
    mcp.set_manner_of_all(Manner::Echo(503));
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert!(error(&client.hello(1)).contains("503"));
    mcp.set_manner(Manner::Json);
    assert_eq!(text(&client.hello(2)), "hello, call 1");
}

#[test]
fn the_session_ends_with_the_client() {
    let (_world, mcp, mut client) = connected();
    assert_eq!(text(&client.hello(1)), "hello, call 1");
    let (status, rest, told) = client.end();
    assert!(status.success(), "{status}");
    assert_eq!((rest.len(), told.as_str()), (0, ""));
    assert_eq!(mcp.sessions(), 0);
    let ends: Vec<_> = mcp
        .seen()
        .into_iter()
        .filter(|seen| seen.verb == "DELETE")
        .collect();
    assert_eq!(ends.len(), 1);
}

#[test]
fn a_signal_ends_the_session_at_once_whatever_is_under_way() {
    let (_world, mcp, mut client) = connected();
    client.call(1, "wait");
    assert!(mcp.wait_for_waiting(1, PATIENCE));
    Process(client.pid()).signal(Signal::TERM).unwrap();
    let (status, rest, _) = client.wait();
    assert!(status.success(), "{status}");
    assert_eq!(rest.len(), 0);
    assert_eq!(mcp.sessions(), 0);
}

#[test]
fn the_bridge_is_one_process_and_nothing_of_it_stays() {
    let (_world, _mcp, client) = connected();
    let pid = client.pid();
    let name = fs::read_to_string(Process(pid).path("comm")).unwrap();
    assert_eq!(name.trim_end(), "ac-cred-mcp", "ac-cred has not become it");
    let (_, _, _) = client.end();
    assert!(!Process(pid).path("comm").exists());
}

#[test]
fn a_bridge_started_twice_serves_two_clients() {
    let (world, mcp) = logged_in();
    let work = |name: u64| {
        let mut client = Client::start(&world, &["acme"]);
        client.initialize();
        assert!(text(&client.hello(name)).starts_with("hello"));
    };
    thread::scope(|scope| {
        for name in 1..=4 {
            scope.spawn(move || work(name));
        }
    });
    assert_eq!(mcp.seen_of("initialize").len(), 4);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_ping_is_answered_with_and_without_a_session() {
    let (_world, mcp, mut client) = connected();
    client.request(1, "ping", &json!({}));
    assert_eq!(client.answer(1)["result"], json!({}));
    assert_eq!(
        mcp.seen_of("ping").len(),
        1,
        "the server is asked where there is one"
    );
}
