//! The record of what the simulator received, for tests. It keeps the last [`LIMIT`] entries of each kind.

mod arrival;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use serde::Serialize;
use tokio::sync::watch;

pub(super) use self::arrival::{Arrival, Receipt};
use super::answer::Refusal;
use super::event::Kind;
use super::opencrvs::CoreCall;
use super::packets::Packet;
use crate::clock::Timestamp;

/// Entries kept of each kind; the oldest go first.
pub const LIMIT: usize = 200_000;

/// The handle to the record of a running fake. Cheap to clone.
#[derive(Clone)]
pub struct History(Arc<Inner>);

struct Inner {
    record: Mutex<Record>,
    /// Requests that are being answered, by path.
    open: Mutex<BTreeMap<String, usize>>,
    changed: watch::Sender<()>,
}

/// Everything seen so far, each kind in order of arrival.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Record {
    /// Events, one entry for each id.
    pub accepted: VecDeque<Accepted>,
    /// What the MOSIP-side mediator, the packet manager and the workflow refused.
    pub refused: VecDeque<Refused>,
    /// Packets, one entry for each registration id.
    pub packets: VecDeque<Packet>,
    /// AIDs handed out.
    pub aids: VecDeque<Aid>,
    /// Calls of IDA.
    pub ida: VecDeque<IdaCall>,
    /// UINTOKENs posted, written when the post has ended.
    pub pushes: VecDeque<Push>,
    /// Requests to the hub.
    pub hub_calls: VecDeque<HubCall>,
    /// Attempts of the hub to deliver, written when the attempt has ended.
    pub hub_deliveries: VecDeque<HubDelivery>,
    /// Calls of OpenCRVS's core.
    pub core_calls: VecDeque<CoreCall>,
    /// Messages that partners published.
    pub published: VecDeque<serde_json::Value>,
    /// How many AIDs were handed out.
    pub aids_issued: u64,
    /// Tokens issued.
    pub tokens_issued: u64,
    /// Token requests refused.
    pub tokens_refused: u64,
    /// How many requests have ended, by path.
    pub requests: BTreeMap<String, u64>,
    /// The traces of all requests.
    pub traces: VecDeque<Traced>,
    /// The most requests that were being answered at once, by path.
    pub max_concurrent: BTreeMap<String, usize>,
}

/// What a request said of its trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Traced {
    /// Of the request.
    pub path: String,
    /// `x-request-id` and `traceparent`.
    pub headers: [Option<String>; 2],
}

/// An event that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// Of the body.
    pub id: String,
    /// The composition that `Task.focus` names; several ids may stand for one.
    pub composition: String,
    /// The path's last segment.
    pub kind: Kind,
    /// How often it was processed: always 1 for a birth.
    pub count: u64,
    /// How often a birth came again and was dropped with a plain success.
    pub repeats: u64,
    /// How often it came again after a later event of its composition.
    pub late: u64,
    /// Posts under this id whose plaintext was another than that of the first.
    pub altered: u64,
    /// The AID inside; births and deaths only.
    pub aid: Option<String>,
    /// Thumbprint in the envelope, lower-case hex.
    pub thumbprint: String,
    /// Bytes of the first envelope.
    pub envelope_bytes: usize,
    /// SHA-256 of the plaintext of the first post, lower-case hex.
    pub digest: String,
}

/// A request that the MOSIP-side mediator, the packet manager or the workflow refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The path's last segment.
    pub route: String,
    /// Of the body, where it could be read.
    pub id: Option<String>,
    /// The code in the answer.
    pub code: &'static str,
    /// The sentence in the answer.
    pub message: &'static str,
}

/// A call of IDA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdaCall {
    /// `mosip.identity.auth` and so on.
    pub service: &'static str,
    /// Of the body, where it could be read.
    pub transaction_id: Option<String>,
    /// The code that it was refused with.
    pub code: Option<String>,
}

/// An AID that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Aid {
    /// The number.
    pub value: String,
    /// The id it came back under.
    pub used_by: Option<String>,
}

/// A UINTOKEN that was posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Push {
    /// The id of the birth.
    pub id: String,
    /// `opencrvsBRN`
    pub brn: String,
    /// `uinToken`
    pub uin_token: String,
    /// Bytes of the body that was posted.
    pub sealed_bytes: usize,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why there was no answer.
    pub failure: Option<String>,
}

/// A request to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubCall {
    /// `subscribe`, `publish`
    pub mode: String,
    /// The topic.
    pub topic: String,
    /// Why it was denied.
    pub denial: Option<String>,
}

