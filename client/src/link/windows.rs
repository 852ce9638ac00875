//! A connection over a named pipe; a pipe knows no timeout, so every call has a thread of its own.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ac_cred_proto::Denial;
use interprocess::local_socket::traits::Stream as _;
use interprocess::local_socket::{GenericFilePath, Stream, ToFsName as _};
use zeroize::Zeroizing;

use crate::deadline::{Deadline, within};

/// A connected pipe.
pub(super) struct Wire {
    stream: Arc<Stream>,
}

impl Wire {
    /// Connects and waits while all instances of the pipe are taken; `None` when there is no pipe.
    pub(super) fn connect(path: &Path, fuse: Deadline) -> io::Result<Option<Self>> {
        let path = PathBuf::from(path);
        let connect = move || Stream::connect(path.to_fs_name::<GenericFilePath>()?);
        match within(fuse.left(), connect) {
            Some(Ok(stream)) => Ok(Some(Self {
                stream: Arc::new(stream),
            })),
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Some(Err(error)) => Err(error),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// The pipe's access list lets only its owner make an instance of it.
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "a Unix socket has a peer to verify here"
    )]
    pub(super) fn verify_peer(&self, _path: &Path) -> Result<(), Denial> {
        Ok(())
    }

    pub(super) fn read(&mut self, buffer: &mut [u8], fuse: Deadline) -> io::Result<usize> {
        let stream = Arc::clone(&self.stream);
        let mut piece = Zeroizing::new(vec![0; buffer.len()]);
        let read = move || (&*stream).read(&mut piece).map(|read| (read, piece));
        let (read, piece) = within(fuse.left(), read).ok_or(io::ErrorKind::TimedOut)??;
        for (to, from) in buffer.iter_mut().zip(piece.iter()).take(read) {
            *to = *from;
        }
        Ok(read)
    }

    pub(super) fn write_all(&mut self, bytes: &[u8], fuse: Deadline) -> io::Result<()> {
        let stream = Arc::clone(&self.stream);
        let bytes = Zeroizing::new(bytes.to_vec());
        within(fuse.left(), move || (&*stream).write_all(&bytes)).ok_or(io::ErrorKind::TimedOut)?
    }
}
