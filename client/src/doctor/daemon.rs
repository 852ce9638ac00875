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

/// Whether the key of the secrets that rest in memory may be written to swap.
#[cfg(target_os = "linux")]
pub(crate) fn memory(daemon: &DaemonStatus) -> Option<Finding> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid)).ok()?;
    locked_memory(&status)
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn memory(_daemon: &DaemonStatus) -> Option<Finding> {
    None
}

/// The finding for what the system tells of a process (`proc_pid_status(5)`).
#[cfg(any(target_os = "linux", test))]
fn locked_memory(status: &str) -> Option<Finding> {
    let check = "memory";
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmLck:"))?;
    if line.split_whitespace().next() == Some("0") {
        let message = "the key of what rests in memory may be swapped out: locking is not allowed";
        return Some(Finding::note(check, message).fix("ulimit -Hl"));
    }
    Some(Finding::ok(
        check,
        "the key of what rests there stays out of swap",
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_key_that_may_be_swapped_out_is_told() {
        let verdict = |status| locked_memory(status).map(|finding| finding.verdict);
        let locked = "Name:\tac-credd\nVmLck:\t       8 kB\nVmPin:\t       0 kB\n";
        assert_eq!(verdict(locked), Some(Verdict::Ok));
        let swapped = "VmSize:\t 100 kB\nVmLck:\t       0 kB\n";
        assert_eq!(verdict(swapped), Some(Verdict::Note));
        assert_eq!(verdict("Name:\tac-credd\n"), None);
    }
}
