//! What does not flow, by its reason and counted over all rows: in the headline, on the page, in readiness and in metrics.

use std::time::Duration;

use maud::{Markup, html};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::headline::{Remark, Tone};
use super::page::lists::reason;
use super::page::{section, table, words};
use super::readiness;
use super::standing::{Standing, Stored};
use crate::destinations::Rows;
use crate::error::Fault;
use crate::ledger::Failing;
use crate::ledger::entry::{Refusal, State};
use crate::queue::ChannelStatus;
use crate::queue::channel::Flow;
use crate::store::Queue;

/// Records without a token stand in the headline for so long after the last one.
const RECENT: Duration = Duration::from_hours(24);

/// Rows that wait for one destination, whose last attempt failed for one reason.
pub(super) struct Group<'s> {
    queue: Queue,
    destination: &'s str,
    rows: u64,
    pub(super) refusal: &'s Refusal,
}

/// What waits in `queue` after an attempt that failed, the commonest reason of each destination first.
pub(super) fn waiting(stored: &Stored, queue: Queue) -> Vec<Group<'_>> {
    gathered(stored.failing.iter().filter(|failing| failing.queue == queue && waits(failing)))
}

/// Why most of the rows wait that `channel` carries and whose last attempt failed.
pub(super) fn waiting_for<'s>(failing: &'s [Failing], channel: &ChannelStatus) -> Option<&'s Refusal> {
    let is_carried = |failing: &&Failing| {
        waits(failing) && channel.takes(failing.queue, &failing.destination, &failing.kind)
    };
    gathered(failing.iter().filter(is_carried)).first().map(|group| group.refusal)
}

fn waits(failing: &Failing) -> bool {
    State::WAITING.contains(&failing.state)
}

/// Kinds and states of one destination and reason are one.
fn gathered<'s>(failing: impl Iterator<Item = &'s Failing>) -> Vec<Group<'s>> {
    let mut groups: Vec<Group<'s>> = Vec::new();
    for Failing { queue, destination, refusal, rows, .. } in failing {
        let is_same = |group: &&mut Group<'_>| {
            group.queue == *queue && group.destination == destination && group.refusal == refusal
        };
        match groups.iter_mut().find(is_same) {
            Some(group) => group.rows += rows,
            None => groups.push(Group { queue: *queue, destination, rows: *rows, refusal }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.rows));
    groups
}

/// In the headline: what waits after an attempt that failed, though its channel is open. What a stopped channel holds back, what does not
/// open and what the mediator does not take is said elsewhere.
pub(super) fn remarks(standing: &Standing, remarks: &mut Vec<Remark>) {
    let Some(stored) = &standing.stored else { return };
    let is_new = |failing: &&Failing| {
        let is_stopped =
            standing.channel_of_failing(failing).is_some_and(|channel| channel.flow != Flow::Open);
        failing.queue != Queue::Deliveries
            && waits(failing)
            && !is_stopped
            && failing.refusal.fault != Fault::Storage
    };
    let groups = gathered(stored.failing.iter().filter(is_new));
    let mut said: Vec<(Queue, &str)> = Vec::new();
    for Group { queue, destination, refusal, .. } in &groups {
        if said.contains(&(*queue, destination)) {
            continue;
        }
        said.push((*queue, destination));
        let of_it = groups.iter().filter(|group| (group.queue, group.destination) == (*queue, *destination));
        let (reasons, rows) =
            of_it.fold((0_u64, 0), |(reasons, rows), group| (reasons + 1, rows + group.rows));
        let count = match queue {
            Queue::Records => (rows, "record of a job", "records of jobs"),
            _ => (rows, "event", "events"),
        };
        let others = match reasons {
            1 => String::new(),
            _ => format!(" There are {reasons} reasons: see below."),
        };
        let system = Rows::system(destination);
        let waiting = words::uncapitalised(&words::wait(&[count]));
        remarks.push(Remark {
            tone: Tone::Waits,
            text: format!(
                "The last attempt failed: {waiting} for {system}, nothing is lost. {}{others}",
                words::sentence(&refusal.detail)
            ),
            advice: format!("It is tried again by itself. {}", words::sentence(&refusal.advice)),
        });
    }
}

