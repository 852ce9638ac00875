//! Watchers: told what is the case, then what changes, and dropped when they do not listen.

use std::time::Duration;

use ac_cred_proto::message::{Event, EventKind, Lock, Watch};
use ac_cred_proto::{ErrorCode, Request, Response};
use tokio::sync::mpsc;

use crate::rig::auth_api::Reply;
use crate::rig::{HOUR, Rig, org};

/// The most events that wait for a watcher.
const MAX_UNREAD: usize = 64;

struct Watching {
    first: Vec<Event>,
    then: mpsc::Receiver<Response>,
}

impl Watching {
    async fn start(rig: &Rig, organization: Option<&str>) -> Self {
        let organization = organization.map(org);
        let (first, then) = rig
            .call(Request::Watch(Watch { organization }))
            .watch()
            .await;
        let first = first.into_iter().map(event).collect();
        Self { first, then }
    }

    /// What has been told since the last look, in a word each.
    async fn told(&mut self, rig: &Rig) -> Vec<String> {
        rig.settled().await;
        let mut told = Vec::new();
        while let Ok(response) = self.then.try_recv() {
            told.push(word(&event(response)));
        }
        told
    }
}

fn event(response: Response) -> Event {
    let Response::Event(event) = response else {
        panic!("not an event: {response:?}");
    };
    *event
}

/// An event as `acme renewed`.
fn word(event: &Event) -> String {
    let of = event.organization.as_ref();
    let of = of.map_or_else(String::new, |org| format!("{org} "));
    format!("{of}{:?}", event.event)
}

fn words(events: &[Event]) -> Vec<String> {
    events.iter().map(word).collect()
}

#[tokio::test(start_paused = true)]
async fn a_watcher_hears_first_what_is_the_case() {
    let rig = Rig::with("acme").await;
    rig.login("other", "key-of-other")
        .logged_in()
        .await
        .unwrap();
    let all = Watching::start(&rig, None).await;
    assert_eq!(
        words(&all.first),
        ["acme Renewed", "other Renewed", "Watching"]
    );
    assert_eq!(all.first[0].expires_in, Some(3_600));
    assert!(all.first[0].expires_at.is_some());
    let one = Watching::start(&rig, Some("other")).await;
    assert_eq!(words(&one.first), ["other Renewed", "Watching"]);
    let unknown = Some(org("unknown"));
    let watch = Request::Watch(Watch {
        organization: unknown,
    });
    let denial = rig.call(watch).denial().await;
    assert_eq!(denial.error, ErrorCode::UnknownOrganization);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_hears_of_a_token_from_its_coming_to_its_end() {
    let rig = Rig::with("acme").await;
    let mut watching = Watching::start(&rig, None).await;
    rig.pass(HOUR.mul_f64(0.74)).await;
    assert_eq!(watching.told(&rig).await, [""; 0]);
    rig.pass(HOUR.mul_f64(0.02)).await;
    assert_eq!(watching.told(&rig).await, ["acme Expiring"]);
    rig.pass(HOUR.mul_f64(0.25)).await;
    assert_eq!(watching.told(&rig).await, ["acme Expired"]);
    rig.get("acme").token().await;
    assert_eq!(watching.told(&rig).await, ["acme Renewed"]);
}

#[tokio::test(start_paused = true)]
async fn of_a_token_that_is_renewed_behind_no_end_is_told() {
    let rig = Rig::with("acme").await;
    let mut watching = Watching::start(&rig, None).await;
    rig.pass(HOUR.mul_f64(0.8)).await;
    rig.get("acme").token().await;
    rig.pass(HOUR.mul_f64(0.3)).await;
    let told = watching.told(&rig).await;
    assert_eq!(told, ["acme Expiring", "acme Renewed"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_night_of_sleep_the_end_of_a_token_is_told() {
    let rig = Rig::with("acme").await;
    let mut watching = Watching::start(&rig, None).await;
    rig.clock.suspend(Duration::from_hours(8));
    rig.pass(Duration::from_secs(31)).await;
    assert_eq!(watching.told(&rig).await, ["acme Expired"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_needs_a_person() {
    let rig = Rig::with("acme").await;
    let mut watching = Watching::start(&rig, None).await;
    rig.pass(Duration::from_secs(2)).await;
    rig.api.plan("key", Reply::Refused);
    rig.refresh("acme").denial().await;
    rig.settled().await;
    let told = event(watching.then.try_recv().unwrap());
    assert_eq!(told.event, EventKind::LoginNeeded);
    assert_eq!(told.error, Some(ErrorCode::CredentialRefused));
    assert_eq!(told.hint.as_deref(), Some("ac-cred login acme"));
    rig.pass(HOUR).await;
    let late = Watching::start(&rig, None).await;
    assert_eq!(words(&late.first), ["acme LoginNeeded", "Watching"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_needs_nobody() {
    let rig = Rig::with("acme").await;
    let mut watching = Watching::start(&rig, None).await;
    rig.pass(Duration::from_secs(2)).await;
    rig.api.plan("key", Reply::Lost);
    rig.refresh("acme").denial().await;
    assert_eq!(watching.told(&rig).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_a_logout_and_a_new_name_are_told() {
    let rig = Rig::with("acme").await;
    let mut all = Watching::start(&rig, None).await;
    let mut one = Watching::start(&rig, Some("acme")).await;
    rig.rename("acme", "renamed").done().await;
    let told = all.told(&rig).await;
    assert_eq!(told, ["acme LoggedOut", "renamed Renewed"]);
    assert_eq!(one.told(&rig).await, ["acme LoggedOut"]);
    rig.logout("renamed").all().await;
    assert_eq!(all.told(&rig).await, ["renamed LoggedOut"]);
    let lock = Lock {
        forget_memory: true,
    };
    rig.call(Request::Lock(lock)).done().await;
    assert_eq!(all.told(&rig).await, ["Locked"]);
    assert_eq!(one.told(&rig).await, ["Locked"]);
    let late = Watching::start(&rig, None).await;
    assert_eq!(words(&late.first), ["Locked", "Watching"]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_gone_until_its_successor_comes() {
    let rig = Rig::with("acme").await;
    let mut watching = Watching::start(&rig, None).await;
    let gate = rig.api.hold("key");
    let rejected = rig.reject("acme", None);
    rig.pass(Duration::from_secs(2)).await;
    assert_eq!(watching.told(&rig).await, ["acme Expired"]);
    gate.open(Reply::Token(3_600));
    rejected.token().await;
    assert_eq!(watching.told(&rig).await, ["acme Renewed"]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_is_dropped_and_costs_nobody_anything() {
    let rig = Rig::with("acme").await;
    let mut deaf = Watching::start(&rig, None).await;
    let mut listening = Watching::start(&rig, None).await;
    for _ in 0..=MAX_UNREAD {
        rig.pass(Duration::from_secs(2)).await;
        rig.refresh("acme").token().await;
        assert_eq!(listening.told(&rig).await, ["acme Renewed"]);
    }
    let mut heard = 0;
    while deaf.then.recv().await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, MAX_UNREAD, "then the end, not a hole");
}

#[tokio::test(start_paused = true)]
async fn there_are_places_for_many_watchers_but_not_for_all() {
    let rig = Rig::with("acme").await;
    let mut watching = Vec::new();
    for _ in 0..256 {
        watching.push(Watching::start(&rig, None).await);
    }
    let one_more = || rig.call(Request::Watch(Watch { organization: None }));
    assert_eq!(one_more().error().await, ErrorCode::Busy);
    watching.pop();
    one_more().watch().await;
}
