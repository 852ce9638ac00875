//! One connection: read a request under a deadline, ask the broker, write what it answers.

use std::io;
use std::time::Duration;

use ac_cred_proto::frame::{Encoding, FrameError, HEADER_LENGTH, MAX_LENGTH, payload_length};
use ac_cred_proto::message::End;
use ac_cred_proto::{Denial, ErrorCode, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use zeroize::{Zeroize as _, Zeroizing};

use crate::audit::Page;
use crate::broker::{Answer, Call};
use crate::course::Course;
use crate::places::Place;
use crate::policy::Moment;

/// How long a new connection may say nothing; with [`WHOLE_REQUEST`] less than the ten seconds in
/// which offenders have to be gone.
const FIRST_BYTE: Duration = Duration::from_secs(4);

/// How long a connection may say nothing after an answer, which it may not have read: whether it has
/// cannot be told, so it is not long either.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(8);

/// How long a request may take from its first byte to its last.
const WHOLE_REQUEST: Duration = Duration::from_secs(4);

/// How long a peer may take to read a piece of an answer.
const PIECE_OF_ANSWER: Duration = Duration::from_secs(5);

/// How long, and for how many bytes, a peer that did wrong is still heard, so that what it has sent
/// does not cost it the reason.
const HEARD_OUT: (Duration, u64) = (Duration::from_secs(1), 1_024 * 1_024);

/// The bytes that are read at once, and about the size of the pieces in which a sequence is written.
const PIECE: usize = 4_096;

/// The length up to which a request is held without asking; only some may be longer at a time, so
/// that a crowd of half requests does not fill the memory.
const USUAL_REQUEST: usize = 8_192;

/// Why a connection ends before its peer closes it.
enum Ended {
    /// The peer is gone or too slow.
    Gone,
    /// What it sent is no request; it may be told so.
    Wrong(FrameError),
    /// A successor goes on with it.
    Elsewhere,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<tokio::time::error::Elapsed> for Ended {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Gone
    }
}

/// A connection and what has been read from it.
struct Connection<'a, S> {
    stream: S,
    place: &'a Place,
    page: &'a Page,
    encoding: Encoding,
    unread: Zeroizing<Vec<u8>>,
    /// How many bytes at the front of `unread` are done with.
    done: usize,
    /// Where answers are put together; wiped after each.
    outgoing: Zeroizing<Vec<u8>>,
    /// When the next request was asked, where another daemon has read it.
    asked: Option<Moment>,
}

/// What was read from a connection and not answered.
#[derive(Debug, Default)]
pub struct Unanswered {
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// When the first request in them was asked, where a daemon has read it.
    pub asked: Option<Moment>,
}

/// Serves a connection, from which `unanswered` has been read, until its peer closes it, does wrong,
/// or the daemon ends; where a successor goes on with it, it is returned with what is unanswered.
pub async fn serve<S>(
    (stream, unanswered): (S, Unanswered),
    calls: mpsc::Sender<Call>,
    mut course: watch::Receiver<Course>,
    place: &Place,
    page: &Page,
) -> Option<(S, Unanswered)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = Connection {
        stream,
        place,
        page,
        encoding: Encoding::Binary,
        unread: unanswered.bytes,
        done: 0,
        outgoing: Zeroizing::default(),
        asked: unanswered.asked,
    };
    let mut patience = FIRST_BYTE;
    loop {
        let began = tokio::select! {
            biased;
            began = connection.begin(patience) => began,
            over = is_over(&mut course, patience != FIRST_BYTE) => over,
        };
        let request = match began {
            Ok(true) => tokio::select! {
                biased;
                request = connection.request() => request,
                () = is_moved(&mut course) => Err(Ended::Elsewhere),
            },
            Ok(false) => Err(Ended::Gone),
            Err(ended) => Err(ended),
        };
        let served = match request {
            Ok(request) => connection.answer(request, &calls, &mut course).await,
            Err(ended) => Err(ended),
        };
        match served {
            Ok(()) => patience = BETWEEN_REQUESTS,
            Err(Ended::Gone) => return None,
            Err(Ended::Elsewhere) => return Some(connection.into_rest()),
            Err(Ended::Wrong(error)) => {
                connection.send_away(error).await;
                return None;
            }
        }
    }
}

