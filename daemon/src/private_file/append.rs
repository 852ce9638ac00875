//! A file that grows: opened to be added to, private from its first byte.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::private_file::{FileError, Privacy, not_opened, verify, verify_parent};

/// Opens a file to add to it, which is made where it is missing; nobody else may read it.
///
/// # Errors
///
/// [`FileError`] when it is unsafe or cannot be opened.
pub fn append(path: &Path) -> Result<File, FileError> {
    verify_parent(path)?;
    let file = opened(path).map_err(|error| not_opened(path, error))?;
    let metadata = file.metadata().map_err(|error| not_opened(path, error))?;
    verify(path, &metadata, Privacy::Secret)?;
    Ok(file)
}

fn opened(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let no_link = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options
            .mode(0o600)
            .custom_flags(no_link.bits().cast_signed());
    }
    options.open(path)
}
