//! Programs that the daemon runs for a moment: with a deadline, a bound on what they print, no
//! terminal and nothing of its environment.
//!
//! Whatever may hang for ever is asked in a process of its own, since a process can be ended and a
//! thread cannot.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ac_cred_proto::text::visible;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

/// The most bytes that are read of what a program complains of.
const MAX_COMPLAINT: usize = 4_096;

/// How many bytes of a complaint are read at once.
const MAX_COMPLAINT_STEP: u64 = 1_024;

/// A program that is about to run.
#[derive(Debug)]
#[must_use = "it does not run by itself"]
pub struct Order {
    command: Command,
    input: Zeroizing<Vec<u8>>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed.
    pub output: Zeroizing<Vec<u8>>,
    /// The last line of what it complained of, fit for a terminal; empty where it repeats what it
    /// printed.
    pub complaint: String,
}

/// Why a program has no end that counts.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It cannot be started, or not be talked to.
    #[error("{0}")]
    System(io::Error),
    /// It did not end in time, and was killed.
    #[error("it did not end in time")]
    Late,
    /// It printed more than it may, and was killed.
    #[error("it printed too much")]
    TooMuch,
}

impl Order {
    /// A program with its arguments and nothing else.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        // Windows needs its variables to find its own libraries.
        if cfg!(unix) {
            command.env_clear();
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            command,
            input: Zeroizing::default(),
        }
    }

    /// Adds arguments.
    pub fn args<I: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = I>) -> Self {
        self.command.args(words);
        self
    }

    /// Sets variables of its environment.
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Sets the directory in which it runs.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Gives it this on standard input, which is empty otherwise.
    pub fn input(mut self, bytes: Zeroizing<Vec<u8>>) -> Self {
        self.input = bytes;
        self
    }

    /// Runs it to its end; it and what it started are killed when that takes longer than
    /// `deadline`, or when it prints more than `longest` bytes.
    ///
    /// It is called where the thread may block and a runtime runs beside it.
    ///
    /// # Errors
    ///
    /// [`ChildError`] when it did not come to an end of its own.
    pub fn run(self, deadline: Duration, longest: usize) -> Result<Ended, ChildError> {
        tokio::runtime::Handle::current().block_on(self.run_within(deadline, longest))
    }

    async fn run_within(mut self, deadline: Duration, longest: usize) -> Result<Ended, ChildError> {
        let mut child = self.command.spawn().map_err(ChildError::System)?;
        let converse = converse(&mut child, &self.input, longest);
        let ended = tokio::time::timeout(deadline, converse).await;
        let ended = ended.unwrap_or(Err(ChildError::Late));
        if ended.is_err() {
            end(&mut child).await;
        }
        ended
    }
}

/// Gives a program its input, and takes what it prints until it has ended.
async fn converse(child: &mut Child, input: &[u8], longest: usize) -> Result<Ended, ChildError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // One that does not read its input is judged by its end.
            stdin.write_all(input).await.ok();
        }
        Ok(())
    };
    let output = async {
        let printed = read(stdout, longest).await.map_err(ChildError::System)?;
        (printed.len() <= longest)
            .then_some(printed)
            .ok_or(ChildError::TooMuch)
    };
    // One that prints too much is not waited for.
    let ((), output, complaint) = tokio::try_join!(give, output, read_end(stderr))?;
    Ok(Ended {
        status: child.wait().await.map_err(ChildError::System)?,
        complaint: shown(&complaint, &output),
        output,
    })
}

/// Reads to the end, or one byte more than `longest`, into a buffer that never moves.
async fn read(
    source: Option<impl AsyncRead + Unpin>,
    longest: usize,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(longest + 1));
    let Some(mut source) = source else {
        return Ok(bytes);
    };
    while bytes.len() <= longest {
        let room = longest + 1 - bytes.len();
        let mut limited = (&mut source).take(u64::try_from(room).unwrap_or(u64::MAX));
        if limited.read_buf(&mut *bytes).await? == 0 {
            break;
        }
    }
    Ok(bytes)
}

