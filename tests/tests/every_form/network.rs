//! An Auth API that cannot be found, reached or believed, through every form of exchange, with a valid
//! token, an expired one and none.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket},
    os::fd::OwnedFd,
    path::Path,
    thread,
    time::Duration,
};

use ac_cred_tests::{
    auth_sim::Tls,
    process::{is_root_or_skips, skip},
    world::{PATIENCE, World, eventually, timed},
};
use rustix::net::{AddressFamily, SocketType};
use serde_json::{Value, json};

use crate::forms::{FORMS, TRANSIENT, in_parallel, log_in, token_of};
use crate::{LATEST, start};

/// By this name the simulator is believed; where it is, the obstacle says.
const NAME: &str = "auth-sim.example";

/// The organizations of an obstacle, one for each form: their token, by their alias.
type Tokens = Vec<(String, String)>;

#[test]
fn a_server_that_refuses_connections_or_cannot_prove_itself_loses_nothing() {
    let obstacles = Tls::BROKEN.map(Some).into_iter().chain([None]);
    in_parallel(&obstacles.collect::<Vec<_>>(), |&tls| {
        let world = World::new();
        start(&world);
        let sim = world.sim();
        let set_up = || match tls {
            Some(tls) => sim.set_tls(tls),
            None => sim.refuse_connections(),
        };
        let clear = || match tls {
            Some(_) => sim.set_tls(Tls::Good),
            None => sim.listen_again(),
        };
        meet(&world, &sim.url(), set_up, clear);
    });
}

#[test]
fn a_server_that_has_no_name_or_lies_in_a_black_hole_loses_nothing() {
    if !is_root_or_skips() {
        return;
    }
    in_parallel(
        &[
            Way::NoName,
            Way::NoNameServer,
            Way::SilentNameServer,
            Way::BlackHole,
        ],
        |way| {
            let world = World::new();
            let port = world.sim().port();
            let hosts = world.write("hosts", "");
            let signs = Signs::new(&hosts, way);
            if !signs.lead(&world) {
                return skip("no file system can be mounted here");
            }
            let mut obstacle = None;
            let url = format!("https://{NAME}:{port}");
            meet(
                &world,
                &url,
                || obstacle = Some(way.block(&signs, port)),
                || signs.point_to(Ipv4Addr::LOCALHOST),
            );
        },
    );
}

/// Three states of a token meet an obstacle; every caller is told, nothing is lost, and when it is
/// gone nobody has to log in.
fn meet(world: &World, url: &str, set_up: impl FnOnce(), clear: impl FnOnce()) {
    let valid = log_in_all(world, url, "valid");
    world.sim().set_short_lifetime();
    let expiring = log_in_all(world, url, "expiring");
    let exchanges = world.sim().exchange_count();
    set_up();
    world.sim().cut_connections();
    in_parallel(&valid, |(alias, token)| meets(world, alias, token));
    in_parallel(&expiring, |(alias, token)| expires(world, alias, token));
    assert_eq!(
        world.sim().exchange_count(),
        exchanges,
        "a credential went through"
    );
    world.sim().set_lifetime(3_600);
    clear();
    world.sim().cut_connections();
    let all = [valid, expiring].concat();
    in_parallel(&all, |(alias, _)| recovers(world, alias));
}

/// While the token lives, and then when it has been rejected.
fn meets(world: &World, alias: &str, token: &str) {
    let refresh = json!({ "organization": alias, "refresh": true, "wait_ms": 2_000 });
    is_denied(alias, &ask(world, &json!({ "get": refresh })));
    let served = ask(world, &json!({ "get": { "organization": alias } }));
    assert_eq!(token_of(&served), Some(token), "{alias}: {served}");
    let reject = json!({ "organization": alias, "wait_ms": 2_000 });
    is_denied(alias, &ask(world, &json!({ "reject": reject })));
}

/// When the token has expired.
fn expires(world: &World, alias: &str, token: &str) {
    let get = json!({ "get": { "organization": alias, "wait_ms": 2_000 } });
    let mut answer = Value::Null;
    let has_expired = || {
        answer = ask(world, &get);
        token_of(&answer) != Some(token)
    };
    assert!(eventually(PATIENCE, has_expired), "{alias}: {answer}");
    is_denied(alias, &answer);
}

fn recovers(world: &World, alias: &str) {
    let get = json!({ "get": { "organization": alias, "wait_ms": 20_000 } }).to_string();
    let mut answer = Value::Null;
    let is_served = || {
        answer = world.connect_json().ask_line(&get);
        token_of(&answer).is_some()
    };
    assert!(eventually(PATIENCE, is_served), "{alias}: {answer}");
}

