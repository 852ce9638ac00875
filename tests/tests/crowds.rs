//! Many callers at once: one exchange for all of them, one daemon, and nobody in the way of others.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ac_cred_proto::{
    Org, Request, Response,
    frame::{Encoding, HEADER_LENGTH, payload_length},
    message::{Get, List, Status},
};
use ac_cred_tests::{
    process::{Deadline, Process, raise_descriptor_limit, skip},
    world::{Output, PATIENCE, Run, Running, World, eventually},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
    process::Signal,
};

/// The connections that ask at once.
const CALLERS: usize = 10_000;

/// Descriptors that a test and a daemon need besides those of the crowd.
const SPARE_DESCRIPTORS: usize = 200;

/// The processes that ask at once.
const PROCESSES: usize = 1_000;

/// The processes that find no daemon.
const STARTERS: usize = 200;

/// The connections of each way of doing wrong: 900 together.
const OFFENDERS: usize = 300;

/// How long an offender may stay.
const OFFENDERS_STAY: Duration = Duration::from_secs(10);

/// More answers than a socket holds for one who does not read.
const UNREAD: usize = 1_000;

/// The processes that wait when the daemon is killed.
const WAITING: usize = 500;

/// The connections of a burst.
const BURST: usize = 1_000;

/// More connections than a system lets wait to be accepted.
const MORE_THAN_A_QUEUE: usize = 8_192;

/// The calls whose cost is measured.
const CALLS: usize = 3_000;

#[test]
fn ten_thousand_connections_that_ask_for_an_expired_token_cost_one_exchange() {
    let _turn = turn();
    let callers = callers_that_fit();
    let (world, before) = world_with_an_expired_token();
    let gate = world.sim().hold();
    let mut crowd: Vec<UnixStream> = (0..callers).map(|_| connected(&world)).collect();
    let frame = encoded(&get("acme"));
    for caller in &mut crowd {
        caller.write_all(&frame).expect("the daemon reads");
    }
    assert!(gate.wait_for(1, PATIENCE));
    // The last one is answered when all have been heard.
    world.connect().ask_all(&Request::List(List {}));
    gate.release();
    let answers: Vec<Response> = crowd.iter_mut().map(answer).collect();
    let tokens = answers.iter().map(token).collect::<Vec<_>>();
    assert_eq!(tokens.len(), callers);
    assert_ne!(tokens[0], before);
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(world.sim().exchange_count(), 2, "the login's, and one");
}

#[test]
fn a_thousand_processes_that_ask_for_an_expired_token_cost_one_exchange() {
    let _turn = turn();
    let processes = processes_that_fit();
    let (world, before) = world_with_an_expired_token();
    let gate = world.sim().hold();
    let get = || world.ac_cred(["get", "acme", "--wait", "60s"]).spawn();
    let crowd: Vec<Running> = (0..processes).map(|_| get()).collect();
    assert!(gate.wait_for(1, PATIENCE));
    gate.release();
    let printed = all_succeeded(crowd);
    assert_ne!(printed.trim_end(), before);
    assert_eq!(world.sim().exchange_count(), 2, "the login's, and one");
}

#[test]
fn two_hundred_processes_that_find_no_daemon_start_one() {
    let _turn = turn();
    let processes = STARTERS.min(processes_that_fit());
    let world = World::new();
    let passphrase = world.write("passphrase", world.secrets().fresh("passphrase"));
    let account = world.account("acme");
    world
        .login_with("acme", &account.key)
        .args(["--store", "file"])
        .env("AC_CRED_PASSPHRASE_FILE", &passphrase)
        .run()
        .succeeded();
    world.stop();
    assert!(world.daemons().is_empty());
    let (client, starts) = client_with_a_counted_daemon(&world);
    let get = || {
        let run = world
            .program(&client)
            .args(["get", "acme", "--wait", "60s"]);
        run.env("AC_CRED_PASSPHRASE_FILE", &passphrase).spawn()
    };
    let crowd: Vec<Running> = (0..processes).map(|_| get()).collect();
    all_succeeded(crowd);
    assert_eq!(world.sim().exchange_count(), 2, "the login's, and one");
    let started = fs::read_to_string(starts).expect("a daemon was started");
    let started: Vec<u32> = started.lines().map_while(|pid| pid.parse().ok()).collect();
    assert_eq!(started.len(), 1, "daemons were started: {started:?}");
    assert_eq!(world.daemons(), started);
    assert_eq!(world.daemon_pid(), Some(started[0]));
    world.stop();
    assert!(world.daemons().is_empty());
    assert!(!world.socket().exists());
}

