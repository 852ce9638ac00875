//! The service of `daemon install` under a real `systemd --user`, which each test has to itself: in
//! namespaces and control groups that end with the test.

#![cfg(target_os = "linux")]

use std::{
    fs, io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ac_cred_tests::{
    process::{Foreground, STRANGER, has_program_or_skips, is_root_or_skips, skip},
    source,
    world::{Account, PATIENCE, Run, World, eventually},
};
use serde_json::Value;

const SYSTEMD: &str = "/usr/lib/systemd/systemd";
const SOCKET: &str = "ac-cred.socket";
const SERVICE: &str = "ac-cred.service";

/// Where the units of the session's user are.
const UNITS: &str = "/home/person/.config/systemd/user";

/// Where control groups may be: on a machine of their second version, and beside those of the first.
const GROUP_ROOTS: [&str; 3] = [
    "/sys/fs/cgroup",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/systemd",
];

/// The first process of the namespaces: it makes of them a machine that systemd has started, gives
/// its user a name and a home outside of `/tmp`, says by which id others find it, and runs the user's
/// systemd for as long as somebody holds its standard input.
const FIRST_PROCESS: &str = r#"
home=$1 user=$2 systemd=$3; shift 3
set -e
read -r pid rest </proc/self/stat
mount -t proc none /proc
for place in /run /home; do mount -t tmpfs -o mode=755 none "$place"; done
mkdir -p /run/systemd/system /run/systemd/unit-root "/run/user/$user" /home/person
chmod 700 "/run/user/$user"
chown "$user:$user" "/run/user/$user"
mount --bind "$home" /home/person
{ cat /etc/passwd; echo "person:x:$user:$user::/home/person:/bin/sh"; } >/home/passwd
mount --bind /home/passwd /etc/passwd
exec 3<&0
(
    for group; do echo 0 >"$group/cgroup.procs"; done
    exec setpriv --reuid "$user" --regid "$user" --clear-groups \
        env -i HOME=/home/person PATH=/usr/bin:/bin "XDG_RUNTIME_DIR=/run/user/$user" \
        "$systemd" --user --log-target=console 3<&- >&2
) &
manager=$!
(read -r word <&3 || kill -KILL "$manager") &
echo "$pid"
wait "$manager"
"#;

#[test]
fn systemd_starts_the_service_at_the_first_call_and_gets_it_back_whatever_ends_it() {
    let Some(session) = Session::begin() else {
        return;
    };
    session.write("/home/person/pass", "a passphrase");
    session
        .ac_cred(&["daemon", "install"])
        .env("AC_CRED_PASSPHRASE_FILE", "/home/person/pass")
        .run()
        .succeeded()
        .says("systemd keeps the daemon from now on");
    session.comes_to("active", "inactive");
    assert_eq!(session.property(SOCKET, "SubState"), "listening");
    session.ac_cred(&["list"]).run().succeeded();
    session.comes_to("active", "active");
    session.login("acme", "memory");
    session.login("beta", "file");
    let token = session.get("acme");
    let first = session.service_process();
    let active_since = "ActiveEnterTimestampMonotonic";
    let since = session.property(SERVICE, active_since);

    session.ac_cred(&["daemon", "restart"]).run().succeeded();
    let next = session.replaced(first);
    assert_eq!(session.get("acme"), token);
    assert_eq!(session.property(SERVICE, active_since), since);
    assert_eq!(session.property(SERVICE, "NRestarts"), "0");
    assert_eq!(session.world.sim().exchange_count(), 2);

    session
        .shell(&format!("kill -KILL {next}"))
        .run()
        .succeeded();
    session.replaced(next);
    assert_eq!(session.property(SERVICE, "NRestarts"), "1");
    session.ac_cred(&["get", "acme"]).run().refused(4);
    // systemd has handed the passphrase over anew.
    session.get("beta");
    assert_eq!(session.world.sim().exchange_count(), 3);

    session.ac_cred(&["daemon", "stop"]).run().succeeded();
    session.comes_to("active", "inactive");
    session.get("beta");
    session.comes_to("active", "active");
    assert_eq!(session.world.sim().exchange_count(), 4);

    session.ac_cred(&["daemon", "uninstall"]).run().succeeded();
    session.comes_to("inactive", "inactive");
    for unit in [SOCKET, SERVICE] {
        assert_eq!(session.property(unit, "LoadState"), "not-found");
    }
    assert!(eventually(PATIENCE, || !session.has_daemon()));
}

#[test]
fn systemd_takes_over_from_a_daemon_that_was_there_by_what_install_says() {
    let Some(session) = Session::begin() else {
        return;
    };
    session.ac_cred(&["daemon", "start"]).run().succeeded();
    let line = session.install_beside_a_daemon();
    session.comes_to("inactive", "inactive");
    let finding = session.doctor_says("note");
    assert_eq!(finding["fix"], *line);
    session.shell(&line).run().succeeded();
    session.comes_to("active", "inactive");
    session.doctor_says("ok");
    session.comes_to("active", "active");
}

#[test]
fn a_service_that_cannot_start_keeps_nobody_from_a_token_and_doctor_tells_of_it() {
    let Some(session) = Session::begin() else {
        return;
    };
    session.drop_in("[Service]\nExecStartPre=/bin/false\n");
    session.ac_cred(&["daemon", "install"]).run().succeeded();
    let list = session.ac_cred(&["list"]).run();
    list.succeeded().says("no daemon is running");
    session.comes_to("failed", "failed");
    session.login("acme", "memory");
    session.get("acme");
    let finding = session.doctor_says("fail");
    let fix = finding["fix"].as_str().expect("there is something to type");
    let told = session.shell(fix).run().stdout;
    assert!(told.contains("code=exited, status=1/FAILURE"), "{told}");
    let mended = format!("rm -r {UNITS}/{SERVICE}.d");
    session.shell(&mended).run().succeeded();
    let line = session.install_beside_a_daemon();
    session.shell(&line).run().succeeded();
    session.doctor_says("ok");
    session.comes_to("active", "active");
}

#[test]
fn under_the_stricter_drop_in_of_the_documents_the_service_does_its_work() {
    let Some(session) = Session::begin_stricter() else {
        return;
    };
    session.finds_little_exposed();
    session.ac_cred(&["list"]).run().succeeded();
    session.shell(&stricter_service("sh")).run().succeeded();
    session.comes_to("active", "inactive");
    session.write("/home/person/pass", "a passphrase");
    let passphrase = ["--passphrase-file", "/home/person/pass"];
    let account = session.world.account("acme");
    session
        .login_with(&account, "file")
        .args(passphrase)
        .run()
        .succeeded();
    session.login("beta", "memory");
    let account = session.world.account("gamma");
    session.write("/home/person/key", &account.key);
    session.login_by_command("gamma", "cat ~/key");
    let tokens = ["acme", "beta", "gamma"].map(|alias| session.get(alias));
    let first = session.service_process();
    session.ac_cred(&["daemon", "restart"]).run().succeeded();
    session.replaced(first);
    let still = ["acme", "beta", "gamma"].map(|alias| session.get(alias));
    assert_eq!(still, tokens);
    assert_eq!(session.world.sim().exchange_count(), 3);
    let refresh = session.ac_cred(&["get", "acme", "--refresh"]).run();
    assert_ne!(refresh.succeeded().stdout, tokens[0]);
}

#[test]
fn the_stricter_drop_in_costs_what_the_documents_say() {
    let Some(session) = Session::begin_stricter() else {
        return;
    };
    let account = session.world.account("acme");
    let login = || session.login_with(&account, "memory").run();
    // The folders are not there yet.
    let why = "/.config/ac-cred: read-only file system";
    login().succeeded().says(why);
    session.shell(&stricter_service("sh")).run().succeeded();
    assert!(!login().succeeded().stderr.contains(why));
    session.write("/home/person/key", &account.key);
    session.login_by_command("beta", "touch ~/written 2>/dev/null || cat ~/key");
    assert!(!session.world.home().join("written").exists());
    let audit = session.ac_cred(&["audit", "--json"]).run();
    assert_eq!(audit.succeeded().json()["entries"][0]["program"], "ac-cred");
    let ca_file = session.world.ca_file();
    session
        .ac_cred(&["login", "acme", "--from", "acme", "--ca-file"])
        .args([&ca_file])
        .run()
        .refused(6)
        .says("/ca.pem does not exist");
    let program = session.world.home().join("bin/ac-credd");
    chown(&program, Some(0), Some(0)).expect("root takes what it likes");
    session
        .ac_cred(&["daemon", "restart"])
        .run()
        .refused(6)
        .says("belongs to user id 65534, not to you");
}

/// The block of SECURITY.md in this language: what a person writes into a file, or types.
fn stricter_service(language: &str) -> String {
    let text = fs::read_to_string(source::root().join("SECURITY.md"));
    let text = text.expect("the documents are there");
    let (_, section) = text
        .split_once("\n## A stricter service\n")
        .expect("it has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let (_, block) = section
        .split_once(&format!("```{language}\n"))
        .expect("the section has the block");
    block.split("```").next().unwrap_or_default().to_owned()
}

/// A user, and a systemd of theirs in namespaces that end with this.
struct Session {
    /// Its end is the end of every process in the namespaces.
    _first: Foreground,
    /// The first process, as others find it.
    id: String,
    _groups: Groups,
    world: World,
}

impl Session {
    /// One whose systemd has started; none where the machine does not let it, and the test says why.
    fn begin() -> Option<Self> {
        let programs = ["unshare", "nsenter", "setpriv", "mount", "systemctl"];
        if !programs.iter().all(|name| has_program_or_skips(name)) || !is_root_or_skips() {
            return None;
        }
        if !Path::new(SYSTEMD).exists() {
            skip("there is no systemd, which .ci/run installs");
            return None;
        }
        let groups = match Groups::make() {
            Ok(groups) => groups,
            Err(error) => {
                skip(&format!("no control group can be made here: {error}"));
                return None;
            }
        };
        let world = World::new();
        let programs = world.home().join("bin");
        fs::create_dir(&programs).expect("the home has none");
        give(&programs);
        for name in ["ac-cred", "ac-credd"] {
            let copy = programs.join(name);
            world.copy_program(&world.programs().join(name), &copy);
            give(&copy);
        }
        give(world.home());
        let first = Foreground::spawn(unshare(&world, &groups));
        let id = first.first_line().to_owned();
        let session = Self {
            _first: first,
            id,
            _groups: groups,
            world,
        };
        session.has_started().then_some(session)
    }

    /// One in which the service is installed under the drop-in of SECURITY.md.
    fn begin_stricter() -> Option<Self> {
        let session = Self::begin()?;
        let probe = session.program("unshare", &["--user", "--mount", "true"]);
        if probe.run().code != 0 {
            skip("users have no namespaces of their own here");
            return None;
        }
        session.drop_in(&stricter_service("ini"));
        session.ac_cred(&["daemon", "install"]).run().succeeded();
        Some(session)
    }

    fn has_started(&self) -> bool {
        let has_first = || !self.id.is_empty() && Path::new("/proc").join(&self.id).exists();
        let mut state = String::new();
        let is_settled = eventually(PATIENCE, || {
            state = self.systemctl(&["is-system-running"]);
            // What else is installed on the machine may fail in namespaces.
            ["running", "degraded"].contains(&&*state) || !has_first()
        });
        let has_started = is_settled && has_first();
        if !has_started {
            skip(&format!("no systemd starts in namespaces here: {state}"));
        }
        has_started
    }

    /// A program in the session, as its user.
    fn program(&self, name: &str, words: &[&str]) -> Run {
        let user = STRANGER.to_string();
        let run = self.world.program("nsenter").args(["--mount", "--pid"]);
        run.args(["--target", &self.id, "--setuid", &user, "--setgid", &user])
            .args([name])
            .args(words)
            .env("HOME", "/home/person")
            .env("PATH", "/home/person/bin:/usr/bin:/bin")
            .env("XDG_RUNTIME_DIR", format!("/run/user/{STRANGER}"))
            .env_remove("AC_CRED_SOCKET")
    }

    fn ac_cred(&self, words: &[&str]) -> Run {
        self.program("ac-cred", words)
    }

    fn shell(&self, line: &str) -> Run {
        self.program("sh", &["-ec", line])
    }

    /// Writes a private file.
    fn write(&self, path: &str, text: &str) {
        let line = format!("umask 077; cat >{path}");
        self.shell(&line).stdin(text).run().succeeded();
    }

    fn systemctl(&self, words: &[&str]) -> String {
        let output = self.program("systemctl", &["--user"]).args(words).run();
        output.stdout.trim_end().to_owned()
    }

    fn property(&self, unit: &str, name: &str) -> String {
        self.systemctl(&["show", "--property", name, "--value", unit])
    }

    /// Waits until systemd says this of the socket and of the service.
    #[track_caller]
    fn comes_to(&self, socket: &str, service: &str) {
        let mut states = [String::new(), String::new()];
        let has_come = eventually(PATIENCE, || {
            states = [SOCKET, SERVICE].map(|unit| self.property(unit, "ActiveState"));
            states == [socket, service]
        });
        assert!(has_come, "{states:?}");
    }

    /// The process that systemd takes for the service's, which is the one that answers.
    fn service_process(&self) -> u64 {
        let told = self.property(SERVICE, "MainPID");
        let status = self.ac_cred(&["status", "--json"]).run().succeeded().json();
        let answers = &status["daemon"]["pid"];
        assert_eq!(told, answers.to_string());
        answers.as_u64().expect("a process has a number")
    }

    /// Waits until another process than this one is the service's, and returns it.
    fn replaced(&self, process: u64) -> u64 {
        let old = process.to_string();
        let is_replaced = eventually(PATIENCE, || {
            let main = self.property(SERVICE, "MainPID");
            let state = self.property(SERVICE, "ActiveState");
            state == "active" && main != "0" && main != old
        });
        assert!(is_replaced, "{}", self.systemctl(&["status", SERVICE]));
        self.service_process()
    }

    /// Writes a drop-in for the service.
    fn drop_in(&self, text: &str) {
        let directory = format!("{UNITS}/{SERVICE}.d");
        let made = self.shell(&format!("mkdir -p {directory}")).run();
        made.succeeded();
        self.write(&format!("{directory}/strict.conf"), text);
    }

    /// Installs the service where a daemon runs; what a person is told to type.
    #[track_caller]
    fn install_beside_a_daemon(&self) -> String {
        let installed = self.ac_cred(&["daemon", "install"]).run();
        let told = installed.succeeded().stderr.trim_end();
        let (_, line) = told.split_once(" after: ").expect("a daemon runs");
        line.to_owned()
    }

    /// What `doctor` finds of the service, which comes to this.
    #[track_caller]
    fn doctor_says(&self, verdict: &str) -> Value {
        let report = self.ac_cred(&["doctor", "--json"]).run().json();
        let findings = report["findings"].as_array().expect("it finds something");
        let service = findings.iter().find(|found| found["check"] == "service");
        let service = service.expect("a service is installed");
        assert_eq!(service["verdict"], verdict, "{service}");
        service.clone()
    }

    fn finds_little_exposed(&self) {
        let unit = format!("{UNITS}/{SERVICE}");
        let analyze = |words: &[&str]| {
            let run = self.program("systemd-analyze", &["--user", "--man=no"]);
            run.args(words).args([&unit]).run()
        };
        let verified = analyze(&["verify"]);
        verified.succeeded();
        assert_eq!((&*verified.stdout, &*verified.stderr), ("", ""));
        analyze(&["--offline=true", "--threshold=25", "security"]).succeeded();
    }

    fn has_daemon(&self) -> bool {
        let names = self
            .shell("cat /proc/[0-9]*/comm 2>/dev/null || true")
            .run();
        names
            .succeeded()
            .stdout
            .lines()
            .any(|name| name == "ac-credd")
    }

    /// `ac-cred login ALIAS` at the simulator, which is yet to be told where the credential is.
    fn login_at_simulator(&self, alias: &str) -> Run {
        let url = self.world.sim().url();
        let words = ["login", alias, "--auth-url", &url, "--api-url", &url];
        let ca_file = ["--ca-file", "/home/person/ca.pem"];
        self.ac_cred(&words).args(ca_file)
    }

    /// The same with the account's key on standard input.
    fn login_with(&self, account: &Account, store: &str) -> Run {
        let login = self.login_at_simulator(&account.alias);
        login
            .args(["--stdin", "--store", store])
            .stdin(&account.key)
    }

    /// A new account that is logged in.
    #[track_caller]
    fn login(&self, alias: &str, store: &str) {
        let account = self.world.account(alias);
        self.login_with(&account, store).run().succeeded();
    }

    /// A login with a line of a shell that prints the credential.
    #[track_caller]
    fn login_by_command(&self, alias: &str, line: &str) {
        self.login_at_simulator(alias)
            .args(["--store", "command", "--", "sh", "-c", line])
            .run()
            .succeeded();
    }

    /// The token that `ac-cred get ALIAS` prints.
    #[track_caller]
    fn get(&self, alias: &str) -> String {
        self.ac_cred(&["get", alias])
            .run()
            .succeeded()
            .stdout
            .clone()
    }
}

/// The first process in namespaces of its own, without which no process in them lives.
fn unshare(world: &World, groups: &Groups) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child", "sh", "-c"])
        .args([FIRST_PROCESS, "sh"])
        .args([world.home()])
        .args([&STRANGER.to_string(), SYSTEMD])
        .args(&groups.0)
        .stdin(Stdio::piped());
    command
}

/// Makes a file the session's user's.
fn give(path: &Path) {
    chown(path, Some(STRANGER), Some(STRANGER)).expect("root gives away what it has");
}

/// Control groups that are the session's user's; they are removed when this is dropped.
struct Groups(Vec<PathBuf>);

impl Groups {
    /// One below every root that this machine has.
    fn make() -> io::Result<Self> {
        let has_groups = |root: &&str| Path::new(root).join("cgroup.procs").exists();
        let mut made = Self(Vec::new());
        for root in GROUP_ROOTS.into_iter().filter(has_groups) {
            // Tests of one process run side by side.
            let directory = tempfile::Builder::new()
                .prefix("ac-cred-")
                .tempdir_in(root)?
                .keep();
            made.0.push(directory);
        }
        for group in &made.0 {
            chown(group, Some(STRANGER), Some(STRANGER))?;
            for file in fs::read_dir(group)? {
                chown(file?.path(), Some(STRANGER), Some(STRANGER))?;
            }
        }
        if made.0.is_empty() {
            return Err(io::Error::other("the machine has none"));
        }
        Ok(made)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // The last process of a group may still be ending.
        let are_gone = eventually(PATIENCE, || self.0.iter().all(|group| remove(group)));
        assert!(are_gone || std::thread::panicking(), "{:?} stay", self.0);
    }
}

/// Removes a control group and all below it, whose files are the kernel's; whether it is gone.
fn remove(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(group).ok();
    !group.exists()
}
