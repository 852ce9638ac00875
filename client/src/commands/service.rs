//! `daemon install` and `daemon uninstall`: the daemon as a service of the user.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::SOCKET_VARIABLE;
use ac_cred_proto::{Denial, ErrorCode};

use crate::cli::USUAL_WAIT;
use crate::deadline::{Deadline, within};
use crate::doctor::Finding;
use crate::failure::{Failure, usage};
use crate::launch::{self, PASSPHRASE_FILE_VARIABLE};
use crate::link::Link;
use crate::output::note;
use crate::private_file;
use crate::service::{self, Keeping, MARK, NAME, ServiceFile, Setting};

/// The longest file of a service manager that is looked at.
const MAX_LENGTH: u64 = 65_536;

/// Writes the files, and has the service manager know them.
pub(super) fn install() -> Result<(), Failure> {
    let socket = service::socket(said(SOCKET_VARIABLE)?)?;
    let passphrase_file = said(PASSPHRASE_FILE_VARIABLE)?;
    let setting = Setting {
        socket: socket.as_deref(),
        passphrase_file: passphrase_file.as_deref(),
    };
    let files = service::files(&launch::program()?, setting).ok_or_else(no_service)?;
    // Nothing is written unless everything can be.
    for file in &files {
        is_ours(&file.path)?;
    }
    for file in &files {
        write(file)?;
        note(&format!("wrote {}", file.path.display()));
    }
    let runs = Link::find(Deadline::after(USUAL_WAIT))?.is_some();
    match service::know(!runs) {
        Err(words) => no_answer(&words),
        Ok(()) if runs => note(&format!(
            "{NAME} knows the daemon; it takes over from the one that runs after: {}",
            take_over()
        )),
        Ok(()) => note(&format!("{NAME} keeps the daemon from now on")),
    }
    Ok(())
}

/// Has the service manager let go of the daemon, and removes what `install` has written.
pub(super) fn uninstall() -> Result<(), Failure> {
    let installed = installed();
    if installed.is_empty() {
        note("no service is installed");
        return Ok(());
    }
    let asked = service::forget();
    for path in installed {
        fs::remove_file(&path).map_err(|error| refused(&path, "cannot be removed", &error))?;
        note(&format!("removed {}", path.display()));
    }
    if let Err(words) = asked.and_then(|()| service::forgotten()) {
        no_answer(&words);
    }
    Ok(())
}

/// What has the service manager take over from a daemon that runs: a socket that is in use is left
/// alone by `install`, and nobody opens another one when that daemon ends.
fn take_over() -> String {
    format!("ac-cred daemon stop && {}", service::opening())
}

/// What the service manager makes of the service, where one is installed.
pub(super) fn finding() -> Option<Finding> {
    if installed().is_empty() {
        return None;
    }
    let check = "service";
    // One that hangs is as good as none.
    Some(match within(USUAL_WAIT, service::keeping)?? {
        Keeping::Listens => Finding::ok(check, format!("{NAME} keeps the daemon")),
        Keeping::Later => {
            let message = format!("{NAME} does not keep the daemon before your next session");
            Finding::note(check, message).fix(take_over())
        }
        Keeping::Failed(fix) => {
            let message = format!("{NAME} has failed to start the daemon, and has given up");
            let denial = Denial::new(ErrorCode::DaemonUnreachable, message);
            Finding::fail(check, &denial.hint(fix))
        }
    })
}

/// Says what a person can type where the service manager can be told.
fn no_answer(words: &str) {
    note(&format!(
        "{NAME} does not answer here; in your session type: {words}"
    ));
}

/// The files of the service that are there and ours.
pub(super) fn installed() -> Vec<PathBuf> {
    let files = service::files(Path::new(launch::PROGRAM), Setting::default());
    let paths = files.into_iter().flatten().map(|file| file.path);
    paths.filter(|path| is_ours(path) == Ok(true)).collect()
}

/// Whether a file is there; it is one that we have written then.
fn is_ours(path: &Path) -> Result<bool, Denial> {
    let text = private_file::open(path).and_then(|file| private_file::text(file, MAX_LENGTH));
    match text {
        Ok(text) if text.contains(MARK) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Ok(_) => Err(foreign(path)),
        Err(error) => Err(refused(path, "cannot be read", &error)),
    }
}

fn write(file: &ServiceFile) -> Result<(), Denial> {
    let cannot = |error| refused(&file.path, "cannot be written", &error);
    if let Some(directory) = file.path.parent() {
        fs::create_dir_all(directory).map_err(cannot)?;
    }
    private_file::replace(&file.path, &file.text, 0o644).map_err(cannot)
}

/// The path that a variable holds, which the service manager would not know.
fn said(name: &str) -> Result<Option<PathBuf>, Denial> {
    let Some(path) = env::var_os(name).map(PathBuf::from) else {
        return Ok(None);
    };
    let is_plain = path
        .to_str()
        .is_some_and(|text| !text.contains(char::is_control));
    if path.is_absolute() && is_plain {
        Ok(Some(path))
    } else {
        Err(usage(format!("{name} is not an absolute path")))
    }
}

fn no_service() -> Denial {
    usage(format!("{NAME} cannot be told of the daemon here")).hint("ac-cred daemon start")
}

fn foreign(path: &Path) -> Denial {
    usage(format!("{} was not written by ac-cred", path.display()))
        .hint(format!("mv '{0}' '{0}.mine'", path.display()))
}

fn refused(path: &Path, what: &str, error: &io::Error) -> Denial {
    let why = private_file::reason(error);
    Denial::new(
        ErrorCode::Internal,
        format!("{} {what}: {why}", path.display()),
    )
}
