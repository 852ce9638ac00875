//! The life of one organization's token: what to do for each caller, and what an exchange changes.
//!
//! ```text
//!            get                     token
//! [empty] ─────────► [exchanging] ─────────► [held] ── reject ──► [exchanging]
//!    ▲                 │      ▲                │ fresh   : serve
//!    │        transient│      │after the pause │ stale   : serve, and exchange behind
//!    │                 ▼      │                │ too old : wait for an exchange
//!    │               [paused] ┘                ▼ expired : forgotten
//!    └── logout, new credential ── [refused] ◄── the credential was refused
//! ```
//!
//! - Callers are tickets (numbers); whoever owns the channels answers them.
//! - An [`Attempt`] stamps the one exchange that may be under way; a result with another stamp is
//!   superseded and changes nothing.
//! - A ticket is answered exactly once, after at most one exchange, and at its deadline at the latest.
//! - [`WORTH_SERVING`] tokens are served when renewing fails transiently; any living token is served
//!   when its credential was refused.

pub use self::carried::Carried;
pub use self::terms::{
    Answers, Attempt, Caller, Decision, Ended, Failure, Grant, Held, Need, Ticket,
};

use ac_cred_proto::Denial;
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::time::Timestamp;

use self::terms::{newly_held, too_short, warning_for};
use crate::policy::freshness::{self, WORTH_SERVING};
use crate::policy::{Moment, Span, backoff};

mod carried;
mod terms;

/// One organization's token and what is going on for it.
#[derive(Debug, Default)]
pub struct Slot {
    held: Option<Held>,
    under_way: Option<Attempt>,
    /// No exchange starts before this: the floor after the last one, or the pause after a failure.
    not_before: Moment,
    /// The floor after the last exchange alone.
    floor: Moment,
    failures: u32,
    /// The last transient failure, while the pause after it lasts.
    failed: Option<Box<Denial>>,
    /// The refusal that stands until the credential or its settings change.
    refused: Option<Box<Denial>>,
    waiting: Vec<Caller>,
    /// The earliest deadline among those who wait.
    first_deadline: Option<Moment>,
    /// Whether a held token is to be renewed though nobody waits for it.
    renew_behind: bool,
    ended: Option<Ended>,
    /// When the last exchange ended.
    settled: Moment,
}

impl Slot {
    /// Decides for one who asks; a caller told to wait is answered by a later event.
    ///
    /// Call [`Slot::wants_exchange`] afterwards.
    pub fn ask(&mut self, caller: Caller, now: Moment) -> Decision {
        self.drop_expired(now);
        if let Some(decision) = self.missed(caller, now) {
            return decision;
        }
        if matches!(caller.need, Need::New(_)) {
            self.refused = None;
        }
        if let Some(decision) = self.serve_at_once(caller.need, now) {
            return decision;
        }
        if let Some(denial) = self.hopeless(caller, now) {
            return Decision::Deny(denial);
        }
        let first = self
            .first_deadline
            .map_or(caller.deadline, |first| first.min(caller.deadline));
        self.first_deadline = Some(first);
        self.waiting.push(caller);
        Decision::Wait
    }

    /// Decides for one who says that the API refused `token`, or the held one.
    pub fn reject(
        &mut self,
        token: Option<&SessionToken>,
        caller: Caller,
        now: Moment,
    ) -> Decision {
        let refused_is_held = self
            .held
            .as_ref()
            .is_some_and(|held| token.is_none_or(|refused| refused.is(&held.token)));
        if refused_is_held {
            self.held = None;
        }
        self.ask(
            Caller {
                need: Need::Other,
                ..caller
            },
            now,
        )
    }

    /// Whether an exchange is to be started now.
    #[must_use]
    pub fn wants_exchange(&self, now: Moment) -> bool {
        self.under_way.is_none()
            && now >= self.not_before
            && self.refused.is_none()
            && (self.renew_behind || !self.waiting.is_empty())
    }

    /// Records that the exchange `attempt` is under way.
    pub fn begin(&mut self, attempt: Attempt) {
        self.under_way = Some(attempt);
        self.renew_behind = false;
    }

    /// Whether `attempt` is the exchange that is under way.
    #[must_use]
    pub fn expects(&self, attempt: Attempt) -> bool {
        self.under_way == Some(attempt)
    }

