//! A daemon that nobody uses locks itself, where the settings say after how long; and a credential
//! that ends is told of, once a day.

use std::time::Duration;

use ac_cred_proto::message::{Login, SaidSettings, Warning};
use ac_cred_proto::settings::Store;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{ErrorCode, Request};

use crate::rig::{Rig, plain_login};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// A broker that is to lock itself after half an hour, with one credential in its file, whose
/// passphrase is known to it, and one in memory.
async fn unlocked() -> Rig {
    let rig = Rig::with_locked("acme");
    rig.edit("lock_after = \"30m\"\n[organizations.acme]\nstore = \"file\"\n");
    rig.unlock("right", false).done().await;
    rig.login("brief", "b").logged_in().await.unwrap();
    rig
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_nobody_uses_is_locked_and_a_memory_credential_is_not_lost() {
    let rig = unlocked().await;
    assert_eq!(rig.get("acme").token().await, "key-1");
    for _ in 0..4 {
        rig.pass(20 * MINUTE).await;
        assert!(rig.get("brief").lease().await.is_ok(), "a use");
    }
    rig.pass(29 * MINUTE).await;
    rig.status("acme").await;
    rig.pass(2 * MINUTE).await;
    for organization in ["acme", "brief"] {
        let denial = rig.get(organization).denial().await;
        assert_eq!(denial.error, ErrorCode::Locked, "looking is no use");
        assert!(rig.status(organization).await.token.is_none());
    }
    rig.unlock("right", false).done().await;
    assert!(rig.get("brief").lease().await.is_ok(), "it was not lost");
    assert!(rig.get("acme").lease().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_a_long_sleep_not_even_the_first_caller_is_served() {
    let rig = unlocked().await;
    rig.clock.suspend(31 * MINUTE);
    assert_eq!(rig.get("brief").error().await, ErrorCode::Locked);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_uses_the_daemon() {
    let rig = unlocked().await;
    let gate = rig.api.hold("key");
    let waits = rig.get_within("acme", 3_600_000);
    rig.pass(59 * MINUTE).await;
    gate.open(crate::rig::auth_api::Reply::Token(3_600));
    assert_eq!(waits.token().await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn without_a_setting_it_is_never_locked_and_a_new_one_is_seen() {
    let rig = Rig::with_locked("acme");
    rig.unlock("right", false).done().await;
    rig.pass(100 * DAY).await;
    assert!(rig.get("acme").lease().await.is_ok());
    rig.edit("lock_after = \"1m\"\n[organizations.acme]\nstore = \"file\"\n");
    rig.status("acme").await;
    rig.pass(MINUTE).await;
    assert_eq!(rig.get("acme").error().await, ErrorCode::Locked);
}

/// A login whose credential ends so many days after the test has begun.
fn ending(rig: &Rig, days: u64) -> Login {
    let at = rig.clock.right() + days * DAY.as_secs();
    Login {
        settings: SaidSettings {
            store: Some(Store::Memory),
            expires: Some(Timestamp::from_unix(at)),
            ..SaidSettings::default()
        },
        ..plain_login("acme", "key")
    }
}

#[tokio::test(start_paused = true)]
async fn in_its_last_two_weeks_a_credential_is_told_of_once_a_day() {
    let rig = Rig::new();
    let login = Request::Login(Box::new(ending(&rig, 16)));
    rig.call(login).logged_in().await.unwrap();
    let mut told = Vec::new();
    for day in 0..20 {
        for _ in 0..3 {
            let lease = rig.get("acme").lease().await.unwrap();
            assert!(lease.credential_expires_at.is_some());
            told.extend(lease.warning.map(|warning| (day, warning)));
        }
        rig.pass(DAY).await;
    }
    let expected: Vec<_> = (2..20)
        .map(|day| (day, Warning::CredentialExpires))
        .collect();
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn another_credential_has_an_end_of_its_own_and_the_same_keeps_it() {
    let rig = Rig::new();
    let login = Request::Login(Box::new(ending(&rig, 3)));
    rig.call(login).logged_in().await.unwrap();
    let lease = rig.get("acme").lease().await.unwrap();
    assert_eq!(lease.warning, Some(Warning::CredentialExpires));
    let end = rig.status("acme").await.credential_expires_at;
    let again = Login {
        credential: None,
        from: Some(crate::rig::org("acme")),
        ..plain_login("acme", "key")
    };
    rig.call(Request::Login(Box::new(again)))
        .logged_in()
        .await
        .unwrap();
    assert_eq!(rig.status("acme").await.credential_expires_at, end);
    assert!(end.is_some());
    rig.login("acme", "new").logged_in().await.unwrap();
    assert_eq!(rig.status("acme").await.credential_expires_at, None);
    assert_eq!(rig.get("acme").lease().await.unwrap().warning, None);
    let legacy = "cmFuZG9tfDE3OTAxMDAwMDAwMDB8N2EzZjAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAx";
    rig.login("acme", legacy).logged_in().await.unwrap();
    let end = rig.status("acme").await.credential_expires_at;
    assert_eq!(end.map(Timestamp::as_unix), Some(1_790_100_000));
}
