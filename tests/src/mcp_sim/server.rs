//! The server's threads: one accepts, and one serves each connection, which ends with its answer.

use std::{
    io::{self, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Shared,
    answer::{self, Body, Reply},
};
use crate::auth_sim::{
    http::{self, Answer, Unreadable},
    wire::{Socket, Wire},
};

/// A port that is being listened at.
pub(super) struct Listener {
    address: SocketAddr,
    acceptor: JoinHandle<()>,
    open: Arc<Mutex<Vec<Arc<TcpStream>>>>,
}

impl Listener {
    pub(super) fn open(port: u16, shared: &Arc<Shared>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = listener.local_addr()?;
        let open = Arc::new(Mutex::new(Vec::new()));
        let (shared, streams) = (Arc::clone(shared), Arc::clone(&open));
        let acceptor = thread::Builder::new()
            .name("mcp-sim accept".to_owned())
            .spawn(move || accept(&listener, &shared, &streams))?;
        Ok(Self {
            address,
            acceptor,
            open,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends every connection, and closes the port.
    pub(super) fn close(self) {
        for stream in self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            // One that the client has closed already needs no closing.
            stream.shutdown(Shutdown::Both).ok();
        }
        // The acceptor sleeps in accept, and only a connection wakes it.
        if TcpStream::connect(self.address).is_ok() {
            self.acceptor.join().expect("the acceptor never panics");
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, open: &Mutex<Vec<Arc<TcpStream>>>) {
    for stream in listener.incoming().flatten() {
        if shared.lock().ended {
            return;
        }
        let stream = Arc::new(stream);
        let mut streams = open.lock().unwrap_or_else(PoisonError::into_inner);
        // What only this list still knows is closed.
        streams.retain(|stream| Arc::strong_count(stream) > 1);
        streams.push(Arc::clone(&stream));
        drop(streams);
        let shared = Arc::clone(shared);
        let spawned = thread::Builder::new()
            .name("mcp-sim".to_owned())
            .spawn(move || serve(&shared, Socket(stream)).ok());
        drop(spawned);
    }
}

fn serve(shared: &Shared, socket: Socket) -> io::Result<()> {
    socket.0.set_nodelay(true)?;
    let mut wire = match &shared.tls {
        Some(config) => Wire::tls(Arc::clone(config), socket)?,
        None => Wire::Plain(socket),
    };
    let reply = match http::read_request(&mut wire) {
        Ok(request) => answer::reply(shared, &request),
        Err(Unreadable::Gone) => return Ok(()),
        Err(Unreadable::Refused(answer)) => Reply::of(answer),
    };
    match reply.body {
        Body::Whole => wire.write_all(&reply.answer.bytes(None))?,
        Body::Events(events) => {
            wire.write_all(&stream_head(&reply.answer))?;
            for event in events {
                wire.write_all(event.as_bytes())?;
            }
        }
        Body::Endless(first, again) => {
            wire.write_all(&stream_head(&reply.answer))?;
            wire.write_all(first.as_bytes())?;
            while !shared.lock().ended {
                wire.write_all(again.as_bytes())?;
            }
        }
        Body::Unasked => {
            wire.write_all(&stream_head(&reply.answer))?;
            speak(shared, &mut wire)?;
        }
        Body::When(first, ready, then) => {
            wire.write_all(&stream_head(&reply.answer))?;
            wire.write_all(first.as_bytes())?;
            wait(shared, &mut wire, &*ready)?;
            let event = then(&shared.lock());
            wire.write_all(answer::event(&event).as_bytes())?;
        }
    }
    wire.finish()
}

fn stream_head(answer: &Answer) -> Vec<u8> {
    answer.head("Cache-Control: no-cache", None)
}

/// Lets time pass until something holds, and notices a client that has left.
fn wait(shared: &Shared, wire: &mut Wire, ready: &dyn Fn(&super::State) -> bool) -> io::Result<()> {
    shared.change(|state| state.waiting += 1);
    let waited = loop {
        if shared.wait_for(Duration::from_millis(20), ready) {
            break Ok(());
        }
        if let Err(error) = wire.write_all(b": waiting\n").and_then(|()| wire.flush()) {
            break Err(error);
        }
        if shared.lock().ended {
            break Err(io::ErrorKind::ConnectionAborted.into());
        }
    };
    shared.change(|state| state.waiting -= 1);
    waited
}

/// Says what there is to say, until the client leaves.
fn speak(shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    let (mut next, hangups) = {
        let state = shared.lock();
        (state.said.len(), state.hangups)
    };
    shared.change(|state| state.listeners += 1);
    let spoken = loop {
        shared.wait_for(Duration::from_millis(50), |state| {
            state.said.len() > next || state.hangups > hangups
        });
        let (news, has_ended) = {
            let state = shared.lock();
            let news = state.said.get(next..).unwrap_or_default().to_vec();
            (news, state.ended || state.hangups > hangups)
        };
        next += news.len();
        let text: String = news.iter().map(answer::event).collect();
        let written = wire.write_all(format!(": still here\n{text}").as_bytes());
        if let Err(error) = written.and_then(|()| wire.flush()) {
            break Err(error);
        }
        if has_ended {
            break Ok(());
        }
    };
    shared.change(|state| state.listeners -= 1);
    spoken
}