    /// Takes the result of the exchange that is under way; another attempt's result is dropped.
    ///
    /// `jitter` is a number from 0 to 1.
    pub fn settle(
        &mut self,
        attempt: Attempt,
        result: Result<Grant, Failure>,
        at: (Moment, Timestamp),
        jitter: f64,
    ) -> Answers {
        let now = at.0;
        let was_sent = !matches!(result, Err(Failure::Here(_)));
        if !self.expects(attempt) {
            if was_sent {
                self.hold_off(now);
            }
            return Answers::default();
        }
        self.under_way = None;
        if was_sent {
            let error = result.as_ref().err().map(Failure::denial);
            self.note_exchange(at, error.cloned());
        }
        match result {
            Ok(grant) => self.hold(grant, now),
            Err(failure) => self.fail(failure, now, jitter),
        }
    }

    /// Takes the next place for an exchange that proves another credential, and says how long it
    /// has to wait for it.
    pub fn reserve(&mut self, now: Moment) -> Span {
        let start = self.floor.max(now);
        self.hold_off(start);
        now.until(start)
    }

    /// Keeps the next exchange away from one that was under way at `now`.
    pub fn hold_off(&mut self, now: Moment) {
        self.floor = self.floor.max(now.after(backoff::FLOOR));
        self.not_before = self.not_before.max(self.floor);
    }

    /// Replaces everything by what a new credential brought.
    pub fn install(&mut self, grant: Grant, at: (Moment, Timestamp)) -> Answers {
        self.supersede(at.0);
        self.note_exchange(at, None);
        self.hold(grant, at.0)
    }

    /// Forgets the token and what is known of the credential; an exchange under way is superseded.
    pub fn forget(&mut self, why: &Denial, now: Moment) -> Answers {
        self.supersede(now);
        self.held = None;
        self.refused = None;
        self.failed = None;
        self.failures = 0;
        self.renew_behind = false;
        self.first_deadline = None;
        Answers(
            std::mem::take(&mut self.waiting)
                .into_iter()
                .map(|caller| (caller.ticket, Decision::Deny(why.clone())))
                .collect(),
        )
    }

    /// Lets go of the token and of what kept the credential from being tried: its settings have
    /// changed. Those who wait get the next exchange; one under way is superseded.
    pub fn reconsider(&mut self, now: Moment) {
        self.supersede(now);
        self.held = None;
        self.refused = None;
        self.failed = None;
        self.failures = 0;
        self.not_before = self.floor;
    }

    /// Gives up the exchange under way, if there is one; the next one keeps its distance from it.
    fn supersede(&mut self, now: Moment) {
        if self.under_way.take().is_some() {
            self.hold_off(now);
        }
    }

    /// Answers those whose deadline has come, and forgets a token that has expired.
    pub fn tick(&mut self, now: Moment, unanswered: &Denial) -> Answers {
        self.drop_expired(now);
        if self.first_deadline.is_none_or(|deadline| now < deadline) {
            return Answers::default();
        }
        let (late, waiting) = self
            .waiting
            .drain(..)
            .partition(|caller| caller.deadline <= now);
        self.waiting = waiting;
        self.first_deadline = self.waiting.iter().map(|caller| caller.deadline).min();
        let why = match (self.under_way, &self.failed) {
            (None, Some(failed)) => self.paused(failed, now),
            (Some(_), _) | (None, None) => unanswered.clone(),
        };
        self.answer_failed(late, &why, now)
    }

