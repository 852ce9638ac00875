//! A request of the client's on its way to the server, and all that comes back for it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::bridge::Bridge;
use crate::event_stream::Event;
use crate::exchange::{Errand, Start};
use crate::http::{Body, Events, Head};
use crate::message;
use crate::session::Session;
use crate::trouble::Trouble;

/// The most bytes of a stream that answers one request.
const MAX_STREAM: usize = 8 * message::MAX_MESSAGE;

/// How often a stream that ends without an answer is resumed: a server may close it and be asked
/// again as long as it works.
const MAX_RESUMES: u32 = 1_000;

/// How long to wait before a stream is resumed, where the server does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest wait that a server can ask for, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 30_000;

/// How long to wait before a stream is resumed.
pub(crate) fn pause(retry_ms: Option<u64>) -> Duration {
    retry_ms.map_or(PAUSE, |ms| {
        Duration::from_millis(ms.clamp(100, LONGEST_PAUSE_MS))
    })
}

impl Bridge {
    /// Passes requests on and brings back what answers them; each of them is answered.
    pub(crate) async fn serve(self: &Arc<Self>, text: String, mut ids: Vec<Value>) {
        if let Err(trouble) = self.relay(&text, &mut ids).await {
            self.note(&trouble);
            for id in &ids {
                self.emit(message::error(id, &trouble)).await;
            }
        }
    }

    /// Passes on what has no answer.
    pub(crate) async fn deliver(self: &Arc<Self>, text: String) {
        if let Err(trouble) = self.relay(&text, &mut Vec::new()).await {
            self.note(&trouble);
        }
    }

    /// Passes a text on within the session, which is begun anew where the server has lost it; what
    /// is answered is taken out of `awaited`.
    async fn relay(self: &Arc<Self>, text: &str, awaited: &mut Vec<Value>) -> Result<(), Trouble> {
        let message = Bytes::copy_from_slice(text.as_bytes());
        let mut session = self.session().await;
        let mut is_new = false;
        if session.is_missing() {
            session = self.revive(&session, Start::Allowed).await?;
            is_new = true;
        }
        loop {
            match self.pass_on(message.clone(), text, awaited, &session).await {
                Err(Trouble::Lost) if !is_new => {
                    session = self.revive(&session, Start::Allowed).await?;
                    is_new = true;
                }
                done => return done,
            }
        }
    }

    async fn pass_on(
        &self,
        message: Bytes,
        text: &str,
        awaited: &mut Vec<Value>,
        session: &Session,
    ) -> Result<(), Trouble> {
        let mut head = session.head.clone();
        if head.protocol.is_none() {
            head.protocol = message::own_protocol(text);
        }
        let reply = self
            .exchange
            .send(&Errand::Post(message), &head, Start::Allowed)
            .await?;
        let reply = self.exchange.good(reply, &head).await?;
        let host = reply.route.host().to_owned();
        match reply.answer.body {
            _ if awaited.is_empty() => Ok(()),
            Body::Json(rest) => {
                let answer = rest.message().await?;
                if !self.forward(answer.clone(), awaited).await? || awaited.is_empty() {
                    return Ok(());
                }
                let told = self.exchange.mask().message(answer);
                let told = told.and_then(|answer| message::told_error(&answer));
                Err(Trouble::Server(match told {
                    Some(told) => format!("{host} refused it: {told}"),
                    None => format!("{host} answered another question"),
                }))
            }
            Body::Events(events) => self.follow(*events, awaited, &head).await,
            Body::Other => Err(Trouble::Server(format!("{host} answered nothing"))),
        }
    }

    /// Forwards the events of a stream until all that is awaited is answered; a stream that ends
    /// before is resumed where it can be.
    async fn follow(
        &self,
        mut events: Events,
        awaited: &mut Vec<Value>,
        head: &Head,
    ) -> Result<(), Trouble> {
        let mut left = MAX_STREAM;
        for _ in 0..MAX_RESUMES {
            let ended = match self.drain(&mut events, awaited, &mut left).await {
                Err(Trouble::Broken(why)) => Trouble::Broken(why),
                done => return done,
            };
            let decoder = events.decoder();
            let Some(last_event) = decoder.last_id().map(str::to_owned) else {
                return Err(ended);
            };
            tokio::time::sleep(pause(decoder.retry_ms())).await;
            events = self.resume(last_event, head).await?;
        }
        Err(without_answer())
    }

    /// Forwards what a stream holds until all is answered or the client is gone, at most `left`
    /// bytes; fails at its end.
    async fn drain(
        &self,
        events: &mut Events,
        awaited: &mut Vec<Value>,
        left: &mut usize,
    ) -> Result<(), Trouble> {
        while let Some(event) = events.next().await? {
            let Some(rest) = left.checked_sub(event.data.len()) else {
                return Err(Trouble::Server(
                    "the MCP server sent more than 64 MiB and no answer".to_owned(),
                ));
            };
            *left = rest;
            if !self.forward_event(event, awaited).await? || awaited.is_empty() {
                return Ok(());
            }
        }
        Err(without_answer())
    }

    async fn resume(&self, last_event: String, head: &Head) -> Result<Events, Trouble> {
        let errand = Errand::Listen(Some(last_event));
        let reply = self.exchange.send(&errand, head, Start::Allowed).await?;
        let reply = self.exchange.good(reply, head).await?;
        match reply.answer.body {
            Body::Events(events) => Ok(*events),
            Body::Json(_) | Body::Other => Err(without_answer()),
        }
    }

    /// Forwards the message of an event, where it holds one.
    pub(crate) async fn forward_event(
        &self,
        event: Event,
        awaited: &mut Vec<Value>,
    ) -> Result<bool, Trouble> {
        if is_message(&event) {
            self.forward(event.data, awaited).await
        } else {
            Ok(true)
        }
    }

    /// Hands the server's message to the client, and takes the ids that it answers out of `awaited`;
    /// false when the client is gone.
    async fn forward(&self, text: String, awaited: &mut Vec<Value>) -> Result<bool, Trouble> {
        let no_message = || Trouble::Server("the MCP server sent what is no message".to_owned());
        let answered = message::answered(&text).ok_or_else(no_message)?;
        let text = self.exchange.mask().message(message::one_line(text));
        let text = text.ok_or_else(no_message)?;
        awaited.retain(|id| !answered.contains(id));
        Ok(self.emit(text).await)
    }
}

/// Whether an event holds a message.
fn is_message(event: &Event) -> bool {
    matches!(event.kind.as_str(), "" | "message") && !event.data.is_empty()
}

fn without_answer() -> Trouble {
    Trouble::Broken("the stream ended without an answer".to_owned())
}
