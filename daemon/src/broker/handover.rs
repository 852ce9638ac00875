//! The change to a succeeding daemon: nothing is written any more, then nothing is decided any
//! more, then everybody is sent there.

use std::sync::Arc;

use ac_cred_proto::message::{Done, Get};
use ac_cred_proto::{Denial, ErrorCode, Request, Response};

use crate::broker::job::{Finished, blocking};
use crate::broker::{Answer, Broker, Call, Reply, answer, deny};
use crate::clock::Now;
use crate::course::Course;
use crate::credential_store::CredentialStores;
use crate::handover::{Candidate, Estate, Relay, Succession};
use crate::policy::slot::{Attempt, Carried, Failure, Grant};
use crate::policy::{Moment, Span};

/// How long what is being written may keep a successor waiting.
const WRITING: Span = Span::seconds(5);

/// Where the change stands.
#[derive(Default)]
pub(crate) enum Change {
    /// Nobody wants one.
    #[default]
    None,
    /// The successor is being started.
    Starting(Reply),
    /// It has started; what is being written is waited for until then.
    Waiting(Candidate, Reply, Moment),
    /// It is being told everything, and nothing is decided here.
    Frozen(Reply),
    /// It serves.
    Over(Relay),
}

/// What the broker has put off, or has for its successor.
#[derive(Default)]
pub(crate) struct Handover {
    pub(crate) change: Change,
    /// Calls that wait for the end of the change, and since when.
    held: Vec<(Moment, Call)>,
    /// Ends of exchanges that wait for it.
    ended: Vec<(Attempt, Result<Grant, Failure>)>,
}

impl Handover {
    /// The moment at which waiting for what is being written ends.
    pub(crate) fn patience_ends(&self) -> Option<Moment> {
        match &self.change {
            Change::Waiting(_, _, until) => Some(*until),
            Change::None | Change::Starting(_) | Change::Frozen(_) | Change::Over(_) => None,
        }
    }

    /// Whether nothing is decided here now.
    pub(crate) fn is_frozen(&self) -> bool {
        matches!(self.change, Change::Frozen(_) | Change::Over(_))
    }

    /// Whether a successor serves.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.change, Change::Over(_))
    }
}

impl Broker {
    pub(crate) fn restart(&mut self, reply: Reply) {
        if !matches!(self.handover.change, Change::None) {
            let why = "another call is restarting the daemon";
            return deny(reply, Denial::new(ErrorCode::Busy, why));
        }
        self.handover.change = Change::Starting(reply);
        self.jobs.spawn(begin(self.succession.clone()));
    }

    /// Puts a call off, or sends it to the successor, where a change of daemons demands it.
    pub(crate) fn held_back(&mut self, call: Call, now: Now) -> Option<Call> {
        match &self.handover.change {
            Change::Over(_) => {
                let asked = call.asked.unwrap_or(now.moment);
                answer(call.reply, elsewhere(call.request, asked));
            }
            Change::Frozen(_) => self.handover.held.push((now.moment, call)),
            Change::Waiting(..) if is_written(&call.request) => {
                self.handover.held.push((now.moment, call));
            }
            Change::None | Change::Starting(_) | Change::Waiting(..) => return Some(call),
        }
        None
    }

    /// Goes on with a successor that has been started, or could not be.
    pub(crate) fn started(&mut self, started: Result<Box<Candidate>, Denial>, now: Now) {
        let Change::Starting(reply) = std::mem::take(&mut self.handover.change) else {
            return;
        };
        match started {
            Ok(candidate) => {
                let until = now.moment.after(WRITING);
                self.handover.change = Change::Waiting(*candidate, reply, until);
                self.freeze_when_quiet(now);
            }
            Err(denial) => self.stay(reply, denial, now),
        }
    }

