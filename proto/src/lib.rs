//! The words that `ac-cred`, `ac-credd` and other programs exchange over the local socket.
//!
//! `SCHEMA.md` beside this crate is the same contract for people who do not read Rust.
//!
//! # The wire
//!
//! A client connects, sends a [`Request`] and reads its answer; requests may follow one another on
//! a connection.
//! The first byte of a connection chooses its encoding: `0` is binary, `{` is JSON lines, any other
//! byte ends the connection.
//!
//! - Binary: a 4-byte big-endian length of at most [`frame::MAX_LENGTH`], then that many bytes: the
//!   wire version ([`WIRE_VERSION`]) and a bincode body with nothing behind it.
//! - JSON: one object a line, at most [`frame::MAX_LENGTH`] bytes with its line feed.
//!
//! Most requests have one [`Response`].
//! `list`, `status` and `logout` have a sequence that ends with `end` or `denied`.
//!
//! # How it may change
//!
//! Every message stands as bytes in `tests/golden`, in both encodings.
//! A change that alters those bytes is a new wire version, and the version is a part of the
//! endpoint's name, so that two versions never meet.
//!
//! This crate does no I/O, reads no clock and knows nothing asynchronous.

pub mod argv;
pub mod denial;
pub mod endpoint;
pub mod frame;
pub mod message;
pub mod org;
pub mod project_file;
pub mod secret;
pub mod settings;
pub mod text;
pub mod time;

pub use denial::{Denial, ErrorCode};
pub use message::{Request, Response};
pub use org::Org;

/// The version of the messages: the first byte of every binary frame and a part of the endpoint's name.
pub const WIRE_VERSION: u8 = 1;
