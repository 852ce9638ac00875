//! systemd hands the socket over, is told how the daemon is, and keeps its socket.

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::Path,
    process::Command,
};

use ac_cred_tests::{
    process::{Foreground, skip},
    world::{PATIENCE, World, eventually},
};

use super::mode;

#[test]
fn a_socket_that_is_handed_over_is_served_and_left_where_it_is() {
    let world = World::new();
    for (program, words) in [("ac-credd", ""), ("ac-cred", "daemon run")] {
        let daemon = start(&world, listening(&world), program, words);
        assert_eq!(daemon.first_line(), "ready");
        let status = world.status();
        assert_eq!(status["daemon"]["pid"], daemon.process().0);
        assert_eq!(status["daemon"]["socket"], world.socket().to_str().unwrap());
        world.login(program);
        world.get(program);
        world.stop();
        let (status, told) = daemon.end(&world);
        assert!(status.success(), "{told}");
        assert!(world.socket().exists(), "it is systemd's");
        fs::remove_file(world.socket()).unwrap();
    }
}

#[test]
fn what_is_no_socket_of_this_user_alone_is_refused() {
    let world = World::new();
    let refused = |descriptor: OwnedFd, why: &str| {
        let daemon = start(&world, descriptor, "ac-credd", "");
        assert_eq!(daemon.first_line(), "");
        let (status, told) = daemon.end(&world);
        assert_eq!(status.code(), Some(1), "{told}");
        assert!(told.contains(why) && told.lines().count() == 1, "{told}");
    };
    let file = fs::File::create(world.home().join("file")).unwrap();
    refused(file.into(), "is not a socket");
    refused(
        TcpListener::bind("127.0.0.1:0").unwrap().into(),
        "unix stream",
    );
    refused(
        UdpSocket::bind("127.0.0.1:0").unwrap().into(),
        "unix stream",
    );
    refused(UnixDatagram::unbound().unwrap().into(), "unix stream");
    refused(UnixStream::pair().unwrap().0.into(), "does not listen");
    let gone = listening(&world);
    fs::remove_file(world.socket()).unwrap();
    refused(gone, "is not at its path");
    let open = listening(&world);
    mode(&world.socket(), 0o666);
    refused(open, "is open to others");
    fs::remove_file(world.socket()).unwrap();
    let in_the_open = listening(&world);
    mode(world.socket().parent().unwrap(), 0o755);
    refused(in_the_open, "others can enter");
}

#[test]
fn a_number_of_sockets_other_than_one_is_refused() {
    let world = World::new();
    for count in ["0", "2", "-1", "4294967297", ""] {
        let socket = listening(&world);
        let line = format!("LISTEN_FDS={count} LISTEN_PID=$$ exec \"$0\" 3<&0 </dev/null");
        let daemon = shell(&world, socket, &line, "ac-credd");
        assert_eq!(daemon.first_line(), "", "{count}");
        let (status, told) = daemon.end(&world);
        assert_eq!(status.code(), Some(1), "{told}");
        assert!(told.contains("one socket"), "{told}");
        fs::remove_file(world.socket()).unwrap();
    }
}

#[test]
fn a_socket_for_another_process_is_not_taken() {
    let world = World::new();
    let elsewhere = world.home().join("run/elsewhere");
    let socket = UnixListener::bind(&elsewhere).unwrap();
    mode(&elsewhere, 0o600);
    let line = "LISTEN_FDS=1 LISTEN_PID=1 exec \"$0\" 3<&0 </dev/null";
    let daemon = shell(&world, socket.into(), line, "ac-credd");
    assert_eq!(daemon.first_line(), "ready");
    let socket = world.status()["daemon"]["socket"].clone();
    assert_eq!(socket, world.socket().to_str().unwrap());
}

#[test]
fn the_first_call_starts_a_daemon_behind_systemds_socket() {
    let tool = Path::new("/usr/bin/systemd-socket-activate");
    if !tool.exists() {
        return skip("there is no systemd-socket-activate");
    }
    let world = World::new();
    let socket = world.socket();
    let run = world.program("/bin/sh");
    let run = run
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .args([tool]);
    let run = run.args([format!("--listen={}", socket.display())]);
    let run = run.args([world.programs().join("ac-credd")]);
    let daemon = run.spawn();
    assert!(eventually(PATIENCE, || is_listened_on(&socket)));
    // A socket unit says so by itself.
    mode(&socket, 0o600);
    world.login("acme");
    world.get("acme");
    assert_eq!(world.status()["daemon"]["pid"], daemon.pid());
    world.stop();
    assert!(socket.exists());
    assert_eq!(daemon.wait().code, 0);
}

