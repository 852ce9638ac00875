//! Whose the endpoint is: one daemon's, one user's, and nothing is mended unasked.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{chown, symlink},
        net::{UnixListener, UnixStream},
    },
    thread,
};

use ac_cred_proto::{
    Request,
    frame::Encoding,
    message::{List, Status},
};
use ac_cred_tests::{
    process::{Foreground, STRANGER, as_user, is_root_or_skips},
    world::{PATIENCE, World},
};

use super::{Resting, directory_of_stranger, mode, mode_of, text};

#[test]
fn a_second_daemon_is_refused_and_the_first_serves_on() {
    let world = World::new();
    world.login("acme");
    let first = world.daemon_pid();
    for (program, words) in [("ac-cred", &["daemon", "run"][..]), ("ac-credd", &[])] {
        let second = Foreground::start(&world, program, words, &[]);
        assert_eq!(second.first_line(), "");
        let (status, told) = second.end(&world);
        assert!(!status.success());
        assert_eq!(told.lines().count(), 1, "{told}");
        let socket = world.socket();
        let why = format!("another ac-credd serves {}", text(&socket));
        assert!(told.contains(&why), "{told}");
    }
    let output = world.ac_cred(["daemon", "start"]).run();
    output.succeeded().says("runs already");
    assert_eq!(world.daemon_pid(), first);
    world.get("acme");
}

#[test]
fn a_socket_that_nobody_listens_at_is_taken_over() {
    let resting = Resting::new();
    drop(UnixListener::bind(resting.world.socket()).unwrap());
    assert!(resting.world.socket().exists());
    resting.get().run().succeeded();
    assert_eq!(resting.world.daemons().len(), 1);
}

#[test]
fn a_file_in_the_sockets_place_is_refused_and_kept() {
    let world = World::new();
    let file = world.write("run/v1.sock", "precious");
    for words in [&["get", "acme"][..], &["daemon", "start"]] {
        world.ac_cred(words).run().refused(6).says(text(&file));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(world.daemons().is_empty());
}

#[test]
fn a_directory_that_others_can_enter_is_refused_with_the_command_that_mends_it() {
    let world = World::new();
    world.login("acme");
    let account = world.account("other");
    let directory = world.home().join("run");
    let mend = format!("chmod 700 '{}'", text(&directory));
    let exchanges = world.sim().exchange_count();
    for bits in [0o755, 0o750, 0o711, 0o701, 0o1777] {
        mode(&directory, bits);
        for words in [&["get", "acme"][..], &["status"], &["daemon", "stop"]] {
            world.ac_cred(words).run().refused(6).says(&mend);
        }
        let login = world.login_with("other", &account.key);
        login
            .args(["--store", "memory"])
            .run()
            .refused(6)
            .says(&mend);
        assert_eq!(mode_of(&directory), bits, "it was mended unasked");
    }
    assert_eq!(world.sim().exchange_count(), exchanges);
    mode(&directory, 0o700);
    world.get("acme");
}

#[test]
fn a_daemon_does_not_listen_in_a_directory_that_others_can_enter() {
    let world = World::new();
    let directory = world.home().join("run");
    mode(&directory, 0o755);
    for words in [
        &["daemon", "start"][..],
        &["daemon", "run"],
        &["get", "acme"],
    ] {
        world.ac_cred(words).run().refused(6).says("chmod 700");
    }
    let daemon = Foreground::start(&world, "ac-credd", &[], &[]);
    assert_eq!(daemon.first_line(), "");
    let (status, told) = daemon.end(&world);
    assert!(!status.success() && told.contains("chmod 700"), "{told}");
    assert_eq!(mode_of(&directory), 0o755, "it was mended unasked");
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn a_link_to_a_directory_is_refused() {
    let world = World::new();
    let directory = world.home().join("run");
    let elsewhere = world.home().join("elsewhere");
    fs::rename(&directory, &elsewhere).unwrap();
    symlink(&elsewhere, &directory).unwrap();
    for words in [&["daemon", "start"][..], &["get", "acme"]] {
        let output = world.ac_cred(words).run();
        output.refused(6).says("is not a directory");
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    let directory = world.home().join("run");
    chown(&directory, Some(STRANGER), None).unwrap();
    for words in [&["daemon", "start"][..], &["get", "acme"], &["status"]] {
        let output = world.ac_cred(words).run();
        output
            .refused(6)
            .says(&format!("belongs to user id {STRANGER}"));
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn a_stranger_who_listens_at_the_endpoint_gets_no_byte() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    mode(world.home(), 0o711);
    let place = directory_of_stranger(&world, "place-of-stranger").join("s");
    let listener = as_user(STRANGER, || UnixListener::bind(&place)).unwrap();
    fs::rename(&place, world.socket()).unwrap();
    let account = world.account("acme");
    let login = || {
        world
            .login_with("acme", &account.key)
            .args(["--store", "memory"])
    };
    let ac_cred = |words: &[&str]| world.ac_cred(words);
    for run in [
        ac_cred(&["get", "acme"]),
        ac_cred(&["get", "acme", "--no-start"]),
        ac_cred(&["status"]),
        ac_cred(&["list"]),
        ac_cred(&["unlock"]),
        ac_cred(&["daemon", "stop"]),
        login(),
    ] {
        let received = thread::scope(|scope| {
            let received = scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).unwrap();
                bytes
            });
            let output = run.run();
            output.refused(6).says(&format!("user id {STRANGER}"));
            received.join().unwrap()
        });
        assert_eq!(received, b"", "a stranger was told something");
    }
    assert_eq!(world.sim().exchange_count(), 0);
}

#[test]
fn a_stranger_who_can_reach_the_socket_is_not_served() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    world.login("acme");
    for directory in [world.home(), &world.home().join("run")] {
        mode(directory, 0o755);
    }
    mode(&world.socket(), 0o777);
    let question = Request::Status(Status { organization: None });
    for encoding in [Encoding::Binary, Encoding::Json] {
        let question = encoding.encode(&question).unwrap();
        let answered = as_user(STRANGER, || {
            let mut stream = UnixStream::connect(world.socket()).expect("the way is open");
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // The daemon may have closed the connection before it is written to.
            stream.write_all(&question).ok();
            let mut bytes = Vec::new();
            let end = stream.read_to_end(&mut bytes);
            (bytes, end.map_err(|error| error.kind()))
        });
        let (bytes, end) = answered;
        assert_eq!(bytes, b"", "a stranger was told something");
        let is_closed = matches!(end, Ok(_) | Err(std::io::ErrorKind::ConnectionReset));
        assert!(is_closed, "{end:?}");
    }
    let names = world.connect().ask_all(&Request::List(List {}));
    assert_eq!(names.len(), 2, "its own user is served");
}

#[test]
fn the_directory_and_the_sockets_mode_each_keep_a_stranger_out_alone() {
    if !is_root_or_skips() {
        return;
    }
    let world = World::new();
    world.login("acme");
    let directory = world.home().join("run");
    mode(world.home(), 0o755);
    for (of_directory, of_socket) in [(0o700, 0o777), (0o755, 0o600)] {
        mode(&directory, of_directory);
        mode(&world.socket(), of_socket);
        let refused = as_user(STRANGER, || UnixStream::connect(world.socket()).map(drop));
        let kind = refused.expect_err("a stranger is kept out").kind();
        assert_eq!(kind, std::io::ErrorKind::PermissionDenied);
    }
    mode(&directory, 0o755);
    mode(&world.socket(), 0o777);
    let reached = as_user(STRANGER, || UnixStream::connect(world.socket()).map(drop));
    assert!(reached.is_ok(), "with both open only the daemon is left");
}
