//! Credentials that can be told from everything else, so that a leak of one is found.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    sync::{Mutex, PoisonError},
};

/// Makes secrets and knows them again.
pub struct Secrets {
    seed: u64,
    made: Mutex<Vec<String>>,
}

impl Secrets {
    pub(super) fn new() -> Self {
        Self {
            // The only random number that the standard library gives.
            seed: RandomState::new().build_hasher().finish(),
            made: Mutex::new(Vec::new()),
        }
    }

    /// A new secret such as `marker-key-1f…-1+/=`: it has the marks of base64, and no other world
    /// has the same.
    #[must_use]
    pub fn fresh(&self, what: &str) -> String {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let secret = format!("marker-{what}-{:016x}-{}+/=", self.seed, made.len() + 1);
        made.push(secret.clone());
        secret
    }

    /// Every secret so far.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_secrets_are_the_same() {
        let (one, other) = (Secrets::new(), Secrets::new());
        let made = [one.fresh("key"), one.fresh("key"), other.fresh("key")];
        assert_ne!(made[0], made[1]);
        assert_ne!(made[0], made[2]);
        assert_eq!(one.all(), made[..2]);
        assert!(made[0].starts_with("marker-key-") && made[0].ends_with("+/="));
    }
}
