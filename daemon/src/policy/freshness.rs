//! How good a token still is, from the life it was given and the life it has left.

use crate::policy::Span;

/// The life a caller is wished when it demands none: enough to begin a build step with.
const WISHED: Span = Span::seconds(300);

/// The least life that is worth handing out when no better token can be had.
pub const WORTH_SERVING: Span = Span::seconds(30);

/// The longest life that is believed, so that a wild claim is asked about again.
pub const LONGEST_LIFE: Span = Span::seconds(30 * 24 * 3_600);

/// What is assumed of a token that says nothing of its life.
const UNKNOWN_LIFE: Span = Span::seconds(300);

/// The life that the default wish asks of a token that was given `whole`.
#[must_use]
pub fn wished(whole: Span) -> Span {
    WISHED.min(Span(whole.0 / 2))
}

/// Whether a token in use should be renewed while it is still served.
#[must_use]
pub fn is_stale(left: Span, whole: Span) -> bool {
    left.0 < whole.0 / 4
}

/// The life that a token of `whole` life has left when it has just become stale.
#[must_use]
pub fn stale_life(whole: Span) -> Span {
    Span((whole.0 / 4).saturating_sub(1))
}

/// The life of a token at its receipt, from its own end (`exp`, Unix seconds), the server's
/// `expires_in` (seconds) and the server's clock (Unix seconds).
///
/// A claim that lies in the past is a life of nothing.
#[must_use]
pub fn life(exp: Option<i64>, expires_in: Option<i64>, server_now: u64) -> Span {
    let server_now = i64::try_from(server_now).unwrap_or(i64::MAX);
    let by_exp = exp.map(|exp| exp.saturating_sub(server_now));
    let seconds = by_exp.into_iter().chain(expires_in).min();
    match seconds {
        Some(seconds) => Span::seconds(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_LIFE),
        None => UNKNOWN_LIFE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_of_both_claims_counts_and_none_is_five_minutes() {
        for (exp, expires_in, seconds) in [
            (Some(1_600), None, 600),
            (None, Some(3_600), 3_600),
            (Some(1_600), Some(3_600), 600),
            (Some(9_000), Some(60), 60),
            (None, None, 300),
            (Some(900), Some(3_600), 0),
            (None, Some(0), 0),
            (None, Some(-5), 0),
            (Some(i64::MIN), None, 0),
            (Some(i64::MAX), Some(i64::MAX), 30 * 24 * 3_600),
        ] {
            assert_eq!(
                life(exp, expires_in, 1_000),
                Span::seconds(seconds),
                "{exp:?} {expires_in:?}"
            );
        }
    }

    #[test]
    fn the_wish_is_five_minutes_and_at_most_half_of_a_life() {
        assert_eq!(wished(Span::seconds(3_600)), Span::seconds(300));
        assert_eq!(wished(Span::seconds(60)), Span::seconds(30));
        assert_eq!(wished(Span(0)), Span(0));
    }

    #[test]
    fn a_token_is_stale_in_the_last_quarter_of_its_life() {
        assert!(!is_stale(Span::seconds(900), Span::seconds(3_600)));
        assert!(is_stale(Span(899_999), Span::seconds(3_600)));
        for whole in [Span(0), Span(4), Span::seconds(1), Span::seconds(3_600)] {
            let left = stale_life(whole);
            assert_eq!(is_stale(left, whole), whole > Span(0), "{whole:?}");
            assert!(!is_stale(Span(left.0 + 1), whole), "{whole:?}");
        }
    }
}
