//! The client of `ac-credd`: what is typed is asked of the daemon, and the answer printed.

pub mod bridge;

mod appcircle_cli;
mod approvals;
mod attended;
mod call;
mod child;
mod cli;
mod closed_stdout;
mod commands;
mod companion;
mod completions;
mod core_dump;
mod deadline;
mod destination;
mod doctor;
mod endpoint;
mod exit_code;
mod failure;
mod help;
mod launch;
mod lease;
mod link;
mod manual;
mod official_cli;
mod organization;
mod output;
mod plain_get;
mod printer;
mod private_file;
mod project_file;
mod screen;
mod secret_input;
mod service;
mod settings_file;
mod table;
mod token_format;
mod usage;
mod words;

use std::ffi::OsString;
use std::process;

use exit_code::ExitCode;
use failure::Failure;
use usage::Typed;

/// Does what the words after the program's name ask for, and says why where that fails.
#[must_use]
pub fn run(words: &[OsString]) -> process::ExitCode {
    let outcome = match usage::parse(words) {
        Typed::Command(command) => commands::run(command),
        Typed::Help(help) => output::text(&help),
        Typed::Nothing(help) => Err(Failure::NothingTyped(help)),
        Typed::Wrong(denial) => Err(denial.into()),
    };
    let code = match &outcome {
        Ok(()) => ExitCode::Done.number(),
        Err(failure) => {
            output::failure(failure, usage::asks_for_json(words));
            failure.exit_code()
        }
    };
    code.into()
}
