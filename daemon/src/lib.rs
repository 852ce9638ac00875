//! `ac-credd`, the per-user daemon that holds Appcircle credentials and hands out session tokens.
//!
//! ```text
//! listener ─► server ─► broker ─► policy          decisions: pure
//!  who may     bytes     one task └► jobs ─► credential_store, auth_api, settings_file
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::broker::{Broker, Call, Parts};
use crate::listener::Listener;

pub mod auth_api;
pub mod broker;
pub mod clock;
pub mod credential_store;
pub mod harden;
pub mod listener;
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
    let broker = tokio::spawn(Broker::new(parts).run(taken));
    let mut connections = JoinSet::new();
    let serving = async {
        accept(listener, &calls, shutdown, &mut connections).await;
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
    shutdown: watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let most = harden::descriptor_limit()
        .saturating_sub(SPARE_DESCRIPTORS)
        .clamp(1, MAX_CONNECTIONS);
    let places = Arc::new(Semaphore::new(most));
    let mut ends = shutdown.clone();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            listener.accept().await.map(|stream| (stream, place))
        };
        tokio::select! {
            accepted = next => match accepted {
                Ok((stream, place)) => {
                    let (calls, shutdown) = (calls.clone(), shutdown.clone());
                    connections.spawn(async move {
                        server::serve(stream, calls, shutdown).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("accepting a connection failed: {error}");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = ends.wait_for(|ends| *ends) => break,
        }
    }
}
