//! Deadlines, nights of sleep, and clocks that are wrong.

use std::time::Duration;

use ac_cred_proto::ErrorCode;

use crate::rig::auth_api::Reply;
use crate::rig::{HOUR, Rig, name};

const NIGHT: Duration = Duration::from_hours(8);

#[tokio::test(start_paused = true)]
async fn every_caller_is_answered_at_its_deadline_with_the_true_reason() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let gate = rig.api.hold("key");
    let waits = [0, 1, 500, 8_000, 20_000];
    let callers = waits.map(|wait_ms| (wait_ms, rig.get_within("acme", wait_ms)));
    let began = rig.clock.right();
    for (wait_ms, caller) in callers {
        let denial = caller.denial().await;
        assert_eq!(denial.error, ErrorCode::AuthApiUnreachable);
        assert!(denial.message.contains("auth.appcircle.io"), "{denial}");
        assert_eq!(rig.clock.right() - began, u64::from(wait_ms) / 1_000);
    }
    assert_eq!(rig.api.count(), 2);
    gate.open(Reply::Token(3_600));
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(
        rig.get("acme").token().await,
        "key-2",
        "the late token is there for others"
    );
}

#[tokio::test(start_paused = true)]
async fn at_its_deadline_a_caller_is_given_a_token_with_thirty_seconds() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR.saturating_sub(Duration::from_secs(40))).await;
    let _gate = rig.api.hold("key");
    let (wish, demand) = (rig.get("acme"), rig.demand("acme", 60));
    assert_eq!(wish.token().await, "key-1");
    assert_eq!(demand.error().await, ErrorCode::AuthApiUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_caller_can_wait_no_longer_than_an_hour() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let _gate = rig.api.hold("key");
    let began = rig.clock.right();
    rig.get_within("acme", u32::MAX).error().await;
    assert_eq!(rig.clock.right() - began, 3_600);
}

#[tokio::test(start_paused = true)]
async fn after_a_night_of_sleep_the_first_get_has_a_new_token() {
    let rig = Rig::with("acme").await;
    for night in 1..4 {
        rig.clock.suspend(NIGHT);
        let lease = rig.get("acme").lease().await.unwrap();
        assert_eq!(name(&lease), format!("key-{}", night + 1));
        assert_eq!(lease.expires_in, 3_600);
        assert_eq!(lease.expires_at.as_unix(), rig.clock.right() + 3_600);
        rig.pass(Duration::from_mins(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_waited_when_the_machine_fell_asleep_are_answered_soon_after_it_wakes() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    let _gate = rig.api.hold("key");
    let waits = rig.get_within("acme", 60_000);
    rig.api.began(2).await;
    rig.clock.suspend(NIGHT);
    rig.pass(Duration::from_secs(30)).await;
    assert!(waits.is_there());
    assert_eq!(waits.error().await, ErrorCode::AuthApiUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_pause_ends_in_sleep() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR).await;
    rig.api.plan("key", Reply::Limited(600));
    rig.get("acme").error().await;
    rig.clock.suspend(NIGHT);
    assert_eq!(rig.get("acme").token().await, "key-2");
}

/// Asks every ten seconds for three hours on a machine whose clock is stepped: each token is alive
/// by the right clock, and each is renewed once.
async fn check_step(before: i64, during: i64) {
    let rig = Rig::new();
    rig.clock.step(before);
    rig.login("acme", "key").logged_in().await.unwrap();
    for round in 0..1_080 {
        if round == 60 {
            rig.clock.step(during);
        }
        let lease = rig.get("acme").lease().await.unwrap();
        assert!(
            lease.expires_at.as_unix() > rig.clock.right(),
            "a dead token was served"
        );
        rig.pass(Duration::from_secs(10)).await;
    }
    assert!(
        (4..=5).contains(&rig.api.count()),
        "{} exchanges",
        rig.api.count()
    );
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_wrong_by_ten_minutes_neither_kills_tokens_nor_renews_in_a_loop() {
    for (before, during) in [(600, 0), (-600, 0), (0, 600), (0, -600), (0, 1_000_000)] {
        check_step(before, during).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_uses_is_not_renewed() {
    let rig = Rig::with("acme").await;
    rig.pass(HOUR * 24).await;
    assert_eq!(rig.api.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_login_token_counts_from_its_receipt_however_long_storing_took() {
    let rig = Rig::with("acme").await;
    let lock = rig.lock_settings();
    let login = rig.login("acme", "new");
    rig.api.began(2).await;
    rig.advance(Duration::from_mins(1)).await;
    drop(lock);
    assert_eq!(login.logged_in().await.unwrap().expires_in, 3_600);
    assert_eq!(rig.get("acme").lease().await.unwrap().expires_in, 3_540);
}
