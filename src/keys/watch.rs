//! Watches the key volume: validate, then swap.
//!
//! By polling content, since Kubernetes swaps symlinks and shared volumes deliver no inotify events. Readers never wait: they hold
//! the ring of the moment they asked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use super::ring::Ring;
use super::source::Source;
use super::source::file::read_file;
use crate::clock::Clock;
use crate::config;

/// The current ring, for everybody who needs keys. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    ring: watch::Receiver<Arc<Ring>>,
    requests: mpsc::Sender<Request>,
}

/// A look at the files out of turn.
struct Request {
    /// Loads whether or not a file changed.
    forced: bool,
    done: oneshot::Sender<()>,
}

impl Keyring {
    /// The ring of this moment.
    pub fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.borrow())
    }

    /// Waits for the next ring. `None` once the watcher is gone.
    pub async fn changed(&mut self) -> Option<Arc<Ring>> {
        self.ring.changed().await.ok()?;
        Some(Arc::clone(&self.ring.borrow_and_update()))
    }

    /// Loads anew at once, whether or not a file changed, and waits for it. Does nothing once the watcher is gone.
    pub async fn reload(&self) {
        self.look(true).await;
    }

    /// Looks at the files now instead of in a few seconds, loads anew if one changed, and waits for it.
    pub async fn refresh(&self) {
        self.look(false).await;
    }

    /// A ring that no watcher replaces.
    #[cfg(test)]
    pub(crate) fn fixed(ring: Ring) -> Self {
        Self { ring: watch::channel(Arc::new(ring)).1, requests: mpsc::channel(1).0 }
    }

    /// A ring that the test replaces.
    #[cfg(test)]
    pub(crate) fn changing(ring: Ring) -> (watch::Sender<Arc<Ring>>, Self) {
        let (sender, ring) = watch::channel(Arc::new(ring));
        (sender, Self { ring, requests: mpsc::channel(1).0 })
    }

    async fn look(&self, forced: bool) {
        let (done, wait) = oneshot::channel();
        if self.requests.send(Request { forced, done }).await.is_ok() {
            let _ = wait.await;
        }
    }
}

/// Keeps a [`Keyring`] current.
pub struct Watcher {
    every: Duration,
    requests: mpsc::Receiver<Request>,
    state: State,
}

struct State {
    keys: Arc<config::Keys>,
    clock: Clock,
    seen: Fingerprint,
    allow_example: bool,
    ring: watch::Sender<Arc<Ring>>,
}

/// SHA-256 over content and mode of every file that the configuration names.
type Fingerprint = [u8; 32];

/// Loads the first ring, blocking. [`Watcher::run`] then looks at the files `every` so often.
pub fn watch(keys: Arc<config::Keys>, clock: Clock, every: Duration) -> (Watcher, Keyring) {
    // Before loading: what changes in between is seen as a change.
    let seen = fingerprint(&keys);
    let first = Arc::new(Ring::load(&keys, clock.now()));
    let (sender, ring) = watch::channel(first);
    let (sent, requests) = mpsc::channel(1);
    let state = State { keys, clock, seen, allow_example: false, ring: sender };
    (Watcher { every, requests, state }, Keyring { ring, requests: sent })
}

impl Watcher {
    /// Development keys that come into the volume later are taken, too.
    #[must_use]
    pub fn allow_example_keys(mut self, allow: bool) -> Self {
        self.state.allow_example = allow;
        self
    }

    /// Runs until every [`Keyring`] is dropped. Files are read and keys are tried off the reactor.
    pub async fn run(self) {
        self.run_each(State::step).await;
    }

    /// A look that panics changes nothing, and the next one comes in its turn.
    async fn run_each(mut self, step: fn(&mut State, bool)) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let request = tokio::select! {
                _ = ticks.tick() => None,
                request = self.requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
            };
            let mut state = self.state;
            let forced = request.as_ref().is_some_and(|request| request.forced);
            let stepped = spawn_blocking(move || {
                if catch_unwind(AssertUnwindSafe(|| step(&mut state, forced))).is_err() {
                    tracing::error!(
                        "loading the keys failed by a defect of this program; keys stay as they are until a file changes"
                    );
                }
                state
            });
            // Refused by a runtime that ends.
            let Ok(state) = stepped.await else { return };
            self.state = state;
            if let Some(request) = request {
                let _ = request.done.send(());
            }
        }
    }
}

impl State {
    /// Loads anew if a file changed, a certificate began or ended, or `forced`.
    fn step(&mut self, forced: bool) {
        let now = self.clock.now();
        let found = fingerprint(&self.keys);
        let previous = Arc::clone(&self.ring.borrow());
        if !forced && found == self.seen && !previous.is_stale(now) {
            return;
        }
        self.seen = found;
        let loaded = Ring::load(&self.keys, now);
        let loaded = if self.allow_example { loaded } else { loaded.without_example_keys() };
        let next = Ring::succeed(&previous, loaded);
        tracing::info!(
            own = next.own().len(),
            peers = next.peers().len(),
            retired = next.retired().len(),
            "keys loaded"
        );
        for trouble in next.troubles() {
            tracing::warn!(fatal = trouble.fatal, "{trouble}");
        }
        self.ring.send_replace(Arc::new(next));
    }
}

fn fingerprint(keys: &config::Keys) -> Fingerprint {
    let own =
        keys.own.iter().flat_map(|own| Source::of(own).watched().into_iter().chain(own.cert.as_deref()));
    let peers = keys.peers.iter().map(|peer| peer.file.as_path());
    let mut digest = Sha256::new();
    for path in own.chain(peers).chain(keys.ca_file.as_deref()) {
        match read_file(path) {
            Ok((bytes, metadata)) => {
                let mode = std::os::unix::fs::MetadataExt::mode(&metadata);
                digest.update(format!("{mode:o} {} ", bytes.len()));
                digest.update(bytes.as_slice());
            }
            Err(error) => digest.update(format!("{error}\n")),
        }
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
