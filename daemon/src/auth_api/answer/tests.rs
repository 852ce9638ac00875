//! The table of answers, row by row, and what no answer may bring about.

use ac_cred_proto::settings::{OrgSettings, Store};
use ac_cred_proto::text::is_visible;
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;

use super::*;

const CREDENTIAL: &str = "pak/7f3a+9c2e==0b1d&4e5f";
const ACME: &str = "7a3f0000-0000-4000-8000-00000000000a";
const OTHER: &str = "7a3f0000-0000-4000-8000-00000000000b";

/// 2026-09-21T14:13:20Z, in seconds and as the server writes it.
const SERVER_NOW: u64 = 1_790_000_000;
const SERVER_DATE: &str = "Mon, 21 Sep 2026 14:13:20 GMT";

/// What is made of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Made {
    Token { life: u64 },
    Refused(ErrorCode),
    Transient(ErrorCode),
    Here(ErrorCode),
}

const BAD: Made = Made::Transient(ErrorCode::AuthApiBadAnswer);
const LIMITED: Made = Made::Transient(ErrorCode::RateLimited);
const REFUSED: Made = Made::Refused(ErrorCode::CredentialRefused);
const WRONG: Made = Made::Transient(ErrorCode::WrongOrganization);

fn answer(status: u16, body: &[u8]) -> Answer {
    Answer {
        status,
        date: Some(SERVER_DATE.to_owned()),
        retry_after: None,
        body: Zeroizing::new(body.to_vec()),
        wall: Timestamp::from_unix(SERVER_NOW),
    }
}

fn target(change: impl FnOnce(&mut OrgSettings)) -> Target {
    let mut settings = OrgSettings::new(Store::Memory);
    change(&mut settings);
    Target::new(&settings, None).unwrap()
}

fn credential() -> Credential {
    Credential::parse(CREDENTIAL).unwrap()
}

fn read(answer: &Answer) -> Result<Grant, Failure> {
    answer.read(&target(|_| ()), &credential())
}

fn made(result: &Result<Grant, Failure>) -> Made {
    match result {
        Ok(grant) => Made::Token {
            life: grant.life.0 / 1_000,
        },
        Err(Failure::Refused(denial)) => Made::Refused(denial.error),
        Err(Failure::Transient(denial, _)) => Made::Transient(denial.error),
        Err(Failure::Here(denial)) => Made::Here(denial.error),
    }
}

fn check(status: u16, body: impl AsRef<[u8]>, expected: &Made) {
    let body = body.as_ref();
    let result = read(&answer(status, body));
    let shown: String = String::from_utf8_lossy(body).chars().take(80).collect();
    assert_eq!(&made(&result), expected, "{status} {shown}");
}

/// A token that claims these things of itself.
fn jwt(claims: &str) -> String {
    format!("eyJ9.{}.c2ln", BASE64URL_NOPAD.encode(claims.as_bytes()))
}

