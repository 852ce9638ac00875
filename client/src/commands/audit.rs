//! `audit`: shows who asked for what, and what came of it.

use ac_cred_proto::message::{Audit, Audited};
use ac_cred_proto::{Request, Response};
use serde::Serialize;

use crate::call::{Call, Reach, no_daemon_runs};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::{Failure, visible};
use crate::output;

const TITLES: [&str; COLUMNS] = [
    "TIME",
    "REQUEST",
    "ORGANIZATION",
    "OUTCOME",
    "TIMES",
    "PID",
    "PROGRAM",
];
const COLUMNS: usize = 7;

pub(super) fn run(audit: cli::Audit, reach: Reach) -> Result<(), Failure> {
    let request = Request::Audit(Audit {
        organization: audit.organization,
    });
    let responses = Call::new(reach, USUAL_WAIT).answers(&request, is_audited)?;
    let entries = entries(responses.ok_or_else(no_daemon_runs)?);
    if audit.json {
        return output::json(&Printed {
            version: 1,
            entries,
        });
    }
    if entries.is_empty() {
        output::note("nobody has asked since the daemon started");
        return Ok(());
    }
    output::lines(table(&entries).iter().map(String::as_str))
}

/// Whether an answer belongs to the sequence of an audit.
fn is_audited(response: &Response) -> bool {
    matches!(response, Response::Audited(_))
}

fn entries(responses: Vec<Response>) -> Vec<Audited> {
    let entry = |response| {
        if let Response::Audited(audited) = response {
            Some(*audited)
        } else {
            None
        }
    };
    responses.into_iter().filter_map(entry).collect()
}

/// The entries as `audit --json` prints them.
#[derive(Serialize)]
struct Printed {
    version: u8,
    entries: Vec<Audited>,
}

fn table(entries: &[Audited]) -> Vec<String> {
    let rows: Vec<[String; COLUMNS]> = [TITLES.map(str::to_owned)]
        .into_iter()
        .chain(entries.iter().map(row))
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn row(entry: &Audited) -> [String; COLUMNS] {
    let or_dash = |known: Option<String>| known.unwrap_or_else(|| "-".to_owned());
    [
        entry.at.to_string(),
        entry.request.as_str().to_owned(),
        or_dash(entry.organization.as_ref().map(ToString::to_string)),
        entry.outcome.as_str().to_owned(),
        entry.times.to_string(),
        or_dash(entry.pid.map(|pid| pid.to_string())),
        or_dash(entry.program.as_deref().map(visible)),
    ]
}
