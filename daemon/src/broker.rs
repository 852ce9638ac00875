//! The one task that owns every slot: it takes calls, starts exchanges, and answers.
//!
//! It awaits nothing but its own `select!`: what blocks or takes time is a job, and a job's end is
//! an event.

pub use self::parts::{Answer, Call, Identity, Parts, Reply};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::{Done, End, Get};
use ac_cred_proto::settings::{OrgSettings, Settings, Store};
use ac_cred_proto::{Denial, Org, Request, Response};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::broker::changing::Changing;
use crate::broker::handover::Handover;
use crate::broker::job::{Finished, Tools};
use crate::broker::life::Life;
use crate::broker::watchers::Watchers;
use crate::clock::{Clock, Now};
use crate::course::Course;
use crate::handover::Succession;
use crate::policy::idle::Idle;
use crate::policy::slot::{Answers, Attempt, Failure, Grant, Slot, Ticket};
use crate::policy::{Moment, Span};
use crate::settings_file::SettingsFile;

pub mod change;
mod changing;
pub mod check;
mod handover;
pub mod idle;
pub mod job;
mod life;
pub mod login;
mod parts;
pub mod passphrase;
pub mod place;
pub mod rename;
pub mod report;
pub mod token;
mod watchers;

/// The longest sleep of the broker: a timer may oversleep a suspended machine, so decisions are
/// made on the clock and this often at least.
const LONGEST_SLEEP: Span = Span::seconds(30);

/// How many calls are taken at a time: all of them were there before the clock and the settings are
/// looked at, once for all.
const BATCH: usize = 64;

/// A caller that waits, with its question in the form in which another daemon can be asked it.
struct Waiting {
    reply: Reply,
    question: Get,
    asked: Moment,
    deadline: Moment,
}

/// Where the ends of the exchanges come from that the daemon before this one had begun.
type Predecessor = mpsc::UnboundedReceiver<(Attempt, Result<Grant, Failure>)>;

/// The state of the daemon.
pub struct Broker {
    clock: Arc<dyn Clock>,
    tools: Tools,
    settings: SettingsFile,
    identity: Identity,
    course: watch::Sender<Course>,
    succession: Succession,
    handover: Handover,
    life: Life,
    /// The ends of exchanges that the daemon before this one had begun, while it lives.
    predecessor: Option<Predecessor>,
    /// The exchanges that it has not ended.
    inherited: BTreeSet<Attempt>,
    /// In boxes, as a third of a map is room that is not used yet.
    slots: BTreeMap<Org, Box<Slot>>,
    callers: BTreeMap<Ticket, Waiting>,
    attempts: BTreeMap<Attempt, Org>,
    /// The attempts whose credential is still being read from this store.
    reading: BTreeMap<Attempt, Store>,
    /// The newest login of each organization whose login is under way.
    logins: BTreeMap<Org, u64>,
    changing: Changing,
    jobs: JoinSet<Finished>,
    wakeups: BTreeSet<(Moment, Org)>,
    watchers: Watchers,
    swept: Moment,
    last_number: u64,
    /// Since when nobody has used the daemon.
    idle: Idle,
    /// When a person was last told that a credential ends soon.
    warned: BTreeMap<Org, Moment>,
}

