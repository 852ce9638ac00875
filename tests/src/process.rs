//! What the system knows of processes and users, and a daemon in the foreground.
//!
//! What only root may do or see is skipped for others, and the skipping test says so.

use std::{
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, getrlimit, getuid, kill_process, setrlimit},
    thread::{Gid, Uid, set_thread_gid, set_thread_groups, set_thread_res_uid},
};

use crate::world::{PATIENCE, World};

/// A user who is neither root nor in any password database.
pub const STRANGER: u32 = 3_141_592;

/// Says on stderr, which no test runner hides, that a test or a part of one is left out.
pub fn skip(why: &str) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{name}: skipped: {why}\n");
    // Nobody may be reading.
    io::stderr().write_all(line.as_bytes()).ok();
}

/// Whether this process may do everything; where not, the test says that it is skipped.
#[must_use]
pub fn is_root_or_skips() -> bool {
    let is_root = getuid().is_root();
    if !is_root {
        skip("only root can be another user");
    }
    is_root
}

/// Whether a program of the system is there; where not, the test says that it is skipped, and that
/// `.ci/run` installs the program.
#[must_use]
pub fn has_program_or_skips(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if !is_there {
        skip(&format!("there is no {name}, which .ci/run installs"));
    }
    is_there
}

/// A moment until which something is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment that is so far away.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test waits on a clock that never steps"
    )]
    pub fn within(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left until then.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "a test waits on a clock that never steps"
    )]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Lets this process open as many descriptors as the system allows, and says how many.
#[must_use]
pub fn raise_descriptor_limit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it is forbidden the old limit holds.
    setrlimit(Resource::Nofile, raised).ok();
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit).unwrap_or(usize::MAX)
    })
}

/// Does something as another user, in a thread that is nobody else afterwards either.
///
/// # Panics
/// If this process is not root's, or the work panics.
pub fn as_user<T: Send>(uid: u32, work: impl FnOnce() -> T + Send) -> T {
    let act = move || {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
        set_thread_groups(&[]).expect("root leaves its groups");
        set_thread_gid(group).expect("root takes any group");
        set_thread_res_uid(user, user, user).expect("root becomes anybody");
        work()
    };
    thread::scope(|scope| scope.spawn(act).join()).expect("the work is done")
}

/// A process as the system shows it; what it may not show is an error.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Its arguments as they are in memory.
    ///
    /// # Errors
    /// If it is not shown.
    pub fn command_line(self) -> io::Result<Vec<u8>> {
        fs::read(self.path("cmdline"))
    }

    /// The environment that it was started with, as it is in memory.
    ///
    /// # Errors
    /// If it is not shown.
    pub fn environment(self) -> io::Result<Vec<u8>> {
        fs::read(self.path("environ"))
    }

    /// The names of the variables that it was started with.
    ///
    /// # Errors
    /// If they are not shown.
    pub fn variables(self) -> io::Result<Vec<String>> {
        let environment = self.environment()?;
        let entries = environment.split(|&byte| byte == 0);
        let names = entries.filter_map(|entry| entry.split(|&byte| byte == b'=').next());
        let names = names.filter(|name| !name.is_empty());
        Ok(names
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect())
    }

    /// What its descriptors lead to, by their numbers.
    ///
    /// # Errors
    /// If they are not shown.
    pub fn descriptors(self) -> io::Result<Vec<(u32, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path("fd"))? {
            let entry = entry?;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            found.extend(number.zip(fs::read_link(entry.path()).ok()));
        }
        found.sort();
        Ok(found)
    }

    /// The directory in which it is.
    ///
    /// # Errors
    /// If it is not shown.
    pub fn directory(self) -> io::Result<PathBuf> {
        fs::read_link(self.path("cwd"))
    }

    /// A line of its `status` or `limits`, without the name that it begins with.
    ///
    /// # Errors
    /// If there is no such line, or it is not shown.
    pub fn line(self, file: &str, name: &str) -> io::Result<String> {
        let text = fs::read_to_string(self.path(file))?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let rest = lines.next().ok_or(io::ErrorKind::NotFound)?;
        Ok(rest.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The leaders of its group and of its session.
    ///
    /// # Errors
    /// If they are not shown.
    pub fn group_and_session(self) -> io::Result<(u32, u32)> {
        let text = fs::read_to_string(self.path("stat"))?;
        let behind_name = text.rsplit_once(')').map_or("", |(_, behind)| behind);
        let mut numbers = behind_name
            .split(' ')
            .skip(3)
            .map_while(|word| word.parse().ok());
        let pair = numbers.next().zip(numbers.next());
        pair.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.0).ok().and_then(Pid::from_raw);
        Ok(kill_process(
            pid.ok_or(io::ErrorKind::InvalidInput)?,
            signal,
        )?)
    }

    /// Where the system shows a part of it.
    #[must_use]
    pub fn path(self, part: &str) -> PathBuf {
        Path::new("/proc").join(self.0.to_string()).join(part)
    }
}

