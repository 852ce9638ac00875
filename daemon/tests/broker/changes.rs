//! Logout, rename and the default, whatever is under way meanwhile.

use std::time::Duration;

use ac_cred_proto::message::{Logout, Move};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{ErrorCode, Request, Response};

use crate::rig::auth_api::Reply;
use crate::rig::{HOUR, Rig, org, plain_login};

/// The settings of an organization as a person would write them.
fn written(organization: &str) -> String {
    format!("[organizations.{organization}]\nstore = \"memory\"\n")
}

#[tokio::test(start_paused = true)]
async fn a_logout_forgets_credential_token_and_settings() {
    let rig = Rig::with("acme").await;
    let told = rig.logout("acme").all().await;
    assert!(
        matches!(&told[..], [Response::Name(name), Response::End(_)]
        if name.organization.as_str() == "acme"),
        "{told:?}"
    );
    assert_eq!(
        rig.get("acme").error().await,
        ErrorCode::UnknownOrganization
    );
    rig.edit(&written("acme"));
    assert_eq!(rig.get("acme").error().await, ErrorCode::LoginRequired);
    assert_eq!(rig.api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_result_after_a_logout_is_discarded() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.logout("acme").all().await;
    let denial = waits.denial().await;
    assert_eq!(denial.error, ErrorCode::LoginRequired);
    assert_eq!(denial.hint.as_deref(), Some("ac-cred login acme"));
    gate.open(Reply::Token(3_600));
    rig.pass(Duration::from_secs(1)).await;
    rig.edit(&written("acme"));
    assert!(rig.status("acme").await.token.is_none());
    assert_eq!(rig.get("acme").error().await, ErrorCode::LoginRequired);
}

#[tokio::test(start_paused = true)]
async fn a_logout_of_all_leaves_nothing() {
    let rig = Rig::with("acme").await;
    rig.login("beta", "b").logged_in().await.unwrap();
    let all = Logout {
        organization: None,
        all: true,
    };
    let told = rig.call(Request::Logout(all.clone())).all().await;
    assert_eq!(told.len(), 3);
    assert!(rig.list().await.is_empty());
    let told = rig.call(Request::Logout(all)).all().await;
    assert!(matches!(told[..], [Response::End(_)]));
}

#[tokio::test(start_paused = true)]
async fn a_logout_of_an_unknown_organization_is_refused() {
    let rig = Rig::with("acme").await;
    assert_eq!(
        rig.logout("akme").error().await,
        ErrorCode::UnknownOrganization
    );
    assert_eq!(rig.get("acme").token().await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn a_logout_takes_its_organization_from_the_default() {
    let rig = Rig::with("acme").await;
    rig.login("beta", "b").logged_in().await.unwrap();
    rig.choose("beta").done().await;
    let unnamed = Logout {
        organization: None,
        all: false,
    };
    rig.call(Request::Logout(unnamed)).all().await;
    assert_eq!(rig.list().await, ["acme"]);
    assert!(!rig.settings_text().contains("default"));
}

#[tokio::test(start_paused = true)]
async fn a_logout_of_what_rests_in_memory_needs_no_passphrase() {
    let rig = Rig::with("acme").await;
    rig.put_locked_file();
    rig.logout("acme").all().await;
    assert!(rig.list().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rename_keeps_token_credential_and_default() {
    let rig = Rig::with("acme").await;
    rig.choose("acme").done().await;
    rig.rename("acme", "beta").done().await;
    assert_eq!(rig.get("beta").token().await, "key-1");
    assert_eq!(
        rig.get("acme").error().await,
        ErrorCode::UnknownOrganization
    );
    assert!(rig.settings_text().contains("default = \"beta\""));
    rig.pass(HOUR).await;
    assert_eq!(rig.get("beta").token().await, "key-2");
}

#[tokio::test(start_paused = true)]
async fn a_rename_while_an_exchange_is_under_way_takes_those_who_wait_along() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.rename("acme", "beta").done().await;
    let joins = rig.get("beta");
    rig.settled().await;
    gate.open(Reply::Token(3_600));
    let lease = waits.lease().await.unwrap();
    assert_eq!(lease.organization.as_str(), "beta");
    assert_eq!(joins.token().await, "key-2");
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_caller_is_still_answered_at_its_deadline() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let _gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    let began = rig.clock.right();
    rig.rename("acme", "beta").done().await;
    assert_eq!(waits.error().await, ErrorCode::AuthApiUnreachable);
    assert_eq!(rig.clock.right() - began, 8);
}

#[tokio::test(start_paused = true)]
async fn a_rename_to_or_from_a_wrong_name_is_refused() {
    let rig = Rig::with("acme").await;
    rig.login("beta", "b").logged_in().await.unwrap();
    assert_eq!(rig.rename("acme", "beta").error().await, ErrorCode::Usage);
    assert_eq!(rig.rename("acme", "acme").error().await, ErrorCode::Usage);
    assert_eq!(
        rig.rename("akme", "x").error().await,
        ErrorCode::UnknownOrganization
    );
    assert_eq!(rig.get("acme").token().await, "key-1");
    assert_eq!(rig.get("beta").token().await, "b-1");
}

#[tokio::test(start_paused = true)]
async fn a_rename_whose_settings_cannot_be_written_changes_nothing() {
    let rig = Rig::new();
    rig.unlock("passphrase", true).done().await;
    let mut login = plain_login("acme", "key");
    login.settings.store = Some(Store::File);
    rig.login_with(login).logged_in().await.unwrap();
    let lock = rig.forbid_settings();
    assert_eq!(
        rig.rename("acme", "beta").error().await,
        ErrorCode::StoreUnreadable
    );
    drop(lock);
    rig.pass(HOUR).await;
    assert_eq!(
        rig.get("acme").token().await,
        "key-2",
        "its credential is where it was"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rename_does_not_write_over_what_has_come_there_meanwhile() {
    let rig = Rig::with("acme").await;
    let lock = rig.lock_settings();
    let login = rig.login("beta", "b");
    rig.api.began(2).await;
    rig.is_quiet().await;
    assert_eq!(rig.rename("acme", "beta").error().await, ErrorCode::Busy);
    drop(lock);
    login.logged_in().await.unwrap();
    rig.pass(HOUR).await;
    assert_eq!(rig.get("beta").token().await, "b-2");
    assert_eq!(rig.get("acme").token().await, "key-2");
}

#[tokio::test(start_paused = true)]
async fn a_rename_that_is_half_written_does_not_show() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let by_the_old_name = rig.get("acme");
    rig.api.began(2).await;
    let lock = rig.lock_settings();
    let rename = rig.rename("acme", "beta");
    rig.settled().await;
    // The file as it is between the writing of the rename and the broker's hearing of it.
    rig.replace("organizations.acme", "organizations.beta");
    let by_the_new_name = rig.get("beta");
    assert_eq!(
        by_the_new_name.error().await,
        ErrorCode::UnknownOrganization
    );
    assert!(!by_the_old_name.is_there(), "it waits on");
    drop(lock);
    rename.done().await;
    gate.open(Reply::Token(3_600));
    assert_eq!(
        by_the_old_name.lease().await.unwrap().organization.as_str(),
        "beta"
    );
}

#[tokio::test(start_paused = true)]
async fn a_rename_to_a_name_that_is_being_logged_in_is_refused() {
    let rig = Rig::with("acme").await;
    let gate = rig.api.hold("b");
    let login = rig.login("beta", "b");
    rig.api.began(2).await;
    assert_eq!(rig.rename("acme", "beta").error().await, ErrorCode::Busy);
    gate.open(Reply::Token(3_600));
    login.logged_in().await.unwrap();
    assert_eq!(rig.get("acme").token().await, "key-1");
    assert_eq!(rig.get("beta").token().await, "b-1");
}

#[tokio::test(start_paused = true)]
async fn what_goes_by_an_alias_that_is_being_changed_is_refused() {
    let rig = Rig::with("acme").await;
    let lock = rig.lock_settings();
    let rename = rig.rename("acme", "beta");
    let logout_of_all = Request::Logout(Logout {
        organization: None,
        all: true,
    });
    for other in [
        rig.logout("acme"),
        rig.call(logout_of_all),
        rig.choose("acme"),
        rig.call(Request::Move(Move {
            organization: Some(org("acme")),
            to: Store::Memory,
            wait_ms: 1_000,
            command: None,
        })),
    ] {
        assert_eq!(other.error().await, ErrorCode::Busy);
    }
    drop(lock);
    rename.done().await;
    assert_eq!(rig.get("beta").token().await, "key-1");
    assert_eq!(rig.logout("beta").all().await.len(), 2);
    let error = rig.get("beta").error().await;
    assert_eq!(error, ErrorCode::UnknownOrganization);
}

#[tokio::test(start_paused = true)]
async fn the_default_is_chosen_among_the_known() {
    let rig = Rig::with("acme").await;
    rig.login("beta", "b").logged_in().await.unwrap();
    assert!(!rig.status("beta").await.default);
    rig.choose("beta").done().await;
    assert!(rig.settings_text().contains("default = \"beta\""));
    let error = rig.choose("akme").error().await;
    assert_eq!(error, ErrorCode::UnknownOrganization);
    assert!(rig.status("beta").await.default && !rig.status("acme").await.default);
}

#[tokio::test(start_paused = true)]
async fn changes_leave_what_a_person_wrote() {
    let rig = Rig::new();
    rig.edit("# my organizations\n");
    rig.login("acme", "key").logged_in().await.unwrap();
    rig.rename("acme", "beta").done().await;
    rig.choose("beta").done().await;
    rig.logout("beta").all().await;
    assert!(
        rig.settings_text().starts_with("# my organizations\n"),
        "{}",
        rig.settings_text()
    );
}
