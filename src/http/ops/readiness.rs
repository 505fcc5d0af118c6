//! The body of `/readyz`.

use serde::Serialize;

use super::standing::Standing;
use crate::outbox::channel::Flow;
use crate::outbox::dispatch::ChannelStatus;
use crate::outbox::entry::State;

#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    outbox: Outbox,
    channels: Vec<Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<Quarantine>,
    keys: Keys,
}

#[derive(Serialize)]
struct Outbox {
    writable: bool,
    /// Counts are absent while the database does not answer.
    #[serde(flatten)]
    depth: Option<Depth>,
}

#[derive(Serialize)]
struct Depth {
    queued: u64,
    leased: u64,
    parked: u64,
}

#[derive(Serialize)]
struct Channel {
    host: String,
    kinds: Vec<&'static str>,
    /// `open`, `broken`, `paused`
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(flatten)]
    refusal: Option<Refusal>,
}

#[derive(Serialize)]
struct Refusal {
    fault: String,
    code: String,
    advice: String,
}

#[derive(Serialize)]
struct Quarantine {
    messages: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Keys {
    /// Every configured key and certificate is loaded and in its dates.
    healthy: bool,
    own: usize,
    peers: usize,
    troubles: usize,
    /// Days until the first certificate expires; negative once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
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
            outbox: Outbox { writable: standing.writable, depth },
            channels: standing.channels.iter().map(|channel| Channel::of(channel, standing)).collect(),
            quarantine: stored
                .map(|stored| stored.quarantined())
                .map(|(messages, bytes)| Quarantine { messages, bytes }),
            keys: Keys {
                healthy: ring.troubles().is_empty(),
                own: ring.own().len(),
                peers: ring.peers().len(),
                troubles: ring.troubles().len(),
                days_to_first_expiry: standing
                    .certificates()
                    .map(|dated| dated.days_left(standing.now))
                    .min(),
            },
        }
    }
}

impl Channel {
    fn of(channel: &ChannelStatus, standing: &Standing) -> Self {
        let refusal = match &channel.flow {
            Flow::Paused { refusal, .. } => Some(Refusal {
                fault: refusal.fault.clone(),
                code: refusal.code.clone(),
                advice: refusal.advice.clone(),
            }),
            Flow::Open | Flow::Broken { .. } => None,
        };
        Self {
            host: channel.host.clone(),
            kinds: channel.kinds.iter().map(|kind| kind.as_str()).collect(),
            state: channel.flow.as_str(),
            since: channel.stopped_at.map(|_| standing.stopped_at(channel).to_iso()),
            refusal,
        }
    }
}
