//! What a request means, and what is answered.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Manner, Memory, Seen, Shared, State, VERSIONS};
use crate::auth_sim::http::{Answer, Request};

/// How long the word that a client is ready is waited for.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// A test that becomes true.
pub(super) type Ready = Box<dyn Fn(&State) -> bool>;

/// An answer's head, and what follows it.
pub(super) struct Reply {
    pub(super) answer: Answer,
    pub(super) body: Body,
}

/// What follows an answer's head.
pub(super) enum Body {
    /// What the answer holds.
    Whole,
    /// These events.
    Events(Vec<String>),
    /// A text, and another one again and again.
    Endless(String, String),
    /// What the server says by itself.
    Unasked,
    /// A text, and an event once something holds.
    When(String, Ready, Box<dyn Fn(&State) -> Value>),
}

impl Reply {
    pub(super) fn of(answer: Answer) -> Self {
        let body = Body::Whole;
        Self { answer, body }
    }

    fn stream(body: Body) -> Self {
        let answer = Answer::new(200, "text/event-stream", "");
        Self { answer, body }
    }
}

/// A message as an event.
pub(super) fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// What a request says.
fn seen_in(request: &Request) -> Seen {
    let header = |name: &str| request.headers.get(name).cloned();
    let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let authorization = header("authorization").unwrap_or_default();
    Seen {
        verb: request.method.clone(),
        method: message["method"].as_str().unwrap_or_default().to_owned(),
        token: authorization
            .strip_prefix("Bearer ")
            .unwrap_or_default()
            .to_owned(),
        session: header("mcp-session-id"),
        protocol: header("mcp-protocol-version"),
        last_event: header("last-event-id"),
        status: 0,
        message,
    }
}

/// Answers a request, and remembers it.
pub(super) fn reply(shared: &Shared, request: &Request) -> Reply {
    let mut seen = seen_in(request);
    if let Some(session) = seen.session.as_ref().filter(|_| needs_readiness(&seen)) {
        // A request overtakes the word that the client is ready where each has its own connection,
        // as VS Code sends them.
        shared.wait_for(OVERTAKEN, |state| {
            state.sessions.get(session) != Some(&false)
        });
    }
    let mut state = shared.lock();
    let reply = match refusal(&mut state, request, &seen) {
        Some(answer) => Reply::of(answer),
        None => match (&*seen.verb, &state.manner) {
            ("GET", _) => listen(&mut state, &seen),
            ("DELETE", _) => {
                let session = seen.session.clone().unwrap_or_default();
                state.sessions.remove(&session);
                Reply::of(Answer::new(204, "text/plain", ""))
            }
            _ => post(&mut state, &seen),
        },
    };
    seen.status = reply.answer.status;
    if let Some(observer) = &state.observer {
        observer(&seen);
    }
    state.seen.push(seen);
    drop(state);
    shared.changed.notify_all();
    reply
}

/// What is wrong with a request.
fn refusal(state: &mut State, request: &Request, seen: &Seen) -> Option<Answer> {
    let refuse = |status, why: &str| Some(Answer::json(status, &error(&Value::Null, -32_000, why)));
    if request.path() != "/mcp" {
        return refuse(404, "there is no MCP server here");
    }
    if seen.token.is_empty() || state.refuses_all || state.revoked.contains(&seen.token) {
        let answer = Answer::error(401, "invalid_token", "the token is missing or revoked");
        let challenge = "Bearer error=\"invalid_token\"";
        return Some(answer.with_header("WWW-Authenticate", challenge));
    }
    state.tokens.insert(seen.token.clone());
    if seen.verb == "POST" {
        let takes = request.headers.get("accept").map_or("", String::as_str);
        let kind = request
            .headers
            .get("content-type")
            .map_or("", String::as_str);
        if !takes.contains("application/json") || !takes.contains("text/event-stream") {
            return refuse(406, "both kinds of answers have to be accepted");
        }
        if kind != "application/json" || !seen.message.is_object() {
            return refuse(415, "a message is a JSON object");
        }
        if begins(seen) {
            return None;
        }
    }
    let Some(session) = seen.session.as_ref() else {
        return refuse(400, "a session has to be named");
    };
    let Some(&is_ready) = state.sessions.get(session) else {
        return refuse(404, "the session is not known");
    };
    // A client that names no version speaks the first one; VS Code does so.
    if seen
        .protocol
        .as_deref()
        .is_some_and(|version| !VERSIONS.contains(&version))
    {
        return refuse(400, "the version of the protocol is not spoken");
    }
    if !is_ready && needs_readiness(seen) {
        return refuse(400, "the client has not said that it is ready");
    }
    None
}

