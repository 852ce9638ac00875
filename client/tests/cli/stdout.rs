//! A token that nobody can read is no success.

use std::fs::File;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::event::{PollFd, PollFlags};

use crate::world::{CLIENT, TOKEN, World, leased, said, serve, what_was_said};

#[test]
fn a_full_disk_is_told() {
    let world = World::new();
    world.daemon(vec![vec![leased()]]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let said = said(world.client(&["get"]).stdout(full));
    said.is_refused(1);
    assert!(!said.stderr.contains("panicked"), "{said:?}");
}

#[test]
fn a_closed_stdout_is_told() {
    for closing in [">&-", "</dev/null >&-", "1</dev/null"] {
        let world = World::new();
        world.daemon(vec![vec![leased()]]);
        let script = format!("\"$0\" \"$@\" {closing}");
        let said = said(&mut world.run("sh", &["-c", &script, CLIENT, "get"]));
        said.is_refused(1);
        assert!(said.stderr.contains("stdout"), "{said:?}");
    }
}

#[test]
fn a_stdout_that_is_thrown_away_is_a_success() {
    let world = World::new();
    world.daemon(vec![vec![leased()]]);
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .unwrap();
    let said = said(world.client(&["get"]).stdout(null));
    assert_eq!((said.code, said.stderr.as_str()), (0, ""));
}

#[test]
fn a_reader_that_left_is_not_told() {
    let world = World::new();
    let listener: UnixListener = world.listener();
    let (reader, writer) = std::io::pipe().unwrap();
    let child = world
        .client(&["get"])
        .stdout(writer.try_clone().unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(reader);
    // What another test is about to start holds the reader too, for a moment.
    let mut left = [PollFd::new(&writer, PollFlags::empty())];
    rustix::event::poll(&mut left, None).unwrap();
    serve(listener, vec![vec![leased()]]);
    let said = what_was_said(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.stderr.as_str()), (1, ""));
}

#[test]
fn a_closed_or_full_stderr_changes_nothing() {
    for redirection in ["2>&-", "2>/dev/full", "<&- 2>&-"] {
        let world = World::new();
        world.daemon(vec![vec![leased()]]);
        let script = format!("\"$0\" \"$@\" {redirection}");
        let run = |word| said(&mut world.run("sh", &["-c", &script, CLIENT, word]));
        assert_eq!(run("get").stdout, format!("{TOKEN}\n"));
        assert_eq!(run("fly").code, 2);
    }
}

#[test]
fn help_that_nobody_can_read_is_no_success() {
    let world = World::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    said(world.client(&["--help"]).stdout(full)).is_refused(1);
}
