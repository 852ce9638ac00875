//! Those who watch: told what changes, as it changes, and dropped when they do not listen.

use std::collections::BTreeSet;

use ac_cred_proto::message::{Event, EventKind, Watch};
use ac_cred_proto::{Denial, ErrorCode, Org, Response};
use tokio::sync::mpsc;

use crate::broker::{Answer, Broker, Reply, answer, deny};
use crate::clock::Now;
use crate::policy::Moment;
use crate::policy::slot::{Held, Slot};

/// The most watchers at a time: editors and status lines of one person.
const MAX_WATCHERS: usize = 256;

/// How many events wait for a watcher that does not read; with one more it is dropped.
const MAX_UNREAD: usize = 64;

/// Who watches, and when the tokens they hear of age.
#[derive(Default)]
pub(crate) struct Watchers {
    watchers: Vec<Watcher>,
    /// When a token of an organization becomes stale or ends.
    ages: BTreeSet<(Moment, Org)>,
}

struct Watcher {
    /// The only organization it hears of.
    only: Option<Org>,
    events: mpsc::Sender<Response>,
}

impl Watcher {
    fn hears_of(&self, org: Option<&Org>) -> bool {
        match (&self.only, org) {
            (Some(only), Some(org)) => only == org,
            (None, _) | (_, None) => true,
        }
    }
}

impl Watchers {
    /// When the next token ages of which somebody wants to hear.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.ages.first().map(|(at, _)| *at)
    }

    /// Tells those who want to hear of it; who has left or does not read is dropped.
    fn tell(&mut self, event: Event) {
        let org = event.organization.clone();
        let event = Response::Event(Box::new(event));
        self.watchers.retain(|watcher| {
            !watcher.hears_of(org.as_ref()) || watcher.events.try_send(event.clone()).is_ok()
        });
        if self.watchers.is_empty() {
            self.ages.clear();
        }
    }

    fn is_anybody(&self) -> bool {
        !self.watchers.is_empty()
    }
}

impl Broker {
    /// Tells a new watcher what is the case; what changes follows.
    pub(crate) fn watch(&mut self, watch: &Watch, reply: Reply, now: Now) {
        let only = match self.watched(watch) {
            Ok(only) => only,
            Err(denial) => return deny(reply, denial),
        };
        let (events, then) = mpsc::channel(MAX_UNREAD);
        let watcher = Watcher { only, events };
        let mut first = self.what_is_the_case(&watcher, now);
        first.push(Event::new(EventKind::Watching, None));
        let first = first
            .into_iter()
            .map(|event| Response::Event(Box::new(event)))
            .collect();
        self.watchers.watchers.push(watcher);
        for (org, slot) in &self.slots {
            if let Some(held) = slot.held(now.moment) {
                note_ages(&mut self.watchers.ages, org, held);
            }
        }
        answer(reply, Answer::Watch(first, then));
    }

    /// The only organization that is to be heard of, if one was named.
    fn watched(&mut self, watch: &Watch) -> Result<Option<Org>, Denial> {
        self.watchers
            .watchers
            .retain(|watcher| !watcher.events.is_closed());
        if self.watchers.watchers.len() >= MAX_WATCHERS {
            return Err(Denial::new(ErrorCode::Busy, "too many programs watch"));
        }
        let named = watch.organization.as_ref();
        named
            .map(|named| {
                let (org, _) = self.settings.settings()?.choose(Some(named))?;
                Ok(org.clone())
            })
            .transpose()
    }

    fn what_is_the_case(&self, watcher: &Watcher, now: Now) -> Vec<Event> {
        let locked = self.tools.stores.file().is_locked();
        let locked = locked.then(|| Event::new(EventKind::Locked, None));
        let of_slots = self
            .slots
            .iter()
            .filter(|(org, _)| watcher.hears_of(Some(org)))
            .filter_map(|(org, slot)| state_of(org, slot, now));
        locked.into_iter().chain(of_slots).collect()
    }

    /// Tells of a token that has come.
    pub(crate) fn tell_renewed(&mut self, org: &Org, now: Now) {
        if !self.watchers.is_anybody() {
            return;
        }
        let Some(held) = self.slots.get(org).and_then(|slot| slot.held(now.moment)) else {
            return;
        };
        note_ages(&mut self.watchers.ages, org, held);
        let event = life(EventKind::Renewed, org, held, now);
        self.watchers.tell(event);
    }

    /// Tells of a failure that only a person can mend.
    pub(crate) fn tell_failed(&mut self, org: &Org, denial: &Denial) {
        let needs_a_person = matches!(
            denial.error,
            ErrorCode::LoginRequired | ErrorCode::CredentialRefused | ErrorCode::BindingChanged
        );
        if needs_a_person && self.watchers.is_anybody() {
            self.watchers.tell(login_needed(org, denial));
        }
    }

    /// Tells of something that has no more to say.
    pub(crate) fn tell(&mut self, event: EventKind, org: Option<&Org>) {
        if self.watchers.is_anybody() {
            self.watchers.tell(Event::new(event, org.cloned()));
        }
    }

    /// Tells of tokens that have become stale or have ended.
    pub(crate) fn tell_aged(&mut self, now: Now) {
        while let Some((at, org)) = self
            .watchers
            .ages
            .first()
            .filter(|(at, _)| *at <= now.moment)
            .cloned()
        {
            self.watchers.ages.pop_first();
            let held = self.slots.get(&org).and_then(|slot| slot.held(now.moment));
            let event = match held {
                None => {
                    // Who slept through its ageing hears of its end alone.
                    self.watchers.ages.retain(|(_, other)| *other != org);
                    Event::new(EventKind::Expired, Some(org))
                }
                // Of a token that has been replaced nothing is told.
                Some(held) if !held.ages().contains(&at) => continue,
                Some(held) => life(EventKind::Expiring, &org, held, now),
            };
            self.watchers.tell(event);
        }
    }

    /// Tells that an organization, and with it its token, is known no more.
    pub(crate) fn tell_gone(&mut self, org: &Org) {
        self.watchers.ages.retain(|(_, other)| other != org);
        self.tell(EventKind::LoggedOut, Some(org));
    }

    /// Tells that a token was dropped before its end.
    pub(crate) fn tell_dropped(&mut self, org: &Org) {
        let before = self.watchers.ages.len();
        self.watchers.ages.retain(|(_, other)| other != org);
        if self.watchers.ages.len() < before {
            self.tell(EventKind::Expired, Some(org));
        }
    }
}

/// What a new watcher is told of an organization.
fn state_of(org: &Org, slot: &Slot, now: Now) -> Option<Event> {
    if let Some(held) = slot.held(now.moment) {
        let event = if held.is_stale(now.moment) {
            EventKind::Expiring
        } else {
            EventKind::Renewed
        };
        return Some(life(event, org, held, now));
    }
    slot.refusal().map(|denial| login_needed(org, denial))
}

fn life(event: EventKind, org: &Org, held: &Held, now: Now) -> Event {
    Event {
        expires_at: Some(held.expires_at),
        expires_in: Some(held.left(now.moment).whole_seconds()),
        ..Event::new(event, Some(org.clone()))
    }
}

fn login_needed(org: &Org, denial: &Denial) -> Event {
    Event {
        error: Some(denial.error),
        message: Some(denial.message.clone()),
        hint: denial.hint.clone(),
        ..Event::new(EventKind::LoginNeeded, Some(org.clone()))
    }
}

fn note_ages(ages: &mut BTreeSet<(Moment, Org)>, org: &Org, held: &Held) {
    ages.extend(held.ages().map(|at| (at, org.clone())));
}
