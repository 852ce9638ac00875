//! One request to the MCP server with the token of the moment, which is replaced once where the
//! server refuses it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ac_cred::bridge::{self, Chosen, Passage};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::{Denial, ErrorCode, Org};
use bytes::Bytes;

use crate::http::{Answer, Body, Head, Remote};
use crate::mask::Mask;
use crate::message;
use crate::route::Route;
use crate::trouble::Trouble;

/// How long the daemon may take.
const DAEMON_WAIT: Duration = Duration::from_secs(8);

/// What is asked of the MCP server.
#[derive(Clone, Debug)]
pub enum Errand {
    /// To take a message.
    Post(Bytes),
    /// To say what it has to say, after the event with this id where there was one.
    Listen(Option<String>),
    /// To end the session.
    End,
}

/// Whether a daemon may be started for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Somebody waits for the answer.
    Allowed,
    /// Nobody does.
    Never,
}

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// The way on which it was asked for.
    pub route: Route,
}

/// The way from a request to its answer.
#[derive(Debug)]
pub struct Exchange {
    chosen: Chosen,
    /// The URL that is meant instead of the organization's own.
    url: Option<String>,
    /// The organization, once it is known: it stays the same, whatever becomes the default.
    organization: Mutex<Option<Org>>,
    remote: Mutex<Option<Remote>>,
    mask: Mask,
}

impl Exchange {
    /// Requests for an organization, to another URL than its own where one is given.
    #[must_use]
    pub fn new(chosen: Chosen, url: Option<String>) -> Self {
        Self {
            chosen,
            url,
            organization: Mutex::default(),
            remote: Mutex::default(),
            mask: Mask::default(),
        }
    }

    /// What hides the tokens that were sent.
    #[must_use]
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Sends an errand with the token of the moment, and once more with a new one where that is
    /// refused.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where there is no token, or no answer; [`Trouble::Lost`] where the organization
    /// has moved to another server than the one that keeps the session.
    pub async fn send(&self, errand: &Errand, head: &Head, start: Start) -> Result<Reply, Trouble> {
        let (token, remote) = self.passage(None, head, start).await?;
        let answer = self.carry(errand, head, &token, &remote).await?;
        if answer.status != 401 {
            return Ok(Reply {
                answer,
                route: remote.route().clone(),
            });
        }
        let (token, remote) = self.passage(Some(token), head, start).await?;
        let answer = self.carry(errand, head, &token, &remote).await?;
        if answer.status == 401 {
            return Err(self.refused(remote.route().host()));
        }
        Ok(Reply {
            answer,
            route: remote.route().clone(),
        })
    }

    /// The answer where it is a good one.
    ///
    /// # Errors
    ///
    /// [`Trouble::Lost`] where the session is not known any more, and otherwise what the server says
    /// or its status means.
    pub async fn good(&self, reply: Reply, head: &Head) -> Result<Reply, Trouble> {
        let host = reply.route.host();
        let status = reply.answer.status;
        let why = match status {
            200..=299 => return Ok(reply),
            404 if head.session.is_some() => return Err(Trouble::Lost),
            300..=399 => {
                format!("{host} answered with a redirect ({status}), which is not followed")
            }
            _ => format!("{host} answered {status}"),
        };
        let told = match reply.answer.body {
            Body::Json(rest) => rest.reason().await.ok(),
            Body::Events(_) | Body::Other => None,
        };
        let told = told
            .and_then(|body| self.mask.message(body))
            .and_then(|body| message::told_error(&body));
        Err(Trouble::Server(match told {
            Some(told) => format!("{why}: {told}"),
            None => why,
        }))
    }

    async fn carry(
        &self,
        errand: &Errand,
        head: &Head,
        token: &SessionToken,
        remote: &Remote,
    ) -> Result<Answer, Trouble> {
        self.mask.remember(token);
        match errand {
            Errand::Post(message) => remote.post(message.clone(), token, head).await,
            Errand::Listen(last_event) => remote.listen(last_event.as_deref(), token, head).await,
            Errand::End => remote.end(token, head).await,
        }
    }

    /// A token, in place of a refused one where there is one, and the server to which it may be sent.
    async fn passage(
        &self,
        refused: Option<SessionToken>,
        head: &Head,
        start: Start,
    ) -> Result<(SessionToken, Remote), Trouble> {
        let known = lock(&self.organization).clone();
        let organization = match known {
            Some(known) => Some(known),
            None => self.chosen.named()?,
        };
        let asked = tokio::task::spawn_blocking(move || {
            let may_start = start == Start::Allowed;
            bridge::passage(
                organization.as_ref(),
                refused.as_ref(),
                may_start,
                DAEMON_WAIT,
            )
        });
        let asked = asked.await.unwrap_or_else(|_| {
            let message = "asking the daemon failed";
            Err(Denial::new(ErrorCode::Internal, message))
        });
        let Passage { lease, destination } = asked?;
        let route = Route::new(&destination, self.url.as_deref())?;
        if head.server.as_ref().is_some_and(|server| *server != route) {
            return Err(Trouble::Lost);
        }
        lock(&self.organization).get_or_insert(destination.organization);
        Ok((lease.access_token, self.remote(route).await?))
    }

    /// The server at the end of a way; its connections are kept while the way stays the same.
    async fn remote(&self, route: Route) -> Result<Remote, Denial> {
        let kept = lock(&self.remote).clone();
        if let Some(kept) = kept.filter(|kept| *kept.route() == route) {
            return Ok(kept);
        }
        let remote = Remote::new(route).await?;
        *lock(&self.remote) = Some(remote.clone());
        Ok(remote)
    }

    /// The refusal of a server that takes no token of the organization.
    fn refused(&self, host: &str) -> Trouble {
        let organization = lock(&self.organization).clone();
        let name = organization.as_ref().map_or("ORG", Org::as_str);
        let message = format!("{host} refused the session token of {name}, and a new one as well");
        let denial = Denial::new(ErrorCode::CredentialRefused, message);
        Trouble::Denied(denial.hint(format!("ac-cred login {name}")))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
