//! The store that is the keyring of the system: Secret Service, Keychain or Credential Manager.
//!
//! An item for each organization holds `{"version":1,"secret":"…","bound_to":{…}}`, as text, since
//! some keyrings take nothing else.
//!
//! Each question is asked by another run of this program, which is killed when it takes too long: a
//! keyring may wait for a person, or hang, for ever. What parses a keyring's bytes is then not in
//! the process that holds all secrets, and the bus is looked for anew each time.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::process::ExitStatus;
use std::time::Duration;

use ac_cred_proto::secret::{Credential, MAX_CREDENTIAL_LENGTH};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode, Org};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::auth_api::target::Binding;
use crate::child::{ChildError, Ended};
use crate::credential_store::{CredentialStore, Record, StoreError};
use crate::helper;

#[cfg(any(target_os = "macos", windows))]
mod native;
#[cfg(not(any(target_os = "macos", windows)))]
mod secret_service;

#[cfg(any(target_os = "macos", windows))]
use native as system;
#[cfg(not(any(target_os = "macos", windows)))]
use secret_service as system;

#[cfg(unix)]
pub(crate) use system::environment;
#[cfg(windows)]
use system::environment;

/// How long a keyring may take for an answer.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// The longest item: a credential and what it is bound to.
const MAX_ITEM: usize = 4 * MAX_CREDENTIAL_LENGTH;

/// The name under which all items are found.
const SERVICE: &str = "ac-cred";

const FORMAT_VERSION: u32 = 1;

/// Why a keyring did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none.
    #[error("no keyring answers here{}", because(.0))]
    Absent(String),
    /// A person has to unlock it, and is not asked to.
    #[error(
        "the keyring is locked: unlock it in the desktop's own dialogue, or where there is no \
         desktop start gnome-keyring-daemon --unlock anew, then try again"
    )]
    Locked,
    /// It was asked and did not answer.
    #[error("the keyring does not answer; it had {} seconds", DEADLINE.as_secs())]
    Silent,
    /// It answered with a failure.
    #[error("the keyring failed{}", because(.0))]
    Failed(String),
    /// It holds what is no credential.
    #[error("the keyring holds no credential of this version of ac-cred")]
    Damaged,
}

impl KeyringError {
    /// What the person is told whose organization's credential was sought.
    #[must_use]
    pub fn denial(&self, org: &Org) -> Denial {
        match self {
            Self::Locked => Denial::new(ErrorCode::Locked, self.to_string()),
            Self::Absent(_) | Self::Silent | Self::Failed(_) | Self::Damaged => {
                Denial::new(ErrorCode::StoreUnreadable, self.to_string())
                    .hint(format!("ac-cred login {org} --store file"))
            }
        }
    }
}

fn because(why: &str) -> String {
    if why.is_empty() {
        String::new()
    } else {
        format!(" ({why})")
    }
}

/// What a keyring is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// Say whether a credential can be stored.
    Check,
    Load,
    Save,
    Remove,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Check, Self::Load, Self::Save, Self::Remove];

    fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Load => "load",
            Self::Save => "save",
            Self::Remove => "remove",
        }
    }
}

/// The exit codes of the program that asks.
const DONE: u8 = 0;
const MISSING: u8 = 10;
const LOCKED: u8 = 11;
const ABSENT: u8 = 12;
const FAILED: u8 = 13;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item<'a> {
    version: u32,
    #[serde(borrow)]
    secret: Cow<'a, str>,
    bound_to: Binding,
}

/// The keyring of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyringStore;

impl KeyringStore {
    /// Whether a credential can be stored now.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] with the reason why it cannot.
    pub fn check(self) -> Result<(), KeyringError> {
        ask(Operation::Check, "", Zeroizing::default()).map(drop)
    }
}

impl CredentialStore for KeyringStore {
    fn load(&self, org: &Org) -> Result<Record, StoreError> {
        let found = ask(Operation::Load, &user(org), Zeroizing::default()).map_err(of(org))?;
        let item = found.ok_or_else(|| StoreError::Missing(org.clone()))?;
        read(&item).map_err(of(org))
    }

    fn save(&self, org: &Org, record: &Record) -> Result<(), StoreError> {
        let item = Item {
            version: FORMAT_VERSION,
            secret: Cow::Borrowed(record.credential.expose()),
            bound_to: record.binding.clone(),
        };
        // Not to be moved while it grows.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_ITEM));
        let written = serde_json::to_writer(&mut *text, &item).map_err(|_| KeyringError::Damaged);
        let saved = written.and_then(|()| ask(Operation::Save, &user(org), text));
        saved.map_err(of(org))?;
        Ok(())
    }

    fn remove(&self, orgs: &[Org]) -> Result<(), StoreError> {
        for org in orgs {
            ask(Operation::Remove, &user(org), Zeroizing::default()).map_err(of(org))?;
        }
        Ok(())
    }

