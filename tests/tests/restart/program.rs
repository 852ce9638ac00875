//! Which program may go on: the one at the daemon's own place, which nobody else can have put there,
//! and none that is older.

use std::{fs, os::unix::fs::chown};

use ac_cred_tests::{
    process::{Foreground, STRANGER, is_root_or_skips},
    world::{Output, PATIENCE},
};
use rustix::process::Signal;

use super::{Installation, mode};

/// What the daemon's file holds once for each use, and what other versions of it hold.
const VERSION: &str = concat!("ac-credd ", env!("CARGO_PKG_VERSION"));

#[test]
fn a_newer_program_goes_on_and_an_older_one_is_refused() {
    let installed = Installation::new();
    let pid = installed.start();
    let world = &installed.world;
    let account = world.login("acme");
    let token = world.get("acme");
    let this = fs::read(&installed.daemon).unwrap();
    installed.install(&of_version(&this, "ac-credd 9.1.0"));
    let output = world.ac_cred(["daemon", "restart"]).run();
    output.succeeded();
    let newer = installed.pid();
    assert_ne!(newer, pid);
    assert_eq!(world.status()["daemon"]["version"], "9.1.0");
    installed.install(&this);
    let output = world.ac_cred(["daemon", "restart"]).run();
    output.refused(7).says("is older").says("9.1.0");
    assert_eq!(installed.pid(), newer);
    assert_eq!(world.get("acme"), token);
    assert_eq!(world.sim().exchange_count_for(&account.key), 1);
}

#[test]
fn a_program_that_does_not_start_leaves_the_old_one_serving() {
    let installed = Installation::new();
    let pid = installed.start();
    let world = &installed.world;
    world.login("acme");
    let token = world.get("acme");
    let cannot = |why: &str| -> Output {
        let output = world.ac_cred(["daemon", "restart"]).run();
        output.refused(7).says("/bin/ac-credd").says(why);
        assert_eq!(installed.pid(), pid);
        assert_eq!(world.get("acme"), token);
        assert_eq!(world.daemons(), [pid]);
        output
    };
    installed.install(b"no program");
    cannot("cannot be started");
    installed.install(b"#!/bin/sh\nexit 0\n");
    cannot("did not take over");
    installed.install(b"#!/bin/sh\necho no message >&0\ncat\n");
    cannot("did not take over");
    installed.install(
        b"#!/bin/sh\nprintf '\\000\\000\\000\\034{\"ready\":{\"version\":\"9.1.0\"}}' >&0\n",
    );
    cannot("did not take over");
    fs::remove_file(&installed.daemon).unwrap();
    cannot("No such file");
}

#[test]
fn a_program_that_others_can_change_is_refused() {
    let installed = Installation::new();
    let pid = installed.start();
    let world = &installed.world;
    let refused = |why: &str| {
        let output = world.ac_cred(["daemon", "restart"]).run();
        output.refused(6).says(why);
        assert_eq!(installed.pid(), pid);
    };
    let directory = installed.daemon.parent().unwrap();
    for path in [&installed.daemon, directory] {
        for bits in [0o775, 0o757] {
            mode(path, bits);
            refused("chmod go-w");
        }
        mode(path, 0o755);
        if is_root_or_skips() {
            chown(path, Some(STRANGER), None).unwrap();
            refused("belongs to user id");
            chown(path, Some(0), None).unwrap();
        }
    }
    world.ac_cred(["daemon", "restart"]).run().succeeded();
}

#[test]
fn whoever_runs_a_daemon_in_the_foreground_waits_for_the_end_of_its_work() {
    let installed = Installation::new();
    let world = &installed.world;
    let daemon = Foreground::start(world, "ac-cred", &["daemon", "run"], &[]);
    let first = daemon.process();
    world.login("acme");
    let token = world.get("acme");
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    let next = installed.pid();
    assert_ne!(next, first.0);
    assert_eq!(world.get("acme"), token);
    first.signal(Signal::TERM).unwrap();
    let (status, log) = daemon.end(world);
    assert!(status.success(), "{status}: {log}");
    assert!(world.wait_for_end(next, PATIENCE), "the next one stays");
    assert!(!world.socket().exists());
}

#[test]
fn without_a_daemon_one_is_started() {
    let installed = Installation::new();
    let output = installed.ac_cred(["daemon", "restart"]).run();
    output.succeeded().says("one is started");
    assert_eq!(installed.world.daemons(), [installed.pid()]);
}

/// The program with another version, which is as long.
fn of_version(program: &[u8], version: &str) -> Vec<u8> {
    assert_eq!(version.len(), VERSION.len());
    let mut patched = program.to_vec();
    let mut places = 0;
    for at in 0..patched.len() - VERSION.len() {
        if patched[at..].starts_with(VERSION.as_bytes()) {
            patched[at..at + VERSION.len()].copy_from_slice(version.as_bytes());
            places += 1;
        }
    }
    assert!(places > 0, "the program does not hold its version");
    patched
}
