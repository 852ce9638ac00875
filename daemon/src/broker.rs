//! The one task that owns every slot: it takes calls, starts exchanges, and answers.
//!
//! It awaits nothing but its own `select!`: what blocks or takes time is a job, and a job's end is
//! an event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::{Done, End};
use ac_cred_proto::settings::{OrgSettings, Settings, Store};
use ac_cred_proto::{Denial, Org, Request, Response};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::auth_api::AuthApi;
use crate::broker::job::{Finished, Tools};
use crate::broker::watchers::Watchers;
use crate::clock::{Clock, Now};
use crate::credential_store::CredentialStores;
use crate::policy::idle::Idle;
use crate::policy::slot::{Answers, Attempt, Slot, Ticket};
use crate::policy::{Moment, Span};
use crate::settings_file::SettingsFile;

pub mod change;
pub mod check;
pub mod idle;
pub mod job;
pub mod login;
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

/// What answers a call: one message, or a sequence with its end.
#[derive(Debug)]
pub enum Answer {
    /// One message.
    One(Response),
    /// Messages in their order; the last one is an end.
    Many(Vec<Response>),
    /// Messages in their order, and more as they come, for as long as the caller wants them.
    Watch(Vec<Response>, mpsc::Receiver<Response>),
}

/// Where an answer goes; the caller may have left.
pub type Reply = oneshot::Sender<Answer>;

/// A request and where its answer goes.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// Where the answer goes.
    pub reply: Reply,
}

/// What the daemon says of itself.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The endpoint on which it listens.
    pub socket: String,
    /// When it started.
    pub started: Moment,
}

/// What a broker works with.
pub struct Parts {
    /// Where time is read.
    pub clock: Arc<dyn Clock>,
    /// Who exchanges credentials.
    pub auth_api: Arc<dyn AuthApi>,
    /// Where credentials rest.
    pub stores: Arc<CredentialStores>,
    /// The settings.
    pub settings: SettingsFile,
    /// Who this daemon is.
    pub identity: Identity,
    /// Tells everybody that the daemon ends.
    pub shutdown: watch::Sender<bool>,
}

/// The state of the daemon.
pub struct Broker {
    clock: Arc<dyn Clock>,
    tools: Tools,
    settings: SettingsFile,
    identity: Identity,
    shutdown: watch::Sender<bool>,
    slots: BTreeMap<Org, Slot>,
    callers: BTreeMap<Ticket, Reply>,
    attempts: BTreeMap<Attempt, Org>,
    /// The attempts whose credential is still being read from this store.
    reading: BTreeMap<Attempt, Store>,
    /// The newest login of each organization whose login is under way.
    logins: BTreeMap<Org, u64>,
    /// The organizations whose change is being written; once for each change.
    changing: Vec<Org>,
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
    /// A broker that has nothing to do yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let swept = parts.clock.now().moment;
        Self {
            clock: Arc::clone(&parts.clock),
            tools: Tools::new(
                parts.auth_api,
                parts.stores,
                parts.settings.path().to_owned(),
            ),
            settings: parts.settings,
            identity: parts.identity,
            shutdown: parts.shutdown,
            slots: BTreeMap::new(),
            callers: BTreeMap::new(),
            attempts: BTreeMap::new(),
            reading: BTreeMap::new(),
            logins: BTreeMap::new(),
            changing: Vec::new(),
            jobs: JoinSet::new(),
            wakeups: BTreeSet::new(),
            watchers: Watchers::default(),
            swept,
            last_number: 0,
            idle: Idle::since(swept),
            warned: BTreeMap::new(),
        }
    }

    /// Serves calls until nobody can call any more.
    pub async fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        let mut batch = Vec::with_capacity(BATCH);
        self.mend();
        loop {
            let sleep = Duration::from_millis(self.sleep().0);
            tokio::select! {
                taken = calls.recv_many(&mut batch, BATCH) => match taken {
                    0 => break,
                    _ => self.take(batch.drain(..)),
                },
                Some(finished) = self.jobs.join_next() => match finished {
                    Ok(finished) => self.finish(finished),
                    Err(error) => {
                        tracing::error!(panicked = error.is_panic(), "a job was lost");
                        // Whose it was cannot be told; nothing else waits for its end.
                        self.changing.clear();
                        self.logins.clear();
                    }
                },
                () = tokio::time::sleep(sleep) => self.wake(),
            }
        }
        self.jobs.shutdown().await;
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

    fn take_one(&mut self, Call { request, reply }: Call, now: Now) {
        self.note_use(&request, now);
        match request {
            Request::Get(_) | Request::Reject(_) if self.tools.stores.file().is_shut() => {
                deny(reply, change::locked());
            }
            Request::Get(get) => self.get(&get, reply, now),
            Request::Reject(reject) => self.reject(&reject, reply, now),
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
                self.shutdown.send_replace(true);
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        let now = self.clock.now();
        match finished {
            Finished::Exchanged(attempt, result) => self.settle(attempt, result, now),
            Finished::Prepared(attempt, prepared) => self.prepared(attempt, prepared, now),
            Finished::Placed(placed) => self.found_place(*placed, now),
            Finished::Proved(proved) => self.proved(*proved, now),
            Finished::Changed(changed) => self.changed(*changed, now),
            Finished::Unlocked(reply, opened) => self.unlocked(reply, opened),
            Finished::Answered(reply, told) => answer(reply, told),
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

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
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
