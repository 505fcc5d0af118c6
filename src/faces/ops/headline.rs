//! The state of the gateway in sentences, for a person who has just opened the page. The first sentence is the one that matters most.

mod beside;

use std::collections::BTreeSet;
use std::time::Duration;

use super::esignet;
use super::failing;
use super::hub;
use super::page::words;
use super::standing::{Standing, Stored};
use super::webhooks;
use crate::clock::Timestamp;
use crate::destinations::Rows;
use crate::error::Error;
use crate::ledger::WEBHOOK;
use crate::ledger::entry::State;
use crate::queue::ChannelStatus;
use crate::queue::channel::Flow;
use crate::store::Queue;

/// A mediator that fetches its messages does so at least this often.
const FETCHED_WITHIN: Duration = Duration::from_mins(5);

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) tone: Tone,
    pub(super) text: String,
    /// What to do.
    pub(super) advice: String,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Nothing has to be done.
    Flows,
    /// Another party has to act.
    Waits,
    /// The operator's.
    Act,
}

/// At least one remark: what keeps events from flowing, or that nothing does; then what a person should look at some day.
pub(super) fn remarks(standing: &Standing) -> Vec<Remark> {
    let mut remarks = Vec::new();
    disk(standing, &mut remarks);
    unreadable(standing, &mut remarks);
    untrusted(standing, &mut remarks);
    paused(standing, &mut remarks);
    missing_keys(standing, &mut remarks);
    broken(standing, &mut remarks);
    nameless(standing, &mut remarks);
    undelivered(standing, &mut remarks);
    failing::remarks(standing, &mut remarks);
    hub::remarks(standing, &mut remarks);
    webhooks::remarks(standing, &mut remarks);
    esignet::remarks(standing, &mut remarks);
    undecided(standing, &mut remarks);
    given_twice(standing, &mut remarks);
    tokens_end(standing, &mut remarks);
    failing::refused_records(standing, &mut remarks);
    let unconnected = beside::unconnected(standing);
    let mut beside = Vec::new();
    hub::silent(standing, &mut beside);
    beside::settings(standing, &mut beside);
    beside::keys(standing, &mut beside);
    beside::expiry(standing, &mut beside);
    beside.sort_by_key(|remark| remark.tone != Tone::Act);
    remarks.extend(unconnected);
    // Whatever an operator has to put right does not flow.
    if remarks.is_empty() && beside.first().is_none_or(|first| first.tone != Tone::Act) {
        remarks.push(flowing(standing));
    }
    remarks.append(&mut beside);
    remarks
}

fn disk(standing: &Standing, remarks: &mut Vec<Remark>) {
    if let Some(trouble) = &standing.trouble {
        let detail = trouble.detail();
        remarks.push(act(
            format!("Put right: {detail}. Events are refused with 507; what was accepted is kept."),
            trouble.advice(),
        ));
    } else if standing.stored.is_none() {
        remarks.push(act("Put right: the database does not answer.", "Look at the disk that it is on."));
    }
}

fn unreadable(standing: &Standing, remarks: &mut Vec<Remark>) {
    let rows: u64 = standing.unreadable.values().sum();
    if rows > 0 {
        let are = if rows == 1 { "row of the outbox does" } else { "rows of the outbox do" };
        remarks.push(act(
            format!("Put right: {rows} {are} not open. They wait; the others go on."),
            "Restore outbox.key_file and the database from the same backup, then run `mosip-gateway outbox rekey` or start the gateway again.",
        ));
    }
}

/// What keeps all keys that depend on it comes before what they keep.
fn untrusted(standing: &Standing, remarks: &mut Vec<Remark>) {
    if let Some(trouble) = standing.ring.cause() {
        let file = trouble.location.short();
        remarks.push(act(format!("Put right: {file}: {}.", trouble.what), &trouble.advice));
    }
}

/// What pauses two channels alike is said once.
fn paused(standing: &Standing, remarks: &mut Vec<Remark>) {
    let mut causes: Vec<(&Error, &ChannelStatus, Waiting)> = Vec::new();
    for channel in &standing.channels {
        let Flow::Paused { reason, .. } = &channel.flow else { continue };
        let waiting = Waiting::of(standing, channel);
        match causes.iter_mut().find(|(known, ..)| known.detail() == reason.detail()) {
            Some((.., sum)) => sum.add(&waiting),
            None => causes.push((reason, channel, waiting)),
        }
    }
    for (reason, channel, waiting) in causes {
        let what = Rows::to_put_right(&channel.destination, reason.fault(), channel.is_configured());
        let detail = words::sentence(reason.detail());
        let text = format!("Put right {what}. {detail} {}, nothing is lost.", waiting.sentence());
        remarks.push(act(text, reason.advice()));
    }
}

