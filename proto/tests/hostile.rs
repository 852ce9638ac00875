//! Bytes that no honest peer writes: each is an error of its own kind, never a panic, another
//! message, or memory whose size the sender chose.

#[path = "hostile/binary.rs"]
mod binary;
#[path = "hostile/json.rs"]
mod json;
#[path = "hostile/properties.rs"]
mod properties;
#[path = "shared/samples.rs"]
mod samples;
#[path = "hostile/secrets.rs"]
mod secrets;

use std::fmt::Debug;

use ac_cred_proto::frame::{Encoding, FrameError, HEADER_LENGTH, MAX_LENGTH};
use ac_cred_proto::org::MAX_ORG_LENGTH;
use ac_cred_proto::secret::{MAX_CREDENTIAL_LENGTH, MAX_TOKEN_LENGTH};
use ac_cred_proto::{Denial, ErrorCode, Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use samples::{ALIAS, PASSPHRASE, Sample, TOKEN};

const BOTH: [Encoding; 2] = [Encoding::Binary, Encoding::Json];

/// What the credential of the table begins with, before JSON writes the rest otherwise.
const CREDENTIAL_START: &str = "marker-";

/// What a decoder makes of a payload, as text.
type Read = fn(Encoding, &[u8]) -> Result<String, FrameError>;

/// A message of the table in one encoding, and how it is read.
struct Case {
    name: String,
    encoding: Encoding,
    payload: Vec<u8>,
    read: Read,
}

impl Case {
    fn read(&self, payload: &[u8]) -> Result<String, FrameError> {
        (self.read)(self.encoding, payload)
    }

    #[track_caller]
    fn refuses(&self, payload: &[u8]) {
        let read = self.read(payload);
        let (name, encoding) = (&self.name, self.encoding);
        assert_eq!(read, Err(FrameError::Malformed), "{name}, {encoding:?}");
    }
}

/// The whole table in one encoding.
fn cases_in(encoding: Encoding) -> Vec<Case> {
    fn of<M>(encoding: Encoding, samples: Vec<Sample<M>>) -> impl Iterator<Item = Case>
    where
        M: Serialize + DeserializeOwned + Debug,
    {
        samples.into_iter().map(move |sample| Case {
            payload: payload(encoding, &sample.message),
            name: sample.name,
            encoding,
            read: read::<M>,
        })
    }
    of(encoding, samples::requests())
        .chain(of(encoding, samples::responses()))
        .collect()
}

/// The whole table in both encodings.
fn cases() -> Vec<Case> {
    BOTH.into_iter().flat_map(cases_in).collect()
}

/// What a reader hands to the decoder: what follows the length, or the line without its line feed.
fn payload(encoding: Encoding, message: &impl Serialize) -> Vec<u8> {
    let bytes = encoding.encode(message).expect("it fits a frame");
    match encoding {
        Encoding::Binary => bytes[HEADER_LENGTH..].to_vec(),
        Encoding::Json => bytes[..bytes.len() - 1].to_vec(),
    }
}

/// What is read can be written again.
fn read<M>(encoding: Encoding, payload: &[u8]) -> Result<String, FrameError>
where
    M: Serialize + DeserializeOwned + Debug,
{
    let message = encoding.decode::<M>(payload)?;
    assert!(encoding.encode(&message).is_ok(), "it was read");
    Ok(format!("{message:?}"))
}

/// The payload with one text in place of another of its length, where it has that text.
fn replaced(payload: &[u8], old: &str, new: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(old.len(), new.len());
    let at = payload
        .windows(old.len())
        .position(|window| window == old.as_bytes())?;
    Some([&payload[..at], new, &payload[at + old.len()..]].concat())
}

#[test]
fn every_message_of_the_table_is_read() {
    for case in cases() {
        assert!(case.read(&case.payload).is_ok(), "{}", case.name);
    }
}

#[test]
fn a_message_cut_off_at_any_byte_is_an_error() {
    for case in cases() {
        for length in 0..case.payload.len() {
            let expected = match (case.encoding, length) {
                (Encoding::Binary, 0) => FrameError::Empty,
                (Encoding::Binary | Encoding::Json, _) => FrameError::Malformed,
            };
            let read = case.read(&case.payload[..length]);
            assert_eq!(read, Err(expected), "{}: {length} bytes", case.name);
        }
    }
}

#[test]
fn nothing_may_follow_a_message() {
    for case in cases() {
        let garbage: [&[u8]; 3] = match case.encoding {
            Encoding::Binary => [b"\0", b"\x01", b"\0\0\0\x02\x01\x06"],
            Encoding::Json => [b"}", b"{\"list\":{}}", b" x"],
        };
        for more in garbage.into_iter().chain([case.payload.as_slice()]) {
            case.refuses(&[&case.payload, more].concat());
        }
    }
}

#[test]
fn a_changed_bit_is_an_error_or_another_message_but_no_panic() {
    for case in cases() {
        let mut payload = case.payload.clone();
        for at in 0..payload.len() {
            for bit in 0..8 {
                payload[at] ^= 1 << bit;
                let read = case.read(&payload);
                assert_ne!(read, Err(FrameError::TooLong), "{}", case.name);
                payload[at] ^= 1 << bit;
            }
        }
    }
}

#[test]
fn a_string_that_is_not_utf_8_is_refused() {
    for case in cases() {
        for bad in [b"ac\xffe", b"acm\xc3", b"\xed\xa0\x80e", b"\xc0\xaeme"] {
            if let Some(spoiled) = replaced(&case.payload, ALIAS, bad) {
                case.refuses(&spoiled);
            }
        }
    }
}

#[test]
fn an_alias_or_a_secret_of_another_form_is_refused_inside_a_message() {
    let spoil = [
        (ALIAS, "-cme".to_owned()),
        (ALIAS, "ac/e".to_owned()),
        (ALIAS, "ac e".to_owned()),
        (ALIAS, "acm\u{7f}".to_owned()),
        (ALIAS, "acé".to_owned()),
        (TOKEN, TOKEN.replacen('e', " ", 1)),
        (TOKEN, TOKEN.replacen('e', "'", 1)),
        (TOKEN, TOKEN.replacen('e', "%", 1)),
        (TOKEN, TOKEN.replacen('e', "\u{7f}", 1)),
        (CREDENTIAL_START, CREDENTIAL_START.replacen('m', " ", 1)),
        (CREDENTIAL_START, CREDENTIAL_START.replacen("ma", "é", 1)),
        (PASSPHRASE, PASSPHRASE.replacen('m', "\u{7f}", 1)),
    ];
    for (old, new) in &spoil {
        let mut spoiled = 0;
        for case in cases() {
            if let Some(payload) = replaced(&case.payload, old, new.as_bytes()) {
                case.refuses(&payload);
                spoiled += 1;
            }
        }
        assert!(spoiled > 0, "no message of the table holds {old}");
    }
}

/// Requests with a text in them, in both encodings.
type Holding = fn(&str) -> [Vec<u8>; 2];

const HOLDING_TOKEN: Holding = |text| {
    let line = format!(r#"{{"reject":{{"token":"{text}"}}}}"#);
    [
        payload(
            Encoding::Binary,
            &(binary::REJECT, false, Some(text), 0_u32),
        ),
        line.into_bytes(),
    ]
};

const HOLDING_CREDENTIAL: Holding = |text| {
    let line = format!(r#"{{"login":{{"organization":"a","credential":"{text}"}}}}"#);
    let rest = (false, [false; 13], false, 0_u32, false);
    [
        payload(Encoding::Binary, &(binary::LOGIN, "a", Some(text), rest)),
        line.into_bytes(),
    ]
};

const HOLDING_PASSPHRASE: Holding = |text| {
    let line = format!(r#"{{"unlock":{{"passphrase":"{text}"}}}}"#);
    [
        payload(Encoding::Binary, &(binary::UNLOCK, Some(text), true, false)),
        line.into_bytes(),
    ]
};

const HOLDING_ALIAS: Holding = |text| {
    let line = format!(r#"{{"rename":{{"old":"b","new":"{text}"}}}}"#);
    [
        payload(Encoding::Binary, &(binary::RENAME, "b", text)),
        line.into_bytes(),
    ]
};

#[test]
fn an_alias_or_a_secret_of_another_length_is_refused_inside_a_message() {
    for (holding, longest) in [
        (HOLDING_TOKEN, MAX_TOKEN_LENGTH),
        (HOLDING_CREDENTIAL, MAX_CREDENTIAL_LENGTH),
        (HOLDING_PASSPHRASE, MAX_CREDENTIAL_LENGTH),
        (HOLDING_ALIAS, MAX_ORG_LENGTH),
    ] {
        for (length, is_right) in [(0, false), (1, true), (longest, true), (longest + 1, false)] {
            let payloads = holding(&"a".repeat(length));
            for (encoding, payload) in BOTH.into_iter().zip(payloads) {
                let is_read = read::<Request>(encoding, &payload).is_ok();
                assert_eq!(is_read, is_right, "{length} bytes, {encoding:?}");
            }
        }
    }
}

/// The message with the most fields, one of them of this length.
fn long_login(length: usize) -> Request {
    let longest = samples::requests()
        .into_iter()
        .map(|sample| sample.message)
        .max_by_key(|message| payload(Encoding::Binary, message).len());
    let Some(Request::Login(mut login)) = longest else {
        unreachable!("a login says the most");
    };
    login.settings.name = Some("a".repeat(length));
    Request::Login(login)
}

#[test]
fn a_message_fits_to_the_last_byte_or_nothing_of_it_is_written() {
    let denial = |length| Response::Denied(Denial::new(ErrorCode::Internal, "a".repeat(length)));
    for encoding in BOTH {
        check_longest(encoding, denial);
        check_longest(encoding, long_login);
    }
}

fn check_longest<M>(encoding: Encoding, message: impl Fn(usize) -> M)
where
    M: Serialize + DeserializeOwned + Debug,
{
    let header = match encoding {
        Encoding::Binary => HEADER_LENGTH,
        Encoding::Json => 0,
    };
    let around = encoding.encode(&message(60_000)).expect("it fits").len() - 60_000;
    let longest = MAX_LENGTH + header - around;
    let fits = encoding.encode(&message(longest)).expect("it just fits");
    assert_eq!(fits.len(), MAX_LENGTH + header);
    let read = read::<M>(encoding, &payload(encoding, &message(longest)));
    assert!(read.is_ok(), "{encoding:?}");

    for length in [longest + 1, 10 * MAX_LENGTH] {
        let encoded = encoding.encode(&message(length));
        assert_eq!(encoded.err(), Some(FrameError::TooLong));
        let mut buffer = b"before".to_vec();
        let appended = encoding.append(&message(length), &mut buffer);
        assert_eq!(appended, Err(FrameError::TooLong));
        assert_eq!(buffer, b"before");
    }
}

#[test]
fn messages_are_written_behind_what_the_buffer_holds() {
    for encoding in BOTH {
        let mut buffer = b"before".to_vec();
        let mut expected = buffer.clone();
        for Sample { message, .. } in samples::responses() {
            encoding.append(&message, &mut buffer).unwrap();
            expected.extend_from_slice(&encoding.encode(&message).unwrap());
        }
        assert_eq!(buffer, expected);
    }
}
