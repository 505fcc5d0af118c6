//! Watches the key volume: validate, then swap.
//!
//! By polling content, since Kubernetes swaps symlinks and shared volumes deliver no inotify events. Readers never wait: they hold
//! the ring that was current when they asked.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc as std_mpsc};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::clock::{Clock, Timestamp};
use crate::keys::source::{LoadError, Reader};
use crate::keys::{Keyring, Look as Request, Ring, Trouble};

/// How long a key file may take to be opened and read. A volume that takes longer hangs; what is made of the files takes as long as it takes.
const DEADLINE: Duration = Duration::from_secs(10);

/// Keeps a [`Keyring`] current.
pub(crate) struct Watcher {
    every: Duration,
    requests: mpsc::Receiver<Request>,
    look: Look,
    published: Published,
}

/// The look at the files that was begun last.
enum Look {
    Ended(State),
    /// The first one, which the start has not waited for.
    Hangs(std_mpsc::Receiver<(State, Ring)>),
}

struct State {
    keys: Arc<crate::keys::settings::Keys>,
    clock: Clock,
    seen: Fingerprint,
    files: Reader,
}

/// SHA-256 over content and mode of every file that the configuration names.
type Fingerprint = [u8; 32];

/// Loads the first ring, blocking, but not for a volume that hangs. [`Watcher::run`] then looks at the files `every` so often.
pub(crate) fn watch(
    keys: Arc<crate::keys::settings::Keys>,
    clock: Clock,
    every: Duration,
) -> (Watcher, Keyring) {
    let retire_after = keys.retire_after;
    let (look, first) = first_look(keys, clock, DEADLINE);
    let (ring, receiver) = watch::channel(Arc::new(first));
    let (sent, requests) = mpsc::channel(1);
    let published = Published { deadline: DEADLINE, allow_example: false, retire_after, ring };
    let watcher = Watcher { every, requests, look, published };
    (watcher, Keyring::new(receiver, sent))
}

/// The ring of the files as they are at `now`, for a command that watches nothing. A volume that hangs is a trouble of it, as in `watch`.
pub(crate) fn load(keys: Arc<crate::keys::settings::Keys>, now: Timestamp) -> Ring {
    first_look(keys, Clock::fixed(now), DEADLINE).1
}

fn first_look(keys: Arc<crate::keys::settings::Keys>, clock: Clock, deadline: Duration) -> (Look, Ring) {
    let files = Reader::default();
    let mut state =
        State { keys: Arc::clone(&keys), clock: clock.clone(), seen: [0; 32], files: files.clone() };
    let (sender, loaded) = std_mpsc::channel();
    let load = move || {
        let ring = state.load();
        // The receiver is gone, and the gateway with it.
        let _ = sender.send((state, ring));
    };
    // A thread of its own: a volume that hangs blocks this thread alone.
    std::thread::spawn(load);
    let mut wait = deadline;
    let trouble = loop {
        match loaded.recv_timeout(wait) {
            Ok((state, ring)) => return (Look::Ended(state), ring),
            Err(RecvTimeoutError::Timeout) => match files.late(deadline) {
                ControlFlow::Continue(left) => wait = left,
                ControlFlow::Break(file) => break hangs(&file, deadline, true),
            },
            Err(RecvTimeoutError::Disconnected) => break Trouble::new(&keys.dir, &LoadError::Defect, true),
        }
    };
    (Look::Hangs(loaded), Ring::unread(&keys, clock.now(), trouble))
}

impl Watcher {
    /// Development keys that come into the volume later are taken, too.
    #[must_use]
    pub(crate) fn allow_example_keys(mut self, allow: bool) -> Self {
        self.published.allow_example = allow;
        self
    }

    /// Runs until every [`Keyring`] is dropped. Files are read and keys are tried off the reactor.
    pub(crate) async fn run(self) {
        let Self { every, mut requests, look, mut published } = self;
        let mut state = match look {
            Look::Ended(state) => state,
            Look::Hangs(loaded) => {
                let first = spawn_blocking(move || loaded.recv().ok());
                let Some(state) = published.first(first, &mut requests).await else { return };
                state
            }
        };
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let request = tokio::select! {
                _ = ticks.tick() => None,
                request = requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
            };
            let forced = request.as_ref().is_some_and(|request| request.forced);
            let (previous, files) = (published.current(), state.files.clone());
            let look = spawn_blocking(move || {
                let next = unless_it_panics(|| state.step(&previous, forced));
                (state, next)
            });
            match published.follow(look, &files, request, &mut requests).await {
                Some(ended) => state = ended,
                None => return,
            }
        }
    }
}

/// What `look` finds. One that panics changes nothing, and the next one comes in its turn.
fn unless_it_panics(look: impl FnOnce() -> Option<Ring>) -> Option<Ring> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
        tracing::error!(
            "loading the keys failed by a defect of this program; keys stay as they are until a file changes"
        );
        None
    })
}