fn token_answer(token: &str, expires_in: &str) -> Answer {
    let body = format!(r#"{{"access_token":"{token}","expires_in":{expires_in}}}"#);
    answer(200, body.as_bytes())
}

/// Bodies that are no JSON object.
fn no_objects() -> Vec<Vec<u8>> {
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        Vec::new(),
        b" \r\n".to_vec(),
        b"null".to_vec(),
        b"true".to_vec(),
        b"\"invalid_grant\"".to_vec(),
        br#"[{"error":"invalid_grant"}]"#.to_vec(),
        b"<html><body>Please log in to the hotel</body></html>".to_vec(),
        br#"{"error":"invalid_gra"#.to_vec(),
        br#"{"access_token":"eyJ.eyJ.x","expires_in":36"#.to_vec(),
        br#"{"error":"invalid_grant"}}"#.to_vec(),
        b"\xef\xbb\xbf{\"error\":\"invalid_grant\"}".to_vec(),
        utf_16(r#"{"error":"invalid_grant"}"#),
        b"{\"error\":\"\xff\xfe\"}".to_vec(),
        b"\0\0\0\0".to_vec(),
        nested(100_000),
        b"personalAccessKey=x".to_vec(),
    ]
}

fn nested(depth: usize) -> Vec<u8> {
    [r#"{"a":"#.repeat(depth), "}".repeat(depth)]
        .concat()
        .into_bytes()
}

const OBJECTS: [&str; 5] = [
    "{}",
    r#"{"error":"invalid_grant"}"#,
    r#" {"error":null,"message":7} "#,
    r#"{"error":"a","error":"b"}"#,
    r#"{"access_token":"eyJ.eyJ.x"}"#,
];

/// Every class of statuses but those with rows of their own.
const OTHER_STATUSES: [u16; 25] = [
    0, 100, 101, 199, 201, 202, 204, 206, 299, 301, 302, 303, 304, 307, 308, 402, 404, 405, 407,
    408, 500, 502, 503, 599, 999,
];

#[test]
fn a_refusal_with_a_json_object_is_permanent() {
    for status in [400, 401, 403] {
        for body in OBJECTS {
            check(status, body, &REFUSED);
        }
        let huge = format!(r#"{{"error":"{}"}}"#, "x".repeat(250_000));
        check(status, huge, &REFUSED);
    }
}

#[test]
fn a_refusal_without_a_json_object_is_transient() {
    for status in [400, 401, 403] {
        for body in no_objects() {
            check(status, body, &BAD);
        }
    }
}

#[test]
fn too_many_requests_are_transient_whatever_the_body() {
    for body in OBJECTS
        .map(|body| body.as_bytes().to_vec())
        .into_iter()
        .chain(no_objects())
    {
        check(429, body, &LIMITED);
    }
}

#[test]
fn every_other_status_is_transient_whatever_the_body() {
    for status in OTHER_STATUSES {
        for body in OBJECTS
            .map(|body| body.as_bytes().to_vec())
            .into_iter()
            .chain(no_objects())
        {
            check(status, body, &BAD);
        }
    }
}

#[test]
fn a_success_without_a_usable_token_is_transient() {
    for body in no_objects() {
        check(200, body, &BAD);
    }
    for body in [
        "{}",
        r#"{"error":"invalid_grant"}"#,
        r#"{"access_token":null}"#,
        r#"{"access_token":7}"#,
        r#"{"access_token":{"a":"b"}}"#,
        r#"{"access_token":""}"#,
        r#"{"Access_Token":"eyJ.eyJ.x"}"#,
        r#"{"data":{"access_token":"eyJ.eyJ.x"}}"#,
        r#"{"access_token":"eyJ.eyJ.x","access_token":"eyJ.eyJ.y"}"#,
        r#"{"access_token":"eyJ.eyJ.x","expires_in":1,"expires_in":2}"#,
    ] {
        check(200, body, &BAD);
    }
}

#[test]
fn a_success_with_a_token_may_hold_anything_else() {
    for body in [
        r#"{"access_token":"eyJ.eyJ.x","expires_in":3600}"#,
        r#" {"token_type":"Bearer","expires_in":3600,"access_token":"opaque"} "#,
        r#"{"access_token":"opaque","expires_in":3600,"error":"none","refresh_token":[1,{"a":2}]}"#,
    ] {
        check(200, body, &Made::Token { life: 3_600 });
    }
    let deep = [
        r#"{"a":"#.repeat(100_000),
        "1".to_owned(),
        "}".repeat(100_000),
    ]
    .concat();
    let answer = |field| format!(r#"{{"access_token":"opaque","{field}":{deep}}}"#);
    check(200, answer("unread"), &Made::Token { life: 300 });
    check(200, answer("expires_in"), &BAD);
}

#[test]
fn a_token_holds_the_characters_of_a_bearer_token_and_no_others() {
    for good in ["a", "eyJ.eyJ.x-y_z", "a+b/c==", "~", &"a".repeat(16_384)] {
        check(
            200,
            format!(r#"{{"access_token":"{good}"}}"#),
            &Made::Token { life: 300 },
        );
    }
    for bad in [
        "a b",
        "a\\n",
        "a\\r\\nX-Evil: 1",
        "a\\u0000",
        "a'",
        "a\\\"",
        "a$(x)",
        "a`x`",
        "a;b",
        "a%0a",
        "\\u001b[31m",
        "\u{e4}",
        "\\u202e",
        "a,b",
        &"a".repeat(16_385),
    ] {
        check(200, format!(r#"{{"access_token":"{bad}"}}"#), &BAD);
    }
}

#[test]
fn a_credential_that_comes_back_as_a_token_is_no_token() {
    let given = Credential::parse("7f3a9c2e0b1d4e5f").unwrap();
    let echo = token_answer(given.expose(), "3600");
    assert_eq!(made(&echo.read(&target(|_| ()), &given)), BAD);
}

#[test]
fn expires_in_is_believed_as_a_number_or_as_its_digits() {
    for (expires_in, life) in [
        ("3600", 3_600),
        ("3600.9", 3_600),
        ("3.6e3", 3_600),
        ("\"3600\"", 3_600),
        ("1", 1),
        ("null", 300),
        ("true", 300),
        ("[]", 300),
        ("[3600]", 300),
        ("{\"seconds\":3600}", 300),
        ("\"\"", 300),
        ("\"an hour\"", 300),
        ("\"3600.5\"", 300),
        ("\" 3600\"", 300),
        ("1e300", 2_592_000),
        ("9223372036854775807", 2_592_000),
        ("99999999999999999999", 2_592_000),
    ] {
        let result = read(&token_answer("opaque", expires_in));
        assert_eq!(made(&result), Made::Token { life }, "{expires_in}");
    }
    let without = answer(200, br#"{"access_token":"opaque"}"#);
    assert_eq!(made(&read(&without)), Made::Token { life: 300 });
}

#[test]
fn a_token_that_is_dead_on_arrival_is_transient() {
    for expires_in in [
        "0",
        "-1",
        "-0.5",
        "0.9",
        "\"0\"",
        "\"-3600\"",
        "-9223372036854775808",
    ] {
        assert_eq!(
            made(&read(&token_answer("opaque", expires_in))),
            BAD,
            "{expires_in}"
        );
    }
    for exp in [0, SERVER_NOW - 3_600, SERVER_NOW] {
        let token = jwt(&format!(r#"{{"exp":{exp}}}"#));
        assert_eq!(made(&read(&token_answer(&token, "3600"))), BAD, "{exp}");
    }
}

/// A JWT with an `exp` and an `expires_in`, both counted from the server's clock: its life.
fn check_life(exp: i64, expires_in: &str, expected: u64) {
    let exp_at = i64::try_from(SERVER_NOW).unwrap() + exp;
    let token = jwt(&format!(r#"{{"exp":{exp_at}}}"#));
    let grant = read(&token_answer(&token, expires_in)).unwrap();
    assert_eq!(grant.life, Span::seconds(expected), "{exp} {expires_in}");
    assert_eq!(
        grant.expires_at.as_unix(),
        SERVER_NOW + expected,
        "{exp} {expires_in}"
    );
}

#[test]
fn the_earlier_of_exp_and_expires_in_counts() {
    check_life(600, "3600", 600);
    check_life(3_600, "600", 600);
    check_life(600, "null", 600);
    check_life(600, "\"soon\"", 600);
    check_life(i64::MAX / 4, "3600", 3_600);
    check_life(i64::MAX / 4, "null", 2_592_000);
}

#[test]
fn a_wrong_local_clock_changes_neither_the_life_nor_the_end_of_a_token() {
    let token = jwt(&format!(r#"{{"exp":{}}}"#, SERVER_NOW + 3_600));
    for wall in [SERVER_NOW - 600, SERVER_NOW, SERVER_NOW + 600, 0, u64::MAX] {
        let mut answer = token_answer(&token, "7200");
        answer.wall = Timestamp::from_unix(wall);
        let grant = read(&answer).unwrap();
        assert_eq!(grant.life, Span::seconds(3_600), "{wall}");
        assert_eq!(grant.expires_at.as_unix(), SERVER_NOW + 3_600, "{wall}");
    }
}

#[test]
fn where_the_server_tells_no_time_the_local_clock_counts() {
    let token = jwt(&format!(r#"{{"exp":{}}}"#, SERVER_NOW + 3_600));
    for date in [
        None,
        Some(""),
        Some("yesterday"),
        Some("2026-09-21T14:13:20Z"),
    ] {
        let mut answer = token_answer(&token, "null");
        answer.date = date.map(str::to_owned);
        answer.wall = Timestamp::from_unix(SERVER_NOW + 600);
        assert_eq!(
            read(&answer).unwrap().life,
            Span::seconds(3_000),
            "{date:?}"
        );
    }
}

#[test]
fn every_form_of_an_http_date_is_the_servers_clock() {
    let token = jwt(&format!(r#"{{"exp":{}}}"#, SERVER_NOW + 3_600));
    for date in [
        SERVER_DATE,
        "Monday, 21-Sep-26 14:13:20 GMT",
        "Mon Sep 21 14:13:20 2026",
    ] {
        let mut answer = token_answer(&token, "null");
        answer.date = Some(date.to_owned());
        answer.wall = Timestamp::from_unix(0);
        assert_eq!(read(&answer).unwrap().life, Span::seconds(3_600), "{date}");
    }
}

/// The pause that a `Retry-After` asks for, in seconds.
fn pause(status: u16, retry_after: &str) -> Option<u64> {
    let mut answer = answer(status, b"{}");
    answer.retry_after = Some(retry_after.to_owned());
    match read(&answer) {
        Err(Failure::Transient(_, pause)) => pause.map(|pause| pause.0 / 1_000),
        other => panic!("{other:?}"),
    }
}

#[test]
fn retry_after_is_read_as_seconds_and_as_each_form_of_a_date() {
    for (text, seconds) in [
        ("120", Some(120)),
        (" 120 ", Some(120)),
        ("0", Some(0)),
        ("Mon, 21 Sep 2026 14:15:20 GMT", Some(120)),
        ("Monday, 21-Sep-26 14:15:20 GMT", Some(120)),
        ("Mon Sep 21 14:15:20 2026", Some(120)),
        ("Mon, 21 Sep 2026 14:00:00 GMT", Some(0)),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("99999999999999999999999", None),
    ] {
        for status in [429, 503, 200, 302] {
            assert_eq!(pause(status, text), seconds, "{status} {text:?}");
        }
    }
    assert_eq!(pause(429, &u64::MAX.to_string()), Some(u64::MAX / 1_000));
}

#[test]
fn a_date_to_retry_after_counts_from_the_servers_clock() {
    let mut answer = answer(503, b"");
    answer.wall = Timestamp::from_unix(SERVER_NOW + 600);
    answer.retry_after = Some("Mon, 21 Sep 2026 14:15:20 GMT".to_owned());
    assert!(matches!(
        read(&answer),
        Err(Failure::Transient(_, Some(pause))) if pause == Span::seconds(120)
    ));
}

/// A token for one organization where another, or none, is wanted.
fn check_guard(asked: Option<&str>, pinned: Option<&str>, got: Option<&str>, expected: &Made) {
    let target = target(|settings| {
        settings.organization_id = asked.map(Into::into);
        settings.pinned_organization = pinned.map(Into::into);
    });
    let claims = got.map_or_else(
        || "{}".to_owned(),
        |got| format!(r#"{{"currentOrganizationId":"{got}"}}"#),
    );
    let result = token_answer(&jwt(&claims), "3600").read(&target, &credential());
    assert_eq!(
        &made(&result),
        expected,
        "asked {asked:?}, pinned {pinned:?}, got {got:?}"
    );
    if let Ok(grant) = result {
        assert_eq!(grant.organization_id.as_deref(), got);
    }
}

#[test]
fn a_token_of_another_organization_is_refused() {
    let good = Made::Token { life: 3_600 };
    let upper = ACME.to_uppercase();
    for (asked, pinned, got, expected) in [
        (None, None, None, &good),
        (None, None, Some(OTHER), &good),
        (Some(ACME), None, Some(ACME), &good),
        (Some(ACME), None, Some(upper.as_str()), &good),
        (Some(upper.as_str()), None, Some(ACME), &good),
        (Some(ACME), None, Some(OTHER), &WRONG),
        (Some(ACME), None, None, &WRONG),
        (None, Some(ACME), Some(ACME), &good),
        (None, Some(ACME), Some(upper.as_str()), &good),
        (None, Some(ACME), Some(OTHER), &WRONG),
        (None, Some(ACME), None, &good),
        (Some(ACME), Some(OTHER), Some(ACME), &good),
        (Some(ACME), Some(OTHER), Some(OTHER), &WRONG),
    ] {
        check_guard(asked, pinned, got, expected);
    }
}

#[test]
fn a_token_that_was_asked_for_a_sub_organization_has_to_be_of_it() {
    let target = target(|settings| {
        settings.organization_id = Some(OTHER.into());
        settings.sub_organization = Some(ACME.into());
    });
    for (got, expected) in [(ACME, Made::Token { life: 60 }), (OTHER, WRONG)] {
        let token = jwt(&format!(r#"{{"currentOrganizationId":"{got}"}}"#));
        let result = token_answer(&token, "60").read(&target, &credential());
        assert_eq!(made(&result), expected, "{got}");
    }
}

#[test]
fn an_opaque_token_is_accepted_unless_an_organization_was_asked_for() {
    let opaque = token_answer("opaque", "60");
    assert_eq!(read(&opaque).unwrap().organization_id, None);
    let target = target(|settings| settings.organization_id = Some(ACME.into()));
    assert_eq!(made(&opaque.read(&target, &credential())), WRONG);
}

#[test]
fn the_refusal_of_a_foreign_token_names_both_organizations() {
    let target = target(|settings| settings.pinned_organization = Some(ACME.into()));
    let token = jwt(&format!(r#"{{"currentOrganizationId":"{OTHER}"}}"#));
    let failure = token_answer(&token, "60")
        .read(&target, &credential())
        .unwrap_err();
    let message = &failure.denial().message;
    assert!(
        message.contains(ACME) && message.contains(OTHER),
        "{message}"
    );
}

/// What a person is told when the server says `body` to the credential.
fn told(status: u16, body: &str) -> String {
    let failure = read(&answer(status, body.as_bytes())).unwrap_err();
    failure.denial().message.clone()
}

#[test]
fn what_the_server_says_of_a_refusal_is_passed_on() {
    for (body, said) in [
        (r#"{"error":"invalid_grant"}"#, "(401: invalid_grant)"),
        (
            r#"{"error":"a","error_description":"Key revoked"}"#,
            "(401: Key revoked)",
        ),
        (
            r#"{"message":"Kein Zugriff für größere"}"#,
            "(401: Kein Zugriff für größere)",
        ),
        (r#"{"detail":"gone"}"#, "(401: gone)"),
        (r#"{"error":{"code":7}}"#, "(401)"),
        ("{}", "(401)"),
    ] {
        assert_eq!(
            told(401, body),
            format!("auth.appcircle.io refused the credential {said}")
        );
    }
}

#[test]
fn a_long_text_of_the_server_is_cut() {
    let body = format!(r#"{{"error":"{}"}}"#, "very ".repeat(10_000));
    assert!(told(400, &body).len() < 300);
}

/// Each way in which a server might spell the credential it was sent.
fn echoes() -> Vec<String> {
    let encoded =
        percent_encoding::utf8_percent_encode(CREDENTIAL, percent_encoding::NON_ALPHANUMERIC);
    let (encoded, length) = (encoded.to_string(), CREDENTIAL.len());
    let twice = encoded.replace('%', "%25");
    let spaced: Vec<String> = CREDENTIAL.chars().map(String::from).collect();
    vec![
        CREDENTIAL.to_owned(),
        CREDENTIAL.chars().take(length / 2).collect(),
        CREDENTIAL.chars().skip(length / 2).collect(),
        encoded.clone(),
        encoded.to_lowercase(),
        twice,
        encoded.chars().take(20).collect(),
        encoded.chars().skip(7).collect(),
        CREDENTIAL.to_uppercase(),
        spaced.join("\\u0000"),
        spaced.join("\\u200b"),
        spaced.join(" "),
        CREDENTIAL.replace('/', "\\/"),
    ]
}

/// Whether a message gives away eight characters in a row, however they are spelled.
fn gives_away(message: &str) -> bool {
    let decoded = percent_decode(message.as_bytes())
        .decode_utf8_lossy()
        .into_owned();
    let letters = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.collect::<String>().to_lowercase()
    };
    let secret: Vec<char> = letters(CREDENTIAL).chars().collect();
    let mut pieces = secret
        .windows(8)
        .map(|piece| piece.iter().collect::<String>());
    pieces.any(|piece| letters(message).contains(&piece) || letters(&decoded).contains(&piece))
}

#[test]
fn a_server_that_echoes_the_credential_does_not_get_it_into_a_message() {
    assert!(gives_away(CREDENTIAL), "the test can tell");
    for echo in echoes() {
        for body in [
            format!(r#"{{"error":"{echo}"}}"#),
            format!(r#"{{"error_description":"the key {echo} is not known","error":"{echo}"}}"#),
            format!(r#"{{"message":"personalAccessKey={echo}&x=y"}}"#),
        ] {
            for status in [400, 401, 403, 429, 500, 200] {
                let message = told(status, &body);
                assert!(!gives_away(&message), "{status} {echo}: {message}");
            }
        }
    }
}

#[test]
fn a_server_that_echoes_the_credential_as_an_organization_does_not_get_it_into_a_message() {
    let target = target(|settings| settings.pinned_organization = Some(ACME.into()));
    let token = jwt(&format!(r#"{{"currentOrganizationId":"{CREDENTIAL}"}}"#));
    let result = token_answer(&token, "60").read(&target, &credential());
    assert_eq!(made(&result), WRONG);
    let message = result.unwrap_err().denial().message.clone();
    assert!(!gives_away(&message), "{message}");
}

#[test]
fn a_credential_of_few_or_strange_characters_is_kept_too() {
    for secret in ["x7", "+/==", "&"] {
        let given = Credential::parse(secret).unwrap();
        let body = format!(r#"{{"error":"no key '{secret}' here"}}"#);
        let failure = answer(401, body.as_bytes())
            .read(&target(|_| ()), &given)
            .unwrap_err();
        assert!(!failure.denial().message.contains(secret), "{failure:?}");
    }
}

#[test]
fn no_control_character_of_a_server_gets_into_a_message() {
    let nasty = r"a\u001b[31m\u0007\r\n\u0000\u009b\u202e\u2066\u200b\u007f\ufeffb";
    for body in [
        format!(r#"{{"error":"{nasty}"}}"#),
        format!(r#"{{"error_description":"{nasty}"}}"#),
    ] {
        let message = told(401, &body);
        assert!(message.chars().all(is_visible), "{message:?}");
        assert!(message.ends_with("(401: a[31mb)"), "{message:?}");
    }
}

#[test]
fn a_failure_never_prints_the_credential_or_the_body() {
    let printed = format!("{:?}", read(&answer(200, b"{\"marker\":1}")));
    assert!(
        !printed.contains("marker") && !printed.contains(CREDENTIAL),
        "{printed}"
    );
}

/// Bytes that are nearly an answer, and bytes that are nothing.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "\"access_token\":",
        "\"error\":",
        "\"expires_in\":",
        "\"eyJ9.eyJ9.x\"",
        ",",
        "[",
        "]",
        "\"\\u0000\"",
        "1e999",
        "-1",
        "null",
        "\"",
        "\\",
        " ",
        "\u{feff}",
        "ä",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_comes_is_read_without_a_panic_and_told_in_visible_characters(
        status in prop_oneof![Just(200), Just(400), Just(401), Just(403), any::<u16>()],
        body in bodies(),
        date in prop::option::of(".{0,40}"),
        retry_after in prop::option::of(".{0,40}"),
        wall in any::<u64>(),
    ) {
        let answer = Answer {
            status,
            date,
            retry_after,
            body: Zeroizing::new(body),
            wall: Timestamp::from_unix(wall),
        };
        if let Err(failure) = read(&answer) {
            prop_assert!(failure.denial().message.chars().all(is_visible));
        }
    }

    #[test]
    fn whatever_a_token_claims_is_read_without_a_panic(
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..100),
            any::<(i64, f64)>().prop_map(|(exp, life)| {
                format!(r#"{{"exp":{exp},"currentOrganizationId":"{life}"}}"#).into_bytes()
            }),
        ],
        expires_in in any::<f64>(),
    ) {
        let token = format!("a.{}.b", BASE64URL_NOPAD.encode(&payload));
        if let Ok(grant) = read(&token_answer(&token, &format!("{expires_in:e}"))) {
            prop_assert!(grant.life > Span(0) && grant.life <= freshness::LONGEST_LIFE);
        }
    }
}
