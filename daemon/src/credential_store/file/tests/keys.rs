//! The encrypted file under an identity, and going over from one key to another.

use age::x25519::Identity;
use secrecy::ExposeSecret as _;

use super::*;

/// Writes a file as `age-keygen` does.
fn put_identity(path: &Path, identities: &[&Identity]) {
    let lines = identities.iter().map(|identity| {
        let secret = identity.to_string();
        format!(
            "# public key: {}\n{}\n",
            identity.to_public(),
            secret.expose_secret()
        )
    });
    let text: String = lines.collect();
    put(
        path,
        format!("# created: 2026-01-01T00:00:00Z\n{text}").as_bytes(),
    );
}

/// A home with an identity file, and a store that was opened with it.
struct ByIdentity {
    home: TempDir,
    path: PathBuf,
    identity: PathBuf,
    store: FileStore,
}

impl ByIdentity {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let identity = home.path().join("key.txt");
        put_identity(&identity, &[&Identity::generate()]);
        let path = in_directory(&home);
        let store = locked(&path);
        store.unlock_with_identity(&identity, true).unwrap();
        store.save(&org("acme"), &record("a")).unwrap();
        Self {
            home,
            path,
            identity,
            store,
        }
    }
}

fn secret(store: &FileStore, name: &str) -> Result<String, Denial> {
    let loaded = store.load(&org(name))?;
    Ok(loaded.credential.expose().to_owned())
}

#[test]
fn a_later_daemon_opens_a_file_by_the_identity_that_was_chosen_once() {
    let by = ByIdentity::new();
    let bytes = fs::read(&by.path).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n-> X25519 "));
    let later = locked(&by.path);
    assert!(later.opens_by_itself() && !later.is_locked());
    assert_eq!(secret(&later, "acme").unwrap(), "a");
    later.save(&org("beta"), &record("b")).unwrap();
    assert_eq!(secret(&by.store, "beta").unwrap(), "b");
}

#[test]
fn a_lock_holds_for_an_identity_too() {
    let by = ByIdentity::new();
    by.store.lock();
    assert!(by.store.is_locked() && !by.store.opens_by_itself());
    for result in [
        secret(&by.store, "acme").map(drop),
        by.store.save(&org("b"), &record("b")).map_err(Denial::from),
        by.store
            .change_key(&NewKey::Passphrase(passphrase("new")))
            .map_err(Denial::from),
    ] {
        assert_eq!(result.unwrap_err().error, ErrorCode::Locked);
    }
    by.store.unlock(None, false).unwrap();
    assert_eq!(secret(&by.store, "acme").unwrap(), "a");
}

#[test]
fn any_of_several_identities_opens_what_all_of_them_are_recipients_of() {
    let home = tempfile::tempdir().unwrap();
    let (first, second) = (Identity::generate(), Identity::generate());
    let [both, one] = ["both", "one"].map(|name| home.path().join(name));
    put_identity(&both, &[&first, &second]);
    put_identity(&one, &[&second]);
    let path = in_directory(&home);
    let store = locked(&path);
    store.unlock_with_identity(&both, true).unwrap();
    store.save(&org("acme"), &record("a")).unwrap();
    let other = locked(&path);
    other.unlock_with_identity(&one, false).unwrap();
    assert_eq!(secret(&other, "acme").unwrap(), "a");
}

#[test]
fn a_key_of_the_other_kind_or_of_somebody_else_opens_and_changes_nothing() {
    let by = ByIdentity::new();
    let before = fs::read(&by.path).unwrap();
    let foreign = by.home.path().join("foreign");
    put_identity(&foreign, &[&Identity::generate()]);
    let store = locked(&by.path);
    for (result, told) in [
        (
            store.unlock(Some(passphrase(PASSPHRASE)), true),
            "is opened by an age identity",
        ),
        (
            store.unlock_with_identity(&foreign, true),
            "foreign do not open",
        ),
    ] {
        let denial = error_of(result);
        assert!(denial.message.contains(told), "{denial}");
        assert_eq!(denial.error, ErrorCode::StoreUnreadable);
        assert_eq!(
            denial.hint.as_deref(),
            Some("ac-cred unlock --identity FILE")
        );
    }
    assert_eq!(secret(&store, "acme").unwrap(), "a");
    assert_eq!(fs::read(&by.path).unwrap(), before);
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a")));
    let denial = error_of(locked(&path).unlock_with_identity(&foreign, true));
    assert!(
        denial.message.contains("opened by a passphrase"),
        "{denial}"
    );
}

