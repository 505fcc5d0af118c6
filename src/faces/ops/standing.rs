//! How everything stands at one moment: what `/readyz`, `/metrics` and the page show.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Ops, failing, log};
use crate::clock::{Timestamp, between};
use crate::config;
use crate::destinations::{Rows, esignet};
use crate::error::{Error, Result};
use crate::faces::{Listener, Switch};
use crate::keys::{self, Dated, Ring, dated};
use crate::ledger::entry::{Entry, Refusal, State};
use crate::ledger::job::{Progress, Unfinished};
use crate::ledger::{Failing, Ledger, Neighbour, Pair, QuarantineCount, Tally};
use crate::queue::ChannelStatus;
use crate::queue::channel::Flow;
use crate::store::{Millis, Queue, Room, Trouble};
use crate::tasks::{hub, reconcile, subscriptions};

/// How long the figures of the database are waited for: less than the second that a probe waits for all.
const PATIENCE: Duration = Duration::from_millis(500);

/// A moment of the gateway.
pub(super) struct Standing {
    pub(super) now: Timestamp,
    /// An event post would be taken.
    pub(super) ready: bool,
    /// Why nothing is taken; `None`: what comes is taken.
    pub(super) trouble: Option<Trouble>,
    /// Rows that do not open, by table.
    pub(super) unreadable: BTreeMap<&'static str, u64>,
    /// How the rows of every destination are called.
    pub(super) rows: Arc<[Rows]>,
    pub(super) channels: Vec<ChannelStatus>,
    /// `None`: the database did not answer in time.
    pub(super) stored: Option<Stored>,
    pub(super) disk_left: Option<u64>,
    pub(super) disk_used: u64,
    /// MOSIP's hub; `None`: none is set.
    pub(super) hub: Option<hub::Status>,
    /// What is subscribed at OpenCRVS; `None`: nothing is to be.
    pub(super) webhooks: Option<subscriptions::Status>,
    /// How OpenCRVS was last compared with what is here; `None`: it was not.
    pub(super) reconciled: Option<reconcile::Status>,
    /// eSignet; `None`: none is set.
    pub(super) esignet: Option<esignet::Status>,
    /// Keys that destinations need and that are not there, each behind the word of the destination.
    pub(super) lacking: Vec<(&'static str, Error)>,
    pub(super) ring: Arc<Ring>,
    pub(super) listeners: Arc<[Listener]>,
    /// Every certificate that is used, shown or trusted; those of own keys first, those outside the key ring last.
    pub(super) certificates: Vec<Dated>,
    /// What is not as it should be with the settings and their files, but for the dates of certificates.
    pub(super) setting_troubles: Arc<[config::Trouble]>,
    /// Recipients of whom nothing but a public key is there, although something is sealed to them.
    pub(super) only_verify: Vec<config::Trouble>,
    /// Faces that stand in for older systems.
    pub(super) faces: Arc<[Switch]>,
    pub(super) uptime: Millis,
}

/// What the database says.
pub(super) struct Stored {
    pub(super) entries: Tally,
    pub(super) deliveries: u64,
    /// Since when the oldest of them waits.
    pub(super) oldest_delivery: Option<Millis>,
    /// What is refused, by its reason: over all rows, whatever their state.
    pub(super) failing: Vec<Failing>,
    pub(super) jobs: Unfinished,
    pub(super) quarantine: Vec<QuarantineCount>,
    /// Events that got one application id.
    pub(super) aids_given_twice: Vec<Pair>,
    /// Registrations that MOSIP has not answered in time, nor since.
    pub(super) silent: u64,
    /// Registrations that wait, and whose record token ends soon.
    pub(super) record_tokens_ending: u64,
    /// The gateways that share the database; none where one alone may have it open.
    pub(super) gateways: Vec<Neighbour>,
}

impl Standing {
    /// Counts are index scans, and one request counts at a time: probes never crowd out event posts.
    pub(super) async fn of(ops: &Ops) -> Self {
        let ledger = ops.app.ledger();
        let counted = tokio::time::timeout(PATIENCE, async {
            let _turn = ops.counting.lock().await;
            Stored::read(ledger).await
        });
        let stored = counted.await.ok().and_then(Result::ok);
        let trouble = ledger.trouble();
        let ring = ops.app.ring();
        let Room { left: disk_left, used: disk_used } = ledger.room();
        let now = ops.app.now();
        let needs = ops.app.key_needs().iter();
        let lacking = needs
            .flat_map(|needs| needs.lacking(&ring, now).into_iter().map(|error| (needs.destination, error)))
            .collect();
        let mut standing = Self {
            now,
            ready: trouble.is_none() && !*ops.stopping.borrow(),
            trouble,
            unreadable: ledger.unreadable(),
            channels: ops
                .app
                .engine()
                .status()
                .into_iter()
                .filter(|channel| is_used(channel, stored.as_ref()))
                .collect(),
            rows: ops.app.rows(),
            stored,
            disk_left,
            disk_used,
            only_verify: ops
                .app
                .key_needs()
                .iter()
                .filter_map(|needs| needs.only_verified_by(&ring))
                .collect(),
            certificates: [ring.certificates(), ops.app.reload().certificates().dated.clone()].concat(),
            ring,
            hub: ops.app.hub().status(),
            webhooks: ops.app.subscriptions().status(),
            reconciled: ops.app.reconciler().status(),
            esignet: ops.app.esignet().status().map(|(status, _)| status),
            lacking,
            listeners: ops.app.listeners(),
            setting_troubles: ops
                .app
                .troubles()
                .iter()
                .cloned()
                .chain(log::trouble(ops.app.level()))
                .collect(),
            faces: ops.app.faces(),
            uptime: ledger.uptime(),
        };
        // Where nothing waits, an attempt of some time ago says nothing about now.
        let is_idle: Vec<bool> = standing
            .channels
            .iter()
            .map(|channel| standing.stored.is_some() && standing.waiting(channel) == 0)
            .collect();
        for (channel, is_idle) in standing.channels.iter_mut().zip(is_idle) {
            if is_idle && channel.is_failing() {
                channel.stopped_at = None;
            }
        }
        standing
    }

