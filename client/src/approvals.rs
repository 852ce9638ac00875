//! The project files that this user trusts: each with the organization that it named when it was
//! approved, so that one that names another needs to be approved again.
//!
//! A project file means nothing but a name, so the name and the path are all that is compared.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ac_cred_proto::{Denial, ErrorCode, Org};
use serde::{Deserialize, Serialize};

use crate::deadline::within;
#[cfg(unix)]
use crate::endpoint;
use crate::project_file::ProjectFile;
use crate::{private_file, settings_file};

/// The most approvals that are kept; the oldest is dropped for a new one.
const MOST: usize = 1_000;

/// The most bytes that are read: [`MOST`] paths of the length that Linux allows.
const MAX_LENGTH: u64 = 5 * 1_024 * 1_024;

/// How long another call may take to write its approval.
const PATIENCE: Duration = Duration::from_secs(8);

/// One approval, as its line holds it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Approval {
    organization: Org,
    file: PathBuf,
}

/// Whether the user has approved what a file names.
pub(crate) fn is_approved(file: &ProjectFile) -> Result<bool, Denial> {
    let Some(path) = path() else {
        return Ok(false);
    };
    let approvals = read(&path)?;
    let approved = approvals.iter().find(|known| known.file == file.path);
    Ok(approved.is_some_and(|known| known.organization == file.organization))
}

/// Remembers that the user approves what a file names, in place of what it named before.
pub(crate) fn approve(file: &ProjectFile) -> Result<(), Denial> {
    let path =
        path().ok_or_else(|| unwritable("there is no home directory to keep approvals in"))?;
    let refused = |error: io::Error| unwritable(&told(&path, &error));
    let directory = path.parent().unwrap_or(&path);
    make_private(directory).map_err(refused)?;
    let _lock = lock(&path.with_extension("lock"))?;
    let mut approvals = read(&path)?;
    approvals.retain(|known| known.file != file.path);
    approvals.push(Approval {
        organization: file.organization.clone(),
        file: file.path.clone(),
    });
    let surplus = approvals.len().saturating_sub(MOST);
    let mut text = String::new();
    for approval in approvals.iter().skip(surplus) {
        let line = serde_json::to_string(approval);
        text += &line.map_err(|_| unwritable("the path of this directory is not UTF-8"))?;
        text.push('\n');
    }
    private_file::replace(&path, &text, 0o600).map_err(refused)
}

/// Where approvals are kept; nowhere without a home.
fn path() -> Option<PathBuf> {
    let home = settings_file::home()?;
    Some(home.join(".local/state/ac-cred/approved"))
}

/// The approvals, the oldest first; a line that is none counts for nothing.
fn read(path: &Path) -> Result<Vec<Approval>, Denial> {
    let file = match private_file::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(path, &error)),
    };
    verify(path, &file)?;
    let text = private_file::text(file, MAX_LENGTH).map_err(|error| unreadable(path, &error))?;
    let approvals = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(approvals.collect())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Refuses a file that somebody else may have changed.
#[cfg(unix)]
fn verify(path: &Path, file: &File) -> Result<(), Denial> {
    use std::os::unix::fs::MetadataExt as _;

    let shown = path.display();
    let found = file.metadata().map_err(|error| unreadable(path, &error))?;
    let unsafe_file = |why: &str| Denial::new(ErrorCode::UnsafeFiles, format!("{shown} {why}"));
    if !found.is_file() {
        return Err(unsafe_file("is not a regular file").hint(format!("ls -l '{shown}'")));
    }
    if found.uid() != endpoint::uid() {
        return Err(unsafe_file("belongs to somebody else").hint(format!("ls -l '{shown}'")));
    }
    if found.mode() & 0o077 != 0 {
        return Err(unsafe_file("is open to others").hint(format!("chmod 600 '{shown}'")));
    }
    Ok(())
}

#[cfg(windows)]
fn verify(path: &Path, file: &File) -> Result<(), Denial> {
    let found = file.metadata().map_err(|error| unreadable(path, &error))?;
    let unsafe_file = |why: &str| {
        let shown = path.display();
        Denial::new(ErrorCode::UnsafeFiles, format!("{shown} {why}"))
    };
    found
        .is_file()
        .then_some(())
        .ok_or_else(|| unsafe_file("is not a regular file"))
}

/// Makes a directory that only this user can enter, where there is none.
fn make_private(directory: &Path) -> io::Result<()> {
    if fs::symlink_metadata(directory).is_ok() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// Waits until no other call changes the approvals; the lock ends with the file.
fn lock(path: &Path) -> Result<File, Denial> {
    let refused = |error: io::Error| unwritable(&told(path, &error));
    let mut options = private_file::options(0o600);
    let file = options.create(true).truncate(false).open(path);
    let file = file.map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(refused(error)),
        Err(TryLockError::WouldBlock) => within(PATIENCE, move || file.lock().map(|()| file))
            .ok_or_else(|| unwritable("another call is writing approvals, and it takes too long"))?
            .map_err(refused),
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    format!("{}: {}", path.display(), private_file::reason(error))
}

fn unreadable(path: &Path, error: &io::Error) -> Denial {
    Denial::new(ErrorCode::StoreUnreadable, told(path, error))
}

fn unwritable(message: &str) -> Denial {
    Denial::new(ErrorCode::StoreUnreadable, message)
}
