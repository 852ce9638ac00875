//! Everything that can go wrong at the Auth API, met by the real programs: a valid token is served
//! throughout, no token is ever made up, and the end of a fault needs no new login.

#![cfg(unix)]

use std::{sync::OnceLock, thread, time::Duration};

use ac_cred_tests::{
    auth_sim::{AuthSim, Fault, Tls, rows},
    world::{Output, World, eventually, timed},
};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// When a call that waits for two seconds has ended, also on a machine that has much to do.
const LATEST: Duration = Duration::from_secs(8);

/// The longest pause in seconds whose end is waited for.
const LONGEST_PAUSE: u64 = 20;

#[test]
fn statuses_that_say_nothing_of_the_credential_are_transient() {
    let walk = walk();
    assert_each(&walk.transient_statuses, is_transient);
    assert_eq!(walk.sent_elsewhere, 0, "a redirect was followed");
}

#[test]
fn well_formed_refusals_ask_for_a_person() {
    assert_each(&walk().refusals, |fault, output| {
        is_refused(fault, output, 4);
    });
}

#[test]
fn a_body_without_a_usable_token_is_transient() {
    assert_each(&walk().unusable_bodies, is_transient);
}

#[test]
fn a_doubtful_body_is_taken_or_refused() {
    assert_each(&walk().doubtful_bodies, is_token_or_transient);
}

#[test]
fn an_odd_lifetime_is_taken_or_refused() {
    assert_each(&walk().odd_lifetimes, is_token_or_transient);
}

#[test]
fn a_broken_connection_is_transient() {
    assert_each(&walk().broken_connections, is_transient);
}

#[test]
fn a_connection_without_an_end_is_ended() {
    assert_each(&walk().endless_connections, is_transient);
}

#[test]
fn a_server_that_cannot_prove_itself_gets_no_credential() {
    in_parallel(&Tls::BROKEN, |&tls| {
        let name = format!("{tls:?}");
        let world = World::new();
        world.login("acme");
        let token = world.get("acme");
        world.sim().set_tls(tls);
        let refresh = ["get", "acme", "--refresh", "--wait", "2s"];
        is_transient(&name, &world.ac_cred(refresh).run());
        assert_eq!(world.get("acme"), token, "{name}");
        assert_eq!(world.sim().exchange_count(), 1, "{name}");
        world.sim().set_tls(Tls::Good);
        world.sim().cut_connections();
        has_recovered(&name, &recovery(&world, "acme"));
    });
}

/// What came of every fault.
struct Walk {
    transient_statuses: Vec<Met>,
    refusals: Vec<Met>,
    unusable_bodies: Vec<Met>,
    doubtful_bodies: Vec<Met>,
    odd_lifetimes: Vec<Met>,
    broken_connections: Vec<Met>,
    endless_connections: Vec<Met>,
    sent_elsewhere: usize,
}

/// What the programs did when they met a fault.
struct Met {
    fault: Fault,
    alias: String,
    /// The token from before the fault.
    token: String,
    /// What a demand for a new token got.
    refreshed: Output,
    /// What was served after that.
    served: Output,
    /// What came of the rejection of the held token.
    rejected: Output,
    /// What was served after that.
    without: Output,
    /// The longest of these calls.
    longest: Duration,
    /// The last call after the end of the fault.
    recovered: Option<Output>,
}

/// Meets all faults at the same time, as most of them wait for something, and once for all tests.
fn walk() -> &'static Walk {
    static WALK: OnceLock<Walk> = OnceLock::new();
    WALK.get_or_init(|| {
        let elsewhere = AuthSim::start();
        let target = format!("{}/auth/v3/token", elsewhere.url());
        let groups = [
            rows::transient_statuses(&target),
            rows::refusals(),
            rows::unusable_bodies(),
            rows::doubtful_bodies(),
            rows::odd_lifetimes(),
            rows::broken_connections(),
            rows::endless_connections(),
        ];
        let lengths = groups.each_ref().map(Vec::len);
        let mut met = meet_all(groups.concat()).into_iter();
        let mut groups = lengths.map(|length| met.by_ref().take(length).collect());
        let mut next = groups.iter_mut().map(std::mem::take);
        let mut group = || next.next().expect("there are as many groups as fields");
        Walk {
            transient_statuses: group(),
            refusals: group(),
            unusable_bodies: group(),
            doubtful_bodies: group(),
            odd_lifetimes: group(),
            broken_connections: group(),
            endless_connections: group(),
            sent_elsewhere: elsewhere.connections(),
        }
    })
}

