//! The way to the servers, step by step: proxies, names, certificates, the servers themselves and their
//! clocks; and the keyring, which is no server but asked like one.

use std::collections::BTreeSet;

use ac_cred_proto::message::{Checked, Server, Step};
use ac_cred_proto::settings::{OrgSettings, Settings, Store};
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode};

use super::Finding;
use crate::words::{ends, span};

/// How far a server's clock may be from this machine's without a word, in seconds.
const UNNOTICED: u32 = 60;

/// How far it may be before tokens suffer, in seconds.
const ENDURED: u32 = 600;

/// How long before its end a certificate is worth a word, in seconds.
const SOON: u64 = 14 * 24 * 3_600;

/// Everything on the way to the servers that were looked at.
pub(crate) fn findings(seen: &[Checked], settings: &Settings, now: Timestamp) -> Vec<Finding> {
    let (keyring, servers): (Vec<_>, Vec<_>) =
        seen.iter().partition(|seen| seen.server == Server::Keyring);
    let mut findings: Vec<_> = keyring
        .into_iter()
        .map(|seen| self::keyring(seen, settings))
        .collect();
    if servers.is_empty() {
        return findings;
    }
    findings.extend(proxies(&servers, settings));
    findings.extend(names(&servers, settings));
    let mut told = BTreeSet::new();
    let certificates = servers.iter().filter(|seen| {
        let trust = settings_of(seen, settings).and_then(|known| known.ca_file.as_deref());
        told.insert((&seen.host, trust))
    });
    findings.extend(certificates.filter_map(|seen| certificate(seen, settings, now)));
    findings.extend(servers.iter().map(|seen| server(seen)));
    let offsets = servers.iter().filter_map(|seen| seen.ahead);
    findings.extend(offsets.max_by_key(|ahead| ahead.unsigned_abs()).map(clock));
    findings
}

/// The keyring, whose silence matters to those who use it.
fn keyring(seen: &Checked, settings: &Settings) -> Finding {
    let check = "keyring";
    let mut known = settings.organizations.values();
    let is_used = known.any(|known| known.store == Store::Keyring);
    match &seen.problem {
        None => Finding::ok(check, "it takes credentials"),
        Some(problem) if is_used => Finding::fail(check, problem)
            .or_fix(format!("ac-cred login {} --store file", seen.organization)),
        Some(problem) => Finding::ok(check, format!("none is used; {}", problem.message)),
    }
}

fn settings_of<'a>(seen: &Checked, settings: &'a Settings) -> Option<&'a OrgSettings> {
    settings.organizations.get(&seen.organization)
}

/// The failures on one step, each told once for a host.
fn failed_on<'a>(
    step: Step,
    servers: &'a [&Checked],
) -> impl Iterator<Item = (&'a Checked, &'a Denial)> {
    let mut hosts = BTreeSet::new();
    servers.iter().filter_map(move |seen| {
        let problem = seen.problem.as_ref().filter(|_| seen.step == Some(step))?;
        hosts.insert(&seen.host).then_some((*seen, problem))
    })
}

