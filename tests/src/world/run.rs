//! One run of a program: what it is given, and what it leaves.

use std::{
    ffi::OsStr,
    io::{self, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::terminal::{self, Answer};

/// How long anything may take before its test fails; no promise is that long.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A program that is about to run; its environment holds what the world and the test say, no more.
#[must_use = "it does not run by itself"]
pub struct Run {
    command: Command,
    input: Vec<u8>,
    patience: Duration,
}

impl Run {
    pub(super) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env_clear();
        Self {
            command,
            input: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// Adds words to its arguments.
    pub fn args<I: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.command.args(words);
        self
    }

    /// Gives it this on standard input, which is empty otherwise.
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = bytes.as_ref().to_vec();
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable from its environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Removes every variable from its environment.
    pub fn env_clear(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Sets the directory in which it runs.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Lets it run longer than a minute.
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// If it cannot be started, or has not ended within a minute.
    #[must_use]
    #[track_caller]
    pub fn run(self) -> Output {
        match self.try_run() {
            Ok(output) => output,
            Err(error) => fail(&error),
        }
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// If it cannot be started, or has not ended within a minute.
    pub fn try_run(self) -> io::Result<Output> {
        self.try_spawn()?.try_wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn spawn(self) -> Running {
        match self.try_spawn() {
            Ok(running) => running,
            Err(error) => fail(&error),
        }
    }

    /// Runs it to its end at a terminal.
    pub(super) fn converse(mut self, answers: &[(&str, Answer<'_>)]) -> io::Result<Output> {
        terminal::converse(&mut self.command, answers)
    }

    fn try_spawn(mut self) -> io::Result<Running> {
        let stdin = if self.input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        let command = self.command.stdin(stdin);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("{command:?} cannot be started: {error}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program may refuse before it has read everything; it then closes the pipe.
            thread::spawn(move || stdin.write_all(&self.input).ok());
        }
        Ok(Running {
            name: format!("{:?}", self.command),
            child: Some(child),
            patience: self.patience,
        })
    }
}

/// A program that runs; it is killed when it is dropped before its end.
#[must_use = "a dropped program is killed"]
pub struct Running {
    name: String,
    child: Option<Child>,
    patience: Duration,
}

impl Running {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), signal).ok();
        }
    }

    /// Waits until it has ended and nobody holds its stdout and stderr any more.
    ///
    /// # Panics
    /// If that takes more than a minute.
    #[must_use]
    #[track_caller]
    pub fn wait(self) -> Output {
        match self.try_wait() {
            Ok(output) => output,
            Err(error) => fail(&error),
        }
    }

    /// Waits until it has ended and nobody holds its stdout and stderr any more.
    ///
    /// # Errors
    /// If that takes more than a minute; it is killed then.
    ///
    /// # Panics
    /// Never: a program that runs has not been waited for.
    pub fn try_wait(mut self) -> io::Result<Output> {
        let child = self.child.take().expect("nobody else has waited for it");
        let pid = Pid::from_child(&child);
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(child.wait_with_output()).ok());
        if let Ok(output) = end.recv_timeout(self.patience) {
            Output::of(output?)
        } else {
            kill_process(pid, Signal::KILL).ok();
            let Self { name, patience, .. } = &self;
            Err(io::Error::other(format!(
                "{name} has not ended, or its output is still held, after {patience:?}"
            )))
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// What a program left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it told its person.
    pub stderr: String,
}

impl Output {
    fn of(output: std::process::Output) -> io::Result<Self> {
        let text = |bytes| String::from_utf8(bytes).map_err(io::Error::other);
        Ok(Self {
            code: code(output.status),
            stdout: text(output.stdout)?,
            stderr: text(output.stderr)?,
        })
    }

    /// Fails unless it ended with 0.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for what it checks")]
    pub fn succeeded(&self) -> &Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Fails unless it ended with this code, nothing on stdout, and one line on stderr that is not
    /// a panic.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for what it checks")]
    pub fn refused(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        assert!(!self.stderr.contains("panicked"), "{self:?}");
        self
    }

    /// Fails unless its stderr holds this.
    ///
    /// # Panics
    /// If it does not.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for what it checks")]
    pub fn says(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "no {words:?} in {self:?}");
        self
    }

    /// What it printed, as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }

    /// What it told, as JSON; null if it is none.
    #[must_use]
    pub fn error(&self) -> Value {
        serde_json::from_str(&self.stderr).unwrap_or_default()
    }
}

/// The exit code; -1 when a signal ended the program.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// Fails the test that asked.
#[track_caller]
pub(super) fn fail(error: &io::Error) -> ! {
    #[expect(clippy::panic, reason = "a test that cannot go on fails")]
    {
        panic!("{error}")
    }
}
