//! Every fault of the Auth API through every form of exchange, with a valid token, an expired one
//! and none; asked over the socket, as a process for each question would take minutes.

#![cfg(target_os = "linux")]

mod forms;
mod network;

use std::time::Duration;

use ac_cred_tests::{
    auth_sim::{AuthSim, Fault, rows},
    process::Process,
    world::{PATIENCE, World, eventually, timed},
};
use serde_json::{Value, json};

use forms::{FORMS, Form, TRANSIENT, in_parallel, log_in, token_of};

/// When a call has ended, also on a machine that has much to do.
const LATEST: Duration = Duration::from_secs(30);

/// What the daemon may have held at once at most, in KiB: hundreds of exchanges at the same time,
/// each with at most 256 KiB of an answer.
const PEAK: u64 = 256 * 1_024;

/// The longest pause in seconds whose end is waited for.
const LONGEST_PAUSE: u64 = 20;

/// What has to come of a fault.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    Transient,
    Refused,
    /// Taken or refused, but nothing in between.
    Either,
    WrongOrganization,
}

/// An organization of its own for one fault and one form.
struct Case {
    alias: String,
    form: Form,
    fault: Fault,
    verdict: Verdict,
}

impl Case {
    /// How long an answer is waited for: no longer than it must where one may never come, and long
    /// enough for a machine that has much to do where only one answer is right.
    fn wait_ms(&self) -> u32 {
        match self.verdict {
            Verdict::Transient | Verdict::Either => 2_000,
            Verdict::Refused | Verdict::WrongOrganization => 20_000,
        }
    }
}

#[test]
fn every_fault_is_told_truly_and_a_valid_token_is_served_throughout() {
    let world = World::new();
    let elsewhere = AuthSim::start();
    start(&world);
    in_parallel(&cases(&elsewhere), |case| {
        let (key, token) = log_in(&world, &case.alias, case.form, &world.sim().url());
        world
            .sim()
            .only_credential(&key)
            .fail_always(case.fault.clone());
        let refresh =
            json!({ "organization": case.alias, "refresh": true, "wait_ms": case.wait_ms() });
        let answer = asked(&world, case, &json!({ "get": refresh }));
        let served = asked(
            &world,
            case,
            &json!({ "get": { "organization": case.alias } }),
        );
        if answer["denied"].is_object() {
            assert_eq!(token_of(&served), Some(&*token), "{}: {served}", case.alias);
        }
        let reject = json!({ "organization": case.alias, "wait_ms": case.wait_ms() });
        asked(&world, case, &json!({ "reject": reject }));
        let get = json!({ "organization": case.alias, "wait_ms": case.wait_ms() });
        asked(&world, case, &json!({ "get": get }));
    });
    assert_eq!(
        elsewhere.connections(),
        0,
        "a credential was sent elsewhere"
    );
    stays_small(&world);
    world.sim().heal();
    world.sim().cut_connections();
    in_parallel(&cases(&elsewhere), |case| recovers(&world, case));
}

#[test]
fn every_fault_is_told_truly_when_the_token_has_expired() {
    let world = World::new();
    let elsewhere = AuthSim::start();
    start(&world);
    world.sim().set_short_lifetime();
    in_parallel(&cases(&elsewhere), |case| {
        let (key, token) = log_in(&world, &case.alias, case.form, &world.sim().url());
        world
            .sim()
            .only_credential(&key)
            .fail_always(case.fault.clone());
        let get = json!({ "get": { "organization": case.alias, "wait_ms": case.wait_ms() } });
        let mut answer = Value::Null;
        let has_expired = || {
            answer = asked(&world, case, &get);
            token_of(&answer) != Some(&*token)
        };
        assert!(
            eventually(PATIENCE, has_expired),
            "{}: {answer}",
            case.alias
        );
    });
    assert_eq!(
        elsewhere.connections(),
        0,
        "a credential was sent elsewhere"
    );
    stays_small(&world);
}