#[test]
fn a_slow_organization_delays_no_other() {
    let _turn = turn();
    let world = World::new();
    let slow = world.login("slow");
    let others: Vec<String> = (0..10).map(|number| format!("other-{number}")).collect();
    for other in &others {
        world.login(other);
    }
    let gate = world.sim().hold_credential(&slow.key);
    let refresh = |org: &str| world.ac_cred(["get", org, "--refresh", "--wait", "60s"]);
    let waiting = refresh("slow").spawn();
    assert!(gate.wait_for(1, PATIENCE));
    let mut crowd: Vec<UnixStream> = (0..OFFENDERS).map(|_| connected(&world)).collect();
    let mut demand = get("slow");
    if let Request::Get(get) = &mut demand {
        get.refresh = true;
    }
    for caller in &mut crowd {
        caller
            .write_all(&encoded(&demand))
            .expect("the daemon reads");
    }
    for other in &others {
        world.get(other);
        refresh(other).run().succeeded();
    }
    assert_eq!(gate.held(), 1, "the slow one is still under way");
    gate.release();
    waiting.wait().succeeded();
    assert!(
        crowd
            .iter_mut()
            .map(answer)
            .all(|answer| !token(&answer).is_empty())
    );
}

#[test]
fn nine_hundred_offenders_are_gone_in_ten_seconds_and_nobody_waits_for_them() {
    let _turn = turn();
    let world = World::new();
    world.login("acme");
    let half = encoded(&get("acme"));
    let half = half.get(..half.len() / 2).unwrap_or_default();
    let questions = encoded(&Request::Status(Status { organization: None })).repeat(UNREAD);
    let silent = (0..OFFENDERS).map(|_| connected(&world));
    let mut offenders: Vec<UnixStream> = silent.collect();
    for said in [half, &questions] {
        for _ in 0..OFFENDERS {
            let mut offender = connected(&world);
            offender.write_all(said).expect("a socket holds that much");
            offenders.push(offender);
        }
    }
    let deadline = Deadline::within(OFFENDERS_STAY);
    let token = world.get("acme");
    while !offenders.is_empty() && !deadline.left().is_zero() {
        assert_eq!(world.get("acme"), token);
        wait_for_an_end(&mut offenders, deadline.left());
    }
    assert_eq!(offenders.len(), 0, "offenders are still connected");
    assert_eq!(world.get("acme"), token);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn five_hundred_who_wait_when_the_daemon_is_killed_are_served_by_the_next_or_told_so() {
    let _turn = turn();
    let world = World::new();
    let passphrase = world.write("passphrase", world.secrets().fresh("passphrase"));
    let account = world.account("acme");
    let unlocking = |run: Run| run.env("AC_CRED_PASSPHRASE_FILE", &passphrase);
    world.sim().set_short_lifetime();
    let login = world.login_with("acme", &account.key);
    unlocking(login.args(["--store", "file"])).run().succeeded();
    world.sim().set_lifetime(3_600);
    let has_expired = || world.status()["organizations"][0]["token"].is_null();
    assert!(eventually(PATIENCE, has_expired));
    let killed = world.daemon_pid().expect("a daemon serves");
    let gate = world.sim().hold();
    let words = ["get", "acme", "--wait", "60s"];
    let crowd: Vec<Running> = (0..WAITING.min(processes_that_fit()))
        .map(|_| unlocking(world.ac_cred(words)).spawn())
        .collect();
    assert!(gate.wait_for(1, PATIENCE));
    let all_wait = || match Process(killed).descriptors() {
        Ok(open) => open.len() > crowd.len(),
        // Only root sees them: some may then find the next daemon at once.
        Err(_) => true,
    };
    assert!(eventually(PATIENCE, all_wait));
    Process(killed).signal(Signal::KILL).expect("it runs");
    gate.release();
    let outputs: Vec<Output> = crowd.into_iter().map(Running::wait).collect();
    let served = outputs.iter().filter(|output| output.code == 0).count();
    for output in &outputs {
        assert!([0, 5, 7].contains(&output.code), "{output:?}");
        assert_eq!(output.stdout.is_empty(), output.code != 0, "{output:?}");
    }
    assert!(served > 0, "nobody was served by the next daemon");
    let next = world.daemons();
    assert!(next.len() == 1 && next[0] != killed, "{next:?}");
    // The login's, the one that was cut off, and the next daemon's.
    assert_eq!(world.sim().exchange_count(), 3);
}

#[test]
fn a_burst_is_never_refused_though_the_daemon_stands_still() {
    let _turn = turn();
    let callers = BURST.min(callers_that_fit());
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    let daemon = Process(world.daemon_pid().expect("a daemon serves"));
    daemon.signal(Signal::STOP).expect("it runs");
    let mut crowd: Vec<UnixStream> = (0..callers).map(|_| connected(&world)).collect();
    let frame = encoded(&get("acme"));
    for caller in &mut crowd {
        caller.write_all(&frame).expect("the socket holds it");
    }
    let late = world.ac_cred(["get", "acme", "--wait", "60s"]).spawn();
    daemon.signal(Signal::CONT).expect("it runs");
    assert!(
        crowd
            .iter_mut()
            .map(answer)
            .all(|answer| self::token(&answer) == token)
    );
    late.wait().succeeded();
}

#[test]
fn a_client_waits_while_the_queue_of_callers_is_full() {
    let _turn = turn();
    let world = World::new();
    world.login("acme");
    let daemon = Process(world.daemon_pid().expect("a daemon serves"));
    daemon.signal(Signal::STOP).expect("it runs");
    let _limit = raise_descriptor_limit();
    let crowd: Vec<OwnedFd> = (0..MORE_THAN_A_QUEUE)
        .map_while(|_| connected_at_once(&world))
        .collect();
    if crowd.len() == MORE_THAN_A_QUEUE {
        skip("the system's queue of callers has no end here");
    }
    let late = world.ac_cred(["get", "acme", "--wait", "60s"]).spawn();
    let state = || Process(late.pid()).line("status", "State:");
    let sleeps = || state().is_ok_and(|state| state.starts_with('S'));
    assert!(eventually(PATIENCE, sleeps));
    drop(crowd);
    daemon.signal(Signal::CONT).expect("it runs");
    late.wait().succeeded();
}

#[test]
fn ten_thousand_organizations_cost_a_call_no_more_than_ten() {
    let _turn = turn();
    let [few, many] = [10, 10_000].map(|organizations| {
        let world = World::new();
        let settings: Vec<String> = (0..organizations)
            .map(|number| format!("[organizations.org-{number}]\nstore = \"memory\"\n\n"))
            .collect();
        world.write(".config/ac-cred/config.toml", settings.concat());
        world.login("acme");
        let daemon = Process(world.daemon_pid().expect("a daemon serves"));
        let mut connection = world.connect();
        connection.ask(&get("acme"));
        let before = time_used(daemon);
        for _ in 0..CALLS {
            connection.ask(&get("acme"));
        }
        time_used(daemon) - before
    });
    // Ticks of the processor, which other processes do not slow; a search through all of them would
    // take hundreds of times as long.
    assert!(many <= 3 * few + 20, "{many} ticks, and {few} with ten");
}

/// One crowd at a time: each needs the machine and the descriptors for itself.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn callers_that_fit() -> usize {
    let fit = raise_descriptor_limit().saturating_sub(SPARE_DESCRIPTORS);
    if fit < CALLERS {
        skip(&format!(
            "{CALLERS} connections; {fit} fit below the hard limit of descriptors"
        ));
    }
    fit.min(CALLERS)
}

