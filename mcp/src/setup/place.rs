//! A client's file: read, replaced as a whole, and kept as it was beside.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use ac_cred_proto::{Denial, ErrorCode};
use tempfile::NamedTempFile;

/// The most bytes of a client's file.
const MAX_LENGTH: u64 = 16 * 1_024 * 1_024;

/// What stands behind the name of the file as it was.
const BACKUP: &str = ".ac-cred-backup";

/// A client's file as it was found.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    /// Its text; none where it is not there.
    text: Option<String>,
}

impl Place {
    /// Reads a file. A link is followed, as people keep such files elsewhere, and stays one.
    pub(super) fn find(path: &Path) -> Result<Self, Denial> {
        let failed = |error: &io::Error| refused(path, &error.to_string());
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                path: path.to_owned(),
                text: None,
            }),
            Err(error) => Err(failed(&error)),
            Ok(_) => {
                let path = fs::canonicalize(path).map_err(|error| failed(&error))?;
                let text = read(&path).map_err(|error| refused(&path, &error.to_string()))?;
                let text = Some(text);
                Ok(Self { path, text })
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The text; empty where there is no file.
    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The text as it was before it was replaced, where that is kept.
    pub(super) fn backup(&self) -> Result<Option<String>, Denial> {
        let path = self.backup_path();
        match read(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(&path, &error.to_string())),
        }
    }

    /// Removes what was kept; where that does not work it does no harm.
    pub(super) fn forget_backup(&self) {
        fs::remove_file(self.backup_path()).ok();
    }

    /// Keeps the file as it is, where there is one, and puts another text in its place.
    pub(super) fn replace(&self, text: &str) -> Result<Option<PathBuf>, Denial> {
        let backup = self.backup_path();
        let kept = match &self.text {
            Some(before) => {
                let written = self.write(&backup, before);
                written.map_err(|error| refused(&backup, &error.to_string()))?;
                Some(backup)
            }
            None => None,
        };
        self.put(text)?;
        Ok(kept)
    }

    /// Puts another text in the place of the file.
    pub(super) fn put(&self, text: &str) -> Result<(), Denial> {
        self.verify()?;
        let written = self.write(&self.path, text);
        written.map_err(|error| refused(&self.path, &error.to_string()))
    }

    /// Removes the file.
    pub(super) fn delete(&self) -> Result<(), Denial> {
        self.verify()?;
        let removed = fs::remove_file(&self.path);
        removed.map_err(|error| refused(&self.path, &error.to_string()))
    }

    /// Whether the file is still what was read: the client writes it as well.
    fn verify(&self) -> Result<(), Denial> {
        let now = match read(&self.path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(refused(&self.path, &error.to_string())),
        };
        if now == self.text {
            Ok(())
        } else {
            Err(refused(
                &self.path,
                "it has just been changed by somebody else",
            ))
        }
    }

    /// Writes a text beside its place, with the mode of the client's file, and renames it.
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(directory)?;
        let mut file = NamedTempFile::new_in(directory)?;
        file.write_all(text.as_bytes())?;
        if let Ok(known) = fs::metadata(&self.path) {
            file.as_file().set_permissions(known.permissions())?;
        }
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        if cfg!(unix) {
            File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    fn backup_path(&self) -> PathBuf {
        let mut name = self
            .path
            .file_name()
            .map_or_else(OsString::new, OsString::from);
        name.push(BACKUP);
        self.path.with_file_name(name)
    }
}

/// The text of a regular file of this user.
fn read(path: &Path) -> io::Result<String> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::uid(&found) != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to somebody else"));
    }
    if found.len() > MAX_LENGTH {
        return Err(io::Error::other("it is longer than 16 MiB"));
    }
    let mut text = String::new();
    File::open(path)?
        .take(MAX_LENGTH)
        .read_to_string(&mut text)?;
    Ok(text)
}

fn refused(path: &Path, why: &str) -> Denial {
    let shown = path.display();
    Denial::new(
        ErrorCode::UnsafeFiles,
        format!("{shown} is not touched: {why}"),
    )
}