/// How much waits, by what it is.
#[derive(Default)]
struct Waiting {
    events: u64,
    records: u64,
    messages: u64,
}

impl Waiting {
    fn of(standing: &Standing, channel: &ChannelStatus) -> Self {
        let waiting = standing.waiting(channel);
        match channel.queue {
            Queue::Entries => Self { events: waiting, ..Self::default() },
            Queue::Records => Self { records: waiting, ..Self::default() },
            Queue::Deliveries => Self { messages: waiting, ..Self::default() },
        }
    }

    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.records += other.records;
        self.messages += other.messages;
    }

    /// `3 events and 1 record of a job wait`
    fn sentence(&self) -> String {
        let counts = [
            (self.events, "event", "events"),
            (self.records, "record of a job", "records of jobs"),
            (self.messages, "message", "messages"),
        ];
        words::wait(&counts)
    }
}

fn missing_keys(standing: &Standing, remarks: &mut Vec<Remark>) {
    let mut fatal = standing.ring.troubles().iter().filter(|trouble| trouble.fatal).peekable();
    // What several destinations lack is said once.
    let mut lacking: Vec<(&Error, Vec<&str>)> = Vec::new();
    for (destination, error) in standing.lacking.iter().filter(|_| fatal.peek().is_none()) {
        let system = standing.system(destination);
        match lacking.iter_mut().find(|(known, _)| known.detail() == error.detail()) {
            Some((_, systems)) => systems.push(system),
            None => lacking.push((error, vec![system])),
        }
    }
    for (error, systems) in lacking {
        let (systems, detail) = (systems.join(" and "), words::sentence(error.detail()));
        let text = format!("Put right our keys: what goes to {systems} waits for one. {detail}");
        remarks.push(act(text, error.advice()));
    }
    for trouble in fatal.filter(|trouble| Some(*trouble) != standing.ring.cause()) {
        let file = trouble.location.short();
        remarks.push(act(format!("Put right: {file}: {}.", trouble.what), &trouble.advice));
    }
}

/// Destinations that do not answer, each said once.
fn broken(standing: &Standing, remarks: &mut Vec<Remark>) {
    let broken = |destination: &str| {
        let is_broken = |channel: &&ChannelStatus| {
            channel.destination == destination && matches!(channel.flow, Flow::Broken { .. })
        };
        let (mut since, mut waiting, mut elsewhere) = (None, Waiting::default(), BTreeSet::new());
        for channel in standing.channels.iter().filter(is_broken) {
            let stopped_at = standing.stopped_at(channel);
            since = Some(since.map_or(stopped_at, |since: Timestamp| since.min(stopped_at)));
            waiting.add(&Waiting::of(standing, channel));
            elsewhere.extend(channel.failed_at.as_deref());
        }
        let who = match elsewhere.is_empty() {
            true => String::new(),
            false => format!(" No usable answer comes from {}.", Vec::from_iter(elsewhere).join(", ")),
        };
        Some((words::moment(since?), words::uncapitalised(&waiting.sentence()), who))
    };
    for Rows { destination, system, queue, .. } in &*standing.rows {
        let what = match queue {
            Queue::Entries => "event",
            Queue::Records => "record",
            Queue::Deliveries => continue,
        };
        let Some((since, waiting, who)) = broken(destination) else { continue };
        remarks.push(Remark {
            tone: Tone::Waits,
            text: format!("{system} has been away since {since}: {waiting}, nothing is lost.{who}"),
            advice: format!(
                "Registration goes on. One {what} is tried every few seconds; once {system} takes one, all the others are sent."
            ),
        });
    }
    if let Some((since, waiting, _)) = broken("delivery") {
        remarks.push(act(
            format!("Results have not reached the mediator since {since}: {waiting}, nothing is lost."),
            "Start the mediator, or correct deliver.url. One message is tried every few seconds.",
        ));
    }
}

/// What waits for an ID system that no setting names any more: nobody takes it there.
fn nameless(standing: &Standing, remarks: &mut Vec<Remark>) {
    let waiting = standing.stored.iter().flat_map(|stored| stored.entries.oldest_waiting.keys());
    for name in waiting.filter(|name| standing.rows.iter().all(|rows| rows.destination != *name)) {
        let events = words::wait(&[(standing.count_for(name, &State::WAITING), "event", "events")]);
        remarks.push(act(
            format!("Put right the settings: {} for {name}, which none of [[systems]] names.", words::uncapitalised(&events)),
            &format!("Put the section of {name} back, with its name, and start the gateway again; or discard what waits for it."),
        ));
    }
}

