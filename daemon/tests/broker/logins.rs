//! Logins: proved first, then stored, and what may come between.

use std::time::Duration;

use ac_cred_proto::ErrorCode;
use ac_cred_proto::message::{Login, PassphraseNeed, SaidSettings};
use ac_cred_proto::settings::{Kind, Store};
use ac_cred_proto::{Denial, Response};

use crate::rig::auth_api::Reply;
use crate::rig::{ACME, HOUR, OTHER, Rig, org, plain_login};

/// A login without a credential of its own.
fn from(organization: &str, source: Option<&str>) -> Login {
    Login {
        credential: None,
        from: source.map(org),
        settings: SaidSettings::default(),
        ..plain_login(organization, "unused")
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_tells_what_it_has_stored() {
    let rig = Rig::new();
    let logged_in = rig.login("acme", "s3cret").logged_in().await.unwrap();
    assert_eq!(logged_in.organization.as_str(), "acme");
    assert_eq!(logged_in.organization_id.as_deref(), Some(ACME));
    assert_eq!(
        (logged_in.store, logged_in.expires_in),
        (Store::Memory, 3_600)
    );
    assert_eq!(logged_in.api_url, "https://api.appcircle.io");
    assert_eq!(logged_in.settings_not_saved, None);
    assert!(
        rig.settings_text()
            .contains(&format!("pinned_organization = \"{ACME}\""))
    );
    assert!(
        !rig.settings_text().contains("s3cret"),
        "the settings hold no secret"
    );
}

/// A login whose exchange fails: what is told; what was there before stays.
async fn check_failing(reply: Reply, told: ErrorCode) {
    let rig = Rig::with("acme").await;
    let before = rig.settings_text();
    rig.api.plan("new", reply.clone());
    assert_eq!(rig.login("acme", "new").error().await, told, "{reply:?}");
    assert_eq!(rig.settings_text(), before);
    assert_eq!(rig.get("acme").token().await, "key-1", "{reply:?}");
    rig.pass(HOUR).await;
    assert_eq!(
        rig.get("acme").token().await,
        "key-2",
        "the old credential works on"
    );
    rig.api.plan("new", reply.clone());
    assert_eq!(rig.login("beta", "new").error().await, told, "{reply:?}");
    assert_eq!(rig.list().await, ["acme"], "nothing is stored");
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_credential_fails_leaves_the_old_one_and_its_token() {
    for (reply, told) in [
        (Reply::Refused, ErrorCode::CredentialRefused),
        (Reply::Status(500, ""), ErrorCode::AuthApiBadAnswer),
        (Reply::Status(401, "<html>"), ErrorCode::AuthApiBadAnswer),
        (Reply::Token(0), ErrorCode::AuthApiBadAnswer),
        (Reply::Limited(60), ErrorCode::RateLimited),
        (Reply::Lost, ErrorCode::AuthApiUnreachable),
    ] {
        check_failing(reply, told).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_with_a_credential_of_another_organization_is_refused() {
    let rig = Rig::with("acme").await;
    rig.api.plan("new", Reply::Foreign(OTHER));
    assert_eq!(
        rig.login("acme", "new").error().await,
        ErrorCode::WrongOrganization
    );
    assert_eq!(rig.get("acme").token().await, "key-1");
    let mut asked = plain_login("acme", "new");
    asked.settings.organization_id = Some(OTHER.to_owned());
    rig.login_with(asked).logged_in().await.unwrap();
    assert_eq!(
        rig.get("acme")
            .lease()
            .await
            .unwrap()
            .organization_id
            .as_deref(),
        Some(OTHER)
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_names_no_organization_is_no_proof_where_one_was_asked_for() {
    let rig = Rig::new();
    let mut asked = plain_login("acme", "key");
    asked.settings.organization_id = Some(ACME.to_owned());
    rig.api.plan("key", Reply::Opaque);
    assert_eq!(
        rig.login_with(asked).error().await,
        ErrorCode::WrongOrganization
    );
    rig.api.plan("key", Reply::Opaque);
    assert_eq!(
        rig.login("acme", "key")
            .logged_in()
            .await
            .unwrap()
            .organization_id,
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_result_of_the_old_credential_is_discarded_after_a_login() {
    for late in [Reply::Token(3_600), Reply::Refused, Reply::Lost] {
        let rig = Rig::with("acme").await;
        rig.pass(HOUR).await;
        let gate = rig.api.hold("key");
        let waits = rig.get("acme");
        rig.api.began(2).await;
        rig.login("acme", "new").logged_in().await.unwrap();
        assert_eq!(waits.token().await, "new-1", "who waited has the new token");
        gate.open(late);
        rig.pass(Duration::from_secs(1)).await;
        let lease = rig.get("acme").lease().await.unwrap();
        assert!(lease.access_token.expose().ends_with(".new-1") && lease.warning.is_none());
        assert_eq!(rig.api.count(), 3);
    }
}

/// Two logins of one organization whose exchanges end in this order: the newer one counts.
async fn check_race(older_first: bool) {
    let rig = Rig::with("acme").await;
    let (older_gate, newer_gate) = (rig.api.hold("older"), rig.api.hold("newer"));
    let (older, newer) = (rig.login("acme", "older"), rig.login("acme", "newer"));
    rig.api.began(3).await;
    let newer_wins = |result: Result<_, Denial>| assert!(result.is_ok(), "{result:?}");
    if older_first {
        older_gate.open(Reply::Token(3_600));
        assert_eq!(older.error().await, ErrorCode::Busy);
        assert_eq!(
            rig.get("acme").token().await,
            "key-1",
            "nothing has changed yet"
        );
        newer_gate.open(Reply::Token(3_600));
        newer_wins(newer.logged_in().await);
    } else {
        newer_gate.open(Reply::Token(3_600));
        newer_wins(newer.logged_in().await);
        older_gate.open(Reply::Token(3_600));
        assert_eq!(older.error().await, ErrorCode::Busy);
    }
    assert_eq!(rig.get("acme").token().await, "newer-1");
    rig.pass(HOUR).await;
    assert_eq!(rig.get("acme").token().await, "newer-2");
}

#[tokio::test(start_paused = true)]
async fn of_two_logins_the_newer_counts_whichever_ends_first() {
    check_race(true).await;
    check_race(false).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_newer_of_two_logins_fails_the_older_is_not_taken_instead() {
    let rig = Rig::with("acme").await;
    let (older_gate, newer_gate) = (rig.api.hold("older"), rig.api.hold("newer"));
    let (older, newer) = (rig.login("acme", "older"), rig.login("acme", "newer"));
    rig.api.began(3).await;
    newer_gate.open(Reply::Refused);
    assert_eq!(newer.error().await, ErrorCode::CredentialRefused);
    older_gate.open(Reply::Token(3_600));
    assert_eq!(older.error().await, ErrorCode::Busy);
    assert_eq!(rig.get("acme").token().await, "key-1");
}

#[tokio::test(start_paused = true)]
async fn logins_one_after_the_other_are_a_second_apart() {
    let rig = Rig::new();
    for number in 0..5 {
        let key = format!("key-{number}");
        rig.api.plan(&key, Reply::Refused);
        rig.login("acme", &key).denial().await;
    }
    let seen = rig.api.seen();
    assert_eq!(seen.len(), 5);
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].at.until(pair[1].at).0 >= 1_000),
        "{seen:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_overtaken_by_a_logout_stores_nothing() {
    let rig = Rig::with("acme").await;
    let gate = rig.api.hold("new");
    let login = rig.login("acme", "new");
    rig.api.began(2).await;
    rig.logout("acme").all().await;
    gate.open(Reply::Token(3_600));
    assert_eq!(login.error().await, ErrorCode::Busy);
    assert!(rig.list().await.is_empty());
    assert_eq!(
        rig.get("acme").error().await,
        ErrorCode::UnknownOrganization
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_ends_at_its_deadline_and_stores_nothing() {
    let rig = Rig::new();
    let _gate = rig.api.hold("key");
    let began = rig.clock.right();
    assert_eq!(
        rig.login("acme", "key").error().await,
        ErrorCode::AuthApiUnreachable
    );
    assert_eq!(rig.clock.right() - began, 8);
    assert!(rig.list().await.is_empty() && rig.settings_text().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_login_again_keeps_what_is_not_said() {
    let rig = Rig::new();
    let mut first = plain_login("acme", "old");
    first.settings.api_url = Some("https://api.acme.example".to_owned());
    first.settings.kind = Some(Kind::PersonalAccessToken);
    first.make_default = true;
    rig.login_with(first).logged_in().await.unwrap();
    let mut second = plain_login("acme", "new");
    second.settings.store = None;
    let logged_in = rig.login_with(second).logged_in().await.unwrap();
    assert_eq!(logged_in.api_url, "https://api.acme.example");
    let status = rig.status("acme").await;
    assert_eq!(
        (status.kind, status.store),
        (Kind::PersonalAccessToken, Store::Memory)
    );
    assert!(status.default);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_store_is_told_the_choices() {
    let rig = Rig::new();
    let mut login = plain_login("acme", "key");
    login.settings.store = None;
    let denial = rig.login_with(login).denial().await;
    assert!(denial.message.contains("--store file") && denial.message.contains("--store memory"));
    assert_eq!(rig.api.count(), 0, "the credential went nowhere");
}

#[tokio::test(start_paused = true)]
async fn a_login_with_settings_that_cannot_be_used_sends_nothing() {
    let rig = Rig::new();
    let text = |text: &str| Some(text.to_owned());
    let said = |change: &dyn Fn(&mut SaidSettings)| {
        let mut login = plain_login("acme", "key");
        change(&mut login.settings);
        login
    };
    for (login, named) in [
        (said(&|s| s.auth_url = text("http://x")), "--allow-http"),
        (said(&|s| s.auth_url = text("nonsense")), "auth_url"),
        (said(&|s| s.organization_id = text("acme")), "GUID"),
        (said(&|s| s.kind = Some(Kind::ApiKey)), "--name"),
        (said(&|s| s.ca_file = text("/no/such.pem")), "/no/such.pem"),
    ] {
        let denial = rig.login_with(login).denial().await;
        assert!(denial.message.contains(named), "{denial}");
    }
    assert_eq!(rig.api.count(), 0);
    assert!(rig.list().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_login_from_another_organization_uses_its_credential() {
    let rig = Rig::with("acme").await;
    let mut sub = from("sub", Some("acme"));
    sub.settings.sub_organization = Some(OTHER.to_owned());
    let logged_in = rig.login_with(sub).logged_in().await.unwrap();
    assert_eq!(logged_in.organization_id.as_deref(), Some(OTHER));
    assert_eq!(rig.get("sub").token().await, "key-2");
    assert_eq!(
        rig.get("acme").token().await,
        "key-1",
        "the other keeps its own"
    );
    let unknown = rig.login_with(from("x", Some("nowhere")));
    assert_eq!(unknown.error().await, ErrorCode::UnknownOrganization);
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_credential_says_what_it_would_need_and_changes_nothing() {
    let rig = Rig::with("acme").await;
    for (store, passphrase) in [
        (Store::Memory, PassphraseNeed::Nothing),
        (Store::File, PassphraseNeed::New),
    ] {
        let mut asked = from("beta", None);
        asked.settings.store = Some(store);
        let Response::LoginNeeds(needs) = rig.login_with(asked).one().await else {
            panic!("it does not say");
        };
        assert_eq!(
            (needs.kind, needs.passphrase),
            (Kind::PersonalAccessKey, passphrase)
        );
    }
    assert_eq!(
        (rig.api.count(), rig.list().await),
        (1, vec!["acme".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_without_a_writable_home_lives_in_memory_and_says_so() {
    let rig = Rig::unwritable();
    let mut login = plain_login("acme", "key");
    login.make_default = true;
    let logged_in = rig.login_with(login).logged_in().await.unwrap();
    assert!(logged_in.settings_not_saved.is_some());
    rig.login("gamma", "c").logged_in().await.unwrap();
    assert_eq!(rig.get("acme").token().await, "key-1");
    rig.pass(HOUR).await;
    assert_eq!(rig.get("acme").token().await, "key-2");
    rig.rename("acme", "beta").done().await;
    assert_eq!(rig.get("beta").token().await, "key-2");
    assert!(rig.status("beta").await.default, "the default follows");
    let error = rig.get("acme").error().await;
    assert_eq!(error, ErrorCode::UnknownOrganization);
    rig.choose("gamma").done().await;
    assert!(rig.status("gamma").await.default);
    rig.logout("beta").all().await;
    assert_eq!(rig.list().await, ["gamma"]);
}

#[tokio::test(start_paused = true)]
async fn what_lived_in_memory_gives_way_to_what_is_written_later() {
    let rig = Rig::unwritable();
    rig.login("acme", "old").logged_in().await.unwrap();
    rig.login("beta", "b").logged_in().await.unwrap();
    rig.login("gamma", "c").logged_in().await.unwrap();
    rig.make_writable();
    let mut login = plain_login("acme", "new");
    login.settings.api_url = Some("https://api.acme.example".to_owned());
    assert_eq!(
        rig.login_with(login)
            .logged_in()
            .await
            .unwrap()
            .settings_not_saved,
        None
    );
    assert_eq!(rig.status("acme").await.api_url, "https://api.acme.example");
    rig.logout("beta").all().await;
    assert_eq!(rig.list().await, ["acme", "gamma"]);
    rig.rename("gamma", "delta").done().await;
    assert_eq!(rig.get("delta").token().await, "c-1");
    assert_eq!(rig.list().await, ["acme", "delta"]);
}

#[tokio::test(start_paused = true)]
async fn a_login_that_cannot_be_stored_is_told_and_leaves_the_old_one() {
    let rig = Rig::with("acme").await;
    let _lock = rig.forbid_settings();
    let mut login = plain_login("acme", "new");
    login.settings.store = Some(Store::File);
    rig.unlock("passphrase", true).done().await;
    let denial = rig.login_with(login).denial().await;
    assert_eq!(denial.error, ErrorCode::StoreUnreadable);
    assert_eq!(rig.get("acme").token().await, "key-1");
    assert_eq!(rig.status("acme").await.store, Store::Memory);
}
