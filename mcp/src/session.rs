//! The session with the MCP server: how it begins, how it is begun anew where the server has lost
//! it or there was no token, and what the server says within it by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::bridge::Bridge;
use crate::exchange::{Errand, Start};
use crate::http::{Body, Events, Head};
use crate::message::{self, Introduction};
use crate::relay::pause;
use crate::route::Route;
use crate::trouble::Trouble;

/// How long the first session may take to begin: clients wait ten seconds for an answer at least.
const FIRST: Duration = Duration::from_secs(8);

/// How long a session may take to begin anew.
const ANEW: Duration = Duration::from_secs(30);

/// How often it is tried whether there is a token again, while there is no session.
const HEALING: Duration = Duration::from_secs(3);

/// The longest pause between tries to reach a server.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What is known of the session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// How often it was begun, or that was tried.
    pub number: u64,
    /// What requests within it say.
    pub head: Head,
    /// The client's request for it, which begins it anew as well.
    initialize: Option<Arc<str>>,
    /// Whether the server was told that the client is ready.
    is_open: bool,
    /// Whether the client said that it is ready.
    is_client_ready: bool,
    /// What the client was told that the server can do.
    told: Introduction,
    /// Why the last try failed.
    failed: Option<Trouble>,
}

/// What a server answers to the request for a session.
struct Opened {
    answer: String,
    introduction: Option<Introduction>,
    session: Option<String>,
    route: Route,
}

impl Session {
    /// Whether the client has asked for a session, and there is none.
    pub(crate) fn is_missing(&self) -> bool {
        self.initialize.is_some() && !self.is_there()
    }

    /// Whether there is a session.
    pub(crate) fn is_there(&self) -> bool {
        self.head.server.is_some()
    }

    /// Takes over a session that a server has opened; false when it refused to.
    fn take(&mut self, opened: &Opened) -> bool {
        self.number += 1;
        self.failed = None;
        self.is_open = false;
        let Some(introduction) = &opened.introduction else {
            self.head = Head::default();
            return false;
        };
        self.head = Head {
            server: Some(opened.route.clone()),
            session: opened.session.clone(),
            protocol: introduction.protocol(),
        };
        true
    }

    fn fail(&mut self, trouble: &Trouble) {
        self.number += 1;
        self.head = Head::default();
        self.failed = Some(trouble.clone());
    }
}

impl Bridge {
    /// The session as it is now; waits while one begins.
    pub(crate) async fn session(&self) -> Session {
        self.gate.read().await.clone()
    }

    /// Begins the client's session, and answers in the server's place where that is not possible.
    pub(crate) async fn initialize(&self, text: String, id: Value) {
        let mut session = self.gate.write().await;
        session.initialize = Some(text.as_str().into());
        session.is_client_ready = false;
        let opened = timeout(FIRST, self.introduce(&text, Start::Allowed)).await;
        match opened.unwrap_or_else(|_| Err(late())) {
            Ok(opened) => {
                session.take(&opened);
                session.told = opened.introduction.unwrap_or_default();
                self.emit(opened.answer).await;
            }
            Err(trouble) => {
                session.fail(&trouble);
                let (answer, told) = message::stand_in(&text, &id, &trouble.to_string());
                session.told = told;
                self.emit(answer).await;
                self.note(&trouble);
                self.healing.notify_one();
            }
        }
    }

    /// Tells the server that the client is ready; who asks within the session waits for that.
    pub(crate) async fn initialized(self: &Arc<Self>) {
        let mut session = self.gate.write().await;
        session.is_client_ready = true;
        if !session.is_there() || session.is_open {
            return;
        }
        let opened = timeout(FIRST, self.open(&session.head)).await;
        if let Err(trouble) = opened.unwrap_or_else(|_| Err(late())) {
            // Who does not know that the client is ready serves it nothing.
            session.fail(&trouble);
            self.note(&trouble);
            self.healing.notify_one();
            return;
        }
        session.is_open = true;
        self.listen(&session);
    }

    /// A new session in the place of one that is lost or could not begin; one for all who miss it.
    pub(crate) async fn revive(
        self: &Arc<Self>,
        lost: &Session,
        start: Start,
    ) -> Result<Session, Trouble> {
        let mut session = self.gate.write().await;
        if session.number != lost.number {
            return match &session.failed {
                Some(trouble) => Err(trouble.clone()),
                None => Ok(session.clone()),
            };
        }
        let Some(initialize) = session.initialize.clone() else {
            return Err(Trouble::Lost);
        };
        let begun = timeout(ANEW, self.begin_anew(&mut session, &initialize, start)).await;
        if let Err(trouble) = begun.unwrap_or_else(|_| Err(late())) {
            session.fail(&trouble);
            self.healing.notify_one();
            return Err(trouble);
        }
        self.forget_trouble();
        if session.is_client_ready {
            for changed in session.told.changes() {
                self.emit(changed).await;
            }
        }
        Ok(session.clone())
    }

    async fn begin_anew(
        self: &Arc<Self>,
        session: &mut Session,
        initialize: &str,
        start: Start,
    ) -> Result<(), Trouble> {
        let opened = self.introduce(initialize, start).await?;
        if !session.take(&opened) {
            let told = message::told_error(&opened.answer).unwrap_or_default();
            let host = opened.route.host();
            return Err(Trouble::Server(format!("{host} refused a session: {told}")));
        }
        self.open(&session.head).await?;
        session.is_open = true;
        self.listen(session);
        Ok(())
    }

