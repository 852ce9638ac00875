//! `audit`: shows who asked for what, and what came of it.

use ac_cred_proto::message::{Audit, Audited};
use ac_cred_proto::{Request, Response};
use serde::Serialize;

use crate::call::{Call, Reach, no_daemon_runs};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::{Failure, visible};
use crate::output;
use crate::screen::{Look, cut, length};

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

/// The column of the program, which may be shortened to this many columns.
const PROGRAM: usize = 6;
const LEAST_PROGRAM: usize = 16;

/// The column of the organization, which may be cut to this many columns.
const ORGANIZATION: usize = 2;
const LEAST_ORGANIZATION: usize = 12;

/// A terminal that has less columns shows no dates.
const NARROW: usize = 80;

/// The columns that are left out where there is no room, in this order: process ids, times, programs.
const LEFT_OUT: [usize; 3] = [5, 4, PROGRAM];

/// What stands between two columns.
const GAP: usize = 2;

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
    output::lines(table(&entries, output::look()).iter().map(String::as_str))
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

/// The lines for people: what a terminal has no room for is left out, or shortened.
fn table(entries: &[Audited], look: Look) -> Vec<String> {
    let rows: Vec<[String; COLUMNS]> = [TITLES.map(str::to_owned)]
        .into_iter()
        .chain(entries.iter().map(|entry| row(entry, look)))
        .collect();
    let mut widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| length(&row[column]));
        cells.max().unwrap_or(0)
    });
    let room = look.width.unwrap_or(usize::MAX);
    let mut shown: Vec<usize> = (0..COLUMNS).collect();
    for left_out in LEFT_OUT {
        let least = shown.iter().map(|&column| match column {
            PROGRAM => widths[column].min(LEAST_PROGRAM),
            _ => widths[column],
        });
        if least.sum::<usize>() + GAP * (shown.len() - 1) <= room {
            break;
        }
        shown.retain(|&column| column != left_out);
    }
    let others = shown.iter().filter(|&&column| column != PROGRAM);
    let taken: usize = others.map(|&column| widths[column] + GAP).sum();
    widths[PROGRAM] = widths[PROGRAM].min(room.saturating_sub(taken));
    let over = (taken - GAP).saturating_sub(room);
    widths[ORGANIZATION] = widths[ORGANIZATION]
        .saturating_sub(over)
        .max(LEAST_ORGANIZATION);
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> = shown
            .iter()
            .map(|&column| {
                let width = widths[column];
                let cell = match column {
                    PROGRAM => end_of(&row[column], width),
                    _ => cut(&row[column], width),
                };
                format!("{cell:width$}")
            })
            .collect();
        cells.join(&" ".repeat(GAP)).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// When it was; a narrow terminal shows the time of the day.
fn time(entry: &Audited, look: Look) -> String {
    let time = entry.at.to_string();
    let is_narrow = look.width.is_some_and(|width| width < NARROW);
    match time.split_once('T') {
        Some((_, of_day)) if is_narrow => of_day.to_owned(),
        Some(_) | None => time,
    }
}

/// The end of a text that has no room: that of a path tells more than its beginning.
fn end_of(text: &str, columns: usize) -> String {
    let over = length(text).saturating_sub(columns);
    if over == 0 {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(over + 2).collect();
    format!("..{kept}")
}

fn row(entry: &Audited, look: Look) -> [String; COLUMNS] {
    let or_dash = |known: Option<String>| known.unwrap_or_else(|| "-".to_owned());
    [
        time(entry, look),
        entry.request.as_str().to_owned(),
        or_dash(entry.organization.as_ref().map(ToString::to_string)),
        entry.outcome.as_str().to_owned(),
        entry.times.to_string(),
        or_dash(entry.pid.map(|pid| pid.to_string())),
        or_dash(entry.program.as_deref().map(visible)),
    ]
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::message::{Asked, Outcome};
    use ac_cred_proto::time::Timestamp;

    use super::*;

    fn lines(width: Option<usize>) -> Vec<String> {
        let entry = Audited {
            at: Timestamp::from_unix(1_790_002_799),
            request: Asked::Get,
            organization: None,
            outcome: Outcome::Ok,
            times: 3,
            uid: Some(1_000),
            pid: Some(4_711),
            program: Some("/home/me/.local/share/programs/build-agent".to_owned()),
        };
        let look = Look {
            colour: false,
            blocks: false,
            width,
        };
        table(&[entry], look)
    }

    #[test]
    fn what_has_no_room_is_left_out_and_the_end_of_a_path_is_kept() {
        let whole = lines(None);
        assert!(
            whole[1].ends_with("3      4711  /home/me/.local/share/programs/build-agent"),
            "{whole:?}"
        );
        let shorter = lines(Some(80));
        assert!(shorter[1].ends_with("..grams/build-agent"), "{shorter:?}");
        let narrow = lines(Some(60));
        assert!(
            narrow[1].starts_with("14:59:59Z") && narrow[1].ends_with("-agent"),
            "{narrow:?}"
        );
        let narrowest = lines(Some(42));
        assert!(narrowest[0].ends_with("OUTCOME"), "{narrowest:?}");
        for width in [60, 80, 100, 200] {
            let lines = lines(Some(width));
            assert!(lines.iter().all(|line| length(line) <= width), "{lines:?}");
        }
    }
}
