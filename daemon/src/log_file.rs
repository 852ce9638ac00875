//! A private file of lines that never grows long: what a daemon says that nobody listens to, and who
//! asked for what.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::private_file::{self, FileError};

/// How long a file is at most that nobody asked for, in bytes.
pub const UNASKED: u64 = 256 * 1_024;

/// The file that is written now; of those before it, one is kept, with `.old` behind its name.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    most: u64,
}

impl LogFile {
    /// The file at `path`, which is begun anew at a write after `most` bytes.
    ///
    /// # Errors
    ///
    /// [`FileError`] when others may read or change it, or it cannot be opened.
    pub fn open(path: PathBuf, most: u64) -> Result<Self, FileError> {
        let file = private_file::append(&path)?;
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        Ok(Self {
            path,
            file,
            length,
            most,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let mut old = self.path.clone().into_os_string();
        old.push(".old");
        fs::rename(&self.path, old)?;
        self.file = private_file::append(&self.path).map_err(io::Error::other)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length >= self.most {
            self.turn()?;
        }
        let written = self.file.write(bytes)?;
        self.length += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use ac_cred_proto::endpoint::{log_path, old_log_path};

    use super::*;

    fn log(socket: &Path) -> Result<LogFile, FileError> {
        LogFile::open(log_path(socket), UNASKED)
    }

    #[test]
    fn two_files_are_kept_and_neither_grows_long() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("v1.sock");
        let mut file = log(&socket).unwrap();
        let line = [b'x'; 1_000];
        for _ in 0..1_000 {
            file.write_all(&line).unwrap();
        }
        for path in [log_path(&socket), old_log_path(&socket)] {
            let metadata = fs::metadata(&path).unwrap();
            assert!(metadata.len() < UNASKED + 1_000, "{}", metadata.len());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_was_said_before_stays_and_a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("v1.sock");
        for word in ["one\n", "two\n"] {
            let mut file = log(&socket).unwrap();
            file.write_all(word.as_bytes()).unwrap();
        }
        let said = fs::read_to_string(log_path(&socket)).unwrap();
        assert_eq!(said, "one\ntwo\n");
        let other = directory.path().join("other.sock");
        std::os::unix::fs::symlink("elsewhere", log_path(&other)).unwrap();
        assert!(log(&other).is_err());
        assert!(!directory.path().join("elsewhere").exists());
    }

    #[test]
    fn a_file_that_others_may_read_or_put_there_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = LogFile::open(path.clone(), UNASKED);
        assert!(matches!(refused, Err(FileError::Unsafe { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(LogFile::open(path.clone(), UNASKED).is_ok());
        let everybodys = fs::Permissions::from_mode(0o777);
        fs::set_permissions(directory.path(), everybodys).unwrap();
        let refused = LogFile::open(path, UNASKED);
        assert!(matches!(refused, Err(FileError::Unsafe { .. })));
    }
}
