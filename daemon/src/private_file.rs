//! Files that only the user may read or change: read with their owner and mode verified, written
//! so that a crash leaves the old or the new content.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ac_cred_proto::{Denial, ErrorCode};
use zeroize::Zeroizing;

pub use self::append::append;
use self::directory::flush_directory;
pub use self::directory::{flush_parent, private_parent, verify_parent};

mod append;
mod directory;

/// Who may do what with a file that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Others may not even read it: it holds secrets.
    Secret,
    /// Others may read it but not change it: it steers where secrets are sent.
    Steering,
    /// Anybody may do anything: what it holds is verified in another way.
    Public,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    changed: (i64, i64),
    length: u64,
    inode: u64,
}

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There is none.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// Its owner, mode or kind makes it unsafe.
    #[error("{} {why}", .path.display())]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
        /// The command that mends it.
        fix: String,
    },
    /// It is longer than such a file can be.
    #[error("{} is longer than {limit} bytes", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The system refused.
    #[error("{}: {}", .path.display(), reason(.source))]
    System {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// The system's own words, without the number behind them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

impl From<FileError> for Denial {
    fn from(error: FileError) -> Self {
        let message = error.to_string();
        match error {
            FileError::Unsafe { fix, .. } => Self::new(ErrorCode::UnsafeFiles, message).hint(fix),
            FileError::Missing(_) | FileError::TooLong { .. } | FileError::System { .. } => {
                Self::new(ErrorCode::StoreUnreadable, message)
            }
        }
    }
}

fn system(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| {
        if source.kind() == io::ErrorKind::NotFound {
            FileError::Missing(path)
        } else {
            FileError::System { path, source }
        }
    }
}

/// Whether there is something at `path`, or may be: only what the system says is missing is not there.
#[must_use]
pub fn may_exist(path: &Path) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    let looked = fs::symlink_metadata(path);
    looked.map_or_else(
        |error| !matches!(error.kind(), NotFound | NotADirectory),
        |_| true,
    )
}

/// The state of a file, or nothing where there is none.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().as_ref().map(stamp_of)
}

#[cfg(unix)]
fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    Stamp {
        changed: (metadata.ctime(), metadata.ctime_nsec()),
        length: metadata.len(),
        inode: metadata.ino(),
    }
}

#[cfg(not(unix))]
fn stamp_of(metadata: &fs::Metadata) -> Stamp {
    let since = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let since = since.unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Stamp {
        changed: (seconds, i64::from(since.subsec_nanos())),
        length: metadata.len(),
        inode: 0,
    }
}

/// Reads a file of at most `limit` bytes whose owner and mode are as `privacy` wants.
///
/// # Errors
///
/// [`FileError`] when it is missing, unsafe, too long or cannot be read.
pub fn read(
    path: &Path,
    privacy: Privacy,
    limit: u64,
) -> Result<(Zeroizing<Vec<u8>>, Stamp), FileError> {
    let file = open(path, privacy).map_err(|error| not_opened(path, error))?;
    let metadata = file.metadata().map_err(system(path))?;
    verify(path, &metadata, privacy)?;
    if metadata.len() > limit {
        return Err(FileError::TooLong {
            path: path.to_owned(),
            limit,
        });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(
        usize::try_from(metadata.len()).unwrap_or(0),
    ));
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(system(path))?;
    Ok((bytes, stamp_of(&metadata)))
}

/// A link where none is followed is unsafe; where a directory would have to be and is none, there is
/// no file; anything else is what the system says it is.
fn not_opened(path: &Path, error: io::Error) -> FileError {
    if error.kind() == io::ErrorKind::NotADirectory {
        return FileError::Missing(path.to_owned());
    }
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return FileError::Unsafe {
            path: path.to_owned(),
            why: "is a symbolic link",
            fix: format!("ls -l '{}'", path.display()),
        };
    }
    system(path)(error)
}

