//! Spans of time as people type and read them.

use std::time::Duration;

use ac_cred_proto::time::Timestamp;

/// The spans that a span is counted in, the longest first.
const UNITS: [(u64, &str, &str); 4] = [
    (86_400, " d", "d"),
    (3_600, " h", "h"),
    (60, " min", "m"),
    (1, " s", "s"),
];

/// Takes `90`, `90s`, `5m` or `1h 30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let parsed = match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    let longest = Duration::from_millis(u32::MAX.into());
    match parsed {
        Some(duration) if duration <= longest => Ok(duration),
        Some(_) => Err("at most 49 days"),
        None => Err("seconds, or a number with a unit such as 8s, 5m or 1h30m"),
    }
}

/// Takes the name of an environment variable.
pub(crate) fn variable(text: &str) -> Result<String, &'static str> {
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_name = text.starts_with(is_letter)
        && text
            .chars()
            .all(|letter| is_letter(letter) || letter.is_ascii_digit());
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("a variable's name is letters, digits and '_', beginning with no digit")
    }
}

/// Takes what [`duration`] takes, and rounds it up.
pub(crate) fn whole_seconds(text: &str) -> Result<u32, &'static str> {
    let duration = duration(text)?;
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(seconds).map_err(|_| "at most 49 days")
}

/// A span in its two longest units: `59 min`, `2 h 5 min`.
pub(crate) fn span(seconds: u64) -> String {
    let (position, first) = longest(seconds);
    let (unit, name, _) = UNITS[position];
    let rest = seconds % unit;
    match UNITS.get(position + 1) {
        Some((next, next_name, _)) if unit > 60 && rest >= *next => {
            format!("{first}{name} {}{next_name}", rest / next)
        }
        Some(_) | None => format!("{first}{name}"),
    }
}

/// A span in its longest unit, as short as can be: `59m`.
pub(crate) fn short_span(seconds: u64) -> String {
    let (position, first) = longest(seconds);
    format!("{first}{}", UNITS[position].2)
}

/// When something ends, and how long it is until then: `expires on 2026-09-27, in 6 d`.
pub(crate) fn ends(end: Timestamp, now: Timestamp) -> String {
    let text = end.to_string();
    let date = text.split('T').next().unwrap_or_default();
    match end.as_unix().checked_sub(now.as_unix()) {
        Some(left) => format!("expires on {date}, in {}", span(left)),
        None => format!("has expired on {date}"),
    }
}

/// The place of the longest unit that fits, and how often it does.
fn longest(seconds: u64) -> (usize, u64) {
    let position = UNITS
        .iter()
        .position(|(unit, _, _)| seconds >= *unit)
        .unwrap_or(UNITS.len() - 1);
    (position, seconds / UNITS[position].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_seconds_or_a_number_with_a_unit() {
        assert_eq!(duration("8"), Ok(Duration::from_secs(8)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(whole_seconds("5m"), Ok(300));
        assert_eq!(whole_seconds("1ms"), Ok(1));
        for bad in ["", "-1", "soon", "8 parsecs", "50 days", "1000000 years"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_end_is_a_date_and_what_is_left_until_then() {
        let at = Timestamp::from_unix;
        let day = 1_790_000_000;
        assert_eq!(
            ends(at(day + 86_400), at(day)),
            "expires on 2026-09-22, in 1 d"
        );
        assert_eq!(ends(at(day), at(day)), "expires on 2026-09-21, in 0 s");
        assert_eq!(ends(at(day), at(day + 1)), "has expired on 2026-09-21");
    }

    #[test]
    fn a_span_is_told_in_its_two_longest_units() {
        for (seconds, long, short) in [
            (0, "0 s", "0s"),
            (59, "59 s", "59s"),
            (60, "1 min", "1m"),
            (3_540, "59 min", "59m"),
            (3_599, "59 min", "59m"),
            (3_600, "1 h", "1h"),
            (7_505, "2 h 5 min", "2h"),
            (86_400, "1 d", "1d"),
            (100_000, "1 d 3 h", "1d"),
        ] {
            assert_eq!(span(seconds), long);
            assert_eq!(short_span(seconds), short);
        }
    }
}
