//! A server that means harm: nothing of the token is shown or sent elsewhere, and nothing grows
//! without end.

use ac_cred_tests::{
    mcp_sim::{Manner, McpSim},
    process::Process,
};

use crate::client::{Client, error, text};
use crate::{connected, logged_in};

/// What a client sees when a server answers a call in this manner, and what its person is told.
fn call(manner: Manner) -> (String, String) {
    let (world, mcp, mut client) = connected();
    let token = world.get("acme");
    mcp.set_manner(manner);
    let answer = client.hello(1);
    assert!(
        !answer.to_string().contains(&token),
        "the token is shown: {answer}"
    );
    mcp.set_manner(Manner::Json);
    assert_eq!(
        text(&client.hello(2)),
        "hello, call 1",
        "the bridge goes on"
    );
    let (_, _, told) = client.end();
    assert!(!told.contains(&token), "the token is told: {told}");
    (error(&answer).to_owned(), told)
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = McpSim::start();
    let (answer, told) = call(Manner::Redirect(elsewhere.url()));
    assert!(
        answer.contains("redirect (307), which is not followed"),
        "{answer}"
    );
    assert!(told.contains("redirect"), "{told}");
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn a_redirect_of_the_first_request_is_not_followed_either() {
    let (world, mcp) = logged_in();
    let elsewhere = McpSim::start();
    mcp.set_manner_of_all(Manner::Redirect(elsewhere.url()));
    let mut client = Client::start(&world, &["acme"]);
    let answer = client.initialize();
    let why = answer["result"]["instructions"].as_str().unwrap();
    assert!(why.contains("redirect"), "{why}");
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn a_token_that_is_echoed_in_an_error_is_not_shown() {
    for status in [400, 403, 500, 503] {
        let (answer, told) = call(Manner::Echo(status));
        assert!(
            answer.contains(&format!("answered {status}: bad token [")),
            "{answer}"
        );
        assert!(told.contains("[session token]"), "{told}");
    }
    let (answer, _) = call(Manner::EchoError);
    assert_eq!(answer, "[2Jbad token [session token]");
}

#[test]
fn an_event_without_end_is_given_up() {
    let (answer, _) = call(Manner::EndlessEvent);
    assert!(
        answer.ends_with("sent a message longer than 8 MiB"),
        "{answer}"
    );
}

#[test]
fn a_message_that_is_too_long_is_given_up() {
    let (answer, _) = call(Manner::Huge);
    assert!(
        answer.ends_with("sent a message longer than 8 MiB"),
        "{answer}"
    );
}

#[test]
fn a_stream_without_end_is_given_up_and_costs_little_memory() {
    let (_world, mcp, mut client) = connected();
    mcp.set_manner(Manner::EndlessStream);
    let answer = client.hello(1);
    assert!(error(&answer).contains("more than 64 MiB"), "{answer}");
    let peak = Process(client.pid()).line("status", "VmHWM:").unwrap();
    let kibibytes: u64 = peak.trim().split(' ').next().unwrap().parse().unwrap();
    assert!(kibibytes < 64 * 1_024, "{kibibytes} KiB");
}

#[test]
fn what_is_no_message_does_not_reach_the_client() {
    let (answer, _) = call(Manner::NoMessage);
    assert_eq!(answer, "the MCP server sent what is no message");
}
