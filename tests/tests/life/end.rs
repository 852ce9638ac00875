//! How the daemon ends: no answer under way is lost, and nothing stays behind.

use std::time::Duration;

use ac_cred_proto::{
    Request, Response,
    message::{List, Stop},
};
use ac_cred_tests::{
    auth_sim::Gate,
    process::{Foreground, Process},
    world::{Connection, PATIENCE, Running, World, eventually},
};
use rustix::process::Signal;

use super::Resting;

/// Far less than the deadline of an exchange, for which a daemon waits that was asked once.
const AT_ONCE: Duration = Duration::from_secs(10);

/// How long a daemon that waits for nothing has for its end.
const A_WHILE: Duration = Duration::from_millis(300);

#[test]
fn a_daemon_in_the_foreground_says_ready_and_ends_on_sigterm_and_sigint() {
    let world = World::new();
    for signal in [Signal::TERM, Signal::INT] {
        for (program, words) in [("ac-cred", &["daemon", "run"][..]), ("ac-credd", &[])] {
            let daemon = Foreground::start(&world, program, words, &[]);
            assert_eq!(daemon.first_line(), "ready");
            assert_eq!(world.daemon_pid(), Some(daemon.process().0));
            daemon.process().signal(signal).unwrap();
            let (status, log) = daemon.end(&world);
            assert!(status.success(), "{program}, {signal:?}: {status}: {log}");
            assert!(!world.socket().exists());
        }
    }
}

#[test]
fn a_lost_terminal_does_not_end_the_daemon() {
    let world = World::new();
    let daemon = Foreground::start(&world, "ac-cred", &["daemon", "run"], &[]);
    let account = world.login("acme");
    daemon.process().signal(Signal::HUP).unwrap();
    world
        .ac_cred(["get", "acme", "--refresh"])
        .run()
        .succeeded();
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
    assert_eq!(world.daemon_pid(), Some(daemon.process().0));
}

#[test]
fn an_answer_under_way_is_given_after_daemon_stop() {
    let under_way = UnderWay::new();
    let mut idle = under_way.idle();
    let stop = under_way.world.ac_cred(["daemon", "stop"]).spawn();
    assert_eq!(idle.rest().unwrap(), b"", "the daemon is ending");
    under_way.is_answered();
    stop.wait().succeeded();
    under_way.left_nothing();
}

#[test]
fn an_answer_under_way_is_given_after_sigterm() {
    let under_way = UnderWay::new();
    let mut idle = under_way.idle();
    under_way.daemon.signal(Signal::TERM).unwrap();
    assert_eq!(idle.rest().unwrap(), b"", "the daemon is ending");
    under_way.is_answered();
    under_way.left_nothing();
}

#[test]
fn a_daemon_that_is_ending_takes_no_new_callers() {
    let under_way = UnderWay::new();
    let world = &under_way.world;
    let mut idle = under_way.idle();
    assert!(matches!(
        idle.ask(&Request::Stop(Stop {})),
        Response::Done(_)
    ));
    assert_eq!(idle.rest().unwrap(), b"");
    let is_gone = || !world.socket().exists();
    assert!(eventually(PATIENCE, is_gone), "who asks finds nobody");
    let late = world.ac_cred(["get", "acme", "--no-start"]).run();
    late.refused(7);
    under_way.is_answered();
    under_way.left_nothing();
}

#[test]
fn a_second_signal_ends_the_daemon_at_once() {
    let mut under_way = UnderWay::new();
    let mut idle = under_way.idle();
    under_way.daemon.signal(Signal::TERM).unwrap();
    assert_eq!(idle.rest().unwrap(), b"", "the daemon is ending");
    under_way.daemon.signal(Signal::TERM).unwrap();
    assert!(under_way.world.wait_for_end(under_way.daemon.0, AT_ONCE));
    assert_eq!(under_way.gate.held(), 1, "the exchange is still held");
    let waiting = under_way.waiting.take().unwrap();
    waiting.wait().refused(7);
    under_way.left_nothing();
}

#[test]
fn nothing_runs_and_no_socket_is_left_after_a_stop() {
    let world = World::new();
    world.login("acme");
    let pid = world.daemon_pid().unwrap();
    world.stop();
    assert!(
        world.wait_for_end(pid, Duration::ZERO),
        "the process is still there"
    );
    assert!(!world.socket().exists());
    assert!(world.daemons().is_empty());
    let output = world.ac_cred(["daemon", "stop"]).run();
    output.succeeded().says("no daemon is running");
}

#[test]
fn after_a_daemon_was_killed_the_next_get_starts_another() {
    let resting = Resting::new();
    resting.get().run().succeeded();
    let killed = resting.world.daemon_pid().unwrap();
    Process(killed).signal(Signal::KILL).unwrap();
    assert!(resting.world.wait_for_end(killed, PATIENCE));
    assert!(
        resting.world.socket().exists(),
        "a killed daemon tidies nothing"
    );
    resting.get().run().succeeded();
    let [next] = resting.world.daemons()[..] else {
        panic!("not one daemon: {:?}", resting.world.daemons());
    };
    assert_ne!(next, killed);
}

/// A world in which a caller waits for an exchange whose answer is held.
struct UnderWay {
    gate: Gate,
    waiting: Option<Running>,
    daemon: Process,
    world: World,
}

impl UnderWay {
    fn new() -> Self {
        let world = World::new();
        world.login("acme");
        let gate = world.sim().hold();
        let words = ["get", "acme", "--refresh", "--no-start", "--wait", "60s"];
        let waiting = Some(world.ac_cred(words).spawn());
        assert!(gate.wait_for(1, PATIENCE));
        let daemon = Process(world.daemon_pid().expect("a daemon runs"));
        Self {
            gate,
            waiting,
            daemon,
            world,
        }
    }

    /// A connection that has nothing to wait for, so that it is closed when the daemon begins to end.
    fn idle(&self) -> Connection {
        let mut idle = self.world.connect();
        idle.ask_all(&Request::List(List {}));
        idle
    }

    /// Lets the answer go, for which the daemon has to wait.
    fn is_answered(&self) {
        let has_ended = self.world.wait_for_end(self.daemon.0, A_WHILE);
        assert!(!has_ended, "the daemon does not wait for the answer");
        assert_eq!(self.gate.held(), 1);
        self.gate.release();
    }

    /// Checks that the caller has its token, where it was not taken, and that the daemon is gone.
    fn left_nothing(mut self) {
        if let Some(waiting) = self.waiting.take() {
            let token = waiting.wait().succeeded().stdout.clone();
            assert_eq!(self.world.call(token.trim_end()).status, 200);
        }
        assert!(self.world.wait_for_end(self.daemon.0, PATIENCE));
        assert!(self.world.daemons().is_empty());
        assert!(!self.world.socket().exists());
    }
}
