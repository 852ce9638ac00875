//! Whole processes, one after the other in turns: what a caller waits for from start to exit.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

use crate::peers::file_with;
use crate::sample::{Sample, timed};

/// Runs of each program before it is timed, so that its files are in memory.
const WARM_UP: usize = 5;

/// A program that is timed, and what it is called.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    stdin: Option<&'static str>,
}

impl Contender {
    /// A program with its arguments, which sees none of our environment.
    pub(crate) fn new<W: Into<OsString>>(
        name: impl Into<String>,
        words: impl IntoIterator<Item = W>,
    ) -> Self {
        Self {
            name: name.into(),
            words: words.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            stdin: None,
        }
    }

    /// The same with a variable in its environment.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The same with something to read.
    pub(crate) fn stdin(mut self, text: &'static str) -> Self {
        self.stdin = Some(text);
        self
    }

    /// The program, ready to be started.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let (program, arguments) = self
            .words
            .split_first()
            .ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(command)
    }

    /// Runs it once and says how long it took.
    fn run(&self) -> io::Result<std::time::Duration> {
        let mut command = self.command()?;
        if let Some(text) = self.stdin {
            command.stdin(file_with(text)?);
        }
        let (time, status) = timed(|| command.status());
        if status?.success() {
            Ok(time)
        } else {
            Err(io::Error::other(format!("{} failed", self.name)))
        }
    }
}

/// What one contender took in each round.
#[derive(Debug)]
pub(crate) struct Runs {
    pub(crate) name: String,
    pub(crate) rounds: Vec<Sample>,
}

/// Times the contenders in turns, `times` in each of some rounds; all of them meet the same noise.
pub(crate) fn in_turns(
    contenders: &[Contender],
    rounds: usize,
    times: usize,
) -> io::Result<Vec<Runs>> {
    let mut runs: Vec<Runs> = contenders
        .iter()
        .map(|contender| Runs {
            name: contender.name.clone(),
            rounds: Vec::new(),
        })
        .collect();
    for contender in contenders.iter().cycle().take(contenders.len() * WARM_UP) {
        contender.run()?;
    }
    for _ in 0..rounds {
        let mut taken = vec![Vec::with_capacity(times); contenders.len()];
        for _ in 0..times {
            for (contender, taken) in contenders.iter().zip(&mut taken) {
                taken.push(contender.run()?);
            }
        }
        for (runs, taken) in runs.iter_mut().zip(taken) {
            runs.rounds.push(Sample::new(taken));
        }
    }
    Ok(runs)
}
