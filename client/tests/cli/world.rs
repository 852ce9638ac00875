//! A home and an endpoint for one test, and a daemon that says what the test has written down.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::{self, JoinHandle};

use ac_cred_proto::frame::{Encoding, HEADER_LENGTH, payload_length};
use ac_cred_proto::message::{Done, End, Lease};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, Org, Request, Response};
use tempfile::TempDir;

pub(crate) const CLIENT: &str = env!("CARGO_BIN_EXE_ac-cred");
pub(crate) const TOKEN: &str = "eyJhbGciOiJub25lIn0.e30.marker";

/// A directory that only this user can enter, as home and for the endpoint.
pub(crate) struct World {
    directory: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .expect("a directory can be made");
        Self { directory }
    }

    pub(crate) fn home(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.home().join("v1.sock")
    }

    pub(crate) fn listener(&self) -> UnixListener {
        UnixListener::bind(self.socket()).expect("the endpoint is free")
    }

    /// The settings that are read where no daemon runs.
    pub(crate) fn write_settings(&self, text: &str) -> PathBuf {
        let directory = self.home().join(".config/ac-cred");
        fs::create_dir_all(&directory).expect("a directory can be made");
        let path = directory.join("config.toml");
        fs::write(&path, text).expect("a file can be written");
        path
    }

    /// A daemon that has these turns with its callers, one connection after another.
    pub(crate) fn daemon(&self, connections: Vec<Vec<Turn>>) -> JoinHandle<Vec<Request>> {
        serve(self.listener(), connections)
    }

    pub(crate) fn client(&self, words: &[&str]) -> Command {
        self.run(CLIENT, words)
    }

    pub(crate) fn run(&self, program: impl AsRef<OsStr>, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("AC_CRED_SOCKET", self.socket())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn says(&self, words: &[&str]) -> Said {
        said(&mut self.client(words))
    }
}

/// What a daemon does with one request.
pub(crate) enum Turn {
    /// Answers, and takes the next request.
    Answer(Vec<u8>),
    /// Answers one byte at a time.
    Trickle(Vec<u8>),
    /// Never answers.
    Silence,
}

/// What a client left behind.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Fails unless the client ended with this code and one line on stderr, and nothing on stdout.
    #[track_caller]
    pub(crate) fn is_refused(&self, code: i32) {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    what_was_said(command.output().expect("the client can be started"))
}

/// What a client says that finds this on its standard input.
pub(crate) fn said_to(command: &mut Command, input: &[u8]) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client can be started");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // A client that refuses before it reads closes the pipe.
    stdin.write_all(input).ok();
    drop(stdin);
    what_was_said(child.wait_with_output().expect("the client ends"))
}

pub(crate) fn what_was_said(output: Output) -> Said {
    Said {
        code: output.status.code().expect("the client is not killed"),
        stdout: String::from_utf8(output.stdout).expect("stdout is text"),
        stderr: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

/// Serves the connections, and returns the requests that came.
pub(crate) fn serve(
    listener: UnixListener,
    connections: Vec<Vec<Turn>>,
) -> JoinHandle<Vec<Request>> {
    thread::spawn(move || {
        let mut requests = Vec::new();
        for turns in connections {
            let (mut stream, _) = listener.accept().expect("a client connects");
            for turn in turns {
                requests.push(request(&mut stream));
                // A client may leave before its whole answer.
                have(turn, &mut stream).ok();
            }
        }
        requests
    })
}

fn request(stream: &mut UnixStream) -> Request {
    let mut header = [0; HEADER_LENGTH];
    stream.read_exact(&mut header).expect("a header comes");
    let length = payload_length(header).expect("the length is allowed");
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).expect("a payload comes");
    Encoding::Binary.decode(&payload).expect("it is a request")
}

fn have(turn: Turn, stream: &mut UnixStream) -> io::Result<()> {
    match turn {
        Turn::Answer(bytes) => stream.write_all(&bytes),
        Turn::Trickle(bytes) => bytes.iter().try_for_each(|&byte| stream.write_all(&[byte])),
        Turn::Silence => stream.read_to_end(&mut Vec::new()).map(drop),
    }
}

/// Responses as they cross the socket.
pub(crate) fn frames(responses: &[Response]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for response in responses {
        Encoding::Binary
            .append(response, &mut bytes)
            .expect("it is short enough");
    }
    bytes
}

pub(crate) fn answer(response: Response) -> Turn {
    Turn::Answer(frames(&[response]))
}

pub(crate) fn denied(denial: Denial) -> Turn {
    answer(Response::Denied(denial))
}

pub(crate) fn done() -> Turn {
    answer(Response::Done(Done {}))
}

pub(crate) fn end() -> Response {
    Response::End(End {})
}

pub(crate) fn org(name: &str) -> Org {
    Org::parse(name).expect("it is a name")
}

pub(crate) fn lease() -> Lease {
    Lease {
        organization: org("acme"),
        organization_id: Some("7a3f0000-0000-4000-8000-000000000001".to_owned()),
        access_token: SessionToken::parse(TOKEN).expect("it is a token"),
        expires_at: Timestamp::from_unix(1_790_000_000),
        expires_in: 3_540,
        api_url: "https://api.appcircle.io".to_owned(),
        warning: None,
        credential_expires_at: None,
    }
}

pub(crate) fn leased() -> Turn {
    answer(Response::Lease(Box::new(lease())))
}
