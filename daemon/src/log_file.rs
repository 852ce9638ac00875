//! What a daemon says that nobody listens to: a private file beside its socket, which never grows
//! long.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::{log_path, old_log_path};

/// How many bytes a file may have; the one before it is kept.
const MAX_LENGTH: u64 = 256 * 1_024;

/// The file that is written now.
#[derive(Debug)]
pub struct LogFile {
    socket: PathBuf,
    file: File,
    length: u64,
}

impl LogFile {
    /// The file of the daemon that listens at `socket`, in whose directory nobody else can write.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot be opened.
    pub fn open(socket: &Path) -> io::Result<Self> {
        let file = opened(&log_path(socket))?;
        let length = file.metadata()?.len();
        Ok(Self {
            socket: socket.to_owned(),
            file,
            length,
        })
    }

    fn turn(&mut self) -> io::Result<()> {
        let path = log_path(&self.socket);
        fs::rename(&path, old_log_path(&self.socket))?;
        self.file = opened(&path)?;
        self.length = 0;
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length >= MAX_LENGTH {
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn two_files_are_kept_and_neither_grows_long() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("v1.sock");
        let mut log = LogFile::open(&socket).unwrap();
        let line = [b'x'; 1_000];
        for _ in 0..1_000 {
            log.write_all(&line).unwrap();
        }
        for path in [log_path(&socket), old_log_path(&socket)] {
            let metadata = fs::metadata(&path).unwrap();
            assert!(metadata.len() < MAX_LENGTH + 1_000, "{}", metadata.len());
            assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_was_said_before_stays_and_a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("v1.sock");
        for word in ["one\n", "two\n"] {
            let mut log = LogFile::open(&socket).unwrap();
            log.write_all(word.as_bytes()).unwrap();
        }
        let said = fs::read_to_string(log_path(&socket)).unwrap();
        assert_eq!(said, "one\ntwo\n");
        let other = directory.path().join("other.sock");
        std::os::unix::fs::symlink("elsewhere", log_path(&other)).unwrap();
        assert!(LogFile::open(&other).is_err());
        assert!(!directory.path().join("elsewhere").exists());
    }
}
