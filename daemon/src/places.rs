//! The places of connections: when all are taken, those who have kept the daemon waiting longest
//! give theirs up, so that a new caller is served at once.
//!
//! ```text
//!            a request is whole            the answer is written
//! [waited for] ────────────► [waiting] ─────────────────────► [waited for]
//!      └── called away when all places are taken, the longest waited for first
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// The requests at a time that are longer than most: each may hold a frame.
const LONG_REQUESTS: usize = 128;

/// Of how many connections one is called away at a time, so that a crowd that keeps coming is not
/// looked through for each of them.
const SHARE: usize = 16;

/// What stands for a connection that waits for the daemon, not the other way round.
const NOT_WAITED_FOR: u64 = u64::MAX;

/// All places.
pub struct Places {
    free: Arc<Semaphore>,
    most: usize,
    taken: Vec<Arc<Seat>>,
    shared: Arc<Shared>,
}

/// What all connections share.
struct Shared {
    /// Counts the times at which the daemon began to wait for a peer.
    waits: AtomicU64,
    long: Semaphore,
}

/// The place of one connection.
struct Seat {
    /// Since when the daemon waits for the peer, by [`Shared::waits`].
    waited_for_since: AtomicU64,
    called_away: Notify,
}

/// A place that is taken until it is dropped.
pub struct Place {
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    /// So many places, at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            free: Arc::new(Semaphore::new(most)),
            most,
            taken: Vec::new(),
            shared: Arc::new(Shared {
                waits: AtomicU64::new(0),
                long: Semaphore::new(LONG_REQUESTS),
            }),
        }
    }

    /// A place, if one is free.
    pub fn take(&mut self) -> Option<Place> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let place = Place {
            seat: Arc::new(Seat {
                waited_for_since: AtomicU64::new(0),
                called_away: Notify::new(),
            }),
            shared: Arc::clone(&self.shared),
            _permit: permit,
        };
        place.waits_for_peer();
        // Those who have left are forgotten when the list would have to grow.
        if self.taken.len() == self.taken.capacity() {
            self.taken.retain(|seat| Arc::strong_count(seat) > 1);
        }
        self.taken.push(Arc::clone(&place.seat));
        Some(place)
    }

    /// Calls some of those away who have been waited for longest; how many.
    pub fn make_room(&mut self) -> usize {
        self.taken.retain(|seat| Arc::strong_count(seat) > 1);
        let mut silent: Vec<(u64, &Seat)> = self
            .taken
            .iter()
            .map(|seat| (seat.waited_for_since.load(Ordering::Relaxed), &**seat))
            .filter(|(since, _)| *since != NOT_WAITED_FOR)
            .collect();
        silent.sort_unstable_by_key(|(since, _)| *since);
        silent.truncate((self.most / SHARE).max(1));
        for (_, seat) in &silent {
            seat.called_away.notify_one();
        }
        silent.len()
    }
}

impl Place {
    /// The daemon waits for the peer from now on.
    pub fn waits_for_peer(&self) {
        let now = self.shared.waits.fetch_add(1, Ordering::Relaxed);
        self.seat.waited_for_since.store(now, Ordering::Relaxed);
    }

    /// The peer waits for the daemon from now on.
    pub fn waits_for_daemon(&self) {
        let seat = &self.seat;
        seat.waited_for_since
            .store(NOT_WAITED_FOR, Ordering::Relaxed);
    }

    /// Waits until the place is needed for somebody else while the daemon waits for this peer.
    pub async fn called_away(&self) {
        loop {
            self.seat.called_away.notified().await;
            if self.seat.waited_for_since.load(Ordering::Relaxed) != NOT_WAITED_FOR {
                return;
            }
        }
    }

    /// Waits for the right to hold a long request.
    pub async fn long_request(&self) -> Option<SemaphorePermit<'_>> {
        self.shared.long.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_called(place: &Place) -> bool {
        let waker = std::task::Waker::noop();
        let mut called = std::pin::pin!(place.called_away());
        called
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker))
            .is_ready()
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let mut places = Places::new(2);
        let first = places.take().unwrap();
        let _second = places.take().unwrap();
        assert!(places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
        assert!(Places::new(0).take().is_some());
    }

    #[test]
    fn the_one_who_was_waited_for_longest_is_called_away() {
        let mut places = Places::new(3);
        let [first, second, third] = [(), (), ()].map(|()| places.take().unwrap());
        // The first one asks again, so that the second is the one that has been silent longest.
        first.waits_for_daemon();
        first.waits_for_peer();
        assert_eq!(places.make_room(), 1);
        assert_eq!(
            [&first, &second, &third].map(is_called),
            [false, true, false]
        );
    }

    #[test]
    fn one_who_waits_for_the_daemon_keeps_its_place() {
        let mut places = Places::new(2);
        let [first, second] = [(), ()].map(|()| places.take().unwrap());
        first.waits_for_daemon();
        second.waits_for_daemon();
        assert_eq!(places.make_room(), 0);
        first.waits_for_peer();
        assert_eq!(places.make_room(), 1);
        assert_eq!([&first, &second].map(is_called), [true, false]);
    }

    #[test]
    fn a_share_is_called_away_at_a_time() {
        let mut places = Places::new(64);
        let crowd: Vec<Place> = (0..64).map(|_| places.take().unwrap()).collect();
        assert_eq!(places.make_room(), 4);
        assert_eq!(crowd.iter().filter(|place| is_called(place)).count(), 4);
    }

    #[test]
    fn those_who_have_left_are_forgotten() {
        let mut places = Places::new(4);
        for _ in 0..10_000 {
            places.take().unwrap();
        }
        assert!(places.taken.capacity() < 64, "{}", places.taken.capacity());
    }
}
