//! The health of an upstream URL, shared by the worker that uses it and by what reports it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::channel::{Admission, Channel, Flow, IsUnread, Next};
use super::pace::Pace;
use crate::error::Error;
use crate::ledger::ChannelNote;
use crate::random::Random;
use crate::store::Millis;

/// A [`Channel`] behind a lock, and the chance that its waits are drawn by. Clones are the same channel.
#[derive(Clone)]
pub(crate) struct Health {
    channel: Arc<Mutex<Channel>>,
    pace: Arc<Mutex<Pace>>,
    agreed: Arc<Mutex<Agreed>>,
    telling: Arc<tokio::sync::Mutex<()>>,
    random: Random,
}

/// How all gateways over the database know the channel, and the number of the change that made it so.
#[derive(Default)]
struct Agreed {
    number: i64,
    note: ChannelNote,
}

impl Health {
    /// Nothing is known yet, so entries may go. A paused channel is tried every `probe_interval`; a call may take up to `deadline`.
    pub(crate) fn new(
        probe_interval: Duration,
        deadline: Duration,
        is_unread: IsUnread,
        random: Random,
    ) -> Self {
        let channel = Arc::new(Mutex::new(Channel::new(probe_interval, deadline, is_unread)));
        let (pace, agreed, telling) = Default::default();
        Self { channel, pace, agreed, telling, random }
    }

    /// How many entries may go at `now`.
    pub(crate) fn admission(&self, now: Millis) -> Admission {
        self.channel().admission(now)
    }

    /// The destination took `entry` at `now`. Whether that ended a pause.
    pub(crate) fn succeeded(&self, entry: &str, now: Millis) -> bool {
        self.pace().taken(now);
        let mut channel = self.channel();
        let was_paused = matches!(channel.flow(), Flow::Paused { .. });
        channel.succeeded(entry);
        was_paused
    }

    /// Nothing waits for the channel.
    pub(crate) fn nothing_waits(&self, now: Millis) {
        self.channel().nothing_waits(now);
    }

    /// When an entry that is due at `next_at` is tried.
    pub(crate) fn try_at(&self, next_at: Millis) -> Millis {
        self.channel().try_at(next_at)
    }

    /// When the last entry was taken since the process began, and how many are taken in a minute.
    pub(crate) fn rate(&self, now: Millis) -> (Option<Millis>, Option<f64>) {
        let pace = self.pace();
        (pace.last(), pace.per_minute(now))
    }

    /// The `attempts`th attempt of `entry` failed: what happens to the entry.
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

    /// Whether entries flow, since when they do not, and which host is in the way.
    pub(crate) fn status(&self) -> (Flow, Option<Millis>, Option<String>) {
        let channel = self.channel();
        (channel.flow().clone(), channel.stopped_at(), channel.failed_at().map(str::to_owned))
    }

    /// The last change of the channel that is known of, by whichever gateway.
    pub(super) fn known(&self) -> i64 {
        self.agreed().number
    }

    /// Whether entries flow as far as the other gateways have said: they do where what is wrong is wrong here alone.
    pub(super) fn flows_elsewhere(&self) -> bool {
        self.agreed().note.probe_at.is_none()
    }

    /// Held by whoever tells the other gateways.
    pub(super) async fn turn_to_tell(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.telling.lock().await
    }

    /// How the channel stands here, where the other gateways have not been told and it is so for them, too.
    pub(super) fn untold(&self) -> Option<ChannelNote> {
        let note = self.channel().note()?;
        (note != self.agreed().note).then_some(note)
    }

    /// They have been told, with the change of this number.
    pub(super) fn told(&self, number: i64, note: ChannelNote) {
        *self.agreed() = Agreed { number, note };
    }

    /// Another gateway has changed how the channel stands. What was found out here meanwhile is newer, and what is wrong here alone stays so.
    pub(super) fn hears(&self, number: i64, note: ChannelNote) {
        let known = self.channel().note();
        if known.is_some_and(|known| known == self.agreed().note) {
            self.channel().follow(note.clone());
        }
        self.told(number, note);
    }

    fn agreed(&self) -> MutexGuard<'_, Agreed> {
        self.agreed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
