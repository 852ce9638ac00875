//! A file system of its own in a file, and what a disk without power would still hold of it.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ac_cred_tests::{
    process::{has_program_or_skips, is_root_or_skips, skip},
    world::{PATIENCE, eventually},
};
use tempfile::TempDir;

use super::{
    Change, LOGIN, LOGOUT, MOVE_IN, MOVE_OUT, RENAME, REPLACE, check,
    home::Home,
    trace::{Cut, Strace, SystemCall},
};

/// The size of the file system, in bytes: the least that has a journal, and some room.
const SIZE: u64 = 8 * 1_024 * 1_024;

#[test]
fn without_power_in_the_middle_of_a_change_the_disk_holds_the_old_or_the_new_state() {
    let is_able = ["strace", "mkfs.ext4", "mount", "umount"]
        .iter()
        .all(|name| has_program_or_skips(name));
    if !is_able || !is_root_or_skips() {
        return;
    }
    for change in [&LOGIN, &REPLACE, &LOGOUT, &MOVE_OUT, &MOVE_IN, &RENAME] {
        let Some(disk) = Disk::new() else {
            return skip("the system mounts no file system in a file");
        };
        let place = disk.mounted.clone();
        let outside = TempDir::new().expect("a directory can be made");
        let home = Home::at(outside, place);
        home.has_done(&(change.first)());
        cut_off_everywhere(change, &home, disk);
    }
}

/// Makes a change again and again, each time with the power cut before another system call.
fn cut_off_everywhere(change: &Change, home: &Home, mut disk: Disk) {
    let request = (change.request)(home);
    disk.unmount();
    let whole = fs::read(&disk.image).expect("it is one's own");
    disk.mount();
    let before = home.files();
    let strace = Strace::on(home.paths());
    let calls = strace.calls(&home.asking(std::slice::from_ref(&request)));
    let mut changed = 0;
    for call in calls.into_iter().filter(SystemCall::changes_something) {
        disk.replace(&whole);
        let cut = Cut::Killed(call);
        strace.cut(&home.asking(std::slice::from_ref(&request)), &cut);
        // What is in the system's memory only is lost; what the disk has, is found again.
        let on_disk = fs::read(&disk.image).expect("it is one's own");
        disk.replace(&on_disk);
        if home.files() != before {
            changed += 1;
        }
        check(change, home, &cut, false);
    }
    assert!(changed > 1, "nothing was ever half done");
    disk.replace(&whole);
    let answers = home.ask(&[request]);
    assert!(answers.iter().all(|answer| answer.get("denied").is_none()));
    let on_disk = fs::read(&disk.image).expect("it is one's own");
    disk.replace(&on_disk);
    check(change, home, &Cut::AfterAll, true);
}

/// A file with a file system that is mounted; both go when it is dropped.
struct Disk {
    image: PathBuf,
    mounted: PathBuf,
    is_mounted: bool,
    _directory: TempDir,
}

impl Disk {
    /// A new one, where the system lets this process mount it.
    fn new() -> Option<Self> {
        let directory = TempDir::new().expect("a directory can be made");
        let image = directory.path().join("image");
        let mounted = directory.path().join("mounted");
        fs::create_dir(&mounted).expect("a directory can be made");
        let file = fs::File::create(&image).expect("a file can be made");
        file.set_len(SIZE).expect("the file can be as long");
        let made = run("mkfs.ext4", &["-q", "-b", "1024"], &[&image]);
        let mut disk = Self {
            image,
            mounted,
            is_mounted: false,
            _directory: directory,
        };
        (made && disk.try_mount()).then_some(disk)
    }

    /// Nothing is written for the sake of a name that takes the place of another.
    fn try_mount(&mut self) -> bool {
        let options = ["-o", "loop,noauto_da_alloc", "-t", "ext4"];
        self.is_mounted = run("mount", &options, &[&self.image, &self.mounted]);
        self.is_mounted
    }

    fn mount(&mut self) {
        assert!(self.try_mount(), "it was mounted before");
    }

    fn unmount(&mut self) {
        // A process that was killed lets go of its files a moment later.
        let is_free = || run("umount", &[], &[&self.mounted]);
        assert!(eventually(PATIENCE, is_free), "it is in use");
        self.is_mounted = false;
    }

    /// Starts anew with a disk that holds this.
    fn replace(&mut self, content: &[u8]) {
        self.unmount();
        fs::write(&self.image, content).expect("it is one's own");
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted && !run("umount", &["-l"], &[&self.mounted]) {
            // A panic here would hide the one that brought us here.
            writeln!(io::stderr(), "{} stays mounted", self.mounted.display()).ok();
        }
    }
}

fn run(program: &str, options: &[&str], paths: &[&Path]) -> bool {
    let status = Command::new(program)
        .args(options)
        .args(paths)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
