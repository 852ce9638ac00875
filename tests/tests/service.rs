//! The daemon as a service of the user, and what it has said.

#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use ac_cred_tests::{
    process::has_program_or_skips,
    world::{Run, World},
};

const UNITS: [&str; 2] = ["ac-cred.service", "ac-cred.socket"];

/// A world in which systemd writes down what it is told; it does not answer without that file.
struct Managed {
    world: World,
    systemctl: PathBuf,
}

impl Managed {
    fn new() -> Self {
        let world = World::new();
        let script = "#!/bin/sh\n[ -e \"$HOME/told\" ] && echo \"$*\" >> \"$HOME/told\"\n";
        let systemctl = world.write("bin/systemctl", script);
        fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755))
            .expect("the mode of one's own file can be set");
        Self { world, systemctl }
    }

    fn ac_cred(&self, words: &[&str]) -> Run {
        let directory = self
            .systemctl
            .parent()
            .expect("it is in a directory")
            .display()
            .to_string();
        self.world
            .ac_cred(words)
            .env("PATH", format!("{directory}:/usr/bin:/bin"))
    }

    fn unit(&self, name: &str) -> PathBuf {
        self.world.home().join(".config/systemd/user").join(name)
    }

    fn told(&self) -> Vec<String> {
        let told =
            fs::read_to_string(self.world.home().join("told")).expect("systemd answers here");
        told.lines().map(str::to_owned).collect()
    }

    fn answers(&self) {
        self.world.write("told", "");
    }
}

#[test]
fn an_installed_daemon_is_made_known_and_an_uninstalled_one_leaves_nothing() {
    let managed = Managed::new();
    managed.answers();
    for _ in 0..2 {
        managed
            .ac_cred(&["daemon", "install"])
            .run()
            .succeeded()
            .says("systemd keeps the daemon from now on");
    }
    let socket = fs::read_to_string(managed.unit(UNITS[1])).unwrap();
    let listens = format!("ListenStream={}\n", managed.world.socket().display());
    assert!(socket.contains(&listens), "{socket}");
    let enabled = "--user enable --now ac-cred.socket";
    assert_eq!(managed.told()[..2], ["--user daemon-reload", enabled]);
    managed.ac_cred(&["daemon", "uninstall"]).run().succeeded();
    let told = managed.told();
    let let_go = "--user disable --now ac-cred.socket ac-cred.service";
    assert!(told.ends_with(&[let_go.to_owned(), "--user daemon-reload".to_owned()]));
    assert!(UNITS.iter().all(|name| !managed.unit(name).exists()));
    managed
        .ac_cred(&["daemon", "uninstall"])
        .run()
        .succeeded()
        .says("no service is installed");
}

#[test]
fn a_daemon_that_runs_is_not_pushed_aside() {
    let managed = Managed::new();
    managed.answers();
    managed.ac_cred(&["daemon", "start"]).run().succeeded();
    let output = managed.ac_cred(&["daemon", "install"]).run();
    output.succeeded().says("after: ac-cred daemon stop");
    assert_eq!(managed.told()[1], "--user enable ac-cred.socket");
}

#[test]
fn where_systemd_does_not_answer_a_person_is_told_what_to_type() {
    let managed = Managed::new();
    let output = managed.ac_cred(&["daemon", "install"]).run();
    output
        .succeeded()
        .says("systemctl --user enable --now ac-cred.socket");
    assert!(UNITS.iter().all(|name| managed.unit(name).exists()));
}

#[test]
fn a_unit_of_somebody_else_is_neither_replaced_nor_removed() {
    let managed = Managed::new();
    managed.answers();
    let mine = managed.unit(UNITS[1]);
    fs::create_dir_all(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "[Socket]\n").unwrap();
    let output = managed.ac_cred(&["daemon", "install"]).run();
    output.refused(2).says("was not written by ac-cred");
    assert!(!managed.unit(UNITS[0]).exists());
    managed.ac_cred(&["daemon", "uninstall"]).run().succeeded();
    assert_eq!(fs::read_to_string(&mine).unwrap(), "[Socket]\n");
    assert_eq!(managed.told(), [""; 0]);
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_little_exposed() {
    if !has_program_or_skips("systemd-analyze") {
        return;
    }
    let managed = Managed::new();
    managed.ac_cred(&["daemon", "install"]).run().succeeded();
    let units: Vec<String> = UNITS
        .iter()
        .map(|name| managed.unit(name).display().to_string())
        .collect();
    let analyze = |words: &[&str]| {
        let run = managed.world.program("systemd-analyze");
        run.env("XDG_RUNTIME_DIR", managed.world.home())
            .args(words)
            .run()
    };
    let verified = analyze(&["--user", "--man=no", "verify", &units[0], &units[1]]);
    verified.succeeded();
    assert_eq!((&*verified.stdout, &*verified.stderr), ("", ""));
    analyze(&[
        "--user",
        "--offline=true",
        "--threshold=65",
        "security",
        &units[0],
    ])
    .succeeded();
}

#[test]
fn what_a_daemon_has_said_is_kept_in_private_and_shown() {
    let world = World::new();
    world
        .ac_cred(["daemon", "logs"])
        .run()
        .succeeded()
        .says("the daemon has said nothing here");
    world.ac_cred(["daemon", "start"]).run().succeeded();
    world.ac_cred(["daemon", "stop"]).run().succeeded();
    let shown = world
        .ac_cred(["daemon", "logs"])
        .run()
        .succeeded()
        .stdout
        .clone();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(
        lines[0].contains("listening") && lines[1].contains("ended"),
        "{shown}"
    );
    let last = world.ac_cred(["daemon", "logs", "-n", "1"]).run();
    assert_eq!(last.succeeded().stdout, format!("{}\n", lines[1]));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let log = ac_cred_proto::endpoint::log_path(&world.socket());
    assert_eq!(mode(&log), 0o600);
    fs::write(&log, "a\u{1b}[31mb\n").unwrap();
    let steered = world.ac_cred(["daemon", "logs"]).run();
    assert_eq!(steered.succeeded().stdout, "a[31mb\n");
}
