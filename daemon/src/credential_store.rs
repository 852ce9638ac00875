//! Where credentials rest, behind one small trait; each store is a file of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ac_cred_proto::argv::Argv;
use ac_cred_proto::secret::Credential;
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode, Org};

use crate::auth_api::target::Binding;
use crate::credential_store::command::{CommandError, CommandStore};
use crate::credential_store::file::FileStore;
use crate::credential_store::keyring::{KeyringError, KeyringStore};
use crate::credential_store::memory::MemoryStore;
use crate::credential_store::rename_note::RenameNote;
use crate::private_file::FileError;
use crate::shield::{Sealed, Shield, ShieldError};

pub mod command;
pub mod file;
pub mod keyring;
pub mod memory;
pub mod rename_note;

/// A credential and what it is bound to.
#[derive(Clone, Debug)]
pub struct Record {
    /// The credential.
    pub credential: Credential,
    /// Where it may be sent, and how.
    pub binding: Binding,
    /// What printed it, where it rests nowhere.
    pub command: Option<Argv>,
}

impl Record {
    /// Whether both are the same credential, bound to the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.credential.expose() == other.credential.expose() && self.binding == other.binding
    }
}

/// Why a store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It holds no credential of that organization.
    #[error("no credential of {0} rests in its store")]
    Missing(Org),
    /// It has to be unlocked first.
    #[error("the encrypted file {} is locked", .0.display())]
    Locked(PathBuf),
    /// The passphrase does not open it.
    #[error("the passphrase does not open {}", .0.display())]
    WrongPassphrase(PathBuf),
    /// The identities do not open it.
    #[error("the identities of {} do not open {}", .identities.display(), .path.display())]
    WrongIdentity {
        /// The encrypted file.
        path: PathBuf,
        /// The file of identities.
        identities: PathBuf,
    },
    /// It was encrypted with the other kind of key.
    #[error("{} is opened by {opener}", .path.display())]
    OtherKey {
        /// The encrypted file.
        path: PathBuf,
        /// What opens it.
        opener: &'static str,
        /// The command that takes it, or goes over to what was given.
        hint: &'static str,
    },
    /// The identities cannot be read from their file.
    #[error("the identity file {} {why}", .path.display())]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is nothing to unlock.
    #[error("there is no encrypted file {}", .0.display())]
    NotThere(PathBuf),
    /// What the file holds cannot be understood.
    #[error("{} {why}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The passphrase cannot be read from the file that was named for it.
    #[error("the passphrase file {} {why}", .path.display())]
    PassphraseFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A store gave back something else than it was given.
    #[error("the {0} does not keep what it is given")]
    NotKept(Store),
    /// The keyring did not do what was asked.
    #[error("{1}")]
    Keyring(Org, KeyringError),
    /// A command gave no credential.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A secret in memory was damaged.
    #[error(transparent)]
    Shield(#[from] ShieldError),
}

impl From<StoreError> for Denial {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Missing(org) => {
                Self::new(ErrorCode::LoginRequired, message).hint(format!("ac-cred login {org}"))
            }
            StoreError::Locked(_) | StoreError::WrongPassphrase(_) => {
                Self::new(ErrorCode::Locked, message).hint("ac-cred unlock")
            }
            StoreError::NotThere(_) => Self::new(ErrorCode::StoreUnreadable, message)
                .hint("ac-cred login ORG --store file"),
            StoreError::WrongIdentity { .. } => Self::new(ErrorCode::StoreUnreadable, message)
                .hint("ac-cred unlock --identity FILE"),
            StoreError::OtherKey { hint, .. } => {
                Self::new(ErrorCode::StoreUnreadable, message).hint(hint)
            }
            StoreError::NotKept(_)
            | StoreError::Damaged { .. }
            | StoreError::PassphraseFile { .. }
            | StoreError::IdentityFile { .. } => Self::new(ErrorCode::StoreUnreadable, message),
            StoreError::Keyring(org, error) => error.denial(&org),
            StoreError::Command(error) => error.into(),
            StoreError::File(error) => error.into(),
            StoreError::Shield(_) => Self::new(ErrorCode::Internal, message),
        }
    }
}

impl From<CommandError> for Denial {
    fn from(error: CommandError) -> Self {
        let message = error.to_string();
        match error {
            CommandError::NotSaid(org) => Self::new(ErrorCode::Usage, message).hint(format!(
                "ac-cred login {org} --store command -- PROGRAM ..."
            )),
            CommandError::Relative => Self::new(ErrorCode::Usage, message),
            CommandError::Failed { org, .. } | CommandError::NoCredential { org, .. } => {
                Self::new(ErrorCode::StoreUnreadable, message).hint(format!(
                    "ac-cred login {org} --store command -- PROGRAM ..."
                ))
            }
        }
    }
}

