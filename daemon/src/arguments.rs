//! What `ac-credd` is told on its command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use ac_cred_proto::{Denial, ErrorCode};
use ac_credd::version;
use lexopt::{Arg, Parser, ValueExt as _};

const HELP: &str = "\
Holds Appcircle credentials and hands out session tokens to ac-cred.

ac-cred starts it when it is needed; ac-cred daemon run runs it in the
foreground. It prints the line `ready` once it takes callers, and ends on
SIGTERM, on SIGINT and on ac-cred daemon stop.

Usage: ac-credd [OPTIONS]

Options:
      --socket <PATH>
          Listen at PATH instead of where ac-cred looks first
      --on-demand
          Leave the caller's session, and print nothing after the line `ready`
          or one that says what went wrong
      --idle-exit <SECONDS>
          End after so many seconds without anything to hold; 600 where others
          start the daemon
  -h, --help
          Print help
  -V, --version
          Print version
";

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// To serve.
    Serve(Arguments),
    /// To print this.
    Print(String),
}

/// How to serve.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Where to listen, instead of where `ac-cred` looks first.
    pub(crate) socket: Option<PathBuf>,
    /// Whether the caller's session is left.
    pub(crate) on_demand: bool,
    /// After how many seconds without anything to hold it ends.
    pub(crate) idle_exit: Option<u64>,
    /// Whether it goes on with the work of the daemon that has started this one, which is at the
    /// other end of standard input.
    pub(crate) take_over: bool,
}

impl Arguments {
    /// What a successor has to be told too.
    pub(crate) fn for_successor(&self) -> Vec<OsString> {
        let on_demand = self.on_demand.then(|| OsString::from("--on-demand"));
        let idle_exit = self
            .idle_exit
            .map(|seconds| format!("--idle-exit={seconds}").into());
        on_demand.into_iter().chain(idle_exit).collect()
    }
}

/// Reads the words behind the program's name.
pub(crate) fn read(words: impl IntoIterator<Item = OsString>) -> Result<Typed, Denial> {
    parse(Parser::from_args(words)).map_err(|error| {
        // A word that is no option could be a secret.
        let why = match error {
            lexopt::Error::UnexpectedArgument(_) => "there is an argument too many".to_owned(),
            lexopt::Error::ParsingFailed { .. } | lexopt::Error::NonUnicodeValue(_) => {
                "--idle-exit takes a whole number of seconds".to_owned()
            }
            lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes nothing"),
            lexopt::Error::MissingValue { .. }
            | lexopt::Error::UnexpectedOption(_)
            | lexopt::Error::Custom(_) => error.to_string(),
        };
        Denial::new(ErrorCode::Usage, why).hint("ac-credd --help")
    })
}

fn parse(mut parser: Parser) -> Result<Typed, lexopt::Error> {
    let mut arguments = Arguments::default();
    while let Some(word) = parser.next()? {
        match word {
            Arg::Long("socket") => arguments.socket = Some(parser.value()?.into()),
            Arg::Long("on-demand") => arguments.on_demand = true,
            Arg::Long("idle-exit") => arguments.idle_exit = Some(parser.value()?.parse()?),
            Arg::Long("take-over") => arguments.take_over = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(Typed::Print(HELP.to_owned())),
            Arg::Long("version") | Arg::Short('V') => {
                return Ok(Typed::Print(format!("ac-credd {}\n", version::number())));
            }
            Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => return Err(word.unexpected()),
        }
    }
    if arguments.take_over && arguments.socket.is_none() {
        return Err("a daemon takes over at a socket".into());
    }
    Ok(Typed::Serve(arguments))
}

/// Whether a command line wants what goes wrong told to a program, also where it cannot be read.
pub(crate) fn is_on_demand(mut words: impl Iterator<Item = OsString>) -> bool {
    words.any(|word| word == OsStr::new("--on-demand"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &str) -> Result<Typed, Denial> {
        read(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_option_is_heeded_in_either_writing() {
        let all = Arguments {
            socket: Some("/x".into()),
            on_demand: true,
            idle_exit: Some(7),
            take_over: true,
        };
        for words in [
            "--socket /x --on-demand --idle-exit 7 --take-over",
            "--take-over --idle-exit=7 --socket=/x --on-demand",
        ] {
            let Ok(Typed::Serve(arguments)) = typed(words) else {
                panic!("{words} is not understood");
            };
            assert_eq!(arguments, all);
        }
        assert_eq!(typed(""), Ok(Typed::Serve(Arguments::default())));
        assert_eq!(all.for_successor(), ["--on-demand", "--idle-exit=7"]);
    }

    #[test]
    fn help_tells_of_every_option_that_is_for_people() {
        let Ok(Typed::Print(help)) = typed("-h") else {
            panic!("no help");
        };
        for option in [
            "--socket",
            "--on-demand",
            "--idle-exit",
            "--help",
            "--version",
        ] {
            assert!(help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")));
        }
        assert!(!help.contains("take-over"));
        assert!(help.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn what_is_wrong_is_told_without_a_word_that_could_be_a_secret() {
        for (words, why) in [
            ("--nothing", "invalid option '--nothing'"),
            ("--socket", "missing argument for option '--socket'"),
            (
                "--idle-exit soon",
                "--idle-exit takes a whole number of seconds",
            ),
            (
                "--idle-exit -1",
                "--idle-exit takes a whole number of seconds",
            ),
            ("--on-demand=marker-secret", "--on-demand takes nothing"),
            ("marker-secret", "there is an argument too many"),
            ("--take-over", "a daemon takes over at a socket"),
        ] {
            let denial = typed(words).unwrap_err();
            assert_eq!(
                (denial.message.as_str(), denial.error),
                (why, ErrorCode::Usage)
            );
        }
    }
}
