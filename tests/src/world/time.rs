//! Waiting for what no other process tells, and measuring how long something took.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until a condition holds; false when it does not by then.
#[must_use]
pub fn eventually(deadline: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let begun = now();
    loop {
        if holds() {
            return true;
        }
        if begun.elapsed() > deadline {
            return false;
        }
        thread::sleep(PAUSE);
    }
}

/// Does something, and measures how long it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = now();
    let result = work();
    (result, begun.elapsed())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test waits on a clock that never steps"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_looked_at_until_it_holds() {
        let mut looks = 0;
        assert!(eventually(Duration::from_mins(1), || {
            looks += 1;
            looks == 3
        }));
        assert!(!eventually(Duration::ZERO, || false));
        assert!(timed(|| ()).1 < Duration::from_mins(1));
    }
}