/// In the headline: records that IDA refused, or that nobody could be asked about in time.
pub(super) fn refused_records(standing: &Standing, remarks: &mut Vec<Remark>) {
    let Some(stored) = &standing.stored else { return };
    let is_recent = |failing: &&Failing| {
        is_refused_record(failing) && failing.last_settled.is_some_and(|at| standing.waited(at) < RECENT)
    };
    let groups = gathered(stored.failing.iter().filter(is_recent));
    let Some(first) = groups.first() else { return };
    let records: u64 = groups.iter().map(|group| group.rows).sum();
    let have = if records == 1 { "record of a job has" } else { "records of jobs have" };
    let others = if groups.len() > 1 { " See below for the other reasons." } else { "" };
    remarks.push(Remark {
        tone: Tone::Waits,
        text: format!("{records} {have} no UINTOKEN. {}{others}", words::sentence(&first.refusal.detail)),
        advice: format!(
            "{} The results of each job name its records: correct them, and post them in another job.",
            words::sentence(&first.refusal.advice)
        ),
    });
}

fn is_refused_record(failing: &Failing) -> bool {
    failing.queue == Queue::Records && failing.state == State::Refused
}

/// On the page.
pub(super) fn render(standing: &Standing) -> Markup {
    let Some(stored) = &standing.stored else { return Markup::default() };
    let waiting = gathered(stored.failing.iter().filter(|failing| waits(failing)));
    let refused = gathered(stored.failing.iter().filter(|failing| is_refused_record(failing)));
    let ways = stored.failing.iter().filter(|failing| waits(failing));
    let ways = ways.map(|failing| standing.channel_of_failing(failing));
    let going = words::going(ways, "These are tried again by themselves.");
    let row = |group: &Group<'_>| {
        let (one, many) = match group.queue {
            Queue::Entries => ("event", "events"),
            Queue::Records => ("record", "records"),
            Queue::Deliveries => ("message", "messages"),
        };
        vec![
            html! { (words::counted(group.rows, one, many)) },
            html! { (Rows::system(group.destination)) },
            reason(Some(group.refusal)),
        ]
    };
    html! {
        @if !waiting.is_empty() {
            (section("failing", "Waiting after an attempt that failed", html! {
                p { (going) }
                (table("failing", &["How many", "For", "Reason"], waiting.iter().map(row)))
            }))
        }
        @if !refused.is_empty() {
            (section("refused", "Records of jobs without a UINTOKEN", html! {
                p { "These are settled. The results of each job name its records." }
                (table("refused", &["How many", "Asked", "Reason"], refused.iter().map(row)))
            }))
        }
    }
}

/// In readiness.
#[derive(Serialize, ToSchema)]
#[schema(as = Failing)]
pub(super) struct FailingView {
    /// The word of a destination: `mediator`, …
    destination: String,
    kind: String,
    /// `queued`, `leased`, `parked`; `refused`: a record of a job that ended without a UINTOKEN.
    state: &'static str,
    rows: u64,
    #[serde(flatten)]
    refusal: readiness::Refusal,
}

impl FailingView {
    pub(super) fn all(stored: &Stored) -> Vec<Self> {
        let view = |failing: &Failing| Self {
            destination: failing.destination.clone(),
            kind: failing.kind.clone(),
            state: failing.state.as_str(),
            rows: failing.rows,
            refusal: readiness::Refusal::of_row(&failing.refusal),
        };
        stored.failing.iter().map(view).collect()
    }

    /// Without its sentence.
    pub(super) fn for_strangers(self) -> Self {
        Self { refusal: self.refusal.short(), ..self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    destination: String,
    kind: String,
    state: &'static str,
    code: String,
}

/// In metrics.
pub(super) fn register(registry: &mut Registry, stored: &Stored) {
    let rows = Family::<Labels, Gauge>::default();
    for Failing { destination, kind, state, refusal, rows: count, .. } in &stored.failing {
        let labels = Labels {
            destination: destination.clone(),
            kind: kind.clone(),
            state: state.as_str(),
            code: refusal.code.clone(),
        };
        rows.get_or_create(&labels).inc_by(count.cast_signed());
    }
    registry.register("failing", "Rows whose last attempt failed, by the code of the reason", rows);
}
