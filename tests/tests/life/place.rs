//! The endpoint is taken from under a daemon that runs: it is there again, or the daemon ends, and
//! nobody talks to one whom others cannot find.

use std::{
    fs,
    os::unix::{
        fs::DirBuilderExt,
        net::{UnixListener, UnixStream},
    },
};

use ac_cred_tests::world::{PATIENCE, World, eventually};

#[test]
fn a_socket_that_is_deleted_is_there_again_with_the_same_daemon() {
    let world = World::new();
    world.login("acme");
    let (token, daemon) = (world.get("acme"), world.daemon_pid());
    let mut kept = world.connect_json();
    kept.ask_line(r#"{"get":{}}"#);
    fs::remove_file(world.socket()).unwrap();
    assert!(eventually(PATIENCE, || world.socket().exists()));
    assert_eq!(world.get("acme"), token);
    assert_eq!(world.daemon_pid(), daemon);
    assert_eq!(
        kept.ask_line(r#"{"get":{}}"#)["lease"]["access_token"],
        *token
    );
    world.stop();
    assert!(!world.socket().exists());
}

#[test]
fn a_directory_that_is_replaced_has_the_same_daemon_again() {
    let world = World::new();
    world.login("acme");
    let (token, daemon) = (world.get("acme"), world.daemon_pid().unwrap());
    fs::rename(world.home().join("run"), world.home().join("old")).unwrap();
    private_directory(&world);
    assert!(eventually(PATIENCE, || world.socket().exists()));
    assert_eq!(world.get("acme"), token);
    assert_eq!(world.daemon_pid(), Some(daemon));
    let second = world.ac_cred(["daemon", "run"]).run();
    assert!(second.stderr.contains("another ac-credd"), "{second:?}");
}

#[test]
fn a_daemon_whose_directory_is_gone_ends() {
    let world = World::new();
    world.login("acme");
    let daemon = world.daemon_pid().unwrap();
    fs::remove_dir_all(world.home().join("run")).unwrap();
    assert!(world.wait_for_end(daemon, PATIENCE));
    world.ac_cred(["get", "acme"]).run().refused(4);
    assert_eq!(world.daemons().len(), 1);
}

#[test]
fn a_daemon_in_whose_place_somebody_else_listens_ends_and_leaves_that_alone() {
    let world = World::new();
    world.login("acme");
    let daemon = world.daemon_pid().unwrap();
    let other = world.home().join("run/other");
    let _listener = UnixListener::bind(&other).unwrap();
    fs::rename(other, world.socket()).unwrap();
    assert!(world.wait_for_end(daemon, PATIENCE));
    assert!(UnixStream::connect(world.socket()).is_ok());
}

#[test]
fn of_two_daemons_after_a_directory_was_replaced_one_stays() {
    let world = World::new();
    world.login("acme");
    for round in 0..5 {
        let old = world.home().join(format!("old-{round}"));
        fs::rename(world.home().join("run"), old).unwrap();
        private_directory(&world);
        // Either this one is first, or the one that looks for its place.
        let started = world.ac_cred(["daemon", "start"]).run();
        started.succeeded();
        assert!(eventually(PATIENCE, || world.daemons().len() == 1));
        assert_eq!(world.daemons(), [world.daemon_pid().unwrap()]);
    }
}

fn private_directory(world: &World) {
    let mut builder = fs::DirBuilder::new();
    let made = builder.mode(0o700).create(world.home().join("run"));
    made.expect("a directory can be made in the home");
}
