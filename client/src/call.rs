//! How a command gets its answer: the daemon is found or started, asked, and asked once more if it
//! ended meanwhile.

use std::time::Duration;

use ac_cred_proto::message::{Destination, DestinationOf, Get, Lease, Reject};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::{Denial, Org, Request, Response};

use crate::deadline::Deadline;
use crate::failure::no_daemon;
use crate::launch;
use crate::link::{Broken, Link};

/// What a command may do to get its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Whether it starts a daemon where there is none.
    pub(crate) starts: bool,
    /// Whether it may be asked twice.
    pub(crate) repeats: bool,
    /// Whether this process becomes a program that is to have its caller's descriptors.
    pub(crate) becomes_another: bool,
}

/// One call with its budget.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    reach: Reach,
    deadline: Deadline,
}

impl Call {
    /// Begins a call that takes at most `wait`.
    pub(crate) fn new(reach: Reach, wait: Duration) -> Self {
        Self {
            reach,
            deadline: Deadline::after(wait),
        }
    }

    /// The answer to a request, which is made from the milliseconds that are left for it.
    pub(crate) fn answer(&self, request: impl Fn(u32) -> Request) -> Result<Response, Denial> {
        self.converse(|link| link.ask(&request(self.deadline.left_ms())))?
            .ok_or_else(no_daemon_runs)
    }

    /// The organization's token of the moment, or one that replaces `refused`, and where it may be
    /// sent.
    pub(crate) fn passage(
        &self,
        organization: Option<&Org>,
        refused: Option<&SessionToken>,
    ) -> Result<(Lease, Destination), Denial> {
        let organization = organization.cloned();
        let wait_ms = self.deadline.left_ms();
        let token = match refused.cloned() {
            Some(token) => Request::Reject(Reject {
                organization: organization.clone(),
                token: Some(token),
                wait_ms,
            }),
            None => Request::Get(Get {
                organization: organization.clone(),
                // The daemon's own wish is five minutes; a demand would turn down a token that the
                // server still takes while the Auth API is away.
                min_ttl: None,
                refresh: false,
                wait_ms,
            }),
        };
        let destination = Request::Destination(DestinationOf { organization });
        let answers = self.converse(|link| Ok((link.ask(&token)?, link.ask(&destination)?)))?;
        match answers.ok_or_else(no_daemon_runs)? {
            (Response::Lease(lease), Response::Destination(destination))
                if lease.organization == destination.organization =>
            {
                Ok((*lease, *destination))
            }
            _ => Err(beside_the_question()),
        }
    }

    /// Asks for what is only to be done.
    pub(crate) fn done(&self, request: &Request) -> Result<(), Denial> {
        let is_done = self.done_where_one_runs(request)?;
        is_done.then_some(()).ok_or_else(no_daemon_runs)
    }

    /// The same; false when there is no daemon, and none may be started.
    pub(crate) fn done_where_one_runs(&self, request: &Request) -> Result<bool, Denial> {
        match self.converse(|link| link.ask(request))? {
            Some(Response::Done(_)) => Ok(true),
            Some(_) => Err(beside_the_question()),
            None => Ok(false),
        }
    }

    /// All answers to a request, each of which `belongs` to it; `None` when there is no daemon, and none may be started.
    pub(crate) fn answers(
        &self,
        request: &Request,
        belongs: fn(&Response) -> bool,
    ) -> Result<Option<Vec<Response>>, Denial> {
        self.converse(|link| link.ask_all(request, belongs))
    }

    fn converse<T>(
        &self,
        talk: impl Fn(&mut Link) -> Result<T, Broken>,
    ) -> Result<Option<T>, Denial> {
        let mut may_repeat = self.reach.repeats;
        loop {
            let Some(mut link) = self.link()? else {
                return Ok(None);
            };
            match talk(&mut link) {
                Ok(answer) => return Ok(Some(answer)),
                Err(Broken::Closed) if may_repeat => may_repeat = false,
                Err(broken) => return Err(broken.into()),
            }
        }
    }

    fn link(&self) -> Result<Option<Link>, Denial> {
        match Link::find(self.deadline)? {
            None if self.reach.starts && self.reach.becomes_another => {
                launch::start_apart(self.deadline).map(Some)
            }
            None if self.reach.starts => launch::start(self.deadline).map(Some),
            found => Ok(found),
        }
    }
}

/// The refusal of what needs a daemon that may not be started.
pub(crate) fn no_daemon_runs() -> Denial {
    no_daemon("no daemon is running").hint("ac-cred daemon start")
}

/// The refusal of an answer to another question.
pub(crate) fn beside_the_question() -> Denial {
    Broken::Unasked.into()
}
