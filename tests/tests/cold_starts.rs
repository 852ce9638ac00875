//! Twenty who find no daemon at the same time, again and again, whatever the last one has left.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::PathBuf,
};

use ac_cred_tests::{
    process::Process,
    world::{Account, Output, PATIENCE, Run, Running, World, eventually},
};
use rustix::process::Signal;

/// How often each race is run.
const TRIALS: usize = 50;

/// Those who ask in a race; one more logs in.
const ASKING: usize = 19;

#[test]
fn one_daemon_serves_twenty_who_find_nothing() {
    Races::new().run(|world| {
        world.stop();
        assert!(!world.socket().exists());
    });
}

#[test]
fn one_daemon_serves_twenty_who_find_a_socket_that_nobody_serves() {
    Races::new().run(|world| {
        kill(world);
        assert!(world.socket().exists());
    });
}

#[test]
fn one_daemon_serves_twenty_who_find_the_locks_of_the_dead() {
    Races::new().run(|world| {
        kill(world);
        fs::remove_file(world.socket()).expect("it is there");
        for lock in ["daemon.lock", "launch.lock"] {
            assert!(world.socket().with_file_name(lock).exists());
        }
    });
}

#[test]
fn one_daemon_serves_twenty_of_whom_the_first_ones_daemon_is_killed_as_it_starts() {
    let races = Races::with_daemon_killed_once();
    races.run(|world| {
        kill(world);
        // As one leaves it that was killed between `bind` and `rename`.
        let half = world.socket().with_file_name("new");
        drop(UnixListener::bind(half).expect("it can be bound"));
        fs::remove_file(world.socket()).expect("it is there");
        races.arm();
    });
    assert!(!races.trap().exists(), "the last one was killed, too");
}

/// A world in which races are run.
struct Races {
    world: World,
    account: Account,
    client: PathBuf,
}

impl Races {
    fn new() -> Self {
        let world = World::new();
        let account = world.login("acme");
        let client = world.programs().join("ac-cred");
        Self {
            world,
            account,
            client,
        }
    }

    /// The same, but the next daemon is killed as it starts wherever there is a trap.
    fn with_daemon_killed_once() -> Self {
        let mut races = Self::new();
        let world = &races.world;
        let real = world.programs().join("ac-credd");
        let (trap, real) = (races.trap(), real.display());
        let script = format!(
            "#!/bin/sh\nrmdir '{}' 2>/dev/null && kill -9 $$\nexec '{real}' \"$@\"\n",
            trap.display()
        );
        let daemon = world.write("bin/ac-credd", script);
        fs::set_permissions(daemon, Permissions::from_mode(0o700)).expect("it is one's own");
        let client = world.home().join("bin/ac-cred");
        world.copy_program(&races.client, &client);
        races.client = client;
        races
    }

    fn trap(&self) -> PathBuf {
        self.world.home().join("trap")
    }

    fn arm(&self) {
        fs::create_dir(self.trap()).expect("the last one was killed");
    }

    /// Has `end` end the daemon, and twenty race for the next one; again and again.
    fn run(&self, end: impl Fn(&World)) {
        for trial in 0..TRIALS {
            end(&self.world);
            self.race(trial);
        }
    }

    fn login(&self, ac_cred: Run) -> Run {
        let url = self.world.sim().url();
        ac_cred
            .args(["login", "acme", "--stdin", "--store", "memory"])
            .args(["--auth-url", &url, "--api-url", &url, "--ca-file"])
            .args([self.world.ca_file()])
            .stdin(&self.account.key)
    }

    fn race(&self, trial: usize) {
        let world = &self.world;
        let before = world.sim().exchange_count();
        let ac_cred = || world.program(&self.client);
        let mut crowd = vec![self.login(ac_cred()).spawn()];
        crowd.extend((0..ASKING).map(|_| ac_cred().args(["list"]).spawn()));
        let outputs: Vec<Output> = crowd.into_iter().map(Running::wait).collect();
        for output in &outputs {
            assert_eq!(output.code, 0, "trial {trial}: {output:?}");
        }
        assert_eq!(world.daemons().len(), 1, "trial {trial}");
        let token = world.get("acme");
        assert_eq!(world.call(&token).status, 200, "trial {trial}");
        assert_eq!(world.sim().exchange_count(), before + 1, "the login's");
    }
}

/// Kills the daemon.
fn kill(world: &World) {
    let pid = world.daemon_pid().expect("a daemon serves");
    Process(pid).signal(Signal::KILL).expect("it runs");
    assert!(world.wait_for_end(pid, PATIENCE));
    assert!(eventually(PATIENCE, || world.daemons().is_empty()));
}
