//! A raw connection to the daemon, in either encoding.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
};

use ac_cred_proto::{
    Request, Response,
    frame::{Encoding, HEADER_LENGTH, payload_length},
};
use serde_json::Value;

use super::run::PATIENCE;

/// A connection on which requests may follow one another; reads and writes end after a minute.
pub struct Connection {
    stream: BufReader<UnixStream>,
    encoding: Encoding,
}

impl Connection {
    /// Connects to a socket.
    ///
    /// # Errors
    /// If nobody listens there.
    pub fn open(socket: &Path, encoding: Encoding) -> io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            encoding,
        })
    }

    /// The stream below.
    #[must_use]
    pub fn stream(&self) -> &UnixStream {
        self.stream.get_ref()
    }

    /// Sends a request.
    ///
    /// # Panics
    /// If it cannot be sent.
    pub fn send(&mut self, request: &Request) {
        let bytes = self.encoding.encode(request);
        self.send_bytes(&bytes.expect("the request fits a frame"))
            .expect("the daemon reads");
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// If the daemon has closed the connection.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next response; none when the daemon has closed the connection.
    ///
    /// # Panics
    /// If what comes is no response, or nothing comes for a minute.
    pub fn receive(&mut self) -> Option<Response> {
        let payload = self.payload().expect("the daemon answers or closes")?;
        let response = self.encoding.decode(&payload);
        Some(response.expect("it is a response"))
    }

    /// Sends a request and takes its one response.
    ///
    /// # Panics
    /// If there is none.
    pub fn ask(&mut self, request: &Request) -> Response {
        self.send(request);
        self.receive().expect("the daemon answers")
    }

    /// Sends a request and takes its sequence, with the end or the denial that closes it.
    ///
    /// # Panics
    /// If the sequence does not end.
    pub fn ask_all(&mut self, request: &Request) -> Vec<Response> {
        self.send(request);
        let mut responses = Vec::new();
        loop {
            let response = self.receive().expect("the sequence has an end");
            let is_last = matches!(response, Response::End(_) | Response::Denied(_));
            responses.push(response);
            if is_last {
                return responses;
            }
        }
    }

    /// Sends a line as a script would, and takes the line that answers it.
    ///
    /// # Panics
    /// If no line of JSON answers.
    pub fn ask_line(&mut self, line: &str) -> Value {
        self.send_bytes(format!("{line}\n").as_bytes())
            .expect("the daemon reads");
        let mut answer = String::new();
        self.stream
            .read_line(&mut answer)
            .expect("the daemon answers");
        serde_json::from_str(&answer).expect("the answer is JSON")
    }

    /// Everything that comes until the daemon closes the connection.
    ///
    /// # Errors
    /// If it is not closed within a minute.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn payload(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.stream.fill_buf()?.is_empty() {
            return Ok(None);
        }
        match self.encoding {
            Encoding::Binary => self.frame().map(Some),
            Encoding::Json => self.line().map(Some),
        }
    }

    fn frame(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; HEADER_LENGTH];
        self.stream.read_exact(&mut header)?;
        let mut payload = vec![0; payload_length(header).map_err(io::Error::other)?];
        self.stream.read_exact(&mut payload)?;
        Ok(payload)
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        line.pop_if(|last| *last == b'\n')
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(line)
    }
}
