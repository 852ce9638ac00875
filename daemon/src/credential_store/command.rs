//! The store that stores nothing: a command of the person's prints the credential when it is needed.
//!
//! What is kept, in a file of its own, is which command that is and what its credential is bound to:
//! `{"version":1,"commands":{"acme":{"command":["/usr/bin/pass","show","…"],"bound_to":{…}}}}`.
//! The settings name no program, so that nobody who can change those alone has one run.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ac_cred_proto::Org;
use ac_cred_proto::argv::Argv;
use ac_cred_proto::secret::{Credential, MAX_CREDENTIAL_LENGTH};
use serde::{Deserialize, Serialize};

use crate::auth_api::target::Binding;
use crate::child::Ended;
#[cfg(unix)]
use crate::credential_store::keyring;
use crate::credential_store::{CredentialStore, Record, StoreError};
use crate::helper;
use crate::private_file::{self, FileError, Privacy};

/// How long a command may take: a person may have to touch something.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The most that a command may print: a credential and what people keep below it.
const MAX_OUTPUT: usize = 8 * MAX_CREDENTIAL_LENGTH;

/// The longest file: some ten thousand commands.
const MAX_LENGTH: u64 = 16 * 1_024 * 1_024;

/// Where a command finds the programs that it needs, behind its own directory.
#[cfg(unix)]
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const FORMAT_VERSION: u32 = 1;

/// Why a command did not give a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// None is known.
    #[error("no command is said that prints the credential of {0}")]
    NotSaid(Org),
    /// Its program is not where it can be found without a search.
    #[error("the program of a command has to be an absolute path")]
    Relative,
    /// It failed.
    #[error("the command for the credential of {org} failed: {why}")]
    Failed {
        /// The organization.
        org: Org,
        /// What it complained of, or how it ended.
        why: String,
    },
    /// It printed something else.
    #[error("the command for the credential of {org} printed no credential: {why}")]
    NoCredential {
        /// The organization.
        org: Org,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    commands: BTreeMap<Org, Entry>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    command: Vec<String>,
    bound_to: Binding,
}

/// The commands that print credentials.
pub struct CommandStore {
    path: PathBuf,
}

impl CommandStore {
    /// The commands in the file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Runs a command, and takes the first line that it prints.
    ///
    /// # Errors
    ///
    /// [`CommandError`] when it cannot be run, fails, or prints something else.
    pub fn run(&self, org: &Org, argv: &Argv) -> Result<Credential, CommandError> {
        let program = Path::new(argv.program());
        if !program.is_absolute() {
            return Err(CommandError::Relative);
        }
        let failed = |why| CommandError::Failed {
            org: org.clone(),
            why,
        };
        let order = helper::becoming(program.as_os_str())
            .args(argv.arguments())
            .envs(environment(program))
            .current_dir(directory());
        let ended = order.run(DEADLINE, MAX_OUTPUT);
        let ended = ended.map_err(|error| failed(error.to_string()))?;
        if !ended.status.success() {
            return Err(failed(complaint(&ended)));
        }
        first_line(&ended.output).map_err(|why| CommandError::NoCredential {
            org: org.clone(),
            why,
        })
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        let bytes = match private_file::read(&self.path, Privacy::Secret, MAX_LENGTH) {
            Err(FileError::Missing(_)) => return Ok(Contents::default()),
            read => read?.0,
        };
        let damaged = |why| StoreError::Damaged {
            path: self.path.clone(),
            why,
        };
        let contents: Contents = serde_json::from_slice(&bytes)
            .map_err(|_| damaged("holds no commands of this version of ac-cred"))?;
        if contents.version == FORMAT_VERSION {
            Ok(contents)
        } else {
            Err(damaged("was written by another version of ac-cred"))
        }
    }

    /// Changes the file, under a lock that other writers take too.
    fn change(&self, change: impl FnOnce(&mut BTreeMap<Org, Entry>)) -> Result<(), StoreError> {
        let _lock = private_file::lock_beside(&self.path)?;
        let mut contents = self.contents()?;
        contents.version = FORMAT_VERSION;
        change(&mut contents.commands);
        let text = serde_json::to_vec_pretty(&contents).map_err(|_| StoreError::Damaged {
            path: self.path.clone(),
            why: "cannot be written as JSON",
        })?;
        Ok(private_file::replace(&self.path, &text)?)
    }

