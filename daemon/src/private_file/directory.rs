//! Who may change the directory of a file.

#[cfg(unix)]
use std::fs;
use std::path::Path;

use crate::private_file::FileError;

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
