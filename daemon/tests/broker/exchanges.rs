//! Who gets which token, at the cost of how many exchanges.

use std::time::Duration;

use ac_cred_proto::ErrorCode;
use ac_cred_proto::message::{Get, Outcome, Warning};
use ac_cred_proto::{Request, Response};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::rig::auth_api::Reply;
use crate::rig::{ACME, HOUR, OTHER, Rig, name, plain_get, plain_login};

#[tokio::test(start_paused = true)]
async fn a_login_leaves_a_token_that_is_served_without_another_exchange() {
    let rig = Rig::with("acme").await;
    let lease = rig.get("acme").lease().await.unwrap();
    assert_eq!(name(&lease), "key-1");
    assert_eq!(lease.organization.as_str(), "acme");
    assert_eq!(lease.organization_id.as_deref(), Some(ACME));
    assert_eq!(lease.expires_in, 3_600);
    assert_eq!(lease.expires_at.as_unix(), rig.clock.right() + 3_600);
    assert_eq!(lease.warning, None);
    assert_eq!(rig.api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_callers_at_expiry_cost_one_exchange() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let callers: Vec<_> = (0..10_000).map(|_| rig.get("acme")).collect();
    for caller in callers {
        assert_eq!(caller.token().await, "key-2");
    }
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connections_at_expiry_cost_one_exchange() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let mut connections = Vec::new();
    for _ in 0..1_000 {
        let mut connection = rig.connect();
        connection.write_all(b"{\"get\":{}}\n").await.unwrap();
        connections.push(connection);
    }
    let mut answers = Vec::new();
    for connection in connections {
        let mut line = String::new();
        BufReader::new(connection)
            .read_line(&mut line)
            .await
            .unwrap();
        answers.push(line);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "all have the same");
    assert!(answers[0].contains(".key-2\""), "{answers:?}");
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn callers_who_come_while_an_exchange_is_under_way_join_it() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let first = rig.get("acme");
    rig.api.began(2).await;
    let rest: Vec<_> = [
        rig.get("acme"),
        rig.refresh("acme"),
        rig.demand("acme", 3_000),
    ]
    .into();
    rig.settled().await;
    gate.open(Reply::Token(3_600));
    for caller in rest.into_iter().chain([first]) {
        assert_eq!(caller.token().await, "key-2");
    }
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_organization_delays_no_other() {
    let rig = Rig::with("slow").await;
    for number in 0..20 {
        let (organization, key) = (format!("quick-{number}"), format!("key-{number}"));
        rig.login(&organization, &key).logged_in().await.unwrap();
    }
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let slow = rig.get("slow");
    rig.api.began(22).await;
    let began = rig.clock.right();
    for number in 0..20 {
        let token = rig.get(&format!("quick-{number}")).token().await;
        assert_eq!(token, format!("key-{number}-2"));
    }
    assert_eq!(rig.clock.right(), began, "no time has passed");
    assert!(!slow.is_there());
    gate.open(Reply::Token(3_600));
    assert_eq!(slow.token().await, "key-2");
}

#[tokio::test(start_paused = true)]
async fn a_stale_token_is_served_at_once_and_renewed_behind() {
    let rig = Rig::with("acme").await;
    rig.pass(Duration::from_mins(50)).await;
    let gate = rig.api.hold("key");
    assert_eq!(rig.get("acme").token().await, "key-1");
    rig.api.began(2).await;
    assert_eq!(rig.get("acme").token().await, "key-1");
    gate.open(Reply::Token(3_600));
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(rig.get("acme").token().await, "key-2");
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn rejects_of_one_token_one_after_the_other_cost_one_exchange() {
    let rig = Rig::with("acme").await;
    let dead = rig.get("acme").lease().await.unwrap().access_token;
    rig.pass(Duration::from_secs(2)).await;
    let gate = rig.api.hold("key");
    let mut callers = Vec::new();
    for _ in 0..50 {
        callers.push(rig.reject("acme", Some(&dead)));
        rig.pass(Duration::from_millis(10)).await;
    }
    gate.open(Reply::Token(3_600));
    for caller in callers {
        assert_eq!(caller.token().await, "key-2");
    }
    for _ in 0..50 {
        rig.pass(Duration::from_secs(30)).await;
        assert_eq!(
            rig.reject("acme", Some(&dead)).token().await,
            "key-2",
            "it is replaced"
        );
    }
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_never_served_again() {
    let rig = Rig::with("acme").await;
    rig.pass(Duration::from_secs(2)).await;
    rig.api.plan("key", Reply::Lost);
    assert_eq!(
        rig.reject("acme", None).error().await,
        ErrorCode::AuthApiUnreachable
    );
    let gate = rig.api.hold("key");
    assert_eq!(
        rig.get_within("acme", 5_000).error().await,
        ErrorCode::AuthApiUnreachable
    );
    gate.open(Reply::Token(3_600));
    rig.settled().await;
    assert_eq!(rig.get("acme").token().await, "key-2");
}

#[tokio::test(start_paused = true)]
async fn refreshing_in_a_loop_costs_an_exchange_a_second_at_most() {
    let rig = Rig::with("acme").await;
    for number in 2..12 {
        assert_eq!(rig.refresh("acme").token().await, format!("key-{number}"));
    }
    let seen = rig.api.seen();
    let gaps = seen.windows(2).map(|pair| pair[0].at.until(pair[1].at).0);
    assert!(gaps.min() >= Some(1_000), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn tokens_that_are_dead_on_arrival_are_not_served_and_not_fetched_in_a_flood() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    for _ in 0..1_000 {
        rig.api.plan("key", Reply::Token(0));
    }
    for _ in 0..300 {
        assert_eq!(
            rig.get_within("acme", 100).error().await,
            ErrorCode::AuthApiBadAnswer
        );
        rig.pass(Duration::from_millis(200)).await;
    }
    assert!(
        rig.api.count() < 30,
        "{} exchanges in a minute",
        rig.api.count()
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_not_sent_again_and_its_living_token_is_served_with_a_warning() {
    let rig = Rig::with("acme").await;
    rig.pass(Duration::from_mins(50)).await;
    rig.api.plan("key", Reply::Refused);
    assert_eq!(rig.get("acme").token().await, "key-1");
    rig.api.began(2).await;
    for _ in 0..9 {
        rig.pass(Duration::from_mins(1)).await;
        let lease = rig.get("acme").lease().await.unwrap();
        assert_eq!(lease.warning, Some(Warning::CredentialRefused));
    }
    rig.pass(Duration::from_mins(1)).await;
    for _ in 0..100 {
        let denial = rig.get("acme").denial().await;
        assert_eq!(denial.error, ErrorCode::CredentialRefused);
        assert_eq!(denial.hint.as_deref(), Some("ac-cred login acme"));
        rig.pass(Duration::from_mins(10)).await;
    }
    assert_eq!(rig.api.count(), 2);
    assert_eq!(rig.refresh("acme").token().await, "key-2", "a person asks");
    assert_eq!(rig.get("acme").lease().await.unwrap().warning, None);
}

#[tokio::test(start_paused = true)]
async fn who_is_limited_waits_as_long_as_the_server_asks() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    rig.api.plan("key", Reply::Limited(120));
    assert_eq!(rig.get("acme").error().await, ErrorCode::RateLimited);
    for left in [100, 80, 60, 40, 20] {
        rig.pass(Duration::from_secs(20)).await;
        let denial = rig.get("acme").denial().await;
        assert_eq!(
            (denial.error, denial.retry_after),
            (ErrorCode::RateLimited, Some(left))
        );
    }
    assert_eq!(rig.api.count(), 2);
    assert_eq!(rig.get_within("acme", 60_000).token().await, "key-2");
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_organization_is_never_served() {
    let rig = Rig::with("acme").await;
    rig.pass(Duration::from_mins(50)).await;
    rig.api.plan("key", Reply::Foreign(OTHER));
    assert_eq!(
        rig.get("acme").token().await,
        "key-1",
        "the right one lives"
    );
    rig.pass(Duration::from_mins(11)).await;
    rig.api.plan("key", Reply::Foreign(OTHER));
    let denial = rig.get("acme").denial().await;
    assert_eq!(denial.error, ErrorCode::WrongOrganization);
    assert_eq!(denial.hint.as_deref(), Some("ac-cred login acme"));
    let status = rig.status("acme").await;
    assert!(status.token.is_none(), "it is not kept either");
    let last = status.last_exchange.unwrap();
    assert_eq!(last.outcome, Outcome::Failed(ErrorCode::WrongOrganization));
    assert_eq!(
        rig.get("acme").token().await,
        "key-4",
        "the next one is right"
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_names_no_organization_is_served_where_none_was_asked_for() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    rig.api.plan("key", Reply::Opaque);
    assert_eq!(rig.get("acme").lease().await.unwrap().organization_id, None);
}

#[tokio::test(start_paused = true)]
async fn every_answer_that_is_neither_a_token_nor_a_refusal_is_tried_again() {
    for reply in [
        Reply::Status(404, "{}"),
        Reply::Status(302, ""),
        Reply::Status(500, "<html>"),
        Reply::Status(401, "<html>a proxy</html>"),
        Reply::Status(200, "<html>a hotel</html>"),
        Reply::Status(200, "{}"),
        Reply::Lost,
    ] {
        let rig = Rig::with("acme").await;
        rig.pass(HOUR).await;
        rig.api.plan("key", reply.clone());
        let error = rig.get("acme").error().await;
        assert_ne!(error, ErrorCode::CredentialRefused, "{reply:?}");
        assert_eq!(rig.get("acme").token().await, "key-2", "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_in_an_exchange_is_told_and_does_not_last() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    rig.api.plan("key", Reply::Panic);
    assert_eq!(rig.get("acme").error().await, ErrorCode::Internal);
    assert_eq!(rig.get("acme").token().await, "key-2");
}

#[tokio::test(start_paused = true)]
async fn the_organization_is_the_named_one_the_default_or_the_only_one() {
    let rig = Rig::new();
    let unnamed = || {
        Request::Get(Get {
            organization: None,
            ..plain_get("x")
        })
    };
    assert_eq!(
        rig.call(unnamed()).error().await,
        ErrorCode::NoOrganizationChosen
    );
    assert_eq!(
        rig.get("acme").error().await,
        ErrorCode::UnknownOrganization
    );
    rig.login("acme", "a").logged_in().await.unwrap();
    assert_eq!(rig.call(unnamed()).token().await, "a-1");
    let mut other = plain_login("beta", "b");
    other.settings.organization_id = Some(OTHER.to_owned());
    rig.login_with(other).logged_in().await.unwrap();
    assert_eq!(
        rig.call(unnamed()).error().await,
        ErrorCode::NoOrganizationChosen
    );
    assert_eq!(rig.get(OTHER).token().await, "b-1", "by its GUID");
    rig.choose("beta").done().await;
    assert_eq!(rig.call(unnamed()).token().await, "b-1");
}

#[tokio::test(start_paused = true)]
async fn callers_who_wait_are_answered_although_the_daemon_ends() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = rig.get("acme");
    rig.api.began(2).await;
    rig.stop().done().await;
    assert!(rig.is_ending());
    gate.open(Reply::Token(3_600));
    assert_eq!(waits.token().await, "key-2");
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_cancels_nothing() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    drop(rig.get("acme"));
    rig.api.began(2).await;
    gate.open(Reply::Token(3_600));
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(rig.get("acme").token().await, "key-2");
    assert_eq!(rig.api.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn status_and_list_cost_no_exchange_and_tell_no_token() {
    let rig = Rig::with("acme").await;
    rig.login("beta", "b").logged_in().await.unwrap();
    rig.pass(HOUR * 2).await;
    assert_eq!(rig.list().await, ["acme", "beta"]);
    let status = rig.status("acme").await;
    assert!(status.token.is_none());
    assert_eq!(status.organization_id.as_deref(), Some(ACME));
    assert_eq!(status.last_exchange.unwrap().outcome, Outcome::Ok);
    let asked = Request::Status(ac_cred_proto::message::Status { organization: None });
    let all = rig.call(asked).all().await;
    assert!(matches!(&all[0], Response::Daemon(daemon) if daemon.uptime >= 7_200));
    assert!(matches!(all.last(), Some(Response::End(_))));
    assert!(!format!("{all:?}").contains("eyJ"));
    assert_eq!(rig.api.count(), 2);
}
