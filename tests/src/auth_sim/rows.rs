//! The table of faults, in groups by what a client must make of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::Fault;

/// An organization that no test gives a credential for.
pub const FOREIGN_ORGANIZATION: &str = "ffffffff-ffff-4fff-8fff-ffffffffffff";

/// Statuses that say nothing about the credential: a retry may help.
///
/// `elsewhere` is a URL that redirects name and that nobody may follow.
#[must_use]
pub fn transient_statuses(elsewhere: &str) -> Vec<Fault> {
    let redirects = [301, 302, 303, 307, 308].map(|status| Fault::redirect(status, elsewhere));
    let statuses = [204, 404, 407, 408, 429, 500, 502, 503, 504].map(Fault::status);
    let forms = [
        "7",
        "0",
        "soon",
        "-1",
        "99999999999",
        "Fri, 01 Jan 2100 00:00:00 GMT",
    ];
    let waits = forms.map(|value| Fault::retry_after(429, value));
    let html = [200, 400, 401, 403, 502].map(Fault::html);
    redirects
        .into_iter()
        .chain(statuses)
        .chain(waits)
        .chain(html)
        .collect()
}

/// Well-formed refusals: a person must act.
#[must_use]
pub fn refusals() -> Vec<Fault> {
    [400, 401, 403].map(Fault::status).into()
}

/// 200 with a body that holds no usable token.
#[must_use]
pub fn unusable_bodies() -> Vec<Fault> {
    vec![
        Fault::empty(),
        Fault::truncated_json(),
        Fault::utf16(),
        Fault::gzip_bomb(),
        Fault::huge_body(256 * 1024 + 1),
        Fault::huge_body(512 * 1024 * 1024),
        Fault::no_access_token(),
        Fault::access_token(Value::Null),
        Fault::access_token(json!(7)),
        Fault::access_token(json!("")),
        Fault::access_token(json!("marker\r\nX-Injected: 1\u{1b}[2J")),
        Fault::access_token(json!("a".repeat(1024 * 1024))),
        Fault::access_token(json!(["marker-in-an-array"])),
        Fault::answer(200, &[("Content-Type", "application/json")], "[]"),
        Fault::answer(200, &[("Content-Type", "application/json")], "null"),
    ]
}

/// Bodies that one client may take and another refuse, but that none may choke on.
#[must_use]
pub fn doubtful_bodies() -> Vec<Fault> {
    vec![
        Fault::wrong_content_type(),
        Fault::byte_order_mark(),
        Fault::duplicate_keys(),
        Fault::deep_nesting(10_000),
    ]
}

/// Usable tokens whose lifetime is told strangely.
#[must_use]
pub fn odd_lifetimes() -> Vec<Fault> {
    let values = [
        Value::Null,
        json!(0),
        json!(-1),
        json!(1_000_000_000_000_000_000_i64),
        json!(1e300),
        json!("3600"),
        json!(3600.5),
        json!(true),
        json!({}),
    ];
    let in_body = values.map(Fault::expires_in).into_iter();
    let in_token = [
        json!(4_102_444_800_i64),
        json!(i64::MAX),
        json!("soon"),
        Value::Null,
    ];
    in_body
        .chain(in_token.map(Fault::jwt_exp))
        .chain([Fault::no_expires_in()])
        .collect()
}

/// Connections that break or lie, and end at once.
#[must_use]
pub fn broken_connections() -> Vec<Fault> {
    vec![
        Fault::close_before_answer(),
        Fault::reset_before_answer(),
        Fault::reset_after_headers(),
        Fault::close_mid_body(),
        Fault::reset_mid_body(),
        Fault::length_too_long(),
        Fault::length_too_short(),
        Fault::broken_chunked(),
        Fault::raw("220 this is not HTTP\r\n"),
        Fault::raw([0_u8; 64]),
    ]
}

/// Connections that would last for ever: a limit or a deadline must end them.
#[must_use]
pub fn endless_connections() -> Vec<Fault> {
    let second = Duration::from_secs(1);
    vec![
        Fault::endless_headers(),
        Fault::interim_storm(),
        Fault::hang_before_headers(),
        Fault::hang_in_headers(),
        Fault::hang_in_body(),
        Fault::drip_headers(second),
        Fault::drip_body(second),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let rows: Vec<Fault> = [
            transient_statuses("https://elsewhere.example/"),
            refusals(),
            unusable_bodies(),
            doubtful_bodies(),
            odd_lifetimes(),
            broken_connections(),
            endless_connections(),
        ]
        .concat();
        assert!(rows.len() >= 70, "{}", rows.len());
        let names: BTreeSet<&str> = rows.iter().map(Fault::name).collect();
        assert_eq!(names.len(), rows.len());
    }
}
