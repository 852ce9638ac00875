//! How long a call may take; the one reader of time.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ac_cred_proto::time::Timestamp;

/// The moment at which a call has to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// The moment at which `budget` is used up.
    #[expect(
        clippy::disallowed_methods,
        reason = "a call's budget is not spent while the system sleeps"
    )]
    pub(crate) fn after(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// The same moment, moved.
    pub(crate) fn later(self, by: Duration) -> Self {
        Self(self.0 + by)
    }

    /// What is left of the budget.
    #[expect(
        clippy::disallowed_methods,
        reason = "a call's budget is not spent while the system sleeps"
    )]
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// What is left of the budget, in whole milliseconds.
    pub(crate) fn left_ms(self) -> u32 {
        u32::try_from(self.left().as_millis()).unwrap_or(u32::MAX)
    }
}

/// The time of the wall clock.
#[expect(
    clippy::disallowed_methods,
    reason = "a person is told how long ago an exchange was"
)]
pub(crate) fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_unix(since.map_or(0, |since| since.as_secs()))
}

/// Does what cannot be given a timeout in a thread of its own; `None` when it is not done in time.
///
/// The thread is left to itself then, and ends with the process.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || sender.send(work()).ok())
        .ok()?;
    receiver.recv_timeout(limit).ok()
}

/// Does what may take long in a thread of its own, and tells once when it takes longer than this;
/// `None` when it ended without a result.
pub(crate) fn telling<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
    tell: impl FnOnce(),
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || sender.send(work()).ok())
        .ok()?;
    match receiver.recv_timeout(limit) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            tell();
            receiver.recv().ok()
        }
        done => done.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_that_is_used_up_has_nothing_left() {
        let spent = Deadline::after(Duration::ZERO);
        assert_eq!(spent.left(), Duration::ZERO);
        assert_eq!(spent.left_ms(), 0);
        assert!(spent.later(Duration::from_mins(1)).left_ms() > 1_000);
    }

    #[test]
    fn work_that_takes_long_is_told_of_and_waited_for() {
        let (go, wait) = mpsc::channel();
        let work = move || wait.recv();
        let told = telling(Duration::from_millis(1), work, || go.send(7).unwrap());
        assert_eq!(told, Some(Ok(7)));
        let quick = telling(Duration::from_mins(1), || 7, || panic!("it was quick"));
        assert_eq!(quick, Some(7));
    }

    #[test]
    fn work_that_blocks_is_left_behind() {
        let (_never, receiver) = mpsc::channel::<()>();
        assert_eq!(
            within(Duration::from_millis(1), move || receiver.recv().ok()),
            None
        );
        assert_eq!(within(Duration::from_mins(1), || 7), Some(7));
    }
}
