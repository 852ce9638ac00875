//! What of a slot a succeeding daemon is given: all but those who wait, who bring their questions
//! there themselves.

use ac_cred_proto::Denial;
use serde::{Deserialize, Serialize};

use crate::policy::Moment;
use crate::policy::slot::terms::newly_held;
use crate::policy::slot::{Attempt, Caller, Decision, Ended, Held, Slot};

/// The state of a slot; its points in time are those of the machine, which no process changes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    held: Option<Held>,
    /// The exchange under way, which ends where it began.
    pub under_way: Option<Attempt>,
    not_before: Moment,
    floor: Moment,
    failures: u32,
    failed: Option<Box<Denial>>,
    refused: Option<Box<Denial>>,
    renew_behind: bool,
    ended: Option<Ended>,
    settled: Moment,
}

impl From<&Slot> for Carried {
    fn from(slot: &Slot) -> Self {
        Self {
            held: slot.held.clone(),
            under_way: slot.under_way,
            not_before: slot.not_before,
            floor: slot.floor,
            failures: slot.failures,
            failed: slot.failed.clone(),
            refused: slot.refused.clone(),
            renew_behind: slot.renew_behind,
            ended: slot.ended.clone(),
            settled: slot.settled,
        }
    }
}

impl From<Carried> for Slot {
    fn from(carried: Carried) -> Self {
        Self {
            held: carried.held,
            under_way: carried.under_way,
            not_before: carried.not_before,
            floor: carried.floor,
            failures: carried.failures,
            failed: carried.failed,
            refused: carried.refused,
            waiting: Vec::new(),
            first_deadline: None,
            renew_behind: carried.renew_behind,
            ended: carried.ended,
            settled: carried.settled,
        }
    }
}

impl Slot {
    /// Gives up the exchange `attempt`, whose result will never come; those who wait get the next.
    pub fn abandon(&mut self, attempt: Attempt, now: Moment) {
        if self.expects(attempt) {
            self.supersede(now);
        }
    }

    /// Whether a daemon that forgot it would do nothing else than one that did not.
    #[must_use]
    pub fn is_of_no_use(&self, now: Moment) -> bool {
        self.is_idle() && self.held(now).is_none() && self.not_before <= now
    }

    /// The answer for one who has waited in another daemon for an exchange that ended on the way.
    pub(super) fn missed(&self, caller: Caller, now: Moment) -> Option<Decision> {
        if self.settled <= caller.asked {
            return None;
        }
        let paused = self.failed.as_ref().map(|failed| self.paused(failed, now));
        if let Some(why) = self.refused.as_deref().cloned().or(paused) {
            let mut answers = self.answer_failed(vec![caller], &why, now).0;
            return answers.pop().map(|(_, decision)| decision);
        }
        self.held
            .as_ref()
            .map(|held| newly_held(caller.need, held.life))
    }
}
