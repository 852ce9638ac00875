//! The change from one daemon to the next without a caller who notices.
//!
//! ```text
//! daemon                                        successor
//!   starts its own program again ────────────►  gives up privileges, as every daemon does
//!        ◄──────────────────────────── ready    (its version)
//!   waits for what is being written, freezes
//!   state, socket, lock ─────────────────────►  serves
//!        ◄──────────────────────────── serving
//!   each connection with its question ───────►  answers
//!   each end of an exchange ─────────────────►  settles
//!   ends
//! ```
//!
//! All of it goes over one pair of sockets that only these two processes have.

use std::collections::BTreeMap;
use std::sync::Arc;

use ac_cred_proto::message::Audited;
use ac_cred_proto::{Denial, Org};
use tokio::sync::{mpsc, oneshot};

use crate::handover::words::{Exchanged, Outcome};
use crate::policy::Moment;
use crate::policy::slot::{Attempt, Carried, Failure, Grant};
use crate::server::Unanswered;

#[cfg(unix)]
mod predecessor;
#[cfg(unix)]
#[path = "handover/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "handover/windows.rs"]
mod system;
#[cfg(unix)]
pub mod wire;
pub mod words;

#[cfg(unix)]
pub use predecessor::{Predecessor, succeed};
pub use system::{Candidate, Passenger, Succession};
#[cfg(windows)]
pub use system::{Predecessor, succeed};

/// What the broker holds, as its successor is given it.
#[derive(Debug, Default)]
pub struct Estate {
    /// The last number that was given to a caller or an exchange.
    pub last_number: u64,
    /// When somebody used the daemon.
    pub last_used: Option<Moment>,
    /// When a person was told of a credential that ends soon.
    pub warned: BTreeMap<Org, Moment>,
    /// The default organization, where it is known in memory only.
    pub default: Option<Org>,
    /// The settings that live in memory only.
    pub settings: Vec<(Org, ac_cred_proto::settings::OrgSettings)>,
    /// The slots.
    pub slots: Vec<(Org, Carried)>,
    /// The exchanges under way.
    pub under_way: Vec<(Attempt, Org)>,
}

/// What a broker that succeeds another begins with.
#[derive(Debug)]
pub struct Inherited {
    /// What the other held.
    pub estate: Estate,
    /// The ends of the exchanges that were under way there; it ends with the other daemon.
    pub exchanged: mpsc::UnboundedReceiver<(Attempt, Result<Grant, Failure>)>,
}

/// What goes to a successor that serves.
#[cfg_attr(
    windows,
    expect(
        dead_code,
        reason = "no daemon hands over there: sockets cannot be passed on"
    )
)]
#[derive(Debug)]
enum Parting {
    Connection(Passenger, Unanswered),
    Exchanged(Box<Exchanged>),
    Audited(Box<Audited>),
    /// All that was sent before has arrived.
    Last(oneshot::Sender<()>),
}

/// The way to a successor that serves.
#[derive(Clone, Debug)]
pub struct Relay {
    partings: mpsc::UnboundedSender<Parting>,
    process: Arc<system::Process>,
}

impl Relay {
    /// Hands a connection over, with what was read from it and not answered.
    pub fn connection(&self, passenger: Passenger, unanswered: Unanswered) {
        // A successor that is gone can be handed nothing; the caller finds the connection closed.
        self.partings
            .send(Parting::Connection(passenger, unanswered))
            .ok();
    }

    /// Hands over what an exchange brought.
    pub fn exchanged(&self, attempt: Attempt, result: Result<Grant, Failure>) {
        let result = Outcome::from(result);
        let exchanged = Box::new(Exchanged { attempt, result });
        // The same.
        self.partings.send(Parting::Exchanged(exchanged)).ok();
    }

    /// Hands over what is remembered of a request.
    pub fn audited(&self, entry: Audited) {
        // The same.
        self.partings.send(Parting::Audited(Box::new(entry))).ok();
    }

    /// Waits until everything has been handed over.
    pub async fn flushed(&self) {
        let (sent, arrived) = oneshot::channel();
        if self.partings.send(Parting::Last(sent)).is_ok() {
            arrived.await.ok();
        }
    }

    /// The successor's process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    /// Waits until the successor's process has ended; it may block.
    pub fn wait_for_end(&self) {
        self.process.wait();
    }

    /// Passes on that the daemon is to end.
    pub fn end_successor(&self) {
        self.process.end();
    }
}

/// The refusal of a change of daemons, in which the old one serves on.
fn not_replaced(message: impl Into<String>) -> Denial {
    Denial::new(ac_cred_proto::ErrorCode::DaemonUnreachable, message).hint("ac-cred daemon stop")
}
