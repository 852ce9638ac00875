//! The most usual command lines, `get` with a name or a plain option, without the parser: building
//! it would take as long as the rest of the call.

use std::ffi::OsString;

use ac_cred_proto::Org;

use crate::cli::{Format, Get, USUAL_WAIT, Which};

/// What an option switches on.
type Flag = fn(&mut Get) -> &mut bool;

/// The options that are understood here; a command line with any other is left to the parser.
const OPTIONS: [(&str, Flag); 4] = [
    ("--no-start", |get| &mut get.no_start),
    ("--quiet", |get| &mut get.quiet),
    ("--refresh", |get| &mut get.refresh),
    ("-q", |get| &mut get.quiet),
];

/// What the parser would make of these words, if they are `get` with at most one name and with
/// options of [`OPTIONS`], each once.
pub(crate) fn plain_get(words: &[OsString]) -> Option<Get> {
    let (command, rest) = words.split_first()?;
    if command != "get" {
        return None;
    }
    let mut get = Get {
        which: Which::default(),
        format: Format::Token,
        shell: None,
        min_ttl: None,
        refresh: false,
        wait: USUAL_WAIT,
        no_start: false,
        quiet: false,
    };
    for word in rest {
        if let Some((_, field)) = OPTIONS.iter().find(|(option, _)| word == option) {
            if std::mem::replace(field(&mut get), true) {
                return None;
            }
        } else {
            let name = Org::parse(word.to_str()?).ok()?;
            if get.which.argument.replace(name).is_some() {
                return None;
            }
        }
    }
    Some(get)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    /// What a command line is put together from: all that is understood here, what looks like it,
    /// and what only the parser understands.
    const VOCABULARY: [&str; 18] = [
        "get",
        "acme",
        "help",
        "--no-start",
        "--quiet",
        "--refresh",
        "-q",
        "--no-st",
        "--quiet=true",
        "-qq",
        "-",
        "--",
        "",
        "a b",
        "--org",
        "--format",
        "json",
        "list",
    ];

    /// Every sequence of at most three words behind `get`, and of at most two words.
    fn command_lines() -> Vec<Vec<&'static str>> {
        let mut lines = vec![vec![]];
        let mut longest = lines.clone();
        for _ in 0..4 {
            longest = longest
                .iter()
                .filter(|line| line.len() < 2 || line.first() == Some(&"get"))
                .flat_map(|line| VOCABULARY.map(|word| [line.as_slice(), &[word]].concat()))
                .collect();
            lines.extend(longest.iter().cloned());
        }
        lines
    }

    #[test]
    fn both_parsers_agree_on_every_command_line_that_is_plain() {
        let mut plain = 0;
        for line in command_lines() {
            let words: Vec<_> = line.iter().map(OsString::from).collect();
            let Some(quick) = plain_get(&words) else {
                continue;
            };
            plain += 1;
            let parsed = Cli::try_parse_from([&["ac-cred"], line.as_slice()].concat());
            match parsed.map(|cli| cli.command) {
                Ok(Command::Get(get)) => assert_eq!(quick, get, "{line:?}"),
                other => panic!("{line:?} is {other:?} to the parser"),
            }
        }
        // None, one, two and three words behind `get`; five of the words are names.
        assert_eq!(plain, 1 + (4 + 5) + (10 + 2 * 4 * 5) + (12 + 3 * 10 * 5));
    }

    #[test]
    fn every_option_and_a_name_are_plain_in_any_order() {
        for (option, _) in OPTIONS {
            for line in [
                vec!["get", option],
                vec!["get", "acme", option],
                vec!["get", option, "acme"],
            ] {
                let words: Vec<_> = line.iter().map(OsString::from).collect();
                assert!(plain_get(&words).is_some(), "{line:?}");
            }
        }
    }
}