/// Opens without waiting for the other end of a FIFO; a secret file is not reached through a link.
#[cfg(unix)]
fn open(path: &Path, privacy: Privacy) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let follow = if privacy == Privacy::Secret {
        OFlags::NOFOLLOW
    } else {
        OFlags::empty()
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | follow;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open(path: &Path, _privacy: Privacy) -> io::Result<File> {
    File::open(path)
}

#[cfg(unix)]
fn verify(path: &Path, metadata: &fs::Metadata, privacy: Privacy) -> Result<(), FileError> {
    use std::os::unix::fs::MetadataExt as _;
    let wrong = |why, fix| {
        Err(FileError::Unsafe {
            path: path.to_owned(),
            why,
            fix,
        })
    };
    let shown = path.display();
    if !metadata.is_file() {
        return wrong("is not a regular file", format!("ls -l '{shown}'"));
    }
    let (forbidden, mode) = match privacy {
        Privacy::Secret => (0o077, 600),
        Privacy::Steering => (0o022, 644),
        Privacy::Public => return Ok(()),
    };
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return wrong("belongs to somebody else", format!("ls -l '{shown}'"));
    }
    if metadata.mode() & forbidden != 0 {
        return wrong("is open to others", format!("chmod {mode} '{shown}'"));
    }
    if privacy == Privacy::Secret && metadata.nlink() > 1 {
        return wrong(
            "has another name elsewhere (a hard link)",
            format!("ls -l '{shown}'"),
        );
    }
    Ok(())
}

#[cfg(not(unix))]
fn verify(path: &Path, metadata: &fs::Metadata, _privacy: Privacy) -> Result<(), FileError> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(FileError::Unsafe {
        path: path.to_owned(),
        why: "is not a regular file",
        fix: format!("dir {}", path.display()),
    })
}

/// Replaces a file by `bytes`: written beside it, flushed, renamed over it, the directory flushed.
///
/// Who replaces a file holds the lock of [`lock_beside`]: what a crash leaves beside it, under the
/// one name there is for that, the next writer removes.
///
/// # Errors
///
/// [`FileError`] when any step fails; the file then holds what it held.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    replace_if(path, bytes, || true).map(drop)
}

/// Replaces a file as [`replace`] does, unless it has changed since it was `seen`; says whether it
/// was replaced.
///
/// An editor takes no lock: what a person saves while the new file is written and flushed is not
/// written over.
///
/// # Errors
///
/// [`FileError`] when any step fails; the file then holds what it held.
pub fn replace_unless_changed(
    path: &Path,
    bytes: &[u8],
    seen: Option<Stamp>,
) -> Result<bool, FileError> {
    replace_if(path, bytes, || stamp(path) == seen)
}

fn replace_if(
    path: &Path,
    bytes: &[u8],
    is_still_wanted: impl FnOnce() -> bool,
) -> Result<bool, FileError> {
    let directory = private_parent(path)?;
    let temporary = path.with_extension("new");
    let written = write_new(&temporary, bytes).and_then(|()| {
        let is_wanted = is_still_wanted();
        if is_wanted {
            fs::rename(&temporary, path)?;
        }
        Ok(is_wanted)
    });
    match written {
        Ok(true) => flush_directory(directory)
            .map(|()| true)
            .map_err(system(directory)),
        Ok(false) => {
            fs::remove_file(&temporary).map_err(system(&temporary))?;
            Ok(false)
        }
        Err(error) => {
            // The error to report is the one that stopped the writing.
            fs::remove_file(&temporary).ok();
            Err(FileError::System {
                path: path.to_owned(),
                source: error,
            })
        }
    }
}

/// Removes a file, if it is there, and flushes the directory.
///
/// # Errors
///
/// [`FileError`] when either fails.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(system(path)(error)),
        Ok(()) | Err(_) => {}
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    flush_directory(directory).map_err(system(directory))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = private_options().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Options to write a file that is made for its owner alone.
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Waits until no other process changes `path`, and keeps others waiting until the lock is dropped.
///
/// The lock is a file of its own that is never removed; the system lets go of it when its holder
/// dies.
///
/// # Errors
///
/// [`FileError`] when the lock file cannot be made or locked.
pub fn lock_beside(path: &Path) -> Result<File, FileError> {
    private_parent(path)?;
    verify_parent(path)?;
    let lock = path.with_extension("lock");
    let file = private_options()
        .create(true)
        .truncate(false)
        .open(&lock)
        .map_err(system(&lock))?;
    file.lock().map_err(system(&lock))?;
    Ok(file)
}
