//! The life of a session token as pure decisions: events and `now` in, decisions out.
//!
//! Nothing here waits, locks, logs or reads a clock; every point in time is a [`Moment`] that the
//! caller brings.

use serde::{Deserialize, Serialize};

pub mod backoff;
pub mod expiry;
pub mod freshness;
pub mod idle;
pub mod slot;

/// A point in time: milliseconds on a clock that goes on while the machine sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment(pub u64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span(pub u64);

impl Span {
    /// A length of whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// The whole seconds in it, at most `u32::MAX`.
    #[must_use]
    pub fn whole_seconds(self) -> u32 {
        u32::try_from(self.0 / 1_000).unwrap_or(u32::MAX)
    }

    /// The seconds in it, a begun one counted as whole, at most `u32::MAX`.
    #[must_use]
    pub fn begun_seconds(self) -> u32 {
        u32::try_from(self.0.div_ceil(1_000)).unwrap_or(u32::MAX)
    }
}

impl Moment {
    /// The moment `span` later.
    #[must_use]
    pub fn after(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The moment `span` earlier, or the beginning of time.
    #[must_use]
    pub fn before(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// How long it is from `self` until `later`; nothing when `later` has passed.
    #[must_use]
    pub fn until(self, later: Self) -> Span {
        Span(later.0.saturating_sub(self.0))
    }
}
