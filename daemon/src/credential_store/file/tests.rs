//! The encrypted file: changed by one and by two, locked, damaged, and put where it is not safe.

use std::fs;
use std::path::Path;
use std::thread;

use ac_cred_proto::secret::{Credential, Passphrase};
use ac_cred_proto::{Denial, ErrorCode};
use tempfile::TempDir;

use super::*;
use crate::auth_api::target::Binding;

mod keys;

const PASSPHRASE: &str = "correct horse";

fn org(name: &str) -> Org {
    Org::parse(name).unwrap()
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::parse(text).unwrap()
}

fn record(secret: &str) -> Record {
    Record {
        credential: Credential::parse(secret).unwrap(),
        binding: Binding {
            auth_url: "https://auth.example.com".to_owned(),
            ca_sha256: Some("00ff".to_owned()),
            proxy: None,
            allow_http: false,
        },
        command: None,
    }
}

fn in_directory(home: &TempDir) -> PathBuf {
    home.path().join("ac-cred").join("credentials.age")
}

fn locked(path: &Path) -> FileStore {
    FileStore::new(path.to_owned(), None, Shield::new().unwrap())
}

/// A store that is unlocked; its file need not be there.
fn opened(path: &Path) -> FileStore {
    let store = locked(path);
    store.unlock(Some(passphrase(PASSPHRASE)), true).unwrap();
    store
}

/// What a store that is opened anew holds of these organizations.
fn held(path: &Path, names: &[&str]) -> Vec<Option<String>> {
    let store = opened(path);
    let secret = |name: &&str| match store.load(&org(name)) {
        Ok(record) => Some(record.credential.expose().to_owned()),
        Err(StoreError::Missing(_)) => None,
        Err(error) => panic!("{error}"),
    };
    names.iter().map(secret).collect()
}

/// Writes bytes as a file for its owner alone.
fn put(path: &Path, bytes: &[u8]) {
    private_file::replace(path, bytes).unwrap();
}

/// Contents under a passphrase that takes no time to try.
fn encrypted(contents: &str) -> Vec<u8> {
    let mut recipient = age::scrypt::Recipient::new(PASSPHRASE.to_owned().into());
    recipient.set_work_factor(2);
    age::encrypt(&recipient, contents.as_bytes()).unwrap()
}

/// The contents of a file that holds one credential.
fn contents(organization: &str, secret: &str) -> String {
    let entry = serde_json::json!({ "secret": secret, "bound_to": record("x").binding });
    serde_json::json!({ "version": 1, "credentials": { organization: entry } }).to_string()
}

fn error_of<T>(result: Result<T, StoreError>) -> Denial {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error.into(),
    }
}

/// Every way of using a store, each with what it leads to.
#[cfg(unix)]
fn uses(store: &FileStore) -> Vec<Result<(), StoreError>> {
    vec![
        store.unlock(Some(passphrase(PASSPHRASE)), false),
        store.unlock(Some(passphrase(PASSPHRASE)), true),
        store.load(&org("acme")).map(drop),
        store.save(&org("acme"), &record("new")),
        store.copy(&org("acme"), &org("beta")),
        store.remove(&[org("acme")]),
    ]
}

#[test]
fn a_change_of_one_credential_leaves_the_others() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a-1")));
    let store = opened(&path);
    store.save(&org("beta"), &record("b-1")).unwrap();
    store.save(&org("acme"), &record("a-2")).unwrap();
    store.copy(&org("beta"), &org("gamma")).unwrap();
    let some = |secret: &str| Some(secret.to_owned());
    let names = ["acme", "beta", "gamma"];
    assert_eq!(held(&path, &names), ["a-2", "b-1", "b-1"].map(some));
    store.copy(&org("none"), &org("beta")).unwrap();
    assert_eq!(held(&path, &names), [some("a-2"), None, some("b-1")]);
    store.remove(&[org("acme"), org("unknown")]).unwrap();
    assert_eq!(held(&path, &names), [None, None, some("b-1")]);
}

#[test]
fn a_written_file_opens_after_a_restart_with_all_that_was_bound() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    opened(&path).save(&org("acme"), &record("s3cret")).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert!(
        !bytes
            .windows(4)
            .any(|piece| piece == b"s3cr" || piece == b"acme")
    );
    let again = locked(&path);
    assert!(again.is_locked());
    again.unlock(Some(passphrase(PASSPHRASE)), false).unwrap();
    assert!(!again.is_locked());
    let loaded = again.load(&org("acme")).unwrap();
    assert_eq!(loaded.credential.expose(), "s3cret");
    assert_eq!(loaded.binding, record("s3cret").binding);
}

