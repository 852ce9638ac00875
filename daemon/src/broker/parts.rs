//! What a broker is made from, and what it is asked and answers.

use std::sync::Arc;

use ac_cred_proto::{Request, Response};
use tokio::sync::{mpsc, oneshot, watch};

use crate::auth_api::AuthApi;
use crate::clock::Clock;
use crate::course::Course;
use crate::credential_store::CredentialStores;
use crate::handover::{Inherited, Succession};
use crate::policy::{Moment, Span};
use crate::settings_file::SettingsFile;
use crate::supervisor::Supervisor;

/// What answers a call: one message, or a sequence with its end.
#[derive(Debug)]
pub enum Answer {
    /// One message.
    One(Response),
    /// Messages in their order; the last one is an end.
    Many(Vec<Response>),
    /// Messages in their order, and more as they come, for as long as the caller wants them.
    Watch(Vec<Response>, mpsc::Receiver<Response>),
    /// None: the successor is to be asked this, which was asked here then.
    Elsewhere(Box<Request>, Moment),
}

/// Where an answer goes; the caller may have left.
pub type Reply = oneshot::Sender<Answer>;

/// A request and where its answer goes.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// When it was asked, where that was in the daemon before this one.
    pub asked: Option<Moment>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// What the daemon says of itself.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The endpoint on which it listens.
    pub socket: String,
    /// When it started.
    pub started: Moment,
}

/// What a broker works with.
pub struct Parts {
    /// Where time is read.
    pub clock: Arc<dyn Clock>,
    /// Who exchanges credentials.
    pub auth_api: Arc<dyn AuthApi>,
    /// Where credentials rest.
    pub stores: Arc<CredentialStores>,
    /// The settings.
    pub settings: SettingsFile,
    /// Who this daemon is.
    pub identity: Identity,
    /// Tells everybody that the daemon ends.
    pub course: watch::Sender<Course>,
    /// Who would succeed this daemon.
    pub succession: Succession,
    /// Who is told that the daemon lives.
    pub supervisor: Arc<Supervisor>,
    /// How long the daemon stays while it holds nothing and nobody is connected; for ever without.
    pub idle: Option<Span>,
    /// What the daemon before this one has left, where there was one.
    pub inherited: Option<Inherited>,
}
