//! A note of the rename that is under way, so that one which is cut short is mended:
//! `{"version":1,"old":"acme","new":"build","store":"file"}`.
//!
//! It holds no secret; it is there as long as a credential may rest under both names.

use std::fs::File;
use std::path::PathBuf;

use ac_cred_proto::Org;
use ac_cred_proto::settings::Store;
use serde::{Deserialize, Serialize};

use crate::credential_store::StoreError;
use crate::private_file::{self, FileError, Privacy};

/// The longest note: two aliases and what stands around them.
const MAX_LENGTH: u64 = 1_024;

const FORMAT_VERSION: u32 = 1;

/// A rename: from which name to which, and in which store the credential rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renaming {
    /// The name that it has.
    pub old: Org,
    /// The name that it gets.
    pub new: Org,
    /// Where its credential rests.
    pub store: Store,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    old: Org,
    new: Org,
    store: Store,
}

/// The file of the note.
pub struct RenameNote {
    path: PathBuf,
}

/// The right to read and change the note; no other daemon renames or mends meanwhile.
pub struct Held<'a> {
    note: &'a RenameNote,
    _lock: File,
}

impl RenameNote {
    /// The note in the file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Whether a rename is under way, or was cut short.
    #[must_use]
    pub fn exists(&self) -> bool {
        private_file::may_exist(&self.path)
    }

    /// Waits until no other daemon renames or mends.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the lock file cannot be made or locked.
    pub fn hold(&self) -> Result<Held<'_>, FileError> {
        let lock = private_file::lock_beside(&self.path)?;
        Ok(Held {
            note: self,
            _lock: lock,
        })
    }
}

impl Held<'_> {
    /// What is noted.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read or understood.
    pub fn read(&self) -> Result<Option<Renaming>, StoreError> {
        let path = &self.note.path;
        let bytes = match private_file::read(path, Privacy::Secret, MAX_LENGTH) {
            Err(FileError::Missing(_)) => return Ok(None),
            read => read?.0,
        };
        let parsed: Option<Contents> = serde_json::from_slice(&bytes).ok();
        match parsed {
            Some(Contents {
                version: FORMAT_VERSION,
                old,
                new,
                store,
            }) => Ok(Some(Renaming { old, new, store })),
            Some(_) | None => Err(self.damaged("holds no rename of this version of ac-cred")),
        }
    }

    /// Notes that a rename begins.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be written.
    pub fn write(&self, renaming: &Renaming) -> Result<(), StoreError> {
        let contents = Contents {
            version: FORMAT_VERSION,
            old: renaming.old.clone(),
            new: renaming.new.clone(),
            store: renaming.store,
        };
        let text =
            serde_json::to_vec(&contents).map_err(|_| self.damaged("cannot be written as JSON"))?;
        Ok(private_file::replace(&self.note.path, &text)?)
    }

    /// Notes that no rename is under way any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the note cannot be removed.
    pub fn clear(&self) -> Result<(), StoreError> {
        Ok(private_file::remove(&self.note.path)?)
    }

    fn damaged(&self, why: &'static str) -> StoreError {
        StoreError::Damaged {
            path: self.note.path.clone(),
            why,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renaming() -> Renaming {
        Renaming {
            old: Org::parse("acme").unwrap(),
            new: Org::parse("build").unwrap(),
            store: Store::Keyring,
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let note = RenameNote::new(directory.path().join("renaming.json"));
        assert!(!note.exists());
        let held = note.hold().unwrap();
        assert_eq!(held.read().unwrap(), None);
        held.write(&renaming()).unwrap();
        assert!(note.exists());
        assert_eq!(held.read().unwrap(), Some(renaming()));
        held.clear().unwrap();
        held.clear().unwrap();
        assert_eq!((note.exists(), held.read().unwrap()), (false, None));
    }

    #[test]
    fn what_is_no_note_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("renaming.json");
        let held = RenameNote::new(path.clone());
        let held = held.hold().unwrap();
        let of_tomorrow = r#"{"version":2,"old":"a","new":"b","store":"file"}"#;
        let with_a_path = r#"{"version":1,"old":"../a","new":"b","store":"file"}"#;
        for bad in ["", "{}", of_tomorrow, with_a_path] {
            private_file::replace(&path, bad.as_bytes()).unwrap();
            assert!(held.read().is_err(), "{bad}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
    }
}