    /// Entries in `state`, over all kinds.
    pub(super) fn count(&self, state: State) -> u64 {
        self.count_of(|_, _| true, &[state])
    }

    /// Entries for `destination` in one of `states`.
    pub(super) fn count_for(&self, destination: &str, states: &[State]) -> u64 {
        self.count_of(|of, _| of == destination, states)
    }

    /// Whether entries go to `destination`.
    pub(super) fn goes_to(&self, destination: &str) -> bool {
        self.channels.iter().any(|channel| channel.destination == destination)
    }

    /// Entries, records or messages of `channel` that have not arrived.
    pub(super) fn waiting(&self, channel: &ChannelStatus) -> u64 {
        let stored = self.stored.as_ref();
        match channel.queue {
            Queue::Entries => {}
            Queue::Records => return stored.map_or(0, Stored::records_waiting),
            Queue::Deliveries => return stored.map_or(0, |stored| stored.deliveries),
        }
        let goes_there = |destination: &str, kind: &str| {
            destination == channel.destination
                && (channel.kinds.is_empty() || channel.kinds.iter().any(|of| of == kind))
        };
        self.count_of(goes_there, &State::WAITING)
    }

    /// The channel that carries `entry`.
    pub(super) fn channel_of(&self, entry: &Entry) -> Option<&ChannelStatus> {
        self.channels.iter().find(|channel| channel.takes(Queue::Entries, &entry.destination, &entry.kind))
    }

    /// The channel that carries the rows of `failing`.
    pub(super) fn channel_of_failing(&self, failing: &Failing) -> Option<&ChannelStatus> {
        let Failing { queue, destination, kind, .. } = failing;
        self.channels.iter().find(|channel| channel.takes(*queue, destination, kind))
    }

    /// Why what goes through `channel` can be neither signed nor sealed.
    pub(super) fn lacks_key(&self, channel: &ChannelStatus) -> Option<&Error> {
        self.lacking.iter().find(|(of, _)| *of == channel.destination).map(|(_, error)| error)
    }

    /// How people call what the rows for `destination` go to; one that no setting names any more is called by its word.
    pub(super) fn system<'s>(&'s self, destination: &'s str) -> &'s str {
        let rows = self.rows.iter().find(|rows| rows.destination == destination);
        rows.map_or(destination, |rows| rows.system)
    }

    /// When `channel` stopped, by the machine's clock.
    pub(super) fn stopped_at(&self, channel: &ChannelStatus) -> Timestamp {
        let ago = channel.stopped_at.map_or(0, |at| self.uptime.saturating_sub(at));
        Timestamp::from_millis(self.now.millis().saturating_sub(ago))
    }

    /// Why most of what waits for `channel` has no answer, where nobody answers there.
    pub(super) fn unanswered(&self, channel: &ChannelStatus) -> Option<&Refusal> {
        let is_silent = channel.is_failing() || matches!(channel.flow, Flow::Broken { .. });
        let failing = &self.stored.as_ref().filter(|_| is_silent)?.failing;
        failing::waiting_for(failing, channel)
    }

    /// Why messages for the mediator are not taken, where `channel` carries it and it answers: each is refused by itself.
    pub(super) fn refused(&self, channel: &ChannelStatus) -> Option<&Refusal> {
        let is_open =
            channel.queue == Queue::Deliveries && channel.flow == Flow::Open && !channel.is_failing();
        self.stored.as_ref().filter(|_| is_open)?.delivery_refusal()
    }

    /// How long until nothing waits for `channel`, at the rate of the last minutes. `None`: nothing waits, it does not flow, or its rate is
    /// not known.
    pub(super) fn drained_in(&self, channel: &ChannelStatus) -> Option<Duration> {
        let (waiting, rate) = (self.waiting(channel), channel.per_minute?);
        let flows = waiting > 0 && channel.state() == "open" && self.refused(channel).is_none();
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let minutes = flows.then(|| waiting as f64 / rate)?;
        Duration::try_from_secs_f64(minutes * 60.0).ok()
    }