    fn exists(&self) -> bool {
        private_file::may_exist(&self.path)
    }
}

impl CredentialStore for CommandStore {
    fn load(&self, org: &Org) -> Result<Record, StoreError> {
        let mut contents = self.contents()?;
        let entry = contents.commands.remove(org);
        let entry = entry.ok_or_else(|| StoreError::Missing(org.clone()))?;
        let argv = Argv::new(entry.command.iter().map(String::as_str));
        let argv = argv.map_err(|_| CommandError::NotSaid(org.clone()))?;
        Ok(Record {
            credential: self.run(org, &argv)?,
            binding: entry.bound_to,
            command: Some(argv),
        })
    }

    fn save(&self, org: &Org, record: &Record) -> Result<(), StoreError> {
        let said = record.command.as_ref();
        let argv = said.ok_or_else(|| CommandError::NotSaid(org.clone()))?;
        let command = [argv.program()].into_iter().chain(argv.arguments());
        let entry = Entry {
            command: command.map(str::to_owned).collect(),
            bound_to: record.binding.clone(),
        };
        self.change(|commands| drop(commands.insert(org.clone(), entry)))
    }

    fn remove(&self, orgs: &[Org]) -> Result<(), StoreError> {
        if !self.exists() {
            return Ok(());
        }
        self.change(|commands| commands.retain(|org, _| !orgs.contains(org)))
    }

    fn copy(&self, from: &Org, to: &Org) -> Result<(), StoreError> {
        if !self.exists() {
            return Ok(());
        }
        self.change(|commands| {
            drop(match commands.get(from).cloned() {
                Some(entry) => commands.insert(to.clone(), entry),
                None => commands.remove(to),
            });
        })
    }

    /// Compares what is kept; the command is not run for it once more.
    fn keeps(&self, org: &Org, record: &Record) -> Result<bool, StoreError> {
        let contents = self.contents()?;
        let kept = contents.commands.get(org);
        Ok(kept.is_some_and(|entry| {
            let argv = Argv::new(entry.command.iter().map(String::as_str)).ok();
            argv == record.command && entry.bound_to == record.binding
        }))
    }
}

/// What a password manager needs to find its files, its agent and its helpers, and nothing of the
/// shell that happened to start the daemon; what a command needs besides, `env` can set for it.
#[cfg(unix)]
fn environment(program: &Path) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![
        ("PATH", search_path(program)),
        ("LANG", OsString::from("C.UTF-8")),
    ];
    let home = std::env::home_dir().map(|home| ("HOME", home.into_os_string()));
    variables.extend(home);
    variables.extend(runtime_directory());
    // Where there is no keyring, a command that needs one says so.
    variables.extend(keyring::environment().unwrap_or_default());
    variables
}

/// Windows has what a program needs in the daemon's own environment.
#[cfg(not(unix))]
fn environment(_program: &Path) -> Vec<(&'static str, OsString)> {
    Vec::new()
}

/// The home, and not where the daemon happens to have been started.
fn directory() -> PathBuf {
    let home = std::env::home_dir().filter(|home| home.is_dir());
    home.unwrap_or_else(|| PathBuf::from("/"))
}

/// The program's own directory, which brings its companions, then the system's.
#[cfg(unix)]
fn search_path(program: &Path) -> OsString {
    let mut path = OsString::new();
    if let Some(directory) = program.parent() {
        path.push(directory);
        path.push(":");
    }
    path.push(PATH);
    path
}

#[cfg(unix)]
fn runtime_directory() -> Option<(&'static str, OsString)> {
    use std::os::unix::fs::MetadataExt as _;
    let id = rustix::process::geteuid().as_raw();
    let path = format!("/run/user/{id}");
    let found = std::fs::symlink_metadata(&path).ok()?;
    (found.is_dir() && found.uid() == id).then(|| ("XDG_RUNTIME_DIR", path.into()))
}

