//! How the encrypted file is opened and by what: given, at hand in a file, or changed.

use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use ac_cred_proto::secret::Passphrase;
use secrecy::ExposeSecret as _;

use crate::credential_store::file::key::{Key, Lockwork};
use crate::credential_store::file::{Encrypted, FileStore, State};
use crate::credential_store::{SealedRecords, StoreError};
use crate::private_file::{self, FileError, Privacy};
use crate::shield::{Sealed, ShieldError};

/// The longest list of identity files, in bytes: two paths, each as long as the system has them.
const MAX_PATHS: u64 = 2 * 4_096;

/// What is to open the file from now on.
pub enum NewKey {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The identities in the file of this absolute path.
    IdentityFile(PathBuf),
}

impl FileStore {
    /// Whether it can be read and written without asking a person.
    #[must_use]
    pub fn opens_by_itself(&self) -> bool {
        let has_passphrase =
            || self.is_open.load(Ordering::Acquire) || self.passphrase_file.is_some();
        let has_identity = || self.pointer().exists();
        let lockwork = || {
            let file = self.read_file().ok().flatten();
            file.and_then(|file| Lockwork::of(&file.bytes).ok())
        };
        !self.is_shut()
            && match (has_passphrase(), has_identity()) {
                (false, false) => false,
                (true, true) => true,
                (true, false) => lockwork() != Some(Lockwork::Identity),
                (false, true) => lockwork() != Some(Lockwork::Passphrase),
            }
    }

    /// Whether a passphrase was given.
    #[must_use]
    pub fn is_unlocked(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// How many wrong passphrases in a row were given.
    #[must_use]
    pub fn wrong_in_a_row(&self) -> u32 {
        self.wrong_in_a_row.load(Ordering::Relaxed)
    }

    /// The passphrase that was given, for another daemon.
    ///
    /// # Errors
    ///
    /// [`StoreError::Shield`] when it was damaged.
    pub fn known_passphrase(&self) -> Result<Option<Passphrase>, StoreError> {
        let state = self.state();
        let Some(sealed) = &state.passphrase else {
            return Ok(None);
        };
        let passphrase = Passphrase::parse(&self.shield.open(sealed)?).map_err(|_| ShieldError)?;
        Ok(Some(passphrase))
    }

    /// Takes what another daemon has known; nothing is read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Shield`] when the system gives no random bytes.
    pub fn resume(
        &self,
        passphrase: Option<Passphrase>,
        is_shut: bool,
        wrong_in_a_row: u32,
    ) -> Result<(), StoreError> {
        if let Some(passphrase) = passphrase {
            self.state().passphrase = self.sealed(&Key::Passphrase(passphrase))?;
            self.is_open.store(true, Ordering::Release);
        }
        self.is_shut.store(is_shut, Ordering::Release);
        self.wrong_in_a_row.store(wrong_in_a_row, Ordering::Relaxed);
        Ok(())
    }

    /// Opens the file, or chooses the passphrase of one that is not there yet; without a passphrase
    /// with what is at hand.
    ///
    /// # Errors
    ///
    /// [`StoreError::WrongPassphrase`] or [`StoreError::NotThere`]; nothing has changed then.
    pub fn unlock(&self, passphrase: Option<Passphrase>, create: bool) -> Result<(), StoreError> {
        if !create && !self.exists() {
            // After a lock with nothing to open there is only the lock to end.
            let was_shut = self.is_shut.swap(false, Ordering::AcqRel);
            let nothing = || StoreError::NotThere(self.path.clone());
            return was_shut.then_some(()).ok_or_else(nothing);
        }
        let file = self.read_file()?;
        let lockwork = file.as_ref().map(|file| self.lockwork_of(file));
        let key = match (passphrase, lockwork.transpose()?) {
            (Some(_), Some(Lockwork::Identity)) => return Err(self.opened_by_identity()),
            (Some(passphrase), _) => Key::Passphrase(passphrase),
            (None, lockwork) => self.key_at_hand(lockwork)?,
        };
        self.open(&key, file, create)
    }

    /// Opens the file with the identities of another, or chooses them for one that is not there
    /// yet; they are remembered.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing has changed then.
    pub fn unlock_with_identity(&self, identities: &Path, create: bool) -> Result<(), StoreError> {
        let key = Key::from_identity_file(identities)?;
        let file = self.read_file()?;
        if let Some(file) = &file
            && self.lockwork_of(file)? == Lockwork::Passphrase
        {
            return Err(StoreError::OtherKey {
                path: self.path.clone(),
                opener: "a passphrase, not by an identity",
                hint: "ac-cred store passphrase --identity FILE",
            });
        }
        self.open(&key, file, create)?;
        let _lock = private_file::lock_beside(&self.path)?;
        self.remember(&[identities.to_owned()])
    }

    /// Takes over what a key opens.
    fn open(&self, key: &Key, file: Option<Encrypted>, create: bool) -> Result<(), StoreError> {
        let (records, seen) = match file {
            None if create => (SealedRecords::default(), None),
            None => return Err(StoreError::NotThere(self.path.clone())),
            Some(file) => {
                let records = self.records(key, &file)?;
                (records, Some((file.stamp, key.lockwork())))
            }
        };
        let passphrase = self.sealed(key)?;
        self.is_open.store(passphrase.is_some(), Ordering::Release);
        *self.state() = State {
            passphrase,
            records,
            seen,
        };
        self.is_shut.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether the file is there and can be read and changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] that says why not.
    pub fn check_open(&self) -> Result<(), StoreError> {
        self.open_state().map(drop)
    }

    /// The state with the records as they are.
    fn open_state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.state();
        if !self.exists() {
            return Err(StoreError::NotThere(self.path.clone()));
        }
        if self.is_shut() {
            return Err(StoreError::Locked(self.path.clone()));
        }
        self.bring_up_to_date(&mut state)?;
        Ok(state)
    }