/// Each has two pipes here.
fn processes_that_fit() -> usize {
    let fit = raise_descriptor_limit().saturating_sub(SPARE_DESCRIPTORS) / 2;
    if fit < PROCESSES {
        skip(&format!(
            "{PROCESSES} processes; {fit} fit below the hard limit of descriptors"
        ));
    }
    fit.min(PROCESSES)
}

/// A world in which the token of `acme` has expired and the next one lives; with that token.
fn world_with_an_expired_token() -> (World, String) {
    let world = World::new();
    world.sim().set_short_lifetime();
    world.login("acme");
    world.sim().set_lifetime(3_600);
    let has_expired = || world.status()["organizations"][0]["token"].is_null();
    assert!(eventually(PATIENCE, has_expired));
    let issued = world.sim().issued_tokens();
    let token = issued.first().map(|issued| issued.token.clone());
    (world, token.expect("a login is an exchange"))
}

fn get(alias: &str) -> Request {
    Request::Get(Get {
        organization: Org::parse(alias).ok(),
        min_ttl: None,
        refresh: false,
        wait_ms: 60_000,
    })
}

fn encoded(request: &Request) -> Vec<u8> {
    let frame = Encoding::Binary.encode(request);
    frame.expect("a request fits a frame").to_vec()
}

/// Without the buffer that a [`Connection`](ac_cred_tests::world::Connection) has, as it is one of
/// ten thousand.
fn connected(world: &World) -> UnixStream {
    let stream = UnixStream::connect(world.socket()).expect("the daemon takes callers");
    let patient = stream.set_read_timeout(Some(PATIENCE));
    patient.expect("a socket can wait");
    stream
}

