//! `ac-credd`, the per-user daemon that holds Appcircle credentials and hands out session tokens.
//!
//! ```text
//! listener ─► server ─► broker ─► policy          decisions: pure
//!  who may     bytes     one task └► jobs ─► credential_store, auth_api, settings_file
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::audit::Audit;
use crate::broker::{Broker, Call, Parts};
use crate::listener::Listener;
use crate::places::{Place, Places};

pub mod audit;
pub mod auth_api;
pub mod broker;
pub mod clock;
pub mod credential_store;
pub mod harden;
pub mod listener;
pub mod places;
pub mod policy;
pub mod private_file;
pub mod server;
pub mod settings_file;
pub mod shield;

/// How many requests may lie before the broker; more wait in their connections.
const CALLS: usize = 1_024;

/// Descriptors that connections leave to exchanges and files.
const SPARE_DESCRIPTORS: usize = 64;

/// The most connections at a time, whatever the system allows: each may hold a frame.
const MAX_CONNECTIONS: usize = 32_768;

/// How long answers under way may take when the daemon ends: an exchange, and a little more.
const DRAIN: Duration = Duration::from_secs(35);

/// How long accepting rests after the system refused it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Serves `listener` until `parts.shutdown` says so and the answers under way are given, or until
/// `at_once` is done.
pub async fn run(parts: Parts, listener: Listener, at_once: impl Future<Output = ()>) {
    let (calls, taken) = mpsc::channel(CALLS);
    let shutdown = parts.shutdown.subscribe();
    let audit = Arc::new(Audit::new(Arc::clone(&parts.clock)));
    let broker = tokio::spawn(Broker::new(parts).run(taken));
    let mut connections = JoinSet::new();
    let serving = async {
        accept(listener, &calls, &audit, shutdown, &mut connections).await;
        drop(calls);
        let drained = async { while connections.join_next().await.is_some() {} };
        // Whoever takes longer than an exchange may last is not waited for.
        tokio::time::timeout(DRAIN, drained).await.ok();
    };
    tokio::select! {
        () = serving => {}
        () = at_once => {}
    }
    broker.abort();
}

/// Accepts connections until the daemon ends; the endpoint is gone when this returns.
async fn accept(
    listener: Listener,
    calls: &mpsc::Sender<Call>,
    audit: &Arc<Audit>,
    shutdown: watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let mut places = Places::new(most_connections(harden::descriptor_limit()));
    let mut ends = shutdown.clone();
    let mut is_refused = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    is_refused = false;
                    let place = free_place(&mut places).await;
                    let page = audit.page(listener::caller(&stream));
                    let (calls, shutdown) = (calls.clone(), shutdown.clone());
                    connections.spawn(async move {
                        tokio::select! {
                            biased;
                            () = server::serve(stream, calls, shutdown, &place, &page) => {}
                            () = place.called_away() => {}
                        }
                    });
                }
                Err(error) => {
                    // Told once, however often it is tried again.
                    if !std::mem::replace(&mut is_refused, true) {
                        tracing::warn!("accepting a connection failed: {error}");
                    }
                    places.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = ends.wait_for(|ends| *ends) => break,
        }
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
