//! `login` asks what is needed before it reads a secret, and says where the secret rests.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use ac_cred_proto::message::{LoggedIn, Login, LoginNeeds, PassphraseNeed};
use ac_cred_proto::settings::{Kind, Store};
use ac_cred_proto::{Denial, ErrorCode, Request, Response};

use crate::world::{CLIENT, Turn, World, answer, denied, done, org, said, said_to};

const KEY: &str = "Marker+Key/9=|x";

fn needs(passphrase: PassphraseNeed) -> Turn {
    answer(Response::LoginNeeds(LoginNeeds {
        kind: Kind::PersonalAccessKey,
        passphrase,
    }))
}

fn logged_in(store: Store) -> Turn {
    answer(Response::LoggedIn(LoggedIn {
        organization: org("acme"),
        organization_id: Some("7a3f0000-0000-4000-8000-000000000001".to_owned()),
        store,
        api_url: "https://api.appcircle.io".to_owned(),
        expires_in: 3_600,
        settings_not_saved: None,
    }))
}

fn login(request: &Request) -> &Login {
    let Request::Login(login) = request else {
        unreachable!("{request:?}");
    };
    login
}

#[test]
fn a_key_on_standard_input_is_rehearsed_then_sent() {
    for end in ["", "\n", "\r\n"] {
        let world = World::new();
        let daemon = world.daemon(vec![
            vec![needs(PassphraseNeed::Nothing)],
            vec![logged_in(Store::Memory)],
        ]);
        let words = ["login", "acme", "--stdin", "--store", "memory", "--default"];
        let said = said_to(&mut world.client(&words), format!("{KEY}{end}").as_bytes());
        assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
        assert_eq!(
            said.stderr,
            "ac-cred: logged in to acme (organization 7a3f0000-0000-4000-8000-000000000001); \
             the credential rests in the daemon's memory, until it stops\n"
        );
        let requests = daemon.join().unwrap();
        let (rehearsal, real) = (login(&requests[0]), login(&requests[1]));
        assert!(rehearsal.credential.is_none() && rehearsal.from.is_none());
        assert_eq!(real.credential.as_ref().unwrap().expose(), KEY);
        for login in [rehearsal, real] {
            assert_eq!(login.organization, org("acme"));
            assert_eq!(login.settings.store, Some(Store::Memory));
            assert!(login.make_default);
            assert!((20_000..=30_000).contains(&login.wait_ms));
        }
    }
}

#[test]
fn a_rehearsal_that_is_denied_ends_the_login_before_a_secret_is_read() {
    let world = World::new();
    world.daemon(vec![vec![denied(
        Denial::new(ErrorCode::Locked, "choose a store").hint("ac-cred login acme --store file"),
    )]]);
    let said = said_to(
        &mut world.client(&["login", "acme", "--stdin"]),
        KEY.as_bytes(),
    );
    said.is_refused(6);
    assert!(!said.stderr.contains("Marker"), "{said:?}");
}

#[test]
fn what_cannot_be_a_key_is_a_usage_error_and_not_repeated() {
    let long = "m".repeat(9_000);
    for input in ["", "\n", "Marker key", "Marker\n\n", "Märker", &long] {
        let world = World::new();
        world.daemon(vec![vec![needs(PassphraseNeed::Nothing)]]);
        let said = said_to(
            &mut world.client(&["login", "acme", "--stdin"]),
            input.as_bytes(),
        );
        said.is_refused(2);
        assert!(!said.stderr.to_lowercase().contains("marker"), "{said:?}");
        assert!(!said.stderr.contains("mmm"), "{said:?}");
    }
}

#[test]
fn without_a_terminal_the_name_and_the_key_must_be_given() {
    let world = World::new();
    let nameless = world.says(&["login", "--stdin"]);
    nameless.is_refused(2);
    let keyless = world.says(&["login", "acme"]);
    keyless.is_refused(2);
    assert!(keyless.stderr.contains("--stdin"), "{keyless:?}");
}

#[test]
fn a_passphrase_file_opens_the_store_first() {
    for by_option in [true, false] {
        let world = World::new();
        let file = world.home().join("passphrase");
        fs::write(&file, "open sesame\n").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let daemon = world.daemon(vec![
            vec![needs(PassphraseNeed::New)],
            vec![done()],
            vec![logged_in(Store::File)],
        ]);
        let mut client = world.client(&["login", "acme", "--stdin", "-q"]);
        if by_option {
            client.arg("--passphrase-file").arg(&file);
        } else {
            client.env("AC_CRED_PASSPHRASE_FILE", &file);
        }
        let said = said_to(&mut client, KEY.as_bytes());
        assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
        let requests = daemon.join().unwrap();
        let Request::Unlock(unlock) = &requests[1] else {
            panic!("{requests:?}");
        };
        assert!(unlock.create && unlock.passphrase.is_some());
    }
}

#[test]
fn a_passphrase_file_that_others_can_read_is_refused() {
    let world = World::new();
    let file = world.home().join("passphrase");
    fs::write(&file, "marker sesame\n").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    for command in [&["login", "acme", "--stdin"][..], &["unlock"]] {
        world
            .socket()
            .exists()
            .then(|| fs::remove_file(world.socket()));
        world.daemon(vec![vec![needs(PassphraseNeed::Existing)]]);
        let said = said(world.client(command).arg("--passphrase-file").arg(&file));
        said.is_refused(6);
        let hint = format!("run: chmod 600 '{}'", file.display());
        assert!(said.stderr.contains(&hint), "{said:?}");
        assert!(!said.stderr.contains("marker"), "{said:?}");
    }
}

#[test]
fn a_locked_store_without_a_passphrase_or_a_terminal_is_refused() {
    let world = World::new();
    world.daemon(vec![vec![needs(PassphraseNeed::Existing)]]);
    let words = [CLIENT, "login", "acme", "--stdin"];
    let said = said_to(world.run("setsid", &["--wait"]).args(words), b"key");
    said.is_refused(6);
    assert!(said.stderr.contains("AC_CRED_PASSPHRASE_FILE"), "{said:?}");
}

#[test]
fn another_organizations_credential_is_used_without_a_secret() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![logged_in(Store::File)]]);
    let words = [
        "login",
        "acme",
        "--from",
        "root",
        "--sub-organization",
        "guid",
    ];
    let said = world.says(&words);
    assert_eq!(said.code, 0, "{said:?}");
    let requests = daemon.join().unwrap();
    let login = login(&requests[0]);
    assert_eq!(login.from, Some(org("root")));
    assert!(login.credential.is_none());
    assert_eq!(login.settings.sub_organization.as_deref(), Some("guid"));
}

#[test]
fn unlock_needs_no_passphrase_where_the_daemon_has_one() {
    let world = World::new();
    let denial = Denial::new(ErrorCode::Locked, "it is locked");
    let daemon = world.daemon(vec![vec![done()], vec![denied(denial)]]);
    let open = world.says(&["unlock"]);
    assert_eq!((open.code, open.stdout.as_str()), (0, ""), "{open:?}");
    world.says(&["unlock"]).is_refused(6);
    for request in daemon.join().unwrap() {
        assert!(
            matches!(&request, Request::Unlock(unlock) if unlock.passphrase.is_none()),
            "{request:?}"
        );
    }
}
