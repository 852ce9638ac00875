//! The bridge itself: what the client sends is taken line by line and served side by side, until
//! the client is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ac_cred::bridge;
use serde_json::Value;
use tokio::sync::{Notify, RwLock, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::exchange::{Errand, Exchange, Start};
use crate::lines::Line;
use crate::message::{self, Kind};
use crate::session::Session;
use crate::trouble::Trouble;

/// The most messages that are on their way at once.
const MOST_AT_ONCE: usize = 256;

/// How long answers are waited for once the client has said all.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How long the end of the session may take.
const END: Duration = Duration::from_secs(2);

/// How the client left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It has said all, and may wait for answers.
    SaidAll,
    /// It reads no answers any more, or wants an end.
    Gone,
}

/// A bridge between a client and an MCP server.
#[derive(Debug)]
pub struct Bridge {
    pub(crate) exchange: Exchange,
    /// Held for writing while a session begins: who wants to ask within it waits.
    pub(crate) gate: RwLock<Session>,
    /// Told when there is no session.
    pub(crate) healing: Notify,
    output: mpsc::Sender<String>,
    requests: Mutex<HashMap<String, AbortHandle>>,
    listener: Mutex<Option<AbortHandle>>,
    /// What was told last, so that it is told once.
    told: Mutex<Option<String>>,
}

impl Bridge {
    /// A bridge that sends to the client through `output`.
    #[must_use]
    pub fn new(exchange: Exchange, output: mpsc::Sender<String>) -> Self {
        Self {
            exchange,
            gate: RwLock::default(),
            healing: Notify::new(),
            output,
            requests: Mutex::default(),
            listener: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// Serves a client until it has said all, does not read any more, or `end` comes.
    pub async fn run(
        self: Arc<Self>,
        mut lines: mpsc::Receiver<Line>,
        end: impl Future<Output = ()>,
    ) {
        let mut tasks = JoinSet::new();
        let healer = tokio::spawn(Arc::clone(&self).heal());
        tokio::pin!(end);
        let left = loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) => self.take(line, &mut tasks).await,
                    None => break Left::SaidAll,
                },
                Some(_) = tasks.join_next() => {}
                () = self.output.closed() => break Left::Gone,
                () = &mut end => break Left::Gone,
            }
        };
        if left == Left::SaidAll {
            tokio::select! {
                // What is not answered by then is given up with the session.
                _ = timeout(LAST_ANSWERS, finish(&mut tasks)) => {}
                () = self.output.closed() => {}
                () = &mut end => {}
            }
        }
        healer.abort();
        self.replace_listener(None);
        tasks.shutdown().await;
        self.end().await;
    }

    /// Begins to serve a line. Tasks start in the order of their lines, and the gate is fair: who
    /// comes after the request for a session waits for it.
    async fn take(self: &Arc<Self>, line: Line, tasks: &mut JoinSet<()>) {
        let text = match line {
            Line::Text(text) => text,
            Line::Unusable(why) => return self.refuse(why).await,
        };
        let Some(kind) = message::kind(&text) else {
            return self.refuse("this is no JSON-RPC message").await;
        };
        if tasks.len() >= MOST_AT_ONCE {
            return self.turn_away(kind).await;
        }
        let bridge = Arc::clone(self);
        match kind {
            Kind::Initialize(id) => {
                tasks.spawn(async move { bridge.initialize(text, id).await });
            }
            Kind::Initialized => {
                tasks.spawn(async move { bridge.initialized().await });
            }
            Kind::Ping(id) => {
                tasks.spawn(async move { bridge.ping(text, id).await });
            }
            Kind::Requests(ids) => {
                let names: Vec<String> = ids.iter().map(Value::to_string).collect();
                let task = tasks.spawn(async move { bridge.serve(text, ids).await });
                self.remember(names, &task);
            }
            Kind::Cancelled(id) => {
                self.give_up(&id);
                tasks.spawn(async move { bridge.deliver(text).await });
            }
            Kind::Other => {
                tasks.spawn(async move { bridge.deliver(text).await });
            }
        }
    }

    /// Answers a ping in the server's place while there is no session.
    async fn ping(self: &Arc<Self>, text: String, id: Value) {
        if self.session().await.is_missing() {
            self.emit(message::pong(&id)).await;
        } else {
            self.serve(text, vec![id]).await;
        }
    }

    /// Hands a line to the client; false when it does not read any more.
    pub(crate) async fn emit(&self, line: String) -> bool {
        self.output.send(line).await.is_ok()
    }

    /// Tells a person of a trouble, once.
    pub(crate) fn note(&self, trouble: &Trouble) {
        let words = trouble.to_string();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() != Some(&words) {
            bridge::tell(&words);
            *told = Some(words);
        }
    }

    /// Lets the same trouble be told again, because it was gone.
    pub(crate) fn forget_trouble(&self) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Ends what was listened to, and remembers what is listened to now.
    pub(crate) fn replace_listener(&self, listener: Option<AbortHandle>) {
        let mut kept = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = kept.take() {
            before.abort();
        }
        *kept = listener;
    }

    async fn refuse(&self, why: &'static str) {
        let refusal = message::error(&Value::Null, &Trouble::NoMessage(why));
        self.emit(refusal).await;
    }

    async fn turn_away(&self, kind: Kind) {
        let ids = match kind {
            Kind::Initialize(id) | Kind::Ping(id) => vec![id],
            Kind::Requests(ids) => ids,
            Kind::Initialized | Kind::Cancelled(_) | Kind::Other => Vec::new(),
        };
        let trouble = Trouble::Server(format!("{MOST_AT_ONCE} messages are on their way already"));
        for id in &ids {
            self.emit(message::error(id, &trouble)).await;
        }
    }

    fn remember(&self, names: Vec<String>, task: &AbortHandle) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.retain(|_, task| !task.is_finished());
        requests.extend(names.into_iter().map(|name| (name, task.clone())));
    }

    /// Stops waiting for the answer to a request.
    fn give_up(&self, id: &Value) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = requests.remove(&id.to_string()) {
            task.abort();
        }
    }

    /// Tells the server that the session ends.
    async fn end(&self) {
        let session = self.session().await;
        if session.head.session.is_some() {
            let ended = self
                .exchange
                .send(&Errand::End, &session.head, Start::Never);
            // A server may keep a session as long as it likes.
            timeout(END, ended).await.ok();
        }
    }
}

async fn finish(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}
