//! The encrypted file, locked and unlocked.

use ac_cred_proto::ErrorCode;
use ac_cred_proto::Request;
use ac_cred_proto::message::Unlock;

use crate::rig::Rig;

#[tokio::test(start_paused = true)]
async fn a_locked_file_is_told_with_the_command_that_opens_it() {
    let rig = Rig::with_locked("acme");
    let denial = rig.get("acme").denial().await;
    assert_eq!(denial.error, ErrorCode::Locked);
    assert_eq!(denial.hint.as_deref(), Some("ac-cred unlock"));
    assert_eq!(
        rig.get("acme").error().await,
        ErrorCode::Locked,
        "and again at once"
    );
    rig.unlock("right", false).done().await;
    assert_eq!(rig.get("acme").token().await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn wrong_passphrases_are_answered_later_each_time_and_others_at_once() {
    let rig = Rig::with_locked("acme");
    rig.login("beta", "b").logged_in().await.unwrap();
    for delay_ms in [500, 1_000, 2_000, 4_000, 8_000, 8_000] {
        let began = rig.now_ms();
        let guess = rig.unlock("wrong", false);
        assert_eq!(rig.get("beta").token().await, "b-1");
        assert_eq!(rig.now_ms(), began, "others do not wait");
        assert_eq!(guess.error().await, ErrorCode::Locked);
        assert_eq!(rig.now_ms() - began, delay_ms);
    }
    let began = rig.now_ms();
    rig.unlock("right", false).done().await;
    assert_eq!(rig.now_ms(), began, "the right one is not delayed");
    let guess = rig.unlock("wrong", false);
    assert_eq!(guess.error().await, ErrorCode::Locked);
    assert_eq!(rig.now_ms() - began, 500, "counted anew");
    assert_eq!(rig.get("acme").token().await, "key-1", "it stays open");
}

#[tokio::test(start_paused = true)]
async fn there_is_nothing_to_unlock_where_no_file_is() {
    let rig = Rig::new();
    let denial = rig.unlock("any", false).denial().await;
    assert_eq!(denial.error, ErrorCode::StoreUnreadable);
    assert!(
        denial.message.starts_with("there is no encrypted file"),
        "{denial}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_passphrase_is_needed_where_no_file_was_named_for_it() {
    let rig = Rig::with_locked("acme");
    let without = Unlock {
        passphrase: None,
        create: false,
        identity: None,
    };
    assert_eq!(
        rig.call(Request::Unlock(without)).error().await,
        ErrorCode::Locked
    );
}