/// Reads to the end, and keeps what comes last.
async fn read_end(source: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, ChildError> {
    let mut bytes = Vec::with_capacity(2 * MAX_COMPLAINT);
    let Some(mut source) = source else {
        return Ok(bytes);
    };
    loop {
        let mut limited = (&mut source).take(MAX_COMPLAINT_STEP);
        let read = limited.read_buf(&mut bytes).await;
        if read.map_err(ChildError::System)? == 0 {
            return Ok(bytes);
        }
        let surplus = bytes.len().saturating_sub(MAX_COMPLAINT);
        bytes.drain(..surplus);
    }
}

/// The last line of a complaint, fit for a terminal; empty where the complaint gives away a line of
/// what was printed, as it stands or once its invisible characters are gone.
#[must_use]
pub fn shown(complaint: &[u8], output: &[u8]) -> String {
    let complaint = String::from_utf8_lossy(complaint);
    let output = String::from_utf8_lossy(output);
    let mut lines = complaint.lines().rev().map(str::trim);
    let last = visible(lines.find(|line| !line.is_empty()).unwrap_or_default());
    let is_echoed = output
        .lines()
        .map(str::trim)
        .any(|line| !line.is_empty() && (complaint.contains(line) || last.contains(line)));
    if is_echoed { String::new() } else { last }
}

/// Kills a program and the group that it leads.
async fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(pid) = child.id().and_then(group) {
        rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).ok();
    }
    child.start_kill().ok();
    child.wait().await.ok();
}

#[cfg(unix)]
fn group(id: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(id).ok()?)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    async fn shell(line: &str, deadline: Duration) -> Result<Ended, ChildError> {
        let order = Order::new("/bin/sh").args(["-c", line]);
        order.run_within(deadline, 100).await
    }

    #[tokio::test]
    async fn a_program_gets_its_input_and_what_it_prints_and_complains_of_is_told() {
        let order =
            Order::new("/bin/sh").args(["-c", "cat; echo first >&2; echo last >&2; exit 3"]);
        let order = order.input(Zeroizing::new(b"given".to_vec()));
        let ended = order.run_within(LONG, 5).await.unwrap();
        assert_eq!(ended.status.code(), Some(3));
        assert_eq!(*ended.output, b"given");
        assert_eq!(ended.complaint, "last");
    }

    #[tokio::test]
    async fn a_program_has_nothing_of_the_environment() {
        let ended = shell("/usr/bin/env; true", LONG).await.unwrap();
        let output = String::from_utf8_lossy(&ended.output).into_owned();
        assert!(
            !output.contains("HOME") && !output.contains("CARGO"),
            "{output}"
        );
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_or_prints_too_much_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let alive = directory.path().join("alive");
        std::process::Command::new("mkfifo")
            .arg(&alive)
            .status()
            .unwrap();
        let line = format!(
            "exec 3<>'{0}'; cat '{0}' & echo; cat '{0}'",
            alive.display()
        );
        let late = shell(&line, Duration::from_millis(200)).await;
        assert!(matches!(late, Err(ChildError::Late)), "{late:?}");
        let much = shell("exec cat /dev/zero", LONG).await;
        assert!(matches!(much, Err(ChildError::TooMuch)), "{much:?}");
    }

    #[tokio::test]
    async fn one_that_is_not_there_cannot_be_started() {
        let ended = Order::new("/nonexistent").run_within(LONG, 1).await;
        assert!(matches!(ended, Err(ChildError::System(_))), "{ended:?}");
    }

    #[test]
    fn a_complaint_does_not_give_away_what_was_printed_or_steer_a_terminal() {
        assert_eq!(shown(b"no\x1b[31m such key\n\n", b""), "no[31m such key");
        assert_eq!(shown(b"not marker!", b"marker\n"), "");
        assert_eq!(shown(b"not mar\x1bker!", b"marker\n"), "");
    }
}
