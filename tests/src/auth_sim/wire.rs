//! What HTTP is spoken over: a socket, with or without TLS, and how it is closed.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How long a closed connection is kept for what the client still sends, lest a reset overtakes the
/// answer.
const LINGER: Duration = Duration::from_secs(1);

/// A connection that the list of open ones shares.
pub(crate) struct Socket(pub(crate) Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(into)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn write_vectored(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// What HTTP is spoken over.
pub(crate) enum Wire {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

impl Wire {
    /// TLS whose handshake comes with the first read.
    pub(crate) fn tls(config: Arc<ServerConfig>, socket: Socket) -> io::Result<Self> {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self::Tls(Box::new(StreamOwned::new(connection, socket))))
    }

    /// The socket below TLS.
    pub(crate) fn socket(&mut self) -> &mut Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    /// Ends TLS, then the connection, and waits a little for the client to do the same.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if let Self::Tls(stream) = &mut self {
            stream.conn.send_close_notify();
            stream.flush()?;
        }
        let socket = self.socket();
        socket.0.shutdown(Shutdown::Write)?;
        socket.0.set_read_timeout(Some(LINGER))?;
        drain(socket)
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Reads until the client goes away or the simulator ends.
pub(crate) fn drain(from: &mut impl Read) -> io::Result<()> {
    let mut ignored = [0; 4096];
    while from.read(&mut ignored)? > 0 {}
    Ok(())
}
