//! The store that is gone when the daemon stops.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ac_cred_proto::Org;

use crate::credential_store::{CredentialStore, Record, SealedRecords, StoreError};
use crate::shield::Shield;

/// Credentials in the daemon's memory.
pub struct MemoryStore {
    shield: Shield,
    records: Mutex<SealedRecords>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(shield: Shield) -> Self {
        Self {
            shield,
            records: Mutex::default(),
        }
    }

    /// The organizations whose credentials it holds.
    #[must_use]
    pub fn organizations(&self) -> Vec<Org> {
        self.records().0.keys().cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.records() = SealedRecords::default();
    }

    fn records(&self) -> MutexGuard<'_, SealedRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialStore for MemoryStore {
    fn load(&self, org: &Org) -> Result<Record, StoreError> {
        self.records().load(&self.shield, org)
    }

    fn save(&self, org: &Org, record: &Record) -> Result<(), StoreError> {
        self.records().save(&self.shield, org, record)
    }

    fn remove(&self, orgs: &[Org]) -> Result<(), StoreError> {
        self.records().remove(orgs);
        Ok(())
    }

    fn copy(&self, from: &Org, to: &Org) -> Result<(), StoreError> {
        self.records().copy(from, to);
        Ok(())
    }
}
