//! The places of a listener for connections. When all are taken, connections of strangers make room for the next one.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

/// A connection that was just made is left the time to send a request.
const GRACE: Duration = Duration::from_millis(100);

/// How long one waits for a place before it is looked again who can make room.
const PATIENCE: Duration = Duration::from_millis(25);

/// What is known of a connection: who is at the other end, and what goes on.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    is_known: AtomicBool,
    has_certificate: AtomicBool,
    /// Requests under way.
    requests: AtomicUsize,
    /// Those of them that wait: for the rest of their body, or for what their caller is known by.
    waiting: AtomicUsize,
    is_closing: AtomicBool,
    close: Notify,
}

impl Standing {
    /// The caller has proved who it is.
    pub(crate) fn prove(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// The caller has shown a client certificate that is let in.
    pub(super) fn certify(&self) {
        self.has_certificate.store(true, Ordering::Relaxed);
        self.prove();
    }

    pub(crate) fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    pub(crate) fn has_certificate(&self) -> bool {
        self.has_certificate.load(Ordering::Relaxed)
    }

    /// A request is under way as long as what this returns lives.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        UnderWay::begin(self, |standing| &standing.requests)
    }

    /// A request waits for the rest of its body, or for what its caller is known by, as long as what this returns lives.
    pub(crate) fn begin_wait(self: &Arc<Self>) -> UnderWay {
        UnderWay::begin(self, |standing| &standing.waiting)
    }

    /// Whether it may be closed to make room, and how soon: it rests, or a request waits.
    fn rank(&self) -> Option<bool> {
        let requests = self.requests.load(Ordering::Relaxed);
        let waiting = self.waiting.load(Ordering::Relaxed);
        (!self.is_known() && (requests == 0 || waiting > 0)).then_some(requests > 0)
    }

    /// Returns when the connection has to make room.
    pub(super) async fn closing(&self) {
        self.close.notified().await;
    }
}

/// A request, or its wait, that is under way.
pub(crate) struct UnderWay {
    standing: Arc<Standing>,
    count: fn(&Standing) -> &AtomicUsize,
}

impl UnderWay {
    fn begin(standing: &Arc<Standing>, count: fn(&Standing) -> &AtomicUsize) -> Self {
        count(standing).fetch_add(1, Ordering::Relaxed);
        Self { standing: Arc::clone(standing), count }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        (self.count)(&self.standing).fetch_sub(1, Ordering::Relaxed);
    }
}

/// The places of one listener.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// The connections in the order in which they came.
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    connections: BTreeMap<u64, Connection>,
}

struct Connection {
    /// `None`: it came over a unix socket.
    address: Option<IpAddr>,
    since: Instant,
    standing: Arc<Standing>,
}

/// The place of one connection, free again when this is dropped.
pub(super) struct Place {
    /// What is known of the connection.
    pub(super) standing: Arc<Standing>,
    number: u64,
    places: Arc<Places>,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(most)), taken: Mutex::default() })
    }

    /// A free place; where there is none, a stranger makes room. It may be dropped and called again.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        loop {
            self.make_room();
            if let Ok(slot) = timeout(PATIENCE, Arc::clone(&self.free).acquire_owned()).await {
                // Never closed.
                return slot.ok();
            }
        }
    }

    /// Gives `slot` to a connection from `address`; `None`: it came over a unix socket.
    pub(super) fn take(
        self: &Arc<Self>,
        slot: Option<OwnedSemaphorePermit>,
        address: Option<IpAddr>,
    ) -> Place {
        let standing = Arc::new(Standing::default());
        let mut taken = self.lock();
        let number = taken.next;
        taken.next += 1;
        let connection = Connection { address, since: Instant::now(), standing: Arc::clone(&standing) };
        taken.connections.insert(number, connection);
        Place { standing, number, places: Arc::clone(self), _slot: slot }
    }

    /// Closes a connection whose caller has proved nothing: one that rests before one that waits, then one of the address
    /// that has most of them, then the oldest. One at a time; a request that is being answered is left alone.
    pub(super) fn make_room(&self) {
        let taken = self.lock();
        if taken.connections.values().any(|taken| taken.standing.is_closing.load(Ordering::Relaxed)) {
            return;
        }
        let strangers: Vec<_> = taken
            .connections
            .values()
            .filter(|taken| taken.since.elapsed() >= GRACE)
            .filter_map(|taken| Some((taken.standing.rank()?, taken.address, &taken.standing)))
            .collect();
        let mut of_address: BTreeMap<_, usize> = BTreeMap::new();
        for (_, address, _) in &strangers {
            *of_address.entry(*address).or_default() += 1;
        }
        // Of equals the first one is taken, and they are in the order in which they came.
        let first = strangers
            .iter()
            .min_by_key(|(rank, address, _)| (*rank, Reverse(of_address.get(address).copied())));
        if let Some((_, _, standing)) = first {
            standing.is_closing.store(true, Ordering::Relaxed);
            standing.close.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().connections.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_address_with_the_most_connections_makes_room_first_and_idle_ones_before_busy_ones() {
        let from = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let places = Places::new(8);
        let lone = places.take(None, from(1));
        let many: Vec<_> = (0..3).map(|_| places.take(None, from(2))).collect();
        let _busy = [many[0].standing.begin(), many[0].standing.begin_wait()];
        let all = [&lone, &many[0], &many[1], &many[2]];
        let closed = |place: &Place| place.standing.closing().now_or_never().is_some();
        places.make_room();
        assert_eq!(all.map(closed), [false; 4], "each has a moment to send its request");
        tokio::time::advance(GRACE).await;
        places.make_room();
        assert_eq!(all.map(closed), [false, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_known_caller_and_a_request_that_is_being_answered_stay() {
        let places = Places::new(8);
        let (known, busy) = (places.take(None, None), places.take(None, None));
        known.standing.prove();
        let _answered = busy.standing.begin();
        tokio::time::advance(GRACE).await;
        places.make_room();
        assert!(known.standing.closing().now_or_never().is_none());
        assert!(busy.standing.closing().now_or_never().is_none());
    }
}