/// Whether a request is only for a client that has said that it is ready.
fn needs_readiness(seen: &Seen) -> bool {
    seen.verb == "POST" && !begins(seen) && seen.method != "notifications/initialized"
}

/// Whether a request needs no session.
fn begins(seen: &Seen) -> bool {
    seen.method == "initialize" || seen.method == "server/discover"
}

fn listen(state: &mut State, seen: &Seen) -> Reply {
    match &seen.last_event {
        None => Reply::stream(Body::Unasked),
        Some(id) => match state.promised.remove(id) {
            Some(answer) => Reply::stream(Body::Events(vec![event(&answer)])),
            None => Reply::stream(Body::Unasked),
        },
    }
}

fn post(state: &mut State, seen: &Seen) -> Reply {
    let id = &seen.message["id"];
    let is_of_start = begins(seen) || seen.method == "notifications/initialized";
    let manner = if is_of_start {
        state.manner_of_start.clone()
    } else {
        state.manner.clone()
    };
    if let Some(reply) = misbehave(&manner, seen) {
        return reply;
    }
    if seen.method == "notifications/initialized" {
        let session = seen.session.clone().unwrap_or_default();
        if state.memory == Memory::Keeps {
            state.sessions.insert(session, true);
        } else {
            state.sessions.remove(&session);
        }
    }
    if seen.method.is_empty() {
        let id = id.as_str().unwrap_or_default().to_owned();
        state.answers.insert(id, seen.message["result"].clone());
    }
    if id.is_null() || seen.method.is_empty() {
        return Reply::of(Answer::new(202, "text/plain", ""));
    }
    if seen.method == "initialize" {
        return initialize(state, seen);
    }
    if let Some(reply) = slow_tool(seen) {
        return reply;
    }
    let answer = answer(state, seen);
    if state.manner == Manner::Events {
        let news = json!({
            "jsonrpc": "2.0", "method": "notifications/message",
            "params": { "level": "info", "data": "working" },
        });
        return Reply::stream(Body::Events(vec![event(&news), event(&answer)]));
    }
    if state.manner == Manner::Broken {
        let name = format!("event-{}", state.seen.len());
        state.promised.insert(name.clone(), answer);
        let begun = format!("id: {name}\nretry: 100\ndata:\n\n");
        return Reply::stream(Body::Events(vec![begun]));
    }
    Reply::of(Answer::json(200, &answer))
}