#[cfg(unix)]
#[test]
fn what_is_written_is_for_its_owner_alone_and_nothing_is_left_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    opened(&path).save(&org("acme"), &record("s")).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut names: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["credentials.age", "credentials.lock"]);
}

#[test]
fn a_wrong_passphrase_opens_nothing_and_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a")));
    let store = locked(&path);
    for create in [false, true] {
        let denial = error_of(store.unlock(Some(passphrase("wrong")), create));
        assert_eq!(denial.error, ErrorCode::Locked);
        assert_eq!(denial.hint.as_deref(), Some("ac-cred unlock"));
    }
    assert!(store.is_locked() && !store.opens_by_itself());
    store.unlock(Some(passphrase(PASSPHRASE)), false).unwrap();
    error_of(store.unlock(Some(passphrase("wrong")), false));
    assert_eq!(
        store.load(&org("acme")).unwrap().credential.expose(),
        "a",
        "it stays open"
    );
}

#[test]
fn a_locked_file_is_neither_read_nor_changed() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    let before = encrypted(&contents("acme", "a"));
    put(&path, &before);
    let store = locked(&path);
    for result in [
        store.load(&org("acme")).map(drop),
        store.save(&org("acme"), &record("new")),
        store.copy(&org("acme"), &org("beta")),
        store.remove(&[org("acme")]),
    ] {
        assert_eq!(error_of(result).error, ErrorCode::Locked);
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn where_no_file_is_nothing_is_missing_but_the_credential() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    let store = locked(&path);
    assert!(!store.is_locked() && !store.exists());
    assert_eq!(
        error_of(store.load(&org("acme"))).error,
        ErrorCode::LoginRequired
    );
    store.remove(&[org("acme")]).unwrap();
    store.copy(&org("acme"), &org("beta")).unwrap();
    assert!(matches!(
        store.unlock(Some(passphrase(PASSPHRASE)), false),
        Err(StoreError::NotThere(_))
    ));
    assert_eq!(
        error_of(store.save(&org("acme"), &record("a"))).error,
        ErrorCode::Locked
    );
    assert!(!path.exists(), "nothing was made");
}

#[test]
fn a_file_that_is_removed_takes_its_credentials_along() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a")));
    let store = opened(&path);
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        store.load(&org("acme")),
        Err(StoreError::Missing(_))
    ));
    store.save(&org("beta"), &record("b")).unwrap();
    assert_eq!(held(&path, &["acme", "beta"]), [None, Some("b".to_owned())]);
}

#[test]
fn a_file_that_was_replaced_is_read_again() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "old")));
    let store = opened(&path);
    put(&path, &encrypted(&contents("acme", "newer")));
    assert_eq!(
        store.load(&org("acme")).unwrap().credential.expose(),
        "newer"
    );
    let mut recipient = age::scrypt::Recipient::new("another".to_owned().into());
    recipient.set_work_factor(2);
    put(&path, &age::encrypt(&recipient, b"{}").unwrap());
    assert_eq!(error_of(store.load(&org("acme"))).error, ErrorCode::Locked);
    store
        .unlock(Some(passphrase("another")), false)
        .unwrap_err();
}

#[test]
fn two_stores_on_one_file_lose_no_change_of_each_other() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a")));
    let save_all = |names: [&str; 2]| {
        let store = opened(&path);
        for name in names {
            store.save(&org(name), &record(name)).unwrap();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| save_all(["b1", "b2"]));
        scope.spawn(|| save_all(["c1", "c2"]));
    });
    let names = ["acme", "b1", "b2", "c1", "c2"];
    let expected = ["a", "b1", "b2", "c1", "c2"].map(|secret| Some(secret.to_owned()));
    assert_eq!(held(&path, &names), expected);
}

#[test]
fn what_could_not_be_written_is_not_held_either() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a")));
    let before = fs::read(&path).unwrap();
    let store = opened(&path);
    let obstacle = path.with_extension("new");
    fs::create_dir(&obstacle).unwrap();
    assert_eq!(
        error_of(store.save(&org("acme"), &record("new"))).error,
        ErrorCode::StoreUnreadable
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(store.load(&org("acme")).unwrap().credential.expose(), "a");
}

#[test]
fn a_leftover_of_a_crash_is_in_nobodys_way() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    let store = opened(&path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let leftover = path.with_extension("new");
    fs::write(&leftover, "half").unwrap();
    store.save(&org("acme"), &record("a")).unwrap();
    assert!(!leftover.exists());
    assert_eq!(store.load(&org("acme")).unwrap().credential.expose(), "a");
}

