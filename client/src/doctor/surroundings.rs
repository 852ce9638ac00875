//! What is around the programs: the environment, the passphrase, the session, the official CLI.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::SOCKET_VARIABLE;
use ac_cred_proto::settings::{Settings, Store};
use ac_cred_proto::{Denial, ErrorCode};

use super::Finding;
use crate::failure::quoted;
use crate::launch::PASSPHRASE_FILE_VARIABLE;
use crate::organization::VARIABLE;
use crate::{appcircle_cli, endpoint};

/// Variables by which other programs find a proxy or trust a certificate authority.
const UNHEEDED: [(&str, &str); 4] = [
    ("HTTPS_PROXY", "--proxy URL"),
    ("https_proxy", "--proxy URL"),
    ("SSL_CERT_FILE", "--ca-file FILE"),
    ("NODE_EXTRA_CA_CERTS", "--ca-file FILE"),
];

/// What the environment says that does not reach everybody.
pub(crate) fn environment(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set(SOCKET_VARIABLE) {
        let message = format!(
            "{SOCKET_VARIABLE} is set; MCP clients strip it, so name it in their configuration"
        );
        let fix = format!("unset {SOCKET_VARIABLE}");
        findings.push(Finding::note("environment", message).fix(fix));
    }
    if is_set(VARIABLE) {
        let message =
            format!("{VARIABLE} is set; MCP clients strip it, so name the organization there");
        findings.push(Finding::note("environment", message).fix("ac-cred use --here ORG"));
    }
    let is_told = settings
        .organizations
        .values()
        .all(|known| known.proxy.is_some() || known.ca_file.is_some());
    for (name, option) in UNHEEDED {
        if is_set(name) && !is_told && !settings.organizations.is_empty() {
            let message = format!("{name} is set, and the daemon does not heed it");
            let fix = format!("ac-cred login ORG --from ORG {option}");
            findings.push(Finding::note("environment", message).fix(fix));
        }
    }
    if findings.is_empty() {
        let message = "nothing that MCP clients strip is needed";
        findings.push(Finding::ok("environment", message));
    }
    findings
}

/// What opens the encrypted file.
pub(crate) fn passphrase(settings: &Settings) -> Option<Finding> {
    let mut stores = settings.organizations.values().map(|known| known.store);
    if !stores.any(|store| store == Store::File) {
        return None;
    }
    let check = "passphrase";
    let Some(file) = env::var_os(PASSPHRASE_FILE_VARIABLE).map(PathBuf::from) else {
        let message = "asked for once in a daemon's life, by ac-cred unlock";
        return Some(Finding::ok(check, message));
    };
    let shown = file.display();
    let denied = |error, why: String| Some(Finding::fail(check, &Denial::new(error, why)));
    if fs::metadata(&file).is_err() {
        let why = format!("{PASSPHRASE_FILE_VARIABLE} names {shown}, which cannot be read");
        let fix = format!("unset {PASSPHRASE_FILE_VARIABLE}");
        return denied(ErrorCode::StoreUnreadable, why).map(|finding| finding.fix(fix));
    }
    if is_open_to_others(&file) {
        let why = format!("{shown}, the passphrase file, is open to others");
        let fix = format!("chmod 600 {}", quoted(&file));
        return denied(ErrorCode::UnsafeFiles, why).map(|finding| finding.fix(fix));
    }
    Some(Finding::ok(check, format!("read from {shown}")))
}

/// Whether the daemon outlives the session.
pub(crate) fn linger() -> Option<Finding> {
    lingers(Path::new("/"), &endpoint::user_name()?)
}

/// The same for a user of the system whose files are below `root`.
fn lingers(root: &Path, user: &str) -> Option<Finding> {
    if !root.join("run/systemd/system").is_dir() {
        return None;
    }
    let check = "linger";
    if root.join("var/lib/systemd/linger").join(user).exists() {
        return Some(Finding::ok(check, "the daemon outlives the session"));
    }
    let message = "the daemon may end when you log out; what rests in memory is lost then";
    Some(Finding::note(check, message).fix("loginctl enable-linger"))
}

/// The file in which the official CLI keeps its token.
pub(crate) fn official_cli() -> Option<Finding> {
    let path = appcircle_cli::path().filter(|path| path.is_file())?;
    let check = "appcircle cli";
    if !is_open_to_others(&path) {
        return Some(Finding::ok(check, "its file is private"));
    }
    let message = format!(
        "{}, where the official CLI keeps its token, is open to others",
        path.display()
    );
    let denial = Denial::new(ErrorCode::UnsafeFiles, message);
    let fix = format!("chmod 600 {}", quoted(&path));
    Some(Finding::fail(check, &denial.hint(fix)))
}

/// Whether somebody else may read or change a file.
#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(windows)]
fn is_open_to_others(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_session_that_takes_the_daemon_along_is_told_where_systemd_manages_it() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(lingers(root.path(), "me"), None);
        fs::create_dir_all(root.path().join("run/systemd/system")).unwrap();
        let found = lingers(root.path(), "me").unwrap();
        let fix = Some("loginctl enable-linger".to_owned());
        assert_eq!((found.verdict, found.fix), (Verdict::Note, fix));
        fs::create_dir_all(root.path().join("var/lib/systemd/linger/me")).unwrap();
        let found = lingers(root.path(), "me").unwrap();
        assert_eq!(found.verdict, Verdict::Ok);
    }
}
