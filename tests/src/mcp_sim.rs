//! A simulator of a Streamable-HTTP MCP server on this machine, which takes any bearer token until it
//! is told to refuse it.
//!
//! It is as strict as the protocol allows: a session has to be begun in order, and every request has
//! to say what the protocol demands. [`Manner`] is how it misbehaves.

mod answer;
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustls::ServerConfig;
use serde_json::Value;

use self::server::Listener;

/// The versions of the protocol that it speaks.
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// How it answers requests within a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Each with one message.
    #[default]
    Json,
    /// Each with a stream that ends with the answer.
    Events,
    /// Each with a stream that ends before the answer, which comes when the stream is resumed.
    Broken,
    /// With a redirect to this URL.
    Redirect(String),
    /// With this status, and a body with the token that was sent.
    Echo(u16),
    /// With an error within the protocol that holds the token, and what could steer a terminal.
    EchoError,
    /// With an event that does not end.
    EndlessEvent,
    /// With events that do not end, none of which is an answer.
    EndlessStream,
    /// With a message that is longer than anybody takes.
    Huge,
    /// With what is no message.
    NoMessage,
}

/// A request as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The method of HTTP.
    pub verb: String,
    /// The method of the message, or nothing.
    pub method: String,
    /// The message.
    pub message: Value,
    /// The token.
    pub token: String,
    /// The session.
    pub session: Option<String>,
    /// The version of the protocol.
    pub protocol: Option<String>,
    /// The last event that was seen of a stream that is resumed.
    pub last_event: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// Whether it knows a session in the next request.
#[derive(Default, PartialEq, Eq)]
enum Memory {
    #[default]
    Keeps,
    Forgets,
}

/// Who is told of requests as they are answered.
pub type Observer = Box<dyn Fn(&Seen) + Send>;

/// What changes while it runs.
#[derive(Default)]
struct State {
    observer: Option<Observer>,
    manner: Manner,
    /// How what begins a session is answered.
    manner_of_start: Manner,
    tokens: BTreeSet<String>,
    revoked: BTreeSet<String>,
    refuses_all: bool,
    /// After how many calls of a tool all tokens that were seen are revoked.
    revokes_every: Option<usize>,
    calls: usize,
    /// The sessions, and whether each client said that it is ready.
    sessions: BTreeMap<String, bool>,
    memory: Memory,
    begun: usize,
    seen: Vec<Seen>,
    /// What is said by itself, and how much of it every stream has had.
    said: Vec<Value>,
    /// The answers of clients to what they were asked, by id.
    answers: BTreeMap<String, Value>,
    /// How many streams are open on which it says something by itself.
    listeners: usize,
    /// How often such streams were ended.
    hangups: usize,
    /// How many calls of the tool `wait` wait.
    waiting: usize,
    released: bool,
    /// What is answered when a stream is resumed, by the id of its last event.
    promised: BTreeMap<String, Value>,
    ended: bool,
}

/// What every thread of one simulator shares.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    tls: Option<Arc<ServerConfig>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until something holds; false when it does not in time, or the simulator ends.
    fn wait_for(&self, deadline: Duration, mut holds: impl FnMut(&State) -> bool) -> bool {
        let waits = |state: &mut State| !state.ended && !holds(state);
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), deadline, waits);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.ended && !timeout.timed_out()
    }
}

/// A running simulator; it ends, with every connection, when it is dropped.
pub struct McpSim {
    shared: Arc<Shared>,
    listener: Option<Listener>,
    port: u16,
}

/// Starting, and where it is.
impl McpSim {
    /// Starts with plain HTTP at a free port.
    ///
    /// # Panics
    /// If the machine has no port or thread left.
    #[must_use]
    pub fn start() -> Self {
        Self::try_start(0, None).expect("a port of the loopback interface can be listened at")
    }

    /// Starts with HTTPS at a free port.
    ///
    /// # Panics
    /// If the machine has no port or thread left.
    #[must_use]
    pub fn start_with(tls: Arc<ServerConfig>) -> Self {
        Self::try_start(0, Some(tls)).expect("a port of the loopback interface can be listened at")
    }