    fn copy(&self, from: &Org, to: &Org) -> Result<(), StoreError> {
        let record = match self.load(from) {
            Err(StoreError::Missing(_)) => return self.remove(std::slice::from_ref(to)),
            loaded => loaded?,
        };
        self.save(to, &record)?;
        // What it says is kept may be another's to keep: it is read back before one is removed.
        if self.keeps(to, &record)? {
            Ok(())
        } else {
            Err(StoreError::NotKept(Store::Keyring))
        }
    }
}

fn of(org: &Org) -> impl FnOnce(KeyringError) -> StoreError {
    let org = org.clone();
    |error| StoreError::Keyring(org, error)
}

fn user(org: &Org) -> String {
    format!("org:{org}")
}

/// Reads an item of a keyring.
///
/// # Errors
///
/// [`KeyringError::Damaged`] where it is not one of this version of ac-cred.
pub fn read(item: &[u8]) -> Result<Record, KeyringError> {
    let item: Item<'_> = serde_json::from_slice(item).map_err(|_| KeyringError::Damaged)?;
    if item.version != FORMAT_VERSION {
        return Err(KeyringError::Damaged);
    }
    Ok(Record {
        credential: Credential::parse(&item.secret).map_err(|_| KeyringError::Damaged)?,
        binding: item.bound_to,
        command: None,
    })
}

/// Asks the keyring from another process; nothing when it holds no such item.
fn ask(
    operation: Operation,
    user: &str,
    input: Zeroizing<Vec<u8>>,
) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    let order = helper::asking_keyring(operation.as_str(), user)
        .envs(environment()?)
        .input(input);
    match order.run(DEADLINE, MAX_ITEM) {
        Ok(ended) => understood(ended),
        Err(ChildError::Late) => Err(KeyringError::Silent),
        Err(error) => Err(KeyringError::Failed(error.to_string())),
    }
}

fn understood(ended: Ended) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
    match code(ended.status) {
        Some(DONE) => Ok(Some(ended.output)),
        Some(MISSING) => Ok(None),
        Some(LOCKED) => Err(KeyringError::Locked),
        Some(ABSENT) => Err(KeyringError::Absent(ended.complaint)),
        Some(_) | None => Err(KeyringError::Failed(ended.complaint)),
    }
}

fn code(status: ExitStatus) -> Option<u8> {
    status.code().and_then(|code| u8::try_from(code).ok())
}

/// Asks the keyring on behalf of the daemon: an item comes on standard input, or goes to standard
/// output; the exit code tells the rest.
pub(crate) fn answer(mut words: impl Iterator<Item = OsString>) -> u8 {
    let operation = words.next().unwrap_or_default();
    let user = words.next().unwrap_or_default();
    let done = Operation::ALL
        .into_iter()
        .find(|known| operation == known.as_str())
        .ok_or_else(|| KeyringError::Failed("there is no such operation".to_owned()))
        .and_then(|operation| carry_out(operation, &user.to_string_lossy()));
    let (code, complaint) = match done {
        Ok(true) => (DONE, String::new()),
        Ok(false) => (MISSING, String::new()),
        Err(KeyringError::Locked) => (LOCKED, String::new()),
        Err(KeyringError::Absent(why)) => (ABSENT, why),
        Err(KeyringError::Failed(why)) => (FAILED, why),
        Err(error @ (KeyringError::Silent | KeyringError::Damaged)) => (FAILED, error.to_string()),
    };
    // The daemon reads it; where it has ended, nobody does.
    writeln!(std::io::stderr(), "{complaint}").ok();
    code
}

fn carry_out(operation: Operation, user: &str) -> Result<bool, KeyringError> {
    let failed = |error: std::io::Error| KeyringError::Failed(error.to_string());
    match operation {
        Operation::Check => system::check().map(|()| true),
        Operation::Load => match system::load(user)? {
            Some(item) => {
                std::io::stdout().write_all(&item).map_err(failed)?;
                std::io::stdout().flush().map_err(failed)?;
                Ok(true)
            }
            None => Ok(false),
        },
        Operation::Save => {
            let mut item = Zeroizing::new(Vec::with_capacity(MAX_ITEM));
            let limit = u64::try_from(MAX_ITEM).unwrap_or(u64::MAX);
            let mut input = std::io::stdin().take(limit);
            input.read_to_end(&mut item).map_err(failed)?;
            system::save(user, &item).map(|()| true)
        }
        Operation::Remove => system::remove(user).map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_of_another_form_is_no_credential() {
        let bound = r#"{"auth_url":"https://x","ca_sha256":null,"proxy":null,"allow_http":false}"#;
        let good = format!(r#"{{"version":1,"secret":"marker","bound_to":{bound}}}"#);
        let record = read(good.as_bytes()).unwrap();
        assert_eq!(record.credential.expose(), "marker");
        assert_eq!(record.binding.auth_url, "https://x");
        for bad in [
            String::new(),
            "marker".to_owned(),
            good.replace("\"version\":1", "\"version\":2"),
            good.replace("\"marker\"", "\"a b\""),
            good.replace("\"secret\"", "\"key\""),
        ] {
            let refused = read(bad.as_bytes()).unwrap_err();
            assert_eq!(refused, KeyringError::Damaged, "{bad}");
            assert!(!refused.to_string().contains("marker"));
        }
    }
}
