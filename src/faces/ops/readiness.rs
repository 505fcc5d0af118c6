//! The body of `/readyz`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::failing::FailingView;
use super::hub::Hub;
use super::standing::{Standing, days_left};
use crate::clock::Timestamp;
use crate::error::{Error, Fault};
use crate::ledger::entry::{self, State};
use crate::queue::ChannelStatus;
use crate::queue::channel::Flow;
use crate::store;

#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    ready: bool,
    outbox: Outbox,
    channels: Vec<ChannelView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    quarantine: Option<Quarantine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deliveries: Option<Deliveries>,
    /// What is refused, by its reason, counted over all rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failing: Option<Vec<FailingView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jobs: Option<Jobs>,
    /// Absent where none is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hub: Option<Hub>,
    /// Settings, files, keys and certificates that are not as they should be. They do not change the status.
    troubles: Vec<Odd>,
    keys: Keys,
    listeners: Vec<Listener>,
    /// Every one that is loaded, shown or trusted.
    certificates: Vec<Certificate>,
    /// Faces that stand in for older systems, and whether each is on.
    faces: BTreeMap<&'static str, bool>,
}

/// Messages that the mediator has not taken.
#[derive(Serialize, ToSchema)]
struct Deliveries {
    waiting: u64,
    /// For how long the oldest has waited.
    oldest_seconds: u64,
    /// Why most of those failed that were tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refusal: Option<Refusal>,
}

#[derive(Serialize, ToSchema)]
struct Jobs {
    unfinished: u64,
    /// Records that IDA has not been asked about.
    records_waiting: u64,
}

#[derive(Serialize, ToSchema)]
struct Certificate {
    /// `own`, `peer`, `authority` (in `keys.ca_file`), `listener`, `trusted` (by a setting)
    role: &'static str,
    name: String,
    /// Negative once it has expired.
    days_to_expiry: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = SettingTrouble)]
struct Odd {
    /// A setting, or a file.
    subject: String,
    detail: String,
    advice: String,
    /// Something that the configuration asks for cannot work.
    fatal: bool,
}

#[derive(Serialize, ToSchema)]
struct Listener {
    name: &'static str,
    tls: bool,
    /// Of its certificate; negative once it has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    days_to_expiry: Option<i64>,
}

#[derive(Serialize, ToSchema)]
struct Outbox {
    writable: bool,
    /// Why nothing is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    trouble: Option<Trouble>,
    /// Rows that do not open, by table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unreadable: BTreeMap<&'static str, u64>,
    /// Counts are absent while the database does not answer.
    #[serde(flatten)]
    depth: Option<Depth>,
}

#[derive(Serialize, ToSchema)]
struct Trouble {
    #[schema(value_type = String)]
    fault: Fault,
    detail: String,
    advice: &'static str,
    /// `database`, `log`, `key`, `lock`: what was removed or replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
struct Depth {
    queued: u64,
    leased: u64,
    parked: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Channel)]
