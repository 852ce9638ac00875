//! `daemon logs`: what the daemon has said.

use std::io;
use std::path::Path;

use ac_cred_proto::endpoint::{log_path, old_log_path};
use ac_cred_proto::text::is_visible;
use ac_cred_proto::{Denial, ErrorCode};

use super::service::installed;
use crate::failure::Failure;
use crate::service::{self, NAME};
use crate::{endpoint, output, private_file};

/// The longest log: somewhat more than the daemon lets one grow.
const MAX_LENGTH: u64 = 1_048_576;

/// Prints the last lines of the file beside the socket, and what the service manager has heard where
/// it keeps the daemon.
pub(super) fn logs(lines: u32) -> Result<(), Failure> {
    let said = in_files()?;
    let count = usize::try_from(lines).unwrap_or(usize::MAX);
    let last = said.iter().skip(said.len().saturating_sub(count));
    output::lines(last.map(String::as_str))?;
    if !installed().is_empty() {
        return shown_by_the_service(lines);
    }
    if said.is_empty() {
        output::note("the daemon has said nothing here");
    }
    Ok(())
}

/// The lines beside the first socket that has some; nothing in them can steer a terminal.
fn in_files() -> Result<Vec<String>, Denial> {
    for socket in endpoint::searchable()? {
        if !endpoint::is_private(&socket)? {
            continue;
        }
        let texts = [read(&old_log_path(&socket))?, read(&log_path(&socket))?];
        let lines = texts.iter().flat_map(|text| text.lines());
        let said: Vec<String> = lines
            .map(|line| line.chars().filter(|&c| is_visible(c)).collect())
            .collect();
        if !said.is_empty() {
            return Ok(said);
        }
    }
    Ok(Vec::new())
}

fn shown_by_the_service(lines: u32) -> Result<(), Failure> {
    let why = match service::read_log(lines).status() {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => format!("the log of {NAME} could not be shown: {status}"),
        Err(error) => format!("the log of {NAME} cannot be shown: {error}"),
    };
    Err(Denial::new(ErrorCode::Internal, why).into())
}

fn read(path: &Path) -> Result<String, Denial> {
    let text = private_file::open(path).and_then(|file| private_file::text(file, MAX_LENGTH));
    match text {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|error| {
            let why = private_file::reason(&error);
            let message = format!("{} cannot be read: {why}", path.display());
            Denial::new(ErrorCode::Internal, message)
        }),
    }
}
