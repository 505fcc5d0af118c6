//! `/metrics` in the Prometheus text format 0.0.4. No label holds an id, a subject, a path, or anything of a person.
//!
//! `docs/operator.md` has the table of names. What the database counts is absent while it does not answer.

use std::cmp::Reverse;
use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::standing::{Standing, Stored, since};
use crate::clock::Timestamp;
use crate::crypto::counts::counts;
use crate::faces::{App, Switch};
use crate::keys::Dated;
use crate::ledger::Ledger;
use crate::ledger::entry::{STATES, State};
use crate::queue::ChannelStatus;
use crate::store::{Piece, Queue, Trouble};

pub(super) use prometheus_text::CONTENT_TYPE;

/// What is scraped.
pub(super) fn exposition(standing: &Standing, app: &App) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("mosip_gateway");
    registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    gauge(&mut registry, "ready", "1 while an event post would be taken", u64::from(standing.ready));
    if let Some(stored) = &standing.stored {
        register_stored(&mut registry, standing, stored);
        super::failing::register(&mut registry, stored);
    }
    app.engine().meters().register(&mut registry);
    app.meters().register(&mut registry);
    app.calls().register(&mut registry);
    app.tracer().register(&mut registry);
    register_crypto(&mut registry);
    if let Some((_, logins)) = app.esignet().status() {
        logins.register(&mut registry);
    }
    let held = "Webhooks of OpenCRVS that are held open because they cannot be stored";
    registry.register("webhooks_held", held, app.meters().held());
    register_channels(&mut registry, standing);
    super::hub::register(&mut registry, standing);
    super::webhooks::register(&mut registry, standing);
    if let Some(left) = standing.disk_left {
        gauge(&mut registry, "disk_left_bytes", "What the disk of the database still takes", left);
    }
    register_outbox(&mut registry, standing);
    gauge(&mut registry, "database_bytes", "The database and its log", standing.disk_used);
    register_keys(&mut registry, standing);
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Done {
    operation: &'static str,
    outcome: &'static str,
}