struct ChannelView {
    /// The word of a destination: `mediator`, …
    destination: String,
    host: String,
    /// None where all that goes to the destination goes there.
    kinds: Vec<String>,
    /// `open`, `failing` (nobody gave a usable answer to the last attempts), `broken` (one is tried every 5 seconds), `paused`
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<String>,
    /// What has not arrived there.
    waiting: u64,
    /// Seconds until one is tried; only where it is broken or paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_try_in: Option<u64>,
    /// When it last took something, before the start too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_success: Option<String>,
    #[serde(flatten)]
    refusal: Option<Refusal>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Refusal {
    #[schema(value_type = String)]
    fault: Fault,
    code: String,
    advice: String,
}

#[derive(Serialize, ToSchema)]
struct Quarantine {
    messages: u64,
    bytes: u64,
}

#[derive(Serialize, ToSchema)]
struct Keys {
    /// Every configured key and certificate is loaded and in its dates, and those that events need are among them.
    healthy: bool,
    own: usize,
    peers: usize,
    troubles: usize,
    /// Days until the first certificate expires; negative once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    days_to_first_expiry: Option<i64>,
}

impl Readiness {
    pub(super) fn of(standing: &Standing) -> Self {
        let stored = standing.stored.as_ref();
        let depth = stored.map(|_| Depth {
            queued: standing.count(State::Queued),
            leased: standing.count(State::Leased),
            parked: standing.count(State::Parked),
        });
        let ring = &standing.ring;
        Self {
            ready: standing.ready,
            outbox: Outbox {
                writable: standing.trouble.is_none(),
                trouble: standing.trouble.as_ref().map(Trouble::of),
                unreadable: standing.unreadable.clone(),
                depth,
            },
            channels: standing.channels.iter().map(|channel| ChannelView::of(channel, standing)).collect(),
            quarantine: stored
                .map(|stored| stored.quarantined())
                .map(|(messages, bytes)| Quarantine { messages, bytes }),
            deliveries: stored.map(|stored| Deliveries {
                waiting: stored.deliveries,
                oldest_seconds: stored.oldest_delivery.map_or(0, |since| standing.waited(since).as_secs()),
                refusal: stored.delivery_refusal().map(Refusal::of_row),
            }),
            failing: stored.map(FailingView::all),
            jobs: stored
                .map(|stored| Jobs { unfinished: stored.jobs.0, records_waiting: stored.records_waiting() }),
            certificates: standing
                .certificates()
                .map(|dated| Certificate {
                    role: dated.role,
                    days_to_expiry: dated.days_left(standing.now),
                    name: dated.name,
                })
                .collect(),
            hub: standing.hub.as_ref().map(Hub::of),
            troubles: standing
                .troubles()
                .into_iter()
                .map(|trouble| Odd {
                    subject: trouble.short_subject().to_owned(),
                    detail: trouble.what,
                    advice: trouble.advice,
                    fatal: trouble.fatal,
                })
                .collect(),
            faces: standing.faces.iter().copied().collect(),
            keys: Keys {
                healthy: ring.troubles().is_empty() && standing.lacking.is_empty(),
                own: ring.own().len(),
                peers: ring.peers().len(),
                troubles: ring.troubles().len(),
                days_to_first_expiry: standing
                    .certificates()
                    .filter(|dated| !dated.needs_restart())
                    .map(|dated| dated.days_left(standing.now))
                    .min(),
            },
            listeners: standing
                .listeners
                .iter()
                .map(|listener| Listener {
                    name: listener.name,
                    tls: listener.has_tls,
                    days_to_expiry: listener.dates.map(|dates| days_left(dates.not_after, standing.now)),
                })
                .collect(),
        }
    }
}

impl Refusal {
    pub(super) fn of_row(refusal: &entry::Refusal) -> Self {
        let entry::Refusal { fault, code, advice, .. } = refusal.clone();
        Self { fault, code, advice }
    }

    pub(super) fn of(error: &Error) -> Self {
        Self {
            fault: error.fault(),
            code: error.code().as_str().to_owned(),
            advice: error.advice().to_owned(),
        }
    }
}

impl Trouble {
    fn of(trouble: &store::Trouble) -> Self {
        Self {
            fault: Fault::Storage,
            detail: trouble.detail(),
            advice: trouble.advice(),
            gone: trouble.gone().iter().map(|gone| gone.piece.as_str()).collect(),
        }
    }
}

impl ChannelView {
    fn of(channel: &ChannelStatus, standing: &Standing) -> Self {
        let refusal = match &channel.flow {
            Flow::Paused { reason, .. } => Some(Refusal::of(reason)),
            Flow::Open | Flow::Broken { .. } => standing.unanswered(channel).map(Refusal::of_row),
        };
        Self {
            destination: channel.destination.clone(),
            host: channel.host.clone(),
            kinds: channel.kinds.clone(),
            state: channel.state(),
            since: channel.stopped_at.map(|_| standing.stopped_at(channel).to_iso()),
            waiting: standing.waiting(channel),
            next_try_in: channel.flow.next_probe().map(|at| standing.until(at).as_secs()),
            last_success: channel.last_success.map(Timestamp::to_iso),
            refusal,
        }
    }
}
