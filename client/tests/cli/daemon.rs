//! `daemon start` and `daemon stop` against a daemon that runs.

use ac_cred_proto::Request;

use crate::world::{Turn, World, done};

#[test]
fn a_daemon_that_runs_is_not_started_again() {
    let world = World::new();
    let _listener = world.listener();
    let said = world.says(&["daemon", "start"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""));
    assert_eq!(said.stderr, "ac-cred: the daemon runs already\n");
}

#[test]
fn a_daemon_that_ends_meanwhile_is_stopped() {
    let world = World::new();
    world.daemon(vec![vec![Turn::Answer(Vec::new())]]);
    let said = world.says(&["daemon", "stop"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
}

#[test]
fn a_daemon_is_stopped_when_it_has_closed_the_connection() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![done()]]);
    let said = world.says(&["daemon", "stop"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
    assert_eq!(said.stderr, "ac-cred: the daemon is stopped\n");
    assert!(matches!(daemon.join().unwrap()[..], [Request::Stop(_)]));
}
