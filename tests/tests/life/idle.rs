//! A daemon that holds nothing ends, and no caller notices.

use std::{thread, time::Duration};

use ac_cred_tests::{process::Foreground, world::World};

use super::{Resting, copy, mode, text};

/// Callers that come while daemons end.
const CALLERS: u32 = 3;

/// The calls of each.
const CALLS: u32 = 4;

/// About when a daemon ends whom nobody calls any more.
const END: Duration = Duration::from_millis(980);

/// How far the calls are apart around that.
const STEP: Duration = Duration::from_millis(5);

#[test]
fn a_daemon_that_holds_nothing_ends_and_takes_its_socket_with_it() {
    let world = World::new();
    let daemon = Foreground::start(&world, "ac-credd", &["--idle-exit", "1"], &[]);
    let (status, log) = daemon.end(&world);
    assert!(status.success(), "{log}");
    assert!(log.contains("nothing is held"), "{log}");
    assert!(!world.socket().exists());
}

#[test]
fn nobody_fails_who_calls_as_the_daemon_ends() {
    let resting = Resting::new();
    let world = &resting.world;
    let client = copy(world, "ac-cred");
    let daemon = world.programs().join("ac-credd");
    let script = format!("#!/bin/sh\nexec {} \"$@\" --idle-exit 1\n", text(&daemon));
    mode(&world.write("bin/ac-credd", script), 0o755);
    let calls = &|caller: u32| {
        for call in 0..CALLS {
            let get = world.program(&client).args(["get", "acme"]).run();
            // The file is locked, which a daemon has to say.
            get.refused(6);
            let around_its_end = END + STEP * (caller * CALLS + call);
            for daemon in world.daemons() {
                // It may have ended by then.
                let _has_ended = world.wait_for_end(daemon, around_its_end);
            }
        }
    };
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            scope.spawn(move || calls(caller));
        }
    });
}
