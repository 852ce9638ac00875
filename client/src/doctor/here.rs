//! What can be looked at without a daemon: the programs, the settings, the directory, the endpoint.

use std::fs;
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::{SOCKET_VARIABLE, socket_name};
use ac_cred_proto::settings::Settings;
use ac_cred_proto::{Denial, ErrorCode};

use super::Finding;
use crate::cli::Which;
use crate::deadline::Deadline;
use crate::failure::{edit, quoted};
use crate::link::Link;
use crate::organization::{self, By};
use crate::{endpoint, launch, settings_file};

/// The programs, which belong together.
pub(crate) fn program() -> Finding {
    let version = env!("CARGO_PKG_VERSION");
    match launch::program() {
        Ok(daemon) => Finding::ok(
            "program",
            format!("ac-cred {version}, which starts {}", daemon.display()),
        ),
        Err(denial) => {
            let fix = "cargo install --locked --path daemon";
            Finding::fail("program", &denial).or_fix(fix)
        }
    }
}

/// The settings file, and what it knows.
pub(crate) fn settings() -> (Finding, Option<Settings>) {
    match settings_file::read() {
        Err(denial) => {
            let mut finding = Finding::fail("settings", &denial);
            if let Some(path) = settings_file::path() {
                finding = finding.or_fix(edit(&path));
            }
            (finding, None)
        }
        Ok(settings) if settings.organizations.is_empty() => {
            let note = Finding::note("settings", "no organization is known here");
            (note.fix("ac-cred login ORG"), Some(settings))
        }
        Ok(settings) => {
            let count = settings.organizations.len();
            let known = if count == 1 {
                "one organization is known".to_owned()
            } else {
                format!("{count} organizations are known")
            };
            (Finding::ok("settings", known), Some(settings))
        }
    }
}

/// The organization that is meant here.
pub(crate) fn organization(settings: &Settings) -> Option<Finding> {
    let check = "organization";
    let choice = match organization::choice(Which::default()) {
        Ok(choice) => choice,
        Err(denial) => {
            let fix = format!("unset {}", organization::VARIABLE);
            return Some(Finding::fail(check, &denial).or_fix(fix));
        }
    };
    let Some(choice) = choice else {
        return match settings.choose(None) {
            Ok((org, _)) => Some(Finding::ok(check, format!("{org} is meant by default"))),
            Err(_) if settings.organizations.is_empty() => None,
            Err(denial) => {
                let note = Finding::note(check, denial.message.clone());
                Some(note.fix(denial.hint.unwrap_or_default()))
            }
        };
    };
    let why = match choice.by {
        By::File(path) => format!("by {}", path.display()),
        By::Words | By::Variable => format!("by {}", organization::VARIABLE),
    };
    Some(match settings.choose(Some(&choice.organization)) {
        Ok((org, _)) => Finding::ok(check, format!("{org} is meant here, {why}")),
        Err(denial) => Finding::fail(check, &denial),
    })
}

/// The places of the endpoint: private, and without leftovers.
pub(crate) fn sockets(deadline: Deadline) -> Vec<Finding> {
    let candidates = match endpoint::searchable() {
        Ok(candidates) if candidates.is_empty() => {
            let message = format!("there is no place for a socket; set {SOCKET_VARIABLE}");
            let denial = Denial::new(ErrorCode::DaemonUnreachable, message);
            let fix = format!("export {SOCKET_VARIABLE}=/PATH/IN/A/PRIVATE/DIRECTORY");
            return vec![Finding::fail("socket", &denial).fix(fix)];
        }
        Ok(candidates) => candidates,
        Err(denial) => {
            let fix = format!("unset {SOCKET_VARIABLE}");
            return vec![Finding::fail("socket", &denial).or_fix(fix)];
        }
    };
    let mut findings = Vec::new();
    let mut listening = Vec::new();
    for path in &candidates {
        match endpoint::is_private(path) {
            Err(denial) => findings.push(Finding::fail("socket", &denial)),
            Ok(false) => {}
            Ok(true) => {
                findings.extend(mode(path));
                findings.extend(leftovers(path));
                match Link::open(path, deadline) {
                    Ok(Some(_)) => listening.push(path),
                    Ok(None) if fs::symlink_metadata(path).is_ok() => findings.push(stale(path)),
                    Ok(None) => {}
                    Err(denial) => findings.push(Finding::fail("socket", &denial)),
                }
            }
        }
    }
    if let [_, _, ..] = listening[..] {
        let note = Finding::note("socket", "two daemons are running, and the first is asked");
        findings.push(note.fix("ac-cred daemon stop"));
    }
    if findings.is_empty() {
        let places: Vec<String> = candidates
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        findings.push(Finding::ok("socket", places.join(", then ")));
    }
    findings
}

/// A socket that others may connect to.
#[cfg(unix)]
fn mode(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = fs::symlink_metadata(path).ok()?.permissions().mode();
    (mode & 0o077 != 0).then(|| {
        let message = format!("{} is open to others", path.display());
        let denial = Denial::new(ErrorCode::UnsafeFiles, message);
        Finding::fail(
            "socket",
            &denial.hint(format!("chmod 600 {}", quoted(path))),
        )
    })
}

#[cfg(windows)]
fn mode(_path: &Path) -> Option<Finding> {
    None
}

/// Where nobody listens although there is a socket.
fn stale(path: &Path) -> Finding {
    let message = format!(
        "nobody listens at {}; the next daemon takes its place",
        path.display()
    );
    Finding::note("socket", message).fix(format!("rm {}", quoted(path)))
}

/// Sockets of other versions beside this one's.
fn leftovers(path: &Path) -> Vec<Finding> {
    let Some(entries) = path.parent().and_then(|parent| fs::read_dir(parent).ok()) else {
        return Vec::new();
    };
    let is_other = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with('v') && name.ends_with(".sock") && *name != *socket_name()
    };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|other| other != path && is_other(other))
        .map(|other| {
            let message = format!("{} is of another version", other.display());
            Finding::note("socket", message).fix(format!("rm {}", quoted(&other)))
        })
        .collect()
}
