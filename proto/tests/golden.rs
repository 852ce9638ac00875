//! The published bytes: every message of the table as it crosses the socket, in both encodings.
//!
//! A file of `tests/golden` holds the messages of one variant one after the other, as a connection
//! would: frames in `*.bin`, lines in `*.json`.
//! `AC_CRED_BLESS=1` writes the files anew.

#[path = "shared/samples.rs"]
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, payload_length};
use ac_cred_proto::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use samples::Sample;

/// What a person does who sees a difference.
const ADVICE: &str = "a change of the published bytes is a new WIRE_VERSION, because daemons and \
                      editors of this version are in use; where it is one, or where a message is \
                      only added to the table, write the files anew with AC_CRED_BLESS=1 and read \
                      the difference";

/// Names the variants of a message type in a match without a wildcard, so that a new variant does
/// not compile before it is named here, and then has no sample.
macro_rules! variants {
    ($all:ident, $name_of:ident, $message:ident { $($variant:ident = $name:literal,)+ }) => {
        const $all: &[&str] = &[$($name),+];

        fn $name_of(message: &$message) -> &'static str {
            match message {
                $($message::$variant(_) => $name,)+
            }
        }
    };
}

variants! {
    REQUESTS, name_of_request, Request {
        Get = "request-get",
        Login = "request-login",
        Logout = "request-logout",
        Rename = "request-rename",
        Use = "request-use",
        Reject = "request-reject",
        List = "request-list",
        Status = "request-status",
        Unlock = "request-unlock",
        Stop = "request-stop",
        Lock = "request-lock",
        Destination = "request-destination",
        ChangePassphrase = "request-change_passphrase",
        Watch = "request-watch",
        Audit = "request-audit",
        Check = "request-check",
        Move = "request-move",
        Restart = "request-restart",
    }
}

variants! {
    RESPONSES, name_of_response, Response {
        Lease = "response-lease",
        LoggedIn = "response-logged_in",
        LoginNeeds = "response-login_needs",
        Done = "response-done",
        Name = "response-name",
        Daemon = "response-daemon",
        Organization = "response-organization",
        End = "response-end",
        Denied = "response-denied",
        Destination = "response-destination",
        Event = "response-event",
        Audited = "response-audited",
        Checked = "response-checked",
    }
}

/// What each file should hold, by its name: what each message is called, and its bytes.
type Files = BTreeMap<String, Vec<(String, Vec<u8>)>>;

/// What is in the folder, read once, after it was written anew where that is asked for.
static PUBLISHED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let folder = folder();
    if std::env::var_os("AC_CRED_BLESS").is_some_and(|said| said == "1") {
        for (name, messages) in expected() {
            let bytes: Vec<u8> = messages.into_iter().flat_map(|(_, bytes)| bytes).collect();
            fs::write(folder.join(name), bytes).expect("the folder can be written");
        }
    }
    fs::read_dir(&folder)
        .expect("the folder can be read")
        .map(|entry| {
            let entry = entry.expect("the folder can be read to its end");
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("a file can be read"))
        })
        .collect()
});

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn expected() -> Files {
    let mut files = Files::new();
    add(&mut files, &samples::requests(), name_of_request);
    add(&mut files, &samples::responses(), name_of_response);
    files
}

fn add<M: Serialize>(files: &mut Files, samples: &[Sample<M>], name_of: fn(&M) -> &'static str) {
    for Sample { name, message } in samples {
        for (encoding, ending) in [(Encoding::Binary, "bin"), (Encoding::Json, "json")] {
            let file = format!("{}.{ending}", name_of(message));
            let bytes = encode(encoding, message);
            files.entry(file).or_default().push((name.clone(), bytes));
        }
    }
}

fn encode(encoding: Encoding, message: &impl Serialize) -> Vec<u8> {
    let bytes = encoding
        .encode(message)
        .expect("a message of the table fits");
    bytes.to_vec()
}

fn published(file: &str) -> &'static [u8] {
    PUBLISHED
        .get(file)
        .unwrap_or_else(|| panic_for(&format!("tests/golden/{file} is missing")))
}