    /// Tells the successor everything once nothing is being written, or gives up.
    pub(crate) fn freeze_when_quiet(&mut self, now: Now) {
        let Some(until) = self.handover.patience_ends() else {
            return;
        };
        let exchanges = self.attempts.len().saturating_sub(self.inherited.len());
        let is_quiet = self.jobs.len() <= exchanges;
        if !is_quiet && now.moment < until {
            return;
        }
        let Change::Waiting(candidate, reply, _) = std::mem::take(&mut self.handover.change) else {
            return;
        };
        if !is_quiet {
            let why = "a login or another change is under way";
            return self.stay(reply, Denial::new(ErrorCode::Busy, why), now);
        }
        self.handover.change = Change::Frozen(reply);
        let stores = Arc::clone(&self.tools.stores);
        self.jobs.spawn(give(candidate, self.estate(), stores));
    }

    fn estate(&self) -> Estate {
        let (default, settings) = self.settings.unsaved();
        Estate {
            last_number: self.last_number,
            last_used: Some(self.idle.used()),
            warned: self.warned.clone(),
            default,
            settings,
            slots: self
                .slots
                .iter()
                .map(|(org, slot)| (org.clone(), Carried::from(&**slot)))
                .collect(),
            under_way: self
                .attempts
                .iter()
                .map(|(attempt, org)| (*attempt, org.clone()))
                .collect(),
        }
    }

    /// Sends everybody to the successor, or serves on.
    pub(crate) fn given(&mut self, given: Result<Relay, Denial>, now: Now) {
        let Change::Frozen(reply) = std::mem::take(&mut self.handover.change) else {
            return;
        };
        let relay = match given {
            Ok(relay) => relay,
            Err(denial) => return self.stay(reply, denial, now),
        };
        tracing::info!("a successor serves");
        self.handover.change = Change::Over(relay.clone());
        for (attempt, result) in std::mem::take(&mut self.handover.ended) {
            self.pass_on(attempt, result);
        }
        if let Some(pid) = relay.pid() {
            self.life.supervisor.tell(&format!("MAINPID={pid}"));
        }
        let was_told_to_end = self
            .course
            .send_replace(Course::Moved(relay.clone()))
            .is_over();
        if was_told_to_end {
            relay.end_successor();
        }
        answer(reply, Answer::One(Response::Done(Done {})));
        for (since, call) in std::mem::take(&mut self.handover.held) {
            let waited = since.until(now.moment);
            let request = shortened(call.request, waited);
            answer(call.reply, elsewhere(request, call.asked.unwrap_or(since)));
        }
        for (_, waiting) in std::mem::take(&mut self.callers) {
            let get = Get {
                wait_ms: milliseconds(now.moment.until(waiting.deadline)),
                ..waiting.question
            };
            answer(waiting.reply, elsewhere(Request::Get(get), waiting.asked));
        }
        self.slots.clear();
        self.wakeups.clear();
    }

    /// Serves on without a successor.
    fn stay(&mut self, reply: Reply, denial: Denial, now: Now) {
        tracing::warn!(error = %denial.error, "not restarted: {}", denial.message);
        deny(reply, denial);
        for (attempt, result) in std::mem::take(&mut self.handover.ended) {
            self.settle(attempt, result, now);
        }
        for (_, call) in std::mem::take(&mut self.handover.held) {
            self.take_one(call, now);
        }
        let all: Vec<_> = self.slots.keys().cloned().collect();
        for org in all {
            self.attend(&org, now);
        }
        self.abandon_inherited(now);
    }

    /// Takes the end of an exchange, unless a change of daemons puts it off or takes it elsewhere.
    pub(crate) fn exchanged(&mut self, attempt: Attempt, result: Result<Grant, Failure>, now: Now) {
        match &self.handover.change {
            Change::Over(_) => self.pass_on(attempt, result),
            Change::Frozen(_) => self.handover.ended.push((attempt, result)),
            Change::None | Change::Starting(_) | Change::Waiting(..) => {
                self.settle(attempt, result, now);
            }
        }
    }

