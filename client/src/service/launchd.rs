//! An agent of the user's launchd, which opens the socket and starts the daemon for the first caller.

use std::path::{Path, PathBuf};
use std::process::Command;

use ac_cred_proto::endpoint::LAUNCHD_SOCKET;

use super::{Keeping, MARK, ServiceFile, Setting, is_done};
use crate::endpoint;

/// What people call it.
pub(crate) const NAME: &str = "launchd";

const LABEL: &str = "ac-cred";

/// The agent of this user; none where there is no home.
pub(crate) fn files(program: &Path, setting: Setting<'_>) -> Option<[ServiceFile; 1]> {
    Some([ServiceFile {
        path: path()?,
        text: agent(program, setting),
    }])
}

fn path() -> Option<PathBuf> {
    Some(endpoint::home()?.join("Library/LaunchAgents/ac-cred.plist"))
}

fn agent(program: &Path, setting: Setting<'_>) -> String {
    let program = escaped(program);
    let entry = |name: &str, path: &Path| {
        let path = escaped(path);
        format!("\t\t<key>{name}</key>\n\t\t<string>{path}</string>\n")
    };
    let variables = setting
        .passphrase_file
        .map_or_else(String::new, |path| entry("AC_CRED_PASSPHRASE_FILE", path));
    // Of mode 0600, which is 384 there.
    let socket = setting.socket.map_or_else(String::new, |path| {
        entry("SockPathName", path) + "\t\t<key>SockPathMode</key>\n\t\t<integer>384</integer>\n"
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!-- {MARK} -->\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         \t<key>Label</key>\n\t<string>{LABEL}</string>\n\
         \t<key>ProgramArguments</key>\n\t<array>\n\t\t<string>{program}</string>\n\t</array>\n\
         \t<key>EnvironmentVariables</key>\n\t<dict>\n{variables}\t</dict>\n\
         \t<key>Sockets</key>\n\t<dict>\n\t<key>{LAUNCHD_SOCKET}</key>\n\t<dict>\n{socket}\t</dict>\n\t</dict>\n\
         \t<key>KeepAlive</key>\n\t<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>\n\
         \t<key>Umask</key>\n\t<integer>63</integer>\n\
         </dict>\n</plist>\n"
    )
}

/// A path as text of XML.
fn escaped(path: &Path) -> String {
    path.display()
        .to_string()
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Tells launchd of the agent, where it may run at once; what to type if it cannot be told.
pub(crate) fn know(at_once: bool) -> Result<(), String> {
    let shown = path().unwrap_or_default();
    if !at_once || told(&["bootstrap", &domain(), &shown.to_string_lossy()]) {
        return Ok(());
    }
    Err(opening())
}

/// What to type to have launchd open the socket now.
pub(crate) fn opening() -> String {
    let shown = path().unwrap_or_default();
    format!("launchctl bootstrap {} {}", domain(), shown.display())
}

/// launchd says nothing that is made to be read by a program.
pub(crate) fn keeping() -> Option<Keeping> {
    None
}

/// Has launchd let go of the agent, before it is removed; what to type if it cannot be told.
pub(crate) fn forget() -> Result<(), String> {
    let service = format!("{}/{LABEL}", domain());
    if told(&["bootout", &service]) {
        return Ok(());
    }
    Err(format!("launchctl bootout {service}"))
}

fn domain() -> String {
    format!("gui/{}", endpoint::uid())
}

/// Nothing is left to tell: launchd reads an agent's file only when it is told to.
pub(crate) fn forgotten() -> Result<(), String> {
    Ok(())
}

fn told(words: &[&str]) -> bool {
    is_done(Command::new("launchctl").args(words))
}

/// The program that shows what the daemon of the agent has said.
pub(crate) fn read_log(_lines: u32) -> Command {
    let mut command = Command::new("log");
    command.args([
        "show",
        "--last",
        "1d",
        "--predicate",
        "process == \"ac-credd\"",
    ]);
    command
}
