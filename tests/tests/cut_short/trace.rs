//! `strace`, which tells the system calls of a program on some paths, and cuts it short at one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use tempfile::NamedTempFile;

/// The system calls that change what is on a disk, or hand it over to one.
const CHANGING: [&str; 13] = [
    "creat",
    "fdatasync",
    "fsync",
    "flock",
    "mkdir",
    "mkdirat",
    "openat",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "write",
];

/// A system call of a program: its name, and the how many-th of that name of its thread it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SystemCall {
    name: String,
    number: usize,
}

impl SystemCall {
    /// Whether it does nothing where it fails; a descriptor is closed, and its locks go, even where
    /// that is answered with an error.
    pub(crate) fn can_be_refused(&self) -> bool {
        self.name != "close"
    }

    /// Whether it is one that a full or read-only file system refuses.
    pub(crate) fn changes_something(&self) -> bool {
        CHANGING.contains(&&*self.name)
    }
}

/// How a program is cut short.
#[derive(Clone, Debug)]
pub(crate) enum Cut {
    /// It is killed before this call does anything.
    Killed(SystemCall),
    /// This call does nothing but return this error.
    Refused(SystemCall, &'static str),
    /// It has ended by itself before.
    AfterAll,
}

/// How a program ended that was cut short.
pub(crate) struct End {
    /// Whether the call came at which it was to be cut short.
    pub(crate) has_happened: bool,
    output: Output,
}

impl End {
    /// Whether the program said that it had done what it was asked.
    pub(crate) fn has_succeeded(&self) -> bool {
        let answers = super::home::answers(&self.output);
        !answers.is_empty() && answers.iter().all(|answer| answer.get("denied").is_none())
    }
}

/// The tracer of calls on some paths.
pub(crate) struct Strace {
    paths: Vec<PathBuf>,
}

impl Strace {
    /// One that sees calls on these paths only.
    pub(crate) fn on(paths: Vec<PathBuf>) -> Self {
        Self { paths }
    }

    /// The calls of a program that is not cut short, each once.
    pub(crate) fn calls(&self, program: &Command) -> BTreeSet<SystemCall> {
        let (output, trace) = self.run(program, &[]);
        assert!(output.status.success(), "{output:?}");
        let mut counts = BTreeMap::new();
        let mut calls = BTreeSet::new();
        for line in trace.lines() {
            let Some((thread, call)) = line.split_once(' ') else {
                continue;
            };
            let Some((name, _)) = call.trim_start().split_once('(') else {
                continue;
            };
            let count = counts.entry((thread, name)).or_insert(0);
            *count += 1;
            calls.insert(SystemCall {
                name: name.to_owned(),
                number: *count,
            });
        }
        calls
    }

    /// Runs a program that is cut short.
    pub(crate) fn cut(&self, program: &Command, cut: &Cut) -> End {
        let (SystemCall { name, number }, how, mark) = match cut {
            Cut::Killed(call) => (call, "signal=KILL".to_owned(), "killed by SIGKILL"),
            Cut::Refused(call, error) => (call, format!("error={error}"), "(INJECTED)"),
            Cut::AfterAll => unreachable!("there is nothing to cut short"),
        };
        let inject = format!("inject={name}:{how}:when={number}");
        let (output, trace) = self.run(program, &["-e", &inject]);
        End {
            has_happened: trace.contains(mark),
            output,
        }
    }

    fn run(&self, program: &Command, more: &[&str]) -> (Output, String) {
        let trace = NamedTempFile::new().expect("a file can be made");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o"]).arg(trace.path());
        for path in &self.paths {
            strace.arg("-P").arg(path);
        }
        strace
            .args(more)
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(std::process::Stdio::null());
        let output = strace.output().expect("strace can be started");
        let text = fs::read(trace.path()).expect("strace has written it");
        (output, String::from_utf8_lossy(&text).into_owned())
    }
}
