//! `ac-credd`, the per-user daemon that holds Appcircle credentials and hands out session tokens.
//!
//! ```text
//! listener ─► server ─► broker ─► policy          decisions: pure
//!  who may     bytes     one task └► jobs ─► credential_store, auth_api, settings_file
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::Audited;
use ac_cred_proto::{Denial, ErrorCode};
use interprocess::local_socket::tokio::Stream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::audit::Audit;
use crate::broker::{Broker, Call, Parts};
use crate::course::Course;
use crate::handover::Relay;
use crate::listener::Listener;
use crate::places::{Place, Places};
use crate::server::Unanswered;

pub mod audit;
pub mod auth_api;
pub mod broker;
pub mod child;
pub mod clock;
pub mod course;
pub mod credential_store;
pub mod handover;
pub mod harden;
pub mod helper;
pub mod listener;
pub mod log_file;
pub mod places;
pub mod policy;
pub mod private_file;
pub mod server;
pub mod settings_file;
pub mod shield;
pub mod signals;
pub mod supervisor;
pub mod version;

/// How many requests may lie before the broker; more wait in their connections.
const CALLS: usize = 1_024;

/// Descriptors that connections leave to exchanges and files.
const SPARE_DESCRIPTORS: usize = 64;

/// The most connections at a time, whatever the system allows: each may hold a frame.
const MAX_CONNECTIONS: usize = 32_768;

/// How long answers under way may take when the daemon ends: an exchange, and a little more.
const DRAIN: Duration = Duration::from_secs(35);

/// How often the daemon looks whether its callers find it.
const LOOK: Duration = Duration::from_secs(2);

/// How long accepting rests after the system refused it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// What comes to a daemon from the one before it.
pub enum Arrival {
    /// A connection and what has been read from it.
    Connection(Stream, Unanswered),
    /// What is remembered of a request.
    Audited(Box<Audited>),
}

/// Serves `listener`, and what arrives from the daemon before this one, until `parts.course` says
/// otherwise and the answers under way are given, or until `at_once` is done; returns the way to
/// the successor, where one serves. Who asked for what is noted in `audit`.
///
/// # Errors
///
/// [`ErrorCode::Internal`] when the broker ended in the middle of its work: there is nobody left who
/// could answer, so that the daemon ends for the next one.
pub async fn run(
    parts: Parts,
    audit: Audit,
    listener: Listener,
    arriving: Option<mpsc::UnboundedReceiver<Arrival>>,
    at_once: impl Future<Output = ()>,
) -> Result<Option<Relay>, Denial> {
    let (calls, taken) = mpsc::channel(CALLS);
    let (ends, course) = (parts.course.clone(), parts.course.subscribe());
    let supervisor = Arc::clone(&parts.supervisor);
    let last = Last(ends.clone());
    let mut broker = tokio::spawn(async move {
        let _last = last;
        Broker::new(parts).run(taken).await;
    });
    let audit = Arc::new(audit);
    let mut hall = Hall::new(calls, Arc::clone(&audit), course.clone());
    let serving = async {
        hall.accept(listener, arriving, &ends).await;
        if succeeded(&course).is_none() {
            supervisor.tell("STOPPING=1");
        }
        // Whoever takes longer than an exchange may last is not waited for.
        tokio::time::timeout(DRAIN, hall.empty()).await.ok();
        let ended = tokio::time::timeout(DRAIN, &mut broker).await;
        if let Some(relay) = succeeded(&course) {
            audit
                .take()
                .into_iter()
                .for_each(|entry| relay.audited(entry));
            relay.flushed().await;
        }
        matches!(ended, Ok(Err(_)))
    };
    let is_broken = tokio::select! {
        is_broken = serving => is_broken,
        () = at_once => false,
    };
    broker.abort();
    if is_broken {
        let message = "the daemon ended in the middle of its work, which is a fault of its own";
        return Err(Denial::new(ErrorCode::Internal, message));
    }
    Ok(succeeded(&course))
}

/// Who goes last: with this the daemon ends.
struct Last(watch::Sender<Course>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.send_if_modified(Course::end);
    }
}

fn succeeded(course: &watch::Receiver<Course>) -> Option<Relay> {
    course.borrow().relay().cloned()
}