/// Messages that the mediator refuses one by one, or does not fetch.
fn undelivered(standing: &Standing, remarks: &mut Vec<Remark>) {
    let Some(stored) = &standing.stored else { return };
    let Some(oldest) = stored.oldest_delivery.map(|since| standing.waited(since)) else { return };
    let waiting = words::wait(&[(stored.deliveries, "message", "messages")]);
    let waiting = format!("{}, the oldest for {}", words::uncapitalised(&waiting), words::length(oldest));
    let channel = standing.channels.iter().find(|channel| channel.queue == Queue::Deliveries);
    match (channel, stored.delivery_refusal()) {
        (Some(channel), Some(refusal)) if channel.flow == Flow::Open => {
            let detail = words::sentence(&refusal.detail);
            let text = format!("Results do not reach the mediator: {waiting}. {detail} Nothing is lost.");
            remarks.push(act(text, &refusal.advice));
        }
        (None, _) if oldest > FETCHED_WITHIN => remarks.push(Remark {
            tone: Tone::Waits,
            text: format!("Results do not reach the mediator, which does not fetch them: {waiting}."),
            advice: "Let the mediator read GET /v1/inbox and acknowledge what it took, or set deliver.url."
                .to_owned(),
        }),
        _ => {}
    }
}

fn undecided(standing: &Standing, remarks: &mut Vec<Remark>) {
    let parked = standing.count(State::Parked);
    if parked > 0 {
        let are = if parked == 1 { "event is parked and needs" } else { "events are parked and need" };
        remarks.push(act(
            format!("Put right: {parked} {are} a decision."),
            "See below what is wrong with each; then try it again, or discard it.",
        ));
    }
    let (mut webhooks, mut quarantined) = (0, 0);
    for count in standing.stored.iter().flat_map(|stored| &stored.quarantine) {
        *if count.kind == WEBHOOK { &mut webhooks } else { &mut quarantined } += count.messages;
    }
    if webhooks > 0 {
        let are = if webhooks == 1 {
            "webhook of OpenCRVS is no event"
        } else {
            "webhooks of OpenCRVS are no events"
        };
        remarks.push(act(
            format!("Put right: {webhooks} {are} yet and did not reach MOSIP."),
            "See below why. Set what is missing and start the gateway again; or try the message again, or discard it.",
        ));
    }
    if quarantined > 0 {
        let are = if quarantined == 1 { "message of MOSIP does" } else { "messages of MOSIP do" };
        remarks.push(act(
            format!("Put right: {quarantined} {are} not verify and did not reach the mediator."),
            "See below why. A file that [keys] names is read as soon as it is replaced; after a change of the configuration, or of a file that [credentials] names, start the gateway again. All are then verified again by themselves.",
        ));
    }
}

fn given_twice(standing: &Standing, remarks: &mut Vec<Remark>) {
    for [one, other] in standing.stored.iter().flat_map(|stored| &stored.aids_given_twice) {
        remarks.push(act(
            format!(
                "Put right: MOSIP gave one application id to the events {one} and {other}. Both are sent."
            ),
            "Ask the MOSIP administrator which of the two the number belongs to.",
        ));
    }
}

/// Registrations of OpenCRVS 1.9 that can soon be confirmed no more.
fn tokens_end(standing: &Standing, remarks: &mut Vec<Remark>) {
    let ending = standing.stored.as_ref().map_or(0, |stored| stored.record_tokens_ending);
    if ending > 0 {
        let (wait, end) = match ending {
            1 => ("registration waits for MOSIP, and the record token that confirms it", "ends"),
            _ => ("registrations wait for MOSIP, and the record tokens that confirm them", "end"),
        };
        remarks.push(act(
            format!("Put right: {ending} {wait} in OpenCRVS {end} within two days."),
            "Ask the MOSIP administrator why no credential has come. A registration that OpenCRVS hands over once more brings a newer token; after the end \
             the client of opencrvs.client_id confirms, where it is set, else a person decides.",
        ));
    }
}

fn flowing(standing: &Standing) -> Remark {
    let waiting = standing.count(State::Queued) + standing.count(State::Leased);
    let records = standing.stored.as_ref().map_or(0, Stored::records_waiting);
    let advice = match waiting {
        0 if records > 0 => {
            format!("{} for IDA's answer.", words::wait(&[(records, "record of a job", "records of jobs")]))
        }
        0 => "No event waits.".to_owned(),
        _ if standing.oldest_age() < Duration::from_secs(60) => format!("{}.", words::under_way(waiting)),
        _ => {
            format!("{}, the oldest for {}.", words::under_way(waiting), words::length(standing.oldest_age()))
        }
    };
    Remark { tone: Tone::Flows, text: "Everything flows.".to_owned(), advice }
}

fn act(text: impl Into<String>, advice: &str) -> Remark {
    Remark { tone: Tone::Act, text: text.into(), advice: words::sentence(advice) }
}

#[cfg(test)]
mod tests;
