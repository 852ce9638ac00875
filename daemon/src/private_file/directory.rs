//! The directory of a file: made, verified, and flushed so that its files keep their names.

use std::fs::DirBuilder;
#[cfg(unix)]
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::private_file::{FileError, system};

/// Refuses a directory that belongs to somebody else or that others can change, where there is one:
/// they could put another file into the place of one of its files.
///
/// # Errors
///
/// [`FileError::Unsafe`] with the command that mends it.
#[cfg(unix)]
pub fn verify_parent(path: &Path) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt as _;
    let directory = path.parent().unwrap_or(Path::new("/"));
    let Ok(metadata) = fs::metadata(directory) else {
        return Ok(());
    };
    let shown = directory.display();
    let (why, fix) = if metadata.uid() != rustix::process::geteuid().as_raw() {
        ("belongs to somebody else", format!("ls -ld '{shown}'"))
    } else if metadata.mode() & 0o022 != 0 {
        ("can be changed by others", format!("chmod go-w '{shown}'"))
    } else {
        return Ok(());
    };
    Err(FileError::Unsafe {
        path: directory.to_owned(),
        why,
        fix,
    })
}

/// On Windows the directories of a user keep others out.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn verify_parent(_path: &Path) -> Result<(), FileError> {
    Ok(())
}

/// Flushes the directory of a file, or of what a link leads to, so that the file keeps the name that
/// it has.
///
/// # Errors
///
/// [`FileError`] when it cannot be flushed.
pub fn flush_parent(path: &Path) -> Result<(), FileError> {
    let target = path.canonicalize().map_err(system(path))?;
    let directory = target.parent().unwrap_or(Path::new("/"));
    flush_directory(directory).map_err(system(directory))
}

/// The directory of a file, made with mode 0700 where it is missing.
///
/// # Errors
///
/// [`FileError`] when it cannot be made.
pub fn private_parent(path: &Path) -> Result<&Path, FileError> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(system(directory))?;
    Ok(directory)
}

#[cfg(unix)]
pub(super) fn flush_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn flush_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}
