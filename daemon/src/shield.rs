//! Secrets at rest in memory, encrypted under a key of this process, so that no stray read of the
//! heap and no page that is swapped out has one: the key is kept in memory where the system allows.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

/// The system gave no random bytes, or a sealed secret was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret in memory could not be sealed or opened")]
pub struct ShieldError;

/// The key under which this process keeps secrets; it never leaves the process.
pub struct Shield {
    // Let go of before the page is freed.
    _lock: Option<region::LockGuard>,
    key: Box<Page>,
    random: SystemRandom,
}

/// A page for the key alone, as memory is locked by the page.
#[repr(align(4096))]
struct Page(LessSafeKey);

/// A secret under the shield's key.
#[derive(Clone)]
pub struct Sealed {
    nonce: [u8; NONCE_LEN],
    bytes: Vec<u8>,
}

impl Shield {
    /// A shield with a new random key.
    ///
    /// # Errors
    ///
    /// [`ShieldError`] when the system gives no random bytes.
    pub fn new() -> Result<Self, ShieldError> {
        let random = SystemRandom::new();
        let mut key = Zeroizing::new(vec![0; CHACHA20_POLY1305.key_len()]);
        random.fill(&mut key).map_err(|_| ShieldError)?;
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|_| ShieldError)?;
        let key = Box::new(Page(LessSafeKey::new(key)));
        Ok(Self {
            // The system may allow none; the key is then as safe as the rest of the memory.
            _lock: region::lock(&raw const *key, size_of::<Page>()).ok(),
            key,
            random,
        })
    }

    /// Encrypts a secret.
    ///
    /// # Errors
    ///
    /// [`ShieldError`] when the system gives no random bytes.
    pub fn seal(&self, secret: &str) -> Result<Sealed, ShieldError> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| ShieldError)?;
        let mut bytes = Vec::with_capacity(secret.len() + CHACHA20_POLY1305.tag_len());
        bytes.extend_from_slice(secret.as_bytes());
        self.key
            .0
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut bytes,
            )
            .map_err(|_| ShieldError)?;
        Ok(Sealed { nonce, bytes })
    }

    /// Decrypts a secret into a buffer that is wiped.
    ///
    /// # Errors
    ///
    /// [`ShieldError`] when `sealed` is not of this shield.
    pub fn open(&self, sealed: &Sealed) -> Result<Zeroizing<String>, ShieldError> {
        let mut bytes = Zeroizing::new(sealed.bytes.clone());
        let nonce = Nonce::assume_unique_for_key(sealed.nonce);
        let plain = self
            .key
            .0
            .open_in_place(nonce, Aad::empty(), &mut bytes)
            .map_err(|_| ShieldError)?;
        let text = std::str::from_utf8(plain).map_err(|_| ShieldError)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_secret_does_not_show_and_opens_again() {
        let shield = Shield::new().unwrap();
        let sealed = shield.seal("marker-secret").unwrap();
        assert!(!sealed.bytes.windows(6).any(|window| window == b"marker"));
        assert_eq!(shield.open(&sealed).unwrap().as_str(), "marker-secret");
    }

    #[test]
    fn what_another_shield_sealed_does_not_open() {
        let sealed = Shield::new().unwrap().seal("x").unwrap();
        assert!(Shield::new().unwrap().open(&sealed).is_err());
    }
}
