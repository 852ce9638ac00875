//! The Keychain of macOS and the Credential Manager of Windows.

use std::collections::HashMap;
use std::ffi::OsString;

use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::{KeyringError, SERVICE};

#[cfg(target_os = "macos")]
use apple_native_keyring_store::keychain::Store;
#[cfg(windows)]
use windows_native_keyring_store::Store;

/// On this machine alone, where the system would otherwise carry it to others.
#[cfg(windows)]
const MODIFIERS: [(&str, &str); 1] = [("persistence", "Local")];
#[cfg(target_os = "macos")]
const MODIFIERS: [(&str, &str); 0] = [];

/// The variables of one that asks: the keychain lies in the home.
///
/// # Errors
///
/// None; elsewhere there may be no keyring to ask.
pub(crate) fn environment() -> Result<Vec<(&'static str, OsString)>, KeyringError> {
    let home = std::env::home_dir().map(|home| ("HOME", home.into_os_string()));
    Ok(home.into_iter().collect())
}

/// Whether a credential can be stored.
pub(super) fn check() -> Result<(), KeyringError> {
    entry("check").map(drop)
}

/// What is stored for a user.
pub(super) fn load(user: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    there(entry(user)?.get_secret().map(Zeroizing::new))
}

/// Stores text for a user, in place of what there was.
pub(super) fn save(user: &str, text: &[u8]) -> Result<(), KeyringError> {
    entry(user)?.set_secret(text).map_err(told)
}

/// Removes what is stored for a user.
pub(super) fn remove(user: &str) -> Result<(), KeyringError> {
    there(entry(user)?.delete_credential()).map(drop)
}

fn entry(user: &str) -> Result<Entry, KeyringError> {
    let store = Store::new().map_err(told)?;
    let modifiers = HashMap::from(MODIFIERS);
    store.build(SERVICE, user, Some(&modifiers)).map_err(told)
}

fn there<T>(result: Result<T, Error>) -> Result<Option<T>, KeyringError> {
    match result {
        Err(Error::NoEntry) => Ok(None),
        result => result.map(Some).map_err(told),
    }
}

/// What an error of the library comes to; its text never holds a secret.
#[expect(
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    reason = "the library may add errors, and `map_err` hands them over"
)]
fn told(error: Error) -> KeyringError {
    match error {
        Error::NoStorageAccess(_) => KeyringError::Locked,
        Error::TooLong(_, limit) => {
            KeyringError::Failed(format!("it takes no more than {limit} bytes"))
        }
        Error::PlatformFailure(source) => KeyringError::Failed(source.to_string()),
        _ => KeyringError::Failed("it cannot be used".to_owned()),
    }
}
