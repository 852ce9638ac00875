//! The store that is one age-encrypted file, which `age --decrypt` opens with the same passphrase.
//!
//! Inside is JSON: `{"version":1,"credentials":{"acme":{"secret":"…","bound_to":{…}}}}`.
//! The passphrase is asked once in a daemon's life and kept sealed, since every change encrypts the
//! file anew.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ac_cred_proto::Org;
use ac_cred_proto::secret::{Credential, Passphrase};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::auth_api::target::Binding;
use crate::credential_store::{CredentialStore, Record, SealedRecords, StoreError};
use crate::private_file::{self, FileError, Privacy, Stamp};
use crate::shield::{Sealed, Shield};

/// scrypt with 2^16 rounds of 1 KiB: 64 MiB and a fraction of a second for each guess.
const WORK_FACTOR: u8 = 16;

/// The hardest file that is opened: 1 GiB of memory; more would let a foreign file exhaust it.
const MAX_WORK_FACTOR: u8 = 20;

/// The longest encrypted file, some ten thousand credentials.
const MAX_LENGTH: u64 = 16 * 1_024 * 1_024;

/// The longest file with a passphrase.
const MAX_PASSPHRASE_FILE: u64 = 16 * 1_024;

const FORMAT_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents<'a> {
    version: u32,
    #[serde(borrow)]
    credentials: BTreeMap<Org, Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    secret: Cow<'a, str>,
    bound_to: Binding,
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
    /// The state of the file that `records` were read from.
    seen: Option<Stamp>,
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
        self.is_shut() || (self.exists() && !self.has_passphrase())
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
        std::fs::symlink_metadata(&self.path).is_ok()
    }

    /// Whether a passphrase is known, or a file to read it from.
    #[must_use]
    pub fn has_passphrase(&self) -> bool {
        !self.is_shut() && (self.passphrase_file.is_some() || self.is_open.load(Ordering::Acquire))
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

    /// Opens the file, or chooses the passphrase of one that is not there yet.
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
        let passphrase = match passphrase {
            Some(passphrase) => passphrase,
            None => self.passphrase_from_file()?,
        };
        let (records, seen) = match self.read(&passphrase) {
            Err(StoreError::File(FileError::Missing(_))) if create => {
                (SealedRecords::default(), None)
            }
            Err(StoreError::File(FileError::Missing(path))) => {
                return Err(StoreError::NotThere(path));
            }
            read => read.map(|(records, stamp)| (records, Some(stamp)))?,
        };
        let sealed = self
            .shield
            .seal(secrecy::ExposeSecret::expose_secret(passphrase.as_secret()))?;
        *self.state() = State {
            passphrase: Some(sealed),
            records,
            seen,
        };
        self.is_open.store(true, Ordering::Release);
        self.is_shut.store(false, Ordering::Release);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passphrase_from_file(&self) -> Result<Passphrase, StoreError> {
        let path = self
            .passphrase_file
            .as_deref()
            .ok_or_else(|| StoreError::Locked(self.path.clone()))?;
        let wrong = |why| StoreError::PassphraseFile {
            path: path.to_owned(),
            why,
        };
        let (bytes, _) = private_file::read(path, Privacy::Secret, MAX_PASSPHRASE_FILE)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8"))?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        Passphrase::parse(line.strip_suffix('\r').unwrap_or(line))
            .map_err(|_| wrong("does not hold one line"))
    }

    /// The passphrase given before, or the one in the file named for it: a passphrase is read again
    /// each time, so that a person who changes it need not restart the daemon.
    fn passphrase(&self, state: &State) -> Result<Passphrase, StoreError> {
        match &state.passphrase {
            Some(sealed) => Passphrase::parse(&self.shield.open(sealed)?)
                .map_err(|_| crate::shield::ShieldError.into()),
            None if self.is_shut() => Err(StoreError::Locked(self.path.clone())),
            None => self.passphrase_from_file(),
        }
    }

    /// The records of the file as it is, read anew where it has changed.
    fn bring_up_to_date(&self, state: &mut State) -> Result<(), StoreError> {
        if state.seen.is_some() && private_file::stamp(&self.path) == state.seen {
            return Ok(());
        }
        let passphrase = self.passphrase(state)?;
        (state.records, state.seen) = match self.read(&passphrase) {
            Err(StoreError::File(FileError::Missing(_))) => (SealedRecords::default(), None),
            read => read.map(|(records, stamp)| (records, Some(stamp)))?,
        };
        Ok(())
    }

    fn read(&self, passphrase: &Passphrase) -> Result<(SealedRecords, Stamp), StoreError> {
        let (encrypted, stamp) = private_file::read(&self.path, Privacy::Secret, MAX_LENGTH)?;
        let mut identity = age::scrypt::Identity::new(passphrase.as_secret().clone());
        identity.set_max_work_factor(MAX_WORK_FACTOR);
        let plain = age::decrypt(&identity, &encrypted).map_err(|error| self.not_opened(&error))?;
        let plain = Zeroizing::new(plain);
        let damaged = |why| StoreError::Damaged {
            path: self.path.clone(),
            why,
        };
        let contents: Contents<'_> = serde_json::from_slice(&plain)
            .map_err(|_| damaged("holds no credentials of this version of ac-cred"))?;
        if contents.version != FORMAT_VERSION {
            return Err(damaged("was written by another version of ac-cred"));
        }
        let mut records = SealedRecords::default();
        for (org, entry) in contents.credentials {
            let credential = Credential::parse(&entry.secret)
                .map_err(|_| damaged("holds what is no credential"))?;
            records.save(
                &self.shield,
                &org,
                &Record {
                    credential,
                    binding: entry.bound_to,
                },
            )?;
        }
        Ok((records, stamp))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what else age can say comes to the same"
    )]
    fn not_opened(&self, error: &age::DecryptError) -> StoreError {
        let path = self.path.clone();
        match error {
            age::DecryptError::DecryptionFailed => StoreError::WrongPassphrase(path),
            age::DecryptError::ExcessiveWork { .. } => StoreError::Damaged {
                path,
                why: "asks for too much work to be opened",
            },
            age::DecryptError::NoMatchingKeys => StoreError::Damaged {
                path,
                why: "was not encrypted with a passphrase",
            },
            _ => StoreError::Damaged {
                path,
                why: "is damaged or no age file",
            },
        }
    }

    /// Changes the records and writes them, under a lock that other writers take too.
    fn change(
        &self,
        change: impl FnOnce(&mut SealedRecords) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        let passphrase = self.passphrase(&state)?;
        let _lock = private_file::lock_beside(&self.path)?;
        self.bring_up_to_date(&mut state)?;
        if !change(&mut state.records)? {
            return Ok(());
        }
        let written = self.write(&state.records, &passphrase);
        // What was not written is not held either: the next call reads the file again.
        state.seen = written
            .is_ok()
            .then(|| private_file::stamp(&self.path))
            .flatten();
        written
    }

    fn write(&self, records: &SealedRecords, passphrase: &Passphrase) -> Result<(), StoreError> {
        let mut opened = Vec::with_capacity(records.0.len());
        for (org, (sealed, binding)) in &records.0 {
            opened.push((org, self.shield.open(sealed)?, binding));
        }
        let credentials = opened.iter().map(|(org, secret, binding)| {
            (
                (*org).clone(),
                Entry {
                    secret: Cow::Borrowed(secret.as_str()),
                    bound_to: (*binding).clone(),
                },
            )
        });
        let contents = Contents {
            version: FORMAT_VERSION,
            credentials: credentials.collect(),
        };
        let damaged = |why| StoreError::Damaged {
            path: self.path.clone(),
            why,
        };
        let plain = Zeroizing::new(
            serde_json::to_vec(&contents).map_err(|_| damaged("cannot be written as JSON"))?,
        );
        let mut recipient = age::scrypt::Recipient::new(passphrase.as_secret().clone());
        recipient.set_work_factor(WORK_FACTOR);
        let encrypted =
            age::encrypt(&recipient, &plain).map_err(|_| damaged("cannot be encrypted"))?;
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

    fn rename(&self, old: &Org, new: &Org) -> Result<(), StoreError> {
        if !self.exists() {
            return Ok(());
        }
        self.change(|records| Ok(records.rename(old, new)))
    }
}

#[cfg(test)]
mod tests;
