//! Restarts while two hundred calls a second are made.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

use ac_cred_proto::{Org, Request, Response, frame::Encoding, message::Get};
use ac_cred_tests::world::{Connection, World, timed};

use super::restarted;

/// How often the daemon is replaced.
const RESTARTS: usize = 10;

/// The callers of each kind: those that open a connection for each call and those that keep theirs,
/// in either encoding.
const CALLERS: usize = 2;

/// The calls a second that all callers have to reach together.
const RATE: f64 = 200.0;

#[test]
fn under_two_hundred_calls_a_second_not_one_fails_and_no_exchange_is_made() {
    let world = World::new();
    world.login("acme");
    let crowd = Crowd {
        token: world.get("acme"),
        world,
        is_over: AtomicBool::new(false),
        calls: AtomicU32::new(0),
    };
    let everybody = &crowd;
    let ((), took) = thread::scope(|scope| {
        for encoding in [Encoding::Binary, Encoding::Json].repeat(CALLERS) {
            let connected = move || everybody.connected(encoding);
            scope.spawn(move || everybody.goes_on(|| everybody.asks(&mut connected())));
            let mut kept = connected();
            scope.spawn(move || everybody.goes_on(|| everybody.asks(&mut kept)));
        }
        scope.spawn(|| {
            everybody.goes_on(|| assert_eq!(everybody.world.get("acme"), everybody.token));
        });
        timed(|| {
            // A failure ends those who would go on for ever.
            let _over = Over(&everybody.is_over);
            for _ in 0..RESTARTS {
                restarted(&everybody.world);
            }
        })
    });
    let calls = crowd.calls.load(Ordering::Relaxed);
    let rate = f64::from(calls) / took.as_secs_f64();
    let exchanges = crowd.world.sim().exchange_count();
    assert!(rate >= RATE, "{rate} calls a second");
    assert_eq!(exchanges, 1, "the login's");
}

/// Those who call, and how often they have.
struct Crowd {
    world: World,
    token: String,
    is_over: AtomicBool,
    calls: AtomicU32,
}

impl Crowd {
    /// Makes one call after the other.
    fn goes_on(&self, mut call: impl FnMut()) {
        while !self.is_over.load(Ordering::Relaxed) {
            call();
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn connected(&self, encoding: Encoding) -> Connection {
        let connection = Connection::open(&self.world.socket(), encoding);
        connection.expect("a daemon listens at any time")
    }

    fn asks(&self, connection: &mut Connection) {
        let answer = connection.ask(&Request::Get(Get {
            organization: Org::parse("acme").ok(),
            min_ttl: None,
            refresh: false,
            wait_ms: 8_000,
        }));
        let is_right = matches!(&answer, Response::Lease(lease)
            if lease.access_token.expose() == self.token);
        assert!(is_right, "{answer:?}");
    }
}

/// Ends the callers when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
