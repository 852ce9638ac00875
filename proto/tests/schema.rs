//! `SCHEMA.md` says what the code does: every message with its number, fields and defaults, every
//! value and code with its number, every limit, and no example that could not be sent.

#[path = "shared/samples.rs"]
mod samples;

use std::collections::BTreeSet;

use ac_cred_proto::argv::MAX_ARGV_LENGTH;
use ac_cred_proto::endpoint::{SOCKET_VARIABLE, socket_name};
use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, MAX_LENGTH};
use ac_cred_proto::message::{Asked, DEFAULT_WAIT_MS, EventKind, Server, Step};
use ac_cred_proto::org::MAX_ORG_LENGTH;
use ac_cred_proto::secret::{MAX_CREDENTIAL_LENGTH, MAX_TOKEN_LENGTH};
use ac_cred_proto::settings::{CLOUD_API_URL, CLOUD_AUTH_URL, EndpointVersion, Kind, Store};
use ac_cred_proto::{ErrorCode, Request, Response, WIRE_VERSION};
use serde::Serialize;
use serde_json::{Map, Value};

use samples::Sample;

const SCHEMA: &str = include_str!("../SCHEMA.md");

#[expect(clippy::panic, reason = "a failed check of a test")]
fn panic_for(what: &str) -> ! {
    panic!("SCHEMA.md: {what}")
}

/// The text between a heading and the next.
fn section(heading: &str) -> &'static str {
    let Some((_, behind)) = SCHEMA.split_once(&format!("\n{heading}\n")) else {
        panic_for(&format!("there is no heading {heading}"));
    };
    behind.split("\n#").next().unwrap_or(behind)
}

