//! The current keys, for all code that needs them. Readers never wait: they hold the ring that was current when they asked.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::Ring;

/// The current ring, for all code that needs keys. Cheap to clone.
#[derive(Clone)]
pub struct Keyring {
    ring: watch::Receiver<Arc<Ring>>,
    looks: mpsc::Sender<Look>,
}

/// A look at the sources of keys that somebody waits for.
pub(crate) struct Look {
    /// Loads whether or not a file changed.
    pub(crate) forced: bool,
    done: oneshot::Sender<()>,
}

impl Look {
    pub(crate) fn new(forced: bool, done: oneshot::Sender<()>) -> Self {
        Self { forced, done }
    }

    /// Ends the wait. Whoever asked may have gone.
    pub(crate) fn answer(self) {
        let _ = self.done.send(());
    }
}

impl Keyring {
    /// Over the rings that a watcher publishes, which answers `looks`.
    pub(crate) fn new(ring: watch::Receiver<Arc<Ring>>, looks: mpsc::Sender<Look>) -> Self {
        Self { ring, looks }
    }

    /// The current ring.
    pub fn current(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.borrow())
    }

    /// Waits for the next ring. `None` once the watcher is gone.
    pub async fn changed(&mut self) -> Option<Arc<Ring>> {
        self.ring.changed().await.ok()?;
        Some(Arc::clone(&self.ring.borrow_and_update()))
    }

    /// Loads again at once, whether or not a file changed, and waits for it. Does nothing once the watcher is gone.
    pub async fn reload(&self) {
        self.look(true).await;
    }

    /// Looks at the files now instead of in a few seconds, loads again if one changed, and waits for it.
    pub async fn refresh(&self) {
        self.look(false).await;
    }

    /// A ring that no watcher replaces.
    #[cfg(any(test, feature = "simulator"))]
    pub(crate) fn fixed(ring: Ring) -> Self {
        Self { ring: watch::channel(Arc::new(ring)).1, looks: mpsc::channel(1).0 }
    }

    /// A ring that the test replaces.
    #[cfg(test)]
    pub(crate) fn changing(ring: Ring) -> (watch::Sender<Arc<Ring>>, Self) {
        let (sender, ring) = watch::channel(Arc::new(ring));
        (sender, Self { ring, looks: mpsc::channel(1).0 })
    }

    async fn look(&self, forced: bool) {
        let (done, wait) = oneshot::channel();
        if self.looks.send(Look::new(forced, done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}
