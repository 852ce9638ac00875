//! Callers that do wrong, by accident or by intent: the others are answered, the offenders leave,
//! and the daemon stays as small as it was.

#![cfg(target_os = "linux")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ac_cred_proto::frame::MAX_LENGTH;
use ac_cred_tests::{
    process::{Deadline, Process, raise_descriptor_limit, skip},
    world::{Output, PATIENCE, World},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Resource, Rlimit, prlimit},
};

/// How long an offender may stay.
const OFFENDERS_STAY: Duration = Duration::from_secs(10);

/// A crowd that holds its connections.
const HELD: usize = 5_000;

/// Descriptors that a test needs besides those of the crowd.
const SPARE_DESCRIPTORS: usize = 200;

/// A limit of descriptors for a daemon that leaves places for 64 connections.
const FEW_DESCRIPTORS: u64 = 128;

/// Many more connections than such a daemon has places.
const MORE_THAN_FIT: usize = 300;

/// What the daemon may grow by while it is attacked, in KiB.
const GROWTH: u64 = 16 * 1_024;

/// What each held connection may cost besides, in KiB.
const EACH: u64 = 8;

/// What is sent to a daemon that does not want it, in bytes.
const FLOOD: usize = 256 * 1_024 * 1_024;

#[test]
fn five_thousand_held_connections_are_in_nobodys_way_and_end() {
    let _turn = turn();
    let fit = raise_descriptor_limit().saturating_sub(SPARE_DESCRIPTORS);
    if fit < HELD {
        skip(&format!(
            "{HELD} connections; {fit} fit below the hard limit of descriptors"
        ));
    }
    let (world, token) = world();
    let daemon = daemon(&world);
    let before = peak(daemon);
    let said = [&b""[..], b"\0\0\x01\0\x01", b"{\"get\":"];
    let crowd: Vec<UnixStream> = (0..HELD.min(fit))
        .map(|number| connected(&world, said[number % said.len()]))
        .collect();
    let deadline = Deadline::within(OFFENDERS_STAY);
    assert_eq!(world.get("acme"), token);
    let held = u64::try_from(crowd.len()).expect("it is a few thousand");
    let grown = peak(daemon) - before;
    assert!(grown < GROWTH + EACH * held, "{grown} KiB for {held}");
    all_end(crowd, deadline);
    assert_eq!(world.get("acme"), token);
}

#[test]
fn a_full_house_lets_a_caller_in_at_once_and_those_who_wait_for_an_answer_stay() {
    let _turn = turn();
    let (world, token) = world_with_few_places();
    let account = world.login("slow");
    let gate = world.sim().hold_credential(&account.key);
    let refresh = ["get", "slow", "--refresh", "--wait", "60s"];
    let waiting: Vec<_> = (0..10).map(|_| world.ac_cred(refresh).spawn()).collect();
    assert!(gate.wait_for(1, PATIENCE));
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.extend((0..MORE_THAN_FIT).map(|_| connected(&world, b"")));
        // Less than the time after which the silent ones would leave by themselves.
        let output = world.ac_cred(["get", "acme", "--wait", "2s"]).run();
        assert_eq!(output.succeeded().stdout.trim_end(), token);
    }
    gate.release();
    let outputs: Vec<Output> = waiting.into_iter().map(|run| run.wait()).collect();
    assert!(outputs.iter().all(|output| output.code == 0), "{outputs:?}");
}

#[test]
fn a_daemon_without_descriptors_lives_and_serves_on() {
    let _turn = turn();
    let (world, token) = world();
    let daemon = daemon(&world);
    let Some(open) = daemon.descriptors().ok().map(|open| open.len()) else {
        return skip("only root sees the descriptors of a daemon");
    };
    let limit = Some(u64::try_from(open + 8).expect("they are few"));
    let limits = Rlimit {
        current: limit,
        maximum: limit,
    };
    let pid = Pid::from_raw(i32::try_from(daemon.0).expect("it is a process"));
    prlimit(pid, Resource::Nofile, limits).expect("root sets limits");
    let crowd: Vec<UnixStream> = (0..MORE_THAN_FIT).map(|_| connected(&world, b"")).collect();
    let deadline = Deadline::within(OFFENDERS_STAY);
    let get = || world.ac_cred(["get", "acme", "--wait", "2s"]).run();
    assert_eq!(get().succeeded().stdout.trim_end(), token);
    all_end(crowd, deadline);
    assert_eq!(get().succeeded().stdout.trim_end(), token);
    assert_eq!(world.daemon_pid(), Some(daemon.0));
}

#[test]
fn those_who_leave_before_their_answer_harm_nobody() {
    let _turn = turn();
    let (world, token) = world();
    let daemon = daemon(&world);
    let gate = world.sim().hold();
    let refresh = b"{\"get\":{\"organization\":\"acme\",\"refresh\":true}}\n";
    let mut crowd: Vec<UnixStream> = (0..500).map(|_| connected(&world, refresh)).collect();
    assert!(gate.wait_for(1, PATIENCE));
    let stayed = crowd.split_off(400);
    drop(crowd);
    gate.release();
    for mut stream in stayed {
        let mut answer = [0; 10];
        stream
            .read_exact(&mut answer)
            .expect("who stays is answered");
        assert_eq!(&answer, b"{\"lease\":{");
    }
    assert_ne!(world.get("acme"), token);
    assert_eq!(world.sim().exchange_count(), 2, "the login's, and one");
    // Who leaves while a long answer is written is met as well.
    for _ in 0..200 {
        drop(connected(&world, &b"{\"status\":{}}\n".repeat(50)));
    }
    world.get("acme");
    assert_eq!(world.daemon_pid(), Some(daemon.0));
}