/// Each fault is met by an organization of its own; then the simulator heals.
fn meet_all(faults: Vec<Fault>) -> Vec<Met> {
    let world = World::new();
    let faults: Vec<_> = faults.into_iter().enumerate().collect();
    let mut met = in_parallel(&faults, |(number, fault)| {
        meet(&world, format!("org-{number}"), fault)
    });
    world.sim().heal();
    world.sim().cut_connections();
    let recovered = in_parallel(&met, |met| recovery(&world, &met.alias));
    for (met, recovered) in met.iter_mut().zip(recovered) {
        met.recovered = Some(recovered);
    }
    met
}

fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = items
            .iter()
            .map(|item| scope.spawn(move || work(item)))
            .collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results
            .map(|result| result.expect("the calls are made"))
            .collect()
    })
}

/// Meets a fault with a valid token, and without one.
fn meet(world: &World, alias: String, fault: &Fault) -> Met {
    let account = world.login(&alias);
    let token = world.get(&alias);
    let sim = world.sim();
    sim.only_credential(&account.key).fail_always(fault.clone());
    let mut longest = Duration::ZERO;
    let mut call = |words: &[&str]| {
        let run = world.ac_cred(words).args([&*alias, "--wait", "2s"]);
        let (output, time) = timed(|| run.run());
        longest = longest.max(time);
        output
    };
    let refreshed = call(&["get", "--refresh"]);
    let served = call(&["get"]);
    let rejected = call(&["reject"]);
    let without = call(&["get"]);
    Met {
        fault: fault.clone(),
        token,
        refreshed,
        served,
        rejected,
        without,
        longest,
        recovered: None,
        alias,
    }
}

/// Asks until a token comes without another login, or the pause is too long to be waited for.
fn recovery(world: &World, alias: &str) -> Output {
    let words = [
        "get",
        alias,
        "--refresh",
        "--format",
        "json",
        "--wait",
        "20s",
    ];
    let call = || world.ac_cred(words).run();
    let mut last = call();
    let is_over = |output: &Output| output.code == 0 || pause(output) > LONGEST_PAUSE;
    let ends = eventually(PATIENCE, || {
        if !is_over(&last) {
            last = call();
        }
        is_over(&last)
    });
    assert!(ends, "{alias}: {last:?}");
    last
}

/// The seconds after which another try may help.
fn pause(output: &Output) -> u64 {
    output.error()["retry_after"].as_u64().unwrap_or(0)
}

#[track_caller]
fn assert_each(group: &[Met], verdict: fn(&str, &Output)) {
    for met in group {
        let fault = met.fault.name();
        verdict(fault, &met.refreshed);
        if met.refreshed.code != 0 {
            let served = met.served.succeeded();
            assert_eq!(served.stdout.trim_end(), met.token, "{fault}");
        }
        assert!(!met.rejected.stderr.contains("marker"), "{fault}");
        verdict(fault, &met.without);
        assert!(met.longest < LATEST, "{fault}: {:?}", met.longest);
        let recovered = met.recovered.as_ref();
        has_recovered(
            fault,
            recovered.expect("every organization was asked again"),
        );
    }
}

/// A server may ask for a pause of ten minutes at most.
fn has_recovered(fault: &str, output: &Output) {
    let is_paused = (LONGEST_PAUSE + 1..=600).contains(&pause(output));
    assert!(output.code == 0 || is_paused, "{fault}: {output:?}");
}

fn is_transient(fault: &str, output: &Output) {
    is_refused(fault, output, 5);
}

fn is_token_or_transient(fault: &str, output: &Output) {
    if output.code == 0 {
        assert!(output.stdout.starts_with("eyJ"), "{fault}: {output:?}");
    } else {
        is_transient(fault, output);
    }
}

fn is_refused(fault: &str, output: &Output, code: i32) {
    assert_eq!(output.code, code, "{fault}: {output:?}");
    assert_eq!(output.stdout, "", "{fault}");
    assert_eq!(output.stderr.lines().count(), 1, "{fault}: {output:?}");
    let is_plain = |c: char| c == '\n' || !c.is_control();
    assert!(output.stderr.chars().all(is_plain), "{fault}: {output:?}");
    assert!(!output.stderr.contains("marker"), "{fault}: {output:?}");
}