#[expect(clippy::panic, reason = "a failed check of a test")]
fn panic_for(what: &str) -> ! {
    panic!("{what}: {ADVICE}")
}

#[test]
fn every_message_has_the_bytes_that_are_published() {
    for (file, messages) in expected() {
        let mut rest = published(&file);
        for (number, (name, bytes)) in messages.iter().enumerate() {
            let Some(after) = rest.strip_prefix(bytes.as_slice()) else {
                panic_for(&format!(
                    "message {} of tests/golden/{file}, {name}, differs",
                    number + 1
                ));
            };
            rest = after;
        }
        assert!(rest.is_empty(), "tests/golden/{file} goes on: {ADVICE}");
    }
}

#[test]
fn what_is_published_is_read_as_the_same_message_in_both_encodings() {
    check_reading(&samples::requests(), name_of_request);
    check_reading(&samples::responses(), name_of_response);
}

/// Secrets cannot be compared, so messages are compared by what both encodings write of them, and
/// by what they print.
fn check_reading<M>(samples: &[Sample<M>], name_of: fn(&M) -> &'static str)
where
    M: Serialize + DeserializeOwned + Debug,
{
    let mut frames: BTreeMap<String, &[u8]> = BTreeMap::new();
    for Sample { name, message } in samples {
        let variant = name_of(message);
        let (bin, json) = (format!("{variant}.bin"), format!("{variant}.json"));
        let from_frame = next_frame(frames.entry(bin.clone()).or_insert_with(|| published(&bin)));
        let from_line = next_line(
            frames
                .entry(json.clone())
                .or_insert_with(|| published(&json)),
        );
        for read in [
            Encoding::Binary.decode::<M>(from_frame),
            Encoding::Json.decode::<M>(from_line),
        ] {
            let read = read.unwrap_or_else(|error| panic_for(&format!("{name}: {error}")));
            for encoding in [Encoding::Binary, Encoding::Json] {
                let written = encode(encoding, &read);
                assert_eq!(written, encode(encoding, message), "{name} as {encoding:?}");
            }
            assert_eq!(format!("{read:?}"), format!("{message:?}"), "{name}");
        }
    }
    for (file, rest) in frames {
        assert!(rest.is_empty(), "tests/golden/{file} goes on: {ADVICE}");
    }
}

/// Takes the payload of the next frame.
fn next_frame<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let (header, behind) = rest
        .split_first_chunk::<HEADER_LENGTH>()
        .expect("a frame has a header");
    let length = payload_length(*header).expect("a published length is right");
    let (payload, behind) = behind.split_at(length);
    *rest = behind;
    payload
}

/// Takes the next line without its line feed.
fn next_line<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let feed = rest.iter().position(|&byte| byte == b'\n');
    let (line, behind) = rest.split_at(feed.expect("a line has a line feed"));
    *rest = behind.get(1..).unwrap_or_default();
    line
}

#[test]
fn no_file_is_published_without_a_message_in_the_table() {
    let expected: BTreeSet<_> = expected().into_keys().collect();
    let published: BTreeSet<_> = PUBLISHED.keys().cloned().collect();
    assert_eq!(published, expected, "{ADVICE}");
}

#[test]
fn every_variant_has_a_message_in_the_table() {
    let requests: BTreeSet<_> = samples::requests()
        .iter()
        .map(|sample| name_of_request(&sample.message))
        .collect();
    assert_eq!(requests, REQUESTS.iter().copied().collect());
    let responses: BTreeSet<_> = samples::responses()
        .iter()
        .map(|sample| name_of_response(&sample.message))
        .collect();
    assert_eq!(responses, RESPONSES.iter().copied().collect());
}

#[test]
fn no_message_is_twice_in_the_table() {
    for (file, messages) in expected() {
        let mut seen = BTreeSet::new();
        for (name, bytes) in messages {
            assert!(seen.insert(bytes), "{name} is in {file} under another name");
        }
    }
}
