//! The store that is one age-encrypted file, which `age --decrypt` opens with the same passphrase or
//! identity.
//!
//! A passphrase is asked once in a daemon's life and kept sealed, since every change encrypts the
//! file anew.
//! The path of an identity file is remembered beside the encrypted file, so that a daemon opens it
//! without a person; which of the two opens the file, its own header tells.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ac_cred_proto::Org;
use zeroize::Zeroizing;

use crate::credential_store::file::key::{Key, Lockwork, Unopened};
use crate::credential_store::{CredentialStore, Record, SealedRecords, StoreError};
use crate::private_file::{self, FileError, Privacy, Stamp};
use crate::shield::{Sealed, Shield};

pub use self::opening::NewKey;

pub mod contents;
mod key;
mod opening;

/// The longest encrypted file, some ten thousand credentials.
const MAX_LENGTH: u64 = 16 * 1_024 * 1_024;

/// A file as it was read.
struct Encrypted {
    bytes: Zeroizing<Vec<u8>>,
    stamp: Stamp,
}

/// One age-encrypted file.
pub struct FileStore {
    path: PathBuf,
    passphrase_file: Option<PathBuf>,
    shield: Shield,
    state: Mutex<State>,
    /// Whether the state holds a passphrase, told without waiting for one who works on the state.
    is_open: AtomicBool,
    /// Whether a person has locked it: then not even the passphrase file opens it by itself.
    is_shut: AtomicBool,
    wrong_in_a_row: AtomicU32,
}

#[derive(Default)]
struct State {
    passphrase: Option<Sealed>,
    records: SealedRecords,
    /// The state of the file that `records` were read from, and what opens it.
    seen: Option<(Stamp, Lockwork)>,
}

impl FileStore {
    /// The store at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf, passphrase_file: Option<PathBuf>, shield: Shield) -> Self {
        Self {
            path,
            passphrase_file,
            shield,
            state: Mutex::default(),
            is_open: AtomicBool::new(false),
            is_shut: AtomicBool::new(false),
            wrong_in_a_row: AtomicU32::new(0),
        }
    }

    /// Whether there is a file that cannot be opened before a passphrase is given, or a person has
    /// locked what there is.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.is_shut() || (self.exists() && !self.opens_by_itself())
    }

    /// Whether a person has locked it and nobody unlocked it since.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Ordering::Acquire)
    }

    /// Lets nothing be read until [`FileStore::unlock`], and does not block; [`FileStore::lock`]
    /// forgets as well.
    pub fn shut(&self) {
        self.is_shut.store(true, Ordering::Release);
    }

    /// Forgets the passphrase and all records until [`FileStore::unlock`].
    pub fn lock(&self) {
        self.shut();
        let mut state = self.state();
        *state = State::default();
        self.is_open.store(false, Ordering::Release);
    }

    /// Whether there is a file.
    #[must_use]
    pub fn exists(&self) -> bool {
        private_file::may_exist(&self.path)
    }

    /// Counts wrong passphrases in a row, this attempt included.
    pub fn note_attempt(&self, opened: bool) -> u32 {
        if opened {
            self.wrong_in_a_row.store(0, Ordering::Relaxed);
            return 0;
        }
        self.wrong_in_a_row
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The records of the file as it is, read anew where it has changed.
    fn bring_up_to_date(&self, state: &mut State) -> Result<(), StoreError> {
        let seen = state.seen.map(|(stamp, _)| stamp);
        if seen.is_some() && private_file::stamp(&self.path) == seen {
            return Ok(());
        }
        self.has_a_key(state)?;
        let Some(file) = self.read_file()? else {
            (state.records, state.seen) = (SealedRecords::default(), None);
            return Ok(());
        };
        let lockwork = self.lockwork_of(&file)?;
        let key = self.key(state, Some(lockwork))?;
        state.records = self.records(&key, &file)?;
        state.seen = Some((file.stamp, lockwork));
        Ok(())
    }

    /// The encrypted file, where there is one.
    fn read_file(&self) -> Result<Option<Encrypted>, StoreError> {
        private_file::verify_parent(&self.path)?;
        match private_file::read(&self.path, Privacy::Secret, MAX_LENGTH) {
            Err(FileError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into()),
            Ok((bytes, stamp)) => Ok(Some(Encrypted { bytes, stamp })),
        }
    }

    fn lockwork_of(&self, file: &Encrypted) -> Result<Lockwork, StoreError> {
        Lockwork::of(&file.bytes).map_err(|why| StoreError::Damaged {
            path: self.path.clone(),
            why,
        })
    }

    fn records(&self, key: &Key, file: &Encrypted) -> Result<SealedRecords, StoreError> {
        let path = || self.path.clone();
        let plain = key.open(&file.bytes).map_err(|why| match (why, key) {
            (Unopened::Damaged(why), _) => StoreError::Damaged { path: path(), why },
            (Unopened::WrongKey, Key::Passphrase(_)) => StoreError::WrongPassphrase(path()),
            (Unopened::WrongKey, Key::Identities(identities, _)) => StoreError::WrongIdentity {
                path: path(),
                identities: identities.clone(),
            },
        })?;
        contents::parse(&plain, &self.shield).map_err(|why| why.of(&self.path))
    }

    /// Changes the records and writes them, under a lock that other writers take too.
    fn change(
        &self,
        change: impl FnOnce(&mut SealedRecords) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        self.has_a_key(&state)?;
        let _lock = private_file::lock_beside(&self.path)?;
        self.bring_up_to_date(&mut state)?;
        let key = self.key(&state, state.seen.map(|(_, lockwork)| lockwork))?;
        if !change(&mut state.records)? {
            return Ok(());
        }
        self.write_and_note(&mut state, &key)
    }

    fn write_and_note(&self, state: &mut State, key: &Key) -> Result<(), StoreError> {
        let written = self.write(&state.records, key);
        // What was not written is not held either: the next call reads the file again.
        let stamp = written.is_ok().then(|| private_file::stamp(&self.path));
        state.seen = stamp.flatten().map(|stamp| (stamp, key.lockwork()));
        written
    }

    fn write(&self, records: &SealedRecords, key: &Key) -> Result<(), StoreError> {
        let plain = contents::write(records, &self.shield).map_err(|why| why.of(&self.path))?;
        let encrypted = key.encrypt(&plain).ok_or_else(|| StoreError::Damaged {
            path: self.path.clone(),
            why: "cannot be encrypted",
        })?;
        Ok(private_file::replace(&self.path, &encrypted)?)
    }
}

impl CredentialStore for FileStore {
    fn load(&self, org: &Org) -> Result<Record, StoreError> {
        let mut state = self.state();
        if !self.exists() {
            return Err(StoreError::Missing(org.clone()));
        }
        self.bring_up_to_date(&mut state)?;
        state.records.load(&self.shield, org)
    }

    fn save(&self, org: &Org, record: &Record) -> Result<(), StoreError> {
        self.change(|records| records.save(&self.shield, org, record).map(|()| true))
    }

    fn remove(&self, orgs: &[Org]) -> Result<(), StoreError> {
        if !self.exists() {
            return Ok(());
        }
        self.change(|records| Ok(records.remove(orgs)))
    }

    fn copy(&self, from: &Org, to: &Org) -> Result<(), StoreError> {
        if !self.exists() {
            return Ok(());
        }
        self.change(|records| Ok(records.copy(from, to)))
    }
}

#[cfg(test)]
mod tests;
