//! The client's side: lines from standard input, lines to standard output.
//!
//! Both are read and written by threads of their own, because a terminal or a pipe cannot be waited
//! for in another way on every system; they end with the process.

use std::io::{self, BufRead, Write as _};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::message::MAX_MESSAGE;

/// How many lines wait for the bridge, or for a client that reads slowly.
const WAITING: usize = 4;

/// What the client sends.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// One line without its end.
    Text(String),
    /// One that was too long, or no UTF-8, and is gone.
    Unusable(&'static str),
}

/// The lines of standard input, to its end.
///
/// # Errors
///
/// The system's, where there is no thread for it.
pub fn incoming() -> io::Result<mpsc::Receiver<Line>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    thread::Builder::new().spawn(move || {
        let mut input = io::stdin().lock();
        while let Ok(Some(line)) = next(&mut input) {
            let is_blank = matches!(&line, Line::Text(text) if text.trim().is_empty());
            if !is_blank && sender.blocking_send(line).is_err() {
                break;
            }
        }
    })?;
    Ok(receiver)
}

/// Takes lines to standard output; closed when the client does not read any more. The receiver
/// tells when all that was taken is written.
///
/// # Errors
///
/// The system's, where there is no thread for it.
pub fn outgoing() -> io::Result<(mpsc::Sender<String>, oneshot::Receiver<()>)> {
    let (sender, mut receiver) = mpsc::channel::<String>(WAITING);
    let (done, written_all) = oneshot::channel();
    thread::Builder::new().spawn(move || {
        let mut output = io::stdout().lock();
        while let Some(mut line) = receiver.blocking_recv() {
            line.push('\n');
            let written = output.write_all(line.as_bytes());
            if written.and_then(|()| output.flush()).is_err() {
                break;
            }
        }
        // Whoever waits for it may have given up.
        done.send(()).ok();
    })?;
    Ok((sender, written_all))
}

/// The next line; of one that is too long nothing is kept.
fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            if line.is_empty() && !is_too_long {
                return Ok(None);
            }
            break;
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = end.and_then(|end| buffer.get(..end)).unwrap_or(buffer);
        if line.len() + part.len() > MAX_MESSAGE {
            is_too_long = true;
            line = Vec::new();
        }
        if !is_too_long {
            line.extend_from_slice(part);
        }
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(Some(if is_too_long {
        Line::Unusable("the message is longer than 8 MiB")
    } else {
        match String::from_utf8(line) {
            Ok(text) => Line::Text(text),
            Err(_) => Line::Unusable("the message is not UTF-8"),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn lines(input: &[u8]) -> Vec<Line> {
        let mut input = BufReader::with_capacity(16, input);
        let mut lines = Vec::new();
        while let Ok(Some(line)) = next(&mut input) {
            lines.push(line);
        }
        lines
    }

    fn text(text: &str) -> Line {
        Line::Text(text.to_owned())
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_does_not_cost_the_next_one() {
        let long = vec![b'x'; MAX_MESSAGE + 1];
        let input = [b"one\n", &long[..], b"\n\xff\ntwo\n"].concat();
        let read = lines(&input);
        assert_eq!(read.len(), 4);
        assert_eq!(read[0], text("one"));
        assert!(matches!(read[1], Line::Unusable(why) if why.contains("8 MiB")));
        assert!(matches!(read[2], Line::Unusable(why) if why.contains("UTF-8")));
        assert_eq!(read[3], text("two"));
    }

    #[test]
    fn the_last_line_may_lack_its_end() {
        assert_eq!(lines(b"one\ntwo"), [text("one"), text("two")]);
        assert_eq!(lines(b""), []);
    }
}
