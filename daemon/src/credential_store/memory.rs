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
        self.held().0.keys().cloned().collect()
    }

    /// Everything that it holds, for another daemon.
    ///
    /// # Errors
    ///
    /// [`StoreError::Shield`] when a secret was damaged.
    pub fn records(&self) -> Result<Vec<(Org, Record)>, StoreError> {
        let records = self.held();
        let load = |org: &Org| Ok((org.clone(), records.load(&self.shield, org)?));
        records.0.keys().map(load).collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.held() = SealedRecords::default();
    }

    fn held(&self) -> MutexGuard<'_, SealedRecords> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CredentialStore for MemoryStore {
    fn load(&self, org: &Org) -> Result<Record, StoreError> {
        self.held().load(&self.shield, org)
    }

    fn save(&self, org: &Org, record: &Record) -> Result<(), StoreError> {
        self.held().save(&self.shield, org, record)
    }

    fn remove(&self, orgs: &[Org]) -> Result<(), StoreError> {
        self.held().remove(orgs);
        Ok(())
    }

    fn copy(&self, from: &Org, to: &Org) -> Result<(), StoreError> {
        self.held().copy(from, to);
        Ok(())
    }
}