/// A place where credentials rest; every call may block.
pub trait CredentialStore: Send + Sync {
    /// The credential of an organization.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] when it holds none, others when it cannot tell.
    fn load(&self, org: &Org) -> Result<Record, StoreError>;

    /// Adds or replaces the credential of an organization; the others stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the store then holds what it held.
    fn save(&self, org: &Org, record: &Record) -> Result<(), StoreError>;

    /// Forgets the credentials of organizations, where it holds one; the others stay.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the store then holds what it held.
    fn remove(&self, orgs: &[Org]) -> Result<(), StoreError>;

    /// Has `to` hold what `from` holds: its credential, or none.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the store then holds what it held.
    fn copy(&self, from: &Org, to: &Org) -> Result<(), StoreError>;

    /// Whether what is stored of an organization, read back, is this record.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it cannot be read.
    fn keeps(&self, org: &Org, record: &Record) -> Result<bool, StoreError> {
        Ok(self.load(org)?.is(record))
    }
}

/// Every store of this daemon.
pub struct CredentialStores {
    memory: MemoryStore,
    file: FileStore,
    keyring: KeyringStore,
    command: CommandStore,
    rename_note: RenameNote,
}

impl CredentialStores {
    /// The stores, with the encrypted file at `path`, which need not exist, the file that may hold
    /// its passphrase, and beside it the commands and the note of a rename.
    ///
    /// # Errors
    ///
    /// [`ShieldError`] when the system gives no random bytes.
    pub fn new(path: PathBuf, passphrase_file: Option<PathBuf>) -> Result<Self, ShieldError> {
        Ok(Self {
            memory: MemoryStore::new(Shield::new()?),
            keyring: KeyringStore,
            command: CommandStore::new(path.with_file_name("commands.json")),
            rename_note: RenameNote::new(path.with_file_name("renaming.json")),
            file: FileStore::new(path, passphrase_file, Shield::new()?),
        })
    }

    /// The store of a kind.
    #[must_use]
    pub fn of(&self, store: Store) -> &dyn CredentialStore {
        match store {
            Store::File => &self.file,
            Store::Memory => &self.memory,
            Store::Keyring => &self.keyring,
            Store::Command => &self.command,
        }
    }

    /// The store in memory.
    #[must_use]
    pub fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    /// Drops every credential and passphrase from memory; what rests elsewhere stays there, out of
    /// reach until [`FileStore::unlock`].
    pub fn lock(&self) {
        self.lock_what_rests_elsewhere();
        self.memory.clear();
    }

    /// The same, but for what rests in memory only: nobody was there to say that it may be lost.
    pub fn lock_what_rests_elsewhere(&self) {
        self.file.lock();
    }

    /// The keyring of the system.
    #[must_use]
    pub fn keyring(&self) -> KeyringStore {
        self.keyring
    }

    /// The commands that print credentials.
    #[must_use]
    pub fn command(&self) -> &CommandStore {
        &self.command
    }

    /// The note of a rename.
    #[must_use]
    pub fn rename_note(&self) -> &RenameNote {
        &self.rename_note
    }

    /// The encrypted file.
    #[must_use]
    pub fn file(&self) -> &FileStore {
        &self.file
    }
}

/// Credentials in memory, each sealed.
#[derive(Default)]
struct SealedRecords(BTreeMap<Org, Box<(Sealed, Binding)>>);

impl SealedRecords {
    fn load(&self, shield: &Shield, org: &Org) -> Result<Record, StoreError> {
        let record = self.0.get(org);
        let record = record.ok_or_else(|| StoreError::Missing(org.clone()))?;
        let (sealed, binding) = &**record;
        let text = shield.open(sealed)?;
        let credential = Credential::parse(&text).map_err(|_| ShieldError)?;
        Ok(Record {
            credential,
            binding: binding.clone(),
            command: None,
        })
    }

    fn save(&mut self, shield: &Shield, org: &Org, record: &Record) -> Result<(), StoreError> {
        let sealed = shield.seal(record.credential.expose())?;
        let record = Box::new((sealed, record.binding.clone()));
        self.0.insert(org.clone(), record);
        Ok(())
    }

    fn remove(&mut self, orgs: &[Org]) -> bool {
        let before = self.0.len();
        self.0.retain(|org, _| !orgs.contains(org));
        self.0.len() < before
    }

    fn copy(&mut self, from: &Org, to: &Org) -> bool {
        match self.0.get(from).cloned() {
            Some(record) => {
                self.0.insert(to.clone(), record);
                true
            }
            None => self.0.remove(to).is_some(),
        }
    }
}
