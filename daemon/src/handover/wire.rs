//! Messages with descriptors over a pair of sockets: a 4-byte big-endian length, then JSON.
//!
//! Everything blocks, for the time that the socket allows.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The longest message: what a connection may have sent ahead, in base64, and a little more.
const MAX_LENGTH: usize = 128 * 1_024;

/// The most descriptors that come with one message.
const MAX_DESCRIPTORS: usize = 2;

/// The most descriptors that wait for their message.
const MAX_WAITING: usize = 16;

/// One end of the pair between a daemon and its successor.
#[derive(Debug)]
pub struct Wire {
    socket: UnixStream,
    /// Descriptors that have come, in the order of the messages that they belong to.
    descriptors: VecDeque<OwnedFd>,
}

impl From<UnixStream> for Wire {
    fn from(socket: UnixStream) -> Self {
        Self {
            socket,
            descriptors: VecDeque::new(),
        }
    }
}

impl Wire {
    /// Ends every later call that has to wait longer than this.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(patience)?;
        self.socket.set_write_timeout(patience)
    }

    /// Sends a message and the descriptors that belong to it.
    ///
    /// # Errors
    ///
    /// What the system says; the pair is of no use then.
    pub fn send<M: Serialize>(
        &mut self,
        message: &M,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH));
        bytes.extend_from_slice(&[0; 4]);
        serde_json::to_writer(&mut *bytes, message).map_err(|_| unusable())?;
        let length = bytes.len() - 4;
        let header = u32::try_from(length).ok().filter(|_| length <= MAX_LENGTH);
        let header = header.ok_or_else(unusable)?.to_be_bytes();
        for (place, byte) in bytes.iter_mut().zip(header) {
            *place = byte;
        }
        let sent = self.send_first(&bytes, descriptors)?;
        io::Write::write_all(&mut self.socket, bytes.get(sent..).unwrap_or_default())
    }

    /// Sends what fits with the descriptors, and says how much that was.
    fn send_first(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors))
        {
            return Err(unusable());
        }
        loop {
            let slices = [IoSlice::new(bytes)];
            match sendmsg(&self.socket, &slices, &mut ancillary, SendFlags::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                sent => return Ok(sent?),
            }
        }
    }

    /// The next message; nothing when the other end is closed.
    ///
    /// # Errors
    ///
    /// What the system says, or `InvalidData`; the pair is of no use then.
    pub fn receive<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let mut header = [0; 4];
        if !self.fill(&mut header)? {
            return Ok(None);
        }
        let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
        if length > MAX_LENGTH {
            return Err(unusable());
        }
        let mut bytes = Zeroizing::new(vec![0; length]);
        if !self.fill(&mut bytes)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What stood in the message may be a secret: the error does not say.
        let message = serde_json::from_slice(&bytes).map_err(|_| unusable())?;
        Ok(Some(message))
    }

    /// The descriptor that came with the message that was received, in the order of sending.
    ///
    /// # Errors
    ///
    /// `InvalidData` where none came.
    pub fn descriptor(&mut self) -> io::Result<OwnedFd> {
        self.descriptors.pop_front().ok_or_else(unusable)
    }

    /// Reads until the buffer is full; `false` when the other end is closed before its first byte.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(buffer.get_mut(filled..).unwrap_or_default())? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_WAITING))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut slices = [IoSliceMut::new(buffer)];
            match recvmsg(
                self.socket.as_fd(),
                &mut slices,
                &mut ancillary,
                closed_in_children(),
            ) {
                Err(rustix::io::Errno::INTR) => {}
                received => break received?,
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        if self.descriptors.len() > MAX_WAITING {
            return Err(unusable());
        }
        Ok(received.bytes)
    }
}

#[cfg(not(target_vendor = "apple"))]
fn closed_in_children() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

/// The daemon starts no other program there than its successor, which closes what it was not given.
#[cfg(target_vendor = "apple")]
fn closed_in_children() -> RecvFlags {
    RecvFlags::empty()
}

fn unusable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no message of a daemon")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::handover::words::{Nothing, Said, Told};

    fn pair() -> (Wire, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let near = Wire::from(near);
        near.set_patience(Some(Duration::from_secs(10))).unwrap();
        (near, far)
    }

    #[test]
    fn a_message_arrives_with_its_descriptors_in_their_order() {
        let (mut near, far) = pair();
        let mut far = Wire::from(far);
        let (one, other) = UnixStream::pair().unwrap();
        far.send(&Said::Serving(Nothing {}), &[]).unwrap();
        far.send(&Told::Whole(Nothing {}), &[one.as_fd(), other.as_fd()])
            .unwrap();
        drop((one, other));
        assert!(matches!(near.receive(), Ok(Some(Said::Serving(_)))));
        assert!(near.descriptor().is_err(), "none came with it");
        assert!(matches!(near.receive(), Ok(Some(Told::Whole(_)))));
        let (one, other) = (near.descriptor().unwrap(), near.descriptor().unwrap());
        UnixStream::from(one).write_all(b"x").unwrap();
        let mut byte = [0];
        io::Read::read_exact(&mut UnixStream::from(other), &mut byte).unwrap();
        drop(far);
        assert!(matches!(near.receive::<Told>(), Ok(None)));
    }

    #[test]
    fn what_is_no_message_is_refused_before_it_is_held() {
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff][..],
            &[0, 2, 0, 1],
            &[0, 0, 0, 0],
            b"\0\0\0\x02{}",
            b"\0\0\0\x14{\"whole\":{\"more\":1}}",
            b"\0\0\0\x0e{\"unknown\":{}}",
            b"\0\0\0\x10{\"whole\":{}}{}  ",
        ] {
            let (mut near, mut far) = pair();
            far.write_all(bytes).unwrap();
            let error = near.receive::<Told>().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        for bytes in [&[0][..], &[0, 0, 0, 9, b'{']] {
            let (mut near, mut far) = pair();
            far.write_all(bytes).unwrap();
            drop(far);
            let error = near.receive::<Told>().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{bytes:?}");
        }
    }

    #[test]
    fn an_error_does_not_say_what_the_message_held() {
        let (mut near, mut far) = pair();
        let line = br#"{"credential":{"organization":"a","credential":"marker secret"}}"#;
        far.write_all(&u32::try_from(line.len()).unwrap().to_be_bytes())
            .unwrap();
        far.write_all(line).unwrap();
        let error = near.receive::<Told>().unwrap_err();
        assert!(!format!("{error:?}").contains("marker"), "{error:?}");
    }
}
