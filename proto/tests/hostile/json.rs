//! Lines that are wrong: other JSON, and JSON that a lenient reader would take for a message.

use ac_cred_proto::frame::{Encoding, FrameError, MAX_LENGTH};
use ac_cred_proto::message::Unlock;
use ac_cred_proto::secret::Passphrase;
use ac_cred_proto::{Request, Response};
use serde_json::Value;

use crate::{cases_in, payload, read};

/// Neither side takes the line.
#[track_caller]
fn refuses(line: &str) {
    let shown: String = line.chars().take(100).collect();
    let request = read::<Request>(Encoding::Json, line.as_bytes());
    assert_eq!(request, Err(FrameError::Malformed), "{shown}");
    let response = read::<Response>(Encoding::Json, line.as_bytes());
    assert_eq!(response, Err(FrameError::Malformed), "{shown}");
}

#[track_caller]
fn takes(line: &str) {
    assert!(
        read::<Request>(Encoding::Json, line.as_bytes()).is_ok(),
        "{line}"
    );
}

fn text(payload: Vec<u8>) -> String {
    String::from_utf8(payload).expect("a line is text")
}

/// Every setting of a login, with nothing said.
fn no_settings() -> String {
    let names = [
        "kind",
        "store",
        "auth_url",
        "api_url",
        "mcp_url",
        "name",
        "organization_id",
        "sub_organization",
        "endpoint_version",
        "ca_file",
        "proxy",
        "allow_http",
        "expires",
    ];
    let settings = names.map(|setting| format!("\"{setting}\":null"));
    settings.join(",")
}