    /// For how long the oldest entry has waited, wherever it goes; none waits: zero.
    pub(super) fn oldest_age(&self) -> Duration {
        let oldest = self.stored.iter().flat_map(|stored| stored.entries.oldest_waiting.values()).min();
        since(*oldest.unwrap_or(&self.now), self.now)
    }

    /// For how long the oldest of the rows has waited that go to a destination; `None`: none waits.
    pub(super) fn oldest_for(&self, rows: &Rows) -> Option<Duration> {
        let stored = self.stored.as_ref()?;
        match rows.queue {
            Queue::Entries => {
                let oldest = stored.entries.oldest_waiting.get(rows.destination)?;
                Some(since(*oldest, self.now))
            }
            Queue::Records => stored.jobs.since.map(|since| self.waited(since)),
            Queue::Deliveries => stored.oldest_delivery.map(|since| self.waited(since)),
        }
    }

    /// For how long a message has waited that waits since `moment` on the outbox's clock.
    pub(super) fn waited(&self, moment: Millis) -> Duration {
        between(moment, self.uptime)
    }

    /// Until `moment` on the outbox's clock; past: zero.
    pub(super) fn until(&self, moment: Millis) -> Duration {
        between(self.uptime, moment)
    }

    /// Everything that is not as it should be with settings, files, keys and certificates. Nothing of it keeps events from being taken.
    pub(super) fn troubles(&self) -> Vec<config::Trouble> {
        self.of_settings().chain(self.key_troubles()).chain(self.example_keys()).collect()
    }

    /// Settings and the files that they name, with all certificates that have ended, or end soon.
    pub(super) fn of_settings(&self) -> impl Iterator<Item = config::Trouble> + '_ {
        self.setting_troubles.iter().cloned().chain(dated::troubles(&self.certificates, self.now))
    }

    /// Key files that are not as they should be.
    pub(super) fn key_troubles(&self) -> impl Iterator<Item = config::Trouble> + '_ {
        let of_ring = self.ring.troubles().iter().map(|trouble| config::Trouble {
            subject: trouble.location.short(),
            what: trouble.what.clone(),
            advice: trouble.advice.clone(),
            fatal: trouble.fatal,
        });
        of_ring.chain(self.only_verify.iter().cloned())
    }

    /// Key files that anybody has.
    pub(super) fn example_keys(&self) -> impl Iterator<Item = config::Trouble> {
        let files = self.ring.example_keys().into_iter();
        files.map(|file| config::Trouble::new(file, keys::EXAMPLE, keys::NO_EXAMPLE))
    }

    fn count_of(&self, counts: impl Fn(&str, &str) -> bool, states: &[State]) -> u64 {
        let Some(stored) = &self.stored else { return 0 };
        let counted = stored.entries.counts.iter();
        counted
            .filter(|((destination, kind, state), _)| states.contains(state) && counts(destination, kind))
            .map(|(_, count)| count)
            .sum()
    }
}

impl Stored {
    async fn read(ledger: &Ledger) -> Result<Self> {
        let (entries, undelivered, failing, quarantine, jobs, aids_given_twice, silent, ending, gateways) = tokio::try_join!(
            ledger.tally(),
            ledger.undelivered_count(),
            ledger.failing(),
            ledger.quarantine_counts(),
            ledger.unfinished_jobs(),
            ledger.aids_given_twice(),
            ledger.unanswered(),
            ledger.record_tokens_ending(),
            ledger.neighbours()
        )?;
        let (deliveries, oldest_delivery) = undelivered;
        Ok(Self {
            entries,
            deliveries,
            oldest_delivery,
            failing,
            jobs,
            quarantine,
            aids_given_twice,
            silent,
            record_tokens_ending: ending,
            gateways,
        })
    }

    /// Why most of the messages that wait for the mediator after an attempt that failed were not taken.
    pub(super) fn delivery_refusal(&self) -> Option<&Refusal> {
        failing::waiting(self, Queue::Deliveries).first().map(|group| group.refusal)
    }

    /// Records of jobs that IDA has not been asked about.
    pub(super) fn records_waiting(&self) -> u64 {
        let Progress { queued, leased, .. } = self.jobs.progress;
        queued + leased
    }

    /// Messages and bytes in quarantine.
    pub(super) fn quarantined(&self) -> (u64, u64) {
        self.quarantine
            .iter()
            .fold((0, 0), |(messages, bytes), count| (messages + count.messages, bytes + count.bytes))
    }
}

/// IDA has a channel even where it is not configured, so that records of an earlier configuration show why they wait.
fn is_used(channel: &ChannelStatus, stored: Option<&Stored>) -> bool {
    let waits = || stored.is_some_and(|stored| stored.records_waiting() > 0);
    channel.is_configured() || channel.flow != Flow::Open || waits()
}

/// From `then` to `now`; a clock that was set back gives zero.
pub(super) fn since(then: Timestamp, now: Timestamp) -> Duration {
    between(then.millis(), now.millis())
}
