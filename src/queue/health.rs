//! The health of an upstream URL, shared by the worker that uses it and by whoever looks at it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::channel::{Admission, Channel, Flow, Next};
use crate::error::Error;
use crate::random::Random;
use crate::store::Millis;

/// A [`Channel`] behind a lock, and the chance that its waits are drawn by. Clones are the same channel.
#[derive(Clone)]
pub(crate) struct Health {
    channel: Arc<Mutex<Channel>>,
    random: Random,
}

impl Health {
    /// Nothing is known yet: entries go. A paused channel is tried every `probe_interval`; a call may take up to `deadline`.
    pub(crate) fn new(probe_interval: Duration, deadline: Duration, random: Random) -> Self {
        Self { channel: Arc::new(Mutex::new(Channel::new(probe_interval, deadline))), random }
    }

    /// Who may go at `now`.
    pub(crate) fn admission(&self, now: Millis) -> Admission {
        self.channel().admission(now)
    }

    /// The destination took `entry`.
    pub(crate) fn succeeded(&self, entry: &str) {
        self.channel().succeeded(entry);
    }

    /// The `attempts`th attempt of `entry` failed: what becomes of the entry.
    pub(crate) fn failed(&self, entry: &str, attempts: u32, error: &Error, now: Millis) -> Next {
        let die = self.random.u32();
        self.channel().failed(entry, attempts, error, now, die)
    }

    /// How long an entry waits after its `attempts`th attempt where the attempt says nothing about the channel.
    pub(crate) fn backoff(&self, attempts: u32) -> Millis {
        let die = self.random.u32();
        self.channel().backoff(attempts, die)
    }

    /// Keys or configuration changed: a paused channel is tried at once.
    pub(crate) fn probe_now(&self) {
        self.channel().probe_now();
    }

    /// Whether entries flow, and since when they do not.
    pub(crate) fn status(&self) -> (Flow, Option<Millis>) {
        let channel = self.channel();
        (channel.flow().clone(), channel.stopped_at())
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