#[test]
fn what_is_no_request_is_refused_in_time_and_costs_nothing() {
    let _turn = turn();
    let (world, token) = world();
    let daemon = daemon(&world);
    let before = peak(daemon);
    let wrong = wrong_requests();
    let deadline = Deadline::within(OFFENDERS_STAY);
    let streams: Vec<UnixStream> = wrong.iter().map(|wrong| connected(&world, wrong)).collect();
    for (mut stream, wrong) in streams.into_iter().zip(wrong) {
        let mut told = Vec::new();
        // What it has not read resets the connection.
        stream.read_to_end(&mut told).ok();
        let shown = String::from_utf8_lossy(&wrong[..wrong.len().min(40)]).into_owned();
        assert!(!deadline.left().is_zero(), "{shown}");
        assert!(told.len() < 1_024, "{shown}");
    }
    assert_eq!(world.get("acme"), token);
    let grown = peak(daemon) - before;
    assert!(grown < GROWTH, "{grown} KiB");
    assert_eq!(world.daemon_pid(), Some(daemon.0));
}

#[test]
fn a_flood_is_cut_and_fills_no_memory() {
    let _turn = turn();
    let (world, token) = world();
    let daemon = daemon(&world);
    let before = peak(daemon);
    for first in [b'{', 0, b'x'] {
        let mut stream = connected(&world, &[first]);
        let piece = vec![b'a'; 65_536];
        let sent = (0..FLOOD / piece.len())
            .take_while(|_| stream.write_all(&piece).is_ok())
            .count();
        assert!(
            sent * piece.len() < 8 * 1_024 * 1_024,
            "{sent} pieces were taken"
        );
    }
    let grown = peak(daemon) - before;
    assert!(grown < GROWTH, "{grown} KiB");
    assert_eq!(world.get("acme"), token);
}

/// Bytes that are no request, or not the whole of one.
fn wrong_requests() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [0, 1, MAX_LENGTH + 1, 1 << 31, 0xffff_ffff]
        .map(|length| {
            let header = u32::try_from(length)
                .expect("it fits a header")
                .to_be_bytes();
            [&header[..], &[1; 64]].concat()
        })
        .into();
    // A text within a frame that claims 2^63 bytes.
    all.push(
        [
            &[0, 0, 0, 13, 1, 0, 1, 253][..],
            &[0, 0, 0, 0, 0, 0, 0, 0x80],
        ]
        .concat(),
    );
    for bomb in [
        "{\"get\":",
        "{\"login\":{\"settings\":",
        "{\"get\":{\"organization\":[",
    ] {
        let deep = MAX_LENGTH / bomb.len();
        all.push(format!("{}\n", bomb.repeat(deep - 1)).into_bytes());
    }
    all.push(
        format!(
            "{{\"get\":{{\"organization\":\"{}\"}}}}\n",
            "a".repeat(60_000)
        )
        .into_bytes(),
    );
    all.push(format!("{{{}\n", "\"a\":1,".repeat(10_000)).into_bytes());
    all.push(vec![b'{'; 2 * MAX_LENGTH]);
    all.push(b"{\"get\":{\"wait_ms\":1e999}}\n".to_vec());
    all.push(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in [3, 64, 1_000, 70_000] {
        for first in [0, b'{', 7] {
            let mut random = vec![first; length];
            for byte in random.iter_mut().skip(1) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[0];
            }
            all.push(random);
        }
    }
    all
}

/// One attack at a time: each needs the machine and the descriptors for itself.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A world whose `acme` has a token, and that token.
fn world() -> (World, String) {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    (world, token)
}

/// The same, with a daemon that has places for 64 connections.
fn world_with_few_places() -> (World, String) {
    let world = World::new();
    let line = format!("ulimit -n {FEW_DESCRIPTORS} && ac-cred daemon start");
    world.shell(&line).run().succeeded();
    world.login("acme");
    let limits = daemon(&world).line("limits", "Max open files");
    assert!(limits.is_ok_and(|limits| limits.starts_with("128 128")));
    let token = world.get("acme");
    (world, token)
}

fn daemon(world: &World) -> Process {
    Process(world.daemon_pid().expect("a daemon serves"))
}

/// The most memory that a process has ever had at once, in KiB.
fn peak(process: Process) -> u64 {
    let line = process.line("status", "VmHWM:").expect("it runs");
    let number = line
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    number.expect("it is a number of KiB")
}

fn connected(world: &World, said: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(world.socket()).expect("the daemon takes callers");
    let patient = stream.set_read_timeout(Some(PATIENCE));
    patient.expect("a socket can wait");
    // One that was sent away already hears so when it reads.
    stream.write_all(said).ok();
    stream
}

/// Waits until the daemon has closed all of the connections.
fn all_end(mut crowd: Vec<UnixStream>, deadline: Deadline) {
    while !crowd.is_empty() && !deadline.left().is_zero() {
        let limit = Timespec::try_from(deadline.left()).expect("it is a few seconds");
        let polled = |stream| PollFd::new(stream, PollFlags::empty());
        let mut polls: Vec<PollFd<'_>> = crowd.iter().map(polled).collect();
        poll(&mut polls, Some(&limit)).expect("sockets can be waited for");
        let mut ended: Vec<bool> = polls
            .iter()
            .map(|poll| poll.revents().contains(PollFlags::HUP))
            .collect();
        ended.reverse();
        crowd.retain(|_| ended.pop() == Some(false));
    }
    assert_eq!(crowd.len(), 0, "offenders are still connected");
}