/// The cells of the table's rows in a text, without those of its head.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .skip(1)
        .take_while(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The text of a cell between backquotes.
fn quoted(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// The lines of all blocks of a language.
fn blocks(language: &str) -> Vec<&'static str> {
    SCHEMA
        .split(&format!("```{language}\n"))
        .skip(1)
        .filter_map(|behind| behind.split("```").next())
        .flat_map(str::lines)
        .collect()
}

fn line_of(message: &impl Serialize) -> String {
    let bytes = Encoding::Json
        .encode(message)
        .expect("a message of the table fits");
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// The number of a message in its frame.
fn number_of(message: &impl Serialize) -> u8 {
    let bytes = Encoding::Binary
        .encode(message)
        .expect("a message of the table fits");
    bytes[HEADER_LENGTH + 1]
}

/// A message's name and fields.
fn parts(line: &str) -> (String, Map<String, Value>) {
    let message: Map<String, Value> = serde_json::from_str(line).expect("a line is an object");
    let (name, fields) = message.into_iter().next().expect("an object has its name");
    let fields = fields.as_object().expect("the value is an object").clone();
    (name, fields)
}

/// Checks that a section has a row for each field of an object, in the order of the wire.
fn check_fields(heading: &str, name: &str, fields: &Map<String, Value>, line: &str) {
    let rows = rows(section(heading));
    let listed: Vec<String> = rows.iter().map(|row| quoted(row[0])).collect();
    let expected: BTreeSet<&String> = fields.keys().collect();
    assert_eq!(
        listed.iter().collect::<BTreeSet<_>>(),
        expected,
        "{heading}"
    );
    assert_eq!(listed.len(), expected.len(), "{heading}");

    let object = line.split_once(&format!("\"{name}\":{{"));
    let mut rest = object.map(|(_, rest)| rest).unwrap_or_default();
    for field in &listed {
        rest = match rest.split_once(&format!("\"{field}\":")) {
            Some((_, rest)) => rest,
            None => panic_for(&format!("{heading}: {field} is not in the order of {line}")),
        };
    }
    for (name, value) in fields {
        if let Value::Object(fields) = value {
            check_fields(&format!("### `{name}`"), name, fields, line);
        }
    }
}

fn check_messages<M: Serialize>(samples: &[Sample<M>]) {
    for Sample {
        name: special,
        message,
    } in samples
    {
        let line = line_of(message);
        let (name, fields) = parts(&line);
        let heading = format!("### `{name}` ({})", number_of(message));
        assert!(SCHEMA.contains(&heading), "{special}: {heading}");
        check_fields(&heading, &name, &fields, &line);
    }
}

#[test]
fn every_message_is_described_with_its_number_and_its_fields_in_their_order() {
    check_messages(&samples::requests());
    check_messages(&samples::responses());
}

#[test]
fn the_defaults_are_those_that_are_described() {
    for Sample { message, .. } in samples::requests() {
        let (name, mut fields) = parts(&line_of(&message));
        let rows = rows(section(&format!("### `{name}` ({})", number_of(&message))));
        for row in rows.iter().filter(|row| !row[2].is_empty()) {
            fields.remove(&quoted(row[0]));
        }
        let least = serde_json::json!({ &name: fields }).to_string();
        let Ok(request) = Encoding::Json.decode::<Request>(least.as_bytes()) else {
            panic_for(&format!("{least} is not enough"));
        };
        let (_, fields) = parts(&line_of(&request));
        for row in rows.iter().filter(|row| row[2].starts_with(['`', '8'])) {
            let default = fields[&quoted(row[0])].to_string();
            assert_eq!(
                quoted(row[2]).replace(',', ""),
                default,
                "{name}: {}",
                row[0]
            );
        }
    }
}

#[test]
fn no_message_and_no_field_is_described_that_is_not_there() {
    let lines = samples::requests()
        .iter()
        .map(|sample| line_of(&sample.message))
        .chain(
            samples::responses()
                .iter()
                .map(|sample| line_of(&sample.message)),
        )
        .collect::<Vec<_>>();
    let headings = SCHEMA.lines().filter_map(|line| line.strip_prefix("### `"));
    for heading in headings {
        let name = heading.split('`').next().unwrap_or_default();
        let key = format!("\"{name}\":{{");
        assert!(lines.iter().any(|line| line.contains(&key)), "{name}");
    }
}

/// Checks a table of values: each has its number, and none is missing.
fn check_values<'a>(kind: &str, names: impl IntoIterator<Item = &'a str>) {
    let Some((_, table)) = SCHEMA.split_once(&format!("| number | {kind} |")) else {
        panic_for(&format!("there is no table of {kind}"));
    };
    let listed: Vec<_> = rows(table)
        .iter()
        .map(|row| (row[0].to_owned(), quoted(row[1])))
        .collect();
    let expected: Vec<_> = names
        .into_iter()
        .enumerate()
        .map(|(number, name)| (number.to_string(), name.to_owned()))
        .collect();
    assert_eq!(listed, expected, "{kind}");
}

/// The names that serde gives to values.
fn names<T: Serialize>(values: &[T]) -> Vec<String> {
    let name = |value| {
        serde_json::to_value(value)
            .ok()?
            .as_str()
            .map(str::to_owned)
    };
    values.iter().filter_map(name).collect()
}

#[test]
fn every_value_and_every_code_is_described_with_its_number() {
    check_values("kind", Kind::ALL.iter().map(|value| value.as_str()));
    check_values("store", Store::ALL.iter().map(|value| value.as_str()));
    let versions = EndpointVersion::ALL.iter().map(|value| value.as_str());
    check_values("endpoint version", versions);
    let needs = names(&samples::passphrase_needs());
    check_values("passphrase need", needs.iter().map(String::as_str));
    let warnings = names(&samples::warnings());
    check_values("warning", warnings.iter().map(String::as_str));
    let servers = Server::ALL.iter().map(|server| server.as_str());
    check_values("server", servers);
    check_values("step", names(Step::ALL).iter().map(String::as_str));
    let events = names(EventKind::ALL);
    check_values("event", events.iter().map(String::as_str));
    check_values("asked", Asked::ALL.iter().map(|asked| asked.as_str()));
    assert_eq!(
        names(Asked::ALL),
        Asked::ALL
            .iter()
            .map(|asked| asked.as_str())
            .collect::<Vec<_>>()
    );
    check_values("code", ErrorCode::ALL.iter().map(|code| code.as_str()));
}

/// A number as the page writes it: `65,536`.
fn grouped(number: usize) -> String {
    match (number / 1_000, number % 1_000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{},{rest:03}", grouped(thousands)),
    }
}

#[test]
fn every_limit_is_described() {
    let limits = section("## Limits");
    for limit in [
        MAX_LENGTH,
        MAX_ORG_LENGTH,
        MAX_TOKEN_LENGTH,
        MAX_CREDENTIAL_LENGTH,
        MAX_ARGV_LENGTH,
    ] {
        let limit = format!("| {} bytes |", grouped(limit));
        assert!(limits.contains(&limit), "{limit}");
    }
    let wait = usize::try_from(DEFAULT_WAIT_MS).unwrap();
    assert!(limits.contains(&grouped(wait)), "{wait}");
    assert!(section("### Binary frames").contains(&grouped(MAX_LENGTH)));
    assert!(SCHEMA.contains(&format!("the wire version, {WIRE_VERSION} |")));
}

#[test]
fn the_endpoint_and_the_cloud_have_the_names_of_the_code() {
    let endpoint = section("## Find the endpoint");
    assert!(endpoint.contains(&format!("`{SOCKET_VARIABLE}`")));
    assert!(endpoint.contains(&format!("`/run/user/<uid>/ac-cred/{}`", socket_name())));
    assert!(endpoint.contains(&format!("`<home>/.local/state/ac-cred/{}`", socket_name())));
    assert!(SCHEMA.starts_with(&format!(
        "# The words on the socket, wire version {WIRE_VERSION}\n"
    )));
    assert!(SCHEMA.contains(CLOUD_AUTH_URL) && SCHEMA.contains(CLOUD_API_URL));
}

#[test]
fn every_example_is_a_message_and_answers_are_written_as_the_daemon_writes_them() {
    let lines = blocks("json");
    assert!(!lines.is_empty());
    for line in lines {
        if Encoding::Json.decode::<Request>(line.as_bytes()).is_err() {
            match Encoding::Json.decode::<Response>(line.as_bytes()) {
                Ok(response) => assert_eq!(line_of(&response), line),
                Err(error) => panic_for(&format!("{error}: {line}")),
            }
        }
    }
    let inline: Vec<_> = SCHEMA
        .split('`')
        .filter(|piece| piece.starts_with("{\"") && !piece.contains('\n'))
        .collect();
    assert!(inline.len() >= 2);
    for line in inline {
        let request = Encoding::Json.decode::<Request>(line.as_bytes());
        assert!(request.is_ok(), "{line}");
    }
}

#[test]
fn every_request_is_in_an_example() {
    let lines = blocks("json");
    for Sample { message, .. } in samples::requests() {
        let (name, _) = parts(&line_of(&message));
        let begin = format!("{{\"{name}\":");
        assert!(lines.iter().any(|line| line.starts_with(&begin)), "{name}");
    }
}

#[test]
fn the_worked_example_is_the_frame_of_its_line() {
    let (before, _) = SCHEMA
        .split_once(" as a frame:\n")
        .expect("there is an example");
    let line = before.lines().last().unwrap_or_default().trim_matches('`');
    let request: Request = Encoding::Json.decode(line.as_bytes()).unwrap();
    let shown: Vec<u8> = blocks("hex")
        .iter()
        .flat_map(|line| {
            line.split(';')
                .next()
                .unwrap_or_default()
                .split_whitespace()
        })
        .map(|digits| u8::from_str_radix(digits, 16).expect("a byte in hexadecimal"))
        .collect();
    assert_eq!(shown, Encoding::Binary.encode(&request).unwrap().as_slice());
}
