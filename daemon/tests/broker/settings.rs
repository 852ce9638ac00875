//! The settings file, edited by a person while the daemon runs.

use std::time::Duration;

use ac_cred_proto::ErrorCode;
use ac_cred_proto::message::SaidSettings;
use ac_cred_proto::settings::Store;

use crate::rig::auth_api::Reply;
use crate::rig::{HOUR, Rig, name, org, plain_login};

const BROKEN: &str = "[organizations.acme]\nstore = \"shelf\"\n";

#[tokio::test(start_paused = true)]
async fn an_edit_is_noticed_by_the_next_call() {
    let rig = Rig::with("acme").await;
    rig.replace("api.appcircle.io", "api.acme.example");
    let lease = rig.get("acme").lease().await.unwrap();
    assert_eq!(lease.api_url, "https://api.acme.example");
    assert_eq!(name(&lease), "key-1", "another API does not cost the token");
    assert_eq!(rig.api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_a_token_may_be_sent_is_what_the_settings_say_now() {
    let rig = Rig::with("acme").await;
    let destination = rig.destination("acme").await;
    assert_eq!(destination.organization, org("acme"));
    assert_eq!(
        destination.mcp_url.as_deref(),
        Some("https://mcp.appcircle.io")
    );
    assert_eq!(destination.proxy, None);
    rig.replace("auth.appcircle.io", "auth.acme.example");
    let destination = rig.destination("acme").await;
    assert_eq!(destination.auth_url, "https://auth.acme.example");
    assert_eq!(
        destination.mcp_url, None,
        "a token would be the cloud's to see"
    );
}

/// A person changes what a credential is bound to: it is not sent until that is confirmed.
async fn check_binding(old: &str, new: &str, named: &str) {
    let rig = Rig::with("acme").await;
    rig.replace(old, new);
    let denial = rig.get("acme").denial().await;
    assert_eq!(denial.error, ErrorCode::BindingChanged, "{named}: {denial}");
    assert!(denial.message.starts_with(named), "{denial}");
    assert_eq!(
        denial.hint.as_deref(),
        Some("ac-cred login acme --from acme")
    );
    assert_eq!(rig.refresh("acme").error().await, ErrorCode::BindingChanged);
    assert_eq!(rig.api.count(), 1, "{named}: the credential was sent");
    let confirmed = ac_cred_proto::message::Login {
        credential: None,
        from: Some(org("acme")),
        settings: SaidSettings::default(),
        ..plain_login("acme", "unused")
    };
    rig.login_with(confirmed).logged_in().await.unwrap();
    assert_eq!(rig.get("acme").token().await, "key-2", "{named}");
}

#[tokio::test(start_paused = true)]
async fn what_a_credential_is_bound_to_has_to_be_confirmed() {
    let ca = tempfile::NamedTempFile::new().unwrap();
    let ca_file = format!("store = \"memory\"\nca_file = \"{}\"", ca.path().display());
    let store = "store = \"memory\"";
    check_binding("auth.appcircle.io", "evil.example", "auth_url").await;
    check_binding(
        "https://auth.appcircle.io",
        "https://auth.appcircle.io:8443",
        "auth_url",
    )
    .await;
    check_binding(store, &ca_file, "ca_file").await;
    check_binding(store, "store = \"memory\"\nproxy = \"http://p:1\"", "proxy").await;
    check_binding(store, "store = \"memory\"\nallow_http = true", "allow_http").await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_binding_changes_is_told_so() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.replace("auth.appcircle.io", "evil.example");
    let comes = rig.get("acme");
    assert_eq!(waits.error().await, ErrorCode::BindingChanged);
    assert_eq!(comes.error().await, ErrorCode::BindingChanged);
    gate.open(Reply::Token(3_600));
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(rig.get("acme").error().await, ErrorCode::BindingChanged);
    assert!(
        rig.status("acme").await.token.is_none(),
        "the late token is not kept"
    );
    rig.replace("evil.example", "auth.appcircle.io");
    assert_eq!(
        rig.get("acme").token().await,
        "key-3",
        "the edit was undone"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_understood_is_refused_until_it_is_mended() {
    let rig = Rig::with("acme").await;
    let good = rig.settings_text();
    rig.edit(BROKEN);
    for refused in [
        rig.get("acme"),
        rig.refresh("acme"),
        rig.reject("acme", None),
        rig.login("acme", "new"),
        rig.logout("acme"),
        rig.rename("acme", "beta"),
        rig.choose("acme"),
    ] {
        let denial = refused.denial().await;
        assert_eq!(denial.error, ErrorCode::StoreUnreadable);
        assert!(
            denial.message.contains("config.toml, line 2, column 9: "),
            "{denial}"
        );
    }
    assert_eq!(rig.settings_text(), BROKEN, "it is not written over");
    rig.edit(&good);
    assert_eq!(rig.get("acme").token().await, "key-1", "nothing was lost");
    assert_eq!(rig.api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_the_file_breaks_is_told_where() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.edit(BROKEN);
    assert_eq!(rig.get("acme").error().await, ErrorCode::StoreUnreadable);
    gate.open(Reply::Token(3_600));
    let denial = waits.denial().await;
    assert_eq!(denial.error, ErrorCode::StoreUnreadable);
    assert!(denial.message.contains("line 2, column 9"), "{denial}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_next_exchange_while_the_file_breaks_is_told_where() {
    let rig = Rig::with("acme").await;
    let waits = rig.refresh("acme");
    rig.settled().await;
    assert_eq!(rig.api.count(), 1, "a second has to pass first");
    rig.edit(BROKEN);
    assert_eq!(rig.get("acme").error().await, ErrorCode::StoreUnreadable);
    let denial = waits.denial().await;
    assert_eq!(denial.error, ErrorCode::StoreUnreadable);
    assert!(denial.message.contains("line 2, column 9"), "{denial}");
    assert_eq!(rig.api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_organization_is_unknown_at_once_and_its_token_gone() {
    let rig = Rig::with("acme").await;
    let good = rig.settings_text();
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.edit("");
    assert_eq!(
        rig.get("acme").error().await,
        ErrorCode::UnknownOrganization
    );
    assert_eq!(waits.error().await, ErrorCode::UnknownOrganization);
    gate.open(Reply::Token(3_600));
    rig.pass(Duration::from_mins(1)).await;
    rig.edit(&good);
    assert_eq!(
        rig.get("acme").token().await,
        "key-3",
        "its credential was never removed"
    );
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_a_person_writes_has_to_be_logged_in() {
    let rig = Rig::new();
    rig.edit("[organizations.acme]\nstore = \"memory\"\n");
    let denial = rig.get("acme").denial().await;
    assert_eq!(denial.error, ErrorCode::LoginRequired);
    assert_eq!(denial.hint.as_deref(), Some("ac-cred login acme"));
    rig.login("acme", "key").logged_in().await.unwrap();
    assert_eq!(rig.get("acme").token().await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_forgotten_with_the_settings_it_came_from() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    rig.api.plan("key", Reply::Refused);
    assert_eq!(rig.get("acme").error().await, ErrorCode::CredentialRefused);
    rig.replace(
        "store = \"memory\"",
        "store = \"memory\"\nendpoint_version = \"v1\"",
    );
    assert_eq!(rig.get("acme").token().await, "key-2");
    assert!(rig.api.seen()[2].url.ends_with("/auth/v1/token"));
}

#[tokio::test(start_paused = true)]
async fn an_edit_while_an_exchange_is_under_way_starts_the_next_one_a_second_later() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let _gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.replace(
        "store = \"memory\"",
        "store = \"memory\"\nendpoint_version = \"v1\"",
    );
    assert_eq!(rig.get("acme").token().await, "key-2");
    assert_eq!(waits.token().await, "key-2");
    let seen = rig.api.seen();
    assert!(seen[1].at.until(seen[2].at).0 >= 1_000, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_one_organization_leaves_the_others() {
    let rig = Rig::with("acme").await;
    rig.login("beta", "b").logged_in().await.unwrap();
    let text = rig.settings_text();
    let (acme, beta) = text.split_once("[organizations.beta]").unwrap();
    let edited = beta.replace("auth.appcircle.io", "evil.example");
    rig.edit(&format!("{acme}[organizations.beta]{edited}"));
    assert_eq!(rig.get("beta").error().await, ErrorCode::BindingChanged);
    assert_eq!(rig.get("acme").token().await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn another_store_is_another_credential() {
    let rig = Rig::with("acme").await;
    rig.replace("store = \"memory\"", "store = \"file\"");
    assert_eq!(rig.get("acme").error().await, ErrorCode::LoginRequired);
    assert_eq!(rig.status("acme").await.store, Store::File);
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn settings_that_others_can_write_are_refused_until_they_cannot() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::with("acme").await;
    let set_mode = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(rig.settings_path(), permissions).unwrap();
    };
    set_mode(0o666);
    let denial = rig.get("acme").denial().await;
    assert_eq!(denial.error, ErrorCode::UnsafeFiles);
    assert!(denial.hint.unwrap().starts_with("chmod 644 "));
    set_mode(0o644);
    assert_eq!(rig.get("acme").token().await, "key-1");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_settings_file_that_is_a_link_stays_one() {
    let rig = Rig::new();
    let dotfiles = tempfile::tempdir().unwrap();
    let target = dotfiles.path().join("ac-cred.toml");
    std::fs::write(&target, "# my dotfiles\n").unwrap();
    std::os::unix::fs::symlink(&target, rig.settings_path()).unwrap();
    rig.login("acme", "key").logged_in().await.unwrap();
    assert!(rig.settings_path().is_symlink());
    let text = std::fs::read_to_string(&target).unwrap();
    assert!(
        text.starts_with("# my dotfiles\n") && text.contains("[organizations.acme]"),
        "{text}"
    );
    std::fs::write(
        &target,
        text.replace("api.appcircle.io", "api.acme.example"),
    )
    .unwrap();
    let lease = rig.get("acme").lease().await.unwrap();
    assert_eq!(
        lease.api_url, "https://api.acme.example",
        "an edit behind the link is noticed"
    );
}

#[tokio::test(start_paused = true)]
async fn settings_and_the_encrypted_file_outlive_the_daemon() {
    let rig = Rig::new();
    rig.unlock("passphrase", true).done().await;
    let mut login = plain_login("acme", "key");
    login.settings.store = Some(Store::File);
    login.make_default = true;
    rig.login_with(login).logged_in().await.unwrap();
    rig.login("beta", "b").logged_in().await.unwrap();
    let rig = Rig::at(rig.end().await);
    assert_eq!(rig.list().await, ["acme", "beta"]);
    assert_eq!(rig.get("acme").error().await, ErrorCode::Locked);
    assert_eq!(
        rig.get("beta").error().await,
        ErrorCode::LoginRequired,
        "memory is gone"
    );
    rig.unlock("passphrase", false).done().await;
    assert_eq!(rig.get("acme").token().await, "key-1");
}
