//! From words to a command, and what is said about words that are none.
//!
//! A message names an option or an argument, never its value: the value may be a secret that was
//! typed into the wrong place.

use std::error::Error as _;
use std::ffi::OsString;

use ac_cred_proto::Denial;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use crate::cli::{Cli, Command};
use crate::failure::usage;
use crate::plain_get::plain_get;
use crate::{help, output};

/// Options that people expect to take a secret.
const SECRET_OPTIONS: [&str; 8] = [
    "--token",
    "--secret",
    "--pat",
    "--pak",
    "--key",
    "--password",
    "--credential",
    "--passphrase",
];

/// The longest word that is repeated as the name of an option or a command.
const LONGEST_NAME: usize = 24;

/// What the words on the command line come to.
#[derive(Debug)]
pub(crate) enum Typed {
    /// A command.
    Command(Command),
    /// A wish to read this help or version.
    Help(String),
    /// No command, where this help says which there are.
    Nothing(String),
    /// A mistake.
    Wrong(Denial),
}

/// Takes the words after the program's name.
pub(crate) fn parse(words: &[OsString]) -> Typed {
    if let Some(get) = plain_get(words) {
        return Typed::Command(Command::Get(get));
    }
    let program = OsString::from("ac-cred");
    match Cli::try_parse_from(std::iter::once(&program).chain(words)) {
        Ok(cli) => Typed::Command(cli.command),
        Err(error) => refused(&error, words),
    }
}

/// Whether the caller reads JSON, so that errors have to be JSON as well.
pub(crate) fn asks_for_json(words: &[OsString]) -> bool {
    let mut before = None;
    // What stands behind it is for the program that is run.
    let own = words.iter().take_while(|word| *word != "--");
    own.into_iter().any(|word| {
        let follows_format = before.replace(word).is_some_and(|word| word == "--format");
        word == "--json" || word == "--format=json" || (follows_format && word == "json")
    })
}

fn refused(error: &clap::Error, words: &[OsString]) -> Typed {
    let kind = error.kind();
    if kind == ErrorKind::DisplayHelp || kind == ErrorKind::DisplayVersion {
        Typed::Help(fitted(error, words))
    } else if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        Typed::Nothing(fitted(error, words))
    } else {
        Typed::Wrong(mistake(error, words))
    }
}

/// What is to be read, for the terminal that it is read at.
fn fitted(error: &clap::Error, words: &[OsString]) -> String {
    let program = OsString::from("ac-cred");
    let command = help::fitted(Cli::command(), output::look());
    let again = command.try_get_matches_from(std::iter::once(&program).chain(words));
    again.as_ref().err().unwrap_or(error).render().to_string()
}

/// The refusal of a secret among the words.
fn secret_on_command_line() -> Denial {
    usage(
        "a secret does not belong on a command line, where the shell's history and other programs \
         keep it: delete that key at Appcircle, make a new one, and give it when it is asked for",
    )
    .hint("ac-cred login ORG")
}

fn mistake(error: &clap::Error, words: &[OsString]) -> Denial {
    let culprit = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let kind = error.kind();
    let message = if kind == ErrorKind::UnknownArgument {
        if is_secret(&culprit, words) {
            return secret_on_command_line();
        }
        unknown_argument(error, &culprit, words)
    } else if kind == ErrorKind::InvalidSubcommand {
        let similar = similar(error, ContextKind::SuggestedSubcommand);
        match text(error, ContextKind::InvalidSubcommand).filter(|name| is_name(name)) {
            Some(name) => format!("there is no command {name}{similar}"),
            None => format!("there is no such command{similar}"),
        }
    } else if kind == ErrorKind::MissingRequiredArgument {
        format!("{culprit} is missing")
    } else if kind == ErrorKind::ArgumentConflict {
        let other = text(error, ContextKind::PriorArg).unwrap_or_default();
        if other == culprit {
            format!("{culprit} is given twice")
        } else {
            format!("{culprit} and {other} exclude each other")
        }
    } else if kind == ErrorKind::InvalidUtf8 {
        "the command line is not UTF-8".to_owned()
    } else {
        unusable_value(error, &culprit)
    };
    usage(message).hint(format!("{} --help", command_name(words)))
}

/// Whether an argument that is not known is a secret: an option of that name, or a second word
/// behind `login ORG`.
fn is_secret(culprit: &str, words: &[OsString]) -> bool {
    let is_login = words.first().is_some_and(|word| word == "login");
    let name = culprit.split('=').next().unwrap_or_default();
    SECRET_OPTIONS.contains(&name) || (is_login && !(culprit.starts_with('-') && is_name(name)))
}

fn unknown_argument(error: &clap::Error, culprit: &str, words: &[OsString]) -> String {
    let name = culprit.split('=').next().unwrap_or_default();
    let is_exec = words.first().is_some_and(|word| word == "exec");
    if !culprit.starts_with('-') && is_exec {
        "the program to run stands behind --".to_owned()
    } else if !culprit.starts_with('-') {
        "there is an argument too many".to_owned()
    } else if is_name(name) {
        let similar = similar(error, ContextKind::SuggestedArg);
        format!("there is no option {name}{similar}")
    } else {
        "there is no such option".to_owned()
    }
}

