//! What stands below the options in the help, laid out for the width of a terminal: examples keep
//! their lines, columns stay columns, and the rest flows.

use clap::Command;

use crate::screen::{Look, length};

/// The widest help: longer lines are hard to read, and clap makes none.
const WIDEST: usize = 100;

/// How far what explains an example stands below it, and how far a long line goes on.
const DEEPER: usize = 6;

/// The command and all below it, with help that fits.
pub(crate) fn fitted(command: Command, look: Look) -> Command {
    let width = look.width.unwrap_or(WIDEST).min(WIDEST);
    let look = Look {
        width: Some(width),
        ..look
    };
    fit(command, look)
}

fn fit(command: Command, look: Look) -> Command {
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(laid_out(&text, look)),
        None => command,
    };
    command.mut_subcommands(|inner| fit(inner, look))
}

fn laid_out(text: &str, look: Look) -> String {
    let blocks = text.split("\n\n").map(|block| {
        if let Some(examples) = block.strip_prefix("Examples:\n") {
            let lines = examples.lines().flat_map(|line| example(line, look));
            let lines: Vec<String> = lines.collect();
            format!("Examples:\n{}", lines.join("\n"))
        } else if block.lines().all(|line| columns(line).is_some()) {
            let lines: Vec<String> = block.lines().flat_map(|line| row(line, look)).collect();
            lines.join("\n")
        } else {
            let words: Vec<&str> = block.lines().collect();
            look.wrapped(&words.join(" "), 0).join("\n")
        }
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

/// An example; what it is for goes below it where there is no room beside it.
fn example(line: &str, look: Look) -> Vec<String> {
    if fits(line, look) {
        return vec![line.to_owned()];
    }
    let (typed, why) = columns(line.trim_start()).unwrap_or((line.trim_start(), ""));
    let mut lines = hanging(typed, 2, look);
    if !why.is_empty() {
        lines.extend(look.wrapped(why, DEEPER));
    }
    lines
}

/// A line of columns; what has no room goes on below its own column.
fn row(line: &str, look: Look) -> Vec<String> {
    match columns(line) {
        Some((name, text)) if !fits(line, look) => {
            let margin = length(line) - length(text);
            let mut lines = look.wrapped(text, margin);
            if let Some(first) = lines.first_mut() {
                let behind = first.trim_start().to_owned();
                *first = format!("{name:margin$}{behind}");
            }
            lines
        }
        Some(_) | None => vec![line.to_owned()],
    }
}

/// Words behind a margin; they go on deeper than they begin.
fn hanging(text: &str, margin: usize, look: Look) -> Vec<String> {
    let mut lines = look.wrapped(text, DEEPER);
    if let Some(first) = lines.first_mut() {
        *first = " ".repeat(margin) + first.trim_start();
    }
    lines
}

fn fits(line: &str, look: Look) -> bool {
    look.width.is_none_or(|width| length(line) <= width)
}

/// The first column of a line and the rest, where at least two spaces stand between them.
fn columns(line: &str) -> Option<(&str, &str)> {
    let (first, rest) = line.split_once("  ")?;
    let rest = rest.trim_start();
    (!first.is_empty() && !rest.is_empty()).then_some((first, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "\
Examples:
  ac-cred get      the token
  ac-cred get acme --min-ttl 30m   a token that lives long
  a b c d e f g h i j k l m n o p q r s t u v

token  the token
env    a command that puts the token somewhere

It never asks a question. It never
asks.";

    fn at(width: usize) -> String {
        let look = Look {
            colour: false,
            blocks: false,
            width: Some(width),
        };
        laid_out(HELP, look)
    }

    #[test]
    fn narrow_help_keeps_examples_columns_and_sentences_apart() {
        assert_eq!(
            at(30),
            "\
Examples:
  ac-cred get      the token
  ac-cred get acme
      --min-ttl 30m
      a token that lives long
  a b c d e f g h i j k l
      m n o p q r s t u v

token  the token
env    a command that puts the
       token somewhere

It never asks a question. It
never asks."
        );
    }

    #[test]
    fn wide_help_has_its_lines_as_they_were_written_but_for_sentences() {
        let written = HELP.replace("It never\nasks.", "It never asks.");
        assert_eq!(at(100), written);
    }
}