fn proxies(servers: &[&Checked], settings: &Settings) -> Vec<Finding> {
    let check = "proxy";
    let failed = failed_on(Step::Proxy, servers);
    let mut findings: Vec<_> = failed
        .map(|(_, problem)| Finding::fail(check, problem))
        .collect();
    if !findings.is_empty() {
        return findings;
    }
    for (org, known) in &settings.organizations {
        if let Some(proxy) = &known.proxy {
            // Who may use a proxy is nobody's business.
            let (_, place) = proxy.rsplit_once('@').unwrap_or(("", proxy));
            findings.push(Finding::ok(
                check,
                format!("{org} is reached through {place}"),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, "none is set"));
    }
    findings
}

fn names(servers: &[&Checked], settings: &Settings) -> Vec<Finding> {
    let check = "dns";
    let findings: Vec<_> = failed_on(Step::Dns, servers)
        .map(|(seen, problem)| {
            let fix = format!("getent hosts {}", without_port(&seen.host));
            Finding::fail(check, problem).fix(fix)
        })
        .collect();
    if !findings.is_empty() {
        return findings;
    }
    let by_proxy =
        |seen: &&&Checked| settings_of(seen, settings).is_some_and(|known| known.proxy.is_some());
    let message = if servers.iter().all(|seen| by_proxy(&seen)) {
        "left to the proxy"
    } else if servers.iter().any(|seen| seen.problem.is_none()) {
        "the names of servers are found"
    } else {
        return Vec::new();
    };
    vec![Finding::ok(check, message)]
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

/// Who vouches for a server, and until when.
fn certificate(seen: &Checked, settings: &Settings, now: Timestamp) -> Option<Finding> {
    let check = "certificate";
    let host = &seen.host;
    let known = settings_of(seen, settings);
    let trusted = match known.and_then(|known| known.ca_file.as_deref()) {
        Some(file) => format!("trusted by {file}"),
        None => "trusted by the system".to_owned(),
    };
    if let Some(problem) = &seen.problem {
        let not = format!("{} (not {trusted})", problem.message);
        let denial = Denial {
            message: not,
            ..problem.clone()
        };
        return (seen.step == Some(Step::Tls)).then(|| Finding::fail(check, &denial));
    }
    let end = seen.certificate_ends?;
    let signer = seen.signer.as_deref().unwrap_or("a nameless signer");
    let until = ends(end, now);
    let message = format!("{host}, signed by {signer}, {until}, {trusted}");
    let left = end.as_unix().saturating_sub(now.as_unix());
    Some(if left < SOON {
        Finding::note(check, message).fix(format!("curl -vI 'https://{host}'"))
    } else {
        Finding::ok(check, message)
    })
}

fn server(seen: &Checked) -> Finding {
    let check = match seen.server {
        Server::Auth => "auth server",
        Server::Api => "api server",
        Server::Mcp => "mcp server",
        Server::Keyring => "keyring",
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
    use ac_cred_proto::Org;

    use super::*;
    use crate::doctor::Verdict;

    fn seen(server: Server, host: &str) -> Checked {
        Checked {
            server,
            organization: Org::parse("acme").unwrap(),
            others: 0,
            host: host.to_owned(),
            ahead: None,
            problem: None,
            step: None,
            signer: None,
            certificate_ends: None,
        }
    }

    fn lost(step: Option<Step>) -> Checked {
        let why = "auth.example.com:8443 could not be reached (why)";
        let denial = Denial::new(ErrorCode::AuthApiUnreachable, why);
        Checked {
            problem: Some(denial.hint("the command of the server")),
            step,
            ..seen(Server::Auth, "auth.example.com:8443")
        }
    }

    fn settings(store: Store, more: &str) -> Settings {
        let text = format!("[organizations.acme]\nstore = '{store}'\n{more}\n");
        Settings::parse(&text).unwrap()
    }

    fn told(
        seen: &[Checked],
        settings: &Settings,
        check: &str,
    ) -> Vec<(Verdict, String, Option<String>)> {
        let found = findings(seen, settings, Timestamp::from_unix(1_000_000));
        let found = found.into_iter().filter(|found| found.check == check);
        found
            .map(|found| (found.verdict, found.message, found.fix))
            .collect()
    }

    #[test]
    fn a_name_that_is_not_found_is_told_once_with_the_command_that_looks_it_up() {
        let plain = settings(Store::Memory, "");
        let both = [
            lost(Some(Step::Dns)),
            Checked {
                server: Server::Api,
                ..lost(Some(Step::Dns))
            },
        ];
        let found = told(&both, &plain, "dns");
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].0, found[0].2.as_deref()),
            (Verdict::Fail, Some("getent hosts auth.example.com"))
        );
        let well = [seen(Server::Auth, "auth.example.com")];
        assert_eq!(told(&well, &plain, "dns")[0].0, Verdict::Ok);
        let proxied = settings(
            Store::Memory,
            "proxy = 'http://me:pw@proxy.example.com:3128'",
        );
        assert_eq!(told(&well, &proxied, "dns")[0].1, "left to the proxy");
    }

    #[test]
    fn a_proxy_is_told_without_who_may_use_it_or_with_what_mends_it() {
        let proxied = settings(Store::Memory, "proxy = 'http://proxy.example.com:3128'");
        let found = told(&[seen(Server::Auth, "a")], &proxied, "proxy");
        assert_eq!(
            found[0].1,
            "acme is reached through http://proxy.example.com:3128"
        );
        let found = told(&[lost(Some(Step::Proxy))], &proxied, "proxy");
        assert_eq!(
            (found[0].0, found[0].2.as_deref()),
            (Verdict::Fail, Some("the command of the server"))
        );
        let found = told(
            &[seen(Server::Auth, "a")],
            &settings(Store::Memory, ""),
            "proxy",
        );
        assert_eq!(found[0].1, "none is set");
    }

    #[test]
    fn a_certificate_is_told_with_its_signer_its_end_and_who_trusts_it() {
        let shown = |left: u64| Checked {
            signer: Some("R12".to_owned()),
            certificate_ends: Some(Timestamp::from_unix(1_000_000 + left)),
            ..seen(Server::Auth, "a.example.com")
        };
        let (system, own) = (
            settings(Store::Memory, ""),
            settings(Store::Memory, "ca_file = '/ca.pem'"),
        );
        let long = told(&[shown(90 * 86_400)], &system, "certificate");
        let words =
            "a.example.com, signed by R12, expires on 1970-04-12, in 90 d, trusted by the system";
        assert_eq!(long, [(Verdict::Ok, words.to_owned(), None)]);
        let soon = told(&[shown(86_400)], &own, "certificate");
        assert_eq!(
            (soon[0].0, soon[0].1.ends_with("trusted by /ca.pem")),
            (Verdict::Note, true)
        );
        let not = told(&[lost(Some(Step::Tls))], &own, "certificate");
        assert_eq!(
            (not[0].0, not[0].2.as_deref()),
            (Verdict::Fail, Some("the command of the server"))
        );
        assert_eq!(told(&[lost(None)], &own, "certificate"), []);
    }

    #[test]
    fn a_keyring_that_is_silent_matters_where_it_is_used() {
        let silent = Checked {
            server: Server::Keyring,
            ..lost(None)
        };
        let used = told(
            std::slice::from_ref(&silent),
            &settings(Store::Keyring, ""),
            "keyring",
        );
        assert_eq!(used[0].0, Verdict::Fail);
        let unused = told(&[silent], &settings(Store::File, ""), "keyring");
        assert_eq!(unused[0].0, Verdict::Ok);
        let well = told(
            &[seen(Server::Keyring, "")],
            &settings(Store::File, ""),
            "keyring",
        );
        assert_eq!(well[0].0, Verdict::Ok);
    }

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