/// Whether a word looks like the name of an option or a command, and so may be repeated.
fn is_name(word: &str) -> bool {
    word.len() <= LONGEST_NAME
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn similar(error: &clap::Error, kind: ContextKind) -> String {
    text(error, kind).map_or_else(String::new, |name| format!(" (similar: {name})"))
}

fn unusable_value(error: &clap::Error, culprit: &str) -> String {
    let is_missing = text(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty());
    let choices = text(error, ContextKind::ValidValue).filter(|choices| !choices.is_empty());
    if let Some(why) = error.source() {
        format!("{culprit} cannot be used: {why}")
    } else if is_missing && error.kind() == ErrorKind::InvalidValue {
        format!("{culprit} needs a value")
    } else if let Some(choices) = choices {
        format!("{culprit} cannot be used: it is one of {choices}")
    } else {
        format!("{culprit} is not used like this")
    }
}

/// What the parser says about one side of a mistake.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    let value = error.get(kind)?;
    if let ContextValue::String(text) = value {
        Some(text.clone())
    } else if let ContextValue::Strings(texts) = value {
        Some(texts.join(", "))
    } else {
        None
    }
}

/// The command whose help explains the mistake.
fn command_name(words: &[OsString]) -> String {
    let mut command = Cli::command();
    let mut name = "ac-cred".to_owned();
    for word in words {
        let Some(inner) = command.find_subcommand(word).cloned() else {
            break;
        };
        name = format!("{name} {}", inner.get_name());
        command = inner;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn said(line: &str) -> String {
        match parse(&words(line)) {
            Typed::Wrong(denial) => denial.to_string(),
            typed @ (Typed::Command(_) | Typed::Help(_) | Typed::Nothing(_)) => {
                panic!("{line}: {typed:?}")
            }
        }
    }

    fn check(line: &str, message: &str, help: &str) {
        assert_eq!(
            said(line),
            format!("{message}; run: {help} --help"),
            "{line}"
        );
    }

    #[test]
    fn an_unknown_word_is_one_line_with_the_help_to_read() {
        let get = "ac-cred get";
        check("fly", "there is no command fly", "ac-cred");
        check(
            "logn",
            "there is no command logn (similar: logout, login)",
            "ac-cred",
        );
        check("daemon fly", "there is no command fly", "ac-cred daemon");
        check("get acme other", "there is an argument too many", get);
        check(
            "get --fromat json",
            "there is no option --fromat (similar: --format)",
            get,
        );
    }

    #[test]
    fn an_unusable_value_is_one_line_that_says_what_would_be_usable() {
        let get = "ac-cred get";
        check(
            "get --format yaml",
            "--format <FORMAT> cannot be used: it is one of token, json, header, headers, curl, env",
            get,
        );
        check(
            "get --min-ttl soon",
            "--min-ttl <DURATION> cannot be used: seconds, or a number with a unit such as 8s, 5m or 1h30m",
            get,
        );
        check("get --wait", "--wait <DURATION> needs a value", get);
        check(
            "get a/b",
            "[ORG] cannot be used: an organization's name is 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
            get,
        );
        check(
            "login acme --kind pin",
            "--kind <KIND> cannot be used: it is one of personal-access-key, personal-access-token, api-key",
            "ac-cred login",
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_one_line() {
        check("use", "<ORG> is missing", "ac-cred use");
        check("rename", "<OLD>, <NEW> is missing", "ac-cred rename");
        check(
            "logout acme --all",
            "[ORG] and --all exclude each other",
            "ac-cred logout",
        );
        check(
            "get --refresh --refresh",
            "--refresh is given twice",
            "ac-cred get",
        );
    }

    #[test]
    fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
        for line in [
            "login acme --token Marker9",
            "login acme --token=Marker9",
            "login acme --secret Marker9",
            "login acme --pat=Marker9",
            "login acme --pak Marker9",
            "login --key Marker9 acme",
            "login acme --password=Marker9",
            "login acme --passphrase Marker9",
            "login acme Marker9",
            "login acme --Marker9",
            "login acme --stdin Marker9",
            "--token Marker9 login acme",
            "get acme --token Marker9",
        ] {
            let said = said(line);
            assert!(
                said.starts_with("a secret does not belong on a command line"),
                "{line}: {said}"
            );
            assert!(said.contains("delete that key"), "{line}: {said}");
            assert!(!said.contains("Marker9"), "{line}: {said}");
        }
    }

    #[test]
    fn no_value_is_repeated() {
        for line in [
            "Marker9",
            "get acme Marker9",
            "get --Marker9",
            "get --format Marker9",
            "get --wait Marker9",
            "get --refresh=Marker9",
            "login acme --stdin=Marker9",
            "login acme -Marker9",
            "login acme -qMarker9",
            "login acme --kind Marker9",
            "login acme --store=Marker9",
            "login Marker9/+==",
            "login acme --from Marker9|",
            "login acme --allow-http=Marker9",
            "use a Marker9",
            "daemon Marker9",
            "daemon run Marker9",
        ] {
            let said = said(line);
            assert!(!said.contains("Marker9"), "{line}: {said}");
        }
    }

    #[test]
    fn json_is_asked_for_in_three_ways() {
        for line in [
            "list --json",
            "get --format json",
            "get acme --format=json -q",
        ] {
            assert!(asks_for_json(&words(line)), "{line}");
        }
        for line in ["list", "get json", "get --format token", "get --org json"] {
            assert!(!asks_for_json(&words(line)), "{line}");
        }
    }

    #[test]
    fn help_is_asked_for_or_shown_when_nothing_is_typed() {
        assert!(matches!(parse(&[]), Typed::Nothing(_)));
        assert!(matches!(parse(&words("daemon")), Typed::Nothing(_)));
        for line in ["--help", "-h", "--version", "get --help", "help login"] {
            assert!(matches!(parse(&words(line)), Typed::Help(_)), "{line}");
        }
    }
}