    /// When [`Slot::tick`] or [`Slot::wants_exchange`] will have something new to say.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Moment> {
        let starts = (self.under_way.is_none() && self.refused.is_none())
            .then_some(self.not_before)
            .filter(|_| self.renew_behind || !self.waiting.is_empty());
        self.first_deadline.into_iter().chain(starts).min()
    }

    /// The token that is held and alive.
    #[must_use]
    pub fn held(&self, now: Moment) -> Option<&Held> {
        self.held.as_ref().filter(|held| held.expires > now)
    }

    /// The refusal that stands until the credential or its settings change.
    #[must_use]
    pub fn refusal(&self) -> Option<&Denial> {
        self.refused.as_deref()
    }

    /// When and how the last exchange ended.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Whether nothing is held, remembered or under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.held.is_none()
            && self.under_way.is_none()
            && self.refused.is_none()
            && self.waiting.is_empty()
    }

    /// Forgets a token that has expired.
    pub fn drop_expired(&mut self, now: Moment) {
        if self.held.as_ref().is_some_and(|held| held.expires <= now) {
            self.held = None;
        }
    }

    /// The answer that needs no exchange, if there is one.
    fn serve_at_once(&mut self, need: Need, now: Moment) -> Option<Decision> {
        let held = self.held.as_ref()?;
        let (left, whole) = (held.left(now), held.life);
        let is_enough = match need {
            Need::Wish => left >= freshness::wished(whole),
            Need::Life(demanded) => left >= demanded,
            Need::New(_) => false,
            Need::Other => true,
        };
        if let Some(refused) = &self.refused {
            let warning = warning_for(refused);
            return (is_enough || need == Need::Wish).then_some(Decision::Serve(warning));
        }
        if is_enough {
            self.renew_behind |= freshness::is_stale(left, whole);
            return Some(Decision::Serve(None));
        }
        let is_paused = self.under_way.is_none() && now < self.not_before;
        (is_paused && self.failed.is_some() && need == Need::Wish && left >= WORTH_SERVING)
            .then_some(Decision::Serve(None))
    }

    /// Why waiting cannot help, if it cannot.
    fn hopeless(&self, caller: Caller, now: Moment) -> Option<Denial> {
        if let Some(refused) = &self.refused {
            return Some(Denial::clone(refused));
        }
        if let (Need::Life(demanded), Some(held)) = (caller.need, &self.held)
            && demanded > held.life
            && !freshness::is_stale(held.left(now), held.life)
        {
            return Some(too_short(demanded, held.life));
        }
        let is_too_late = self.under_way.is_none() && self.not_before > caller.deadline;
        self.failed
            .as_ref()
            .filter(|_| is_too_late)
            .map(|failed| self.paused(failed, now))
    }

    fn hold(&mut self, grant: Grant, now: Moment) -> Answers {
        self.failures = 0;
        self.failed = None;
        self.refused = None;
        self.renew_behind = false;
        self.first_deadline = None;
        self.held = Some(Held {
            token: grant.token,
            organization_id: grant.organization_id,
            expires_at: grant.expires_at,
            expires: now.after(grant.life),
            life: grant.life,
        });
        Answers(
            std::mem::take(&mut self.waiting)
                .into_iter()
                .map(|caller| (caller.ticket, newly_held(caller.need, grant.life)))
                .collect(),
        )
    }

    fn fail(&mut self, failure: Failure, now: Moment, jitter: f64) -> Answers {
        let why = match failure {
            Failure::Transient(denial, requested) => {
                self.failures = self.failures.saturating_add(1);
                let pause = backoff::pause(self.failures, jitter, requested);
                self.not_before = self.floor.max(now.after(pause));
                let why = self.paused(&denial, now);
                self.failed = Some(Box::new(denial));
                why
            }
            Failure::Refused(denial) => {
                self.failed = None;
                self.refused = Some(Box::new(denial.clone()));
                denial
            }
            Failure::Here(denial) => denial,
        };
        self.first_deadline = None;
        let waiting = std::mem::take(&mut self.waiting);
        self.answer_failed(waiting, &why, now)
    }

    fn note_exchange(&mut self, at: (Moment, Timestamp), error: Option<Denial>) {
        self.ended = Some(Ended {
            at: at.1,
            error: error.map(Box::new),
        });
        self.settled = at.0;
        self.floor = self.floor.max(at.0.after(backoff::FLOOR));
        self.not_before = self.floor;
    }

    /// Answers callers for whom no new token could be had.
    fn answer_failed(&self, callers: Vec<Caller>, why: &Denial, now: Moment) -> Answers {
        let left = self.held(now).map_or(Span(0), |held| held.left(now));
        let decide = |caller: Caller| match (caller.need, &self.refused) {
            (Need::Wish, Some(refused)) if left > Span(0) => Decision::Serve(warning_for(refused)),
            (Need::Wish, None) if left >= WORTH_SERVING => Decision::Serve(None),
            (Need::Wish | Need::Life(_) | Need::New(_) | Need::Other, _) => {
                Decision::Deny(why.clone())
            }
        };
        Answers(
            callers
                .into_iter()
                .map(|caller| (caller.ticket, decide(caller)))
                .collect(),
        )
    }

    /// A transient failure with the time that its pause still lasts.
    fn paused(&self, failed: &Denial, now: Moment) -> Denial {
        failed
            .clone()
            .retry_after(Some(now.until(self.not_before).begun_seconds()))
    }
}

#[cfg(test)]
mod tests;
