//! Windows hands no daemon over: a pipe's server ends with its process.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use ac_cred_proto::Denial;
use interprocess::local_socket::tokio::Stream;
use tokio::sync::mpsc;

use crate::Arrival;
use crate::credential_store::CredentialStores;
use crate::handover::{Estate, Inherited, Relay, not_replaced};
use crate::listener::Listener;
use crate::settings_file::SettingsFile;

/// The program that would succeed this one.
#[derive(Clone, Debug)]
pub struct Succession {}

/// There is none.
#[derive(Debug)]
pub enum Candidate {}

/// There is none.
#[derive(Debug)]
pub enum Passenger {}

#[derive(Debug)]
pub(super) enum Process {}

impl Process {
    pub(super) fn pid(&self) -> Option<u32> {
        match *self {}
    }

    pub(super) fn wait(&self) {
        match *self {}
    }

    pub(super) fn end(&self) {
        match *self {}
    }
}

impl Succession {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self {}
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// None.
    pub fn of(_listener: &Listener, _words: Vec<OsString>) -> io::Result<Self> {
        Ok(Self {})
    }

    /// Refuses.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn begin(&self) -> Result<Candidate, Denial> {
        Err(impossible())
    }
}

impl Candidate {
    /// Cannot be called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn give(self, _estate: Estate, _stores: &CredentialStores) -> Result<Relay, Denial> {
        match self {}
    }
}

impl TryFrom<Stream> for Passenger {
    type Error = io::Error;

    fn try_from(_stream: Stream) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// There is none.
#[derive(Debug)]
pub enum Predecessor {}

impl Predecessor {
    /// Cannot be called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn accede(self) -> io::Result<(Inherited, mpsc::UnboundedReceiver<Arrival>)> {
        match self {}
    }
}

/// Refuses.
///
/// # Errors
///
/// Always.
pub fn succeed(
    _path: &Path,
    _stores: &CredentialStores,
    _settings: &mut SettingsFile,
) -> Result<(Listener, Predecessor), Denial> {
    Err(impossible())
}

fn impossible() -> Denial {
    not_replaced("this system cannot hand a daemon's work over to the next")
}