/// Where connections are served.
struct Hall {
    calls: mpsc::Sender<Call>,
    audit: Arc<Audit>,
    course: watch::Receiver<Course>,
    places: Places,
    connections: JoinSet<()>,
    /// Whether the system refused the last connection.
    is_refused: bool,
}

impl Hall {
    fn new(calls: mpsc::Sender<Call>, audit: Arc<Audit>, course: watch::Receiver<Course>) -> Self {
        Self {
            calls,
            audit,
            course,
            places: Places::new(most_connections(harden::descriptor_limit())),
            connections: JoinSet::new(),
            is_refused: false,
        }
    }

    /// Accepts connections until the daemon ends; the endpoint is gone when this returns, or is a
    /// successor's.
    async fn accept(
        &mut self,
        mut listener: Listener,
        mut arriving: Option<mpsc::UnboundedReceiver<Arrival>>,
        ends: &watch::Sender<Course>,
    ) {
        let mut over = self.course.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(stream) => self.serve(stream, Unanswered::default()).await,
                    Err(error) => self.refuse(&error).await,
                },
                arrival = next_arrival(&mut arriving) => match arrival {
                    Some(Arrival::Connection(stream, unanswered)) => {
                        self.serve(stream, unanswered).await;
                    }
                    Some(Arrival::Audited(entry)) => self.audit.resume(*entry),
                    None => arriving = None,
                },
                _ = look.tick() => if let Err(lost) = listener.keep_place() {
                    tracing::error!("the daemon ends: {}", lost.message);
                    ends.send_if_modified(Course::end);
                },
                Some(_) = self.connections.join_next() => {}
                _ = over.wait_for(Course::is_over) => break,
            }
        }
        if succeeded(&self.course).is_some() {
            listener.leave_to_successor();
            return;
        }
        // Nobody finds it any more; those who have are served.
        listener.close_door();
        while let Some(stream) = listener.accept_waiting().await {
            self.serve(stream, Unanswered::default()).await;
        }
    }

    /// Rests after the system refused a connection, which is told once, however often it is tried
    /// again.
    async fn refuse(&mut self, error: &std::io::Error) {
        if !std::mem::replace(&mut self.is_refused, true) {
            tracing::warn!("accepting a connection failed: {error}");
        }
        self.places.make_room();
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }

    /// Serves a connection; where a successor goes on with it, it is handed over.
    async fn serve(&mut self, stream: Stream, unanswered: Unanswered) {
        self.is_refused = false;
        let place = free_place(&mut self.places).await;
        let page = self.audit.page(listener::caller(&stream));
        let (calls, course) = (self.calls.clone(), self.course.clone());
        self.connections.spawn(async move {
            let visitor = (stream, unanswered);
            let serving = server::serve(visitor, calls, course.clone(), &place, &page);
            let rest = tokio::select! {
                biased;
                rest = serving => rest,
                () = place.called_away() => None,
            };
            if let (Some((stream, unanswered)), Some(relay)) = (rest, succeeded(&course))
                && let Ok(passenger) = stream.try_into()
            {
                relay.connection(passenger, unanswered);
            }
        });
    }

    /// Waits until no connection is left.
    async fn empty(self) {
        let Self {
            calls,
            mut connections,
            ..
        } = self;
        drop(calls);
        while connections.join_next().await.is_some() {}
    }
}

/// The next connection from the daemon before this one; it waits for ever where there is none.
async fn next_arrival(arriving: &mut Option<mpsc::UnboundedReceiver<Arrival>>) -> Option<Arrival> {
    match arriving {
        Some(arriving) => arriving.recv().await,
        None => std::future::pending().await,
    }
}

/// How many connections there may be below a limit of descriptors.
fn most_connections(limit: usize) -> usize {
    let spare = SPARE_DESCRIPTORS.min(limit / 2);
    limit.saturating_sub(spare).clamp(1, MAX_CONNECTIONS)
}

/// The place of a new connection, for which others may have to leave.
async fn free_place(places: &mut Places) -> Place {
    loop {
        if let Some(place) = places.take() {
            return place;
        }
        if places.make_room() == 0 {
            // Everybody is being answered, which takes as long as an exchange at most.
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
        tokio::task::yield_now().await;
    }
}
