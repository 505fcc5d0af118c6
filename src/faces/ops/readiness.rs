//! The body of `/readyz`. Strangers get it without its sentences and names, which say where an installation is weak.

mod certificates;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use self::certificates::{Certificate, Listener};
use super::esignet::Esignet;
use super::failing::FailingView;
use super::hub::Hub;
use super::standing::Standing;
use super::webhooks::Webhooks;
use crate::clock::Timestamp;
use crate::error::{Error, Fault};
use crate::keys::dated;
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
    /// Registrations that wait, and whose record token ends within two days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    record_tokens_ending: Option<u64>,
    /// Absent where none is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hub: Option<Hub>,
    /// What is subscribed at OpenCRVS. Absent where nothing is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhooks: Option<Webhooks>,
    /// Absent where none is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    esignet: Option<Esignet>,
    /// How many settings, files, keys and certificates are not as they should be. They do not change the status.
    trouble_counts: TroubleCounts,
    /// Each of them. For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    troubles: Option<Vec<Odd>>,
    keys: Keys,
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    listeners: Option<Vec<Listener>>,
    /// Every one that is loaded, shown or trusted. For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    certificates: Option<Vec<Certificate>>,
    /// Faces that stand in for older systems, and whether each is on: `faces.webhooks`, `seeder.consent` (`authtoken`) and
    /// `faces.mosip_api` switch them. For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    faces: Option<BTreeMap<&'static str, bool>>,
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
struct TroubleCounts {
    /// Something that the configuration asks for cannot work.
    fatal: usize,
    /// Nothing stops for it.
    others: usize,
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
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    advice: Option<&'static str>,
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
    /// That of the URL; while a further step or a token is in the way, that of theirs. For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    host: Option<String>,
    /// None where all that goes to the destination goes there.
    kinds: Vec<String>,
    /// `open`, `failing` (nobody gave a usable answer to the last attempts), `broken` (one is tried every few seconds), `paused`
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
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    advice: Option<String>,
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
    /// Own keys that will be gone, since their files are missing or hold other keys.
    retiring: usize,
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
        let troubles = standing.troubles();
        let fatal = troubles.iter().filter(|trouble| trouble.fatal).count();
        let troubles_view = troubles.iter().map(|trouble| Odd {
            subject: trouble.short_subject().to_owned(),
            detail: trouble.what.clone(),
            advice: trouble.advice.clone(),
            fatal: trouble.fatal,
        });
        let soonest = dated::soonest(&standing.certificates, standing.now);
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
            jobs: stored.map(|stored| Jobs {
                unfinished: stored.jobs.jobs,
                records_waiting: stored.records_waiting(),
            }),
            record_tokens_ending: stored.map(|stored| stored.record_tokens_ending),
            certificates: Some(Certificate::all(standing)),
            hub: standing.hub.as_ref().map(Hub::of),
            webhooks: standing.webhooks.as_ref().map(Webhooks::of),
            esignet: standing.esignet.as_ref().map(Esignet::of),
            trouble_counts: TroubleCounts { fatal, others: troubles.len() - fatal },
            troubles: Some(troubles_view.collect()),
            faces: Some(standing.faces.iter().map(|face| (face.name, face.is_on)).collect()),
            keys: Keys {
                healthy: ring.troubles().is_empty() && standing.lacking.is_empty(),
                own: ring.own().len(),
                peers: ring.peers().len(),
                troubles: ring.troubles().len(),
                retiring: ring.retiring().count(),
                days_to_first_expiry: soonest
                    .iter()
                    .filter(|dated| dated.place.is_of_ring())
                    .map(|dated| dated.days_left(standing.now))
                    .min(),
            },
            listeners: Some(Listener::all(standing, &soonest)),
        }
    }

    /// Without sentences and names: counts and words of state. Field by field, so that a further one is thought of here.
    pub(super) fn for_strangers(self) -> Self {
        let Self {
            ready,
            outbox,
            channels,
            quarantine,
            deliveries,
            failing,
            jobs,
            record_tokens_ending,
            hub,
            webhooks,
            esignet,
            trouble_counts,
            ..
        } = self;
        let short = Refusal::short;
        Self {
            ready,
            outbox: Outbox {
                trouble: outbox.trouble.map(|trouble| Trouble { detail: None, advice: None, ..trouble }),
                ..outbox
            },
            channels: channels
                .into_iter()
                .map(|channel| ChannelView { host: None, refusal: channel.refusal.map(short), ..channel })
                .collect(),
            quarantine,
            deliveries: deliveries.map(|all| Deliveries { refusal: all.refusal.map(short), ..all }),
            failing: failing.map(|all| all.into_iter().map(FailingView::for_strangers).collect()),
            jobs,
            record_tokens_ending,
            hub: hub.map(Hub::for_strangers),
            webhooks: webhooks.map(Webhooks::for_strangers),
            esignet: esignet.map(Esignet::for_strangers),
            trouble_counts,
            troubles: None,
            keys: self.keys,
            listeners: None,
            certificates: None,
            faces: None,
        }
    }
}

impl Refusal {
    pub(super) fn of_row(refusal: &entry::Refusal) -> Self {
        let entry::Refusal { fault, code, advice, .. } = refusal.clone();
        Self { fault, code, advice: Some(advice) }
    }

    /// Without its sentence.
    pub(super) fn short(self) -> Self {
        Self { advice: None, ..self }
    }

    pub(super) fn of(error: &Error) -> Self {
        Self {
            fault: error.fault(),
            code: error.code().as_str().to_owned(),
            advice: Some(error.advice().to_owned()),
        }
    }
}

impl Trouble {
    fn of(trouble: &store::Trouble) -> Self {
        Self {
            fault: Fault::Storage,
            detail: Some(trouble.detail()),
            advice: Some(trouble.advice()),
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
            host: Some(channel.host_to_look_at().to_owned()),
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
