//! A directory in memory that only this user can enter, for the files of one run.
//!
//! Its maker holds a lock on it for as long as it runs: one whose lock is free is an orphan, and
//! the next run removes it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::process;

use ac_cred_proto::endpoint::{DirectoryFacts, verify_directory};
use ac_cred_proto::{Denial, ErrorCode};
use rustix::fs::fstatfs;

use crate::endpoint;

/// How the directory of a run begins.
const PREFIX: &str = "run-";
/// What the kernel calls a file system in memory (statfs(2)): tmpfs and ramfs.
const IN_MEMORY: [i128; 2] = [0x0102_1994, 0x8584_58f6];

/// The directory of a run; it is removed when it is dropped.
#[derive(Debug)]
pub(super) struct PrivateDirectory {
    path: PathBuf,
    _lock: File,
}

impl PrivateDirectory {
    /// Makes one, once the orphans are gone.
    pub(super) fn new() -> Result<Self, Denial> {
        let (base, in_turn) = base()?;
        let made = in_turn.lock().and_then(|()| {
            remove_orphans(&base)?;
            Self::in_base(&base)
        });
        made.map_err(|error| unusable(&base, &error))
    }

    fn in_base(base: &Path) -> io::Result<Self> {
        let mut number = 0;
        let path = loop {
            // Another container may have the same process id and the same memory.
            let path = base.join(format!("{PREFIX}{}-{number}", process::id()));
            match make(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                made => break made.map(|()| path)?,
            }
        };
        let lock = File::open(&path)?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, so that its readers find the old content or the new one.
    pub(super) fn write(&self, name: &Path, content: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let beside = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(content)?;
        fs::rename(beside, path)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        // What cannot be removed now is an orphan for the next run.
        fs::remove_dir_all(&self.path).ok();
    }
}

/// Removes the orphans, where there can be any.
pub(super) fn sweep() {
    for place in places() {
        // A turn that another run has is enough.
        let in_turn = is_private(&place.base)
            .ok()
            .and_then(|()| File::open(&place.base).ok())
            .filter(|base| base.try_lock().is_ok());
        if in_turn.is_some() {
            // What stays waits for the next run.
            remove_orphans(&place.base).ok();
        }
    }
}

/// Removes the directories whose makers have ended; no other run makes or removes one meanwhile.
fn remove_orphans(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        let is_of_a_run = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if !(is_of_a_run && entry.file_type()?.is_dir()) {
            continue;
        }
        // Its own run may be removing it.
        if File::open(entry.path()).is_ok_and(|lock| lock.try_lock().is_ok()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
    Ok(())
}

/// A directory that the system has, and the one in it that holds the runs of this user.
struct Place {
    of_the_system: PathBuf,
    base: PathBuf,
}

fn places() -> [Place; 2] {
    let uid = endpoint::uid();
    let runtime = PathBuf::from(format!("/run/user/{uid}"));
    let shared = PathBuf::from("/dev/shm");
    [
        Place {
            base: runtime.join("ac-cred-runs"),
            of_the_system: runtime,
        },
        Place {
            base: shared.join(format!("ac-cred-runs-{uid}")),
            of_the_system: shared,
        },
    ]
}

/// The directory that holds the runs of this user, made where there is none.
fn base() -> Result<(PathBuf, File), Denial> {
    let place = places()
        .into_iter()
        .find(|place| can_hold_secrets(&place.of_the_system));
    let Some(Place { base, .. }) = place else {
        return Err(nowhere());
    };
    match make(&base) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(unusable(&base, &error));
        }
        Ok(()) | Err(_) => is_private(&base)?,
    }
    let opened = File::open(&base).map_err(|error| unusable(&base, &error))?;
    if is_in_memory(&opened) {
        Ok((base, opened))
    } else {
        Err(nowhere())
    }
}

/// Makes a directory for this user alone, whatever the umask.
fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

/// Whether it lies in memory, and nobody else can replace what this user has in it.
fn can_hold_secrets(directory: &Path) -> bool {
    let Ok(opened) = File::open(directory) else {
        return false;
    };
    let is_safe = opened.metadata().is_ok_and(|found| {
        let is_sticky = found.mode() & 0o1000 != 0;
        let others_write = found.mode() & 0o022 != 0;
        let is_trusted = [0, endpoint::uid()].contains(&found.uid());
        is_trusted && (is_sticky || !others_write)
    });
    is_safe && is_in_memory(&opened)
}

fn is_in_memory(directory: &File) -> bool {
    fstatfs(directory).is_ok_and(|found| IN_MEMORY.contains(&i128::from(found.f_type)))
}

fn is_private(path: &Path) -> Result<(), Denial> {
    let found = fs::symlink_metadata(path).map_err(|error| unusable(path, &error))?;
    let facts = DirectoryFacts {
        is_directory: found.is_dir(),
        owner: found.uid(),
        mode: found.mode(),
    };
    verify_directory(path, facts, endpoint::uid())
}

fn unusable(path: &Path, error: &io::Error) -> Denial {
    let shown = path.display();
    Denial::new(
        ErrorCode::UnsafeFiles,
        format!("{shown} cannot hold the token's file: {error}"),
    )
}

fn nowhere() -> Denial {
    let uid = endpoint::uid();
    Denial::new(
        ErrorCode::UnsafeFiles,
        format!(
            "there is no directory in memory for the token's file: neither /run/user/{uid} nor \
             /dev/shm is a tmpfs in which nobody else can replace it"
        ),
    )
    .hint("findmnt -t tmpfs")
}