/// A connection, if it can be had without waiting.
fn connected_at_once(world: &World) -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let socket = socket.expect("a descriptor is left");
    let address = SocketAddrUnix::new(world.socket()).expect("its path is short");
    connect(&socket, &address).is_ok().then_some(socket)
}

/// How long a process has had a processor, in ticks of the system's clock.
fn time_used(process: Process) -> u64 {
    let text = fs::read_to_string(process.path("stat")).expect("it runs");
    let (_, behind_name) = text.rsplit_once(')').expect("it has a name");
    let fields = behind_name.split_whitespace().skip(11).take(2);
    fields
        .map(|ticks| ticks.parse::<u64>().expect("it is a number"))
        .sum()
}

fn answer(stream: &mut UnixStream) -> Response {
    let mut read = || -> io::Result<Vec<u8>> {
        let mut header = [0; HEADER_LENGTH];
        stream.read_exact(&mut header)?;
        let mut payload = vec![0; payload_length(header).map_err(io::Error::other)?];
        stream.read_exact(&mut payload)?;
        Ok(payload)
    };
    let payload = read().expect("everybody is answered");
    let decoded = Encoding::Binary.decode(&payload);
    decoded.expect("the answer is a response")
}

fn token(response: &Response) -> &str {
    assert!(matches!(response, Response::Lease(_)), "{response:?}");
    if let Response::Lease(lease) = response {
        lease.access_token.expose()
    } else {
        ""
    }
}

/// What all of them printed, which is the same.
fn all_succeeded(crowd: Vec<Running>) -> String {
    let outputs: Vec<Output> = crowd.into_iter().map(Running::wait).collect();
    for output in &outputs {
        assert_eq!(output.succeeded().stdout, outputs[0].stdout);
    }
    outputs[0].stdout.clone()
}

/// A client beside which there is a program that notes each start of the real daemon.
fn client_with_a_counted_daemon(world: &World) -> (PathBuf, PathBuf) {
    let (client, starts) = (
        world.home().join("bin/ac-cred"),
        world.home().join("starts"),
    );
    let real = world.programs().join("ac-credd");
    let script = format!(
        "#!/bin/sh\necho $$ >>{}\nexec {} \"$@\"\n",
        shown(&starts),
        shown(&real)
    );
    let counted = world.write("bin/ac-credd", script);
    world.copy_program(&world.programs().join("ac-cred"), &client);
    fs::set_permissions(counted, Permissions::from_mode(0o700)).expect("it is one's own");
    (client, starts)
}

fn shown(path: &Path) -> String {
    format!("'{}'", path.display())
}

/// Waits until the daemon has closed some of the connections, and lets go of those.
fn wait_for_an_end(offenders: &mut Vec<UnixStream>, limit: Duration) {
    let limit = Timespec::try_from(limit).expect("it is a few seconds");
    let polled = |stream| PollFd::new(stream, PollFlags::empty());
    let mut polls: Vec<PollFd<'_>> = offenders.iter().map(polled).collect();
    poll(&mut polls, Some(&limit)).expect("sockets can be waited for");
    let mut ended: Vec<bool> = polls
        .iter()
        .map(|poll| poll.revents().contains(PollFlags::HUP))
        .collect();
    ended.reverse();
    offenders.retain(|_| ended.pop() == Some(false));
}