    /// Asks the server for a session.
    async fn introduce(&self, initialize: &str, start: Start) -> Result<Opened, Trouble> {
        let head = Head::default();
        let errand = Errand::Post(Bytes::copy_from_slice(initialize.as_bytes()));
        let reply = self.exchange.send(&errand, &head, start).await?;
        let reply = self.exchange.good(reply, &head).await?;
        let answer = match reply.answer.body {
            Body::Json(rest) => rest.message().await?,
            Body::Events(events) => first_answer(*events).await?,
            Body::Other => return Err(no_session()),
        };
        if message::answered(&answer).is_none_or(|ids| ids.is_empty()) {
            return Err(no_session());
        }
        let answer = self.exchange.mask().message(message::one_line(answer));
        let answer = answer.ok_or_else(no_session)?;
        Ok(Opened {
            introduction: Introduction::read(&answer),
            answer,
            session: reply.answer.session,
            route: reply.route,
        })
    }

    async fn open(&self, head: &Head) -> Result<(), Trouble> {
        let errand = Errand::Post(message::initialized().into());
        let reply = self.exchange.send(&errand, head, Start::Allowed).await?;
        self.exchange.good(reply, head).await.map(drop)
    }

    /// Listens to what the server says by itself, in place of what was listened to before.
    fn listen(self: &Arc<Self>, session: &Session) {
        let listening = Arc::clone(self).hear(session.clone());
        self.replace_listener(Some(tokio::spawn(listening).abort_handle()));
    }

    /// Forwards what the server says by itself, until it says that it says nothing.
    async fn hear(self: Arc<Self>, session: Session) {
        let mut last_event = None;
        let mut patience = pause(None);
        let mut has_waited = false;
        loop {
            let wait = match self.hear_once(&session, &mut last_event).await {
                Heard::Something(wait) => {
                    patience = pause(None);
                    wait
                }
                Heard::Nothing => patience,
                Heard::NoMore => return,
                Heard::Lost => break,
            };
            sleep(wait).await;
            has_waited = true;
            patience = (patience * 2).min(LONGEST_PAUSE);
        }
        // A session that is lost as soon as it is open would be lost again at once: the client's
        // next request begins it anew.
        if !has_waited {
            return;
        }
        // What begins it anew ends this task.
        tokio::spawn(async move { self.revive(&session, Start::Never).await });
    }

    async fn hear_once(&self, session: &Session, last_event: &mut Option<String>) -> Heard {
        let errand = Errand::Listen(last_event.clone());
        let sent = self.exchange.send(&errand, &session.head, Start::Never);
        let reply = match sent.await {
            Ok(reply) => reply,
            Err(Trouble::Lost) => return Heard::Lost,
            Err(_) => return Heard::Nothing,
        };
        match (reply.answer.status, reply.answer.body) {
            (404, _) if session.head.session.is_some() => Heard::Lost,
            (200..=299, Body::Events(events)) => self.hear_out(*events, last_event).await,
            (429 | 500..=599, _) => Heard::Nothing,
            _ => Heard::NoMore,
        }
    }

    /// Forwards a stream to its end.
    async fn hear_out(&self, mut events: Events, last_event: &mut Option<String>) -> Heard {
        let mut has_said = false;
        while let Ok(Some(event)) = events.next().await {
            has_said = true;
            let taken = self.forward_event(event, &mut Vec::new()).await;
            if !matches!(taken, Ok(true)) {
                break;
            }
        }
        if let Some(id) = events.decoder().last_id() {
            *last_event = Some(id.to_owned());
        }
        if has_said {
            Heard::Something(pause(events.decoder().retry_ms()))
        } else {
            Heard::Nothing
        }
    }

    /// Begins a session as soon as there can be one, whenever there is none.
    pub(crate) async fn heal(self: Arc<Self>) {
        loop {
            self.healing.notified().await;
            let mut patience = HEALING;
            sleep(patience).await;
            let mut session = self.session().await;
            while session.is_missing() {
                patience = match self.revive(&session, Start::Never).await {
                    // The daemon remembers what it was told, so asking it costs nobody anything.
                    Ok(_) | Err(Trouble::Denied(_)) => HEALING,
                    Err(_) => (patience * 2).min(LONGEST_PAUSE),
                };
                sleep(patience).await;
                session = self.session().await;
            }
        }
    }
}

/// What came of listening once.
enum Heard {
    /// Something was said; how long to wait before listening again.
    Something(Duration),
    /// Nothing was said, or nobody was there.
    Nothing,
    /// The server says nothing by itself.
    NoMore,
    /// The server does not know the session any more.
    Lost,
}

/// The answer in a stream that answers the request for a session.
async fn first_answer(mut events: Events) -> Result<String, Trouble> {
    while let Some(event) = events.next().await? {
        let is_answer = message::answered(&event.data).is_some_and(|ids| !ids.is_empty());
        if is_answer {
            return Ok(event.data);
        }
    }
    Err(no_session())
}

fn no_session() -> Trouble {
    Trouble::Server("the MCP server did not answer the request for a session".to_owned())
}

fn late() -> Trouble {
    Trouble::Server("the MCP server did not answer in time".to_owned())
}