#[test]
fn a_refused_credential_is_asked_about_once_however_often_get_is_called() {
    let world = World::new();
    start(&world);
    in_parallel(&FORMS, |&form| {
        let case = Case {
            alias: format!("{form:?}"),
            form,
            fault: Fault::status(401),
            verdict: Verdict::Refused,
        };
        let (key, _) = log_in(&world, &case.alias, case.form, &world.sim().url());
        world.sim().revoke(&key);
        let reject = json!({ "reject": { "organization": case.alias } });
        asked(&world, &case, &reject);
        for _ in 0..50 {
            let get = json!({ "get": { "organization": case.alias } });
            let answer = asked(&world, &case, &get);
            assert_eq!(answer["denied"]["error"], "credential_refused", "{answer}");
        }
        let exchanges = world.sim().exchange_count_for(&key);
        assert_eq!(exchanges, 2, "the login's, and one");
    });
}

/// Each row in each form.
fn cases(elsewhere: &AuthSim) -> Vec<Case> {
    let target = format!("{}/auth/v3/token", elsewhere.url());
    // One that is streamed for minutes in a debug build is met by the other walk.
    let is_quick = |fault: &Fault| !fault.name().contains("536870912");
    let groups = [
        (rows::transient_statuses(&target), Verdict::Transient),
        (rows::refusals(), Verdict::Refused),
        (rows::unusable_bodies(), Verdict::Transient),
        (rows::doubtful_bodies(), Verdict::Either),
        (rows::odd_lifetimes(), Verdict::Either),
        (rows::broken_connections(), Verdict::Transient),
        (rows::endless_connections(), Verdict::Transient),
        (
            vec![Fault::other_organization(rows::FOREIGN_ORGANIZATION)],
            Verdict::WrongOrganization,
        ),
    ];
    let mut cases = Vec::new();
    for (faults, verdict) in groups {
        for fault in faults.into_iter().filter(is_quick) {
            for form in FORMS {
                cases.push(Case {
                    alias: format!("org-{}", cases.len()),
                    form,
                    fault: fault.clone(),
                    verdict,
                });
            }
        }
    }
    cases
}

fn start(world: &World) {
    world.ac_cred(["daemon", "start"]).run().succeeded();
}

/// Asks, and looks whether the answer is what has to come of the fault, in time.
fn asked(world: &World, case: &Case, question: &Value) -> Value {
    let (answer, time) = timed(|| world.connect_json().ask_line(&question.to_string()));
    let shown = format!("{} in form {:?}: {answer}", case.fault.name(), case.form);
    assert!(time < LATEST, "{time:?} {shown}");
    let Some(error) = answer["denied"]["error"].as_str() else {
        assert!(
            token_of(&answer).is_some_and(|token| token.starts_with("eyJ")),
            "{shown}"
        );
        return answer;
    };
    let is_right = match case.verdict {
        Verdict::Transient | Verdict::Either => TRANSIENT.contains(&error),
        Verdict::Refused => error == "credential_refused",
        // While the pause lasts, it is the failure before it that is told.
        Verdict::WrongOrganization => error == "wrong_organization",
    };
    assert!(is_right, "{shown}");
    let message = answer["denied"]["message"].as_str().unwrap_or_default();
    assert!(
        !message.contains("marker") && !message.contains(char::is_control),
        "{shown}"
    );
    answer
}

/// No login is needed when the fault is over; a server may ask for a pause of ten minutes at most.
fn recovers(world: &World, case: &Case) {
    let refresh = json!({ "organization": case.alias, "refresh": true, "wait_ms": 20_000 });
    let question = json!({ "get": refresh }).to_string();
    let mut answer = Value::Null;
    let is_over = || {
        answer = world.connect_json().ask_line(&question);
        let pause = answer["denied"]["retry_after"].as_u64().unwrap_or(0);
        token_of(&answer).is_some() || (LONGEST_PAUSE + 1..=600).contains(&pause)
    };
    assert!(
        eventually(PATIENCE, is_over),
        "{}: {answer}",
        case.fault.name()
    );
}

fn stays_small(world: &World) {
    let daemon = Process(world.daemon_pid().expect("a daemon serves"));
    let Ok(line) = daemon.line("status", "VmHWM:") else {
        return;
    };
    let peak: u64 = line
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    assert!(peak < PEAK, "{peak} KiB");
}
