//! Man pages, from the definitions of the command line: one for the program and one for each
//! command.

use std::io;

use clap::Command;
use clap_mangen::Man;

/// A page and the name of its file.
pub(crate) struct Page {
    /// Such as `ac-cred-get.1`.
    pub(crate) file: String,
    /// The page in roff.
    pub(crate) roff: Vec<u8>,
}

/// The pages of a command and of all below it, its own first.
pub(crate) fn pages(command: Command) -> io::Result<Vec<Page>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut found = Vec::new();
    collect(&command, &mut found)?;
    Ok(found)
}

/// The page of the command to which these words lead.
pub(crate) fn page(command: Command, words: &[String]) -> io::Result<Option<Page>> {
    let file = [&["ac-cred".to_owned()], words].concat().join("-") + ".1";
    Ok(pages(command)?.into_iter().find(|page| page.file == file))
}

fn collect(command: &Command, found: &mut Vec<Page>) -> io::Result<()> {
    found.push(page_of(command)?);
    command
        .get_subcommands()
        .try_for_each(|inner| collect(inner, found))
}

fn page_of(command: &Command) -> io::Result<Page> {
    let version = command.get_version().unwrap_or(env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.clone())
        .source(format!("ac-cred {version}"))
        .manual("ac-cred");
    let mut roff = Vec::new();
    man.render_title(&mut roff)?;
    man.render_name_section(&mut roff)?;
    man.render_synopsis_section(&mut roff)?;
    man.render_options_section(&mut roff)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut roff)?;
    }
    let after = command.get_after_help().map(ToString::to_string);
    roff.extend_from_slice(notes(&after.unwrap_or_default()).as_bytes());
    Ok(Page {
        file: man.get_filename(),
        roff,
    })
}

/// What stands below the options in the help: examples as they are typed, the rest as paragraphs.
fn notes(help: &str) -> String {
    let (mut examples, mut prose) = (String::new(), String::new());
    for block in help.split("\n\n") {
        if let Some(lines) = block.strip_prefix("Examples:\n") {
            let lines = lines
                .lines()
                .map(|line| line.strip_prefix("  ").unwrap_or(line));
            let lines: String = lines.map(|line| escaped(line) + "\n").collect();
            examples.extend([".SH EXAMPLES\n.nf\n", &lines, ".fi\n"]);
        } else {
            let lines: String = block.lines().map(|line| escaped(line) + "\n").collect();
            prose += if prose.is_empty() {
                ".SH NOTES\n"
            } else {
                ".PP\n"
            };
            prose += &lines;
        }
    }
    examples + &prose
}

/// A line that roff shows as it is.
fn escaped(line: &str) -> String {
    let line = line
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq");
    if line.starts_with('.') {
        format!("\\&{line}")
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let pages = pages(Cli::command()).unwrap();
        let files: Vec<_> = pages.iter().map(|page| page.file.as_str()).collect();
        for file in ["ac-cred.1", "ac-cred-get.1", "ac-cred-daemon-run.1"] {
            assert!(files.contains(&file), "{files:?}");
        }
        for page in &pages {
            let roff = String::from_utf8(page.roff.clone()).unwrap();
            assert!(roff.contains(".SH EXAMPLES\n"), "{}: {roff}", page.file);
        }
    }

    #[test]
    fn no_line_of_an_example_is_taken_for_a_command_of_roff() {
        let help = "Examples:\n  ./x -q \\ 'a'\n  .b\n\n.c is\nd";
        assert_eq!(
            notes(help),
            ".SH EXAMPLES\n.nf\n\\&./x \\-q \\e \\(aqa\\(aq\n\\&.b\n.fi\n.SH NOTES\n\\&.c is\nd\n"
        );
    }
}
