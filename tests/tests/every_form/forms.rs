//! The forms of exchange, a login through each of them, and what their answers have in common.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use ac_cred_tests::world::World;
use serde_json::{Value, json};

/// What all transient failures are called.
pub(crate) const TRANSIENT: [&str; 3] = [
    "auth_api_unreachable",
    "auth_api_bad_answer",
    "rate_limited",
];

/// The forms of exchange of Appcircle's Auth API.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    PersonalAccessKey,
    PersonalAccessToken,
    SubOrganization,
    ApiKey,
}

pub(crate) const FORMS: [Form; 4] = [
    Form::PersonalAccessKey,
    Form::PersonalAccessToken,
    Form::SubOrganization,
    Form::ApiKey,
];

/// The organizations so far, so that each has a GUID of its own.
static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Logs in over the socket; the secret, and the token that proved it.
pub(crate) fn log_in(world: &World, alias: &str, form: Form, auth_url: &str) -> (String, String) {
    let secret = world.secrets().fresh("key");
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let own = format!("{number:08x}-0000-4000-9000-000000000000");
    let below = format!("{number:08x}-0000-4000-9000-00000000000b");
    let sim = world.sim();
    let said = match form {
        Form::PersonalAccessKey => {
            sim.add_personal_access_key(&secret, &own).named(alias);
            json!({ "kind": "personal-access-key" })
        }
        Form::PersonalAccessToken => {
            sim.add_personal_access_token(&secret, &own).named(alias);
            json!({ "kind": "personal-access-token" })
        }
        Form::SubOrganization => {
            let added = sim.add_personal_access_token(&secret, &own);
            added.named(alias).with_sub_organization(&below);
            json!({ "kind": "personal-access-token", "sub_organization": below })
        }
        Form::ApiKey => {
            sim.add_api_key(alias, &secret, &[&own]).named(alias);
            json!({ "kind": "api-key", "name": alias, "organization_id": own })
        }
    };
    let mut settings = json!({
        "store": "memory",
        "auth_url": auth_url,
        "api_url": sim.url(),
        "ca_file": world.ca_file(),
    });
    for (name, value) in said.as_object().expect("it is an object") {
        settings[name] = value.clone();
    }
    let login = json!({ "login": {
        "organization": alias,
        "credential": secret,
        "settings": settings,
        "wait_ms": 60_000,
    } });
    let answer = world.connect_json().ask_line(&login.to_string());
    assert!(answer["logged_in"].is_object(), "{form:?}: {answer}");
    let issued = sim.issued_tokens().into_iter();
    let mut mine = issued.filter(|issued| [&own, &below].contains(&&issued.organization_id));
    (secret, mine.next().expect("a login brings a token").token)
}

pub(crate) fn token_of(answer: &Value) -> Option<&str> {
    answer["lease"]["access_token"].as_str()
}

pub(crate) fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        for thread in threads {
            thread.join().expect("every answer is right");
        }
    });
}