    /// Encrypts the file anew, so that another key opens it.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the file is then opened by what opened it, or by the new key where only its
    /// directory could not be flushed.
    pub fn change_key(&self, new: &NewKey) -> Result<(), StoreError> {
        let mut state = self.open_state()?;
        let _lock = private_file::lock_beside(&self.path)?;
        self.bring_up_to_date(&mut state)?;
        let key = match new {
            NewKey::Passphrase(passphrase) => Key::Passphrase(passphrase.clone()),
            NewKey::IdentityFile(path) => Key::from_identity_file(path)?,
        };
        let sealed = self.sealed(&key)?;
        let before = self.identity_files().unwrap_or_default();
        // A path too many is in nobody's way: a crash, or a failure after which the disk may hold
        // either, leaves what opens the old file and the new one.
        let after = match new {
            NewKey::Passphrase(_) => Vec::new(),
            NewKey::IdentityFile(path) => vec![path.clone()],
        };
        self.remember(&[&after[..], &before].concat())?;
        self.write_and_note(&mut state, &key)?;
        self.is_open.store(sealed.is_some(), Ordering::Release);
        state.passphrase = sealed;
        self.remember(&after)
    }

    /// The passphrase of a key, sealed; nothing of one that is a file.
    fn sealed(&self, key: &Key) -> Result<Option<Sealed>, ShieldError> {
        let Key::Passphrase(passphrase) = key else {
            return Ok(None);
        };
        let text = passphrase.as_secret().expose_secret();
        self.shield.seal(text).map(Some)
    }

    /// Where the path of the identity file is remembered.
    fn pointer(&self) -> PathBuf {
        self.path.with_extension("identity")
    }

    /// The identity files that were chosen: more than one where a change between them was cut short.
    fn identity_files(&self) -> Result<Vec<PathBuf>, StoreError> {
        let pointer = self.pointer();
        let bytes = match private_file::read(&pointer, Privacy::Secret, MAX_PATHS) {
            Ok((bytes, _)) => bytes,
            Err(FileError::Missing(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let text = std::str::from_utf8(&bytes).unwrap_or_default();
        let paths: Vec<PathBuf> = text.lines().map(PathBuf::from).collect();
        if paths.is_empty() || !paths.iter().all(|path| path.is_absolute()) {
            let why = "does not hold absolute paths";
            return Err(StoreError::Damaged { path: pointer, why });
        }
        Ok(paths)
    }

    /// Remembers identity files, under the lock of the encrypted file.
    fn remember(&self, identities: &[PathBuf]) -> Result<(), StoreError> {
        if self.identity_files().is_ok_and(|known| known == identities) {
            return Ok(());
        }
        if identities.is_empty() {
            return Ok(private_file::remove(&self.pointer())?);
        }
        let lines = identities
            .iter()
            .map(|path| format!("{}\n", path.display()));
        let text: String = lines.collect();
        Ok(private_file::replace(&self.pointer(), text.as_bytes())?)
    }

    fn opened_by_identity(&self) -> StoreError {
        StoreError::OtherKey {
            path: self.path.clone(),
            opener: "an age identity, not by a passphrase",
            hint: "ac-cred unlock --identity FILE",
        }
    }

    /// The key that no person has to give.
    fn key_at_hand(&self, lockwork: Option<Lockwork>) -> Result<Key, StoreError> {
        if lockwork != Some(Lockwork::Passphrase) {
            let identities = self.identity_files()?;
            if !identities.is_empty() {
                return Key::from_identity_files(&identities);
            }
        }
        match &self.passphrase_file {
            _ if lockwork == Some(Lockwork::Identity) => Err(self.opened_by_identity()),
            Some(path) => Key::from_passphrase_file(path),
            None => Err(StoreError::Locked(self.path.clone())),
        }
    }

    /// The passphrase given before, or what is in the file named for it or for identities: a file is
    /// read again each time, so that a person who changes it need not restart the daemon.
    pub(super) fn key(&self, state: &State, lockwork: Option<Lockwork>) -> Result<Key, StoreError> {
        match &state.passphrase {
            Some(sealed) if lockwork != Some(Lockwork::Identity) => {
                let passphrase = Passphrase::parse(&self.shield.open(sealed)?);
                passphrase
                    .map(Key::Passphrase)
                    .map_err(|_| ShieldError.into())
            }
            _ if self.is_shut() => Err(StoreError::Locked(self.path.clone())),
            _ => self.key_at_hand(lockwork),
        }
    }

    /// Refuses to look at a file that nothing at hand could open.
    pub(super) fn has_a_key(&self, state: &State) -> Result<(), StoreError> {
        let at_hand = || self.passphrase_file.is_some() || self.pointer().exists();
        if state.passphrase.is_some() || (!self.is_shut() && at_hand()) {
            return Ok(());
        }
        Err(StoreError::Locked(self.path.clone()))
    }
}