/// Waits until nothing new is begun any more; who has connected and not asked anything yet is heard
/// by a daemon that ends, as it cannot have known.
async fn is_over(course: &mut watch::Receiver<Course>, has_asked: bool) -> Result<bool, Ended> {
    let is_over = |course: &Course| course.relay().is_some() || (has_asked && course.is_over());
    match course.wait_for(is_over).await {
        Ok(course) if course.relay().is_some() => Err(Ended::Elsewhere),
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Waits until a successor serves; a daemon that ends hears a request out.
async fn is_moved(course: &mut watch::Receiver<Course>) {
    let relayed = course.wait_for(|course| course.relay().is_some());
    if relayed.await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<'_, S> {
    /// Waits for the first byte of a request, which also chooses the encoding; `false` when the
    /// peer has closed.
    async fn begin(&mut self, patience: Duration) -> Result<bool, Ended> {
        if self.pending().is_empty() && timeout(patience, self.read()).await?? == 0 {
            return Ok(false);
        }
        let first = self.pending().first().copied().unwrap_or(0);
        self.encoding = Encoding::of_first_byte(first).map_err(Ended::Wrong)?;
        Ok(true)
    }

    /// The request whose first byte has been read.
    async fn request(&mut self) -> Result<Request, Ended> {
        timeout(WHOLE_REQUEST, self.whole_request()).await?
    }

    async fn whole_request(&mut self) -> Result<Request, Ended> {
        let place = self.place;
        let mut right_to_be_long = None;
        loop {
            if let Some((start, end, next)) = self.find_payload()? {
                let payload = self.pending().get(start..end).unwrap_or_default();
                let request = self.encoding.decode(payload).map_err(Ended::Wrong);
                self.consume(next);
                return request;
            }
            if self.pending().len() > USUAL_REQUEST && right_to_be_long.is_none() {
                right_to_be_long = place.long_request().await;
            }
            if self.read().await? == 0 {
                return Err(Ended::Gone);
            }
        }
    }

    /// Where the next payload begins and ends, and where what follows it begins, once all of it
    /// has been read.
    fn find_payload(&self) -> Result<Option<(usize, usize, usize)>, Ended> {
        let pending = self.pending();
        match self.encoding {
            Encoding::Binary => {
                let Some(&header) = pending.first_chunk::<HEADER_LENGTH>() else {
                    return Ok(None);
                };
                let end = HEADER_LENGTH + payload_length(header).map_err(Ended::Wrong)?;
                Ok((pending.len() >= end).then_some((HEADER_LENGTH, end, end)))
            }
            Encoding::Json => match pending
                .iter()
                .take(MAX_LENGTH)
                .position(|&byte| byte == b'\n')
            {
                Some(feed) => Ok(Some((0, feed, feed + 1))),
                None if pending.len() >= MAX_LENGTH => Err(Ended::Wrong(FrameError::TooLong)),
                None => Ok(None),
            },
        }
    }

    fn pending(&self) -> &[u8] {
        self.unread.get(self.done..).unwrap_or_default()
    }

    /// Wipes what has been dealt with, and keeps what was sent ahead.
    fn consume(&mut self, next: usize) {
        self.done += next;
        if self.done == self.unread.len() {
            wipe(&mut self.unread);
            self.done = 0;
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        if self.done > 0 {
            self.unread.drain(..self.done);
            self.done = 0;
        }
        self.unread.reserve(PIECE);
        self.stream.read_buf(&mut *self.unread).await
    }

    /// What is left of it for a successor.
    fn into_rest(mut self) -> (S, Unanswered) {
        self.unread.drain(..self.done);
        let unanswered = Unanswered {
            bytes: self.unread,
            asked: self.asked,
        };
        (self.stream, unanswered)
    }

    /// Puts a request back, to be read again.
    fn put_back(&mut self, request: &Request, asked: Moment) -> Result<(), Ended> {
        let mut unread = Zeroizing::new(Vec::with_capacity(PIECE));
        self.encoding
            .append(request, &mut unread)
            .map_err(Ended::Wrong)?;
        unread.extend_from_slice(self.pending());
        self.unread = unread;
        self.done = 0;
        self.asked = Some(asked);
        Ok(())
    }

    /// Asks the broker and writes its answer.
    async fn answer(
        &mut self,
        request: Request,
        calls: &mpsc::Sender<Call>,
        course: &mut watch::Receiver<Course>,
    ) -> Result<(), Ended> {
        self.place.waits_for_daemon();
        if let Request::Audit(asked) = &request {
            let told = self.page.read(asked.organization.as_ref());
            return self.write(&told).await;
        }
        let question = self.page.question(&request);
        let (reply, answered) = oneshot::channel();
        // A login that is given up must store nothing; other calls cost nothing when they go on.
        let ends_with_its_caller = matches!(request, Request::Login(_));
        let call = Call {
            request,
            asked: self.asked.take(),
            reply,
        };
        let answer = match calls.send(call).await {
            Ok(()) => tokio::select! {
                biased;
                answer = answered => answer.unwrap_or_else(|_| unanswered(calls)),
                () = self.closed(), if ends_with_its_caller => return Err(Ended::Gone),
            },
            Err(_) => unanswered(calls),
        };
        // The daemon that answers notes it.
        if let Some(question) = question.filter(|_| !matches!(answer, Answer::Elsewhere(..))) {
            self.page.note(question, &answer);
        }
        match answer {
            Answer::One(response) => self.write(&[response]).await,
            Answer::Many(responses) => self.write(&responses).await,
            Answer::Watch(first, then) => {
                self.write(&first).await?;
                self.tell(then, course).await
            }
            Answer::Elsewhere(request, asked) => {
                self.put_back(&request, asked)?;
                Err(Ended::Elsewhere)
            }
        }
    }

    /// Writes what comes until the peer leaves; an end, when the daemon or the broker has enough.
    async fn tell(
        &mut self,
        mut events: mpsc::Receiver<Response>,
        course: &mut watch::Receiver<Course>,
    ) -> Result<(), Ended> {
        loop {
            self.place.waits_for_daemon();
            let event = tokio::select! {
                biased;
                event = events.recv() => event,
                _ = course.wait_for(Course::is_over) => None,
                () = self.closed() => return Err(Ended::Gone),
            };
            match event {
                Some(event) => self.write(&[event]).await?,
                None => return self.write(&[Response::End(End {})]).await,
            }
        }
    }

    /// Waits until the peer closes its sending side; what it sends ahead is kept.
    async fn closed(&mut self) {
        while self.pending().len() <= MAX_LENGTH {
            if !matches!(self.read().await, Ok(1..)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Writes messages in pieces, so that a long sequence is never held as bytes at once.
    async fn write(&mut self, responses: &[Response]) -> Result<(), Ended> {
        self.place.waits_for_peer();
        self.outgoing.reserve(PIECE);
        for response in responses {
            self.encoding
                .append(response, &mut self.outgoing)
                .map_err(Ended::Wrong)?;
            if self.outgoing.len() >= PIECE {
                self.write_piece().await?;
            }
        }
        self.write_piece().await
    }

    async fn write_piece(&mut self) -> Result<(), Ended> {
        timeout(PIECE_OF_ANSWER, self.stream.write_all(&self.outgoing)).await??;
        wipe(&mut self.outgoing);
        Ok(())
    }

    /// Tells a peer what it did wrong, if it still reads.
    async fn send_away(mut self, error: FrameError) {
        tracing::debug!(%error, "a peer was sent away");
        let denial = Denial::new(ErrorCode::Usage, error.to_string());
        // Whether it reads the reason does not matter any more.
        self.write(&[Response::Denied(denial)]).await.ok();
        self.stream.shutdown().await.ok();
        let (patience, most) = HEARD_OUT;
        let mut rest = self.stream.take(most);
        timeout(patience, tokio::io::copy(&mut rest, &mut tokio::io::sink()))
            .await
            .ok();
    }
}

/// Empties a buffer that is used again; what is behind its length was wiped before.
fn wipe(buffer: &mut Vec<u8>) {
    // As a slice: a vector would be wiped byte by byte, and all of its room each time.
    buffer.as_mut_slice().zeroize();
    buffer.clear();
}

/// The answer to a request that the broker has dropped: the daemon ends, or a job was lost.
fn unanswered(calls: &mpsc::Sender<Call>) -> Answer {
    Answer::One(Response::Denied(if calls.is_closed() {
        Denial::new(ErrorCode::DaemonUnreachable, "the daemon is ending")
    } else {
        let message = "a fault of the daemon's own kept it from answering";
        Denial::new(ErrorCode::Internal, message).hint("ac-cred daemon logs")
    }))
}

#[cfg(test)]
mod tests;
