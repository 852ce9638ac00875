//! What the daemon tells: itself, the credentials, the servers, and their clocks.

use ac_cred_proto::message::{Checked, DaemonStatus, OrganizationStatus, Server};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode};

use super::Finding;
use crate::words::span;

/// How far a server's clock may be from this machine's without a word, in seconds.
const UNNOTICED: u32 = 60;

/// How far it may be before tokens suffer, in seconds.
const ENDURED: u32 = 600;

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
            Finding::note("store", message + ", until the daemon ends")
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

/// The servers, and the clock of this machine as they see it.
pub(crate) fn servers(seen: &[Checked]) -> Vec<Finding> {
    let mut findings: Vec<_> = seen.iter().map(server).collect();
    let offsets = seen.iter().filter_map(|seen| seen.ahead);
    findings.extend(offsets.max_by_key(|ahead| ahead.unsigned_abs()).map(clock));
    findings
}

fn server(seen: &Checked) -> Finding {
    let check = match seen.server {
        Server::Auth => "auth server",
        Server::Api => "api server",
        Server::Mcp => "mcp server",
    };
    let who = match seen.others {
        0 => seen.organization.to_string(),
        1 => format!("{} and one other", seen.organization),
        others => format!("{} and {others} others", seen.organization),
    };
    match &seen.problem {
        None => Finding::ok(check, format!("{} answers, for {who}", seen.host)),
        Some(problem) => {
            let mut denial = problem.clone();
            denial.message = format!("{}, for {who}", denial.message);
            Finding::fail(check, &denial)
        }
    }
}

fn clock(ahead: i32) -> Finding {
    let (offset, fix) = (ahead.unsigned_abs(), "timedatectl set-ntp true");
    let direction = if ahead > 0 { "behind" } else { "ahead of" };
    if offset <= UNNOTICED {
        return Finding::ok("clock", "as the servers' clocks");
    }
    let message = format!("{} {direction} the servers' clocks", span(offset.into()));
    if offset <= ENDURED {
        return Finding::note("clock", message).fix(fix);
    }
    let denial = Denial::new(ErrorCode::AuthApiBadAnswer, message);
    Finding::fail("clock", &denial.hint(fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_clock_that_is_wrong_is_told_by_how_much() {
        for (ahead, verdict, message) in [
            (-2, Verdict::Ok, "as the servers' clocks"),
            (61, Verdict::Note, "1 min behind the servers' clocks"),
            (-300, Verdict::Note, "5 min ahead of the servers' clocks"),
            (7_200, Verdict::Fail, "2 h behind the servers' clocks"),
        ] {
            let finding = clock(ahead);
            assert_eq!(
                (finding.verdict, finding.message.as_str()),
                (verdict, message)
            );
        }
    }
}