impl Broker {
    /// A broker that begins with what it has inherited.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let swept = parts.clock.now().moment;
        let (estate, predecessor) = parts.inherited.map_or_else(Default::default, |inherited| {
            (inherited.estate, Some(inherited.exchanged))
        });
        Self {
            clock: Arc::clone(&parts.clock),
            tools: Tools::new(
                parts.auth_api,
                parts.stores,
                parts.settings.path().to_owned(),
            ),
            settings: parts.settings,
            identity: parts.identity,
            course: parts.course,
            succession: parts.succession,
            handover: Handover::default(),
            life: Life::new(parts.supervisor, parts.idle, swept),
            predecessor,
            inherited: estate
                .under_way
                .iter()
                .map(|(attempt, _)| *attempt)
                .collect(),
            slots: estate
                .slots
                .into_iter()
                .map(|(org, carried)| (org, Box::new(Slot::from(carried))))
                .collect(),
            callers: BTreeMap::new(),
            attempts: estate.under_way.into_iter().collect(),
            reading: BTreeMap::new(),
            logins: BTreeMap::new(),
            changing: Changing::default(),
            jobs: JoinSet::new(),
            wakeups: BTreeSet::new(),
            watchers: Watchers::default(),
            swept,
            last_number: estate.last_number,
            idle: Idle::since(estate.last_used.unwrap_or(swept)),
            warned: estate.warned,
        }
    }

    /// Serves calls until nobody can call any more.
    pub async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        self.resume();
        let mut batch = Vec::with_capacity(BATCH);
        let mut is_called = true;
        self.mend();
        loop {
            if !is_called && self.has_parted() {
                break;
            }
            let sleep = Duration::from_millis(self.sleep().0);
            tokio::select! {
                taken = calls.recv_many(&mut batch, BATCH), if is_called => match taken {
                    0 => is_called = false,
                    _ => self.take(batch.drain(..)),
                },
                Some(finished) = self.jobs.join_next() => self.join(finished),
                came = next_end(&mut self.predecessor) => self.inherited(came),
                () = tokio::time::sleep(sleep) => self.wake(),
            }
            // One sender is the hall's, each connection has another.
            self.live(calls.sender_strong_count() > 1);
            self.freeze_when_quiet(self.clock.now());
        }
        self.jobs.shutdown().await;
        if self.handover.is_over() {
            self.tools.stores.lock();
        }
    }

    fn take(&mut self, calls: impl Iterator<Item = Call>) {
        let now = self.clock.now();
        // What is half written is taken over when it is whole.
        if self.changing.is_empty() {
            self.refresh_settings();
        }
        self.lock_if_idle(now);
        for call in calls {
            self.take_one(call, now);
        }
    }

    fn take_one(&mut self, call: Call, now: Now) {
        let Some(call) = self.held_back(call, now) else {
            return;
        };
        let Call {
            request,
            asked,
            reply,
        } = call;
        self.note_use(&request, now);
        match request {
            Request::Get(_) | Request::Reject(_) if self.tools.stores.file().is_shut() => {
                deny(reply, change::locked());
            }
            Request::Get(get) => self.get(&get, (reply, asked), now),
            Request::Reject(reject) => self.reject(&reject, (reply, asked), now),
            Request::Login(login) => self.login(*login, reply, now),
            Request::Logout(logout) => self.logout(&logout, reply),
            Request::Rename(rename) => self.rename(rename, reply),
            Request::Use(chosen) => self.choose_default(&chosen, reply),
            Request::List(_) => answer(reply, self.list()),
            Request::Status(status) => answer(reply, self.status(&status, now)),
            Request::Unlock(unlock) => self.unlock(unlock, reply),
            Request::ChangePassphrase(change) => self.change_passphrase(change, reply),
            Request::Lock(lock) => self.lock(lock, reply),
            Request::Watch(watch) => self.watch(&watch, reply, now),
            Request::Check(asked) => self.check(&asked, reply),
            Request::Destination(asked) => answer(reply, self.destination(&asked)),
            // The connection answers it, as it knows who calls.
            Request::Audit(_) => answer(reply, Answer::Many(vec![Response::End(End {})])),
            Request::Move(wanted) => self.move_credential(wanted, reply, now),
            Request::Stop(_) => {
                answer(reply, Answer::One(Response::Done(Done {})));
                self.course.send_if_modified(Course::end);
            }
            Request::Restart(_) => self.restart(reply),
        }
    }

    fn join(&mut self, joined: Result<Finished, JoinError>) {
        match joined {
            Ok(finished) => self.finish(finished),
            Err(error) => {
                tracing::error!(panicked = error.is_panic(), "a job was lost");
                // Whose it was cannot be told; nothing else waits for its end.
                self.changing.clear();
                self.logins.clear();
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        let now = self.clock.now();
        match finished {
            Finished::Exchanged(attempt, result) => self.exchanged(attempt, result, now),
            Finished::Prepared(attempt, prepared) => self.prepared(attempt, prepared, now),
            Finished::Placed(placed) => self.found_place(*placed, now),
            Finished::Proved(proved) => self.proved(*proved, now),
            Finished::Changed(changed) => self.changed(*changed, now),
            Finished::Unlocked(reply, opened) => self.unlocked(reply, opened),
            Finished::Answered(reply, told) => answer(reply, told),
            Finished::Started(started) => self.started(started, now),
            Finished::Given(given) => self.given(given, now),
        }
    }

    /// Does what has become due.
    fn wake(&mut self) {
        let now = self.clock.now();
        while let Some((_, org)) = self
            .wakeups
            .first()
            .filter(|(due, _)| *due <= now.moment)
            .cloned()
        {
            self.wakeups.pop_first();
            let unanswered = self.unanswered(&org);
            if let Some(slot) = self.slots.get_mut(&org) {
                let answers = slot.tick(now.moment, &unanswered);
                self.give(&org, answers, now);
                self.attend(&org, now);
            }
        }
        self.tell_aged(now);
        self.lock_if_idle(now);
        if self.swept.until(now.moment) >= LONGEST_SLEEP {
            self.sweep(now);
        }
    }

    /// Forgets tokens that have expired and slots that hold nothing.
    fn sweep(&mut self, now: Now) {
        self.swept = now.moment;
        let known = self.settings.settings().ok();
        let is_known =
            |org: &Org| known.is_none_or(|settings| settings.organizations.contains_key(org));
        self.slots.retain(|org, slot| {
            slot.drop_expired(now.moment);
            !slot.is_idle() || is_known(org)
        });
    }

    fn sleep(&self) -> Span {
        let sweep = self.swept.after(LONGEST_SLEEP);
        let due = self
            .wakeups
            .first()
            .map(|(due, _)| *due)
            .into_iter()
            .chain(self.watchers.next())
            .chain(self.idle_end())
            .chain(self.handover.patience_ends())
            .chain(self.life.next())
            .fold(sweep, Moment::min);
        self.clock.now().moment.until(due)
    }

    /// Reads the settings again where they have changed, and lets go of what the old ones brought,
    /// but for organizations whose change is being written.
    fn refresh_settings(&mut self) {
        let Some(before) = self.settings.refresh() else {
            return;
        };
        let Ok(after) = self.settings.settings() else {
            return;
        };
        let differs = |org: &&Org| {
            !self.changing.contains(org) && exchanges_differ(&before, after, org.as_str())
        };
        let touched: Vec<Org> = self.slots.keys().filter(differs).cloned().collect();
        let now = self.clock.now();
        for org in touched {
            self.let_go(&org, now);
        }
    }

    /// Drops the token of an organization whose settings have changed or gone.
    fn let_go(&mut self, org: &Org, now: Now) {
        let gone = match self.settings.settings() {
            Ok(settings) if !settings.organizations.contains_key(org) => {
                Some(settings.unknown(org))
            }
            Ok(_) | Err(_) => None,
        };
        let Some(slot) = self.slots.get_mut(org) else {
            return;
        };
        let answers = if let Some(denial) = gone {
            let answers = slot.forget(&denial, now.moment);
            self.tell_gone(org);
            answers
        } else {
            slot.reconsider(now.moment);
            self.tell_dropped(org);
            Answers::default()
        };
        self.give(org, answers, now);
        self.attend(org, now);
    }

    /// Goes on with what was inherited.
    fn resume(&mut self) {
        let now = self.clock.now();
        let all: Vec<Org> = self.slots.keys().cloned().collect();
        for org in all {
            self.attend(&org, now);
        }
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// The next end of an exchange that another daemon had begun; it waits for ever where there is none.
async fn next_end(
    predecessor: &mut Option<Predecessor>,
) -> Option<(Attempt, Result<Grant, Failure>)> {
    match predecessor {
        Some(predecessor) => predecessor.recv().await,
        None => std::future::pending().await,
    }
}

/// Sends an answer; one who has left is not missed.
fn answer(reply: Reply, with: Answer) {
    drop(reply.send(with));
}

fn deny(reply: Reply, denial: Denial) {
    answer(reply, Answer::One(Response::Denied(denial)));
}

/// Whether what an exchange depends on differs for an organization.
fn exchanges_differ(before: &Settings, after: &Settings, org: &str) -> bool {
    let relevant = |settings: &Settings| settings.organizations.get(org).map(exchange_settings);
    relevant(before) != relevant(after)
}

/// The settings without those that steer only what a token is used for.
fn exchange_settings(settings: &OrgSettings) -> OrgSettings {
    OrgSettings {
        api_url: Box::default(),
        mcp_url: None,
        expires: None,
        ..settings.clone()
    }
}

#[cfg(test)]
mod tests;
