//! One connection to the daemon: who listens is verified before anything is sent, and every wait
//! ends with the deadline.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix::Wire;
#[cfg(windows)]
use windows::Wire;

use std::io;
use std::mem;
use std::path::Path;
use std::time::Duration;

use ac_cred_proto::frame::{Encoding, FrameError, HEADER_LENGTH, payload_length};
use ac_cred_proto::{Denial, Request, Response};
use zeroize::{Zeroize as _, Zeroizing};

use crate::deadline::Deadline;
use crate::endpoint;
use crate::failure::{no_daemon, usage};

/// How long after its deadline a call is given up: the daemon answers before the deadline, with
/// the true reason, so this only ends the wait for one that does not answer at all.
const FUSE: Duration = Duration::from_secs(1);

/// Room for most messages: with it, neither a request nor an answer needs a buffer of its own.
const USUAL_LENGTH: usize = 2_048;

/// A connection to this user's daemon.
pub(crate) struct Link {
    wire: Wire,
    fuse: Deadline,
    buffer: Zeroizing<Vec<u8>>,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The daemon refused it.
    Denied(Denial),
    /// The daemon closed the connection: it was stopped, or died.
    Closed,
    /// The daemon did not answer in time.
    TooLate,
    /// What was answered is no message.
    Garbled(FrameError),
    /// What was answered belongs to another question.
    Unasked,
}

impl From<Broken> for Denial {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Denied(denial) => denial,
            Broken::Closed => {
                no_daemon("the daemon ended before it had answered").hint("ac-cred daemon start")
            }
            Broken::TooLate => {
                no_daemon("the daemon did not answer in time").hint("ac-cred daemon stop")
            }
            Broken::Garbled(error) => {
                no_daemon(format!("the daemon's answer is unusable: {error}"))
                    .hint("ac-cred daemon stop")
            }
            Broken::Unasked => {
                no_daemon("the daemon answered what was not asked").hint("ac-cred daemon stop")
            }
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::TimedOut {
            Self::TooLate
        } else {
            Self::Closed
        }
    }
}

impl Link {
    /// Connects to the first candidate at which a daemon listens; `None` when there is none.
    pub(crate) fn find(deadline: Deadline) -> Result<Option<Self>, Denial> {
        let near = endpoint::near();
        for path in &near {
            if let Some(link) = Self::open(path, deadline)? {
                return Ok(Some(link));
            }
        }
        for path in endpoint::searchable()?.iter().skip(near.len()) {
            if let Some(link) = Self::open(path, deadline)? {
                return Ok(Some(link));
            }
        }
        Ok(None)
    }

    /// Connects to one candidate; `None` when nobody listens there.
    pub(crate) fn open(path: &Path, deadline: Deadline) -> Result<Option<Self>, Denial> {
        if !endpoint::is_private(path)? {
            return Ok(None);
        }
        let fuse = deadline.later(FUSE);
        let wire = match Wire::connect(path, fuse) {
            Ok(Some(wire)) => wire,
            Ok(None) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return Err(Broken::TooLate.into());
            }
            Err(error) => {
                let shown = path.display();
                return Err(no_daemon(format!(
                    "{shown} cannot be connected to: {error}"
                )));
            }
        };
        wire.verify_peer(path)?;
        Ok(Some(Self {
            wire,
            fuse,
            buffer: Zeroizing::new(Vec::with_capacity(USUAL_LENGTH)),
        }))
    }

    /// Asks what has one answer.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Response, Broken> {
        wipe(&mut self.buffer);
        Encoding::Binary
            .append(request, &mut self.buffer)
            .map_err(|error| Broken::Denied(usage(error.to_string())))?;
        // A daemon that turns a caller away answers and closes without reading, so an answer may be
        // there although the request could not be sent.
        self.wire.write_all(&self.buffer, self.fuse).ok();
        self.receive()
    }

    /// Asks what has a sequence of answers, and takes all of them up to its end.
    pub(crate) fn ask_all(
        &mut self,
        request: &Request,
        belongs: fn(&Response) -> bool,
    ) -> Result<Vec<Response>, Broken> {
        let mut responses = Vec::new();
        let mut response = self.ask(request)?;
        while !matches!(response, Response::End(_)) {
            if !belongs(&response) {
                return Err(Broken::Unasked);
            }
            responses.push(response);
            response = self.receive()?;
        }
        Ok(responses)
    }

    /// Waits until the daemon closes the connection.
    pub(crate) fn wait_for_close(&mut self) -> Result<(), Broken> {
        match self.receive() {
            Err(Broken::Closed) => Ok(()),
            Err(broken) => Err(broken),
            Ok(_) => Err(Broken::Unasked),
        }
    }

    /// The process at the other end, where the system tells.
    #[cfg(target_os = "linux")]
    pub(crate) fn peer_pid(&self) -> Option<u32> {
        self.wire.peer_pid()
    }

    fn receive(&mut self) -> Result<Response, Broken> {
        let mut header = [0; HEADER_LENGTH];
        fill(&mut self.wire, &mut header, self.fuse)?;
        let length = payload_length(header).map_err(Broken::Garbled)?;
        wipe(&mut self.buffer);
        self.buffer.resize(length, 0);
        fill(&mut self.wire, &mut self.buffer, self.fuse)?;
        match Encoding::Binary.decode(&self.buffer) {
            Ok(Response::Denied(denial)) => Err(Broken::Denied(denial)),
            Ok(response) => Ok(response),
            Err(error) => Err(Broken::Garbled(error)),
        }
    }
}

/// Empties the buffer, of which only its length was ever written to.
fn wipe(buffer: &mut Vec<u8>) {
    buffer.as_mut_slice().zeroize();
    buffer.clear();
}

fn fill(wire: &mut Wire, mut buffer: &mut [u8], fuse: Deadline) -> Result<(), Broken> {
    while !buffer.is_empty() {
        let read = wire.read(buffer, fuse)?;
        if read == 0 {
            return Err(Broken::Closed);
        }
        buffer = mem::take(&mut buffer).get_mut(read..).unwrap_or_default();
    }
    Ok(())
}
