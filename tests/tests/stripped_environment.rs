//! `ac-cred` where a tool has stripped the environment: the endpoint is found from the user id alone.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
};

use ac_cred_tests::{
    process::is_root_or_skips,
    world::{Run, World, end_daemons_below},
};

#[test]
fn an_environment_of_home_and_path_is_enough() {
    if !is_root_or_skips() {
        return;
    }
    let user = User::new();
    let account = user.world.account("acme");
    let login = format!(
        "ac-cred login acme --stdin --store memory --ca-file \"$HOME/ca.pem\" --auth-url {}",
        user.world.sim().url()
    );
    user.shell(&login).stdin(&account.key).run().succeeded();
    let token = user
        .shell("ac-cred get acme")
        .run()
        .succeeded()
        .stdout
        .clone();
    assert_eq!(user.world.call(token.trim()).status, 200);
    let status = user.shell("ac-cred status --json").run().succeeded().json();
    let socket = user.runtime.join("ac-cred/v1.sock");
    assert_eq!(status["daemon"]["socket"], &*socket.to_string_lossy());
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&user.runtime.join("ac-cred")), mode(&socket)),
        (0o700, 0o600)
    );
    user.shell("ac-cred daemon stop").run().succeeded();
    user.shell("ac-cred get acme").run().refused(4);
}

/// A user id without a name, with a home and a runtime directory.
struct User {
    world: World,
    id: u32,
    runtime: PathBuf,
}

impl User {
    fn new() -> Self {
        let world = World::new();
        // No two test processes have the same.
        let id = 3_200_000_000 + std::process::id();
        let runtime = PathBuf::from(format!("/run/user/{id}"));
        fs::create_dir_all(&runtime).expect("root makes any directory");
        fs::set_permissions(&runtime, Permissions::from_mode(0o700)).expect("it is root's");
        let programs = world.home().join("bin");
        fs::create_dir(&programs).expect("the home has none");
        for name in ["ac-cred", "ac-credd"] {
            world.copy_program(&world.programs().join(name), &programs.join(name));
        }
        for path in [world.home(), &world.ca_file(), &programs, &runtime] {
            chown(path, Some(id), Some(id)).expect("root gives away what it has");
        }
        Self { world, id, runtime }
    }

    /// A line in a shell of the user, who has nothing but a home and a path.
    fn shell(&self, line: &str) -> Run {
        let id = self.id.to_string();
        let home = self.world.home().display();
        self.world
            .program("/usr/bin/setpriv")
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .args(["/usr/bin/env", "-i"])
            .args([
                format!("HOME={home}"),
                format!("PATH={home}/bin:/usr/bin:/bin"),
            ])
            .args(["/bin/sh", "-c", line])
    }
}

impl Drop for User {
    fn drop(&mut self) {
        end_daemons_below(&self.runtime);
        fs::remove_dir_all(&self.runtime).ok();
    }
}
