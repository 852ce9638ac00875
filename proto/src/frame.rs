//! Messages as bytes and bytes as messages, in both encodings; the only file that names bincode.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::WIRE_VERSION;

/// The most bytes that follow a binary length, and the longest JSON line with its line feed.
///
/// Four tokens of the longest kind fit; a stranger cannot make a reader hold more than this.
pub const MAX_LENGTH: usize = 65_536;

/// The bytes of the length that begins a binary frame.
pub const HEADER_LENGTH: usize = 4;

/// Enough for most messages, so that a buffer seldom moves while it is filled.
const USUAL_LENGTH: usize = 2_048;

/// How a connection writes its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A length, the wire version and a bincode body.
    Binary,
    /// One JSON object a line.
    Json,
}

/// Why bytes are not a message; it never repeats the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The connection begins with a byte that no encoding begins with.
    Foreign,
    /// The frame is longer than [`MAX_LENGTH`].
    TooLong,
    /// The frame has no version and body.
    Empty,
    /// The frame is of this other wire version.
    Version(u8),
    /// The body is no message of this wire version.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("the connection speaks neither frames nor JSON lines"),
            Self::TooLong => write!(f, "a message is longer than {MAX_LENGTH} bytes"),
            Self::Empty => f.write_str("a frame is empty"),
            Self::Version(version) => {
                write!(
                    f,
                    "a message is of wire version {version}, this is version {WIRE_VERSION}"
                )
            }
            Self::Malformed => f.write_str("a message cannot be understood"),
        }
    }
}

impl std::error::Error for FrameError {}

impl Encoding {
    /// The encoding that a connection chooses with its first byte.
    ///
    /// # Errors
    ///
    /// [`FrameError::Foreign`] when no encoding begins with it.
    pub fn of_first_byte(byte: u8) -> Result<Self, FrameError> {
        match byte {
            0 => Ok(Self::Binary),
            b'{' => Ok(Self::Json),
            _ => Err(FrameError::Foreign),
        }
    }

    /// The whole frame or line of a message.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] when it would be longer than a reader accepts.
    pub fn encode<M: Serialize>(self, message: &M) -> Result<Zeroizing<Vec<u8>>, FrameError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(USUAL_LENGTH));
        self.append(message, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes the whole frame or line of a message behind what `bytes` holds.
    ///
    /// # Errors
    ///
    /// [`FrameError::TooLong`] when it would be longer than a reader accepts; `bytes` is then as it was.
    pub fn append<M: Serialize>(self, message: &M, bytes: &mut Vec<u8>) -> Result<(), FrameError> {
        let start = bytes.len();
        let written = match self {
            Self::Binary => append_binary(message, bytes),
            Self::Json => append_json(message, bytes),
        };
        if written.is_err() {
            bytes.truncate(start);
        }
        written
    }

    /// The message of a payload: what follows a binary length, or a line without its line feed.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when the payload is not exactly one message of this wire version.
    pub fn decode<M: DeserializeOwned>(self, payload: &[u8]) -> Result<M, FrameError> {
        match self {
            Self::Binary => decode_binary(payload),
            Self::Json => decode_json(payload),
        }
    }
}

/// The number of bytes that follow a binary frame's length.
///
/// # Errors
///
/// [`FrameError::TooLong`] or [`FrameError::Empty`], before anything is allocated.
pub fn payload_length(header: [u8; HEADER_LENGTH]) -> Result<usize, FrameError> {
    match usize::try_from(u32::from_be_bytes(header)) {
        Ok(0 | 1) => Err(FrameError::Empty),
        Ok(length) if length <= MAX_LENGTH => Ok(length),
        Ok(_) | Err(_) => Err(FrameError::TooLong),
    }
}

/// The most that a length inside a body can claim.
///
/// The decoder counts a number as wide as its type, however few bytes it takes, so this is more
/// than [`MAX_LENGTH`] by at least 7 bytes for every field of the largest message; with less, the
/// longest messages could be written and not read.
const DECODER_LIMIT: usize = MAX_LENGTH + 256;

/// Little-endian varints with the decoder's own bound.
fn bincode_config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<DECODER_LIMIT>()
}

fn append_binary<M: Serialize>(message: &M, bytes: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER_LENGTH]);
    bytes.push(WIRE_VERSION);
    bincode::serde::encode_into_std_write(message, bytes, bincode_config())
        .map_err(|_| FrameError::TooLong)?;
    let length = bytes.len() - start - HEADER_LENGTH;
    let header = u32::try_from(length)
        .ok()
        .filter(|_| length <= MAX_LENGTH)
        .ok_or(FrameError::TooLong)?;
    bytes[start..start + HEADER_LENGTH].copy_from_slice(&header.to_be_bytes());
    Ok(())
}

fn append_json<M: Serialize>(message: &M, bytes: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = bytes.len();
    serde_json::to_writer(&mut *bytes, message).map_err(|_| FrameError::Malformed)?;
    bytes.push(b'\n');
    if bytes.len() - start > MAX_LENGTH {
        Err(FrameError::TooLong)
    } else {
        Ok(())
    }
}

fn decode_binary<M: DeserializeOwned>(payload: &[u8]) -> Result<M, FrameError> {
    let (&version, body) = payload.split_first().ok_or(FrameError::Empty)?;
    if version != WIRE_VERSION {
        return Err(FrameError::Version(version));
    }
    match bincode::serde::decode_from_slice(body, bincode_config()) {
        Ok((message, consumed)) if consumed == body.len() => Ok(message),
        Ok(_) | Err(_) => Err(FrameError::Malformed),
    }
}

fn decode_json<M: DeserializeOwned>(line: &[u8]) -> Result<M, FrameError> {
    if holds_list(line) {
        return Err(FrameError::Malformed);
    }
    serde_json::from_slice(line).map_err(|_| FrameError::Malformed)
}

/// Whether a list begins outside of the strings: no message has one, but serde takes a list for an
/// object whose names are left out.
fn holds_list(line: &[u8]) -> bool {
    let mut is_in_string = false;
    let mut is_escaped = false;
    line.iter().any(|&byte| {
        is_in_string ^= byte == b'"' && !is_escaped;
        is_escaped = is_in_string && byte == b'\\' && !is_escaped;
        byte == b'[' && !is_in_string
    })
}
