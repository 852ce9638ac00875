//! The decoder of messages in both encodings: what is taken comes out the same when it is written
//! and read again, and a length is judged before anything is allocated.

use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, MAX_LENGTH, payload_length};
use ac_cred_proto::{Request, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What defaults that were left out may add to a message when it is written.
const LEFT_OUT: usize = 1_024;

/// The first byte says what the rest is read as.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, payload)) = data.split_first() else {
        return;
    };
    match kind % 5 {
        0 => again::<Request>(Encoding::Binary, payload),
        1 => again::<Response>(Encoding::Binary, payload),
        2 => again::<Request>(Encoding::Json, payload),
        3 => again::<Response>(Encoding::Json, payload),
        _ => header(payload),
    }
}

fn again<M: Serialize + DeserializeOwned>(encoding: Encoding, payload: &[u8]) {
    let Ok(message) = encoding.decode::<M>(payload) else {
        return;
    };
    let Ok(written) = encoding.encode(&message) else {
        assert!(
            payload.len() + LEFT_OUT > MAX_LENGTH,
            "it was read and cannot be written"
        );
        return;
    };
    let read: M = encoding
        .decode(body(encoding, &written))
        .expect("what was written can be read");
    let rewritten = encoding
        .encode(&read)
        .expect("what was read can be written");
    assert_eq!(*written, *rewritten);
}

/// What stands between the ends of a frame or line.
fn body(encoding: Encoding, written: &[u8]) -> &[u8] {
    match encoding {
        Encoding::Binary => {
            let (header, body) = written.split_first_chunk().expect("a frame has a header");
            assert_eq!(payload_length(*header), Ok(body.len()));
            body
        }
        Encoding::Json => written.strip_suffix(b"\n").expect("a line has an end"),
    }
}

fn header(bytes: &[u8]) {
    if let Some(&header) = bytes.first_chunk::<HEADER_LENGTH>()
        && let Ok(length) = payload_length(header)
    {
        assert!((2..=MAX_LENGTH).contains(&length));
    }
}