    fn pass_on(&mut self, attempt: Attempt, result: Result<Grant, Failure>) {
        self.attempts.remove(&attempt);
        if let Change::Over(relay) = &self.handover.change {
            relay.exchanged(attempt, result);
        }
    }

    /// Takes the end of an exchange that the daemon before this one had begun.
    pub(crate) fn inherited(&mut self, came: Option<(Attempt, Result<Grant, Failure>)>) {
        let now = self.clock.now();
        if let Some((attempt, result)) = came {
            self.inherited.remove(&attempt);
            self.exchanged(attempt, result, now);
        } else {
            self.predecessor = None;
            self.abandon_inherited(now);
        }
    }

    /// Begins anew what a daemon had begun that is gone.
    fn abandon_inherited(&mut self, now: Now) {
        if self.predecessor.is_some() || self.handover.is_frozen() {
            return;
        }
        for attempt in std::mem::take(&mut self.inherited) {
            let Some(org) = self.attempts.remove(&attempt) else {
                continue;
            };
            if let Some(slot) = self.slots.get_mut(&org) {
                slot.abandon(attempt, now.moment);
            }
            self.attend(&org, now);
        }
    }

    /// Whether nothing is left to be done when nobody can call any more.
    pub(crate) fn has_parted(&self) -> bool {
        let waits = self.predecessor.is_some() && !self.inherited.is_empty();
        match &self.handover.change {
            Change::Frozen(_) => false,
            Change::Over(_) => self.jobs.is_empty() && !waits,
            Change::None | Change::Starting(_) | Change::Waiting(..) => true,
        }
    }
}

/// Starts a successor.
async fn begin(succession: Succession) -> Finished {
    let begun = blocking(move || succession.begin()).await;
    Finished::Started(begun.map(Box::new))
}

/// Tells a successor everything.
async fn give(candidate: Candidate, estate: Estate, stores: Arc<CredentialStores>) -> Finished {
    Finished::Given(blocking(move || candidate.give(estate, &stores)).await)
}

/// Whether a request leads to something that is written, or to an exchange that a person waits for.
fn is_written(request: &Request) -> bool {
    match request {
        Request::Get(_)
        | Request::Reject(_)
        | Request::List(_)
        | Request::Status(_)
        | Request::Destination(_)
        | Request::Watch(_)
        | Request::Audit(_)
        | Request::Check(_)
        | Request::Restart(_)
        | Request::Stop(_) => false,
        Request::Login(_)
        | Request::Move(_)
        | Request::Logout(_)
        | Request::Rename(_)
        | Request::Use(_)
        | Request::Unlock(_)
        | Request::ChangePassphrase(_)
        | Request::Lock(_) => true,
    }
}

fn elsewhere(request: Request, asked: Moment) -> Answer {
    Answer::Elsewhere(Box::new(request), asked)
}

/// A request of one who has waited already.
fn shortened(mut request: Request, waited: Span) -> Request {
    let waited = milliseconds(waited);
    match &mut request {
        Request::Get(get) => get.wait_ms = get.wait_ms.saturating_sub(waited),
        Request::Reject(reject) => reject.wait_ms = reject.wait_ms.saturating_sub(waited),
        Request::Login(login) => login.wait_ms = login.wait_ms.saturating_sub(waited),
        Request::Move(other) => other.wait_ms = other.wait_ms.saturating_sub(waited),
        Request::Check(check) => check.wait_ms = check.wait_ms.saturating_sub(waited),
        Request::Logout(_)
        | Request::Rename(_)
        | Request::Use(_)
        | Request::List(_)
        | Request::Status(_)
        | Request::Unlock(_)
        | Request::Lock(_)
        | Request::ChangePassphrase(_)
        | Request::Watch(_)
        | Request::Audit(_)
        | Request::Destination(_)
        | Request::Restart(_)
        | Request::Stop(_) => {}
    }
    request
}

fn milliseconds(span: Span) -> u32 {
    u32::try_from(span.0).unwrap_or(u32::MAX)
}
