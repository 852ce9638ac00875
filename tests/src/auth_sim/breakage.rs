//! The faults that break a connection, lie about its content or never end.

use std::time::Duration;

use super::{
    fault::{Fault, Step},
    spoil::{self, Sheet},
};

/// Connections that break, lie or never end.
impl Fault {
    /// These bytes in place of an answer, and the end of the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::steps(
            format!("{} raw bytes", bytes.len()),
            vec![Step::Send(bytes)],
        )
    }

    /// The connection is closed in place of an answer.
    pub fn close_before_answer() -> Self {
        Self::steps("closed before the answer", vec![Step::Cut])
    }

    /// The connection is reset in place of an answer.
    pub fn reset_before_answer() -> Self {
        Self::steps("reset before the answer", vec![Step::Reset])
    }

    /// The connection is reset behind the head.
    pub fn reset_after_headers() -> Self {
        Self::sent("reset after the head", |sheet| {
            vec![Step::Send(sheet.head()), Step::Reset]
        })
    }

    /// The connection is closed behind half the body, without an end of TLS.
    pub fn close_mid_body() -> Self {
        Self::sent("closed in the body", |sheet| {
            vec![Step::Send(sheet.half()), Step::Cut]
        })
    }

    /// The connection is reset behind half the body.
    pub fn reset_mid_body() -> Self {
        Self::sent("reset in the body", |sheet| {
            vec![Step::Send(sheet.half()), Step::Reset]
        })
    }

    /// `Content-Length` is 10 more than the body's length.
    pub fn length_too_long() -> Self {
        let play = |sheet: &Sheet<'_>| sheet.declared_as(sheet.length() + 10);
        Self::sent("Content-Length too long", play)
    }

    /// `Content-Length` is 10 less than the body's length.
    pub fn length_too_short() -> Self {
        let play = |sheet: &Sheet<'_>| sheet.declared_as(sheet.length().saturating_sub(10));
        Self::sent("Content-Length too short", play)
    }

    /// The body says it is chunked and is not.
    pub fn broken_chunked() -> Self {
        Self::sent("broken chunks", spoil::not_chunked)
    }

    /// The head never ends.
    pub fn endless_headers() -> Self {
        let line = format!("X-Endless: {}\r\n", "a".repeat(1000));
        let begin = b"HTTP/1.1 200 OK\r\n".to_vec();
        let steps = vec![Step::Send(begin), Step::Repeat(line.into_bytes(), None)];
        Self::steps("endless headers", steps)
    }

    /// `100 Continue` over and over.
    pub fn interim_storm() -> Self {
        let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
        Self::steps(
            "100 Continue over and over",
            vec![Step::Repeat(interim, None)],
        )
    }

    /// Silence in place of an answer.
    pub fn hang_before_headers() -> Self {
        Self::steps("hang before the head", vec![Step::Hang])
    }

    /// Silence in the middle of the head.
    pub fn hang_in_headers() -> Self {
        let play =
            |sheet: &Sheet<'_>| vec![Step::Send(spoil::first_half(&sheet.head())), Step::Hang];
        Self::sent("hang in the head", play)
    }

    /// Silence behind half the body.
    pub fn hang_in_body() -> Self {
        Self::sent("hang in the body", |sheet| {
            vec![Step::Send(sheet.half()), Step::Hang]
        })
    }

    /// A byte of the answer at a time, at this distance.
    pub fn drip_headers(every: Duration) -> Self {
        let play = move |sheet: &Sheet<'_>| vec![Step::Drip(sheet.whole(), every)];
        Self::sent("the head in single bytes", play)
    }

    /// The head at once, then a byte of the body at a time, at this distance.
    pub fn drip_body(every: Duration) -> Self {
        let play = move |sheet: &Sheet<'_>| {
            let body = sheet.answer.body.clone();
            vec![Step::Send(sheet.head()), Step::Drip(body, every)]
        };
        Self::sent("the body in single bytes", play)
    }
}