fn log_in_all(world: &World, url: &str, state: &str) -> Tokens {
    let log_in = |form| {
        let alias = format!("{state}-{form:?}").to_lowercase();
        let (_, token) = log_in(world, &alias, form, url);
        (alias, token)
    };
    FORMS.into_iter().map(log_in).collect()
}

fn ask(world: &World, question: &Value) -> Value {
    let question = question.to_string();
    let (answer, time) = timed(|| world.connect_json().ask_line(&question));
    assert!(time < LATEST, "{time:?} {answer}");
    answer
}

fn is_denied(alias: &str, answer: &Value) {
    let error = answer["denied"]["error"].as_str().unwrap_or_default();
    assert!(TRANSIENT.contains(&error), "{alias}: {answer}");
}

/// In which way the simulator cannot be found or reached by its name.
#[derive(Debug)]
enum Way {
    NoName,
    NoNameServer,
    SilentNameServer,
    BlackHole,
}

/// What holds an obstacle up for as long as it lives.
#[derive(Debug)]
enum Obstacle {
    Nothing,
    NameServer {
        _socket: UdpSocket,
    },
    FullQueue {
        _listener: OwnedFd,
        _waiting: Vec<TcpStream>,
    },
}

impl Way {
    fn number(&self) -> u8 {
        match self {
            Self::NoName => 0,
            Self::NoNameServer => 1,
            Self::SilentNameServer => 2,
            Self::BlackHole => 3,
        }
    }

    fn block(&self, signs: &Signs<'_>, port: u16) -> Obstacle {
        match self {
            Self::NoName => {
                let socket = name_server(signs);
                answer_that_there_is_no_such_name(
                    socket
                        .try_clone()
                        .expect("a socket has more than one owner"),
                );
                Obstacle::NameServer { _socket: socket }
            }
            Self::NoNameServer => {
                signs.remove();
                Obstacle::Nothing
            }
            Self::SilentNameServer => Obstacle::NameServer {
                _socket: name_server(signs),
            },
            Self::BlackHole => {
                let obstacle = full_queue(SocketAddrV4::new(signs.aside, port));
                signs.point_to(signs.aside);
                obstacle
            }
        }
    }
}

fn name_server(signs: &Signs<'_>) -> UdpSocket {
    let socket =
        UdpSocket::bind((signs.aside, 53)).expect("root may serve names on an address of its own");
    signs.remove();
    socket
}

/// Ends with the process: nobody asks it any more when the daemon has ended.
fn answer_that_there_is_no_such_name(socket: UdpSocket) {
    thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            // A response, recursion desired and available, NXDOMAIN: RFC 1035, 4.1.1.
            packet[2] = 0x81;
            packet[3] = 0x83;
            socket.send_to(&packet[..length], from).ok();
        }
    });
}

/// A listener that answers nobody: its queue is full and stays so.
fn full_queue(address: SocketAddrV4) -> Obstacle {
    let listener = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)
        .expect("there are sockets");
    rustix::net::bind(&listener, &address).expect("the address is nobody's");
    rustix::net::listen(&listener, 0).expect("it can be listened on");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address.into(), Duration::from_millis(200)) {
        waiting.push(stream);
    }
    Obstacle::FullQueue {
        _listener: listener,
        _waiting: waiting,
    }
}

/// What a daemon with a view of its own of `/etc` is told of names.
struct Signs<'a> {
    hosts: &'a Path,
    aside: Ipv4Addr,
}

impl<'a> Signs<'a> {
    /// To the simulator; no two obstacles of any test have the same address aside.
    fn new(hosts: &'a Path, way: &Way) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let signs = Self {
            hosts,
            aside: Ipv4Addr::new(127, 1 + high % 127, low, 10 + way.number()),
        };
        signs.point_to(Ipv4Addr::LOCALHOST);
        signs
    }

    /// Starts a daemon that sees them; whether it could be.
    fn lead(&self, world: &World) -> bool {
        let asked = format!("nameserver {}\n", self.aside);
        for (name, content) in [
            ("resolv.conf", &*asked),
            ("nsswitch.conf", "hosts: files dns\n"),
        ] {
            world.write(name, content);
        }
        let line = "for name in hosts resolv.conf nsswitch.conf; do \
                    mount --bind \"$HOME/$name\" \"$(realpath /etc/$name)\" || exit 99; done; \
                    exec ac-cred daemon start";
        let run = world.in_path("/usr/bin/unshare");
        let output = run.args(["--mount", "/bin/sh", "-c", line]).run();
        if [1, 99].contains(&output.code) {
            return false;
        }
        output.succeeded();
        true
    }

    fn point_to(&self, address: Ipv4Addr) {
        self.write(&format!("{address} {NAME}\n"));
    }

    fn remove(&self) {
        self.write("");
    }

    /// In place: another file would not be the one that the daemon sees.
    fn write(&self, content: &str) {
        fs::write(self.hosts, content).expect("the world is ours");
    }
}
