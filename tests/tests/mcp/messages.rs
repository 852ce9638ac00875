//! What is passed on, and how: nothing is changed, nobody waits for another one.

use ac_cred_tests::mcp_sim::Manner;
use serde_json::json;

use crate::client::{Client, PATIENCE, error, introduction, text};
use crate::{connected, logged_in};

#[test]
fn a_client_lists_and_calls_tools_through_the_bridge() {
    let (world, mcp, mut client) = connected();
    client.request(1, "tools/list", &json!({}));
    let tools = client.answer(1);
    assert_eq!(tools["result"]["tools"][0]["name"], "hello");
    assert_eq!(text(&client.hello(2)), "hello, call 1");
    let token = world.get("acme");
    for seen in mcp.seen() {
        assert_eq!(seen.token, token, "{}", seen.method);
        let begins = seen.method == "initialize";
        assert_eq!(seen.session.is_none(), begins, "{}", seen.method);
        let protocol = (!begins).then_some("2025-06-18");
        assert_eq!(seen.protocol.as_deref(), protocol, "{}", seen.method);
    }
    let (status, _, told) = client.end();
    assert!(status.success(), "{status}");
    assert_eq!(told, "");
}

#[test]
fn answers_may_be_streams_and_streams_may_break() {
    for manner in [Manner::Events, Manner::Broken] {
        let (world, mcp) = logged_in();
        mcp.set_manner_of_all(manner.clone());
        let mut client = Client::start(&world, &["acme"]);
        let answer = client.initialize();
        assert_eq!(
            answer["result"]["serverInfo"]["name"], "mcp-sim",
            "{manner:?}"
        );
        assert_eq!(text(&client.hello(1)), "hello, call 1", "{manner:?}");
        if manner == Manner::Events {
            let news = client.receive(|message| message["method"] == "notifications/message");
            assert_eq!(news["params"]["data"], "working");
        } else {
            assert!(mcp.seen().iter().any(|seen| seen.last_event.is_some()));
        }
    }
}

#[test]
fn messages_are_passed_on_as_they_are_and_unknown_methods_too() {
    let (_world, mcp, mut client) = connected();
    client.line(
        r#"{"method":"x/unknown", "params":{"z":1.50,"a":"\u00e4","big":12345678901234567890}, "id":"text id","jsonrpc":"2.0"}"#,
    );
    let answer = client.receive(|message| message["id"] == "text id");
    assert_eq!(answer["result"]["you"]["params"]["a"], "ä");
    assert_eq!(
        answer["result"]["you"]["params"]["big"],
        12_345_678_901_234_567_890_u64
    );
    client.request(2, "x/other", &json!({}));
    assert_eq!(client.answer(2)["error"]["code"], -32_601);
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/x", "params": {} }));
    assert!(mcp.wait_for_seen(PATIENCE, |seen| seen.method == "notifications/x"));
}

#[test]
fn what_comes_before_a_session_is_passed_on() {
    let (world, _mcp) = logged_in();
    let mut client = Client::start(&world, &["acme"]);
    client.request(1, "server/discover", &json!({}));
    assert_eq!(client.answer(1)["error"]["code"], -32_601);
    client.initialize();
    assert_eq!(text(&client.hello(2)), "hello, call 1");
}

#[test]
fn what_is_sent_at_once_is_served_in_order_and_answered_before_the_end() {
    let (world, _mcp) = logged_in();
    let mut client = Client::start(&world, &["acme"]);
    let begin =
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": introduction() });
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    client.line(&format!("{begin}\n{ready}\n{list}"));
    let (status, lines, _) = client.end();
    assert!(status.success(), "{status}");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].contains("The tool hello"), "{lines:?}");
}

#[test]
fn a_slow_tool_delays_nobody() {
    let (_world, mcp, mut client) = connected();
    for id in 1..=20 {
        client.call(id, "wait");
    }
    assert!(
        mcp.wait_for_waiting(20, PATIENCE),
        "they are served one by one"
    );
    assert_eq!(text(&client.hello(100)), "hello, call 1");
    mcp.release();
    for id in 1..=20 {
        assert_eq!(text(&client.answer(id)), "waited");
    }
}

#[test]
fn a_cancelled_request_is_not_answered_and_the_server_is_told() {
    let (_world, mcp, mut client) = connected();
    client.call(1, "wait");
    assert!(mcp.wait_for_waiting(1, PATIENCE));
    let cancel = json!({ "requestId": 1, "reason": "enough" });
    client
        .send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancel }));
    assert!(mcp.wait_for_seen(PATIENCE, |seen| seen.method == "notifications/cancelled"));
    assert!(mcp.wait_for_waiting(0, PATIENCE), "the connection stays");
    mcp.release();
    assert_eq!(text(&client.hello(2)), "hello, call 1");
    let (_, rest, _) = client.end();
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn the_server_may_ask_the_client() {
    let (_world, _mcp, mut client) = connected();
    client.call(7, "ask");
    let question = client.receive(|message| message["method"] == "roots/list");
    let roots = json!({ "roots": ["file:///x"] });
    client.send(&json!({ "jsonrpc": "2.0", "id": question["id"], "result": roots }));
    assert_eq!(text(&client.answer(7)), r#"{"roots":["file:///x"]}"#);
}

#[test]
fn what_the_server_says_by_itself_reaches_the_client() {
    let (_world, mcp, mut client) = connected();
    assert!(mcp.wait_for_listeners(1, PATIENCE), "nobody listens");
    mcp.say(json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
    client.receive(|message| message["method"] == "notifications/tools/list_changed");
}

#[test]
fn what_is_no_message_is_refused_and_costs_nothing_else() {
    let (_world, _mcp, mut client) = connected();
    for line in [
        "hello",
        "{}",
        "[]",
        "{\"id\":1}",
        "[1]",
        "\"x\"",
        "{\"method\":1}",
    ] {
        client.line(line);
        let refusal = client.receive(|message| message["id"].is_null());
        assert_eq!(refusal["error"]["code"], -32_700, "{line}");
    }
    client.line("");
    client.line(&"x".repeat(9 * 1_024 * 1_024));
    let refusal = client.receive(|message| message["id"].is_null());
    assert_eq!(error(&refusal), "the message is longer than 8 MiB");
    assert_eq!(text(&client.hello(2)), "hello, call 1");
}

#[test]
fn a_last_line_may_lack_its_end() {
    let (world, _mcp) = logged_in();
    let line = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover" });
    let output = world.ac_cred(["mcp", "acme"]).stdin(line.to_string()).run();
    assert!(output.succeeded().stdout.contains("method not found"));
}
