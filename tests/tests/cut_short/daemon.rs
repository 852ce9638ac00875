//! The whole daemon, killed in the middle of a login that its client waits for.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
};

use ac_cred_tests::{
    process::{has_program_or_skips, is_root_or_skips},
    world::{PATIENCE, World},
};

#[test]
fn a_daemon_that_is_killed_while_it_writes_is_replaced_by_one_that_goes_on() {
    if !has_program_or_skips("strace") || !is_root_or_skips() {
        return;
    }
    let world = World::new();
    let identity = world.write("key.txt", super::home::IDENTITIES[0]);
    let acme = world.account("acme");
    let login = world.login_with("acme", &acme.key).args(["--identity"]);
    login.args([&identity]).run().succeeded();
    let gamma = world.account("gamma");
    let try_again = || {
        let login = world.login_with("gamma", &gamma.key);
        login.args(["--store", "file"]).run()
    };
    // The settings are written first, the credential then; each is flushed before and after it
    // has its name.
    for (calls, number) in [
        ("write", 1),
        ("write", 2),
        ("fsync", 1),
        ("fsync", 2),
        ("fsync", 3),
        ("fsync", 4),
        ("rename,renameat,renameat2", 1),
        ("rename,renameat,renameat2", 2),
    ] {
        let pid = world.daemon_pid().expect("a daemon runs");
        let tracer = Tracer::kill(&world, pid, calls, number);
        let output = try_again();
        assert_eq!(output.code, 7, "{calls} {number}: {output:?}");
        assert!(world.wait_for_end(pid, PATIENCE), "{calls} {number}");
        drop(tracer);
        world.get("acme");
        let get = world.ac_cred(["get", "gamma"]).run();
        assert!([0, 3, 4].contains(&get.code), "{calls} {number}: {get:?}");
        try_again().succeeded();
        world.get("gamma");
        for path in files(&world) {
            let left = fs::metadata(path.with_extension("new"));
            assert!(left.is_err(), "{calls} {number}: something is left");
        }
        world.ac_cred(["logout", "gamma"]).run().succeeded();
    }
}

fn files(world: &World) -> [PathBuf; 2] {
    [world.settings_path(), world.credentials_path()]
}

/// A tracer of a daemon that runs; it lets go of it when it is dropped.
struct Tracer {
    child: Child,
    /// Kept open, since a tracer ends that cannot speak.
    _said: BufReader<ChildStderr>,
}

impl Tracer {
    /// Has a daemon killed at a call on the files that it writes.
    fn kill(world: &World, pid: u32, calls: &str, number: u32) -> Self {
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-o", "/dev/null", "-p", &pid.to_string()])
            .args(["-e", &format!("inject={calls}:signal=KILL:when={number}")]);
        for path in files(world) {
            strace.arg("-P").arg(path.with_extension("new"));
            strace.arg("-P").arg(path.parent().unwrap_or(&path));
        }
        let mut child = strace
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace can be started");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut first = String::new();
        said.read_line(&mut first).ok();
        assert!(first.contains("attached"), "{first}");
        Self { child, _said: said }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