fn complaint(ended: &Ended) -> String {
    if ended.complaint.is_empty() {
        ended.status.to_string()
    } else {
        ended.complaint.clone()
    }
}

/// The first line, which is where password managers keep the secret itself.
///
/// # Errors
///
/// What is wrong with it, without a word of it.
pub fn first_line(output: &[u8]) -> Result<Credential, String> {
    let text = std::str::from_utf8(output).map_err(|_| "it is not UTF-8".to_owned())?;
    let line = text.lines().next().unwrap_or_default();
    Credential::parse(line).map_err(|error| error.to_string())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn org(name: &str) -> Org {
        Org::parse(name).unwrap()
    }

    fn record(words: &[&str]) -> Record {
        Record {
            credential: Credential::parse("marker").unwrap(),
            binding: Binding {
                auth_url: "https://auth.example.com".to_owned(),
                ca_sha256: None,
                proxy: None,
                allow_http: false,
            },
            command: Argv::new(words.iter().copied()).ok(),
        }
    }

    #[test]
    fn a_command_is_kept_by_its_words_and_nothing_of_its_credential_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("commands.json");
        let store = CommandStore::new(path.clone());
        let kept = record(&["/usr/bin/pass", "show", "a b", "", "'\"$(id)"]);
        store.remove(&[org("acme")]).unwrap();
        assert!(!path.exists());
        store.save(&org("acme"), &kept).unwrap();
        store.save(&org("b"), &record(&["/bin/true"])).unwrap();
        assert!(store.keeps(&org("acme"), &kept).unwrap());
        assert!(!store.keeps(&org("b"), &kept).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains("marker") && text.contains("\"a b\""),
            "{text}"
        );
        store.copy(&org("acme"), &org("c")).unwrap();
        assert!(store.keeps(&org("acme"), &kept).unwrap());
        assert!(store.keeps(&org("c"), &kept).unwrap());
        store.copy(&org("none"), &org("acme")).unwrap();
        assert!(!store.keeps(&org("acme"), &kept).unwrap());
        store.remove(&[org("b"), org("c")]).unwrap();
        let missing = store.load(&org("c")).unwrap_err();
        assert!(matches!(missing, StoreError::Missing(_)), "{missing}");
    }

    #[test]
    fn what_is_no_file_of_commands_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("commands.json");
        let store = CommandStore::new(path.clone());
        for bad in ["", "{}", r#"{"version":2,"commands":{}}"#] {
            private_file::replace(&path, bad.as_bytes()).unwrap();
            assert!(store.load(&org("acme")).is_err(), "{bad}");
            assert!(store.save(&org("acme"), &record(&["/bin/true"])).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), bad);
        }
    }

    #[test]
    fn a_command_without_a_whole_path_is_not_run() {
        let store = CommandStore::new(PathBuf::from("/nonexistent"));
        let argv = Argv::new(["pass", "show"]).unwrap();
        let refused = store.run(&org("acme"), &argv).unwrap_err();
        assert_eq!(refused, CommandError::Relative);
    }

    #[test]
    fn the_secret_is_the_first_line() {
        let first = |text: &[u8]| first_line(text).map(|secret| secret.expose().to_owned());
        assert_eq!(first(b"key"), Ok("key".to_owned()));
        assert_eq!(first(b"key\r\nuser: x\n"), Ok("key".to_owned()));
        assert_eq!(first(b"\nkey"), Err("it is empty".to_owned()));
        assert!(first(b"no key here\n").is_err());
        assert!(first(b"\xff").is_err());
    }

    #[test]
    fn a_command_finds_its_companions_but_nothing_of_the_callers() {
        let variables = environment(Path::new("/opt/pass/bin/pass"));
        let names: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        let known = [
            "PATH",
            "LANG",
            "HOME",
            "XDG_RUNTIME_DIR",
            "DBUS_SESSION_BUS_ADDRESS",
        ];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        let path = variables[0].1.to_string_lossy();
        assert!(path.starts_with("/opt/pass/bin:/usr/local"), "{path}");
    }
}
