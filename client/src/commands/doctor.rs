//! `doctor`: looks at everything that can be wrong, and says what mends it.

use std::time::Duration;

use ac_cred_proto::message::{Check, Checked};
use ac_cred_proto::settings::Settings;
use ac_cred_proto::{Request, Response};

use super::service;
use super::status::Known;
use crate::call::{Call, Reach};
use crate::cli::{self, USUAL_WAIT};
use crate::deadline::{Deadline, telling, wall_clock};
use crate::doctor::{Finding, Report, daemon, here, network, surroundings};
use crate::failure::Failure;
use crate::output;

/// How long the servers have.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a person waits without a word.
const SILENCE: Duration = Duration::from_secs(1);

/// Looks at everything, and prints all of it even where something failed: that is the data.
pub(super) fn run(doctor: &cli::Doctor, reach: Reach) -> Result<(), Failure> {
    let mut findings = vec![here::program()];
    let (finding, settings) = here::settings();
    findings.push(finding);
    let settings = settings.unwrap_or_default();
    findings.extend(here::organization(&settings));
    findings.extend(here::sockets(Deadline::after(USUAL_WAIT)));
    findings.extend(of_daemon(reach, &settings));
    findings.extend(service::finding());
    findings.extend(around(&settings));
    let report = Report::of(findings);
    if doctor.json {
        output::json(&report)?;
    } else {
        let lines = report.lines(output::look());
        output::lines(lines.iter().map(String::as_str))?;
    }
    report.outcome()?;
    if !doctor.json {
        output::note("all is well");
    }
    Ok(())
}

fn around(settings: &Settings) -> Vec<Finding> {
    let mut findings = surroundings::environment(settings);
    findings.extend(surroundings::passphrase(settings));
    findings.extend(surroundings::linger());
    findings.extend(surroundings::official_cli());
    findings
}

/// What the daemon tells, which is started where there is none.
fn of_daemon(reach: Reach, settings: &Settings) -> Vec<Finding> {
    let known = match Known::ask(reach, None) {
        Ok(known) => known,
        Err(denial) => {
            return vec![Finding::fail("daemon", &denial).or_fix("ac-cred daemon run")];
        }
    };
    let Some(status) = known.daemon else {
        return vec![Finding::note("daemon", "no daemon is running").fix("ac-cred daemon start")];
    };
    let mut findings = vec![daemon::version(&status)];
    findings.extend(daemon::memory(&status));
    findings.extend(daemon::stores(&status, &known.organizations));
    findings.extend(daemon::exchanges(&known.organizations));
    findings.extend(servers(reach, settings));
    findings
}

fn servers(reach: Reach, settings: &Settings) -> Vec<Finding> {
    let asking = move || {
        let wait_ms = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
        let request = Request::Check(Check {
            organization: None,
            wait_ms,
        });
        Call::new(reach, PATIENCE).answers(&request, is_checked)
    };
    let slow = || {
        if output::tells_a_terminal() {
            output::note("waiting for servers to answer, for 10 seconds at most");
        }
    };
    match telling(SILENCE, asking, slow) {
        Some(Ok(responses)) => {
            let seen = seen(responses.unwrap_or_default());
            network::findings(&seen, settings, wall_clock())
        }
        Some(Err(denial)) => vec![Finding::fail("servers", &denial).or_fix("ac-cred daemon stop")],
        None => Vec::new(),
    }
}

/// Whether an answer belongs to a look at the servers.
fn is_checked(response: &Response) -> bool {
    matches!(response, Response::Checked(_))
}

fn seen(responses: Vec<Response>) -> Vec<Checked> {
    let checked = |response| {
        if let Response::Checked(checked) = response {
            Some(*checked)
        } else {
            None
        }
    };
    responses.into_iter().filter_map(checked).collect()
}