/// A place for a file that was not written like this, and a store that finds it there.
struct Damaged {
    path: PathBuf,
    store: FileStore,
    _home: TempDir,
}

impl Damaged {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = in_directory(&home);
        put(&path, b"");
        Self {
            store: locked(&path),
            path,
            _home: home,
        }
    }

    /// Opening such a file fails, and changes neither the file nor what is known.
    fn check(&self, bytes: &[u8], given: &str) -> StoreError {
        fs::write(&self.path, bytes).unwrap();
        let opened = self.store.unlock(Some(passphrase(PASSPHRASE)), true);
        let error = opened.expect_err(given);
        assert!(
            matches!(
                error,
                StoreError::Damaged { .. } | StoreError::WrongPassphrase(_)
            ),
            "{given}: {error}"
        );
        let denial = error_of(self.store.save(&org("acme"), &record("new")));
        assert_eq!(denial.error, ErrorCode::Locked, "{given}");
        assert_eq!(fs::read(&self.path).unwrap(), bytes, "{given}");
        error
    }
}

#[test]
fn a_truncated_file_is_refused_and_left_as_it_is() {
    let whole = encrypted(&contents("acme", "a"));
    let damaged = Damaged::new();
    for length in 0..whole.len() {
        damaged.check(&whole[..length], &format!("cut after {length} bytes"));
    }
}

#[test]
fn a_file_with_a_flipped_bit_is_refused_and_left_as_it_is() {
    let whole = encrypted(&contents("acme", "a"));
    let damaged = Damaged::new();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        damaged.check(&flipped, &format!("bit {} of byte {at}", at % 8));
    }
}

#[test]
fn what_else_may_lie_there_is_refused() {
    let text = contents("acme", "marker");
    let damaged = Damaged::new();
    let too_hard = {
        let text = String::from_utf8_lossy(&encrypted(&text)).into_owned();
        text.replacen(" 2\n", " 21\n", 1).into_bytes()
    };
    for (bytes, told) in [
        (Vec::new(), "no age file"),
        (
            b"{\"version\":1,\"credentials\":{}}".to_vec(),
            "no age file",
        ),
        (
            b"-----BEGIN AGE ENCRYPTED FILE-----\n".to_vec(),
            "no age file",
        ),
        (too_hard, "too much work"),
        (encrypted(""), "no credentials"),
        (encrypted("marker"), "no credentials"),
        (encrypted("{}"), "no credentials"),
        (
            encrypted(&text.replace("\"version\":1", "\"version\":2")),
            "another version",
        ),
        (
            encrypted(&text.replace("\"version\":1", "\"version\":1,\"more\":1")),
            "no credentials",
        ),
        (
            encrypted(&text.replace("acme", "../acme")),
            "no credentials",
        ),
        (
            encrypted(&text.replace("marker", "marker with spaces")),
            "no credential",
        ),
        (encrypted(&text.replace("marker", "")), "no credential"),
    ] {
        let error = damaged.check(&bytes, told).to_string();
        assert!(error.contains(told), "{told}: {error}");
        assert!(!error.contains("marker"), "{error}");
    }
}