#[test]
fn what_is_no_identity_file_is_told_and_not_repeated() {
    let by = ByIdentity::new();
    let store = locked(&by.path);
    for text in [
        "",
        "# only a comment\n",
        "MARKER\n",
        "AGE-SECRET-KEY-1MARKER\n",
        "age-encryption.org/v1\n-> scrypt MARKER 18\n",
    ] {
        put(&by.identity, text.as_bytes());
        for result in [
            store.unlock_with_identity(&by.identity, false),
            store.load(&org("acme")).map(drop),
            store.unlock(None, false),
        ] {
            let denial = error_of(result);
            assert!(
                denial.message.contains("key.txt holds something else"),
                "{denial}"
            );
            assert!(!denial.message.contains("MARKER"), "{denial}");
            assert_eq!(denial.error, ErrorCode::StoreUnreadable);
        }
    }
    fs::remove_file(&by.identity).unwrap();
    let denial = error_of(store.load(&org("acme")));
    assert!(
        denial.message.contains("key.txt does not exist"),
        "{denial}"
    );
}

#[cfg(unix)]
#[test]
fn an_identity_file_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let by = ByIdentity::new();
    for mode in [0o644, 0o640, 0o604] {
        fs::set_permissions(&by.identity, fs::Permissions::from_mode(mode)).unwrap();
        let store = locked(&by.path);
        for result in [
            store.unlock_with_identity(&by.identity, false),
            store.load(&org("acme")).map(drop),
        ] {
            assert_eq!(error_of(result).error, ErrorCode::UnsafeFiles, "{mode:o}");
        }
    }
}

#[test]
fn another_passphrase_opens_the_file_and_the_old_one_no_longer() {
    let home = tempfile::tempdir().unwrap();
    let path = in_directory(&home);
    put(&path, &encrypted(&contents("acme", "a")));
    let store = opened(&path);
    store
        .change_key(&NewKey::Passphrase(passphrase("battery staple")))
        .unwrap();
    store.save(&org("beta"), &record("b")).unwrap();
    let later = locked(&path);
    let old = error_of(later.unlock(Some(passphrase(PASSPHRASE)), false));
    assert_eq!(old.error, ErrorCode::Locked);
    later
        .unlock(Some(passphrase("battery staple")), false)
        .unwrap();
    for (name, is) in [("acme", "a"), ("beta", "b")] {
        assert_eq!(secret(&later, name).unwrap(), is);
    }
}

#[test]
fn a_file_goes_over_from_a_passphrase_to_an_identity_and_back() {
    let by = ByIdentity::new();
    let to_passphrase = NewKey::Passphrase(passphrase(PASSPHRASE));
    by.store.change_key(&to_passphrase).unwrap();
    assert_eq!(secret(&by.store, "acme").unwrap(), "a");
    assert!(!by.path.with_extension("identity").exists());
    assert!(locked(&by.path).is_locked());
    let other = opened(&by.path);
    let to_identity = NewKey::IdentityFile(by.identity.clone());
    other.change_key(&to_identity).unwrap();
    assert_eq!(secret(&locked(&by.path), "acme").unwrap(), "a");
    assert_eq!(secret(&by.store, "acme").unwrap(), "a", "it is noticed");
}

#[test]
fn a_key_that_cannot_be_changed_stays_what_it_was() {
    let by = ByIdentity::new();
    let before = fs::read(&by.path).unwrap();
    let missing = NewKey::IdentityFile(by.home.path().join("missing"));
    error_of(by.store.change_key(&missing));
    let obstacle = by.path.with_extension("new");
    fs::create_dir(&obstacle).unwrap();
    let second = by.home.path().join("second");
    put_identity(&second, &[&Identity::generate()]);
    for new in [
        NewKey::Passphrase(passphrase("new")),
        NewKey::IdentityFile(second),
    ] {
        error_of(by.store.change_key(&new));
        assert_eq!(fs::read(&by.path).unwrap(), before);
        assert_eq!(secret(&locked(&by.path), "acme").unwrap(), "a");
        assert_eq!(secret(&by.store, "acme").unwrap(), "a");
    }
    fs::remove_dir(&obstacle).unwrap();
    let nothing = locked(&by.home.path().join("none.age"));
    let denial = error_of(nothing.change_key(&NewKey::Passphrase(passphrase("new"))));
    assert!(
        denial.message.contains("there is no encrypted file"),
        "{denial}"
    );
}

#[test]
fn what_a_crash_between_the_two_files_leaves_is_in_nobodys_way() {
    let by = ByIdentity::new();
    let by_passphrase = encrypted(&contents("acme", "p"));
    put(&by.path, &by_passphrase);
    let store = locked(&by.path);
    assert!(
        store.is_locked(),
        "the header tells that it needs a passphrase"
    );
    assert_eq!(error_of(store.load(&org("acme"))).error, ErrorCode::Locked);
    store.unlock(Some(passphrase(PASSPHRASE)), false).unwrap();
    assert_eq!(secret(&store, "acme").unwrap(), "p");
}
