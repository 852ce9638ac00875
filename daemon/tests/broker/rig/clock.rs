//! A clock that a test suspends and steps; otherwise it goes as tokio's paused clock does.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ac_cred_proto::time::Timestamp;
use ac_credd::clock::{Clock, Now};
use ac_credd::policy::Moment;
use tokio::time::Instant;

/// 2026-09-21T14:13:20Z: when every test begins, by the right clock.
const BEGINNING: u64 = 1_790_000_000;

/// How long the machine had been up when the daemon started, in milliseconds.
const UPTIME: u64 = 5_000_000;

/// What is right, and what this machine believes.
pub(crate) struct SimClock {
    began: Instant,
    suspended_ms: AtomicU64,
    step_s: AtomicI64,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        Self {
            began: instant(),
            suspended_ms: AtomicU64::new(0),
            step_s: AtomicI64::new(0),
        }
    }

    /// The machine sleeps: timers stand still, the world goes on.
    pub(crate) fn suspend(&self, sleep: Duration) {
        let ms = u64::try_from(sleep.as_millis()).unwrap();
        self.suspended_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// A person or a time server steps the wall clock of this machine.
    pub(crate) fn step(&self, seconds: i64) {
        self.step_s.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Unix seconds by a right clock, such as the server's.
    pub(crate) fn right(&self) -> u64 {
        BEGINNING + self.passed_ms() / 1_000
    }

    fn passed_ms(&self) -> u64 {
        let awake = instant() - self.began;
        u64::try_from(awake.as_millis()).unwrap() + self.suspended_ms.load(Ordering::Relaxed)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let wall = self
            .right()
            .checked_add_signed(self.step_s.load(Ordering::Relaxed));
        Now {
            moment: Moment(UPTIME + self.passed_ms()),
            wall: Timestamp::from_unix(wall.unwrap()),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokio's clock, which the test holds still"
)]
fn instant() -> Instant {
    Instant::now()
}