/// An attempt of the hub to deliver a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HubDelivery {
    /// The topic.
    pub topic: String,
    /// `event.id`, where the message has one.
    pub id: Option<String>,
    /// 1 to 3.
    pub attempt: u32,
    /// HTTP status of the answer, where there was one.
    pub status: Option<u16>,
}

impl Default for History {
    fn default() -> Self {
        let (record, open, changed) = Default::default();
        Self(Arc::new(Inner { record, open, changed }))
    }
}

impl History {
    /// Everything seen so far.
    pub fn record(&self) -> Record {
        self.lock().clone()
    }

    /// The event accepted under `id`.
    pub fn accepted(&self, id: &str) -> Option<Accepted> {
        self.lock().accepted.iter().find(|entry| entry.id == id).cloned()
    }

    /// Waits until `condition` holds, and returns the record of that moment.
    pub async fn wait_until(&self, condition: impl Fn(&Record) -> bool) -> Record {
        let mut changes = self.0.changed.subscribe();
        loop {
            let record = Some(self.lock()).filter(|record| condition(record)).map(|record| record.clone());
            if let Some(record) = record {
                return record;
            }
            if changes.changed().await.is_err() {
                return self.record();
            }
        }
    }

    /// Records an AID that an earlier simulator handed out, since MOSIP outlives its processes.
    pub fn know_aid(&self, value: &str) {
        self.change(|record| remember(&mut record.aids, Aid { value: value.to_owned(), used_by: None }));
    }

    /// A new AID in MOSIP's form: centre, machine, sequence number, time to the second.
    pub(super) fn hand_out_aid(&self, now: Timestamp) -> String {
        self.change(|record| {
            record.aids_issued += 1;
            let mut value = format!("1000110001{:05}", record.aids_issued);
            value.extend(now.to_iso().chars().filter(char::is_ascii_digit).take(14));
            remember(&mut record.aids, Aid { value: value.clone(), used_by: None });
            value
        })
    }

    /// Records a well-formed event, or returns why it is refused.
    pub(super) fn accept(&self, arrival: Arrival) -> Result<Receipt, Refusal> {
        self.change(|record| record.accept(arrival))
    }

    pub(super) fn refuse(&self, refused: Refused) {
        self.change(|record| remember(&mut record.refused, refused));
    }

    pub(super) fn ida(&self, call: IdaCall) {
        self.change(|record| remember(&mut record.ida, call));
    }

    /// Changes what is known of packets.
    pub(super) fn packets<T>(&self, change: impl FnOnce(&mut VecDeque<Packet>) -> T) -> T {
        self.change(|record| change(&mut record.packets))
    }

    pub(super) fn push(&self, push: Push) {
        self.change(|record| remember(&mut record.pushes, push));
    }

    pub(super) fn hub_call(&self, call: HubCall) {
        self.change(|record| remember(&mut record.hub_calls, call));
    }

    pub(super) fn hub_delivery(&self, delivery: HubDelivery) {
        self.change(|record| remember(&mut record.hub_deliveries, delivery));
    }

    pub(super) fn core_call(&self, call: CoreCall) {
        self.change(|record| remember(&mut record.core_calls, call));
    }

    pub(super) fn published(&self, message: serde_json::Value) {
        self.change(|record| remember(&mut record.published, message));
    }

    pub(super) fn token_issued(&self) {
        self.change(|record| record.tokens_issued += 1);
    }

    pub(super) fn token_refused(&self) {
        self.change(|record| record.tokens_refused += 1);
    }

    /// A request to `path` that is being answered for as long as the visit is kept.
    pub(super) fn visit(&self, path: &str, headers: &HeaderMap) -> Visit {
        let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let headers = ["x-request-id", "traceparent"].map(header);
        self.change(|record| remember(&mut record.traces, Traced { path: path.to_owned(), headers }));
        let now = {
            let mut open = self.open();
            let now = open.entry(path.to_owned()).or_default();
            *now += 1;
            *now
        };
        let mut record = self.lock();
        let most = record.max_concurrent.entry(path.to_owned()).or_default();
        *most = now.max(*most);
        Visit { history: self.clone(), path: path.to_owned() }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let result = change(&mut self.lock());
        self.0.changed.send_replace(());
        result
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered. It also ends when its caller hangs up.
pub(super) struct Visit {
    history: History,
    path: String,
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(open) = self.history.open().get_mut(&self.path) {
            *open -= 1;
        }
        self.history
            .change(|record| *record.requests.entry(std::mem::take(&mut self.path)).or_default() += 1);
    }
}

fn remember<T>(entries: &mut VecDeque<T>, entry: T) {
    if entries.len() == LIMIT {
        entries.pop_front();
    }
    entries.push_back(entry);
}
