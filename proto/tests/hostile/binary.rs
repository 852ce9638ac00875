//! Frames that are wrong: lengths, versions, and numbers that choose nothing.

use std::fs;

use ac_cred_proto::frame::{Encoding, FrameError, MAX_LENGTH, payload_length};
use ac_cred_proto::{Request, Response, WIRE_VERSION};
use serde::Serialize;

use crate::samples::{self, ALIAS};
use crate::{BOTH, cases_in, payload, read};

/// The numbers of the messages that are written by hand here.
const GET: u32 = 0;
pub(crate) const LOGIN: u32 = 1;
const LOGOUT: u32 = 2;
pub(crate) const RENAME: u32 = 3;
const USE: u32 = 4;
pub(crate) const REJECT: u32 = 5;
const LIST: u32 = 6;
pub(crate) const UNLOCK: u32 = 8;
const DENIED: u32 = 8;

/// Whether a body written by hand is read as a request.
fn is_request(body: &impl Serialize) -> bool {
    read::<Request>(Encoding::Binary, &payload(Encoding::Binary, body)).is_ok()
}

/// Whether a body written by hand is read as a response.
fn is_response(body: &impl Serialize) -> bool {
    read::<Response>(Encoding::Binary, &payload(Encoding::Binary, body)).is_ok()
}

#[test]
fn a_length_is_refused_before_anything_is_allocated_for_it() {
    let of = |length: u32| payload_length(length.to_be_bytes());
    assert_eq!(of(0), Err(FrameError::Empty));
    assert_eq!(of(1), Err(FrameError::Empty));
    assert_eq!(of(2), Ok(2));
    assert_eq!(of(65_536), Ok(MAX_LENGTH));
    for length in [65_537, 1 << 24, 1 << 31, u32::MAX] {
        assert_eq!(of(length), Err(FrameError::TooLong), "{length}");
    }
}

#[test]
fn a_frame_of_another_wire_version_is_an_error_of_its_own() {
    for version in (0..=u8::MAX).filter(|&version| version != WIRE_VERSION) {
        for payload in [vec![version], vec![version, 6], vec![version, 255, 255]] {
            let expected = Err(FrameError::Version(version));
            assert_eq!(read::<Request>(Encoding::Binary, &payload), expected);
            assert_eq!(read::<Response>(Encoding::Binary, &payload), expected);
        }
    }
    let message = FrameError::Version(7).to_string();
    assert!(message.contains('7'), "{message}");
    assert!(message.contains(&WIRE_VERSION.to_string()), "{message}");
}

#[test]
fn a_connection_begins_as_a_frame_or_as_a_line_or_is_foreign() {
    for byte in 0..=u8::MAX {
        let expected = match byte {
            0 => Ok(Encoding::Binary),
            b'{' => Ok(Encoding::Json),
            _ => Err(FrameError::Foreign),
        };
        assert_eq!(Encoding::of_first_byte(byte), expected);
    }
    for sample in samples::requests() {
        for encoding in BOTH {
            let bytes = encoding.encode(&sample.message).unwrap();
            let chosen = Encoding::of_first_byte(bytes[0]);
            assert_eq!(chosen, Ok(encoding), "{}", sample.name);
        }
    }
}

/// A claim that no machine can meet would end the test; one that a machine can would show in the
/// size of the process.
#[test]
fn a_string_that_claims_more_than_a_frame_is_refused_and_not_allocated() {
    let before = largest_size();
    for claim in [66_000, 1 << 31, 1 << 40, u64::MAX >> 1, u64::MAX] {
        assert!(!is_request(&(USE, claim)), "an alias of {claim} bytes");
        let login = (LOGIN, ALIAS, true, claim);
        assert!(!is_request(&login), "a credential of {claim} bytes");
        let denied = (DENIED, 0_u32, claim);
        assert!(!is_response(&denied), "a sentence of {claim} bytes");
    }
    assert!(largest_size() - before < 1 << 30, "a claim was believed");
    assert!(!is_request(&(USE, 65_000_u64, [b'a'; 4])));
    assert!(!is_request(&(USE, 5_u64, [b'a'; 4])));
    assert!(is_request(&(USE, 4_u64, [b'a'; 4])));
}

/// The most memory that the process has had the use of, in bytes; 0 where the system does not tell.
fn largest_size() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or_default() * 1_024
}

#[test]
fn a_claim_at_any_place_of_a_frame_is_no_danger() {
    let claims: [&[u8]; 5] = [
        &[251, 255, 255],
        &[252, 255, 255, 255, 127],
        &[253, 255, 255, 255, 255, 255, 255, 255, 127],
        &[
            254, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        &[255, 255, 255],
    ];
    let before = largest_size();
    for case in cases_in(Encoding::Binary) {
        for at in 1..case.payload.len() {
            for claim in claims {
                let payload = [&case.payload[..at], claim, &case.payload[at + 1..]].concat();
                let read = case.read(&payload);
                assert_ne!(read, Err(FrameError::TooLong), "{}", case.name);
            }
        }
    }
    assert!(largest_size() - before < 1 << 30, "a claim was believed");
}

/// A login that says three choices by their numbers.
fn login(kind: u32, store: u32, version: u32) -> impl Serialize {
    let before = (LOGIN, ALIAS, [false; 2]);
    let settings = (
        Some(kind),
        Some(store),
        [false; 6],
        Some(version),
        [false; 4],
    );
    (before, settings, false, 0_u32, false)
}

#[test]
fn a_number_that_chooses_nothing_is_refused() {
    assert!(is_request(&(LIST,)));
    assert!(is_request(&login(2, 3, 2)));
    assert!(!is_request(&login(3, 3, 2)));
    assert!(!is_request(&login(2, 4, 2)));
    assert!(!is_request(&login(2, 3, 3)));
    assert!(is_response(&(DENIED, 17_u32, "why", [false; 2])));
    assert!(!is_response(&(DENIED, 18_u32, "why", [false; 2])));
    for number in [10, 250, 251, 65_536, u32::MAX] {
        assert!(!is_request(&number), "request {number}");
        assert!(!is_response(&number), "response {number}");
    }
}

#[test]
fn a_flag_or_an_option_is_one_of_two_bytes() {
    assert!(is_request(&(LOGOUT, 0_u8, 1_u8)));
    assert!(!is_request(&(LOGOUT, 0_u8, 2_u8)));
    assert!(!is_request(&(LOGOUT, 2_u8, 0_u8)));
    assert!(!is_request(&(LOGOUT, 2_u8, ALIAS, 0_u8)));
}

#[test]
fn a_number_too_large_for_its_field_is_refused() {
    assert!(is_request(&(GET, false, Some(u32::MAX), false, 0_u32)));
    assert!(!is_request(&(GET, false, Some(u64::MAX), false, 0_u32)));
    assert!(!is_request(&(GET, false, Some(1_u64 << 32), false, 0_u32)));
}