    /// Starts at a port of 127.0.0.1; 0 takes any that is free.
    ///
    /// # Errors
    /// If the port cannot be listened at.
    pub fn try_start(port: u16, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            tls,
            ..Shared::default()
        });
        let listener = Listener::open(port, &shared)?;
        Ok(Self {
            port: listener.port(),
            listener: Some(listener),
            shared,
        })
    }

    /// Such as `http://127.0.0.1:49152/mcp`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://127.0.0.1:{}/mcp", self.port)
    }
}

/// How it behaves.
impl McpSim {
    /// Tells somebody of every request from now on.
    pub fn observe(&self, observer: Observer) {
        self.shared.change(|state| state.observer = Some(observer));
    }

    /// Answers within a session in this manner from now on.
    pub fn set_manner(&self, manner: Manner) {
        self.shared.change(|state| {
            state.manner = manner;
            state.manner_of_start = Manner::Json;
        });
    }

    /// Answers everything in this manner from now on, also what begins a session.
    pub fn set_manner_of_all(&self, manner: Manner) {
        self.shared.change(|state| {
            state.manner = manner.clone();
            state.manner_of_start = manner;
        });
    }

    /// Refuses every token that was seen so far.
    pub fn revoke_tokens(&self) {
        self.shared.change(State::revoke);
    }

    /// Refuses every token that was seen so far after each this many calls of a tool.
    pub fn revoke_every(&self, calls: usize) {
        self.shared
            .change(|state| state.revokes_every = Some(calls));
    }

    /// Refuses every token, or takes all that are not revoked again.
    pub fn refuse_all(&self, refuses: bool) {
        self.shared.change(|state| state.refuses_all = refuses);
    }

    /// Forgets every session.
    pub fn forget_sessions(&self) {
        self.shared.change(|state| state.sessions.clear());
    }

    /// Forgets every session, those to come as soon as they are open.
    pub fn keep_no_sessions(&self) {
        self.shared.change(|state| {
            state.sessions.clear();
            state.memory = Memory::Forgets;
        });
    }

    /// Ends the streams on which it says something by itself.
    pub fn end_streams(&self) {
        self.shared.change(|state| state.hangups += 1);
    }

    /// Says something by itself, to every client that listens.
    pub fn say(&self, message: Value) {
        self.shared.change(|state| state.said.push(message));
    }

    /// Lets the calls of the tool `wait` be answered, those to come as well.
    pub fn release(&self) {
        self.shared.change(|state| state.released = true);
    }
}

/// What it has seen.
impl McpSim {
    /// Every request so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// The requests whose messages have this method.
    #[must_use]
    pub fn seen_of(&self, method: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.method == method);
        seen
    }

    /// How many requests were refused for their token.
    #[must_use]
    pub fn refusals(&self) -> usize {
        let seen = self.seen();
        seen.iter().filter(|seen| seen.status == 401).count()
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.lock().sessions.len()
    }

    /// Waits until this many clients listen to what it says by itself.
    #[must_use]
    pub fn wait_for_listeners(&self, n: usize, deadline: Duration) -> bool {
        self.shared.wait_for(deadline, |state| state.listeners == n)
    }

    /// Waits until this many calls of the tool `wait` wait.
    #[must_use]
    pub fn wait_for_waiting(&self, n: usize, deadline: Duration) -> bool {
        self.shared.wait_for(deadline, |state| state.waiting == n)
    }

    /// Waits until a request like this was seen.
    #[must_use]
    pub fn wait_for_seen(&self, deadline: Duration, is_it: impl Fn(&Seen) -> bool) -> bool {
        self.shared
            .wait_for(deadline, |state| state.seen.iter().any(&is_it))
    }
}

impl State {
    fn revoke(&mut self) {
        let tokens = std::mem::take(&mut self.tokens);
        self.revoked.extend(tokens);
    }
}

impl Drop for McpSim {
    fn drop(&mut self) {
        self.shared.change(|state| state.ended = true);
        if let Some(listener) = self.listener.take() {
            listener.close();
        }
    }
}
