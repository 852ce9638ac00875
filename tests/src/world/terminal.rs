//! A program at a terminal of its own, and the person who answers its questions.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::Path,
    process::{Child, Command},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, tcgetattr},
};

use super::{
    run::{Output, PATIENCE, code},
    time::eventually,
};

/// What a person types when a question is asked.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// This, which the terminal shows.
    Shown(&'a str),
    /// This, once the terminal does not show it.
    Hidden(&'a str),
}

/// Runs a command whose controlling terminal is a new one, and answers each question with what
/// stands beside it; stdout has everything that the terminal showed.
pub(super) fn converse(
    command: &mut Command,
    answers: &[(&str, Answer<'_>)],
) -> io::Result<Output> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let mut child = spawn(command, &master)?;
    let mut person = Person {
        shown: listen(File::from(master.try_clone()?)),
        terminal: File::from(master),
        transcript: String::new(),
        answered: 0,
    };
    let talked = person.talk(answers);
    if talked.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    talked?;
    Ok(Output {
        code: code(status),
        stdout: person.transcript.replace("\r\n", "\n"),
        stderr: String::new(),
    })
}

/// Starts the command with nothing open but the terminal, which ends when nobody has it open.
fn spawn(command: &mut Command, master: &OwnedFd) -> io::Result<Child> {
    let name = ptsname(master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
    let slave = rustix::fs::open(path, flags, Mode::empty())?;
    let child = command
        .stdin(slave.try_clone()?)
        .stdout(slave.try_clone()?)
        .stderr(slave)
        .spawn();
    // The command would keep its copies of the terminal open.
    for end in [Command::stdin, Command::stdout, Command::stderr] {
        end(command, std::process::Stdio::null());
    }
    child
}

/// What the terminal shows, until nobody has it open.
fn listen(mut terminal: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4_096];
        // Linux says that a terminal has ended with an error.
        while let Ok(length @ 1..) = terminal.read(&mut bytes) {
            let shown = bytes.get(..length).unwrap_or_default().to_vec();
            if sender.send(shown).is_err() {
                return;
            }
        }
    });
    receiver
}

struct Person {
    terminal: File,
    shown: Receiver<Vec<u8>>,
    transcript: String,
    /// How much of the transcript has been read.
    answered: usize,
}

impl Person {
    fn talk(&mut self, answers: &[(&str, Answer<'_>)]) -> io::Result<()> {
        loop {
            match self.shown.recv_timeout(PATIENCE) {
                Ok(bytes) => self.transcript += &String::from_utf8_lossy(&bytes),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {
                    let said = &self.transcript;
                    return Err(io::Error::other(format!("nothing comes after {said:?}")));
                }
            }
            let new = self.transcript.get(self.answered..).unwrap_or_default();
            let asked = answers.iter().find(|(question, _)| new.contains(question));
            if let Some((_, answer)) = asked {
                self.answered = self.transcript.len();
                self.answer(*answer)?;
            }
        }
    }

    fn answer(&mut self, answer: Answer<'_>) -> io::Result<()> {
        let text = match answer {
            Answer::Shown(text) => text,
            Answer::Hidden(text) => {
                let is_hidden = eventually(PATIENCE, || !self.echoes());
                if !is_hidden {
                    return Err(io::Error::other("the terminal would show a secret"));
                }
                text
            }
        };
        self.terminal.write_all(format!("{text}\n").as_bytes())
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.terminal).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ECHO))
    }
}
