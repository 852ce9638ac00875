//! A daemon is replaced by the next without a caller who notices: nothing is lost, nobody fails, and
//! the Auth API is not asked again.

#![cfg(target_os = "linux")]

mod load;
mod program;
mod state;
mod under_way;

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use ac_cred_tests::world::{PATIENCE, Run, World};

/// A world whose programs are its own, so that a test may replace them.
struct Installation {
    world: World,
    client: PathBuf,
    daemon: PathBuf,
}

impl Installation {
    fn new() -> Self {
        let world = World::new();
        let directory = world.home().join("bin");
        fs::create_dir(&directory).expect("the home has none");
        mode(&directory, 0o755);
        let [client, daemon] = ["ac-cred", "ac-credd"].map(|name| {
            let copied = directory.join(name);
            world.copy_program(&world.programs().join(name), &copied);
            mode(&copied, 0o755);
            copied
        });
        Self {
            world,
            client,
            daemon,
        }
    }

    /// The installed client with these words.
    fn ac_cred<I: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = I>) -> Run {
        self.world.program(&self.client).args(words)
    }

    fn start(&self) -> u32 {
        self.ac_cred(["daemon", "start"]).run().succeeded();
        self.pid()
    }

    fn pid(&self) -> u32 {
        self.world.daemon_pid().expect("a daemon runs")
    }

    /// Puts another program at the daemon's place, as a package manager does.
    fn install(&self, bytes: &[u8]) {
        let written = self.world.write("written", bytes);
        let beside = self.daemon.with_extension("new");
        self.world.copy_program(&written, &beside);
        mode(&beside, 0o755);
        fs::rename(&beside, &self.daemon).expect("a file can be renamed in the home");
    }
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).expect("it is one's own");
}

/// Restarts the daemon and waits until the old one has ended; returns the new one's id.
#[track_caller]
fn restarted(world: &World) -> u32 {
    let old = world.daemon_pid().expect("a daemon runs");
    let output = world.ac_cred(["daemon", "restart"]).run();
    output.succeeded().says("the daemon is restarted");
    let new = world.daemon_pid().expect("a daemon runs");
    assert_ne!(new, old);
    assert!(world.wait_for_end(old, PATIENCE), "the old one stays");
    assert_eq!(world.daemons(), [new]);
    new
}
