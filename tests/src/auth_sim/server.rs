//! The server's threads: one accepts, one serves each connection, and all end when told.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Observer,
    fault::Step,
    grant::Endpoint,
    http::{self, Request, Unreadable},
    ledger::Ledger,
    lock,
    plan::Plan,
    tls::Door,
    wait_while,
    wire::{Socket, Wire, drain},
};

/// Connections that may wait to be accepted: more than the 128 of the standard library, so that a
/// burst does not wait a second for its second SYN.
const BACKLOG: i32 = 1024;

/// How long the end waits for the threads of connections.
const LAST_WAIT: Duration = Duration::from_secs(10);

/// What every thread of one simulator shares.
pub(super) struct Shared {
    pub(super) ledger: Ledger,
    pub(super) plan: Plan,
    pub(super) door: Mutex<Door>,
    pub(super) accepted: AtomicUsize,
    pub(super) observer: Option<Observer>,
    stop: Stop,
    open: Open,
}

impl Shared {
    pub(super) fn new(ledger: Ledger, door: Door, observer: Option<Observer>) -> Self {
        Self {
            ledger,
            plan: Plan::default(),
            door: Mutex::new(door),
            accepted: AtomicUsize::new(0),
            observer,
            stop: Stop::default(),
            open: Open::default(),
        }
    }

    /// Ends every connection and waits for their threads; the listener must be closed before.
    pub(super) fn end(&self) {
        self.stop.stop();
        self.plan.release_all();
        self.open.end();
    }

    /// Ends every connection that is open now.
    pub(super) fn cut(&self) {
        self.open.end();
    }

    fn observe(&self, line: impl FnOnce() -> String) {
        if let Some(observer) = &self.observer {
            observer(&line());
        }
    }
}

/// A port that is being listened at.
pub(super) struct Listener {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    acceptor: JoinHandle<()>,
}

