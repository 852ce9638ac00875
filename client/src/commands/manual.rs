//! `completions` and `man`: what a packager installs beside the program.

use std::fs;
use std::path::Path;

use ac_cred_proto::{Denial, ErrorCode};
use clap::CommandFactory as _;

use crate::cli::{self, Cli};
use crate::failure::{Failure, usage};
use crate::{completions, manual, output, private_file};

/// Prints a script that completes in a shell.
pub(super) fn complete(completions: &cli::Completions) -> Result<(), Failure> {
    let script = completions::script(&completions.shell, Cli::command())?;
    output::text(&script)
}

/// Prints a page, or writes all of them.
pub(super) fn show(man: &cli::Man) -> Result<(), Failure> {
    match &man.dir {
        Some(directory) => write_all(directory),
        None => print(&man.command),
    }
}

fn print(words: &[String]) -> Result<(), Failure> {
    let page = manual::page(Cli::command(), words).map_err(|error| unwritable(&error))?;
    let page = page.ok_or_else(|| usage("there is no such command").hint("ac-cred --help"))?;
    output::text(&String::from_utf8_lossy(&page.roff))
}

fn write_all(directory: &Path) -> Result<(), Failure> {
    let pages = manual::pages(Cli::command()).map_err(|error| unwritable(&error))?;
    for page in &pages {
        let path = directory.join(&page.file);
        fs::write(&path, &page.roff).map_err(|error| {
            let reason = private_file::reason(&error);
            Denial::new(ErrorCode::Internal, format!("{}: {reason}", path.display()))
        })?;
    }
    output::note(&format!(
        "{} pages are in {}",
        pages.len(),
        directory.display()
    ));
    Ok(())
}

fn unwritable(error: &std::io::Error) -> Denial {
    Denial::new(
        ErrorCode::Internal,
        format!("the manual cannot be made: {error}"),
    )
}