#[test]
fn a_daemon_behind_a_socket_that_was_handed_over_can_be_replaced() {
    let world = World::new();
    let daemon = start(&world, listening(&world), "ac-credd", "");
    assert_eq!(daemon.first_line(), "ready");
    world.login("acme");
    let token = world.get("acme");
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    assert_ne!(world.status()["daemon"]["pid"], daemon.process().0);
    assert_eq!(world.get("acme"), token);
    world.stop();
    assert!(world.socket().exists(), "it is systemd's");
    assert!(daemon.end(&world).0.success());
}

#[test]
fn systemd_is_told_how_the_daemon_is() {
    let world = World::new();
    let systemd = UnixDatagram::bind(world.home().join("notify")).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let line = "NOTIFY_SOCKET=\"$HOME/notify\" WATCHDOG_USEC=200000 exec \"$0\" </dev/null";
    let daemon = shell(&world, nothing(), line, "ac-credd");
    assert_eq!(heard(&systemd), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(&systemd), "WATCHDOG=1");
    }
    world.ac_cred(["daemon", "restart"]).run().succeeded();
    let next = world.daemon_pid().unwrap();
    let mut news = vec![heard(&systemd)];
    while news.iter().filter(|new| **new == "WATCHDOG=1").count() < 5 {
        news.push(heard(&systemd));
    }
    assert!(news.contains(&format!("MAINPID={next}")), "{news:?}");
    assert!(news.contains(&"READY=1".to_owned()), "{news:?}");
    assert!(!news.contains(&"STOPPING=1".to_owned()), "{news:?}");
    // It is not waited for: systemd knows the next one.
    assert!(world.wait_for_end(daemon.process().0, PATIENCE));
    world.stop();
    assert!(daemon.end(&world).0.success());
    while heard(&systemd) != "STOPPING=1" {}
}

#[test]
fn a_name_in_place_of_a_path_reaches_systemd_too() {
    let world = World::new();
    let name = format!("ac-cred-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let systemd = UnixDatagram::bind_addr(&address).unwrap();
    systemd.set_read_timeout(Some(PATIENCE)).unwrap();
    let line = format!("NOTIFY_SOCKET=@{name} exec \"$0\" </dev/null");
    let _daemon = shell(&world, nothing(), &line, "ac-credd");
    assert_eq!(heard(&systemd), "READY=1");
}

fn heard(systemd: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let length = systemd
        .recv(&mut bytes)
        .expect("the daemon tells something");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// A listening socket at the endpoint, for its user alone.
fn listening(world: &World) -> OwnedFd {
    let listener = UnixListener::bind(world.socket()).expect("the endpoint is free");
    mode(&world.socket(), 0o600);
    listener.into()
}

/// What leads nowhere.
fn nothing() -> OwnedFd {
    let nowhere = fs::File::open("/dev/null");
    nowhere.expect("every system has one").into()
}

/// Starts a program with the descriptor as the one that was handed over.
fn start(world: &World, descriptor: OwnedFd, program: &str, words: &str) -> Foreground {
    let line = format!("LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" {words} 3<&0 </dev/null");
    shell(world, descriptor, &line, program)
}

/// Runs a line of a shell with a program of this world as `$0` and a descriptor as its stdin.
fn shell(world: &World, descriptor: OwnedFd, line: &str, program: &str) -> Foreground {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", line])
        .arg(world.programs().join(program))
        .env_clear()
        .env("HOME", world.home())
        .env("PATH", "/usr/bin:/bin")
        .env("AC_CRED_SOCKET", world.socket())
        .stdin(descriptor);
    Foreground::spawn(command)
}

/// Whether a socket has been bound and is listened on: unix(7) and proc(5) have the flag.
fn is_listened_on(socket: &Path) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let path = socket.display().to_string();
    sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .any(|fields| fields.get(3) == Some(&"00010000") && fields.last() == Some(&&*path))
}