fn misbehave(manner: &Manner, seen: &Seen) -> Option<Reply> {
    let id = &seen.message["id"];
    let token = &seen.token;
    Some(match manner {
        Manner::Json | Manner::Events | Manner::Broken => return None,
        Manner::Redirect(to) => {
            Reply::of(Answer::new(307, "text/plain", "").with_header("Location", to))
        }
        Manner::Echo(status) => {
            let told = error(id, -32_000, &format!("bad token {token}"));
            Reply::of(Answer::json(*status, &told))
        }
        Manner::EchoError => {
            let steering = format!("\u{1b}[2Jbad token {token}\u{202e}");
            Reply::of(Answer::json(200, &error(id, -32_000, &steering)))
        }
        Manner::EndlessEvent => {
            let first = "data: {\"jsonrpc\":\"2.0\",\"x\":\"".to_owned();
            Reply::stream(Body::Endless(first, "x".repeat(64 * 1_024)))
        }
        Manner::EndlessStream => {
            let again = json!({
                "jsonrpc": "2.0", "method": "notifications/message",
                "params": { "level": "info", "data": "x".repeat(64 * 1_024) },
            });
            Reply::stream(Body::Endless(String::new(), event(&again)))
        }
        Manner::Huge => {
            let text = "x".repeat(9 * 1_024 * 1_024);
            let huge = json!({ "jsonrpc": "2.0", "id": id, "result": { "text": text } });
            Reply::of(Answer::json(200, &huge))
        }
        Manner::NoMessage => Reply::of(Answer::new(200, "application/json", "{\"hello\":1}")),
    })
}

fn initialize(state: &mut State, seen: &Seen) -> Reply {
    state.begun += 1;
    let session = format!("session-{}", state.begun);
    state.sessions.insert(session.clone(), false);
    let asked = seen.message["params"]["protocolVersion"]
        .as_str()
        .unwrap_or_default();
    let version = VERSIONS.iter().find(|&&version| version == asked);
    let result = json!({
        "protocolVersion": version.unwrap_or(&"2025-06-18"),
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": { "name": "mcp-sim", "version": "1" },
    });
    let answer = json!({ "jsonrpc": "2.0", "id": seen.message["id"], "result": result });
    let session = |answer: Answer| answer.with_header("Mcp-Session-Id", &session);
    if state.manner_of_start == Manner::Events {
        let head = Answer::new(200, "text/event-stream", "");
        return Reply {
            answer: session(head),
            body: Body::Events(vec![event(&answer)]),
        };
    }
    Reply::of(session(Answer::json(200, &answer)))
}

/// The tools that are answered later.
fn slow_tool(seen: &Seen) -> Option<Reply> {
    let id = seen.message["id"].clone();
    match seen.message["params"]["name"].as_str() {
        Some("wait") if seen.method == "tools/call" => Some(Reply::stream(Body::When(
            String::new(),
            Box::new(|state| state.released),
            Box::new(move |_| said(&id, "waited")),
        ))),
        Some("ask") if seen.method == "tools/call" => {
            let asked = format!("ask-{id}");
            let key = asked.clone();
            let question = json!({ "jsonrpc": "2.0", "id": asked, "method": "roots/list" });
            let ready: Ready = Box::new(move |state| state.answers.contains_key(&asked));
            let then = move |state: &State| said(&id, &state.answers[&key].to_string());
            Some(Reply::stream(Body::When(
                event(&question),
                ready,
                Box::new(then),
            )))
        }
        _ => None,
    }
}

fn answer(state: &mut State, seen: &Seen) -> Value {
    let id = &seen.message["id"];
    match &*seen.method {
        "tools/list" => {
            let tool = |name: &str| {
                let schema = json!({ "type": "object", "properties": {} });
                json!({ "name": name, "description": format!("The tool {name}"), "inputSchema": schema })
            };
            let tools = [tool("hello"), tool("wait"), tool("ask")];
            json!({ "jsonrpc": "2.0", "id": id, "result": { "tools": tools } })
        }
        "tools/call" => {
            state.calls += 1;
            let calls = state.calls;
            if state
                .revokes_every
                .is_some_and(|every| calls.is_multiple_of(every))
            {
                state.revoke();
            }
            said(id, &format!("hello, call {calls}"))
        }
        "ping" => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
        "x/unknown" => json!({ "jsonrpc": "2.0", "id": id, "result": { "you": seen.message } }),
        _ => error(id, -32_601, "method not found"),
    }
}

/// What a tool says.
fn said(id: &Value, text: &str) -> Value {
    let content = [json!({ "type": "text", "text": text })];
    json!({ "jsonrpc": "2.0", "id": id, "result": { "content": content } })
}

fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}
