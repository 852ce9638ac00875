//! The file by which a directory chooses an organization: found upwards from here, read with
//! distrust, written here.
//!
//! Whoever can put a file into a directory in which this user works can have written it: a
//! repository, or, where everybody may write, anybody. So it names an organization and does nothing
//! else, nothing is followed or waited for, and nothing that it holds is shown.

use std::env;
#[cfg(unix)]
use std::fs;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use ac_cred_proto::project_file::{self, FILE_NAME, MAX_LENGTH};
use ac_cred_proto::{Denial, ErrorCode, Org};

#[cfg(unix)]
use crate::endpoint;
use crate::failure::{edit, quoted};
use crate::private_file;

/// Readable by all who may read the repository, writable by its owner.
const MODE: u32 = 0o644;

/// A file and the organization that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProjectFile {
    /// Its absolute path, through no link.
    pub(crate) path: PathBuf,
    /// The alias or GUID that it names.
    pub(crate) organization: Org,
}

/// The nearest file in this directory or above it.
///
/// It is looked for up to the home and not above it: nothing there is the user's, and a directory
/// that holds all homes may be mounted on demand. Outside the home it is looked for up to the root.
pub(crate) fn nearest() -> Result<Option<ProjectFile>, Denial> {
    // A directory that has been removed has no files, and is in no other.
    let Ok(here) = env::current_dir() else {
        return Ok(None);
    };
    let home = env::var_os("HOME").map(PathBuf::from);
    // Upwards by name: a directory above may be closed to whoever works in one below it.
    let mut way = PathBuf::new();
    for directory in here.ancestors() {
        if let Some(organization) = named_in(&way, directory)? {
            let path = directory.join(FILE_NAME);
            return Ok(Some(ProjectFile { path, organization }));
        }
        if home.as_deref() == Some(directory) {
            break;
        }
        way.push("..");
    }
    Ok(None)
}

/// Writes the file of this directory; one that is there is replaced if it is understood.
pub(crate) fn write_here(organization: &Org) -> Result<ProjectFile, Denial> {
    let here = env::current_dir().map_err(|error| {
        let reason = private_file::reason(&error);
        Denial::new(ErrorCode::Internal, format!("this directory: {reason}"))
    })?;
    let path = here.join(FILE_NAME);
    named_in(Path::new(""), &here)?;
    let text = project_file::text(organization);
    private_file::replace(&path, &text, MODE).map_err(|error| refused(&path, &error))?;
    Ok(ProjectFile {
        path,
        organization: organization.clone(),
    })
}

/// What the file in a directory names, where there is one; `way` leads to the directory from here.
fn named_in(way: &Path, directory: &Path) -> Result<Option<Org>, Denial> {
    let (file, path) = (way.join(FILE_NAME), directory.join(FILE_NAME));
    let opened = match private_file::open(&file) {
        Ok(opened) => opened,
        Err(error) if is_absent(&file, &error) => return Ok(None),
        Err(error) => {
            let found = file.symlink_metadata();
            return match found {
                Ok(found) if is_anybodys(way, &found) => Ok(None),
                Ok(found) if !found.is_file() => Err(not_regular(&path)),
                Ok(_) | Err(_) => Err(refused(&path, &error)),
            };
        }
    };
    let found = opened.metadata().map_err(|error| refused(&path, &error))?;
    if is_anybodys(way, &found) {
        return Ok(None);
    }
    if !found.is_file() {
        return Err(not_regular(&path));
    }
    let text = private_file::text(opened, MAX_LENGTH).map_err(|error| refused(&path, &error))?;
    project_file::parse(&text)
        .map(Some)
        .map_err(|error| refused_for(&path, &error.to_string()))
}

/// Whether there is no file, or no way to see whether there is one.
fn is_absent(file: &Path, error: &io::Error) -> bool {
    let kind = error.kind();
    kind == io::ErrorKind::NotFound
        || kind == io::ErrorKind::NotADirectory
        || (kind == io::ErrorKind::PermissionDenied && file.symlink_metadata().is_err())
}

/// Whether a stranger put the file where everybody may put files: it belongs to no project of this
/// user, who could otherwise be stopped by it everywhere below `/tmp`.
#[cfg(unix)]
fn is_anybodys(way: &Path, found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    let is_strange = found.uid() != endpoint::uid() && found.uid() != 0;
    let directory = if way.as_os_str().is_empty() {
        Path::new(".")
    } else {
        way
    };
    is_strange && fs::metadata(directory).is_ok_and(|directory| directory.mode() & 0o002 != 0)
}

/// Whether a stranger put the file where everybody may put files; there is no such place.
#[cfg(windows)]
fn is_anybodys(_way: &Path, _found: &Metadata) -> bool {
    false
}

fn not_regular(path: &Path) -> Denial {
    let shown = path.display();
    Denial::new(
        ErrorCode::UnsafeFiles,
        format!("{shown} is not a regular file"),
    )
    .hint(format!("ls -l {}", quoted(path)))
}

fn refused(path: &Path, error: &io::Error) -> Denial {
    refused_for(path, &private_file::reason(error))
}

fn refused_for(path: &Path, why: &str) -> Denial {
    let shown = path.display();
    Denial::new(ErrorCode::StoreUnreadable, format!("{shown}: {why}")).hint(edit(path))
}