#[test]
fn what_is_left_out_has_its_default() {
    let get = r#"{"get":{"organization":null,"min_ttl":null,"refresh":false,"wait_ms":8000}}"#;
    let nothing = no_settings();
    let login = format!(
        r#"{{"login":{{"organization":"a","credential":null,"from":null,"settings":{{{nothing}}},"make_default":false,"wait_ms":8000,"command":null}}}}"#
    );
    for (short, whole) in [
        (r#"{"get":{}}"#, get),
        (r#"{"login":{"organization":"a"}}"#, &login),
        (r#"{"login":{"organization":"a","settings":{}}}"#, &login),
        (
            r#"{"logout":{}}"#,
            r#"{"logout":{"organization":null,"all":false}}"#,
        ),
        (
            r#"{"reject":{}}"#,
            r#"{"reject":{"organization":null,"token":null,"wait_ms":8000}}"#,
        ),
        (r#"{"status":{}}"#, r#"{"status":{"organization":null}}"#),
        (
            r#"{"unlock":{}}"#,
            r#"{"unlock":{"passphrase":null,"create":false,"identity":null}}"#,
        ),
    ] {
        let read = Encoding::Json.decode::<Request>(short.as_bytes()).unwrap();
        assert_eq!(text(payload(Encoding::Json, &read)), whole);
    }
    for line in [
        r#"{"login":{}}"#,
        r#"{"use":{}}"#,
        r#"{"rename":{"old":"a"}}"#,
    ] {
        refuses(line);
    }
}

#[test]
fn a_line_that_is_not_one_object_with_one_key_is_refused() {
    for line in [
        "",
        " ",
        "{",
        "{}",
        "null",
        "1",
        "\"list\"",
        "[]",
        "[{\"list\":{}}]",
        "{\"list\"}",
        "{\"list\":}",
        "{\"list\":null}",
        "{\"list\":0}",
        "{\"list\":\"\"}",
        "{\"list\":{},}",
        "{list:{}}",
        "{'list':{}}",
        "{\"list\":{}}\0",
        "\u{feff}{\"list\":{}}",
        "{\"list\":{},\"stop\":{}}",
        "// {\"list\":{}}",
        "{\"list\":{}} // list",
    ] {
        refuses(line);
    }
    takes("{\"list\":{}}");
    takes("{ \"list\" : { } }\r");
    takes("{\"\\u006cist\":{}}");
}

#[test]
fn an_unknown_name_is_refused() {
    for line in [
        r#"{"gett":{}}"#,
        r#"{"Get":{}}"#,
        r#"{"login":{"organization":"a","settings":{"kind":"key"}}}"#,
        r#"{"login":{"organization":"a","settings":{"kind":0}}}"#,
        r#"{"login":{"organization":"a","settings":{"store":"shelf"}}}"#,
        r#"{"login":{"organization":"a","settings":{"endpoint_version":"v4"}}}"#,
        r#"{"login_needs":{"kind":"api-key","passphrase":"Nothing"}}"#,
        r#"{"denied":{"error":"unusual","message":""}}"#,
        r#"{"denied":{"error":17,"message":""}}"#,
    ] {
        refuses(line);
    }
}

#[test]
fn an_unknown_field_is_refused_in_every_object_of_every_message() {
    for case in cases_in(Encoding::Json) {
        let line = text(case.payload.clone());
        for (at, _) in line.match_indices('{') {
            let (before, behind) = line.split_at(at + 1);
            let comma = if behind.starts_with('}') { "" } else { "," };
            let spoiled = format!(r#"{before}"extra":null{comma}{behind}"#);
            case.refuses(spoiled.as_bytes());
        }
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_in_every_object_of_every_message() {
    for case in cases_in(Encoding::Json) {
        let message: Value = serde_json::from_slice(&case.payload).unwrap();
        for spoiled in doubled(&message) {
            case.refuses(spoiled.as_bytes());
        }
    }
}

/// The value as text, once for each key in it that then stands twice.
fn doubled(value: &Value) -> Vec<String> {
    let Value::Object(object) = value else {
        return Vec::new();
    };
    let entry = |(key, value): (&String, &Value)| format!("\"{key}\":{value}");
    let entries: Vec<String> = object.iter().map(entry).collect();
    let mut texts = Vec::new();
    for (at, (key, value)) in object.iter().enumerate() {
        texts.push(format!("{{{},{}}}", entries.join(","), entries[at]));
        texts.extend(doubled(value).into_iter().map(|inner| {
            let mut entries = entries.clone();
            entries[at] = format!("\"{key}\":{inner}");
            format!("{{{}}}", entries.join(","))
        }));
    }
    texts
}

#[test]
fn a_list_is_not_taken_for_an_object() {
    for line in [
        r#"{"list":[]}"#,
        r#"{"get":[]}"#,
        r#"{"get":["acme",null,false,8000]}"#,
        r#"{"use":["acme"]}"#,
        r#"{"login":{"organization":"acme","settings":[]}}"#,
        r#"{"name":["acme"]}"#,
        r#"{"denied":["usage","why",null,null]}"#,
        r#"{"denied":["usage","a \" b",null,null]}"#,
    ] {
        refuses(line);
    }
    for bracketed in ["[", "\"[", "\\[", "\\\"[\\\\"] {
        let unlock = Request::Unlock(Unlock {
            passphrase: Some(Passphrase::parse(bracketed).unwrap()),
            create: false,
            identity: None,
        });
        takes(&text(payload(Encoding::Json, &unlock)));
    }
}

#[test]
fn a_number_is_a_whole_one_that_fits_its_field() {
    takes(r#"{"get":{"wait_ms":4294967295}}"#);
    for number in [
        "-1",
        "-0",
        "1.0",
        "1e3",
        "4294967296",
        "1e400",
        "\"8000\"",
        "null",
        "true",
    ] {
        refuses(&format!(r#"{{"get":{{"wait_ms":{number}}}}}"#));
    }
    for flag in ["1", "\"true\"", "null"] {
        refuses(&format!(r#"{{"get":{{"refresh":{flag}}}}}"#));
    }
}

#[test]
fn a_string_with_half_a_character_is_refused() {
    refuses(r#"{"use":{"organization":"\ud800"}}"#);
    refuses(r#"{"denied":{"error":"usage","message":"\udc00\ud800"}}"#);
    refuses("{\"denied\":{\"error\":\"usage\",\"message\":\"a\tb\"}}");
}

#[test]
fn a_line_of_many_levels_is_refused_without_descending_into_them() {
    let depth = MAX_LENGTH / 8;
    refuses(&"[".repeat(MAX_LENGTH));
    refuses(&"{\"get\":".repeat(depth));
    let levels = format!("{}null{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    refuses(&levels);
    refuses(&format!(r#"{{"get":{levels}}}"#));
    refuses(&format!(r#"{{"get":{{"organization":{levels}}}}}"#));
    refuses(&format!(r#"{{"get":{{"extra":{levels}}}}}"#));
}