fn register_crypto(registry: &mut Registry) {
    let operations = Family::<Done, Counter>::default();
    for (operation, counts) in counts() {
        for (outcome, count) in ["done", "failed"].into_iter().zip(counts) {
            operations.get_or_create(&Done { operation, outcome }).inc_by(count);
        }
    }
    let help = "Cryptographic operations of this process, by how they ended";
    registry.register("crypto_operations", help, operations);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Depth {
    destination: String,
    kind: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByDestination {
    destination: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    kind: String,
    code: String,
}

fn register_stored(registry: &mut Registry, standing: &Standing, stored: &Stored) {
    let events = Family::<Depth, Gauge>::default();
    // Where entries can go, those that never came stand at zero; what is there of an earlier configuration is shown, too.
    let set = |destination: &str, kind: &str, state: State, count: u64| {
        let (destination, kind) = (destination.to_owned(), kind.to_owned());
        events.get_or_create(&Depth { destination, kind, state: state.as_str() }).set(count.cast_signed());
    };
    for rows in standing.rows.iter().filter(|rows| rows.queue == Queue::Entries) {
        for (kind, state) in rows.kinds.iter().flat_map(|kind| STATES.map(|state| (kind, state))) {
            set(rows.destination, kind, state, 0);
        }
    }
    for ((destination, kind, state), count) in &stored.entries.counts {
        set(destination, kind, *state, *count);
    }
    registry.register("events", "Events in the database", events);
    let oldest = Family::<ByDestination, Gauge>::default();
    let show = |destination: &str, age: Duration| {
        let destination = destination.to_owned();
        oldest.get_or_create(&ByDestination { destination }).set(age.as_secs().cast_signed());
    };
    // Messages for the mediator are counted by themselves.
    for rows in standing.rows.iter().filter(|rows| rows.queue != Queue::Deliveries) {
        show(rows.destination, standing.oldest_for(rows).unwrap_or_default());
    }
    for (destination, at) in &stored.entries.oldest_waiting {
        show(destination, since(*at, standing.now));
    }
    let help = "Age of the oldest event, or job, that its destination does not have";
    registry.register("oldest_waiting_seconds", help, oldest);
    let waiting = "Messages that the mediator has not taken";
    gauge(registry, "deliveries_waiting", waiting, stored.deliveries);
    let oldest = stored.oldest_delivery.map_or(0, |since| standing.waited(since).as_secs());
    gauge(
        registry,
        "oldest_delivery_seconds",
        "Age of the oldest message that the mediator has not taken",
        oldest,
    );
    gauge(registry, "jobs_unfinished", "Jobs that are not finished", stored.jobs.jobs);
    let waiting = "Records of jobs that IDA has not been asked about";
    gauge(registry, "records_waiting", waiting, stored.records_waiting());
    let (messages, bytes) = stored.quarantined();
    gauge(registry, "quarantine_messages", "Messages in quarantine", messages);
    gauge(registry, "quarantine_bytes", "Size of the messages in quarantine", bytes);
    let pairs = stored.aids_given_twice.len() as u64;
    gauge(registry, "aids_given_twice", "Pairs of events that got one application id", pairs);
    let ending = "Registrations that wait, and whose record token ends within two days";
    gauge(registry, "record_tokens_ending", ending, stored.record_tokens_ending);
    let reasons = Family::<Reason, Gauge>::default();
    for count in &stored.quarantine {
        let reason = Reason { kind: count.kind.clone(), code: count.code.clone() };
        reasons.get_or_create(&reason).set(count.messages.cast_signed());
    }
    registry.register("quarantine_reasons", "Messages in quarantine, by the code of the reason", reasons);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFile {
    file: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTable {
    table: &'static str,
}

fn register_outbox(registry: &mut Registry, standing: &Standing) {
    let files = Family::<OfFile, Gauge>::default();
    let gone = standing.trouble.as_ref().map_or(&[][..], |trouble| trouble.gone());
    for piece in Piece::ALL {
        let is_gone = gone.iter().any(|gone| gone.piece == piece);
        files.get_or_create(&OfFile { file: piece.as_str() }).set(i64::from(is_gone));
    }
    registry.register("outbox_file_gone", "1 while this file of the outbox was removed or replaced", files);
    let lost = Gauge::<i64>::default();
    lost.set(i64::from(matches!(standing.trouble, Some(Trouble::Lost { .. }))));
    registry.register(
        "outbox_commits_lost",
        "1 while the database lacks commits that this gateway acknowledged",
        lost,
    );
    let tables = Family::<OfTable, Gauge>::default();
    for table in Ledger::SEALED_TABLES {
        let rows = standing.unreadable.get(table).copied().unwrap_or(0);
        tables.get_or_create(&OfTable { table }).set(rows.cast_signed());
    }
    registry.register("outbox_unreadable", "Rows that do not open", tables);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelState {
    destination: String,
    host: String,
    kind: String,
    state: &'static str,
}

fn register_channels(registry: &mut Registry, standing: &Standing) {
    let channels = Family::<ChannelState, Gauge>::default();
    for channel in &standing.channels {
        for kind in channel.carries() {
            for state in ChannelStatus::STATES {
                // A series goes on while another host is in the way, or no alarm would wait to its end.
                let (destination, host) = (channel.destination.clone(), channel.host.clone());
                let labels = ChannelState { destination, host, kind: kind.clone(), state };
                channels.get_or_create(&labels).set(i64::from(channel.state() == state));
            }
        }
    }
    registry.register("channel", "1 for the state that the upstream URL of the kind is in", channels);
    let success = Family::<Carried, Gauge>::default();
    for channel in &standing.channels {
        let Some(at) = channel.last_success else { continue };
        for kind in channel.carries() {
            let (destination, host) = (channel.destination.clone(), channel.host.clone());
            success.get_or_create(&Carried { destination, host, kind }).set(at.seconds());
        }
    }
    registry.register(
        "last_success_timestamp_seconds",
        "When the upstream URL of the kind last took something",
        success,
    );
    let faces = Family::<Face, Gauge>::default();
    for Switch { name, is_on, .. } in standing.faces.iter().copied() {
        faces.get_or_create(&Face { name }).set(i64::from(is_on));
    }
    registry.register("face", "1 while the face that stands in for an older system is on", faces);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Carried {
    destination: String,
    host: String,
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Face {
    name: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Numbered {
    role: &'static str,
    name: String,
    number: String,
}

/// Of a subscription, at MOSIP's hub or at OpenCRVS.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Subscribed {
    pub(super) topic: &'static str,
    pub(super) state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfTopic {
    pub(super) topic: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Severity {
    fatal: &'static str,
}

fn register_keys(registry: &mut Registry, standing: &Standing) {
    let days = days_left(&standing.certificates, standing.now);
    registry.register("certificate_days_left", "Whole days until the certificate expires", days);
    let missing = Family::<Named, Gauge>::default();
    for key in standing.ring.retiring().filter(|key| !key.is_replaced) {
        let left = key.until.millis().saturating_sub(standing.now.millis()).max(0) / 1000;
        missing.get_or_create(&Named { name: key.called() }).set(left);
    }
    let help = "How long an own key goes on being used whose file is missing or broken, seconds";
    registry.register("missing_key_left_seconds", help, missing);
    let troubles = standing.key_troubles().count() as u64;
    gauge(registry, "key_troubles", "Key files that are not as they should be", troubles);
    let public = standing.example_keys().count() as u64;
    gauge(registry, "example_keys", "Development keys in use, whose private halves are public", public);
    let troubles = Family::<Severity, Gauge>::default();
    for (fatal, is_fatal) in [("true", true), ("false", false)] {
        let count = standing.of_settings().filter(|trouble| trouble.fatal == is_fatal).count();
        troubles.get_or_create(&Severity { fatal }).set(count as i64);
    }
    let help =
        "Settings, or files that they name, that are not as they should be; fatal: something cannot work";
    registry.register("setting_troubles", help, troubles);
}

fn days_left(certificates: &[Dated], now: Timestamp) -> Family<Numbered, Gauge> {
    let days = Family::<Numbered, Gauge>::default();
    // Of several with one name the next to expire counts: the last one that is set.
    let mut certificates: Vec<_> = certificates.iter().collect();
    certificates.sort_by_key(|dated| Reverse(dated.dates.not_after));
    for dated in certificates {
        let (role, name, number) = (dated.place.role, dated.place.name.clone(), dated.number.to_string());
        days.get_or_create(&Numbered { role, name, number }).set(dated.days_left(now));
    }
    days
}

pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::dated::lasting;

    #[test]
    fn of_certificates_with_one_name_the_next_to_expire_is_shown() {
        let now = Timestamp::from_seconds(0);
        for [one, other] in [[10, 300], [300, 10]] {
            let days = days_left(
                &[lasting("own", "a.crt", 1, now, one), lasting("own", "a.crt", 1, now, other)],
                now,
            );
            let named = Numbered { role: "own", name: "a.crt".to_owned(), number: "1".to_owned() };
            assert_eq!(days.get_or_create(&named).get(), 10, "{one} {other}");
        }
    }
}
