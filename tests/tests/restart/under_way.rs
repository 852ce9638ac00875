//! Callers who wait while the daemon is replaced are answered, each once, after the one exchange that
//! was under way.

use ac_cred_proto::{
    ErrorCode, Org, Request, Response,
    frame::Encoding,
    message::{Get, List, Reject},
};
use ac_cred_tests::{
    process::Process,
    world::{Connection, PATIENCE, World},
};
use rustix::process::Signal;

use super::restarted;

#[test]
fn those_who_wait_for_an_exchange_get_its_token_from_the_next_daemon() {
    let world = World::new();
    let account = world.login("acme");
    let gate = world.sim().hold();
    let ask = || {
        [Encoding::Binary, Encoding::Json].map(|encoding| {
            let mut connection = Connection::open(&world.socket(), encoding).unwrap();
            connection.send(&get(true, 60_000));
            connection
        })
    };
    let before: Vec<_> = (0..10).map(|_| ask()).collect();
    assert!(gate.wait_for(1, PATIENCE));
    let old = world.daemon_pid().unwrap();
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    assert_ne!(world.daemon_pid(), Some(old));
    let after: Vec<_> = (0..10).map(|_| ask()).collect();
    // The last one is answered when all have been heard.
    world.connect().ask_all(&Request::List(List {}));
    gate.release();
    for mut connection in before.into_iter().chain(after).flatten() {
        let answer = connection.receive();
        assert!(matches!(answer, Some(Response::Lease(_))), "{answer:?}");
    }
    assert!(world.wait_for_end(old, PATIENCE), "the old one stays");
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
    assert_eq!(world.sim().most_at_once_for(&account.key), 1);
}

#[test]
fn an_exchange_under_way_outlives_two_daemons() {
    let world = World::new();
    let account = world.login("acme");
    let gate = world.sim().hold();
    let words = ["get", "acme", "--refresh", "--no-start", "--wait", "60s"];
    let waiting = world.ac_cred(words).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    for _ in 0..2 {
        world.ac_cred(["daemon", "restart"]).run().succeeded();
    }
    gate.release();
    let token = waiting.wait().succeeded().stdout.clone();
    assert_eq!(world.get("acme"), token.trim_end());
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
    assert_eq!(world.daemons().len(), 1);
}

#[test]
fn an_exchange_whose_daemon_is_killed_is_begun_anew() {
    let world = World::new();
    let account = world.login("acme");
    let gate = world.sim().hold();
    let words = ["get", "acme", "--refresh", "--no-start", "--wait", "60s"];
    let waiting = world.ac_cred(words).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    let old = world.daemon_pid().unwrap();
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    Process(old).signal(Signal::KILL).unwrap();
    assert!(gate.wait_for(2, PATIENCE), "it is not begun anew");
    gate.release();
    waiting.wait().succeeded();
    assert_eq!(world.sim().exchange_count_for(&account.key), 3);
}

#[test]
fn one_who_waits_keeps_its_deadline() {
    let world = World::new();
    world.login("acme");
    let gate = world.sim().hold();
    let mut connection = world.connect();
    connection.send(&get(true, 3_000));
    assert!(gate.wait_for(1, PATIENCE));
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    let answer = connection.receive();
    let is_late = matches!(&answer, Some(Response::Denied(denial))
        if denial.error == ErrorCode::AuthApiUnreachable);
    assert!(is_late, "{answer:?}");
    gate.release();
}

#[test]
fn a_token_that_was_rejected_is_replaced_once() {
    let world = World::new();
    let account = world.login("acme");
    let gate = world.sim().hold();
    let mut connection = world.connect();
    connection.send(&Request::Reject(Reject {
        organization: None,
        token: None,
        wait_ms: 60_000,
    }));
    assert!(gate.wait_for(1, PATIENCE));
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    gate.release();
    let answer = connection.receive();
    assert!(matches!(answer, Some(Response::Lease(_))), "{answer:?}");
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
}

#[test]
fn connections_stay_open_wherever_they_are_in_a_request() {
    let world = World::new();
    world.login("acme");
    for encoding in [Encoding::Binary, Encoding::Json] {
        let bytes = encoding.encode(&get(false, 8_000)).unwrap().to_vec();
        let open = || {
            let mut connection = Connection::open(&world.socket(), encoding).unwrap();
            let answer = connection.ask(&get(false, 8_000));
            assert!(matches!(answer, Response::Lease(_)), "{answer:?}");
            connection
        };
        let mut connections: Vec<_> = (0..bytes.len()).map(|_| open()).collect();
        for (sent, connection) in connections.iter_mut().enumerate() {
            connection.send_bytes(&bytes[..sent]).unwrap();
        }
        restarted(&world);
        for (sent, connection) in connections.iter_mut().enumerate() {
            connection.send_bytes(&bytes[sent..]).unwrap();
            let answer = connection.receive();
            let is_served = matches!(answer, Some(Response::Lease(_)));
            assert!(is_served, "{sent} bytes were sent before: {answer:?}");
        }
    }
}

#[test]
fn a_login_under_way_is_not_lost() {
    let world = World::new();
    world.login("acme");
    let account = world.account("other");
    let gate = world.sim().hold();
    let login = world.login_with("other", &account.key);
    let login = login.args(["--store", "memory"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    let pid = world.daemon_pid();
    // Its key has not proved itself, so that it could be handed over as nothing.
    let output = world.ac_cred(["daemon", "restart"]).run();
    output.refused(5).says("a login or another change");
    assert_eq!(world.daemon_pid(), pid);
    gate.release();
    login.wait().succeeded();
    world.get("other");
    restarted(&world);
    world.get("other");
    assert_eq!(world.sim().exchange_count_for(&account.key), 1);
}

fn get(refresh: bool, wait_ms: u32) -> Request {
    Request::Get(Get {
        organization: Org::parse("acme").ok(),
        min_ttl: None,
        refresh,
        wait_ms,
    })
}
