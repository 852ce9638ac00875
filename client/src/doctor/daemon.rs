//! What the daemon tells: itself, the credentials, and how exchanges went.

use ac_cred_proto::message::{DaemonStatus, OrganizationStatus};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode};

use super::Finding;
use crate::words::span;

/// The daemon that runs.
pub(crate) fn version(daemon: &DaemonStatus) -> Finding {
    let mine = env!("CARGO_PKG_VERSION");
    if daemon.version == mine {
        let (pid, up) = (daemon.pid, span(daemon.uptime));
        return Finding::ok("daemon", format!("ac-credd {mine}, pid {pid}, up {up}"));
    }
    let message = format!(
        "ac-credd {} is not of the version of ac-cred, {mine}",
        daemon.version
    );
    let denial = Denial::new(ErrorCode::DaemonUnreachable, message);
    Finding::fail("daemon", &denial.hint("ac-cred daemon stop"))
}

/// Where credentials rest, and whether they are within reach.
pub(crate) fn stores(daemon: &DaemonStatus, known: &[OrganizationStatus]) -> Vec<Finding> {
    let mut findings = Vec::new();
    if daemon.locked {
        let denial = Denial::new(ErrorCode::Locked, "credentials are locked");
        findings.push(Finding::fail("store", &denial.hint("ac-cred unlock")));
    }
    for store in Store::ALL {
        let count = known.iter().filter(|known| known.store == *store).count();
        if count == 0 {
            continue;
        }
        let message = match count {
            1 => format!("one credential rests in {store}"),
            _ => format!("{count} credentials rest in {store}"),
        };
        findings.push(if *store == Store::Memory {
            let note = Finding::note("store", message + ", until the daemon ends");
            note.fix("ac-cred store move ORG --to file")
        } else {
            Finding::ok("store", message)
        });
    }
    findings
}

/// How the last exchanges went.
pub(crate) fn exchanges(known: &[OrganizationStatus]) -> Vec<Finding> {
    let failed = known.iter().filter_map(|known| {
        let error = known.last_error.as_ref()?;
        Some((&known.organization, error))
    });
    let findings: Vec<_> = failed
        .map(|(org, error)| {
            let fix = format!("ac-cred get {org} --refresh");
            Finding::fail("exchange", error).or_fix(fix)
        })
        .collect();
    if !findings.is_empty() || known.is_empty() {
        return findings;
    }
    let held = known.iter().filter(|known| known.token.is_some()).count();
    let message = format!("none has failed; {held} of {} tokens are held", known.len());
    vec![Finding::ok("exchange", message)]
}