/// The ring that is published, and what may follow it.
struct Published {
    /// How long a file may take to be opened and read before its volume counts as one that hangs.
    deadline: Duration,
    /// Development keys are taken, too.
    allow_example: bool,
    /// `keys.retire_after`
    retire_after: Duration,
    ring: watch::Sender<Arc<Ring>>,
}

impl Published {
    fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.borrow())
    }

    /// Waits for the look that the start has not waited for. `None` when the watcher has to end.
    async fn first(
        &mut self,
        look: JoinHandle<Option<(State, Ring)>>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Option<State> {
        let (state, ring) = answering(look, requests).await?.ok()??;
        self.publish(&self.current(), ring);
        Some(state)
    }

    /// Waits for `look`, which reads `files`, and publishes what it found. Where a file does not come within the deadline, the trouble is
    /// published first, and a caller that asks meanwhile is not kept waiting. `None` when the watcher has to end.
    async fn follow(
        &mut self,
        mut look: JoinHandle<(State, Option<Ring>)>,
        files: &Reader,
        mut request: Option<Request>,
        requests: &mut mpsc::Receiver<Request>,
    ) -> Option<State> {
        let previous = self.current();
        let mut hung = false;
        let ended = loop {
            let wait = match files.late(self.deadline) {
                ControlFlow::Continue(wait) => wait,
                ControlFlow::Break(file) => {
                    hung = true;
                    let trouble = hangs(&file, self.deadline, false);
                    tracing::warn!("{trouble}");
                    self.ring.send_replace(Arc::new(previous.troubled(trouble)));
                    answer(request.take());
                    break answering(look, requests).await?;
                }
            };
            if let Ok(ended) = timeout(wait, &mut look).await {
                break ended;
            }
        };
        let state = self.end(ended, &previous, hung);
        answer(request);
        state
    }

    fn end(
        &mut self,
        ended: Result<(State, Option<Ring>), JoinError>,
        previous: &Arc<Ring>,
        hung: bool,
    ) -> Option<State> {
        let Ok((state, next)) = ended else {
            tracing::error!("the key watcher stopped; keys stay as they are until a restart");
            return None;
        };
        match next {
            Some(next) => self.publish(previous, next),
            // The volume answers again, and nothing has changed.
            None if hung => drop(self.ring.send_replace(Arc::clone(previous))),
            None => {}
        }
        Some(state)
    }

    fn publish(&self, previous: &Ring, loaded: Ring) {
        let loaded = if self.allow_example { loaded } else { loaded.without_example_keys() };
        let next = Ring::succeed(previous, loaded, self.retire_after);
        tracing::info!(
            own = next.own().len(),
            peers = next.peers().len(),
            retiring = next.retiring().count(),
            "keys loaded"
        );
        for trouble in next.troubles() {
            tracing::warn!(fatal = trouble.fatal, "{trouble}");
        }
        self.ring.send_replace(Arc::new(next));
    }
}

/// Answers the callers that wait.
fn answer(request: Option<Request>) {
    if let Some(request) = request {
        // They may have gone.
        request.answer();
    }
}

/// Waits for `look` and answers callers meanwhile with the keys as they are. `None` once no caller is left.
async fn answering<T>(
    mut look: JoinHandle<T>,
    requests: &mut mpsc::Receiver<Request>,
) -> Option<Result<T, JoinError>> {
    loop {
        tokio::select! {
            ended = &mut look => return Some(ended),
            request = requests.recv() => request?.answer(),
        }
    }
}

/// The trouble of a file that has not come for `deadline`.
fn hangs(file: &Path, deadline: Duration, fatal: bool) -> Trouble {
    Trouble::new(file, &LoadError::Hangs(deadline.as_secs()), fatal)
}

impl State {
    /// The ring of the files as they are.
    fn load(&mut self) -> Ring {
        // Before loading: what changes in between is seen as a change.
        self.seen = fingerprint(&self.keys, &self.files);
        Ring::load_by(&self.keys, self.clock.now(), &self.files)
    }

    /// What has to follow `previous`, if a file changed, a certificate began or ended, a key is to be gone, one that was unavailable is there,
    /// or `forced`.
    fn step(&mut self, previous: &Ring, forced: bool) -> Option<Ring> {
        let now = self.clock.now();
        let found = fingerprint(&self.keys, &self.files);
        if forced || found != self.seen || previous.is_stale(now) {
            self.seen = found;
            return Some(Ring::load_by(&self.keys, now, &self.files));
        }
        // No file tells that a token or a service is back.
        let away = previous.away();
        let next = (!away.is_empty()).then(|| Ring::load_by(&self.keys, now, &self.files));
        next.filter(|next| next.away() != away)
    }
}

fn fingerprint(keys: &crate::keys::settings::Keys, files: &Reader) -> Fingerprint {
    let own = keys.own.iter().flat_map(|own| own.source.watched().into_iter().chain(own.cert.as_deref()));
    let peers = keys.peers.iter().map(|peer| peer.file.as_path());
    let mut digest = Sha256::new();
    for path in own.chain(peers).chain(keys.ca_file.as_deref()) {
        match files.read(path) {
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
