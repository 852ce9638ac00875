//! An HTTP proxy on this machine that opens tunnels and sees nothing of what is in them.

use std::io::{self, BufRead as _, BufReader, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// A proxy, which lives as long as the process of the test.
pub struct TunnelProxy {
    url: String,
    told: Receiver<String>,
}

impl TunnelProxy {
    /// Starts at a free port.
    ///
    /// # Panics
    /// If the machine has no port left.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (tell, told) = channel();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let tell = tell.clone();
                // A client may be gone at any time.
                thread::spawn(move || serve(client, &tell).ok());
            }
        });
        Self {
            url: format!("http://{address}"),
            told,
        }
    }

    /// Such as `http://127.0.0.1:49152`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The first lines of the requests that have come since this was asked last.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.told.try_iter().collect()
    }
}

fn serve(client: TcpStream, tell: &Sender<String>) -> io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    lines.read_line(&mut first)?;
    let mut line = first.clone();
    while line != "\r\n" {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    // Nobody listens once the test has ended.
    tell.send(first).ok();
    tunnel(client, &target)
}

fn tunnel(mut client: TcpStream, target: &str) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        // Either side may end the tunnel at any time.
        copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    });
    copy(&mut &server, &mut client)?;
    client.shutdown(Shutdown::Write)
}
