//! Many requests on many connections: how many a second are answered, and how long the last waits.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, payload_length};
use ac_cred_proto::message::Get;
use ac_cred_proto::{Org, Request};

use crate::sample::{Sample, timed};

/// How long an answer may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether a connection asks once or goes on asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Each asks again and again.
    Open,
    /// Each asks once and is closed.
    OneShot,
}

/// How a daemon is asked, and how the end of its answer is told.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    bytes: Vec<u8>,
    answer: AnswerEnd,
}

#[derive(Clone, Copy, Debug)]
enum AnswerEnd {
    Frame,
    LineFeed,
    Length(usize),
}

impl Question {
    /// `get` in an encoding.
    pub(crate) fn get(org: &Org, encoding: Encoding) -> io::Result<Self> {
        let request = Request::Get(Get {
            organization: Some(org.clone()),
            min_ttl: None,
            refresh: false,
            wait_ms: 60_000,
        });
        let bytes = encoding.encode(&request).map_err(io::Error::other)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            answer: match encoding {
                Encoding::Binary => AnswerEnd::Frame,
                Encoding::Json => AnswerEnd::LineFeed,
            },
        })
    }

    /// What the server of the yardstick understands.
    pub(crate) fn yardstick() -> Self {
        Self {
            bytes: b"get acme".to_vec(),
            answer: AnswerEnd::Length(1_200),
        }
    }

    fn ask(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.write_all(&self.bytes)
    }

    /// Reads one answer and returns its length.
    fn hear(&self, mut stream: &UnixStream, buffer: &mut [u8]) -> io::Result<usize> {
        let mut have = 0;
        loop {
            let room = buffer.get_mut(have..).unwrap_or_default();
            match stream.read(room)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => have += read,
            }
            if self.is_whole(buffer.get(..have).unwrap_or_default())? {
                return Ok(have);
            }
        }
    }

    fn is_whole(&self, answer: &[u8]) -> io::Result<bool> {
        Ok(match self.answer {
            AnswerEnd::LineFeed => answer.last() == Some(&b'\n'),
            AnswerEnd::Length(length) => answer.len() >= length,
            AnswerEnd::Frame => match answer.first_chunk::<HEADER_LENGTH>() {
                Some(&header) => {
                    let length = payload_length(header).map_err(io::Error::other)?;
                    answer.len() >= HEADER_LENGTH + length
                }
                None => false,
            },
        })
    }
}

fn connect(socket: &Path, count: usize) -> io::Result<Vec<UnixStream>> {
    (0..count)
        .map(|_| {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(stream)
        })
        .collect()
}

/// Asks on all connections at once, and again when all are answered; returns how many answers a
/// second there were.
pub(crate) fn throughput(
    socket: &Path,
    question: &Question,
    (connections, kept): (usize, Kept),
    answers: usize,
) -> io::Result<f64> {
    let rounds = answers.div_ceil(connections);
    let mut buffer = vec![0; 65_536];
    let mut once = |streams: &[UnixStream]| -> io::Result<()> {
        streams.iter().try_for_each(|stream| question.ask(stream))?;
        streams
            .iter()
            .try_for_each(|stream| question.hear(stream, &mut buffer).map(drop))
    };
    let open = connect(socket, connections)?;
    once(&open)?;
    let (time, done) = timed(|| -> io::Result<()> {
        for _ in 0..rounds {
            match kept {
                Kept::Open => once(&open)?,
                Kept::OneShot => once(&connect(socket, connections)?)?,
            }
        }
        Ok(())
    });
    done?;
    let answered = u32::try_from(rounds * connections).map_err(io::Error::other)?;
    Ok(f64::from(answered) / time.as_secs_f64())
}

/// Asks one after the other on one connection, for each of these organizations in turn.
pub(crate) fn latency(socket: &Path, orgs: &[Org], answers: usize) -> io::Result<Sample> {
    let questions: Vec<Question> = orgs
        .iter()
        .map(|org| Question::get(org, Encoding::Binary))
        .collect::<io::Result<_>>()?;
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; 65_536];
    let mut times = Vec::with_capacity(answers);
    for question in questions.iter().cycle().take(answers) {
        let (time, heard) = timed(|| {
            question.ask(&stream)?;
            question.hear(&stream, &mut buffer)
        });
        heard?;
        times.push(time);
    }
    Ok(Sample::new(times))
}

/// Connects so many at once; how long it takes until the last of them is answered.
pub(crate) fn burst(
    socket: &Path,
    question: &Question,
    connections: usize,
) -> io::Result<Duration> {
    let mut buffer = vec![0; 65_536];
    let (time, done) = timed(|| -> io::Result<()> {
        let streams = connect(socket, connections)?;
        streams.iter().try_for_each(|stream| question.ask(stream))?;
        streams
            .iter()
            .try_for_each(|stream| question.hear(stream, &mut buffer).map(drop))
    });
    done.map(|()| time)
}
