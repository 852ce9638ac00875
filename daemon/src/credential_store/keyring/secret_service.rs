//! The Secret Service, over a session bus that belongs to the user.
//!
//! Nothing here waits for a person: what would need one is told as locked.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use ac_cred_proto::text::visible;
use dbus_secret_service::{Collection, EncryptionType, Error, Item, SecretService};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use zeroize::Zeroizing;

use super::{KeyringError, SERVICE};

/// The variable that names the session bus.
const ADDRESS_VARIABLE: &str = "DBUS_SESSION_BUS_ADDRESS";

/// The address by which programs are told that there is no bus.
const DISABLED: &str = "disabled:";

/// What stands for itself in an address (D-Bus Specification, "Server Addresses").
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'/')
    .remove(b'.')
    .remove(b'\\')
    .remove(b'*');

/// The variables of one that asks: the bus that belongs to the user, under the name by which the
/// library looks for it.
///
/// # Errors
///
/// [`KeyringError::Absent`] when there is no such bus.
pub(crate) fn environment() -> Result<Vec<(&'static str, OsString)>, KeyringError> {
    let said = std::env::var(ADDRESS_VARIABLE).unwrap_or_default();
    let usual = PathBuf::from(format!("/run/user/{}/bus", user_id()));
    bus(&said, usual)
        .map(|path| vec![(ADDRESS_VARIABLE, address_of(&path))])
        .ok_or_else(|| KeyringError::Absent("there is no session bus of yours".to_owned()))
}

/// The socket of the bus that an address names, or else the usual one, if it belongs to the user.
fn bus(said: &str, usual: PathBuf) -> Option<PathBuf> {
    if said == DISABLED {
        return None;
    }
    said.split(';')
        .filter_map(socket_of)
        .chain([usual])
        .find(|path| is_own_socket(path))
}

/// The path in an address such as `unix:path=/run/user/1000/bus,guid=…`.
fn socket_of(address: &str) -> Option<PathBuf> {
    let pairs = address.strip_prefix("unix:")?;
    let path = pairs
        .split(',')
        .find_map(|pair| pair.strip_prefix("path="))?;
    let path: Vec<u8> = percent_decode_str(path).collect();
    Some(PathBuf::from(OsString::from_vec(path))).filter(|path| path.is_absolute())
}

fn address_of(path: &Path) -> OsString {
    let escaped = percent_encode(path.as_os_str().as_bytes(), PLAIN);
    OsString::from(format!("unix:path={escaped}"))
}

fn is_own_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|found| found.file_type().is_socket() && found.uid() == user_id())
}

fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether a credential can be stored.
pub(super) fn check() -> Result<(), KeyringError> {
    open_collection(&connect()?).map(drop)
}

/// What is stored for a user.
pub(super) fn load(user: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    let service = connect()?;
    match found(&service, user)?.first() {
        Some(item) => item
            .get_secret()
            .map(Zeroizing::new)
            .map(Some)
            .map_err(told),
        // Some keyrings show nothing of what is locked.
        None => match service.get_default_collection() {
            Ok(collection) if collection.is_locked().map_err(told)? => Err(KeyringError::Locked),
            Ok(_) | Err(_) => Ok(None),
        },
    }
}

/// Stores text for a user, in place of what there was.
pub(super) fn save(user: &str, text: &[u8]) -> Result<(), KeyringError> {
    let service = connect()?;
    let there = found(&service, user)?;
    if let Some(item) = there.first() {
        return item.set_secret(text, "text/plain").map_err(told);
    }
    let label = format!("Appcircle credential ({user})");
    let collection = open_collection(&service)?;
    let created = collection.create_item(&label, attributes(user), text, true, "text/plain");
    created.map(drop).map_err(told)
}

/// Removes what is stored for a user.
pub(super) fn remove(user: &str) -> Result<(), KeyringError> {
    let service = connect()?;
    for item in found(&service, user)? {
        item.delete().map_err(told)?;
    }
    Ok(())
}

/// A connection that never asks a person. What crosses it is encrypted, so that no copy of a secret
/// stays in the library's buffers.
fn connect() -> Result<SecretService, KeyringError> {
    SecretService::connect_with_max_prompt_timeout(EncryptionType::Dh, 0).map_err(told)
}

fn attributes(user: &str) -> HashMap<&str, &str> {
    HashMap::from([("service", SERVICE), ("username", user)])
}

/// The items of a user, none of which is locked.
fn found<'a>(service: &'a SecretService, user: &str) -> Result<Vec<Item<'a>>, KeyringError> {
    let found = service.search_items(attributes(user)).map_err(told)?;
    if found.locked.is_empty() {
        Ok(found.unlocked)
    } else {
        Err(KeyringError::Locked)
    }
}

/// The collection in which items are made.
fn open_collection(service: &SecretService) -> Result<Collection<'_>, KeyringError> {
    let collection = service.get_default_collection().map_err(told)?;
    if collection.is_locked().map_err(told)? {
        return Err(KeyringError::Locked);
    }
    Ok(collection)
}

/// What an error of the library comes to.
#[expect(
    clippy::wildcard_enum_match_arm,
    clippy::needless_pass_by_value,
    reason = "the library may add errors, and `map_err` hands them over"
)]
fn told(error: Error) -> KeyringError {
    match &error {
        Error::Locked | Error::Prompt => KeyringError::Locked,
        Error::NoResult => KeyringError::Absent("it has no default collection".to_owned()),
        Error::Unavailable => KeyringError::Absent(String::new()),
        Error::Dbus(refused) => {
            let why = visible(refused.message().unwrap_or_default());
            match refused.name().unwrap_or_default() {
                "org.freedesktop.DBus.Error.ServiceUnknown"
                | "org.freedesktop.DBus.Error.NoServer"
                | "org.freedesktop.DBus.Error.FileNotFound" => KeyringError::Absent(why),
                "org.freedesktop.Secret.Error.IsLocked" => KeyringError::Locked,
                _ => KeyringError::Failed(why),
            }
        }
        other => KeyringError::Failed(visible(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_a_socket_of_the_user_is_a_bus() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let _own = UnixListener::bind(at("own, it = 1")).unwrap();
        let _usual = UnixListener::bind(at("usual")).unwrap();
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink(at("usual"), at("link")).unwrap();
        let address = address_of(&at("own, it = 1")).into_string().unwrap();
        assert_eq!(bus(&address, at("usual")), Some(at("own, it = 1")));
        let listed = format!("unix:abstract=/x;{address},guid=00");
        assert_eq!(bus(&listed, at("usual")), Some(at("own, it = 1")));
        for ignored in [
            String::new(),
            "unix:abstract=/tmp/dbus".to_owned(),
            "tcp:host=127.0.0.1,port=1".to_owned(),
            "unix:path=own".to_owned(),
            "unixexec:path=/bin/sh".to_owned(),
            format!("unix:path={}", at("file").display()),
            format!("unix:path={}", at("link").display()),
            format!("unix:path={}", at("none").display()),
        ] {
            assert_eq!(bus(&ignored, at("usual")), Some(at("usual")), "{ignored}");
            assert_eq!(bus(&ignored, at("file")), None, "{ignored}");
        }
        assert_eq!(bus(DISABLED, at("usual")), None);
    }

    #[test]
    fn a_socket_of_somebody_else_is_no_bus() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bus");
        let _listener = UnixListener::bind(&path).unwrap();
        // Only root can give one away.
        if std::os::unix::fs::chown(&path, Some(user_id() + 1), None).is_ok() {
            assert!(!is_own_socket(&path));
        }
    }
}
