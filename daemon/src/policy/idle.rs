//! When a daemon that nobody uses locks itself.

use crate::policy::{Moment, Span};

/// Since when nobody has used the daemon, and whether that is long enough.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    since: Moment,
}

impl Idle {
    /// Used at this moment.
    #[must_use]
    pub fn since(moment: Moment) -> Self {
        Self { since: moment }
    }

    /// When it was used.
    #[must_use]
    pub fn used(self) -> Moment {
        self.since
    }

    /// When it is to be locked; never without a setting.
    #[must_use]
    pub fn ends(self, lock_after: Option<Span>) -> Option<Moment> {
        lock_after.map(|span| self.since.after(span))
    }

    /// Whether it is to be locked now.
    #[must_use]
    pub fn is_over(self, lock_after: Option<Span>, now: Moment) -> bool {
        self.ends(lock_after).is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_the_time_has_passed_without_a_use_and_never_without_a_setting() {
        let idle = Idle::since(Moment(1_000));
        let after = Some(Span::seconds(60));
        for (now, is_over) in [(1_000, false), (60_999, false), (61_000, true)] {
            assert_eq!(idle.is_over(after, Moment(now)), is_over, "{now}");
            assert!(!idle.is_over(None, Moment(now)), "{now}");
        }
        assert_eq!(idle.ends(after), Some(Moment(61_000)));
        assert_eq!(idle.ends(None), None);
        assert!(!idle.is_over(Some(Span(u64::MAX)), Moment(u64::MAX - 1)));
    }
}