impl Listener {
    /// Listens at a port of the loopback interface; 0 takes any.
    pub(super) fn open(port: u16, shared: &Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        rustix::net::listen(&listener, BACKLOG)?;
        let address = listener.local_addr()?;
        let closing = Arc::new(AtomicBool::new(false));
        let (shared, ending) = (Arc::clone(shared), Arc::clone(&closing));
        let acceptor = thread::Builder::new()
            .name("auth-sim accept".to_owned())
            .spawn(move || accept(&listener, &shared, &ending))?;
        Ok(Self {
            address,
            closing,
            acceptor,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Closes the port: who connects from now on is refused.
    pub(super) fn close(self) {
        self.closing.store(true, Ordering::SeqCst);
        // The acceptor sleeps in accept, and only a connection wakes it.
        let woken = TcpStream::connect_timeout(&self.address, LAST_WAIT);
        if woken.is_ok() {
            self.acceptor.join().expect("the acceptor never panics");
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, closing: &AtomicBool) {
    loop {
        let accepted = listener.accept();
        if closing.load(Ordering::SeqCst) {
            return;
        }
        match accepted {
            Ok((stream, _)) => admit(stream, shared),
            // Descriptors may be short for a moment; without a pause this would spin.
            Err(_) => drop(shared.stop.pause(Duration::from_millis(10))),
        }
    }
}

/// Gives a connection its thread; without one it is closed.
fn admit(stream: TcpStream, shared: &Arc<Shared>) {
    let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
    let stream = Arc::new(stream);
    let visit = Visit {
        shared: Arc::clone(shared),
        number,
    };
    shared.open.add(number, &stream);
    let spawned = thread::Builder::new()
        .name(format!("auth-sim {number}"))
        .spawn(move || {
            // A connection that breaks is the client's affair.
            drop(serve(&visit.shared, Socket(stream)));
            drop(visit);
        });
    drop(spawned);
}

/// One connection's place in the list of open ones, given up when its thread ends or panics.
struct Visit {
    shared: Arc<Shared>,
    number: usize,
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.shared.open.remove(self.number);
    }
}

fn serve(shared: &Shared, mut socket: Socket) -> io::Result<()> {
    socket.0.set_nodelay(true)?;
    let door = lock(&shared.door).clone();
    match door {
        Door::Plain => converse(shared, Wire::Plain(socket)),
        Door::Tls(config) => converse(shared, Wire::tls(config, socket)?),
        Door::Bytes(bytes) => {
            let mut first = [0; 4096];
            if socket.read(&mut first)? > 0 {
                socket.write_all(&bytes)?;
            }
            Wire::Plain(socket).finish()
        }
        Door::Silent => drain(&mut socket),
    }
}

fn converse(shared: &Shared, mut wire: Wire) -> io::Result<()> {
    let request = match http::read_request(&mut wire) {
        Ok(request) => request,
        Err(Unreadable::Gone) => return Ok(()),
        Err(Unreadable::Refused(answer)) => {
            wire.write_all(&answer.bytes(shared.ledger.date().as_deref()))?;
            return wire.finish();
        }
    };
    if request.method == "POST"
        && let Some(endpoint) = Endpoint::at(request.path())
    {
        return exchange(shared, endpoint, &request, wire);
    }
    let (call, answer) = shared.ledger.api_call(&request);
    shared.observe(|| call.line());
    wire.write_all(&answer.bytes(shared.ledger.date().as_deref()))?;
    wire.finish()
}

fn exchange(shared: &Shared, endpoint: Endpoint, request: &Request, wire: Wire) -> io::Result<()> {
    let form = http::decode_form(&request.body).unwrap_or_default();
    let asked = shared.ledger.asked(endpoint, &form);
    let fault = shared.plan.take_fault(&asked);
    let (exchange, answer) = shared.ledger.exchange(endpoint, request, fault.as_ref());
    shared.observe(|| exchange.line(fault.as_ref()));
    shared.stop.pause(shared.plan.delay(&asked));
    shared.plan.pass_gates(&asked);
    let date = shared.ledger.date();
    let steps = match (&fault, answer) {
        (Some(fault), answer) => fault.script(answer, date.as_deref()),
        (None, Some(answer)) => vec![Step::Send(answer.bytes(date.as_deref()))],
        (None, None) => Vec::new(),
    };
    // Where the answer leaves in one go it counts as given before it can reach the client, whose
    // next exchange would otherwise seem to overlap with this one.
    let lasting = steps.iter().any(Step::lasts);
    if !lasting {
        shared.ledger.answered(endpoint, &exchange);
    }
    // The end releases what was held, and nobody is owed an answer then.
    let ended = shared.stop.pause(Duration::ZERO);
    let played = if ended {
        Ok(())
    } else {
        play(&steps, shared, wire)
    };
    if lasting {
        shared.ledger.answered(endpoint, &exchange);
    }
    played
}

/// Does what a script says, then closes the connection properly unless the script did otherwise.
fn play(steps: &[Step], shared: &Shared, mut wire: Wire) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Send(bytes) => wire.write_all(bytes)?,
            Step::Repeat(bytes, times) => {
                let mut left = times.unwrap_or(u64::MAX);
                while left > 0 {
                    wire.write_all(bytes)?;
                    left -= 1;
                }
            }
            Step::Drip(bytes, every) => drip(bytes, *every, shared, &mut wire)?,
            Step::Hang => return drain(&mut wire),
            Step::Cut => return wire.socket().0.shutdown(Shutdown::Both),
            Step::Reset => {
                // With nothing to linger for, closing sends a reset in place of an end.
                let linger = rustix::net::sockopt::set_socket_linger;
                return Ok(linger(&wire.socket().0, Some(Duration::ZERO))?);
            }
        }
    }
    wire.finish()
}

fn drip(bytes: &[u8], every: Duration, shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    for byte in bytes {
        wire.write_all(&[*byte])?;
        if shared.stop.pause(every) {
            return Ok(());
        }
    }
    Ok(())
}

/// Tells threads that wait for time to pass that the simulator ends.
#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn stop(&self) {
        *lock(&self.stopped) = true;
        self.changed.notify_all();
    }

    /// Lets time pass; true as soon as the simulator ends.
    fn pause(&self, time: Duration) -> bool {
        let running = |stopped: &mut bool| !*stopped;
        wait_while(&self.changed, lock(&self.stopped), time, running)
    }
}

/// The open connections.
#[derive(Default)]
struct Open {
    streams: Mutex<BTreeMap<usize, Arc<TcpStream>>>,
    removed: Condvar,
}

impl Open {
    fn add(&self, number: usize, stream: &Arc<TcpStream>) {
        lock(&self.streams).insert(number, Arc::clone(stream));
    }

    fn remove(&self, number: usize) {
        lock(&self.streams).remove(&number);
        self.removed.notify_all();
    }

    /// Closes every connection and waits until their threads have noticed.
    fn end(&self) {
        let streams = lock(&self.streams);
        for stream in streams.values() {
            // One that the client has closed already needs no closing.
            drop(stream.shutdown(Shutdown::Both));
        }
        let left = |streams: &mut BTreeMap<_, _>| !streams.is_empty();
        wait_while(&self.removed, streams, LAST_WAIT, left);
    }
}
