//! The daemon's own life: signs of it for the service manager, and its end when it is of no use.

use std::sync::Arc;

use crate::broker::Broker;
use crate::course::Course;
use crate::policy::{Moment, Span};
use crate::supervisor::Supervisor;

/// How often is looked whether anything is held: often enough for a stay of minutes.
const LOOK: Span = Span::seconds(30);

/// When the daemon does what.
pub(crate) struct Life {
    pub(crate) supervisor: Arc<Supervisor>,
    next_beat: Option<Moment>,
    /// How long it stays without anything to hold.
    idle: Option<Span>,
    next_look: Option<Moment>,
    idle_since: Option<Moment>,
}

impl Life {
    pub(crate) fn new(supervisor: Arc<Supervisor>, idle: Option<Span>, now: Moment) -> Self {
        Self {
            next_beat: supervisor.beat().map(|_| now),
            supervisor,
            idle,
            next_look: idle.map(|idle| now.after(LOOK.min(idle))),
            idle_since: Some(now),
        }
    }

    /// When something is to be done.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.next_beat.into_iter().chain(self.next_look).min()
    }
}

impl Broker {
    /// Gives the sign of life that is due: from here, so that a daemon which decides nothing any more
    /// gives none; and ends the daemon when it has held nothing for long.
    pub(crate) fn live(&mut self, is_connected: bool) {
        let now = self.clock.now().moment;
        if let (Some(due), Some(beat)) = (self.life.next_beat, self.life.supervisor.beat())
            && due <= now
        {
            self.life.supervisor.tell("WATCHDOG=1");
            self.life.next_beat = Some(now.after(beat));
        }
        let (Some(due), Some(idle)) = (self.life.next_look, self.life.idle) else {
            return;
        };
        if is_connected {
            self.life.idle_since = None;
        }
        if due > now {
            return;
        }
        self.life.next_look = Some(now.after(LOOK.min(idle)));
        if is_connected || self.holds_anything(now) {
            self.life.idle_since = None;
            return;
        }
        let since = *self.life.idle_since.get_or_insert(now);
        if since.until(now) >= idle {
            tracing::info!("nothing is held, and nobody has called for long");
            self.course.send_if_modified(Course::end);
        }
    }

    /// Whether anything would be lost, or forgotten, with the daemon.
    fn holds_anything(&self, now: Moment) -> bool {
        let file = self.tools.stores.file();
        !self.callers.is_empty()
            || !self.jobs.is_empty()
            || !self.inherited.is_empty()
            || self.handover.is_frozen()
            || self.slots.values().any(|slot| !slot.is_of_no_use(now))
            || !self.tools.stores.memory().organizations().is_empty()
            || file.is_unlocked()
            || file.is_shut()
            || file.wrong_in_a_row() > 0
    }
}
