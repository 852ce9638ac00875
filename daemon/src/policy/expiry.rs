//! When a credential ends, and how often a person is told so.

use ac_cred_proto::secret::Credential;
use ac_cred_proto::time::Timestamp;
use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

use crate::policy::{Moment, Span};

/// How long before its end a person is told: two weeks, in seconds.
const NOTICE: u64 = 14 * 86_400;

/// How long a person is left alone after they were told.
const SILENCE: Span = Span::seconds(86_400);

/// The times that a credential can name: from 2000 to 2100, in seconds.
const PLAUSIBLE: std::ops::Range<u64> = 946_684_800..4_102_444_800;

/// The length of a GUID as text.
const GUID_LENGTH: usize = 36;

/// Whether a caller is told that a credential ends at `expires`.
#[must_use]
pub fn warns(expires: Timestamp, wall: Timestamp, now: Moment, warned: Option<Moment>) -> bool {
    let is_near = expires.as_unix() <= wall.as_unix().saturating_add(NOTICE);
    is_near && warned.is_none_or(|warned| warned.until(now) >= SILENCE)
}

/// The end that a credential of the legacy form names: the base64 of
/// `RANDOM|MILLISECONDS|GUID` (Appcircle's documentation shows one).
#[must_use]
pub fn embedded(credential: &Credential) -> Option<Timestamp> {
    let text = credential.expose().as_bytes();
    let decoded = BASE64.decode(text).or_else(|_| BASE64_NOPAD.decode(text));
    let decoded = Zeroizing::new(decoded.ok()?);
    let mut parts = std::str::from_utf8(&decoded).ok()?.split('|');
    let (_, milliseconds, guid) = (parts.next()?, parts.next()?, parts.next()?);
    let seconds = milliseconds.parse::<u64>().ok()? / 1_000;
    let is_whole = parts.next().is_none() && guid.len() == GUID_LENGTH;
    (is_whole && PLAUSIBLE.contains(&seconds)).then(|| Timestamp::from_unix(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const END: u64 = 1_790_000_000;

    #[test]
    fn a_person_is_told_in_the_last_two_weeks_and_once_a_day() {
        let day = |days: u64| Moment(days * DAY * 1_000);
        for (days_left, warned, told) in [
            (400, None, false),
            (15, None, false),
            (14, None, true),
            (1, None, true),
            (0, None, true),
            (14, Some(day(100)), false),
            (13, Some(day(99)), true),
            (13, Some(Moment(day(99).0 + 1)), false),
            (15, Some(day(1)), false),
        ] {
            let wall = Timestamp::from_unix(END - days_left * DAY);
            let is_told = warns(Timestamp::from_unix(END), wall, day(100), warned);
            assert_eq!(is_told, told, "{days_left} days left, {warned:?}");
        }
        let late = Timestamp::from_unix(END + 40 * DAY);
        assert!(warns(Timestamp::from_unix(END), late, day(100), None));
        let never = Timestamp::from_unix(u64::MAX);
        assert!(!warns(never, late, day(100), None));
    }

    #[test]
    fn the_legacy_form_names_its_end() {
        let guid = "7a3f0000-0000-4000-8000-000000000001";
        let of = |text: &str, encoding: &data_encoding::Encoding| {
            let credential = Credential::parse(&encoding.encode(text.as_bytes())).unwrap();
            embedded(&credential).map(Timestamp::as_unix)
        };
        let whole = format!("q8d7aX|1737800000123|{guid}");
        assert_eq!(of(&whole, &BASE64), Some(1_737_800_000));
        assert_eq!(of(&whole, &BASE64_NOPAD), Some(1_737_800_000));
        for text in [
            "1737800000123".to_owned(),
            format!("q8d7aX|1737800000123|{guid}|more"),
            format!("q8d7aX|1737800000123|{guid}0"),
            format!("q8d7aX|soon|{guid}"),
            format!("q8d7aX|-1|{guid}"),
            format!("q8d7aX|1737800000|{guid}"),
            format!("q8d7aX|99999999999999999999999|{guid}"),
            format!("q8d7aX||{guid}"),
        ] {
            assert_eq!(of(&text, &BASE64), None, "{text}");
        }
        for text in ["not-base64!", "////", "x"] {
            assert_eq!(embedded(&Credential::parse(text).unwrap()), None, "{text}");
        }
    }
}
