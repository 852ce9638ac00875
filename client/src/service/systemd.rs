//! A socket unit and a service unit of the user's systemd.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Keeping, MARK, ServiceFile, Setting, is_done};
use crate::endpoint;

/// What people call it.
pub(crate) const NAME: &str = "systemd";

const SOCKET_UNIT: &str = "ac-cred.socket";
const SERVICE_UNIT: &str = "ac-cred.service";

/// Has systemd read the units anew.
const RELOAD: &str = "daemon-reload";

/// Where a user's daemon listens: `/run/user/UID/ac-cred/v1.sock`, in the unit's own words.
const USUAL_SOCKET: &str = "%t/ac-cred/v1.sock";

/// What holds in every `systemd --user`; namespaces of mounts fail in many.
const HARDENING: &str = "\
UMask=0077
LimitCORE=0
NoNewPrivileges=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
KeyringMode=private
";

/// The units of this user; none where there is no home.
pub(crate) fn files(program: &Path, setting: Setting<'_>) -> Option<[ServiceFile; 2]> {
    let directory = directory()?;
    Some([
        ServiceFile {
            path: directory.join(SOCKET_UNIT),
            text: socket_unit(setting),
        },
        ServiceFile {
            path: directory.join(SERVICE_UNIT),
            text: service_unit(program, setting),
        },
    ])
}

/// `$XDG_CONFIG_HOME/systemd/user`, as systemd.unit(5) has it.
fn directory() -> Option<PathBuf> {
    let said = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = said.filter(|path| path.is_absolute()).or_else(|| {
        let home = env::var_os("HOME").map(PathBuf::from);
        let home = home
            .filter(|home| home.is_absolute())
            .or_else(endpoint::home);
        home.map(|home| home.join(".config"))
    })?;
    Some(configuration.join("systemd/user"))
}

fn socket_unit(setting: Setting<'_>) -> String {
    let socket = setting
        .socket
        .map_or_else(|| USUAL_SOCKET.to_owned(), plain);
    format!(
        "# {MARK}\n\
         [Unit]\n\
         Description=Session tokens for Appcircle\n\
         \n\
         [Socket]\n\
         ListenStream={socket}\n\
         SocketMode=0600\n\
         DirectoryMode=0700\n\
         RemoveOnStop=no\n\
         \n\
         [Install]\n\
         WantedBy=sockets.target\n"
    )
}

fn service_unit(program: &Path, setting: Setting<'_>) -> String {
    let program = quoted(program);
    let passphrase = setting.passphrase_file.map_or_else(String::new, |path| {
        format!("LoadCredential=ac-cred-passphrase:{}\n", plain(path))
    });
    format!(
        "# {MARK}\n\
         [Unit]\n\
         Description=Credentials and session tokens for Appcircle\n\
         Requires={SOCKET_UNIT}\n\
         After={SOCKET_UNIT}\n\
         \n\
         [Service]\n\
         Type=notify\n\
         NotifyAccess=main\n\
         WatchdogSec=30\n\
         ExecStart={program}\n\
         {passphrase}\
         Restart=on-failure\n\
         {HARDENING}"
    )
}

/// A path in a unit, in which nothing is a specifier.
fn plain(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// The path of a program between quotes; a `$` means nothing there.
fn quoted(program: &Path) -> String {
    let inside = plain(program).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{inside}\"")
}

/// Tells systemd of the units, and of the socket to open now where it may; what to type if it
/// cannot be told.
pub(crate) fn know(at_once: bool) -> Result<(), String> {
    let enable: &[&str] = if at_once {
        &["enable", "--now", SOCKET_UNIT]
    } else {
        &["enable", SOCKET_UNIT]
    };
    if told(&[RELOAD]) && told(enable) {
        return Ok(());
    }
    Err(format!(
        "systemctl --user {RELOAD} && systemctl --user {}",
        enable.join(" ")
    ))
}

/// What to type to have systemd open the socket now.
pub(crate) fn opening() -> String {
    format!("systemctl --user start {SOCKET_UNIT}")
}

