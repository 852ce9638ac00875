//! The daemon's life: how it starts, whom it serves, what it survives, and how it ends.

#![cfg(target_os = "linux")]

mod activation;
mod bytes;
mod clean_room;
mod end;
mod endpoint;
mod idle;
mod place;
mod start;

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use ac_cred_tests::{
    process::STRANGER,
    world::{Run, World},
};

/// A world without a daemon whose one credential, that of `acme`, rests in the encrypted file, so
/// that any new daemon can take it up.
struct Resting {
    world: World,
    passphrase: PathBuf,
}

impl Resting {
    fn new() -> Self {
        let world = World::new();
        let passphrase = world.write("passphrase", world.secrets().fresh("passphrase"));
        let account = world.account("acme");
        let resting = Self { world, passphrase };
        let login = resting.world.login_with("acme", &account.key);
        let login = login.args(["--store", "file"]);
        resting.unlocking(login).run().succeeded();
        resting.world.stop();
        assert!(resting.world.daemons().is_empty());
        resting
    }

    /// The run with the passphrase for a daemon that it may start.
    fn unlocking(&self, run: Run) -> Run {
        let (name, file) = self.unlocks();
        run.env(name, file)
    }

    /// The variable that lets a daemon open the encrypted file.
    fn unlocks(&self) -> (&'static str, &OsStr) {
        ("AC_CRED_PASSPHRASE_FILE", self.passphrase.as_os_str())
    }

    fn get(&self) -> Run {
        self.unlocking(self.world.ac_cred(["get", "acme"]))
    }
}

/// Lets other users reach what is not private below the home, and gives them the client to run.
fn open_to_strangers(world: &World) -> PathBuf {
    mode(world.home(), 0o711);
    let client = copy(world, "ac-cred");
    mode(&world.home().join("bin"), 0o755);
    mode(&client, 0o755);
    mode(&copy(world, "ac-credd"), 0o755);
    client
}

/// A directory that is the stranger's own.
fn directory_of_stranger(world: &World, name: &str) -> PathBuf {
    let directory = world.home().join(name);
    fs::create_dir(&directory).expect("a directory can be made in the home");
    mode(&directory, 0o700);
    chown(&directory, Some(STRANGER), Some(STRANGER)).expect("root gives away what it has");
    directory
}

/// A program that a user runs who is in no password database.
fn as_stranger(world: &World, program: &Path) -> Run {
    let id = STRANGER.to_string();
    world
        .program("setpriv")
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
        .args([program])
        .current_dir("/")
}

/// A copy of one of the programs in a directory of its own.
fn copy(world: &World, program: &str) -> PathBuf {
    let directory = world.home().join("bin");
    fs::create_dir_all(&directory).expect("a directory can be made in the home");
    let copied = directory.join(program);
    world.copy_program(&world.programs().join(program), &copied);
    copied
}

fn mode(path: &Path, bits: u32) {
    fs::set_permissions(path, Permissions::from_mode(bits)).expect("it is one's own");
}

fn mode_of(path: &Path) -> u32 {
    let found = fs::symlink_metadata(path).expect("it is there");
    found.permissions().mode() & 0o7777
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the paths of a world are text")
}
