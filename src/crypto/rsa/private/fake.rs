//! A fake HSM for tests: it keeps keys, and it can become unavailable and available again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{Digest, KeyError, PrivateKey, PrivateKeyOperations, SessionKey, SignatureAlgorithm};

/// The fake HSM.
pub(crate) struct Keeper {
    name: &'static str,
    is_away: AtomicBool,
    calls: AtomicUsize,
}

impl Keeper {
    /// An HSM that is available.
    pub(crate) fn there(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, is_away: AtomicBool::new(false), calls: AtomicUsize::new(0) })
    }

    /// An HSM that is unavailable.
    pub(crate) fn away(name: &'static str) -> Arc<Self> {
        let keeper = Self::there(name);
        keeper.go_away();
        keeper
    }

    pub(crate) fn go_away(&self) {
        self.is_away.store(true, Ordering::SeqCst);
    }

    pub(crate) fn come_back(&self) {
        self.is_away.store(false, Ordering::SeqCst);
    }

    /// How many operations were asked of it.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn answer(&self) -> Result<(), KeyError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(KeyError::Unavailable(self.name.to_owned()));
        }
        Ok(())
    }
}

struct Kept {
    keeper: Arc<Keeper>,
    operations: Box<dyn PrivateKeyOperations>,
}

impl PrivateKeyOperations for Kept {
    fn sign(&self, alg: SignatureAlgorithm, digest: &Digest) -> Result<Vec<u8>, KeyError> {
        self.keeper.answer()?;
        self.operations.sign(alg, digest)
    }

    fn unwrap(&self, wrapped: &[u8]) -> Result<SessionKey, KeyError> {
        self.keeper.answer()?;
        self.operations.unwrap(wrapped)
    }
}

impl PrivateKey {
    /// The same key, kept by `keeper`.
    pub(crate) fn kept_by(self, keeper: &Arc<Keeper>) -> Self {
        Self::new(self.public, Kept { keeper: Arc::clone(keeper), operations: self.operations })
    }
}