#[cfg(unix)]
mod unsafe_places {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    /// A file that is put there in an unsafe way: whoever uses it is told so, and it stays.
    fn check(spoil: impl Fn(&Path), told: &str, error: ErrorCode) {
        let home = tempfile::tempdir().unwrap();
        let path = in_directory(&home);
        put(&path, &encrypted(&contents("acme", "a")));
        let store = opened(&path);
        spoil(&path);
        for used in uses(&store) {
            let denial = error_of(used);
            assert!(denial.message.contains(told), "{told}: {denial}");
            assert_eq!(denial.error, error, "{told}");
            assert_eq!(
                denial.hint.is_some(),
                error == ErrorCode::UnsafeFiles,
                "{denial}"
            );
        }
        assert!(fs::symlink_metadata(&path).is_ok(), "it is still there");
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666] {
            let spoil = |path: &Path| set_mode(path, mode);
            check(spoil, "is open to others", ErrorCode::UnsafeFiles);
        }
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let spoil = |path: &Path| {
            let elsewhere = path.with_file_name("elsewhere");
            fs::rename(path, &elsewhere).unwrap();
            symlink(&elsewhere, path).unwrap();
        };
        check(spoil, "is a symbolic link", ErrorCode::UnsafeFiles);
        let dangling = |path: &Path| {
            fs::remove_file(path).unwrap();
            symlink("/nonexistent", path).unwrap();
        };
        check(dangling, "is a symbolic link", ErrorCode::UnsafeFiles);
    }

    #[test]
    fn a_file_with_a_second_name_is_refused() {
        let spoil = |path: &Path| fs::hard_link(path, path.with_file_name("second")).unwrap();
        check(spoil, "hard link", ErrorCode::UnsafeFiles);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_fifo_is_refused_and_not_waited_for() {
        let spoil = |path: &Path| {
            fs::remove_file(path).unwrap();
            let mode = rustix::fs::Mode::from_bits_truncate(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)
                .unwrap();
        };
        check(spoil, "not a regular file", ErrorCode::UnsafeFiles);
    }

    #[test]
    fn a_directory_is_refused() {
        let spoil = |path: &Path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        };
        check(spoil, "not a regular file", ErrorCode::UnsafeFiles);
    }

    #[test]
    fn a_file_that_is_too_long_is_refused_unread() {
        let spoil = |path: &Path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(MAX_LENGTH + 1).unwrap();
        };
        check(spoil, "longer than", ErrorCode::StoreUnreadable);
    }

    #[test]
    fn a_file_of_somebody_else_is_refused() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let spoil = |path: &Path| chown(path, Some(65_534), None).unwrap();
        check(spoil, "belongs to somebody else", ErrorCode::UnsafeFiles);
    }

    #[test]
    fn a_file_that_is_made_safe_again_serves_again() {
        let home = tempfile::tempdir().unwrap();
        let path = in_directory(&home);
        put(&path, &encrypted(&contents("acme", "a")));
        let store = opened(&path);
        set_mode(&path, 0o644);
        error_of(store.load(&org("acme")));
        set_mode(&path, 0o600);
        assert_eq!(store.load(&org("acme")).unwrap().credential.expose(), "a");
    }

    /// A file that is named for the passphrase, and whether the store can be read with it.
    fn check_passphrase_file(bytes: &[u8], mode: u32, told: Option<&str>) {
        let home = tempfile::tempdir().unwrap();
        let path = in_directory(&home);
        put(&path, &encrypted(&contents("acme", "a")));
        let named = home.path().join("passphrase");
        fs::write(&named, bytes).unwrap();
        set_mode(&named, mode);
        let store = FileStore::new(path, Some(named), Shield::new().unwrap());
        assert!(!store.is_locked());
        let loaded = store.load(&org("acme")).map_err(Denial::from);
        let unlocked = store.unlock(None, false).map_err(Denial::from);
        let shown = String::from_utf8_lossy(bytes);
        match told {
            None => assert!(loaded.is_ok() && unlocked.is_ok(), "{shown}"),
            Some(told) => {
                let messages = [loaded.unwrap_err().message, unlocked.unwrap_err().message];
                assert!(
                    messages.iter().all(|message| message.contains(told)),
                    "{messages:?}"
                );
            }
        }
    }

    #[test]
    fn a_passphrase_may_come_from_a_file_of_one_line() {
        check_passphrase_file(PASSPHRASE.as_bytes(), 0o600, None);
        check_passphrase_file(b"correct horse\n", 0o400, None);
        check_passphrase_file(b"correct horse\r\n", 0o600, None);
        check_passphrase_file(b"correct horse\n\n", 0o600, Some("one line"));
        check_passphrase_file(b" correct horse\n", 0o600, Some("does not open"));
        check_passphrase_file(b"", 0o600, Some("one line"));
        check_passphrase_file(b"\xff\xfe", 0o600, Some("UTF-8"));
        check_passphrase_file(&vec![b'x'; 20_000], 0o600, Some("longer than"));
        check_passphrase_file(PASSPHRASE.as_bytes(), 0o644, Some("open to others"));
    }

    #[test]
    fn a_passphrase_file_that_is_not_there_is_told() {
        let home = tempfile::tempdir().unwrap();
        let path = in_directory(&home);
        put(&path, &encrypted(&contents("acme", "a")));
        let named = home.path().join("passphrase");
        let store = FileStore::new(path, Some(named.clone()), Shield::new().unwrap());
        assert!(
            error_of(store.load(&org("acme")))
                .message
                .contains("does not exist")
        );
        put(&named, PASSPHRASE.as_bytes());
        assert!(
            store.load(&org("acme")).is_ok(),
            "it is read again each time"
        );
    }
}

#[test]
fn wrong_passphrases_are_counted_until_a_right_one() {
    let store = locked(Path::new("/nonexistent"));
    assert_eq!(
        [false, false, true, false].map(|opened| store.note_attempt(opened)),
        [1, 2, 0, 1]
    );
}
