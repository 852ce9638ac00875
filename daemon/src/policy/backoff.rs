//! When the next exchange may start after one has ended.

use crate::policy::Span;

/// The least time between two exchanges for an organization, whatever a server claims.
///
/// Less would let a server that issues dead tokens be flooded; more would make `--refresh` twice in
/// a row slow.
pub const FLOOR: Span = Span::seconds(1);

/// The longest pause that this side chooses by itself: a person who has mended the network should
/// not wait longer.
const LONGEST_PAUSE: Span = Span::seconds(60);

/// The longest pause that a server may ask for with `Retry-After`.
const LONGEST_REQUESTED_PAUSE: Span = Span::seconds(600);

/// The pause after the `failures`-th failure in a row: full jitter below a limit that doubles.
///
/// `jitter` is a number from 0 to 1; `requested` is what the server's `Retry-After` asked for.
#[must_use]
pub fn pause(failures: u32, jitter: f64, requested: Option<Span>) -> Span {
    let limit = Span(FLOOR.0.saturating_mul(1 << failures.min(16))).min(LONGEST_PAUSE);
    let jittered = std::time::Duration::from_millis(limit.0).mul_f64(jitter.clamp(0.0, 1.0));
    let jittered = Span(u64::try_from(jittered.as_millis()).unwrap_or(limit.0));
    let asked = requested.unwrap_or_default().min(LONGEST_REQUESTED_PAUSE);
    FLOOR.max(jittered).max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lies_between_the_floor_and_a_limit_that_doubles() {
        for (failures, limit) in [(1, 2), (2, 4), (3, 8), (5, 32), (6, 60), (40, 60)] {
            assert_eq!(pause(failures, 0.0, None), FLOOR);
            assert_eq!(pause(failures, 1.0, None), Span::seconds(limit));
        }
    }

    #[test]
    fn retry_after_is_honoured_up_to_ten_minutes() {
        assert_eq!(pause(1, 0.0, Some(Span::seconds(120))), Span::seconds(120));
        assert_eq!(
            pause(1, 0.0, Some(Span::seconds(1_000_000))),
            Span::seconds(600)
        );
        assert_eq!(pause(1, 1.0, Some(Span(0))), Span::seconds(2));
    }
}
