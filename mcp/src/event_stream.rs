//! The text of a stream of events (HTML, section 9.2), taken apart as its bytes come in.

use std::mem;

use crate::message::MAX_MESSAGE;

/// The longest id of an event that is kept, in bytes: it has to fit a header.
const LONGEST_ID: usize = 1_024;

/// What a stream holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The kind that it names, or nothing.
    pub kind: String,
    /// Its data; a line feed stands between its lines.
    pub data: String,
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// An event is longer than [`MAX_MESSAGE`].
    TooLong,
    /// It is not UTF-8.
    NoText,
}

/// A stream that is being read.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    id: Option<String>,
    retry_ms: Option<u64>,
    /// Whether the last byte was a carriage return, whose line feed may follow.
    after_return: bool,
    began: bool,
}

impl Decoder {
    /// Takes bytes, and adds the events that end in them to `events`.
    ///
    /// # Errors
    ///
    /// [`Malformed`]; the stream is of no use then.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<(), Malformed> {
        let mut rest = bytes;
        if mem::take(&mut self.after_return) {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, behind) = rest.split_at(end);
            self.keep(line)?;
            self.take_line(events)?;
            self.after_return = behind == b"\r";
            let ending = if behind.starts_with(b"\r\n") { 2 } else { 1 };
            rest = behind.get(ending..).unwrap_or_default();
        }
        self.keep(rest)
    }

    /// The id of the last event that had one, by which the stream can be resumed.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How long to wait before the stream is resumed, in milliseconds, where the server says.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), Malformed> {
        if self.line.len() + self.event.data.len() + part.len() > MAX_MESSAGE {
            return Err(Malformed::TooLong);
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn take_line(&mut self, events: &mut Vec<Event>) -> Result<(), Malformed> {
        let bytes = mem::take(&mut self.line);
        let line = String::from_utf8(bytes).map_err(|_| Malformed::NoText)?;
        let line = if mem::replace(&mut self.began, true) {
            line.as_str()
        } else {
            line.strip_prefix('\u{feff}').unwrap_or(&line)
        };
        if line.is_empty() {
            let event = mem::take(&mut self.event);
            if mem::take(&mut self.has_data) {
                events.push(event);
            }
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                if mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.kind),
            "id" if value.len() <= LONGEST_ID
                && value.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                self.id = Some(value.to_owned()).filter(|id| !id.is_empty());
            }
            "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
            // A comment begins with the colon.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (Vec<Event>, Decoder) {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for piece in pieces {
            decoder.feed(piece, &mut events).unwrap();
        }
        (events, decoder)
    }

    fn data(events: &[Event]) -> Vec<&str> {
        events.iter().map(|event| event.data.as_str()).collect()
    }

    #[test]
    fn an_event_is_the_same_however_its_bytes_come_in_and_its_lines_end() {
        let text = "\u{feff}: hello\nid: 7\nretry: 250\nevent: message\ndata: {\"a\":\ndata:1}\n\n\
                    data: two\n\n";
        for ending in ["\n", "\r\n", "\r"] {
            let bytes = text.replace('\n', ending).into_bytes();
            let whole = read(&[&bytes]);
            let singly: Vec<&[u8]> = bytes.chunks(1).collect();
            let singly = read(&singly);
            for (events, decoder) in [whole, singly] {
                assert_eq!(data(&events), ["{\"a\":\n1}", "two"], "{ending:?}");
                assert_eq!(events[0].kind, "message");
                assert_eq!(events[1].kind, "");
                assert_eq!(decoder.last_id(), Some("7"));
                assert_eq!(decoder.retry_ms(), Some(250));
            }
        }
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        let (events, decoder) =
            read(&[b"event: ping\n\n:\n\nid: a b\nretry: soon\nfoo\n\ndata\n\n"]);
        assert_eq!(
            data(&events),
            [""],
            "data without a value is an empty event"
        );
        assert_eq!(decoder.last_id(), None, "an id that fits no header is none");
        assert_eq!(decoder.retry_ms(), None);
    }

    #[test]
    fn an_event_without_its_end_is_none() {
        assert!(read(&[b"data: half\n"]).0.is_empty());
    }

    #[test]
    fn an_endless_line_and_an_endless_event_are_refused_before_they_are_kept() {
        let piece = vec![b'x'; 1_024 * 1_024];
        for start in [&b"data: "[..], b": ", b""] {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            decoder.feed(start, &mut events).unwrap();
            let fed = (0..20).map(|_| decoder.feed(&piece, &mut events));
            assert!(fed.collect::<Vec<_>>().contains(&Err(Malformed::TooLong)));
            assert!(decoder.line.len() <= MAX_MESSAGE);
        }
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        let line = [b"data: ", &piece[..], b"\n"].concat();
        let fed: Vec<_> = (0..20).map(|_| decoder.feed(&line, &mut events)).collect();
        assert!(fed.contains(&Err(Malformed::TooLong)));
        assert!(decoder.event.data.len() <= MAX_MESSAGE + 20);
    }

    #[test]
    fn what_is_not_utf8_is_refused() {
        let mut decoder = Decoder::default();
        assert_eq!(
            decoder.feed(b"data: \xff\n\n", &mut Vec::new()),
            Err(Malformed::NoText)
        );
    }
}