/// What systemd makes of the units; nothing where it does not answer.
pub(crate) fn keeping() -> Option<Keeping> {
    let mut command = Command::new("systemctl");
    command
        .args(["--user", "is-active", SOCKET_UNIT, SERVICE_UNIT])
        .stdin(Stdio::null());
    let output = command.output().ok()?;
    kept(&String::from_utf8_lossy(&output.stdout))
}

/// The same from the states of the socket and of the service, one in a line.
fn kept(states: &str) -> Option<Keeping> {
    let (socket, service) = states.trim_end().split_once('\n')?;
    Some(if [socket, service].contains(&"failed") {
        Keeping::Failed(format!("systemctl --user status {SERVICE_UNIT}"))
    } else if socket == "active" {
        Keeping::Listens
    } else {
        Keeping::Later
    })
}

/// Has systemd let go of the units, before they are removed; what to type if it cannot be told.
pub(crate) fn forget() -> Result<(), String> {
    let disable = ["disable", "--now", SOCKET_UNIT, SERVICE_UNIT];
    if told(&disable) {
        return Ok(());
    }
    Err(format!(
        "systemctl --user {}; systemctl --user {RELOAD}",
        disable.join(" ")
    ))
}

/// Has systemd drop the units whose files are gone; what to type if it cannot be told.
pub(crate) fn forgotten() -> Result<(), String> {
    if told(&[RELOAD]) {
        return Ok(());
    }
    Err(format!("systemctl --user {RELOAD}"))
}

fn told(words: &[&str]) -> bool {
    is_done(Command::new("systemctl").arg("--user").args(words))
}

/// The program that shows what the daemon of the service has said.
pub(crate) fn read_log(lines: u32) -> Command {
    let mut command = Command::new("journalctl");
    command
        .args(["--user", "--unit", SERVICE_UNIT, "--no-pager", "--lines"])
        .arg(lines.to_string());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_signs_that_mean_something_stays_one_path() {
        let unit = service_unit(
            Path::new("/opt/100% \"$HOME\"\\x/ac-credd"),
            Setting::default(),
        );
        let line = "ExecStart=\"/opt/100%% \\\"$HOME\\\"\\\\x/ac-credd\"\n";
        assert!(unit.contains(line), "{unit}");
    }

    #[test]
    fn the_socket_is_where_the_client_looks_first() {
        assert!(USUAL_SOCKET.ends_with(&ac_cred_proto::endpoint::socket_name()));
        let unit = socket_unit(Setting::default());
        assert!(unit.contains("ListenStream=%t/ac-cred/v1.sock\n"), "{unit}");
        let elsewhere = socket_unit(Setting {
            socket: Some(Path::new("/x/1% $s.sock")),
            passphrase_file: None,
        });
        assert!(
            elsewhere.contains("ListenStream=/x/1%% $s.sock\n"),
            "{elsewhere}"
        );
    }

    #[test]
    fn what_systemd_makes_of_the_units_is_read_from_their_states() {
        assert_eq!(kept("active\nactive\n"), Some(Keeping::Listens));
        assert_eq!(kept("active\ninactive\n"), Some(Keeping::Listens));
        assert_eq!(kept("inactive\ninactive\n"), Some(Keeping::Later));
        let failed = Keeping::Failed("systemctl --user status ac-cred.service".to_owned());
        assert_eq!(kept("failed\nfailed\n"), Some(failed.clone()));
        assert_eq!(kept("active\nfailed\n"), Some(failed));
        assert_eq!(kept(""), None);
    }

    #[test]
    fn a_passphrase_file_is_handed_over_by_systemd() {
        let setting = Setting {
            socket: None,
            passphrase_file: Some(Path::new("/home/me/pass")),
        };
        let unit = service_unit(Path::new("/usr/bin/ac-credd"), setting);
        let line = "\nLoadCredential=ac-cred-passphrase:/home/me/pass\n";
        assert!(unit.contains(line), "{unit}");
    }
}