/// A daemon in the foreground; it is killed when it is dropped before its end.
pub struct Foreground {
    child: Child,
    first_line: String,
    /// Keeps the pipe of stdout open, as a terminal would be.
    _stdout: BufReader<ChildStdout>,
    log: Option<JoinHandle<String>>,
}

impl Foreground {
    /// Starts a program of a world and waits for its first line.
    ///
    /// # Panics
    /// If it cannot be started, or neither says a line nor ends in time.
    #[must_use]
    pub fn start(world: &World, program: &str, words: &[&str], more: &[(&str, &OsStr)]) -> Self {
        let mut command = Command::new(world.programs().join(program));
        command
            .args(words)
            .env_clear()
            .env("HOME", world.home())
            .env("PATH", "/usr/bin:/bin")
            .env("AC_CRED_SOCKET", world.socket())
            .envs(more.iter().copied())
            .current_dir(world.home())
            .stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts a daemon by a command that becomes one, and waits for its first line.
    ///
    /// # Panics
    /// If it cannot be started, or neither says a line nor ends in time.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut stderr = child.stderr.take().expect("it is piped");
        let log = thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).ok();
            log
        });
        let (first_line, stdout) = first_line(stdout);
        Self {
            child,
            first_line,
            _stdout: stdout,
            log: Some(log),
        }
    }

    /// What it said first on stdout; empty when it ended without a word.
    #[must_use]
    pub fn first_line(&self) -> &str {
        self.first_line.trim_end()
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until it has ended, and returns how, with everything it said on stderr.
    ///
    /// # Panics
    /// If it does not end in time.
    #[must_use]
    pub fn end(mut self, world: &World) -> (ExitStatus, String) {
        let has_ended = world.wait_for_end(self.child.id(), PATIENCE);
        assert!(has_ended, "the daemon does not end");
        let status = self.child.wait().expect("it is a child that has ended");
        let log = self.log.take().map(JoinHandle::join);
        (status, log.and_then(Result::ok).unwrap_or_default())
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn first_line(mut stdout: BufReader<ChildStdout>) -> (String, BufReader<ChildStdout>) {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).ok();
        sender.send((line, stdout)).ok();
    });
    let said = receiver.recv_timeout(PATIENCE);
    said.expect("a daemon says that it is ready, or ends")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_shown_to_itself() {
        let process = Process(std::process::id());
        assert!(!process.command_line().unwrap().is_empty());
        assert!(
            process
                .variables()
                .unwrap()
                .iter()
                .all(|name| !name.contains('='))
        );
        assert!(process.descriptors().unwrap().len() > 2);
        assert_eq!(
            process.directory().unwrap(),
            std::env::current_dir().unwrap()
        );
        assert_eq!(
            process.line("status", "Pid:").unwrap(),
            process.0.to_string()
        );
        assert!(process.group_and_session().unwrap().0 > 0);
        assert!(process.line("status", "Nothing:").is_err());
    }

    #[test]
    fn another_user_is_another_user_for_the_system_too() {
        if !is_root_or_skips() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        assert!(as_user(STRANGER, || fs::write(&path, "x").is_err()));
        assert!(fs::write(&path, "x").is_ok());
    }
}
