//! The files of the stores: changed by two daemons and an editor at once, and put where they are not
//! safe.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
};

use ac_cred_tests::{
    process::{has_program_or_skips, is_root_or_skips},
    world::{PATIENCE, Run, World, eventually},
};

/// A user of nothing here.
const NOBODY: u32 = 65_534;

/// An identity as `age-keygen` writes it, of nobody.
const IDENTITY: &str = "\
AGE-SECRET-KEY-1L09KZQ06UNDSWYF4Z90ERF6VGYNZRV9LFENGDSA82CAHUAL26NYQTAHRE0
";

/// A world with `acme` in a file that an identity opens.
fn world() -> World {
    let world = World::new();
    let identity = world.write("key.txt", IDENTITY);
    log_in(&world, "acme")
        .args(["--identity"])
        .args([identity])
        .run()
        .succeeded();
    world
}

fn log_in(world: &World, alias: &str) -> Run {
    let account = world.account(alias);
    let login = world.login_with(alias, &account.key);
    login.args(["--store", "file"])
}

#[test]
fn two_daemons_lose_no_change_of_each_other() {
    let world = world();
    let directory = world.home().join("second");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, PermissionsExt::from_mode(0o700)).unwrap();
    let second = directory.join("v1.sock");
    let accounts: Vec<_> = (0..6)
        .map(|number| world.account(&format!("org-{number}")))
        .collect();
    let (first, rest) = accounts.split_at(3);
    let all_of = |accounts: &[ac_cred_tests::world::Account], socket: &Path| {
        for account in accounts {
            let login = world.login_with(&account.alias, &account.key);
            let login = login.env("AC_CRED_SOCKET", socket);
            login.args(["--store", "file"]).run().succeeded();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| all_of(first, &world.socket()));
        scope.spawn(|| all_of(rest, &second));
    });
    for socket in [&world.socket(), &second] {
        for account in &accounts {
            let get = world.ac_cred(["get", &account.alias]);
            get.env("AC_CRED_SOCKET", socket).run().succeeded();
        }
    }
}

#[test]
fn what_an_editor_saves_while_the_daemon_writes_is_not_lost() {
    if !has_program_or_skips("strace") || !is_root_or_skips() {
        return;
    }
    let world = world();
    let settings = world.settings_path();
    let beside = settings.with_extension("new");
    let pid = world.daemon_pid().expect("a daemon runs");
    let mut strace = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-p", &pid.to_string()])
        .args(["-e", "inject=fsync:delay_enter=2000000:when=1", "-P"])
        .arg(&beside)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace can be started");
    let mut said = BufReader::new(strace.stderr.take().expect("it is piped"));
    said.read_line(&mut String::new())
        .expect("strace says that it is there");
    let login = log_in(&world, "gamma").spawn();
    assert!(eventually(PATIENCE, || beside.exists()));
    let mut editor = File::options().append(true).open(&settings).unwrap();
    editor.write_all(b"\n# written by a person\n").unwrap();
    login.wait().succeeded();
    strace.kill().ok();
    strace.wait().ok();
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("# written by a person"), "{text}");
    assert!(text.contains("[organizations.gamma]"), "{text}");
    world.get("gamma");
}

/// Puts the file into an unsafe state; every later daemon says so, and nothing is changed.
fn check(spoil: impl Fn(&Path), told: &str) {
    let world = world();
    let path = world.credentials_path();
    world.stop();
    spoil(&path);
    let before = fs::symlink_metadata(&path).expect("it is there");
    for _ in 0..2 {
        let output = world.ac_cred(["get", "acme"]).run();
        output.refused(6).says(told);
        let output = log_in(&world, "other").run();
        output.refused(6);
    }
    let after = fs::symlink_metadata(&path).expect("it is there");
    assert_eq!(
        (after.len(), after.permissions(), after.modified().ok()),
        (before.len(), before.permissions(), before.modified().ok()),
        "{told}"
    );
}

#[test]
fn a_store_that_is_a_link_has_two_names_or_is_no_file_is_refused() {
    let elsewhere = |path: &Path| path.with_file_name("elsewhere");
    let linked = |path: &Path| {
        fs::rename(path, elsewhere(path)).unwrap();
        symlink(elsewhere(path), path).unwrap();
    };
    check(linked, "is a symbolic link");
    check(
        |path| fs::hard_link(path, elsewhere(path)).unwrap(),
        "hard link",
    );
    let fifo = |path: &Path| {
        fs::remove_file(path).unwrap();
        let made = Command::new("mkfifo")
            .args(["-m", "600"])
            .arg(path)
            .status();
        assert!(made.unwrap().success());
    };
    check(fifo, "not a regular file");
}

#[test]
fn a_store_that_is_huge_cut_or_damaged_is_refused() {
    let huge = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(1 << 30).unwrap();
    };
    check(huge, "longer than");
    let cut = |path: &Path| {
        let file = File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    };
    check(cut, "is damaged");
    let flipped = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    };
    check(flipped, "is damaged");
}

#[test]
fn a_store_that_others_can_read_or_own_or_replace_is_refused() {
    let mode = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode));
    check(|path| mode(path, 0o640).unwrap(), "is open to others");
    let directory = |path: &Path| mode(path.parent().unwrap(), 0o770).unwrap();
    check(directory, "can be changed by others");
    if !is_root_or_skips() {
        return;
    }
    check(
        |path| chown(path, Some(NOBODY), None).unwrap(),
        "belongs to somebody else",
    );
    let directory = |path: &Path| chown(path.parent().unwrap(), Some(NOBODY), None).unwrap();
    check(directory, "belongs to somebody else");
}
